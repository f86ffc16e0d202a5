use std::fmt;

use weft_object::{Content, Handle};
pub use weft_wasi::Steps;

/// What an application came to.
///
/// A failure belongs to the computation and is as repeatable as a value; no
/// answer belongs to this machine and this moment and says nothing about the
/// computation.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Outcome {
    /// The function returned.
    Value(Handle),
    /// The function cannot have a value, here or anywhere.
    Failure(Failure),
    /// This run was ended by something that is not part of the meaning.
    NoAnswer {
        /// What ended it.
        kind: NoAnswerKind,
        /// What exactly, and what to do, for people.
        detail: String,
    },
}

/// Why an application has no value.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Failure {
    /// What sort of failure. With `detail` it is the failure's identity.
    pub kind: FailureKind,
    /// What exactly. The words are fixed by the meaning version: they hold no
    /// text of the compiler or validator in use.
    pub detail: String,
    /// For people, outside the identity: the backtrace, innermost function
    /// first, or what the validator said.
    pub note: Option<String>,
}

/// The sorts of failure that an application can come to.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum FailureKind {
    /// A trap of WebAssembly, or an ABI call that traps.
    Trap,
    /// The procedure is no module that can be applied.
    BadModule,
    /// An ABI call was given a handle that it does not take.
    BadHandle,
    /// The module's initial memories exceed the memory limit.
    MemoryLimit,
    /// The function called `fail`.
    Failed,
}

impl FailureKind {
    /// The words by which the kind is known.
    #[must_use]
    pub const fn words(self) -> &'static str {
        match self {
            Self::Trap => "trap",
            Self::BadModule => "bad module",
            Self::BadHandle => "bad handle",
            Self::MemoryLimit => "memory limit",
            Self::Failed => "failed",
        }
    }
}

/// What kept a run from coming to an outcome.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum NoAnswerKind {
    /// The fuel that the request allowed is used up.
    Fuel,
    /// The native stack is used up.
    NativeStack,
    /// The function made or read more handles than a run may hold.
    HandleTable,
    /// The function made more bytes of Blobs and Trees than a run may hold.
    MadeBytes,
    /// The machine could not provide memory that the limit permits.
    HostMemory,
    /// The run was [interrupted](crate::Interrupt).
    Interrupted,
    /// The module is larger than this engine takes, or its compiler refused it.
    ModuleTooLarge,
    /// The procedure is a built-in that this version does not know.
    Unsupported,
    /// Content of the footprint is not resident: the caller broke the contract
    /// of [`crate::Objects`].
    Missing,
}

impl NoAnswerKind {
    /// The words by which the kind is known.
    #[must_use]
    pub const fn words(self) -> &'static str {
        match self {
            Self::Fuel => "out of fuel",
            Self::NativeStack => "native stack",
            Self::HandleTable => "handle table",
            Self::MadeBytes => "made bytes",
            Self::HostMemory => "host memory",
            Self::Interrupted => "interrupted",
            Self::ModuleTooLarge => "module too large",
            Self::Unsupported => "unsupported",
            Self::Missing => "missing",
        }
    }
}

impl fmt::Display for FailureKind {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(self.words())
    }
}

impl fmt::Display for NoAnswerKind {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(self.words())
    }
}

/// What one run came to and what is kept of it.
#[derive(Clone, Debug)]
pub struct Applied {
    /// The outcome.
    pub outcome: Outcome,
    /// The content that the run made and its value reaches, through Refs,
    /// Thunks and Encodes too. What it made otherwise is gone.
    pub made: Vec<(Handle, Content)>,
    /// What the function logged, each line ended by a line feed.
    pub log: Vec<u8>,
    /// Whether it logged more than is kept.
    pub log_truncated: bool,
    /// The fuel it used, where fuel was counted.
    pub fuel_used: Option<u64>,
    /// The most that its memories came to, in bytes.
    pub memory_peak_bytes: u64,
    /// What a program with directories found out on the way to its end: see
    /// [`matching`](crate::matching).
    pub steps: Steps,
}

/// Why the run stops, as it travels through compiled code: an error that the
/// functions of the ABI return and [`crate::Engine::apply`] takes apart.
#[derive(Debug)]
pub(crate) enum Stop {
    Failure(FailureKind, String),
    NoAnswer(NoAnswerKind, String),
}

impl fmt::Display for Stop {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Failure(kind, detail) => write!(f, "{kind}: {detail}"),
            Self::NoAnswer(kind, detail) => write!(f, "no answer, {kind}: {detail}"),
        }
    }
}

impl std::error::Error for Stop {}
