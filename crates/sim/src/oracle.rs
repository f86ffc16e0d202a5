//! What the machine must agree with.

use std::collections::BTreeSet;
use std::thread;

use weft_eval::reference::Reference;
use weft_eval::{NoAnswerKind, Outcome};
use weft_object::Handle;

use crate::generate::Case;

/// What the reference says of a case.
#[derive(Clone, Debug)]
pub struct Verdict {
    /// For each request in order.
    pub outcomes: Vec<Outcome>,
    /// The applications that ran for all of them.
    pub ran: BTreeSet<Handle>,
}

/// Asks the reference. It recurses: see [`with_deep_stack`].
#[must_use]
pub fn verdict(case: &Case) -> Verdict {
    let mut world = case.world.clone();
    let mut reference = Reference::new(&mut world);
    let outcomes = case.requests.iter().map(|request| reference.request(*request)).collect();
    Verdict { outcomes, ran: reference.ran().iter().copied().collect() }
}

/// Runs something where the native stack suffices for the reference.
///
/// # Panics
/// If it does, or if there is no room for the stack.
pub fn with_deep_stack<T: Send + 'static>(work: impl FnOnce() -> T + Send + 'static) -> T {
    let builder = thread::Builder::new().stack_size(512 << 20);
    let joined = builder.spawn(work).map(thread::JoinHandle::join);
    match joined {
        Ok(Ok(value)) => value,
        Ok(Err(panic)) => std::panic::resume_unwind(panic),
        Err(error) => panic!("no thread: {error}"),
    }
}

/// Whether a machine's outcome is the one that the reference came to.
///
/// Failures must be the same in every part. No answers must be of the same
/// sort, in words of their own. Where runs are short of fuel, `fuel`, it
/// depends on the order who is told of it.
#[must_use]
pub fn agrees(outcome: &Outcome, expected: &Outcome, fuel: bool) -> bool {
    match (outcome, expected) {
        (Outcome::NoAnswer(found), _) if fuel && found.kind == NoAnswerKind::OutOfFuel => true,
        (_, Outcome::NoAnswer(expected)) if fuel && expected.kind == NoAnswerKind::OutOfFuel => {
            true
        }
        (Outcome::NoAnswer(found), Outcome::NoAnswer(expected)) => found.kind == expected.kind,
        _ => outcome == expected,
    }
}
