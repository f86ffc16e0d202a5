//! The table of calls and the page that shows it.

use std::collections::BTreeSet;
use std::fmt::Write;
use std::path::Path;

use weft_wasi::{CALLS, Errno, Wasm};

const BEGIN: &str = "<!-- begin generated table -->\n";
const END: &str = "<!-- end generated table -->\n";

fn rows() -> String {
    let mut out = String::from("| function | type | does | answers |\n|---|---|---|---|\n");
    for call in CALLS {
        let names: Vec<&str> = call.params.iter().map(|(name, _)| *name).collect();
        let wasm = |wasm: &Wasm| match wasm {
            Wasm::I32 => "i32",
            Wasm::I64 => "i64",
        };
        let types: Vec<&str> = call.params.iter().map(|(_, ty)| wasm(ty)).collect();
        let result = if call.returns { "i32" } else { "()" };
        let errnos: Vec<String> =
            call.errnos.iter().map(|errno| format!("E{}", errno.name().to_uppercase())).collect();
        let (names, types, errnos) = (names.join(", "), types.join(", "), errnos.join(" "));
        let does = call.does;
        writeln!(out, "| `{}({names})` | `({types}) -> {result}` | {does} | {errnos} |", call.name)
            .unwrap();
    }
    out
}

#[test]
fn the_page_shows_the_table() {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../docs/wasi.md");
    let page = std::fs::read_to_string(&path).unwrap();
    let (before, rest) = page.split_once(BEGIN).unwrap();
    let (_, after) = rest.split_once(END).unwrap();
    let current = [before, BEGIN, &rows(), END, after].concat();
    if std::env::var_os("WEFT_REGENERATE").is_some() {
        std::fs::write(&path, current).unwrap();
        return;
    }
    let stale = "docs/wasi.md is stale; run `WEFT_REGENERATE=1 cargo test -p weft-wasi`";
    assert!(page == current, "{stale}");
}

#[test]
fn the_table_is_all_of_preview_1_and_each_once() {
    let names: BTreeSet<&str> = CALLS.iter().map(|call| call.name).collect();
    assert_eq!(names.len(), CALLS.len());
    assert_eq!(CALLS.len(), 46, "functions of the standard");
    for call in CALLS {
        let errnos: BTreeSet<Errno> = call.errnos.iter().copied().collect();
        assert_eq!(errnos.len(), call.errnos.len(), "{}", call.name);
        assert!(!errnos.contains(&Errno::Success) && !errnos.contains(&Errno::Fault));
        assert!(!call.does.ends_with('.'), "{}", call.name);
        assert_eq!(call.returns, call.name != "proc_exit");
    }
}

/// Types as the standard has them, for those with 64 bits anywhere.
#[test]
fn wide_parameters_are_where_the_standard_has_them() {
    let wide: Vec<(&str, Vec<usize>)> = CALLS
        .iter()
        .map(|call| {
            let params = call.params.iter().enumerate();
            (
                call.name,
                params.filter(|(_, param)| param.1 == Wasm::I64).map(|(at, _)| at).collect(),
            )
        })
        .filter(|(_, wide): &(_, Vec<_>)| !wide.is_empty())
        .collect();
    let expected = [
        ("clock_time_get", vec![1]),
        ("fd_advise", vec![1, 2]),
        ("fd_allocate", vec![1, 2]),
        ("fd_fdstat_set_rights", vec![1, 2]),
        ("fd_filestat_set_size", vec![1]),
        ("fd_filestat_set_times", vec![1, 2]),
        ("fd_pread", vec![3]),
        ("fd_pwrite", vec![3]),
        ("fd_readdir", vec![3]),
        ("fd_seek", vec![1]),
        ("path_filestat_set_times", vec![4, 5]),
        ("path_open", vec![5, 6]),
    ];
    assert_eq!(wide, expected);
}
