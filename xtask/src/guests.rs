//! Rebuilds what is committed for guests: the files generated from the ABI's
//! table, and the compiled modules in `guests/bin`.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

use crate::Result;

const TARGET: &str = "wasm32-unknown-unknown";

/// Of the programs for WASI, and what stands before their names: for preview 1,
/// and the same as components for 0.2.
const WASI_TARGETS: [(&str, &str); 2] = [("wasm32-wasip1", "wasi"), ("wasm32-wasip2", "component")];

/// `cargo xtask guests [--abi]`
pub(crate) fn run(args: &[&str]) -> Result<()> {
    // The modules are compiled against the generated files, and their list of
    // fingerprints follows the modules.
    regenerate("follows_the_table")?;
    match args {
        ["--abi"] => Ok(()),
        [] => {
            let guests = crate::root().join("guests");
            rust(&guests)?;
            c(&guests)?;
            for (target, prefix) in WASI_TARGETS {
                wasi(&guests, target, prefix)?;
            }
            regenerate("the_guests_are_built_from_these_sources")
        }
        _ => Err("usage: cargo xtask guests [--abi]".into()),
    }
}

/// Runs the tests that compare committed files with what they follow from, such
/// that they write them instead.
fn regenerate(tests: &str) -> Result<()> {
    let mut cargo = Command::new(env!("CARGO"));
    cargo.current_dir(crate::root()).env("WEFT_REGENERATE", "1");
    cargo.args(["test", "--quiet", "-p", "weft-engine", "--test", "all", "--"]);
    cargo.arg(tests);
    perform(&mut cargo)
}

fn rust(guests: &Path) -> Result<()> {
    let mut cargo = Command::new(env!("CARGO"));
    // From the folder, so that its .cargo/config.toml applies.
    cargo.current_dir(guests);
    cargo.args(["build", "--quiet", "--release", "--locked", "--examples", "--target", TARGET]);
    perform(&mut cargo).map_err(|error| {
        format!("{error}; if the target is missing: rustup target add {TARGET}")
    })?;
    let built = guests.join("target").join(TARGET).join("release/examples");
    for source in files(&built, "wasm")? {
        let name = source.file_name().unwrap_or_default().to_string_lossy().into_owned();
        // Cargo keeps a copy of each under a name with a hash, and writes `-` in
        // an example's own name as `_`.
        if !name.contains('-') {
            fs::write(guests.join("bin").join(name.replace('_', "-")), fs::read(&source)?)?;
        }
    }
    Ok(())
}

fn c(guests: &Path) -> Result<()> {
    for source in files(&guests.join("c"), "c")? {
        let stem = source.file_stem().unwrap_or_default().to_string_lossy().into_owned();
        let mut clang = Command::new("clang");
        clang.current_dir(guests);
        clang.args(["--target=wasm32", "-O2", "-Wall", "-Wextra", "-Werror", "-nostdlib"]);
        clang.args(["-Wl,--no-entry", "-Wl,-zstack-size=65536", "-Iinclude", "-o"]);
        clang.arg(format!("bin/{stem}-c.wasm")).arg(format!("c/{stem}.c"));
        perform(&mut clang).map_err(|error| format!("{error}; needs clang and lld"))?;
    }
    Ok(())
}

fn wasi(guests: &Path, target: &str, prefix: &str) -> Result<()> {
    let mut cargo = Command::new(env!("CARGO"));
    cargo.current_dir(guests).args(["build", "--quiet", "--locked", "--profile", "wasi"]);
    cargo.args(["--package", "weft-wasi-guests", "--target", target]);
    perform(&mut cargo).map_err(|error| {
        format!("{error}; if the target is missing: rustup target add {target}")
    })?;
    for source in files(&guests.join("target").join(target).join("wasi"), "wasm")? {
        let name = source.file_name().unwrap_or_default().to_string_lossy().into_owned();
        fs::write(guests.join("bin").join(format!("{prefix}-{name}")), fs::read(&source)?)?;
    }
    Ok(())
}

fn files(dir: &Path, extension: &str) -> Result<Vec<PathBuf>> {
    let mut found = Vec::new();
    for entry in fs::read_dir(dir)? {
        let path = entry?.path();
        if path.extension().is_some_and(|found| found == extension) {
            found.push(path);
        }
    }
    found.sort();
    Ok(found)
}

fn perform(command: &mut Command) -> Result<()> {
    let program = command.get_program().to_string_lossy().into_owned();
    let status = command.status().map_err(|error| format!("cannot run {program}: {error}"))?;
    if status.success() { Ok(()) } else { Err(format!("{program} failed: {status}").into()) }
}
