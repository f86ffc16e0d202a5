//! `cargo deny`: bans, licences and sources of what we depend on (`deny.toml`).

use std::path::PathBuf;
use std::process::Command;

use crate::command::{cargo, run as run_command, works};
use crate::test::Done;
use crate::{Result, root};

/// The oldest minor version of 0.x that reads the package ids of today's cargo.
const MINOR_MIN: u32 = 16;

/// What is installed where none is. Pinned: the next release is no reason for
/// CI to fail.
const INSTALL: &str = "cargo-deny@0.20.2";

pub(crate) fn run() -> Result<()> {
    match check()? {
        Done::Passed => Ok(()),
        Done::Skipped(why) => Err(why.into()),
    }
}

/// Runs the check, installing the tool first where it is missing (two minutes
/// on two cores, into `target/tools`). Skipped only where that fails.
pub(crate) fn check() -> Result<Done> {
    let Some(program) = find().or_else(install) else {
        return Ok(Done::Skipped(format!("no cargo-deny: `cargo install --locked {INSTALL}`")));
    };
    let args = ["--log-level", "warn", "check", "bans", "licenses", "sources"];
    run_command(Command::new(program).args(args).current_dir(root()))?;
    Ok(Done::Passed)
}

fn tools() -> PathBuf {
    root().join("target/tools")
}

fn find() -> Option<PathBuf> {
    let ours = tools().join("bin/cargo-deny");
    let home = std::env::var_os("CARGO_HOME").map(PathBuf::from);
    let home = home.or_else(|| std::env::home_dir().map(|home| home.join(".cargo")));
    let installed = home.map(|home| home.join("bin/cargo-deny"));
    let candidates = [Some(PathBuf::from("cargo-deny")), installed, Some(ours)];
    candidates.into_iter().flatten().find(|program| {
        let version = Command::new(program).arg("--version").output();
        version.is_ok_and(|output| new_enough(&String::from_utf8_lossy(&output.stdout)))
    })
}

/// Reads `cargo-deny 0.20.2`.
fn new_enough(version: &str) -> bool {
    let numbers = version.trim().rsplit(' ').next().unwrap_or_default();
    let mut numbers = numbers.split('.').map_while(|number| number.parse::<u32>().ok());
    match (numbers.next(), numbers.next()) {
        (Some(0), Some(minor)) => minor >= MINOR_MIN,
        (Some(_), Some(_)) => true,
        _ => false,
    }
}

fn install() -> Option<PathBuf> {
    println!("installing {INSTALL} into target/tools");
    let mut command = cargo(["install", "--quiet", "--locked", INSTALL, "--root"]);
    works(command.arg(tools())).then(find).flatten()
}

#[cfg(test)]
mod tests {
    use super::new_enough;

    #[test]
    fn old_versions_are_refused() {
        for (version, good) in [
            ("cargo-deny 0.20.2\n", true),
            ("cargo-deny 0.16.0", true),
            ("cargo-deny 1.0.0", true),
            ("cargo-deny 0.14.2", false),
            ("cargo-deny", false),
            ("", false),
        ] {
            assert_eq!(new_enough(version), good, "{version:?}");
        }
    }
}
