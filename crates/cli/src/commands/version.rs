use super::{Command, no_arguments};
use crate::out::out;

pub(crate) const COMMAND: Command = Command {
    name: "version",
    about: "Print the version",
    details: "",
    examples: &["weft version"],
    arguments: no_arguments,
    run: |_, _| out(|out| writeln!(out, "weft {}", env!("CARGO_PKG_VERSION"))),
};
