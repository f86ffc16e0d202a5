//! `weft run --explain`: what a program looked at.

use std::io::{self, Write};

use serde_json::{Value, json};
use weft_explain::{Footprint, Source, footprint};
use weft_node::Session;
use weft_object::directory::FileKind;
use weft_object::{Content, Handle};
use weft_store::{Relation, StoreError};
use weft_wasi::{Answer as Told, Observation, Question};

use crate::evaluate::Answer;
use crate::exit::Exit;
use crate::explained::full;
use crate::out::{name, out};
use crate::units::{counted, size};

/// What a session knows, as explanations read it.
struct Known<'a>(&'a Session);

impl Source for Known<'_> {
    fn content(&self, handle: &Handle) -> Result<Option<Content>, StoreError> {
        self.0.content(handle.content())
    }

    fn known(&self, key: &Handle) -> Result<Option<Relation>, StoreError> {
        self.0.relation(*key)
    }
}

/// Says what the program of an answer looked at, and whether it ran for that.
pub(super) fn print(answer: &Answer, code: u64, json: bool) -> Result<(), Exit> {
    let known = Known(&answer.session);
    let application = answer.request.definition().unwrap_or(answer.request);
    let content = known.content(&application)?;
    let entries = content.as_ref().and_then(Content::tree).map_or(&[][..], |tree| tree.entries());
    let found = footprint(&known, entries)?;
    if json {
        let places = found
            .as_ref()
            .map(|found| found.places().iter().map(|seen| place(found, seen)).collect::<Vec<_>>());
        let object = json!({
            "handle": answer.outcome.value().map(full),
            "exit": code,
            "ran": answer.stat.applied > 0,
            "matched": answer.stat.matched > 0,
            "places": places,
        });
        return out(|out| writeln!(out, "{object}"));
    }
    out(|out| text(out, answer, found.as_ref()))
}

fn text(out: &mut dyn Write, answer: &Answer, found: Option<&Footprint>) -> io::Result<()> {
    let ran = match (answer.stat.applied, answer.stat.matched) {
        (0, 0) => "it did not run: this very run is known",
        (0, _) => "it did not run: nothing that it looks at is different from an earlier run",
        _ => "it ran",
    };
    writeln!(out, "{ran}")?;
    let Some(found) = found else {
        return writeln!(out, "what it looked at in directories is not known, if it did at all");
    };
    let mut passed = 0;
    for seen in found.places() {
        if let Told::Kind(FileKind::Directory) = seen.answer {
            passed += 1;
            continue;
        }
        let (word, detail) = words(&seen.answer);
        let path = found.path(&seen.asked);
        writeln!(out, "{word:<8}{detail:>10}  {}", name(&path))?;
    }
    match passed {
        0 => Ok(()),
        _ => writeln!(out, "and {} on the way", counted(passed, "directory")),
    }
}

/// What was done, and with what.
fn words(answer: &Told) -> (&'static str, String) {
    match answer {
        Told::Absent => ("absent", String::new()),
        Told::Kind(kind) => ("found", kind.name().into()),
        Told::Size(_, bytes) => ("sized", size(*bytes)),
        Told::Content(FileKind::Symlink, _) => ("read", FileKind::Symlink.name().into()),
        Told::Content(_, content) => ("read", size(content.length().unwrap_or(0))),
        Told::Exact(kind, ..) => ("moved", kind.name().into()),
        Told::Listing(_) => ("listed", String::new()),
    }
}

fn place(found: &Footprint, seen: &Observation) -> Value {
    let Observation { asked, answer } = seen;
    let question = match asked.question {
        Question::Kind => "kind",
        Question::Size => "size",
        Question::Content => "content",
        Question::Exact => "exactly",
        Question::Listing => "listing",
    };
    let (length, handle) = match answer {
        Told::Size(_, bytes) => (Some(*bytes), None),
        Told::Content(_, handle) | Told::Exact(_, _, handle) => (handle.length(), Some(*handle)),
        _ => (None, None),
    };
    json!({
        "path": name(&found.path(asked)),
        "asked": question,
        "found": answer.kind().map(FileKind::name),
        "length": length,
        "handle": handle.map(full),
    })
}
