//! `cargo xtask miri`: the tests of `object` under an interpreter that finds
//! undefined behaviour in what it is built on.

use crate::Result;
use crate::command::{run as run_command, works};
use crate::fuzz::nightly;

/// Random cases of a property: an interpreter is some hundred times slower.
const CASES: &str = "4";

pub(crate) fn run(args: &[&str]) -> Result<()> {
    prepare().map_err(|why| format!("Miri cannot be had here: {why}"))?;
    let mut command = nightly();
    command.args(["miri", "test", "-p", "weft-object"]).args(args);
    // Golden files are read, and proptest looks where it may note a failure.
    command.env("MIRIFLAGS", "-Zmiri-disable-isolation").env("PROPTEST_CASES", CASES);
    run_command(&mut command)
}

/// A nightly compiler with Miri, installed where it is missing.
fn prepare() -> std::result::Result<(), String> {
    let present = || works(nightly().args(["miri", "--version"]));
    let mut install = std::process::Command::new("rustup");
    install.args(["toolchain", "install", "nightly", "--profile", "minimal"]);
    install.args(["--component", "miri", "--component", "rust-src"]);
    match present() || works(&mut install) && present() {
        true => Ok(()),
        false => Err("`rustup toolchain install nightly --component miri` failed".into()),
    }
}
