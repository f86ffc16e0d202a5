//! `cargo xtask fuzz`: libFuzzer where it can be had, else the seeded runner.
//!
//! Both call the targets of `crates/fuzzing` and start from its seeds.

use std::fs;
use std::process::Command;

use crate::command::{cargo, run as run_command, works};
use crate::{Result, root};

const SECONDS: &str = "60";
const INSTALL: &str = "cargo-fuzz@0.13.2";

#[derive(Debug, Default, PartialEq)]
struct Options<'a> {
    target: Option<&'a str>,
    seconds: Option<&'a str>,
    seeded: bool,
    seed: Option<&'a str>,
    replay: Option<&'a str>,
}

impl<'a> Options<'a> {
    fn parse(args: &[&'a str]) -> Result<Self> {
        let mut options = Self::default();
        let mut args = args.iter().copied();
        while let Some(arg) = args.next() {
            let mut value = || args.next().ok_or(format!("fuzz: `{arg}` needs a value"));
            match arg {
                "--seconds" => options.seconds = Some(number(value()?)?),
                "--seeded" => options.seeded = true,
                "--seed" => options.seed = Some(number(value()?)?),
                "--replay" => options.replay = Some(value()?),
                _ if arg.starts_with('-') || options.target.is_some() => {
                    return Err(format!("fuzz: unknown argument `{arg}`").into());
                }
                _ => options.target = Some(arg),
            }
        }
        if options.replay.is_some() && options.target.is_none() {
            return Err("fuzz: `--replay` needs the target's name".into());
        }
        if (options.seed.is_some() || options.replay.is_some()) && !options.seeded {
            return Err("fuzz: `--seed` and `--replay` go with `--seeded`".into());
        }
        Ok(options)
    }
}

fn number(text: &str) -> Result<&str> {
    match text.parse::<u64>() {
        Ok(_) => Ok(text),
        Err(_) => Err(format!("fuzz: `{text}` is no number").into()),
    }
}

pub(crate) fn run(args: &[&str]) -> Result<()> {
    let options = Options::parse(args)?;
    let known = targets()?;
    let chosen: Vec<&str> = match options.target {
        None => known.iter().map(String::as_str).collect(),
        Some(target) if known.iter().any(|name| name == target) => vec![target],
        Some(target) => {
            return Err(
                format!("fuzz: no target `{target}`; there are {}", known.join(", ")).into()
            );
        }
    };
    if options.seeded {
        return seeded(&options);
    }
    let seconds = options.seconds.unwrap_or(SECONDS);
    prepare().map_err(|why| {
        format!("libFuzzer cannot be had here: {why}\nwithout it: cargo xtask fuzz --seeded")
    })?;
    export_seeds()?;
    for target in chosen {
        libfuzzer(target, seconds)?;
    }
    Ok(())
}

/// One target a file.
fn targets() -> Result<Vec<String>> {
    let mut names = Vec::new();
    for entry in fs::read_dir(root().join("fuzz/fuzz_targets"))? {
        let name = entry?.file_name().to_string_lossy().into_owned();
        names.extend(name.strip_suffix(".rs").map(str::to_owned));
    }
    names.sort();
    Ok(names)
}

/// The runner that needs nothing but this build: tests of `crates/fuzzing`.
fn seeded(options: &Options<'_>) -> Result<()> {
    let mut command = cargo(["test", "--workspace", "--test", "seeded", "--", "--nocapture"]);
    command.args(options.target);
    if options.target.is_some() {
        command.arg("--exact");
    }
    command.env("WEFT_FUZZ_SECONDS", options.seconds.unwrap_or(SECONDS));
    if let Some(seed) = options.seed {
        command.env("WEFT_FUZZ_SEED", seed);
    }
    if let Some(file) = options.replay {
        // Tests run in their crate's folder, the person who names it here.
        command.env("WEFT_FUZZ_REPLAY", std::path::absolute(file)?);
    }
    run_command(&mut command)
}

pub(crate) fn nightly() -> Command {
    // Through rustup, whatever toolchain runs us.
    let mut command = Command::new("rustup");
    command.args(["run", "nightly", "cargo"]).current_dir(root());
    command.env_remove("RUSTUP_TOOLCHAIN").env_remove("CARGO");
    command
}

fn tools_path() -> std::ffi::OsString {
    let ours = root().join("target/tools/bin");
    let path = std::env::var_os("PATH").unwrap_or_default();
    let all = std::iter::once(ours).chain(std::env::split_paths(&path));
    std::env::join_paths(all).unwrap_or(path)
}

/// A nightly compiler and cargo-fuzz, installed where they are missing.
fn prepare() -> std::result::Result<(), String> {
    let mut install = Command::new("rustup");
    install.args(["toolchain", "install", "nightly", "--profile", "minimal"]);
    if !works(nightly().arg("--version")) && !works(&mut install) {
        return Err("no nightly compiler, and `rustup toolchain install nightly` failed".into());
    }
    let present = || works(nightly().args(["fuzz", "--version"]).env("PATH", tools_path()));
    if present() {
        return Ok(());
    }
    println!("installing {INSTALL} into target/tools");
    let mut install = cargo(["install", "--quiet", "--locked", INSTALL, "--root"]);
    install.arg(root().join("target/tools"));
    if works(&mut install) && present() {
        Ok(())
    } else {
        Err(format!("no cargo-fuzz, and `cargo install --locked {INSTALL}` failed"))
    }
}

/// Writes what the targets start from, so that libFuzzer does too.
fn export_seeds() -> Result<()> {
    let mut command = cargo(["test", "--quiet", "--workspace", "--test", "seeded"]);
    run_command(command.env("WEFT_FUZZ_EXPORT", root().join("fuzz/corpus")))
}

fn libfuzzer(target: &str, seconds: &str) -> Result<()> {
    println!("==> {target}, {seconds} s");
    let corpus = format!("fuzz/corpus/{target}");
    fs::create_dir_all(root().join(&corpus))?;
    let mut command = nightly();
    command.env("PATH", tools_path());
    // The address sanitizer makes runs four times slower and finds what only
    // unsafe code can do wrong; the engine alone has that.
    let sanitizer = if target == "module" { "address" } else { "none" };
    command.args(["fuzz", "run", "--fuzz-dir", "fuzz", "--sanitizer", sanitizer, target, &corpus]);
    command.args([
        "--",
        &format!("-max_total_time={seconds}"),
        "-timeout=30",
        "-rss_limit_mb=4096",
    ]);
    run_command(&mut command)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn reads_arguments() {
        let options = Options::parse(&["handle", "--seconds", "5"]).unwrap();
        assert_eq!((options.target, options.seconds), (Some("handle"), Some("5")));
        assert!(Options::parse(&["--seeded", "--seed", "7"]).unwrap().seeded);
        for bad in [
            &["a", "b"][..],
            &["--seconds"],
            &["--seconds", "x"],
            &["--seed", "1"],
            &["--seeded", "--replay", "f"],
            &["--what"],
        ] {
            assert!(Options::parse(bad).is_err(), "{bad:?}");
        }
    }
}
