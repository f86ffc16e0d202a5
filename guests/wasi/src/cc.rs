//! A compiler and linker as small as they can be, for builds: what it writes is
//! what it was given, with what that includes in its place.
//!
//! `cc [-I DIR]... -c FILE -o FILE`: a line `#include "x"` stands for the file
//! `x` beside the file, else in the first DIR that has it. `#error WORDS` ends
//! it, `#warning WORDS` is said. All other lines are written as they are.
//!
//! Called as `wasm-ld`: writes its files one behind the other.

use std::env;
use std::fs;
use std::path::{Path, PathBuf};
use std::process::ExitCode;

fn main() -> ExitCode {
    match run() {
        Ok(()) => ExitCode::SUCCESS,
        Err(message) => {
            eprintln!("{message}");
            ExitCode::FAILURE
        }
    }
}

#[derive(Default)]
struct Given {
    includes: Vec<PathBuf>,
    files: Vec<PathBuf>,
    output: Option<PathBuf>,
}

fn run() -> Result<(), String> {
    let mut words = env::args();
    let name = words.next().unwrap_or_default();
    let mut given = Given::default();
    while let Some(word) = words.next() {
        if word == "-o" {
            given.output = words.next().map(PathBuf::from);
        } else if word == "-I" {
            given.includes.extend(words.next().map(PathBuf::from));
        } else if let Some(path) = word.strip_prefix("-I") {
            given.includes.push(path.into());
        } else if word == "-trap" {
            std::process::abort();
        } else if !word.starts_with('-') {
            given.files.push(word.into());
        }
    }
    let mut out = Vec::new();
    for file in &given.files {
        match name.as_str() {
            "wasm-ld" => out.extend(read(file)?),
            _ => expand(file, &given.includes, &mut out)?,
        }
    }
    let Some(output) = given.output else { return Err("no -o".into()) };
    fs::write(&output, out).map_err(|error| format!("{}: {error}", output.display()))
}

fn read(path: &Path) -> Result<Vec<u8>, String> {
    fs::read(path).map_err(|error| format!("{}: {error}", path.display()))
}

fn expand(path: &Path, includes: &[PathBuf], out: &mut Vec<u8>) -> Result<(), String> {
    let text = String::from_utf8_lossy(&read(path)?).into_owned();
    for (at, line) in text.lines().enumerate() {
        let place = format!("{}:{}", path.display(), at + 1);
        if let Some(words) = line.strip_prefix("#error ") {
            return Err(format!("{place}: error: {words}"));
        }
        if let Some(words) = line.strip_prefix("#warning ") {
            eprintln!("{place}: warning: {words}");
            continue;
        }
        let name = line.strip_prefix("#include \"").and_then(|rest| rest.strip_suffix('"'));
        let Some(name) = name else {
            out.extend_from_slice(line.as_bytes());
            out.push(b'\n');
            continue;
        };
        let beside = path.parent().unwrap_or(Path::new(""));
        let places = std::iter::once(beside).chain(includes.iter().map(PathBuf::as_path));
        let found = places.map(|place| place.join(name)).find(|path| path.exists());
        let found = found.ok_or_else(|| format!("{place}: error: {name} is nowhere"))?;
        expand(&found, includes, out)?;
    }
    Ok(())
}
