//! Whole commands: how long until a program that does little has ended.

use std::path::Path;
use std::thread;
use std::time::Duration;

use crate::Result;
use crate::found::Pairs;
use crate::promise::Amount;
use crate::real::{Scratch, compiled, ended, path};

const RUNS: usize = 25;

/// `docs/stamps.md`.
const SETTLED: Duration = Duration::from_secs(4);

const ARGUMENTS: [&str; 2] = ["-c", "print(sum(range(10)))"];

pub(crate) fn run(weft: &Path) -> Result<bool> {
    let python = path("python")?;
    let artifact = compiled("python", &python)?;
    let scratch = Scratch::new()?;
    ended(scratch.command(weft).arg("init"))?;
    let mut seed = 0u64;
    let mut ours = || {
        // One that nobody has seen, so that it runs.
        seed += 1;
        let mut command = scratch.command(weft);
        command.args(["run", "-q", "--seed", &seed.to_string()]).arg(&python).arg("--");
        ended(command.args(ARGUMENTS))
    };
    let this = std::env::current_exe()?;
    let theirs = || ended(scratch.command(&this).arg("plain").arg(&artifact).args(ARGUMENTS));
    // The first compiles, the second finds it sound. What was written within the
    // last seconds is read once more.
    ours()?;
    ours()?;
    theirs()?;
    thread::sleep(SETTLED);
    ours()?;
    let mut pairs = Pairs::new();
    for _ in 0..RUNS {
        pairs.push(ours()?, theirs()?);
    }
    Ok(pairs.tell("start", Amount::Ms))
}
