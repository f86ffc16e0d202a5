use core::fmt;
use std::sync::Arc;

use weft_object::Handle;

/// How a computation ended.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Outcome {
    /// It came to this.
    Value(Handle),
    /// It failed, and will fail the same way wherever it is asked for.
    Failure(Arc<Failure>),
    /// This machine has no answer; nothing is known about the computation.
    NoAnswer(Arc<NoAnswer>),
}

impl Outcome {
    /// A failure of this reason and application.
    #[must_use]
    pub fn failure(kind: FailureKind, detail: impl Into<Arc<str>>, application: Handle) -> Self {
        Self::Failure(Arc::new(Failure { kind, detail: detail.into(), application }))
    }

    /// No answer, for this reason.
    #[must_use]
    pub fn no_answer(kind: NoAnswerKind, detail: impl Into<Arc<str>>) -> Self {
        Self::NoAnswer(Arc::new(NoAnswer { kind, detail: detail.into() }))
    }

    /// The value, if it is one.
    #[must_use]
    pub const fn value(&self) -> Option<Handle> {
        match self {
            Self::Value(handle) => Some(*handle),
            _ => None,
        }
    }

    /// Whether this belongs to the computation and may be remembered.
    #[must_use]
    pub const fn is_relation(&self) -> bool {
        !matches!(self, Self::NoAnswer(_))
    }
}

/// What is wrong with a computation. Its identity is all that stands here;
/// backtrace and log are annotations kept elsewhere.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct Failure {
    /// The sort of failure.
    pub kind: FailureKind,
    /// The rest of the reason, in words. Part of the identity, so it depends on
    /// the computation alone.
    pub detail: Arc<str>,
    /// The Thunk that failed. Of a cycle: the lowest Thunk on it.
    pub application: Handle,
}

/// The sorts of failure.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
#[non_exhaustive]
pub enum FailureKind {
    /// The function trapped.
    Trap,
    /// The function called `fail`.
    Failed,
    /// The procedure is no module that can run, or imports what nobody offers.
    BadModule,
    /// An ABI call was given a handle that it does not take.
    BadHandle,
    /// The module begins with more memory than the limit.
    MemoryLimit,
    /// The Tree is no application, or not with such limits.
    IllFormed,
    /// A selection outside its target, or of what has no parts.
    OutOfRange,
    /// The computation needs itself.
    Cycle,
}

impl FailureKind {
    /// All kinds, for whoever reads one back.
    pub const ALL: [Self; 8] = [
        Self::Trap,
        Self::Failed,
        Self::BadModule,
        Self::BadHandle,
        Self::MemoryLimit,
        Self::IllFormed,
        Self::OutOfRange,
        Self::Cycle,
    ];

    /// The word that stands for it in output and in stored relations.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::Trap => "trap",
            Self::Failed => "failed",
            Self::BadModule => "bad module",
            Self::BadHandle => "bad handle",
            Self::MemoryLimit => "memory limit",
            Self::IllFormed => "ill-formed",
            Self::OutOfRange => "out of range",
            Self::Cycle => "cycle",
        }
    }
}

impl fmt::Display for Failure {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}: {}", self.kind.name(), self.detail)
    }
}

/// Why a machine has no answer.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct NoAnswer {
    /// The sort of reason.
    pub kind: NoAnswerKind,
    /// Which, and what to do about it.
    pub detail: Arc<str>,
}

/// The sorts of reason for no answer.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
#[non_exhaustive]
pub enum NoAnswerKind {
    /// The run used up the fuel that this request gave it.
    OutOfFuel,
    /// The native stack, the handle table or the host's memory is used up.
    Exhausted,
    /// The limits or the footprint exceed the machine.
    TooLarge,
    /// Content that nobody has and nothing recomputes.
    Lost,
    /// Reading or writing failed.
    Storage,
    /// The procedure names a built-in that this version does not have.
    Unsupported,
    /// The request was cancelled, or its node is shutting down.
    Cancelled,
    /// The request's deadline passed.
    Deadline,
}

impl NoAnswerKind {
    /// The words used in output.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::OutOfFuel => "out of fuel",
            Self::Exhausted => "exhausted",
            Self::TooLarge => "too large",
            Self::Lost => "lost",
            Self::Storage => "storage",
            Self::Unsupported => "unsupported",
            Self::Cancelled => "cancelled",
            Self::Deadline => "deadline",
        }
    }

    /// Whether another request, made with other limits or later, might fare
    /// better on this machine: such an outcome is told only to those who asked
    /// in the same terms.
    #[must_use]
    pub const fn depends_on_request(self) -> bool {
        matches!(self, Self::OutOfFuel | Self::Cancelled | Self::Deadline)
    }
}

impl fmt::Display for NoAnswer {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}: {}", self.kind.name(), self.detail)
    }
}

/// Why a rule stops before it has a value.
#[derive(Clone, Debug)]
pub(crate) enum Halt {
    Pending,
    Failure(Arc<Failure>),
    NoAnswer(Arc<NoAnswer>),
}

impl Halt {
    pub(crate) fn failure(kind: FailureKind, detail: impl Into<Arc<str>>, at: Handle) -> Self {
        Self::Failure(Arc::new(Failure { kind, detail: detail.into(), application: at }))
    }
}

/// What a rule comes to, or why it stops.
pub(crate) type Step<T = Handle> = Result<T, Halt>;

impl From<Outcome> for Step {
    fn from(outcome: Outcome) -> Self {
        match outcome {
            Outcome::Value(handle) => Ok(handle),
            Outcome::Failure(failure) => Err(Halt::Failure(failure)),
            Outcome::NoAnswer(no_answer) => Err(Halt::NoAnswer(no_answer)),
        }
    }
}

/// The outcome of a step that is not pending.
pub(crate) fn settled(step: Step) -> Option<Outcome> {
    match step {
        Ok(handle) => Some(Outcome::Value(handle)),
        Err(Halt::Failure(failure)) => Some(Outcome::Failure(failure)),
        Err(Halt::NoAnswer(no_answer)) => Some(Outcome::NoAnswer(no_answer)),
        Err(Halt::Pending) => None,
    }
}
