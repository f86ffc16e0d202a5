use clap::Arg;
use clap::builder::PossibleValuesParser;
use clap_complete::Shell;

use super::{Command, definition};
use crate::exit::Exit;
use crate::out::out;

const SHELLS: [(&str, Shell); 3] =
    [("bash", Shell::Bash), ("zsh", Shell::Zsh), ("fish", Shell::Fish)];

pub(crate) const COMMAND: Command = Command {
    name: "completions",
    about: "Print what a shell needs to complete weft's commands and flags",
    details: "",
    examples: &["weft completions bash > ~/.local/share/bash-completion/completions/weft"],
    arguments: |command| {
        let shells = SHELLS.map(|(name, _)| name);
        let shell =
            Arg::new("SHELL").required(true).value_parser(PossibleValuesParser::new(shells));
        command.arg(shell.help("For which shell"))
    },
    run: |matches, _| {
        let asked = matches.get_one::<String>("SHELL").map_or("", String::as_str);
        let shell = SHELLS.iter().find(|(name, _)| *name == asked).map(|(_, shell)| *shell);
        let shell = shell.ok_or_else(|| Exit::usage(format!("no completions for {asked}")))?;
        let mut script = Vec::new();
        clap_complete::generate(shell, &mut definition(), "weft", &mut script);
        out(|out| out.write_all(&script))
    },
};
