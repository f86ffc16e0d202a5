//! Weft beside plain wasmtime with wasmtime-wasi, in one run: what a sandbox
//! for the same program costs without names, relations and hermetic files.
//!
//! ```text
//! cargo run --release --manifest-path peers/Cargo.toml
//! cargo run --release --manifest-path peers/Cargo.toml -- start WEFT PROGRAM.wasm ARGS
//! ```
//!
//! The first times a small program again and again in one process. The second
//! times whole commands, `weft run` and this program as `plain`, that each load
//! what was compiled before.

mod hello;
mod plain;
mod start;

use std::error::Error;
use std::process::ExitCode;

type Result<T> = std::result::Result<T, Box<dyn Error>>;

fn main() -> ExitCode {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    let arguments: Vec<&str> = arguments.iter().map(String::as_str).collect();
    let done = match arguments.as_slice() {
        [] => hello::run(),
        ["start", weft, program, rest @ ..] => start::run(weft, program, rest),
        ["plain", artifact, rest @ ..] => plain::run(artifact, rest),
        _ => Err("usage: weft-peers [start WEFT PROGRAM.wasm ARGS]".into()),
    };
    match done {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("weft-peers: {error}");
            ExitCode::FAILURE
        }
    }
}

/// The middle one of some times.
fn median(times: &mut [f64]) -> f64 {
    times.sort_by(f64::total_cmp);
    times[times.len() / 2]
}
