use std::io::{self, Write};

use clap::ArgMatches;
use serde_json::{Map, Value, json};
use weft_explain::Names;
use weft_explain::diff::{Bounds, Change, Diff, Item, What, diff};
use weft_object::Handle;
use weft_object::directory::FileKind;
use weft_store::{Backend, Mode};

use super::{Command, form, handle_argument, output_argument};
use crate::argument::source;
use crate::exit::{Code, Exit};
use crate::explained::{LINE, argument, full, one, place_of, sort, steps, unit};
use crate::names::{built, mode_for, parsed};
use crate::out::out;
use crate::place::Place;
use crate::recover::{Source, is_there};
use crate::terminal::Terminal;
use crate::units::counted;

pub(crate) const COMMAND: Command = Command {
    name: "diff",
    about: "Say what is different between two Trees, or two computations",
    details: "Directories are compared by names, with files that were moved; other Trees by\n\
              position; Blobs by size and the first byte that differs; computations by limits,\n\
              procedure and arguments, and those within them. Nothing is evaluated but what a\n\
              collection has dropped, which comes back for it; what is the same in both is not\n\
              read.",
    examples: &[
        "weft diff @src-old @src",
        "weft diff 1f3a55 77b210",
        "weft diff @jobs/old 'apply(./f.wasm, ref(./src))'",
        "weft diff --output json @old @new",
    ],
    arguments: |command| {
        let output = output_argument(&["text", "json"], "text or json");
        command.arg(handle_argument("A")).arg(handle_argument("B")).arg(output)
    },
    run,
};

fn run(matches: &ArgMatches, terminal: Terminal) -> Result<(), Exit> {
    let sources = [source(argument(matches, "A"))?, source(argument(matches, "B"))?];
    let exprs = [parsed(&sources[0])?, parsed(&sources[1])?];
    let writes = exprs.iter().any(|expr| mode_for(expr) == Mode::Write);
    let place = Place::open(if writes { Mode::Write } else { Mode::Read }, terminal)?;
    let old = built(&place, &sources[0], &exprs[0])?;
    let new = built(&place, &sources[1], &exprs[1])?;
    for handle in [old, new] {
        is_there(&*place.backend, &handle)?;
    }
    if let Some(remedy) = remedy(old, new) {
        let text = format!(
            "{} and {} have no parts to compare; {remedy}",
            one(old.kind()),
            one(new.kind())
        );
        return Err(Exit::new(Code::Other, text));
    }
    let found = diff(&Source::new(&place, terminal), old, new, Bounds::default())?;
    if form(matches) == "json" {
        let mut object = Map::new();
        object.insert("old".into(), full(old));
        object.insert("new".into(), full(new));
        object.extend(differences(&found));
        return out(|out| writeln!(out, "{}", Value::Object(object)));
    }
    let names = Names::read(&*place.backend)?;
    out(|out| match found.changes.is_empty() && !found.cut {
        true => writeln!(out, "the same"),
        false => write_differences(out, &found, &*place.backend, &names, ""),
    })
}

/// What to do about two things that are of different kinds altogether.
fn remedy(old: Handle, new: Handle) -> Option<&'static str> {
    let data = [old, new].map(|handle| handle.kind().is_data());
    match data {
        [true, true] | [false, false] => None,
        _ => Some("evaluate the computation first, with `weft eval`"),
    }
}

/// One line each.
pub(super) fn write_differences(
    out: &mut dyn Write,
    diff: &Diff,
    backend: &dyn Backend,
    names: &Names,
    indent: &str,
) -> io::Result<()> {
    for change in &diff.changes {
        let place = match change.at.is_empty() {
            true => "all".to_owned(),
            false => place_of(&change.at),
        };
        writeln!(out, "{indent}{place} {}", words(change, backend, names))?;
    }
    for missing in &diff.missing {
        let why = match backend.recipe(missing) {
            Ok(Some(_)) => "was dropped; what is different there, `--run` finds out",
            _ => "is not in the store, so no more can be said there",
        };
        writeln!(out, "{indent}(#{missing} {why})")?;
    }
    if diff.cut {
        writeln!(out, "{indent}(there are more)")?;
    }
    Ok(())
}

fn words(change: &Change, backend: &dyn Backend, names: &Names) -> String {
    let brief = |handle: Handle| names.brief(backend, handle, LINE);
    match &change.what {
        What::Changed { old, new, same_bytes } => {
            let sizes = match (old.length(), new.length()) {
                _ if old.is_literal() && new.is_literal() => String::new(),
                (Some(a), Some(b)) if a == b => format!(", {}", sort(*new)),
                (Some(_), Some(_)) if old.kind() == new.kind() => {
                    format!(", {} before, of {} now", sort(*old), length(*new))
                }
                _ => String::new(),
            };
            let same = match same_bytes {
                Some(same) if *same > 0 && !sizes.is_empty() => match *same {
                    1 => ", the first byte is the same".to_owned(),
                    same => format!(", the first {} are the same", counted(same, "byte")),
                },
                _ => String::new(),
            };
            format!("changed: {} -> {}{sizes}{same}", brief(*old), brief(*new))
        }
        What::Added(item) => format!("added: {}", described(item, names, backend)),
        What::Removed(item) => format!("removed: {}", described(item, names, backend)),
        What::Moved { from, item } => {
            format!("moved from {}: {}", place_of(from), described(item, names, backend))
        }
        What::Mode { old, new } => format!("mode {old:03o} -> {new:03o}"),
        What::Access { new, .. } => format!("is {} now, of the same content", one(new.kind())),
    }
}

fn length(handle: Handle) -> String {
    counted(handle.length().unwrap_or(0), unit(handle.kind()))
}

fn described(item: &Item, names: &Names, backend: &dyn Backend) -> String {
    let handle = item.handle;
    match item.file {
        Some((FileKind::Directory, _)) => {
            let entries = handle.length().unwrap_or(0).saturating_sub(1);
            format!("directory of {}", counted(entries, "name"))
        }
        Some((kind, _)) => format!("{kind} of {}", length(handle)),
        None => names.brief(backend, handle, LINE),
    }
}

/// For programs.
pub(super) fn differences(diff: &Diff) -> Map<String, Value> {
    let missing: Vec<Value> = diff.missing.iter().map(|handle| full(*handle)).collect();
    let mut out = Map::new();
    out.insert("differences".into(), diff.changes.iter().map(object).collect());
    out.insert("missing".into(), missing.into());
    out.insert("more".into(), diff.cut.into());
    out
}

fn object(change: &Change) -> Value {
    let at = steps(&change.at);
    let item = |what: &str, item: &Item| {
        let (kind, mode) = item.file.map_or((Value::Null, Value::Null), |(kind, mode)| {
            (kind.name().into(), format!("{mode:03o}").into())
        });
        json!({ "at": at, "what": what, "handle": full(item.handle), "file": kind, "mode": mode })
    };
    match &change.what {
        What::Changed { old, new, same_bytes } => json!({
            "at": at, "what": "changed", "old": full(*old), "new": full(*new),
            "same_bytes": same_bytes,
        }),
        What::Added(added) => item("added", added),
        What::Removed(removed) => item("removed", removed),
        What::Moved { from, item: moved } => {
            let mut object = item("moved", moved);
            object["from"] = steps(from).into();
            object
        }
        What::Mode { old, new } => json!({
            "at": at, "what": "mode", "old": format!("{old:03o}"), "new": format!("{new:03o}"),
        }),
        What::Access { old, new } => {
            json!({ "at": at, "what": "access", "old": full(*old), "new": full(*new) })
        }
    }
}
