use std::ffi::OsString;
use std::io::{self, Write};

use clap::{Arg, ArgAction};
use weft_object::directory::{Entry, FileKind};
use weft_object::{Handle, Kind};
use weft_store::{StoreError, files};

use super::{Command, handle_argument, path_argument};
use crate::argument;
use crate::out::{name, out};
use crate::recover::Source;

pub(crate) const COMMAND: Command = Command {
    name: "ls",
    about: "List a directory, or the entries of any Tree",
    details: "Directories are shown with a slash behind the name. A Tree that is no directory\n\
              is listed by number, kind, length and handle.",
    examples: &["weft ls @src", "weft ls -l @src path/in/it", "weft ls 1f3a55"],
    arguments: |command| {
        let long = Arg::new("long")
            .short('l')
            .long("long")
            .action(ArgAction::SetTrue)
            .help("Mode, size (of directories: names) and handle as well");
        command.arg(handle_argument("HANDLE")).arg(path_argument()).arg(long)
    },
    run: |matches, terminal| {
        let argument = matches.get_one::<OsString>("HANDLE").cloned().unwrap_or_default();
        let long = matches.get_flag("long");
        let (place, handle) = argument::inside(&argument, matches, terminal)?;
        if let Kind::Blob | Kind::BlobRef = handle.kind() {
            return out(|out| numbered(out, None, &handle));
        }
        let content = Source::new(&place, terminal);
        let source = |wanted: &Handle| content.get(wanted);
        match files::list(&source, &handle) {
            Ok(entries) => out(|out| entries.iter().try_for_each(|entry| named(out, entry, long))),
            Err(StoreError::Directory { .. }) => {
                let content = content.get(&handle)?;
                let missing = || StoreError::Missing(handle.content());
                let tree = content.as_ref().and_then(|content| content.tree());
                let entries = tree.ok_or_else(missing)?.entries();
                out(|out| {
                    let mut entries = entries.iter().enumerate();
                    entries.try_for_each(|(at, entry)| numbered(out, Some(at), entry))
                })
            }
            Err(error) => Err(error.into()),
        }
    },
};

fn named(out: &mut dyn Write, entry: &Entry, long: bool) -> io::Result<()> {
    let shown = name(entry.name.as_bytes());
    let slash = if entry.kind == FileKind::Directory { "/" } else { "" };
    if long {
        let sort = match entry.kind {
            FileKind::File => '-',
            FileKind::Directory => 'd',
            FileKind::Symlink => 'l',
        };
        write!(out, "{sort}{} {:>12} #{} ", permissions(entry.mode), size(entry), entry.child)?;
    }
    writeln!(out, "{shown}{slash}")
}

/// Of a directory: names rather than entries of its Tree, the first of which is
/// the index. Of one that is split, nodes.
fn size(entry: &Entry) -> u64 {
    match entry.kind {
        FileKind::Directory => entry.size().saturating_sub(1),
        _ => entry.size(),
    }
}

fn permissions(mode: u16) -> String {
    let bits = "rwxrwxrwx".chars().enumerate();
    bits.map(|(at, c)| if mode >> (8 - at) & 1 == 1 { c } else { '-' }).collect()
}

fn numbered(out: &mut dyn Write, at: Option<usize>, entry: &Handle) -> io::Result<()> {
    if let Some(at) = at {
        write!(out, "{at:>6} ")?;
    }
    let length = entry.length().map_or("-".into(), |length| length.to_string());
    writeln!(out, "{:<14} {length:>12} #{entry}", entry.kind().name())
}
