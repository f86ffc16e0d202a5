use std::ffi::OsString;

use clap::{Arg, ArgAction};
use weft_store::{Expect, Label, Mode, StoreError};

use super::{Command, handle_argument};
use crate::argument;
use crate::exit::{Code, Exit};
use crate::names::no_label;
use crate::place::Place;
use crate::recover::is_there;

pub(crate) const COMMAND: Command = Command {
    name: "label",
    about: "Give a handle a name, or take the name away",
    details: "A label that exists moves. The expression is not evaluated: what is labeled\n\
              may be a computation. What it is made of must be in the store.",
    examples: &[
        "weft label readme ./README.md",
        "weft label sum 'apply(./add.wasm, 1u64, 2u64)'",
        "weft label --delete readme",
    ],
    arguments: |command| {
        let name = Arg::new("NAME").required(true).help("Letters, digits, `_`, `-`, `.` and `/`");
        let handle = handle_argument("HANDLE").required(false).required_unless_present("delete");
        let delete = Arg::new("delete")
            .long("delete")
            .action(ArgAction::SetTrue)
            .conflicts_with("HANDLE")
            .help("Take the name away");
        command.arg(name).arg(handle).arg(delete)
    },
    run: |matches, terminal| {
        let name = matches.get_one::<String>("NAME").map_or("", String::as_str);
        let label = Label::new(name).map_err(|error| Exit::usage(error.to_string()))?;
        let place = match matches.get_one::<OsString>("HANDLE") {
            Some(argument) => {
                let (place, handle) = argument::handle(argument, terminal)?;
                is_there(&*place.backend, &handle)?;
                place.backend.set_label(&label, Expect::Any, Some(handle))?;
                place
            }
            None => {
                let place = Place::open(Mode::Write, terminal)?;
                delete(&place, &label)?;
                place
            }
        };
        Ok(place.backend.sync()?)
    },
};

fn delete(place: &Place, label: &Label) -> Result<(), Exit> {
    let Some(found) = place.backend.label(label)? else {
        return Err(Exit::new(Code::Store, no_label(place, label.as_str())?));
    };
    let gone: Result<(), StoreError> = place.backend.set_label(label, Expect::At(found), None);
    Ok(gone?)
}
