use std::io;
use std::path::PathBuf;
use std::time::Instant;

use clap::{Arg, ArgAction, value_parser};
use weft_object::Handle;
use weft_store::files::{self, Added};
use weft_store::{Expect, Label, Mode, Writing};

use super::{Command, pin};
use crate::exit::Exit;
use crate::out::out;
use crate::place::Place;
use crate::progress;
use crate::units::{counted, size, time};

pub(crate) const COMMAND: Command = Command {
    name: "add",
    about: "Add files and directories, and print their handles",
    details: "A file becomes a Blob, a directory a Tree of all that is below it. Names, kinds,\n\
              bytes and the permissions rwxrwxrwx count; times, owners, setuid, setgid and\n\
              sticky bits do not, nor the permissions of what is named itself. A path - is\n\
              standard input, read as a file. Symlinks inside are data and not followed.\n\
              Stores (.weft) are left out. What is no data, such as a fifo, and what cannot\n\
              be read is an error: nothing is left out in silence.\n\
              Prints one handle a line, in the order of the paths.",
    examples: &[
        "weft add src",
        "weft add --label corpus /usr/share/doc",
        "weft add a.txt b.txt",
        "weft add - < a.txt",
    ],
    arguments: |command| {
        let paths = Arg::new("PATH")
            .required(true)
            .action(ArgAction::Append)
            .num_args(1..)
            .value_parser(value_parser!(PathBuf))
            .help("Files and directories; - is standard input");
        let label = Arg::new("label").long("label").value_name("NAME").help("Label what is added");
        command.arg(paths).arg(label)
    },
    run: |matches, terminal| {
        let paths: Vec<&PathBuf> = matches.get_many("PATH").into_iter().flatten().collect();
        let label = matches.get_one::<String>("label").map(|name| Label::new(name)).transpose();
        let label = label.map_err(|error| Exit::usage(error.to_string()))?;
        if label.is_some() && paths.len() > 1 {
            return Err(Exit::usage("a label stands for one thing; add the paths one by one"));
        }
        let place = Place::open(Mode::Write, terminal)?;
        for path in paths {
            let start = Instant::now();
            let (handle, added) = match path.as_os_str() == "-" {
                true => standard_input(&place)?,
                false => place.add(path)?,
            };
            if terminal.is_terminal {
                terminal.remark(&format!(
                    "added {}: {}, {} read in {} ({})",
                    path.display(),
                    counted(added.files, "file"),
                    size(added.bytes),
                    time(start.elapsed()),
                    progress::rate(added.bytes, start.elapsed())
                ));
            }
            if let Some(label) = &label {
                place.backend.set_label(label, Expect::Any, Some(handle))?;
                place.backend.sync()?;
            }
            out(|out| writeln!(out, "#{handle}"))?;
        }
        Ok(())
    },
};

fn standard_input(place: &Place) -> Result<(Handle, Added), Exit> {
    let writing = Writing::begin(&*place.backend)?;
    let (handle, bytes) = files::add_stream(
        &*place.backend,
        &mut io::stdin().lock(),
        "standard input",
        place.directory(),
    )?;
    pin::lease(&*place.backend, &[handle])?;
    drop(writing);
    place.backend.sync()?;
    Ok((handle, Added { files: 1, files_total: 1, bytes }))
}
