//! `cargo xtask test`: what must hold before anything lands.
//!
//! Every cargo step uses the dev profile and the whole workspace, so that all
//! share one build of the dependencies: with `-p` some of them would get other
//! features, and the largest (wasmtime) would be built a second time.

use std::process::Command;
use std::time::{Duration, Instant};

use crate::command::{cargo, run as run_command};
use crate::json::Json;
use crate::libtest::{self, Tally};
use crate::{Result, deny, in_ci, real, tidy};

/// How long each fuzz target gets, here and in CI.
const FUZZ_SECONDS: u32 = 1;
const FUZZ_SECONDS_CI: u32 = 10;

/// What a step came to.
pub(crate) enum Done {
    Passed,
    /// It could not run here; why.
    Skipped(String),
}

struct Run {
    tally: Tally,
    steps: Vec<(&'static str, Duration, &'static str)>,
    failed_steps: Vec<&'static str>,
}

pub(crate) fn run(args: &[&str]) -> Result<()> {
    let long = match args {
        [] => false,
        ["--long"] => true,
        _ => return Err(format!("test: unknown argument in `{}`", args.join(" ")).into()),
    };
    let mut run = Run { tally: Tally::default(), steps: Vec::new(), failed_steps: Vec::new() };
    // What takes seconds comes first, so that it fails first. A lock file that
    // does not fit would be changed silently by every later step.
    run.step("fetch", |_| passed(cargo(["fetch", "--locked"])));
    run.step("programs", |_| programs(long));
    run.step("format", |_| passed(cargo(["fmt", "--all", "--", "--check"])));
    run.step("tidy", |_| tidy::run().map(|()| Done::Passed));
    run.step("clippy", |_| passed(clippy()).and_then(|_| passed(clippy_of_schedules())));
    run.step("build", |_| passed(cargo(["test", "--workspace", "--no-run"])));
    run.step("test", |tally| libtest::run(&mut tests(long)?, tally).map(|()| Done::Passed));
    run.step("schedules", |tally| libtest::run(&mut schedules(), tally).map(|()| Done::Passed));
    run.step("examples", |_| examples());
    run.step("docs", |_| passed(docs()));
    run.step("deny", |_| deny::check());
    run.report()
}

impl Run {
    /// A step that fails does not keep the next from running: whoever reads
    /// the report wants to know all of it.
    fn step(&mut self, name: &'static str, work: impl FnOnce(&mut Tally) -> Result<Done>) {
        println!("\n==> {name}");
        let start = Instant::now();
        let failed_before = self.tally.failed;
        let outcome = match work(&mut self.tally) {
            Ok(Done::Passed) => "passed",
            Ok(Done::Skipped(why)) => {
                // Not as a test says it, lest this be taken for one.
                println!("{name} cannot run here: {why}");
                self.tally.skipped.push(format!("{name} ({why})"));
                "skipped"
            }
            Err(error) => {
                eprintln!("xtask: {name}: {error}");
                self.failed_steps.push(name);
                if self.tally.failed == failed_before {
                    // No test was counted for it, so the step itself counts.
                    self.tally.failed += 1;
                }
                "failed"
            }
        };
        let took = start.elapsed();
        println!("<== {name} {outcome}, {:.1} s", took.as_secs_f64());
        self.steps.push((name, took, outcome));
    }

    fn report(self) -> Result<()> {
        println!();
        for (name, took, outcome) in &self.steps {
            println!("{name:<10} {outcome:<8} {:>7.1} s", took.as_secs_f64());
        }
        let total: Duration = self.steps.iter().map(|(_, took, _)| *took).sum();
        println!("{:<10} {:<8} {:>7.1} s", "all", "", total.as_secs_f64());
        let error = verdict(&self.failed_steps, &self.tally, in_ci());
        if let Err(error) = &error {
            println!("\nfailed: {error}");
        }
        println!("\n{}", closing_line(&self.tally));
        error.map_err(Into::into)
    }
}

/// Whether all is well. In CI nothing may be skipped.
fn verdict(failed_steps: &[&str], tally: &Tally, in_ci: bool) -> std::result::Result<(), String> {
    match (failed_steps, tally.skipped.as_slice()) {
        ([], []) => Ok(()),
        ([], _) if !in_ci => Ok(()),
        ([], skipped) => Err(format!("skipped, which CI does not permit: {}", skipped.join(", "))),
        (steps, _) => Err(steps.join(", ")),
    }
}

/// The counts, and each skip by name.
fn closing_line(tally: &Tally) -> String {
    let Tally { passed, failed, skipped } = tally;
    let names = match skipped.as_slice() {
        [] => String::new(),
        names => format!(": {}", names.join(", ")),
    };
    format!("{passed} passed, {failed} failed, {} skipped{names}", skipped.len())
}

fn passed(mut command: Command) -> Result<Done> {
    run_command(&mut command).map(|()| Done::Passed)
}

fn clippy() -> Command {
    cargo(["clippy", "--workspace", "--all-targets", "--", "-D", "warnings"])
}

/// In a workspace of its own, which the other does not reach.
fn clippy_of_schedules() -> Command {
    let schedules = ["clippy", "--manifest-path", "schedules/Cargo.toml", "--locked"];
    cargo([&schedules[..], &["--all-targets", "--", "-D", "warnings"]].concat())
}

/// Everything: unit, integration and documentation tests, the fuzz targets for
/// a while (`crates/fuzzing`), and real programs (`crates/cli/tests/real`).
fn tests(long: bool) -> Result<Command> {
    let mut command = cargo(["test", "--workspace", "--no-fail-fast", "--", "--show-output"]);
    let seconds = if in_ci() { FUZZ_SECONDS_CI } else { FUZZ_SECONDS };
    command.env("WEFT_FUZZ_SECONDS", seconds.to_string());
    match long {
        true => command.env("WEFT_LONG", "1"),
        // They would pass without having done anything.
        false => command.args(["--skip", "long::", "--skip", "builds::"]),
    };
    real::tell(&mut command, long)?;
    Ok(command)
}

/// What threads share, under every schedule: a workspace of its own.
fn schedules() -> Command {
    cargo(["test", "--manifest-path", "schedules/Cargo.toml", "--locked", "--", "--show-output"])
}

/// Fetches the real programs that tests run. Somebody without a network can
/// test all else.
fn programs(long: bool) -> Result<Done> {
    match real::fetch_for_tests(long) {
        Err(error) if !in_ci() => Ok(Done::Skipped(error.to_string())),
        fetched => fetched.map(|()| Done::Passed),
    }
}

fn docs() -> Command {
    let mut command = cargo(["doc", "--workspace", "--no-deps"]);
    command.env("RUSTDOCFLAGS", "-D warnings");
    command
}

/// Runs every example of every crate: `cargo test` only builds them.
fn examples() -> Result<Done> {
    let args = ["metadata", "--format-version", "1", "--no-deps"];
    let metadata = Json::parse(&crate::command::read(&mut cargo(args))?)?;
    for package in metadata.list("packages")? {
        for target in package.list("targets")? {
            if target.list("kind")?.contains(&Json::Text("example".into())) {
                let (package, name) = (package.text("name")?, target.text("name")?);
                println!("--- {package}, example {name}");
                run_built_example(name)?;
            }
        }
    }
    Ok(Done::Passed)
}

/// Runs what `cargo test` has built: `cargo run` takes one package only, and
/// with the features of that package alone.
fn run_built_example(name: &str) -> Result<()> {
    let target = std::env::var_os("CARGO_TARGET_DIR")
        .map_or_else(|| crate::root().join("target"), std::path::PathBuf::from);
    let program =
        target.join("debug/examples").join(name).with_extension(std::env::consts::EXE_EXTENSION);
    run_command(Command::new(program).current_dir(crate::root()))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_skip_is_named_and_fails_ci() {
        let tally = Tally { passed: 3, failed: 0, skipped: vec!["deny (none)".into()] };
        assert_eq!(closing_line(&tally), "3 passed, 0 failed, 1 skipped: deny (none)");
        assert!(verdict(&[], &tally, false).is_ok());
        assert!(verdict(&[], &tally, true).is_err_and(|e| e.contains("deny (none)")));
        assert!(verdict(&["clippy"], &Tally::default(), false).is_err());
        assert!(verdict(&[], &Tally::default(), true).is_ok());
    }

    #[test]
    fn a_failed_step_counts_once() {
        let mut run = Run { tally: Tally::default(), steps: Vec::new(), failed_steps: Vec::new() };
        run.step("one", |_| Err("no".into()));
        run.step("two", |tally| {
            tally.failed += 2;
            Err("two tests".into())
        });
        run.step("three", |_| Ok(Done::Skipped("absent".into())));
        assert_eq!(closing_line(&run.tally), "0 passed, 3 failed, 1 skipped: three (absent)");
        assert_eq!(run.failed_steps, ["one", "two"]);
    }
}
