use std::cell::Cell;
use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use clap::{Arg, ArgAction};
use serde_json::{Value, json};
use weft_store::disk::{Disk, RealDisk};
use weft_store::{Affected, Checked, Needs, Options, Problem, Repaired, StoreError, Wrong};

use super::{Command, is_json, json_argument};
use crate::exit::{Code, Exit};
use crate::out::out;
use crate::terminal::Terminal;
use crate::units::{count, counted, size};
use crate::{place, progress};

pub(crate) const COMMAND: Command = Command {
    name: "fsck",
    about: "Prove that the store is what it was, or keep what is sound of it",
    details: "Every byte is read and hashed, and the index compared with that. What is damaged\n\
              is named, with what hangs on it; the exit code is 5 then.\n\
              --repair makes a sound store of all that is sound. Damaged files are moved to\n\
              `damaged` in the store. Results that are gone are computed again when they are\n\
              asked for, if what they were made of is there. There has to be room for a\n\
              second copy of all but large Blobs; interrupted, it can be run again. The exit\n\
              code is 5 unless all is there or comes back.",
    examples: &["weft fsck", "weft fsck --repair", "weft fsck --output json"],
    arguments: |command| {
        let repair = Arg::new("repair")
            .long("repair")
            .action(ArgAction::SetTrue)
            .help("Keep what is sound, and take out what is not");
        command.arg(repair).arg(json_argument())
    },
    run: |matches, terminal| {
        let directory = place::located()?;
        place::remember(&directory);
        let is_json = is_json(matches);
        let disk: Arc<dyn Disk> = Arc::new(RealDisk);
        if !matches.get_flag("repair") {
            let checked = read(terminal, |tell| {
                weft_store::fsck(&disk, &directory, Options::default(), tell)
            })?;
            return match is_json {
                true => print_json(&checked, None),
                false => print(&checked),
            };
        }
        let repaired =
            read(terminal, |tell| weft_store::repair(&disk, &directory, Options::default(), tell))?;
        // What there is now, as anybody else would find it.
        let after =
            read(terminal, |tell| weft_store::fsck(&disk, &directory, Options::default(), tell))?;
        match (is_json, repaired) {
            (true, repaired) => print_json(&after, repaired.as_ref()),
            (false, None) => print(&after),
            (false, Some(repaired)) => print_repaired(&repaired, &after, &directory),
        }
    },
};

type Work<'a, T> = &'a dyn Fn(u64, u64) -> T;

/// Does what reads a whole store, and shows how far that is.
fn read<T>(
    terminal: Terminal,
    work: impl FnOnce(Work<'_, ()>) -> Result<T, StoreError>,
) -> Result<T, Exit> {
    let (done, all) = (AtomicU64::new(0), AtomicU64::new(0));
    let line = |elapsed: Duration| {
        let (done, all) = (done.load(Ordering::Relaxed), all.load(Ordering::Relaxed));
        let rate = progress::rate(done, elapsed);
        let (done, all) = (size(done), size(all));
        vec![
            format!("reading the store: {done} of {all}, {rate}"),
            format!("{done} of {all}"),
            done,
        ]
    };
    let told = Cell::new(0_u64);
    let tell = |now: u64, of: u64| {
        // Other threads look ten times a second.
        if now >= told.get() + (1 << 16) || now == of {
            told.set(now);
            done.store(now, Ordering::Relaxed);
            all.store(of, Ordering::Relaxed);
        }
    };
    Ok(progress::during(terminal, line, || work(&tell))?)
}

/// How many of each sort are shown.
const SHOWN: usize = 20;

fn lines(title: &str, all: &[impl ToString], text: &mut String) {
    if all.is_empty() {
        return;
    }
    *text += &format!("{title}:\n");
    for line in all.iter().take(SHOWN) {
        *text += &format!("  {}\n", line.to_string());
    }
    if all.len() > SHOWN {
        let more = count((all.len() - SHOWN) as u64);
        *text += &format!("  and {more} more, see `weft fsck --output json`\n");
    }
}

fn summary(checked: &Checked) -> String {
    let Checked { objects, relations, labels, dropped, bytes, .. } = checked;
    let dropped = match dropped {
        0 => String::new(),
        dropped => format!(", {}", counted(*dropped, "dropped object")),
    };
    format!(
        "{}, {}, {}{dropped}; {} read",
        counted(*objects, "object"),
        counted(*relations, "relation"),
        counted(*labels, "label"),
        size(*bytes)
    )
}

fn print(checked: &Checked) -> Result<(), Exit> {
    let mut text = String::new();
    lines("damaged", &checked.problems, &mut text);
    lines("affected", &checked.affected, &mut text);
    if checked.is_sound() {
        text += "the store is sound\n";
    }
    text += &format!("{}\n", summary(checked));
    out(|out| out.write_all(text.as_bytes()))?;
    match (checked.problems.is_empty(), checked.affected.is_empty()) {
        (true, true) => Ok(()),
        (false, _) => {
            let gone = checked.problems.iter().any(|problem| problem.what == Wrong::NoPack);
            let first = if gone { "put back what is gone, or " } else { "" };
            let text = format!(
                "the store is damaged; {first}keep what is sound with `weft fsck --repair`"
            );
            Err(Exit::new(Code::Store, text))
        }
        (true, false) => Err(incomplete()),
    }
}

fn incomplete() -> Exit {
    let text = "the files are sound, but content is missing; add it again, or remove the labels \
                that lack it";
    Exit::new(Code::Store, text)
}

fn print_repaired(repaired: &Repaired, after: &Checked, directory: &Path) -> Result<(), Exit> {
    let mut text = String::new();
    lines("damaged", &repaired.found.problems, &mut text);
    let handles = |handles: &[weft_object::Handle]| -> Vec<String> {
        handles.iter().map(|handle| format!("#{handle}")).collect()
    };
    lines("computed again when asked for", &handles(&repaired.recoverable), &mut text);
    lines("lost", &handles(&repaired.lost), &mut text);
    lines("forgotten, with what they came to", &handles(&repaired.forgotten), &mut text);
    lines("affected", &after.affected, &mut text);
    if !repaired.set_aside.is_empty() {
        let aside = directory.join("damaged");
        text += &format!("the damaged files are in {} now\n", aside.display());
    }
    text += &format!("the rest is a sound store: {}\n", summary(after));
    out(|out| out.write_all(text.as_bytes()))?;
    match (after.is_sound(), repaired.is_whole()) {
        (true, true) => Ok(()),
        (true, false) => {
            let text = "not all of the store could be kept; add or compute again what is missed, \
                        and set labels again that are not in `weft labels` any more";
            Err(Exit::new(Code::Store, text))
        }
        (false, _) => Err(incomplete()),
    }
}

fn print_json(checked: &Checked, repaired: Option<&Repaired>) -> Result<(), Exit> {
    let handles = |handles: &[weft_object::Handle]| -> Vec<String> {
        handles.iter().map(|handle| format!("#{handle}")).collect()
    };
    let whole = repaired.is_none_or(Repaired::is_whole);
    let repaired = repaired.map(|repaired| {
        json!({
            "whole": repaired.is_whole(),
            "problems": repaired.found.problems.iter().map(problem).collect::<Vec<_>>(),
            "recoverable": handles(&repaired.recoverable),
            "lost": handles(&repaired.lost),
            "forgotten": handles(&repaired.forgotten),
            "set_aside": repaired.set_aside.iter().map(|path| path.to_string_lossy())
                .collect::<Vec<_>>(),
        })
    });
    let object = json!({
        "sound": checked.is_sound(),
        "objects": checked.objects,
        "relations": checked.relations,
        "labels": checked.labels,
        "dropped": checked.dropped,
        "bytes": checked.bytes,
        "problems": checked.problems.iter().map(problem).collect::<Vec<_>>(),
        "affected": checked.affected.iter().map(affected).collect::<Vec<_>>(),
        "repaired": repaired,
    });
    out(|out| writeln!(out, "{object}"))?;
    match checked.is_sound() && whole {
        true => Ok(()),
        false => Err(Exit::silent(Code::Store.status())),
    }
}

fn problem(problem: &Problem) -> Value {
    let (what, handle) = match &problem.what {
        Wrong::List => ("list", None),
        Wrong::Pack => ("pack", None),
        Wrong::NoPack => ("no-pack", None),
        Wrong::Records(_) => ("records", None),
        Wrong::End(_) => ("end", None),
        Wrong::Content(handle) => ("content", Some(handle)),
        Wrong::Missing(handle) => ("missing", Some(handle)),
        Wrong::Index => ("index", None),
        _ => ("other", None),
    };
    json!({
        "file": problem.path.to_string_lossy(),
        "offset": problem.offset,
        "what": what,
        "handle": handle.map(|handle| format!("#{handle}")),
        "text": problem.to_string(),
    })
}

fn affected(affected: &Affected) -> Value {
    let (what, name, handle) = match &affected.by {
        Needs::Label(label, handle) => ("label", Some(label.to_string()), handle),
        Needs::Pin(handle) => ("pin", None, handle),
        Needs::Outcome(key) => ("outcome", None, key),
    };
    json!({
        "what": what,
        "name": name,
        "handle": format!("#{handle}"),
        "missing": format!("#{}", affected.missing),
        "comes_back": affected.comes_back,
    })
}
