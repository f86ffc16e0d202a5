use std::ffi::{OsStr, OsString};
use std::io::{self, Read};
use std::path::{Path, PathBuf};
use std::time::Duration;

use clap::{Arg, ArgMatches, value_parser};
use weft_eval::Outcome;
use weft_notation::describe;
use weft_object::Handle;
use weft_store::{Mode, StoreError};

use super::{Command, cat::is_blob, form, output_argument, told_as};
use crate::argument::source;
use crate::evaluate::{Answer, Options, evaluate};
use crate::exit::{Code, Exit, file_error};
use crate::names::{built, is_handle, parsed};
use crate::noted;
use crate::out::out;
use crate::place::Place;
use crate::report::{self, Contents, RESULT};
use crate::terminal::Terminal;
use crate::units::{parse_duration, parse_memory};

pub(crate) const COMMAND: Command = Command {
    name: "eval",
    about: "Evaluate a computation and print its result",
    details: "Paths are added to the store, as by `weft add`. What is found out is kept there:\n\
              asked again, now or by another process, nothing runs. A failure is printed with\n\
              its backtrace, the computations that needed it, and what it logged.\n\
              Ctrl-C ends the evaluation and keeps what was finished; a second ends at once.",
    examples: &[
        "weft eval 'apply(./add.wasm, 1u64, 2u64)'",
        "weft eval --output raw 'select(@src, \"main.rs\")'",
        "weft eval --output json --deadline 10s @build",
        "weft eval --label counts -f job.weft",
    ],
    arguments: |command| {
        let expression = Arg::new("EXPR")
            .value_parser(value_parser!(OsString))
            .required_unless_present("file")
            .help("The computation; - reads it from standard input");
        let file = Arg::new("file")
            .short('f')
            .long("file")
            .value_name("FILE")
            .value_parser(value_parser!(PathBuf))
            .conflicts_with("EXPR")
            .help("Read the expression from a file; - is standard input");
        let output = output_argument(
            &["notation", "raw", "json"],
            "notation, raw (a Blob's bytes) or json (with outcome and cost)",
        );
        let deadline = Arg::new("deadline")
            .long("deadline")
            .value_name("TIME")
            .value_parser(parse_duration)
            .help("Give up after 500ms, 10s, 2m or 1h");
        let memory = Arg::new("memory")
            .long("memory")
            .value_name("SIZE")
            .value_parser(parse_memory)
            .help("What all may take together, as 2GiB [default: 3/4 of the machine's]");
        let workers = Arg::new("workers")
            .long("workers")
            .value_name("N")
            .value_parser(value_parser!(u16).range(1..=1024))
            .help("Threads that run functions [default: one a core]");
        let command = command.arg(expression).arg(file).arg(output).arg(noted::label_argument());
        command.arg(deadline).arg(memory).arg(workers)
    },
    run: |matches, terminal| told_as(form(matches) == "json", run(matches, terminal)),
};

fn run(matches: &ArgMatches, terminal: Terminal) -> Result<(), Exit> {
    let source = match (matches.get_one::<PathBuf>("file"), matches.get_one("EXPR")) {
        (Some(path), _) => read(path)?,
        (None, Some(text)) if OsString::as_os_str(text) == "-" => read(Path::new("-"))?,
        (None, text) => source(text.map_or(OsStr::new(""), OsString::as_os_str))?,
    };
    let label = noted::label(matches)?;
    let expr = parsed(&source)?;
    let place = Place::open(Mode::Write, terminal)?;
    let request = built(&place, &source, &expr)?;
    let answer = evaluate(&place, request, &options(matches), terminal)?;
    noted::remember(&place, &answer, label.as_ref(), terminal)?;
    if let Some(value) = answer.outcome.value()
        && answer.session.content(value)?.is_none()
    {
        let missing = Exit::from(StoreError::Missing(value.content()));
        let raw = form(matches) == "raw";
        if raw || is_handle(&expr) {
            return Err(missing);
        }
        terminal.say("warning", &missing.to_string());
    }
    match form(matches) {
        "json" => print_json(&answer),
        "raw" => print_raw(&answer),
        _ => {
            let value = report::value(&answer)?;
            let text = describe(value, &mut Contents(&answer.session), RESULT);
            out(|out| writeln!(out, "{text}"))
        }
    }
}

fn options(matches: &ArgMatches) -> Options {
    Options {
        deadline: matches.get_one::<Duration>("deadline").copied(),
        memory_bytes: matches.get_one("memory").copied().unwrap_or(0),
        workers: matches.get_one::<u16>("workers").map_or(0, |workers| usize::from(*workers)),
    }
}

fn read(path: &Path) -> Result<String, Exit> {
    let mut bytes = Vec::new();
    let done = match path == Path::new("-") {
        true => io::stdin().lock().read_to_end(&mut bytes).map(|_| ()),
        false => std::fs::read(path).map(|read| bytes = read),
    };
    done.map_err(|error| file_error("read", path, error))?;
    String::from_utf8(bytes).map_err(|error| {
        let at = error.utf8_error().valid_up_to();
        Exit::usage(format!("{} is not UTF-8 at offset {at}", path.display()))
    })
}

/// Whatever the outcome, it is told on standard output; the exit code says it
/// as well.
fn print_json(answer: &Answer) -> Result<(), Exit> {
    let object = report::json(answer);
    out(|out| writeln!(out, "{object}"))?;
    match answer.outcome {
        Outcome::Value(_) => Ok(()),
        Outcome::Failure(_) => Err(Exit::silent(Code::Failed.status())),
        Outcome::NoAnswer(_) => Err(Exit::silent(Code::NoAnswer.status())),
    }
}

fn print_raw(answer: &Answer) -> Result<(), Exit> {
    let value: Handle = report::value(answer)?;
    is_blob(value, "leave out `--output raw`, or write a directory with `weft get`")?;
    let content = answer.session.content(value)?;
    let blob = content.as_ref().and_then(|content| content.blob());
    let blob = blob.ok_or(StoreError::Missing(value.content()))?;
    out(|out| out.write_all(blob.bytes()))
}
