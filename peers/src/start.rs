//! Whole commands: how long until a program that does little has ended.

use std::fs;
use std::process::{Command, Stdio};
use std::time::Instant;

use wasmtime::Module;

use crate::plain::engine;
use crate::{Result, median};

const RUNS: usize = 15;

pub(crate) fn run(weft: &str, program: &str, arguments: &[&str]) -> Result<()> {
    let scratch = std::env::temp_dir().join(format!("weft-peers-{}", std::process::id()));
    fs::create_dir_all(&scratch)?;
    let done = times(&scratch, weft, program, arguments);
    fs::remove_dir_all(&scratch)?;
    done
}

fn times(scratch: &std::path::Path, weft: &str, program: &str, arguments: &[&str]) -> Result<()> {
    let artifact = scratch.join("program.cwasm");
    fs::write(&artifact, Module::from_file(&engine()?, program)?.serialize()?)?;
    let in_scratch = |program: &str| {
        let mut command = Command::new(program);
        command.current_dir(scratch).stdin(Stdio::null()).stdout(Stdio::null());
        command
    };
    ended(in_scratch(weft).arg("init"))?;
    let mut seed = 0;
    let mut ours = || {
        // One that nobody has seen, so that it runs.
        seed += 1;
        let seed = seed.to_string();
        let mut command = in_scratch(weft);
        ended(command.args(["run", "-q", "--seed", &seed, program, "--"]).args(arguments))
    };
    let this = std::env::current_exe()?;
    let theirs = || {
        let mut command = in_scratch(this.to_str().ok_or("the path is no text")?);
        ended(command.arg("plain").arg(&artifact).args(arguments))
    };
    // The first compiles, the second finds it sound.
    (ours()?, ours()?, theirs()?);
    let (mut our_ms, mut their_ms, mut ratios) = (Vec::new(), Vec::new(), Vec::new());
    for _ in 0..RUNS {
        let (ours, theirs) = (ours()?, theirs()?);
        our_ms.push(ours);
        their_ms.push(theirs);
        ratios.push(ours / theirs);
    }
    println!(
        "start: weft run {:.1} ms, plain wasmtime {:.1} ms, ratio {:.2} (medians of {RUNS} pairs)",
        median(&mut our_ms),
        median(&mut their_ms),
        median(&mut ratios),
    );
    Ok(())
}

/// How many milliseconds a command takes.
fn ended(command: &mut Command) -> Result<f64> {
    let start = Instant::now();
    let status = command.status()?;
    let took = start.elapsed().as_secs_f64() * 1e3;
    match status.success() {
        true => Ok(took),
        false => Err(format!("{command:?}: {status}").into()),
    }
}
