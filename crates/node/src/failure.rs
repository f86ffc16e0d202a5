//! Failures and no-answers between the engine's words and the evaluator's.

use weft_engine as engine;
use weft_eval::{FailureKind, NoAnswerKind, Outcome};
use weft_object::Handle;

/// What the engine says of an application, in the evaluator's words, and what
/// it notes for people.
pub(crate) fn of_engine(
    outcome: engine::Outcome,
    application: Handle,
) -> (Outcome, Option<String>) {
    match outcome {
        engine::Outcome::Value(handle) => (Outcome::Value(handle), None),
        engine::Outcome::Failure(failure) => {
            // Every canonical application is a Tree, so this names its Thunk.
            let thunk = application.application().unwrap_or(application);
            (Outcome::failure(failure_kind(failure.kind), failure.detail, thunk), failure.note)
        }
        engine::Outcome::NoAnswer { kind, detail } => {
            let words = kind.words();
            let kind = no_answer_kind(kind);
            let detail = if words == kind.name() { detail } else { format!("{words}: {detail}") };
            (Outcome::no_answer(kind, detail), None)
        }
    }
}

const fn failure_kind(kind: engine::FailureKind) -> FailureKind {
    match kind {
        engine::FailureKind::BadModule => FailureKind::BadModule,
        engine::FailureKind::BadHandle => FailureKind::BadHandle,
        engine::FailureKind::MemoryLimit => FailureKind::MemoryLimit,
        engine::FailureKind::Failed => FailureKind::Failed,
        // Trap, and whatever traps a later engine tells apart.
        _ => FailureKind::Trap,
    }
}

const fn no_answer_kind(kind: engine::NoAnswerKind) -> NoAnswerKind {
    match kind {
        engine::NoAnswerKind::Fuel => NoAnswerKind::OutOfFuel,
        engine::NoAnswerKind::Interrupted => NoAnswerKind::Cancelled,
        engine::NoAnswerKind::ModuleTooLarge => NoAnswerKind::TooLarge,
        engine::NoAnswerKind::Unsupported => NoAnswerKind::Unsupported,
        engine::NoAnswerKind::Missing => NoAnswerKind::Lost,
        _ => NoAnswerKind::Exhausted,
    }
}
