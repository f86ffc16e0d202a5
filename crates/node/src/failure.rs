//! Failures and no-answers between the engine's words, the evaluator's, and the
//! content that a stored relation points at.

use std::sync::Arc;

use weft_engine as engine;
use weft_eval::{Failure, FailureKind, NoAnswerKind, Outcome};
use weft_object::{Blob, Content, Handle, Kind, Tree};

const WORD: &[u8] = b"failure/1";

/// A failure as content: the Tree `["failure/1", kind, detail, application]`,
/// and the Blob of the detail if that is no literal. The Tree's handle stands
/// for the failure in a stored relation.
pub(crate) fn contents(failure: &Failure) -> (Handle, Vec<(Handle, Content)>) {
    let detail = Blob::new(failure.detail.as_bytes().to_vec());
    let detail_handle = detail.handle();
    let kind = Handle::of_blob(failure.kind.name().as_bytes());
    let tree = Tree::new([Handle::of_blob(WORD), kind, detail_handle, failure.application]);
    let handle = tree.handle();
    (handle, vec![(detail_handle, Content::Blob(detail)), (handle, Content::Tree(tree))])
}

/// Reads what [`contents`] made; `None` if the content is not there or is
/// something else.
pub(crate) fn read(
    handle: Handle,
    mut content: impl FnMut(Handle) -> Option<Content>,
) -> Option<Arc<Failure>> {
    let tree = content(handle)?.tree()?.clone();
    let [word, kind, detail, application] = tree.entries() else { return None };
    if word.literal_bytes() != Some(WORD)
        || application.kind() != Kind::Application && !application.kind().is_thunk()
    {
        return None;
    }
    let kind = kind.literal_bytes()?;
    let kind = FailureKind::ALL.into_iter().find(|known| known.name().as_bytes() == kind)?;
    let detail = match detail.literal_bytes() {
        Some(bytes) => bytes.to_vec(),
        None => content(*detail)?.blob()?.bytes().to_vec(),
    };
    let detail = String::from_utf8(detail).ok()?.into();
    Some(Arc::new(Failure { kind, detail, application: *application }))
}

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
