//! The main job on real input: words counted by map-reduce over a real tree.

mod change;
mod steps;

use std::env;
use std::path::PathBuf;

use clap::{Arg, value_parser};

use super::Command;
use crate::exit::Exit;

pub(crate) const COMMAND: Command = Command {
    name: "demo",
    about: "Count the words of a real tree, again, and again after a change",
    details: "Adds the directory to a store of its own, counts its words on all cores, asks\n\
              once more (nothing runs), then changes one file in the Tree, not on disk, and\n\
              asks again: only what depends on that file runs. The store is a new directory\n\
              in the user's cache, about as large as DIR, and is removed at the end.",
    examples: &["weft demo", "weft demo /usr/share/doc"],
    arguments: |command| {
        command.arg(
            Arg::new("DIR")
                .value_parser(value_parser!(PathBuf))
                .help("Which tree [default: the crates' sources that cargo has fetched]"),
        )
    },
    run: |matches, terminal| {
        let directory = match matches.get_one::<PathBuf>("DIR") {
            Some(directory) => directory.clone(),
            None => sources()?,
        };
        steps::run(&directory, terminal)
    },
};

/// The sources of crates: real text that is on each machine that built this.
fn sources() -> Result<PathBuf, Exit> {
    let named = |name| env::var_os(name).filter(|value| !value.is_empty()).map(PathBuf::from);
    let home = named("CARGO_HOME").or_else(|| Some(named("HOME")?.join(".cargo")));
    let home = home.ok_or_else(|| {
        Exit::other("neither CARGO_HOME nor HOME is set; name a directory: `weft demo DIR`")
    })?;
    let sources = home.join("registry").join("src");
    if !sources.is_dir() {
        let text = format!(
            "there is no {}, where cargo keeps what it fetched; name a directory: `weft demo DIR`",
            sources.display()
        );
        return Err(Exit::other(text));
    }
    Ok(sources)
}
