//! What came out, for people and for programs.

use serde_json::{Map, Value, json};
use weft_eval::{Failure, FailureKind, NoAnswer, Outcome};
use weft_node::Session;
use weft_notation::{Budget, Lookup, describe};
use weft_object::{Blob, Handle, Tree};

use crate::evaluate::Answer;
use crate::exit::{Code, Exit};
use crate::units::counted;

/// How much of a result is spelled out.
pub(crate) const RESULT: Budget = Budget { depth: 8, entries: 64, blob_bytes: 256 };
/// Of a computation on the way to a failure.
const LINK: Budget = Budget { depth: 1, entries: 8, blob_bytes: 40 };
/// The first and the last computations of a long chain.
const LINKS_MAX: usize = 12;

/// Content as the notation wants it. What cannot be read is not there: the
/// handle is printed in its place.
pub(crate) struct Contents<'a>(pub(crate) &'a Session);

impl Lookup for Contents<'_> {
    fn tree(&mut self, handle: &Handle) -> Option<Tree> {
        self.0.content(*handle).ok()??.tree().cloned()
    }

    fn blob(&mut self, handle: &Handle) -> Option<Blob> {
        self.0.content(*handle).ok()??.blob().cloned()
    }
}

/// The value, or the end that its absence is.
pub(crate) fn value(answer: &Answer) -> Result<Handle, Exit> {
    match &answer.outcome {
        Outcome::Value(value) => Ok(*value),
        Outcome::Failure(failure) => Err(Exit::new(Code::Failed, failure_text(answer, failure))),
        Outcome::NoAnswer(none) => Err(Exit::new(Code::NoAnswer, no_answer_text(none))),
    }
}

pub(crate) fn no_answer_text(none: &NoAnswer) -> String {
    format!("no answer: {none}")
}

/// Why something failed, to stand behind a word that says that it did.
pub(crate) fn failure_words(failure: &Failure) -> String {
    match failure.kind {
        // The function's own words.
        FailureKind::Failed => failure.detail.to_string(),
        _ => failure.to_string(),
    }
}

fn failure_text(answer: &Answer, failure: &Failure) -> String {
    let mut text = format!("the computation failed: {}", failure_words(failure));
    let mut chain = answer.session.failure_chain(answer.request);
    // A request for a Thunk asks for `strict` of it, which nobody wrote.
    if chain.first().and_then(|first| first.thunk()) == Some(answer.request) {
        chain[0] = answer.request;
        chain.dedup();
    }
    let mut lookup = Contents(&answer.session);
    let last = chain.len().saturating_sub(1);
    for (at, handle) in chain.iter().enumerate() {
        let left_out = chain.len().saturating_sub(LINKS_MAX);
        if left_out > 0 && at == LINKS_MAX / 2 {
            text.push_str(&format!("\n     ... {left_out} more"));
        }
        if left_out > 0 && (LINKS_MAX / 2..LINKS_MAX / 2 + left_out).contains(&at) {
            continue;
        }
        let word = match at {
            _ if at == last => "failed",
            0 => "asked",
            _ => "needs",
        };
        text.push_str(&format!("\n{word:>8} {}", describe(*handle, &mut lookup, LINK)));
    }
    if let Some(notes) = notes(answer, failure) {
        let (shown, left_out) = shortened(&notes);
        for line in shown {
            text.push_str("\n         | ");
            text.push_str(&line);
        }
        if left_out > 0 {
            // So much stands between that it is out of sight by now.
            text.push_str(&format!("\nthe computation failed: {}", failure_words(failure)));
        }
    }
    text
}

/// The first and the last lines, each of a length that can be read, and how many
/// are left out between them.
fn shortened(notes: &str) -> (Vec<String>, usize) {
    const CUT: &str = "(the rest of the log was cut)";
    const ENDS: usize = 10;
    const COLUMNS: usize = 200;
    // The remark is the node's, behind what may be no whole line.
    let notes = notes.trim_end();
    let (notes, cut) = match notes.strip_suffix(CUT) {
        Some(before) => (before.trim_end_matches('\n'), true),
        None => (notes, false),
    };
    let lines: Vec<&str> = notes.lines().collect();
    let left_out = lines.len().saturating_sub(2 * ENDS);
    let mut shown = Vec::new();
    for (at, line) in lines.iter().enumerate() {
        if left_out > 0 && at == ENDS {
            let lines = counted(left_out as u64, "line");
            shown.push(format!("({lines} left out; `--output json` has all)"));
        }
        if left_out > 0 && (ENDS..ENDS + left_out).contains(&at) {
            continue;
        }
        let more = line.chars().count().saturating_sub(COLUMNS);
        match more {
            0 => shown.push((*line).to_owned()),
            _ => {
                let start: String = line.chars().take(COLUMNS).collect();
                shown.push(format!("{start}..."));
                let more = counted(more as u64, "character");
                shown.push(format!("({more} left out; `--output json` has all)"));
            }
        }
    }
    if cut {
        shown.push(CUT.to_owned());
    }
    (shown, left_out)
}

/// Backtrace and log of what failed.
fn notes(answer: &Answer, failure: &Failure) -> Option<String> {
    let application = failure.application.definition()?;
    let notes = answer.session.relation(application).ok()??.notes?;
    let content = answer.session.content(notes).ok()??;
    Some(String::from_utf8_lossy(content.blob()?.bytes()).into_owned())
}

/// The answer as one object.
pub(crate) fn json(answer: &Answer) -> Value {
    let hash = |handle: Handle| Value::from(format!("#{handle}"));
    let mut object = Map::new();
    let value = answer.outcome.value();
    object.insert("handle".into(), value.map_or(Value::Null, hash));
    object.insert("kind".into(), value.map_or(Value::Null, |value| value.kind().name().into()));
    let length = value.and_then(|value| value.length());
    object.insert("length".into(), length.map_or(Value::Null, Value::from));
    let outcome = match &answer.outcome {
        Outcome::Value(_) => "value",
        Outcome::Failure(_) => "failure",
        Outcome::NoAnswer(_) => "no answer",
    };
    object.insert("outcome".into(), outcome.into());
    object.insert(
        "cost".into(),
        json!({
            "applied": answer.stat.applied,
            "matched": answer.stat.matched,
            "hits": answer.stat.hits,
            "run_ns": answer.stat.run_ns,
            "wall_ns": u64::try_from(answer.wall.as_nanos()).unwrap_or(u64::MAX),
            "loaded": answer.stat.loaded,
            "loaded_bytes": answer.stat.loaded_bytes,
        }),
    );
    match &answer.outcome {
        Outcome::Value(_) => {}
        Outcome::Failure(failure) => {
            let chain = answer.session.failure_chain(answer.request);
            let failure = json!({
                "kind": failure.kind.name(),
                "detail": &*failure.detail,
                "application": hash(failure.application),
                "notes": notes(answer, failure),
                "chain": chain.into_iter().map(hash).collect::<Vec<_>>(),
            });
            object.insert("failure".into(), failure);
        }
        Outcome::NoAnswer(none) => {
            let none = json!({ "kind": none.kind.name(), "detail": &*none.detail });
            object.insert("no_answer".into(), none);
        }
    }
    Value::Object(object)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn of_a_long_log_both_ends_are_shown() {
        let lines = |n: usize| (0..n).map(|n| format!("line {n}\n")).collect::<String>();
        let (shown, left_out) = shortened(&lines(20));
        assert_eq!((shown.len(), left_out), (20, 0));
        let (shown, left_out) = shortened(&lines(1021));
        assert_eq!((shown.len(), left_out), (21, 1001));
        assert_eq!(shown[9], "line 9");
        assert_eq!(shown[10], "(1,001 lines left out; `--output json` has all)");
        assert_eq!(shown[11], "line 1011");
    }

    #[test]
    fn a_long_line_is_cut_and_what_was_cut_is_said_apart() {
        let (shown, _) = shortened(&format!("{}(the rest of the log was cut)\n", "x".repeat(1234)));
        assert_eq!(shown[0], format!("{}...", "x".repeat(200)));
        assert_eq!(shown[1], "(1,034 characters left out; `--output json` has all)");
        assert_eq!(shown[2..], ["(the rest of the log was cut)"]);
    }
}
