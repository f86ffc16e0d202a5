//! Which modules are for Fixpoint's interface.

use wasmparser::{ExternalKind, Parser, Payload, Result};

use super::names::{Call, EXPORT, MODULES, NAMES};
use crate::abi;
use crate::check::{Shape, Wanted, check_for};
use crate::meaning::fixpoint_features;
use crate::outcome::Failure;

/// Whether a module is to be looked at as one: it has the export or imports from
/// the modules, and is none of ours. Reads no code, and of a module that is
/// malformed as much as there is.
pub(crate) fn is_one(module: &[u8]) -> bool {
    let mut found = false;
    let look = |found: &mut bool| -> Result<bool> {
        for payload in Parser::new(0).parse_all(module) {
            match payload? {
                Payload::ImportSection(section) => {
                    for import in section.into_imports() {
                        *found |= MODULES.contains(&import?.module);
                    }
                }
                Payload::ExportSection(section) => {
                    for export in section {
                        let export = export?;
                        let is_function = export.kind == ExternalKind::Func;
                        if is_function && export.name == abi::table::EXPORT {
                            return Ok(false);
                        }
                        *found |= is_function && export.name == EXPORT;
                    }
                    // What comes after it says nothing more.
                    return Ok(true);
                }
                Payload::CodeSectionStart { .. } => return Ok(true),
                _ => {}
            }
        }
        Ok(true)
    };
    look(&mut found).unwrap_or(false) && found
}

/// Checks one.
pub(super) fn check(module: &[u8]) -> Result<Shape, Failure> {
    let wanted = Wanted {
        features: fixpoint_features(),
        import: &|module, name, ty| {
            let params = ty.map_or(0, |ty| ty.params().len());
            let call = MODULES.contains(&module).then(|| Call::of(name, params)).flatten();
            call.map(Call::signature)
        },
        known: (MODULES[0], NAMES),
        hint: &|module| {
            let ours = module == abi::table::MODULE;
            ours.then_some("a module has the functions of weft_1 or of fixpoint, not both")
        },
        export: Some((EXPORT, &["(externref) -> externref"])),
        others: &[],
        otherwise: &|_| ("", None),
    };
    check_for(module, &wanted)
}
