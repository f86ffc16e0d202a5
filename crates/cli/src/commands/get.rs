use std::ffi::OsString;
use std::path::PathBuf;

use clap::{Arg, value_parser};
use weft_object::Handle;
use weft_store::{StoreError, files};

use super::{Command, handle_argument, path_argument};
use crate::exit::Exit;
use crate::interrupt::Interrupt;
use crate::recover::Source;
use crate::{argument, beside};

pub(crate) const COMMAND: Command = Command {
    name: "get",
    about: "Write a file or a directory back to disk",
    details: "Nothing is overwritten: DEST must not exist. It is there when it is complete:\n\
              until then it has another name beside it, .weft-new-*, and is gone on failure.\n\
              A computation is evaluated first, as by `weft eval`.",
    examples: &["weft get @src copy-of-src", "weft get @src main.rs copy-of-main.rs"],
    arguments: |command| {
        let target =
            Arg::new("DEST").required(true).value_parser(value_parser!(PathBuf)).help("Where to");
        let arguments = [handle_argument("HANDLE"), path_argument(), target];
        command.allow_missing_positional(true).args(arguments)
    },
    run: |matches, terminal| {
        let argument = matches.get_one::<OsString>("HANDLE").cloned().unwrap_or_default();
        let target = matches.get_one::<PathBuf>("DEST").cloned().unwrap_or_default();
        let (place, handle) = argument::inside(&argument, matches, terminal)?;
        let interrupt = Interrupt::listen(terminal)
            .map_err(|error| Exit::other(format!("cannot listen for Ctrl-C: {error}")))?;
        let content = Source::new(&place, terminal);
        let source = |wanted: &Handle| match interrupt.signal() {
            // Only for it to end: it is not shown.
            Some(_) => Err(StoreError::Missing(*wanted)),
            None => content.get(wanted),
        };
        let done = beside::complete(&target, |new| files::get(&source, &handle, new));
        match (interrupt.signal(), done) {
            (Some(signal), Err(_)) => Err(Exit::signal(signal, "interrupted; nothing was written")),
            (_, done) => Ok(done?),
        }
    },
};
