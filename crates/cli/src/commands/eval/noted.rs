//! What is remembered of a request that was answered: its result under a label,
//! and that it was asked for.

use std::time::SystemTime;

use weft_eval::Outcome;
use weft_store::{Backend, Expect, Label, Outcome as Stored, Run};

use crate::evaluate::Answer;
use crate::exit::Exit;
use crate::place::Place;

/// Sets the label to a value and notes the run. What is not new is not written:
/// to ask again for what is known leaves the store as it is.
pub(super) fn note(place: &Place, answer: &Answer, label: Option<&Label>) -> Result<(), Exit> {
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
    if new {
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
