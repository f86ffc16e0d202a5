//! What is committed and follows from something else: the files generated from
//! the ABI's table, and the guests built from their sources.
//!
//! `WEFT_REGENERATE=1`, which `cargo xtask guests` sets, writes them.

use std::fs;
use std::path::{Path, PathBuf};

use weft_engine::abi::generate;
use weft_object::Handle;

fn root() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../..")
}

fn check(path: &str, current: &str, remedy: &str) {
    let path = root().join(path);
    if std::env::var_os("WEFT_REGENERATE").is_some() {
        fs::write(&path, current).unwrap();
        return;
    }
    let committed = fs::read_to_string(&path).unwrap_or_default();
    assert!(committed == current, "{} is stale; run `{remedy}`", path.display());
}

const ABI: &str = "cargo xtask guests --abi";

#[test]
fn the_c_header_follows_the_table() {
    check("guests/include/weft.h", &generate::c_header(), ABI);
}

#[test]
fn the_rust_extern_block_follows_the_table() {
    check("guests/weft-guest/src/abi.rs", &generate::rust_externs(), ABI);
}

#[test]
fn the_reference_page_follows_the_table() {
    let page = fs::read_to_string(root().join("docs/abi.md")).unwrap();
    let current = generate::reference_page(&page).expect("docs/abi.md has both markers");
    check("docs/abi.md", &current, ABI);
}

/// Every file below a directory of the guests' sources, by path.
fn sources(dir: &Path, out: &mut Vec<PathBuf>) {
    for entry in fs::read_dir(dir).unwrap() {
        let path = entry.unwrap().path();
        let name = path.file_name().unwrap().to_string_lossy().into_owned();
        match name.as_str() {
            "target" | "bin" | "README.md" => {}
            _ if path.is_dir() => sources(&path, out),
            _ => out.push(path),
        }
    }
}

/// The name of all sources together, then of each module built from them.
fn fingerprint() -> String {
    let guests = root().join("guests");
    let mut paths = Vec::new();
    sources(&guests, &mut paths);
    paths.sort();
    let mut all = Vec::new();
    for path in &paths {
        let name = path.strip_prefix(&guests).unwrap().to_str().unwrap().replace('\\', "/");
        let content = fs::read(path).unwrap();
        all.extend_from_slice(name.as_bytes());
        all.push(0);
        all.extend_from_slice(&(content.len() as u64).to_le_bytes());
        all.extend_from_slice(&content);
    }
    let mut lines = vec![format!("{} sources", Handle::of_blob(&all))];
    for path in modules() {
        let name = path.file_name().unwrap().to_string_lossy().into_owned();
        lines.push(format!("{} {name}", Handle::of_blob(&fs::read(path).unwrap())));
    }
    lines.push(String::new());
    lines.join("\n")
}

fn modules() -> Vec<PathBuf> {
    let mut modules: Vec<_> = fs::read_dir(root().join("guests/bin"))
        .unwrap()
        .map(|entry| entry.unwrap().path())
        .filter(|path| path.extension().is_some_and(|extension| extension == "wasm"))
        .collect();
    modules.sort();
    modules
}

#[test]
fn the_guests_are_built_from_these_sources() {
    check("guests/bin/SOURCES", &fingerprint(), "cargo xtask guests");
}

#[test]
fn the_guests_are_small() {
    let modules = modules();
    assert!(modules.len() >= 13, "{modules:?}");
    for path in modules {
        let bytes = fs::metadata(&path).unwrap().len();
        // Programs for WASI carry the standard library of their language, and
        // components what makes 0.2 of preview 1.
        let name = path.file_name().unwrap().to_string_lossy().into_owned();
        let bytes_max = match name.split('-').next() {
            Some("wasi") => 300 << 10,
            Some("component") => 400 << 10,
            _ => 60 << 10,
        };
        assert!(bytes < bytes_max, "{} has {bytes} bytes", path.display());
    }
}

#[test]
fn the_engine_names_the_compiler_that_is_locked() {
    let lock = fs::read_to_string(root().join("Cargo.lock")).unwrap();
    let (_, after) = lock.split_once("name = \"wasmtime\"\nversion = \"").unwrap();
    let (version, _) = after.split_once('"').unwrap();
    let named = crate::harness::ENGINE.version();
    assert!(named.ends_with(&format!(" wasmtime {version}")), "{named}, locked is {version}");
}
