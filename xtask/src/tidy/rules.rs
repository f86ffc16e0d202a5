//! Rules about the text of files.

use super::TextFile;
use super::code::{is_name, only_code};
use super::metadata::Member;

/// A file longer than this wants to be two.
const LINES_MAX: usize = 1200;

/// Words that promise work instead of doing it.
const PROMISES: [&str; 3] = [concat!("TO", "DO"), concat!("FIX", "ME"), concat!("XX", "X")];

/// Where some machine keeps its files: never true on the next machine.
const MACHINE_PATHS: [&str; 4] =
    [concat!("/", "work"), concat!("/", "root"), concat!("/", "home"), concat!("/", "tmp/")];

/// What `eval` may not name: it decides, others act.
const IMPURE: [&str; 8] = ["thread", "time", "path", "net", "fs", "env", "io", "process"];

/// Where `unsafe` may stand, and is documented: the sandbox; guests, because
/// the ABI's imports are foreign functions; mapped files, and what they are
/// compared with.
const UNSAFE_FOLDERS: [&str; 6] = [
    "crates/engine/",
    "guests/",
    "crates/store/src/map.rs",
    "crates/store/src/map/",
    "bench/src/plain.rs",
    "peers/src/plain.rs",
];

/// The crates with such a module. The one that is all sandbox says nothing; in
/// another, the rest is still denied it.
const UNSAFE_CRATES: [(&str, &str); 3] =
    [("engine", ""), ("store", "#![deny(unsafe_code)]"), ("bench", "#![deny(unsafe_code)]")];

/// Rules for every file that people write.
pub(crate) fn text(file: &TextFile) -> Vec<String> {
    let path = &file.path;
    let mut complaints = Vec::new();
    if path.ends_with("Cargo.lock") || path.starts_with("LICENSE-") {
        return complaints;
    }
    let count = file.text.lines().count();
    if count > LINES_MAX {
        complaints.push(format!("{path}: {count} lines, more than {LINES_MAX}: make it two files"));
    }
    for (number, line) in (1..).zip(file.text.lines()) {
        for word in PROMISES.iter().filter(|word| has_word(line, word)) {
            complaints.push(format!("{path}:{number}: `{word}`: do it, or open an issue"));
        }
        for place in MACHINE_PATHS.iter().filter(|place| has_machine_path(line, place)) {
            complaints.push(format!("{path}:{number}: `{place}` is a path of one machine"));
        }
        if line.starts_with(concat!("<<<<", "<<< ")) || line.starts_with(concat!(">>>>", ">>> ")) {
            complaints.push(format!("{path}:{number}: a conflict was left here"));
        }
    }
    complaints
}

/// Rules for Rust sources, about code only, not comments or strings.
pub(crate) fn rust(file: &TextFile) -> Vec<String> {
    let path = &file.path;
    let code = only_code(&file.text);
    let mut complaints = Vec::new();
    for (number, line) in (1..).zip(code.lines()) {
        let squeezed: String = line.split_whitespace().collect();
        for (found, what) in [("todo!", "todo"), ("unimplemented!", "unimplemented")] {
            if has_word(line, what) && squeezed.contains(found) {
                complaints.push(format!("{path}:{number}: `{found}`: finish it"));
            }
        }
        if squeezed.contains("#[ignore") {
            let instead = "print `skipped: why` and return, so that CI notices";
            complaints.push(format!("{path}:{number}: an ignored test: {instead}"));
        }
        let may = UNSAFE_FOLDERS.iter().any(|folder| path.starts_with(folder));
        if !may && has_word(line, "unsafe") {
            let places = "crates/engine, crates/store/src/map.rs and what it is measured against";
            complaints.push(format!("{path}:{number}: `unsafe` belongs to {places} alone"));
        }
    }
    if path.starts_with("crates/eval/src/") {
        for name in std_modules(&code).iter().filter(|name| IMPURE.contains(&name.as_str())) {
            complaints.push(format!("{path}: names `std::{name}`; eval is pure: let node do it"));
        }
        if has_word(&code, "tokio") {
            complaints.push(format!("{path}: names `tokio`; eval is pure: let node do it"));
        }
    }
    complaints
}

/// Rules for the root file of each crate, and for its manifest.
pub(crate) fn crate_roots(files: &[TextFile], members: &[Member]) -> Vec<String> {
    let mut complaints = Vec::new();
    let find = |path: &str| files.iter().find(|file| file.path == path);
    for member in members {
        for path in &member.roots {
            let Some(file) = find(path) else {
                complaints.push(format!("{path}: a crate root, but no committed text"));
                continue;
            };
            let squeezed: String = only_code(&file.text).split_whitespace().collect();
            let own = UNSAFE_CRATES.iter().find(|(name, _)| *name == member.name);
            let says = own.map_or("#![forbid(unsafe_code)]", |(_, says)| says);
            if !squeezed.contains(says) {
                complaints.push(format!("{path}: lacks `{says}`"));
            }
            if member.name == "object" && !squeezed.contains("#![no_std]") {
                complaints.push(format!("{path}: `object` is `#![no_std]`"));
            }
        }
        let manifest = format!("{}/Cargo.toml", member.folder);
        let inherits =
            find(&manifest).is_some_and(|f| f.text.contains("[lints]\nworkspace = true"));
        if !inherits {
            complaints.push(format!("{manifest}: lacks `[lints]` with `workspace = true`"));
        }
    }
    complaints
}

/// Whether this word stands in the text, not as a part of another.
fn has_word(text: &str, word: &str) -> bool {
    text.match_indices(word).any(|(at, _)| {
        let before = text.as_bytes()[..at].last().copied();
        let after = text.as_bytes().get(at + word.len()).copied();
        !before.is_some_and(is_name) && !after.is_some_and(is_name)
    })
}

/// Whether an absolute path begins so here: `a/tmp/` and `/workspace` do not.
fn has_machine_path(line: &str, place: &str) -> bool {
    line.match_indices(place).any(|(at, _)| {
        let before = line.as_bytes()[..at].last().copied();
        let after = line.as_bytes().get(at + place.len()).copied();
        let inside = before.is_some_and(|b| is_name(b) || b"./*}-~".contains(&b));
        !inside && (place.ends_with('/') || !after.is_some_and(|b| is_name(b) || b == b'-'))
    })
}

/// The first name after each `std::`, also of each entry in `std::{...}`.
fn std_modules(code: &str) -> Vec<String> {
    let squeezed: String = code.split_whitespace().collect();
    let mut names = Vec::new();
    for (at, _) in squeezed.match_indices("std::") {
        let rest = &squeezed[at + "std::".len()..];
        let Some(group) = rest.strip_prefix('{') else {
            names.push(first_name(rest));
            continue;
        };
        let mut depth = 0;
        names.push(first_name(group));
        for (at, byte) in group.bytes().enumerate() {
            match byte {
                b'{' => depth += 1,
                b'}' if depth == 0 => break,
                b'}' => depth -= 1,
                b',' if depth == 0 => names.push(first_name(&group[at + 1..])),
                _ => {}
            }
        }
    }
    names
}

fn first_name(text: &str) -> String {
    text.chars().take_while(|c| c.is_alphanumeric() || *c == '_').collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn file(path: &str, text: &str) -> TextFile {
        TextFile { path: path.into(), text: text.into() }
    }

    #[test]
    fn promises_and_machine_paths_are_found() {
        for bad in [
            format!("// {}: later", PROMISES[0]),
            format!("<!-- {} -->", PROMISES[1]),
            format!("see {}", PROMISES[2]),
            format!("open({}/x)", MACHINE_PATHS[0]),
            format!("cd {}", MACHINE_PATHS[1]),
            format!("\"{}/me\"", MACHINE_PATHS[2]),
            format!("{}x", MACHINE_PATHS[3]),
            format!("{} ours", "<".repeat(7)),
            "\n".repeat(LINES_MAX + 1),
        ] {
            assert_eq!(text(&file("a.md", &bad)).len(), 1, "{bad:?}");
        }
        for good in ["in progress", "a/working/set", "$OUT/tmp/x", "crates/root", "/workspace", ""]
        {
            assert_eq!(text(&file("a.md", good)), [""; 0], "{good:?}");
        }
    }

    #[test]
    fn unfinished_and_unsafe_code_is_found() {
        for bad in [
            "fn f() { todo!() }",
            "unimplemented !(\"x\")",
            "#[ignore]\nfn f() {}",
            "#[ ignore = \"slow\" ]",
            "unsafe { f() }",
        ] {
            assert_eq!(rust(&file("crates/node/src/a.rs", bad)).len(), 1, "{bad:?}");
        }
        for may in ["engine/src/a.rs", "store/src/map.rs", "store/src/map/a.rs"] {
            assert_eq!(rust(&file(&format!("crates/{may}"), "unsafe { f() }")), [""; 0]);
        }
        assert_eq!(rust(&file("crates/store/src/maps.rs", "unsafe { f() }")).len(), 1);
        let good = "#![forbid(unsafe_code)] // unsafe\nlet a = \"#[ignore] unsafe\";";
        assert_eq!(rust(&file("crates/node/src/a.rs", good)), [""; 0]);
    }

    #[test]
    fn eval_stays_pure() {
        for bad in [
            "use std::thread;",
            "use std::{collections::{A, B}, time::Instant};",
            "use ::std :: { fs };",
            "let x = std::env::var(\"a\");",
            "tokio::spawn(x)",
        ] {
            assert_eq!(rust(&file("crates/eval/src/a.rs", bad)).len(), 1, "{bad:?}");
            assert_eq!(rust(&file("crates/node/src/a.rs", bad)), [""; 0], "{bad:?}");
        }
        let good = "// std::thread\nuse std::{collections::HashMap, fmt::{self, io}};";
        assert_eq!(rust(&file("crates/eval/src/a.rs", good)), [""; 0]);
    }

    #[test]
    fn crate_roots_forbid_and_inherit() {
        let member = |name: &str| Member {
            name: name.into(),
            folder: name.into(),
            roots: vec![format!("{name}/src/lib.rs")],
            edges: Vec::new(),
        };
        let members = ["object", "engine", "node", "store", "gone"].map(member);
        let manifest = "[lints]\nworkspace = true\n";
        let files = [
            file("object/src/lib.rs", "#![forbid(unsafe_code)]"),
            file("object/Cargo.toml", manifest),
            file("engine/src/lib.rs", ""),
            file("engine/Cargo.toml", "[package]"),
            file("node/src/lib.rs", "// #![forbid(unsafe_code)]"),
            file("node/Cargo.toml", manifest),
            file("store/src/lib.rs", "#![allow(unsafe_code)]"),
            file("store/Cargo.toml", manifest),
            file("gone/Cargo.toml", manifest),
        ];
        assert_eq!(
            crate_roots(&files, &members),
            [
                "object/src/lib.rs: `object` is `#![no_std]`",
                "engine/Cargo.toml: lacks `[lints]` with `workspace = true`",
                "node/src/lib.rs: lacks `#![forbid(unsafe_code)]`",
                "store/src/lib.rs: lacks `#![deny(unsafe_code)]`",
                "gone/src/lib.rs: a crate root, but no committed text",
            ]
        );
    }
}
