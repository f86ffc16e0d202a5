//! The one entry for everything that is done *to* this repository: checks,
//! tests, guests, fuzzing. CI runs the same commands as a person does.

#![forbid(unsafe_code)]
#![allow(clippy::print_stdout, clippy::print_stderr)] // reporting is its job

mod command;
mod deny;
mod fuzz;
mod guests;
mod json;
mod libtest;
mod miri;
mod real;
mod test;
mod tidy;

use std::path::PathBuf;
use std::process::ExitCode;

/// Any error here ends the command and is shown to a developer as it is.
pub(crate) type Result<T> = std::result::Result<T, Box<dyn std::error::Error>>;

const USAGE: &str = "\
cargo xtask COMMAND

  test [--long]              everything CI checks; sets itself up
  tidy                       crate edges, purity, links and house rules only
  guests [--abi]             rebuild guests/bin, and what the ABI's table generates
  deny                       licences, bans and sources of dependencies
  fuzz [TARGET] [--seconds N] [--seeded [--seed N] [--replay FILE]]
                             libFuzzer on one target or each; --seeded needs no nightly
  miri [ARGUMENT...]         the tests of `object` under Miri; installs nightly and Miri
  real [NAME...] | --list | --path NAME
                             fetch programs and sources that tests run, into the user's cache
";

fn main() -> ExitCode {
    let args: Vec<String> = std::env::args().skip(1).collect();
    let args: Vec<&str> = args.iter().map(String::as_str).collect();
    let done = match args.as_slice() {
        ["test", rest @ ..] => test::run(rest),
        ["tidy"] => tidy::run(),
        ["deny"] => deny::run(),
        ["fuzz", rest @ ..] => fuzz::run(rest),
        ["miri", rest @ ..] => miri::run(rest),
        ["real", rest @ ..] => real::run(rest),
        ["guests", rest @ ..] => guests::run(rest),
        [] | ["help" | "--help" | "-h"] => {
            print!("{USAGE}");
            Ok(())
        }
        _ => Err(format!("no such command\n\n{USAGE}").into()),
    };
    match done {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("xtask: {error}");
            ExitCode::FAILURE
        }
    }
}

/// The repository's root: where this crate's folder stands.
pub(crate) fn root() -> PathBuf {
    let mut root = PathBuf::from(env!("CARGO_MANIFEST_DIR"));
    root.pop();
    root
}

/// Whether this is a CI run, where nothing may be skipped.
pub(crate) fn in_ci() -> bool {
    std::env::var("CI").is_ok_and(|ci| ci == "true" || ci == "1")
}
