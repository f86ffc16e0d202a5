use std::collections::HashMap;
use std::ffi::OsString;
use std::fs::File;
use std::io::{self, BufWriter, ErrorKind, IsTerminal, Write};
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use clap::{Arg, ArgAction, ArgMatches, value_parser};
use serde_json::json;
use weft_explain::{KEYS_MAX, follow};
use weft_object::Handle;
use weft_store::export::{Exported, Moved, export};
use weft_store::{Relation, StoreError};

use super::{Command, handle_argument, is_json, json_argument};
use crate::exit::Exit;
use crate::out::out;
use crate::place::Place;
use crate::recover::Source;
use crate::terminal::Terminal;
use crate::units::{counted, size};
use crate::{argument, beside, progress};

pub(crate) const COMMAND: Command = Command {
    name: "export",
    about: "Write what a handle needs to one file, to send to somebody",
    details: "All that the handle reaches goes with it, also what is behind Refs: a directory\n\
              comes with its files, a computation with its inputs. Nothing is evaluated but\n\
              what a collection has dropped, which comes back for it.\n\
              `weft import` takes the file, and refuses it if a byte of it has changed.\n\
              Nothing is overwritten: FILE must not exist; - is standard output.",
    examples: &[
        "weft export @src src.weft",
        "weft export --results 'apply(./add.wasm, 1u64, 2u64)' sum.weft",
        "weft export @src - | ssh elsewhere weft import -",
    ],
    arguments: |command| {
        let file = Arg::new("FILE")
            .required(true)
            .value_parser(value_parser!(PathBuf))
            .help("Where to; - is standard output");
        let results = Arg::new("results")
            .long("results")
            .action(ArgAction::SetTrue)
            .help("With all that is known about the computation, and what it came to");
        command.arg(handle_argument("HANDLE")).arg(file).arg(results).arg(json_argument())
    },
    run,
};

fn run(matches: &ArgMatches, terminal: Terminal) -> Result<(), Exit> {
    let argument = matches.get_one::<OsString>("HANDLE").cloned().unwrap_or_default();
    let target = matches.get_one::<PathBuf>("FILE").cloned().unwrap_or_default();
    let to_stdout = target.as_os_str() == "-";
    if to_stdout && io::stdout().is_terminal() {
        return Err(Exit::usage("an export is no text for a terminal; name a file, or a pipe"));
    }
    let (place, handle) = argument::as_it_is(&argument, terminal)?;
    // No collection takes it away meanwhile.
    place.backend.hold(&handle);
    let relations = match matches.get_flag("results") {
        true => known(&place, handle, terminal)?,
        false => Vec::new(),
    };
    let job = Job { place: &place, handle, relations, terminal };
    let exported = match to_stdout {
        true => job.write(&mut io::stdout().lock())?,
        false => job.write_to(&target)?,
    };
    place.backend.release(&handle);
    if exported.left_out > 0 {
        let they = if exported.left_out == 1 { "it speaks" } else { "they speak" };
        let text = format!(
            "left out: {}, for not all of what {they} of is in the store any more",
            counted(exported.left_out, "result")
        );
        terminal.say("warning", &text);
    }
    match is_json(matches) {
        // It would stand behind the file.
        _ if to_stdout => Ok(()),
        true => {
            let object = json!({
                "handle": format!("#{handle}"),
                "objects": exported.objects,
                "results": exported.relations,
                "left_out": exported.left_out,
                "bytes": exported.bytes,
            });
            out(|out| writeln!(out, "{object}"))
        }
        false => out(|out| writeln!(out, "{}", summary(&exported))),
    }
}

fn summary(exported: &Exported) -> String {
    let objects = counted(exported.objects, "object");
    let results = match exported.relations {
        0 => String::new(),
        relations => format!(", {}", counted(relations, "result")),
    };
    format!("{objects}{results}, {}", size(exported.bytes))
}

/// What is known about a computation and all that it needs.
fn known(
    place: &Place,
    handle: Handle,
    terminal: Terminal,
) -> Result<Vec<(Handle, Relation)>, Exit> {
    // Also through what a collection has dropped.
    let followed = follow(&Source::new(place, terminal), handle, KEYS_MAX)?;
    let mut known: HashMap<Handle, Relation> = HashMap::new();
    for looked in &followed.looked {
        if let (Some(key), Some(relation)) = (looked.key.relation(), looked.relation) {
            known.insert(key, relation);
        }
    }
    let mut known: Vec<_> = known.into_iter().collect();
    // The same file each time.
    known.sort_unstable_by_key(|(key, _)| *key);
    Ok(known)
}

struct Job<'a> {
    place: &'a Place,
    handle: Handle,
    relations: Vec<(Handle, Relation)>,
    terminal: Terminal,
}

impl Job<'_> {
    fn write(&self, out: &mut dyn Write) -> Result<Exported, Exit> {
        self.exported(out).map_err(|error| match &error {
            // Whoever was to read it has had enough.
            StoreError::Io { source, .. } if source.kind() == ErrorKind::BrokenPipe => {
                Exit::other("nobody reads the export to its end; what came is not all of it")
            }
            _ => error.into(),
        })
    }

    fn write_to(&self, target: &Path) -> Result<Exported, Exit> {
        let mut exported = Exported::default();
        beside::complete(target, |new| {
            let failed = |error| StoreError::Io { doing: "write", path: new.into(), source: error };
            let mut file = BufWriter::new(File::create_new(new).map_err(failed)?);
            exported = self.exported(&mut file).map_err(|error| match error {
                StoreError::Io { doing: "write", source, .. } => failed(source),
                error => error,
            })?;
            file.into_inner()
                .map_err(|error| failed(error.into_error()))?
                .sync_all()
                .map_err(failed)
        })?;
        Ok(exported)
    }

    fn exported(&self, out: &mut dyn Write) -> Result<Exported, StoreError> {
        let so_far = SoFar::default();
        // What a collection has dropped is computed again.
        let source = Source::new(self.place, Terminal { quiet: true, ..self.terminal });
        let get = |wanted: &Handle| source.get(wanted);
        let write = || export(&get, &self.handle, &self.relations, out, &|at| so_far.set(at));
        progress::during(self.terminal, |elapsed| so_far.line("exported", elapsed), write)
    }
}

/// How far an export or an import is, for another thread to show.
#[derive(Debug, Default)]
pub(super) struct SoFar {
    objects: AtomicU64,
    bytes: AtomicU64,
}

impl SoFar {
    pub(super) fn set(&self, moved: Moved) {
        self.objects.store(moved.objects, Ordering::Relaxed);
        self.bytes.store(moved.bytes, Ordering::Relaxed);
    }

    pub(super) fn line(&self, word: &str, elapsed: Duration) -> Vec<String> {
        let objects = counted(self.objects.load(Ordering::Relaxed), "object");
        let bytes = self.bytes.load(Ordering::Relaxed);
        let (rate, bytes) = (progress::rate(bytes, elapsed), size(bytes));
        vec![format!("{word} {objects}, {bytes}, {rate}"), format!("{objects}, {bytes}")]
    }
}
