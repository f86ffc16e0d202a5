use std::ffi::OsString;
use std::path::PathBuf;

use clap::{Arg, value_parser};
use weft_object::Handle;
use weft_store::{Backend, files};

use super::{Command, handle_argument};
use crate::argument;

pub(crate) const COMMAND: Command = Command {
    name: "get",
    about: "Write a file or a directory back to disk",
    details: "Nothing is overwritten: DEST must not exist. Nothing is written outside of it.\n\
              A computation is evaluated first, as by `weft eval`.",
    examples: &["weft get @src copy-of-src", "weft get 'select(@src, \"main.rs\")' main.rs"],
    arguments: |command| {
        let target =
            Arg::new("DEST").required(true).value_parser(value_parser!(PathBuf)).help("Where to");
        command.arg(handle_argument("HANDLE")).arg(target)
    },
    run: |matches, terminal| {
        let argument = matches.get_one::<OsString>("HANDLE").cloned().unwrap_or_default();
        let target = matches.get_one::<PathBuf>("DEST").cloned().unwrap_or_default();
        let (place, handle) = argument::data(&argument, terminal)?;
        let source = |wanted: &Handle| place.backend.get(wanted);
        Ok(files::get(&source, &handle, &target)?)
    },
};
