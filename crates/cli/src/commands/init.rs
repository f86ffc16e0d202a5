use std::path::PathBuf;

use clap::{Arg, value_parser};
use weft_store::locate;

use super::Command;
use crate::out::out;
use crate::{beside, place};

pub(crate) const COMMAND: Command = Command {
    name: "init",
    about: "Make a store here, or in a directory",
    details: "The store is the directory .weft, found from any directory below it. Where there\n\
              is one already, nothing changes. With DIR given, WEFT_DIR is not looked at.",
    examples: &["weft init", "weft init project"],
    arguments: |command| {
        command.arg(
            Arg::new("DIR")
                .value_parser(value_parser!(PathBuf))
                .help("The directory that gets a .weft [default: here, or WEFT_DIR itself]"),
        )
    },
    run: |matches, _| {
        let directory = match matches.get_one::<PathBuf>("DIR") {
            Some(directory) => locate::place_for(directory, None),
            None => {
                let here = place::here()?;
                match place::named(&here) {
                    Some(named) => place::of_named(&named)?.unwrap_or(named),
                    None => locate::place_for(&here, None),
                }
            }
        };
        place::remember(&directory);
        let new = beside::store(&directory)?;
        let word = if new { "made a store in" } else { "there is a store already in" };
        out(|out| writeln!(out, "{word} {}", directory.display()))
    },
};
