use clap::Arg;
use clap_mangen::Man;

use super::{Command, definition};
use crate::exit::Exit;
use crate::out::out;

pub(crate) const COMMAND: Command = Command {
    name: "man",
    about: "Print the manual page of weft or of one of its commands",
    details: "",
    examples: &["weft man | man -l -", "weft man eval > weft-eval.1"],
    arguments: |command| command.arg(Arg::new("COMMAND").help("Of which command")),
    run: |matches, _| {
        let mut root = definition();
        root.build();
        let page = match matches.get_one::<String>("COMMAND") {
            None => root,
            Some(name) => {
                let found = root.get_subcommands().find(|command| command.get_name() == name);
                let missing =
                    || Exit::usage(format!("there is no command {name}; see `weft help`"));
                let command = found.cloned().ok_or_else(missing)?;
                command.display_name(format!("weft-{name}"))
            }
        };
        let mut text = Vec::new();
        Man::new(page).render(&mut text)?;
        out(|out| out.write_all(&text))
    },
};
