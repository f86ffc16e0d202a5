//! Which components are programs: by the names of what they import and export.
//! Whether the functions in there have the types that they should is found when
//! they are linked.

use wasmparser::{CanonicalFunction, Parser, Payload};

use crate::check::{Shape, bad, malformed, unknown_imports};
use crate::effort::validate;
use crate::meaning::component_features;
use crate::outcome::Failure;

/// The version that all of these have, but for its last number.
const VERSION: &str = "0.2";

/// What is called.
const RUN: &str = "wasi:cli/run";

/// What a component may import: all that `wit/world.wit` has.
const INTERFACES: &[&str] = &[
    "wasi:cli/environment",
    "wasi:cli/exit",
    "wasi:cli/stdin",
    "wasi:cli/stdout",
    "wasi:cli/stderr",
    "wasi:cli/terminal-input",
    "wasi:cli/terminal-output",
    "wasi:cli/terminal-stdin",
    "wasi:cli/terminal-stdout",
    "wasi:cli/terminal-stderr",
    "wasi:clocks/monotonic-clock",
    "wasi:clocks/wall-clock",
    "wasi:filesystem/preopens",
    "wasi:filesystem/types",
    "wasi:io/error",
    "wasi:io/poll",
    "wasi:io/streams",
    "wasi:random/insecure",
    "wasi:random/insecure-seed",
    "wasi:random/random",
];

/// Whether this is a component, and no module.
pub(in crate::wasi) fn is_component(bytes: &[u8]) -> bool {
    bytes.starts_with(b"\0asm\x0d\0\x01\0")
}

/// What is read of a component before it is compiled.
#[derive(Default)]
struct Names {
    imports: Vec<String>,
    exports: Vec<String>,
    makes_resources: bool,
}

/// Checks a component.
pub(super) fn check(component: &[u8]) -> Result<Shape, Failure> {
    let valid = validate(component, component_features());
    let valid = valid.map_err(|error| malformed(component, Some(error.to_string())))?;
    let (_, too_much) = valid.ok_or_else(|| malformed(component, None))?;
    let names = Names::read(component);
    let names = names.map_err(|error| malformed(component, Some(error.to_string())))?;
    let unknown: Vec<_> = names.imports.iter().filter(|name| !is_known(name)).cloned().collect();
    let known: Vec<_> = INTERFACES.iter().map(|name| format!("{name}@{VERSION}")).collect();
    unknown_imports(&unknown, &known)?;
    if !names.exports.iter().any(|name| unversioned(name) == Some(RUN)) {
        let detail = format!("no export {RUN}@{VERSION}, so it is no command for WASI {VERSION}");
        return Err(bad(detail));
    }
    let resources = names
        .makes_resources
        .then(|| "the component makes resources of its own, which nothing bounds here".to_owned());
    Ok(Shape {
        // Of which there may be many; they are counted as they are made.
        memory_min_bytes: 0,
        has_memory64: false,
        too_much: too_much.or(resources),
    })
}

/// A name without its version, if that is one of ours.
fn unversioned(name: &str) -> Option<&str> {
    let (name, version) = name.split_once('@')?;
    let patch = version.strip_prefix(VERSION)?.strip_prefix('.')?;
    (!patch.is_empty() && patch.bytes().all(|byte| byte.is_ascii_digit())).then_some(name)
}

fn is_known(name: &str) -> bool {
    unversioned(name).is_some_and(|name| INTERFACES.contains(&name))
}

impl Names {
    fn read(component: &[u8]) -> wasmparser::Result<Self> {
        let mut names = Self::default();
        let mut depth = 0;
        let mut parser = Parser::new(0);
        parser.set_features(component_features());
        for payload in parser.parse_all(component) {
            match payload? {
                Payload::ModuleSection { .. } | Payload::ComponentSection { .. } => depth += 1,
                Payload::End(_) => depth -= 1,
                Payload::ComponentImportSection(section) if depth == 0 => {
                    for import in section {
                        names.imports.push(import?.name.name.to_owned());
                    }
                }
                Payload::ComponentExportSection(section) if depth == 0 => {
                    for export in section {
                        names.exports.push(export?.name.name.to_owned());
                    }
                }
                Payload::ComponentCanonicalSection(section) => {
                    for function in section {
                        names.makes_resources |=
                            matches!(function?, CanonicalFunction::ResourceNew { .. });
                    }
                }
                _ => {}
            }
        }
        Ok(names)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_interfaces_are_those_of_the_world() {
        let world = include_str!("../../../wit/world.wit");
        let imports = world.lines().filter_map(|line| line.trim().strip_prefix("import "));
        let imports = imports.filter_map(|import| unversioned(import.strip_suffix(';')?));
        assert_eq!(imports.collect::<Vec<_>>(), INTERFACES);
    }

    #[test]
    fn all_versions_of_0_2_are_one() {
        for known in ["wasi:cli/exit@0.2.0", "wasi:cli/exit@0.2.12", "wasi:io/poll@0.2.99"] {
            assert!(is_known(known), "{known}");
        }
        for unknown in [
            "wasi:cli/exit",
            "wasi:cli/exit@0.3.0",
            "wasi:cli/exit@0.2.",
            "wasi:cli/exit@0.20.1",
            "wasi:cli/exit@0.2.1-rc",
            "wasi:cli/exit@0.2.0+x",
            "wasi:sockets/tcp@0.2.0",
        ] {
            assert!(!is_known(unknown), "{unknown}");
        }
    }
}
