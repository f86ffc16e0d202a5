use std::io::Write;

use crate::benches::{self, Bench};
use crate::promise::Promise;
use crate::report::Report;
use crate::{BenchError, Options, child};

/// Runs benches and writes what they found, line by line. Whether all promises
/// were kept, if that was asked for; without it, `true`.
///
/// # Errors
/// A bench that does not exist, cannot run here, or computed something wrong.
pub fn run(options: &Options, out: &mut dyn Write) -> Result<bool, BenchError> {
    if let Some(part) = &options.child {
        let found = child::perform(part, options)?;
        writeln!(out, "{found}").map_err(BenchError::Write)?;
        return Ok(true);
    }
    let chosen = choose(&options.only)?;
    if !options.json {
        writeln!(out, "{}", Report::heading()).map_err(BenchError::Write)?;
    }
    let mut broken = Vec::new();
    for bench in chosen {
        let report = (bench.run)(options)?;
        let promises = if options.check { Promise::of(bench.name) } else { Vec::new() };
        let line = match options.json {
            true => report.json(&promises).to_string(),
            false => report.row(),
        };
        writeln!(out, "{line}").and_then(|()| out.flush()).map_err(BenchError::Write)?;
        let missed = promises.into_iter().filter(|promise| !promise.is_kept(&report));
        broken.extend(missed);
    }
    if options.check && !options.json {
        for promise in &broken {
            writeln!(out, "not kept: {}: {promise}", promise.bench).map_err(BenchError::Write)?;
        }
        if broken.is_empty() {
            writeln!(out, "all promises kept").map_err(BenchError::Write)?;
        }
    }
    Ok(broken.is_empty())
}

fn choose(names: &[String]) -> Result<Vec<&'static Bench>, BenchError> {
    if names.is_empty() {
        return Ok(benches::ALL.iter().collect());
    }
    let find = |name: &String| benches::ALL.iter().find(|bench| bench.name == name);
    let choose = |name| {
        find(name).ok_or_else(|| {
            let known = benches::NAMES.join(", ");
            BenchError::Unknown(format!("unknown bench `{name}`; there are {known}"))
        })
    };
    names.iter().map(choose).collect()
}
