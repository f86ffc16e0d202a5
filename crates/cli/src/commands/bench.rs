use std::path::PathBuf;

use clap::builder::PossibleValuesParser;
use clap::{Arg, ArgAction, value_parser};
use weft_bench::{BenchError, NAMES, Options, Size};

use super::Command;
use crate::exit::{Code, Exit};
use crate::place;

pub(crate) const COMMAND: Command = Command {
    name: "bench",
    about: "Measure how fast and how much, and compare with what is promised",
    details: "Each bench checks its results against the reference evaluator and takes a\n\
              baseline in the same run; `ratio` is our time by that. Build with --release, on\n\
              a quiet machine. SPECIFICATION.md lists the promises.",
    examples: &[
        "weft bench",
        "weft bench --json --seed 7 --only add --only memo_hit",
        "weft bench --check",
    ],
    arguments: |command| {
        let sizes = PossibleValuesParser::new(Size::ALL.map(Size::word));
        command.args([
            Arg::new("json")
                .long("json")
                .action(ArgAction::SetTrue)
                .help("One JSON object a line instead of a table"),
            Arg::new("seed")
                .long("seed")
                .value_name("N")
                .value_parser(value_parser!(u64))
                .default_value("1")
                .help("What all arguments follow from"),
            Arg::new("size")
                .long("size")
                .value_parser(sizes)
                .default_value(Size::Full.word())
                .help("How much work: `tiny` only shows that it is right; `long` has ten million"),
            Arg::new("only")
                .long("only")
                .value_name("NAME")
                .value_parser(PossibleValuesParser::new(NAMES))
                .action(ArgAction::Append)
                .help("Only this bench; may be given again"),
            Arg::new("check")
                .long("check")
                .action(ArgAction::SetTrue)
                .help("Compare with the promises; the exit code is 1 if one is not kept"),
            Arg::new("scratch")
                .long("scratch")
                .value_name("DIR")
                .value_parser(value_parser!(PathBuf))
                .help("Where files are put for a while; as a rule in the user's cache"),
            Arg::new("child")
                .long("child")
                .hide(true)
                .help("Part of a bench, for a process of its own"),
        ])
    },
    run: |matches, _| {
        let program = Options::of_this_program().map_err(exit)?;
        let options = Options {
            json: matches.get_flag("json"),
            seed: matches.get_one("seed").copied().unwrap_or(program.seed),
            size: match matches.get_one::<String>("size") {
                Some(word) => word.parse().map_err(exit)?,
                None => program.size,
            },
            only: matches.get_many("only").into_iter().flatten().cloned().collect(),
            check: matches.get_flag("check"),
            scratch: match matches.get_one::<PathBuf>("scratch") {
                Some(scratch) => scratch.clone(),
                None => place::cache().map_or_else(place::here, |cache| Ok(cache.join("bench")))?,
            },
            child: matches.get_one("child").cloned(),
            ..program
        };
        // Line by line rather than at the end: a bench takes its time.
        match weft_bench::run(&options, &mut std::io::stdout()).map_err(exit)? {
            true => Ok(()),
            false => Err(Exit::other(
                "a promise was not kept, see above; try a quiet machine and a release build",
            )),
        }
    },
};

fn exit(error: BenchError) -> Exit {
    match error {
        BenchError::Unknown(text) => Exit::usage(text),
        // The reader went away, as for any other command.
        BenchError::Write(error) => error.into(),
        error => Exit::new(Code::Other, error.to_string()),
    }
}
