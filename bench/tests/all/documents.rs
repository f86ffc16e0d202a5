//! SPECIFICATION.md against the table of promises, and modules against their
//! sources.

use std::fs;
use std::path::{Path, PathBuf};

#[path = "../../../peers/src/promise.rs"]
#[allow(dead_code, reason = "what compares with them is there")]
mod beside;

fn root() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("..")
}

/// The first two cells of each row of a section.
fn listed(document: &str, section: &str) -> Vec<(String, String)> {
    let heading = format!("{section}\n");
    let section = document.split("\n## ").find(|part| part.starts_with(&heading)).unwrap();
    let rows = section.lines().filter(|line| line.starts_with("| `"));
    rows.map(|row| {
        let cells: Vec<&str> = row.split('|').map(str::trim).collect();
        (cells[1].trim_matches('`').to_owned(), cells[2].to_owned())
    })
    .collect()
}

#[test]
fn the_specification_lists_the_promises_that_are_checked() {
    let document = fs::read_to_string(root().join("SPECIFICATION.md")).unwrap();
    let promises: Vec<(String, String)> = weft_bench::PROMISES
        .iter()
        .map(|promise| (promise.bench.to_owned(), promise.to_string()))
        .collect();
    assert_eq!(listed(&document, "Promises"), promises);
    for name in weft_bench::NAMES {
        assert!(document.contains(&format!("`{name}`")), "no word of {name}");
    }
}

/// Those of a workspace of its own, which needs wasmtime-wasi.
#[test]
fn the_specification_lists_the_promises_beside_plain_wasmtime() {
    let document = fs::read_to_string(root().join("SPECIFICATION.md")).unwrap();
    let promises = beside::PROMISES.iter();
    let promises: Vec<(String, String)> =
        promises.map(|promise| (promise.bench.to_owned(), promise.to_string())).collect();
    assert_eq!(listed(&document, "Promises beside plain wasmtime"), promises);
}

#[test]
fn the_modules_are_what_their_sources_say() {
    let guests = Path::new(env!("CARGO_MANIFEST_DIR")).join("guests");
    let mut compared = 0;
    for entry in fs::read_dir(guests).unwrap() {
        let source = entry.unwrap().path();
        if source.extension().is_none_or(|extension| extension != "wat") {
            continue;
        }
        let built = wat::parse_file(&source).unwrap();
        let committed = source.with_extension("wasm");
        if std::env::var_os("WEFT_REGENERATE").is_some() {
            fs::write(&committed, &built).unwrap();
        }
        let message = "WEFT_REGENERATE=1 cargo test -p weft-bench writes it anew";
        let same = fs::read(&committed).unwrap_or_default() == built;
        assert!(same, "{}: {message}", committed.display());
        compared += 1;
    }
    assert_eq!(compared, 11);
}
