//! Images: made, listed and compared.

mod diff;
mod list;

use std::ffi::OsString;
use std::path::{Path, PathBuf};
use std::time::Duration;

use clap::{Arg, ArgAction, ArgMatches, value_parser};
use weft_store::Mode;

use super::run::entry;
use super::run::given::{Given, arguments};
use super::{Command, handle_argument, json_argument, why};
use crate::argument;
use crate::evaluate::{Options, evaluate};
use crate::exit::Exit;
use crate::image::{Image, is_function, is_named};
use crate::noted;
use crate::out::out;
use crate::place::Place;
use crate::program::Procedure;
use crate::report;
use crate::terminal::Terminal;
use crate::units::parse_duration;

pub(crate) const COMMAND: Command = Command {
    name: "image",
    about: "Begin a program once, and keep it so",
    details: "PROG is a reactor for WASI preview 1. The functions that --init names are\n\
              called, in that order, with what is given here; each returns nothing or 0. One\n\
              that takes the address and length of some bytes is given TEXT, in memory from\n\
              --alloc. What the program then is, is the image, whose handle is printed: a\n\
              Tree of pages, from which `weft run` goes on in the place of the program. It\n\
              can be labelled, pinned, exported and explained as anything else. A program\n\
              that has asked for its arguments or environment, or has looked into a\n\
              directory, is told the same when it goes on; what it had not asked for can be\n\
              given then. One that asks for random numbers or the time has to be given\n\
              --seed or --clock, and goes on from there. PROG may also be a function for\n\
              `weft eval`, which then applies closure(\"image/1\", IMAGE) in its place.\n\
              docs/image.md says which programs can have one.",
    examples: &[
        "weft image tool.wasm --init setup --label tool",
        "weft image python.wasm --init wizer.initialize --seed 1 --clock 2026-01-01",
        "weft image tool.wasm --init start --init 'turn=import json' --alloc host_alloc",
        "weft image index.wasm --init build --label index",
        "weft image ls",
        "weft image diff @python @pandas",
    ],
    arguments: |command| {
        let program = Arg::new("PROG")
            .required(true)
            .value_parser(value_parser!(PathBuf))
            .help("The program, a .wasm file");
        let init = Arg::new("init")
            .long("init")
            .value_name("NAME[=TEXT]")
            .required(true)
            .action(ArgAction::Append)
            .help("A function that begins the program, given TEXT; may be given again");
        let deadline = Arg::new("deadline")
            .long("deadline")
            .value_name("TIME")
            .value_parser(parse_duration)
            .help("Give up after this long, as 10s or 5m");
        let label = noted::label_argument().help("Label the image");
        let list = clap::Command::new("ls")
            .about("List the images that have labels or that were made here")
            .arg(json_argument());
        let diff = clap::Command::new("diff")
            .about("Say which pages of two images differ, and how much they share")
            .arg(handle_argument("A"))
            .arg(handle_argument("B"))
            .arg(json_argument());
        let why = (why::COMMAND.arguments)(
            clap::Command::new("why").about("The same as `weft why`: what made it, and from what"),
        );
        let needed = |arg: Arg, what: &str| {
            arg.help(format!("{what}; needed by a program that asks for it as it begins"))
        };
        arguments(command.arg(program).arg(init))
            .mut_arg("seed", |arg| needed(arg, "What random numbers follow from"))
            .mut_arg("clock", |arg| needed(arg, "When it is as the program begins"))
            .args([entry::alloc_argument(), deadline, label])
            .args_conflicts_with_subcommands(true)
            .subcommand_negates_reqs(true)
            .disable_help_subcommand(true)
            .subcommands([list, why, diff])
    },
    run: |matches, terminal| match matches.subcommand() {
        Some(("ls", matches)) => list::run(matches, terminal),
        Some(("diff", matches)) => diff::run(matches, terminal),
        Some((_, matches)) => (why::COMMAND.run)(matches, terminal),
        None => make(matches, terminal),
    },
};

fn make(matches: &ArgMatches, terminal: Terminal) -> Result<(), Exit> {
    let label = noted::label(matches)?;
    let place = Place::open(Mode::Write, terminal)?;
    let given = Given { matches, place: &place, terminal };
    let path = matches.get_one::<PathBuf>("PROG").cloned().unwrap_or_default();
    if is_named(&path) {
        return Err(no_file(&place, &path, terminal)?);
    }
    let functions: Vec<&String> = matches.get_many("init").into_iter().flatten().collect();
    let name: OsString = path.file_name().unwrap_or_default().to_owned();
    let module = place.put(&path)?.0;
    let is_function = is_function(&*place.backend, module)?;
    if let Some(more) = more(matches).filter(|_| is_function) {
        let path = path.display();
        let text = format!("{path} is a function for weft eval, which has no {more}; leave it out");
        return Err(Exit::usage(text));
    }
    let application = given.application(&name, |made| {
        let program = entry::program(module, "", matches, made)?;
        let calls = functions.into_iter().map(|given| entry::call(given, matches, made)).collect();
        Ok(match is_function {
            true => Procedure::SnapshotFunction(calls, program),
            false => Procedure::Snapshot(calls, program),
        })
    })?;
    let options = Options {
        deadline: matches.get_one::<Duration>("deadline").copied(),
        ..Options::default()
    };
    let answer = evaluate(&place, application.thunk, &options, terminal)?;
    noted::remember(&place, &answer, label.as_ref(), terminal)?;
    let image = report::value(&answer)?;
    out(|out| writeln!(out, "#{image}"))
}

/// What of the command line only a program can be given.
fn more(matches: &ArgMatches) -> Option<&'static str> {
    let flags = [
        ("dir", "--dir"),
        ("tree", "--tree"),
        ("env", "--env"),
        ("stdin", "--stdin"),
        ("stub", "--stub"),
        ("argv0", "--argv0"),
        ("seed", "--seed"),
        ("clock", "--clock"),
        ("ARGS", "arguments"),
    ];
    flags.into_iter().find(|(id, _)| matches.contains_id(id)).map(|(_, told)| told)
}

/// Why something of the store has no image.
fn no_file(place: &Place, path: &Path, terminal: Terminal) -> Result<Exit, Exit> {
    let handle = argument::data(path.as_os_str(), terminal)?.1;
    let (name, kind) = (path.display(), handle.kind());
    Ok(Exit::usage(match Image::read(&*place.backend, handle) {
        Ok(_) => format!(
            "{name} is an image, and an image is made of a program; to begin it further, give the \
             program's file again, its --init and the new --init behind them; `weft why {name}` \
             names them"
        ),
        Err(_) => format!(
            "{name} is {kind}, and an image is made of a program in a file; if it is one, \
             `weft cat {name} > program.wasm` and give that"
        ),
    }))
}
