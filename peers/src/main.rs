//! Weft beside plain wasmtime with wasmtime-wasi, in one run: what a sandbox
//! for the same program costs without names, relations and hermetic files.
//!
//! ```text
//! cargo run --release --manifest-path peers/Cargo.toml -- [hello | start | build | image | barrier]... [--weft WEFT]
//! ```
//!
//! - `hello` runs a small program again and again in one process.
//! - `start` times whole commands, `weft run` and this program as `plain`, that
//!   each load CPython as it was compiled before and run a line.
//! - `build` compiles fifty files of C with clang: `weft build` on two workers,
//!   and two processes of this program as `serve`; then builds again what is
//!   there.
//! - `image` runs CPython with libraries imported, fresh and from an image, in one
//!   process.
//! - `barrier` runs functions as they are and with their stores marked, in one
//!   process: this is beside ourselves, and what it runs is built from what others
//!   have made.
//!
//! All of them if none is named. `start` and `build` run WEFT, which is
//! `target/release/weft` if nobody says, on what `cargo xtask real` has fetched.
//! The promises are in `promise.rs` and in `SPECIFICATION.md`; if one is not
//! kept, the exit code is 1.

mod barrier;
mod build;
mod found;
mod hello;
mod image;
mod kernels;
mod plain;
mod promise;
mod real;
mod start;

use std::error::Error;
use std::path::PathBuf;
use std::process::ExitCode;

type Result<T> = std::result::Result<T, Box<dyn Error>>;

const USAGE: &str = "usage: weft-peers [hello | start | build | image | barrier]... [--weft WEFT]";

fn main() -> ExitCode {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    let arguments: Vec<&str> = arguments.iter().map(String::as_str).collect();
    let done = match arguments.as_slice() {
        ["plain", artifact, rest @ ..] => plain::once(artifact, rest).map(|()| true),
        ["serve", artifact, rest @ ..] => plain::serve(artifact, rest).map(|()| true),
        words => compare(words),
    };
    match done {
        Ok(true) => ExitCode::SUCCESS,
        Ok(false) => ExitCode::FAILURE,
        Err(error) => {
            eprintln!("weft-peers: {error}");
            ExitCode::FAILURE
        }
    }
}

/// Whether all that was promised is kept.
fn compare(mut words: &[&str]) -> Result<bool> {
    let mut weft = real::root().join("target/release/weft");
    let mut named = Vec::new();
    while let Some((&word, rest)) = words.split_first() {
        words = rest;
        match (word, rest) {
            ("--weft", [path, rest @ ..]) => {
                weft = std::path::absolute(PathBuf::from(path))?;
                words = rest;
            }
            ("hello" | "start" | "build" | "image" | "barrier", _) => named.push(word),
            _ => return Err(USAGE.into()),
        }
    }
    let wanted = |name| named.is_empty() || named.contains(&name);
    if (wanted("start") || wanted("build")) && !weft.is_file() {
        let weft = weft.display();
        return Err(format!("{weft} is not there; `cargo build --release` makes it").into());
    }
    let mut kept = true;
    if wanted("hello") {
        kept &= hello::run()?;
    }
    if wanted("start") {
        kept &= start::run(&weft)?;
    }
    if wanted("build") {
        kept &= build::run(&weft)?;
    }
    if wanted("image") {
        kept &= image::run()?;
    }
    if wanted("barrier") {
        kept &= barrier::run()?;
    }
    Ok(kept)
}
