//! What is remembered of a request that was answered: its result under a label,
//! and that it was asked for.

use std::time::SystemTime;

use clap::{Arg, ArgMatches};
use weft_eval::Outcome;
use weft_store::{Backend, Expect, Label, Outcome as Stored, Run};

use crate::evaluate::Answer;
use crate::exit::{Code, Exit};
use crate::place::Place;
use crate::terminal::Terminal;

/// The label that the result is to have.
pub(crate) fn label_argument() -> Arg {
    Arg::new("label")
        .long("label")
        .value_name("NAME")
        .help("Label the result; `weft why @NAME` then says what is different this time")
}

/// What was said for [`label_argument`].
pub(crate) fn label(matches: &ArgMatches) -> Result<Option<Label>, Exit> {
    let label = matches.get_one::<String>("label").map(|name| Label::new(name)).transpose();
    label.map_err(|error| Exit::usage(error.to_string()))
}

/// Remembers a request with its answer, and its result under a label.
pub(crate) fn remember(
    place: &Place,
    answer: &Answer,
    label: Option<&Label>,
    terminal: Terminal,
) -> Result<(), Exit> {
    match (&answer.not_kept, label) {
        (None, _) => {}
        // Nor is it noted what the store does not have.
        (Some(_), None) => return Ok(()),
        (Some(why), Some(label)) => {
            let text = format!("label {label} is not set, for its result is not kept: {why}");
            return Err(Exit::new(Code::Store, text));
        }
    }
    match note(place, answer, label) {
        // The answer is right all the same, unless it was to get a name.
        Err(exit) if label.is_none() => {
            terminal.say("warning", &format!("that this was asked is not noted: {exit}"));
            Ok(())
        }
        noted => noted,
    }
}

/// Sets the label to a value and notes the run. What is not new is not written:
/// to ask again for what is known leaves the store as it is.
fn note(place: &Place, answer: &Answer, label: Option<&Label>) -> Result<(), Exit> {
    let backend = &*place.backend;
    let outcome = match &answer.outcome {
        Outcome::Value(value) => Stored::Value(*value),
        Outcome::Failure(failure) => Stored::Failure(failure.contents().0),
        // Nothing is known of the computation.
        Outcome::NoAnswer(_) => return Ok(()),
    };
    // What is its own evaluation is no computation.
    let is_run = weft_eval::Key::of_request(answer.request).is_some();
    let mut new =
        is_run && (answer.stat.applied > 0 || !is_noted(backend, answer, label, outcome)?);
    if new {
        let at = SystemTime::now().duration_since(SystemTime::UNIX_EPOCH).unwrap_or_default();
        let nanoseconds = |time: std::time::Duration| u64::try_from(time.as_nanos());
        backend.put_run(&Run {
            request: answer.request,
            outcome,
            label: label.cloned(),
            at_ms: u64::try_from(at.as_millis()).unwrap_or(u64::MAX),
            took_ns: nanoseconds(answer.wall).unwrap_or(u64::MAX),
            applied: answer.stat.applied,
        })?;
    }
    if let (Some(label), Stored::Value(value)) = (label, outcome)
        && backend.label(label)? != Some(value)
    {
        backend.set_label(label, Expect::Any, Some(value))?;
        new = true;
    }
    // What has no name is only history: the next sync takes it along.
    if new && label.is_some() {
        backend.sync()?;
    }
    Ok(())
}

/// Whether the latest run of this request, under this label, came to the same.
fn is_noted(
    backend: &dyn Backend,
    answer: &Answer,
    label: Option<&Label>,
    outcome: Stored,
) -> Result<bool, Exit> {
    let runs = backend.runs()?;
    // Under a label, the latest run is what the next one is compared with.
    let mut same = runs.iter().filter(|run| match label {
        Some(_) => run.label.as_ref() == label,
        None => run.request == answer.request,
    });
    Ok(same.next().is_some_and(|run| run.request == answer.request && run.outcome == outcome))
}
