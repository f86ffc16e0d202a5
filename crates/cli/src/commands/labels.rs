use weft_store::Mode;

use super::{Command, no_arguments};
use crate::out::out;
use crate::place::Place;

pub(crate) const COMMAND: Command = Command {
    name: "labels",
    about: "List the labels and what they stand for",
    details: "One a line, in order: the handle, a space, the name.",
    examples: &["weft labels"],
    arguments: no_arguments,
    run: |_, terminal| {
        let place = Place::open(Mode::Read, terminal)?;
        let labels = place.backend.labels()?;
        out(|out| labels.iter().try_for_each(|(label, handle)| writeln!(out, "#{handle} {label}")))
    },
};
