//! Parts of benches that need a process of their own.

use std::process::{Command, Stdio};

use serde_json::Value;

use crate::benches::{cold, fork, idle, image, memo, relations, tail};
use crate::{BenchError, Options};

/// Has a child process do a part of a bench: `name` with a number.
pub(crate) fn ask(options: &Options, name: &str, number: u64) -> Result<Value, BenchError> {
    let part = format!("{name}:{number}");
    let Some((program, leading)) = options.program.as_deref().and_then(<[_]>::split_first) else {
        return perform(&part, options);
    };
    let failed = |detail: String| BenchError::Child { part: part.clone(), detail };
    let output = Command::new(program)
        .args(leading)
        .args(["--child", &part, "--size", options.size.word()])
        .args(["--seed", &options.seed.to_string()])
        .arg("--scratch")
        .arg(&options.scratch)
        .stdin(Stdio::null())
        .stderr(Stdio::inherit())
        .output()
        .map_err(|error| failed(error.to_string()))?;
    if !output.status.success() {
        return Err(failed(output.status.to_string()));
    }
    serde_json::from_slice(&output.stdout).map_err(|error| failed(error.to_string()))
}

/// Does a part here.
pub(crate) fn perform(part: &str, options: &Options) -> Result<Value, BenchError> {
    let unknown = || BenchError::Unknown(format!("unknown part `{part}` of a bench"));
    let (name, number) = part.split_once(':').ok_or_else(unknown)?;
    let number = number.parse().map_err(|_| unknown())?;
    match name {
        "tail" => tail::part(number),
        "fork" => fork::part(options, number),
        "idle" => idle::part(),
        "idle_cpu" => idle::cpu_part(options),
        "cold" => cold::part(options, number),
        "images" => image::part(options, number),
        "hits" => memo::part(options, number),
        "relations" => relations::part(options, number),
        _ => Err(unknown()),
    }
}
