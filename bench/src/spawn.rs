//! What a process costs that adds two numbers: the least that an operating
//! system offers as a sandbox.

use std::fs;
use std::io::ErrorKind;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

use crate::measure::take_turns;
use crate::random::Random;
use crate::report::{Report, Unit};
use crate::scratch::{Scratch, file};
use crate::{BenchError, Options};

const SOURCE: &str = include_str!("add.c");

const PROCESS: &str = "vfork and exec of a static C program";

/// Adds that to a report, or why it is not there.
pub(crate) fn and_a_process(report: Report, options: &Options) -> Result<Report, BenchError> {
    let scratch = Scratch::new(options)?;
    let program = match build(&scratch)? {
        Ok(program) => program,
        Err(why) => return Ok(report.without(PROCESS, why)),
    };
    let runs = options.size.pick(2, 300);
    let mut random = Random::new(options.seed, PROCESS);
    let pairs: Vec<_> = (0..runs).map(|_| random.pair()).collect();
    let bench = report.name;
    let [times] = take_turns(
        runs,
        1,
        [&mut |run| {
            let (a, b) = pairs[run];
            match add(&program, a, b).map_err(file(&program))?
                == Some(a.wrapping_add(b) as i32 & 127)
            {
                true => Ok(()),
                false => {
                    Err(BenchError::Wrong { bench, detail: format!("a process, of {a} + {b}") })
                }
            }
        }],
    )?;
    Ok(report.and(PROCESS, Unit::Ns, times.p50_ns))
}

/// The exit code. The standard library starts a process by `posix_spawn`, which
/// is vfork and exec.
fn add(program: &Path, a: u64, b: u64) -> std::io::Result<Option<i32>> {
    let status = Command::new(program).args([a, b].map(|number| number.to_string())).status()?;
    Ok(status.code())
}

/// The program, or why there is none here.
fn build(scratch: &Scratch) -> Result<Result<PathBuf, &'static str>, BenchError> {
    let (source, program) = (scratch.join("add.c"), scratch.join("add"));
    fs::write(&source, SOURCE).map_err(file(&source))?;
    let compiled = Command::new("cc")
        .args(["-O2", "-static", "-o"])
        .args([&program, &source])
        .stdin(Stdio::null())
        .stderr(Stdio::null())
        .status();
    match compiled {
        Ok(status) if status.success() => Ok(Ok(program)),
        Ok(_) => Ok(Err("the C compiler here makes no static program")),
        Err(error) if error.kind() == ErrorKind::NotFound => Ok(Err("there is no C compiler")),
        Err(error) => Err(BenchError::File("cc".into(), error)),
    }
}
