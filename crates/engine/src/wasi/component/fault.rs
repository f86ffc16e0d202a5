//! How a function of an interface ends, if not well.

use wasmtime::component::ResourceTableError;
use weft_wasi::Errno;

use super::bindings::wasi::filesystem::types::ErrorCode;
use crate::outcome::{NoAnswerKind, Stop};

/// What a function answers beside a value, or why there is no answer.
#[derive(Debug)]
pub(crate) enum Fault {
    Errno(Errno),
    /// A stream is at its end.
    Closed,
    /// The run does not go on.
    End(wasmtime::Error),
}

impl From<Errno> for Fault {
    fn from(errno: Errno) -> Self {
        Self::Errno(errno)
    }
}

impl From<wasmtime::Error> for Fault {
    fn from(error: wasmtime::Error) -> Self {
        Self::End(error)
    }
}

impl From<ResourceTableError> for Fault {
    fn from(error: ResourceTableError) -> Self {
        Self::End(table(error))
    }
}

/// What is wrong with a resource, as the run's end.
pub(super) fn table(error: ResourceTableError) -> wasmtime::Error {
    match error {
        ResourceTableError::Full => {
            let detail = "a run may hold no more resources; split the work".to_owned();
            Stop::NoAnswer(NoAnswerKind::HandleTable, detail).into()
        }
        other => other.into(),
    }
}

/// An errno as these interfaces have it.
pub(super) const fn code(errno: Errno) -> ErrorCode {
    match errno {
        Errno::Badf => ErrorCode::BadDescriptor,
        Errno::Busy => ErrorCode::Busy,
        Errno::Exist => ErrorCode::Exist,
        Errno::Fbig => ErrorCode::FileTooLarge,
        Errno::Ilseq => ErrorCode::IllegalByteSequence,
        Errno::Inval => ErrorCode::Invalid,
        Errno::Isdir => ErrorCode::IsDirectory,
        Errno::Loop => ErrorCode::Loop,
        // There is none for too many descriptors.
        Errno::Mfile => ErrorCode::Quota,
        Errno::Nametoolong => ErrorCode::NameTooLong,
        Errno::Noent => ErrorCode::NoEntry,
        Errno::Nospc => ErrorCode::InsufficientSpace,
        Errno::Nosys | Errno::Notsup => ErrorCode::Unsupported,
        Errno::Notdir => ErrorCode::NotDirectory,
        Errno::Notempty => ErrorCode::NotEmpty,
        Errno::Overflow => ErrorCode::Overflow,
        Errno::Perm => ErrorCode::NotPermitted,
        Errno::Spipe => ErrorCode::InvalidSeek,
        _ => ErrorCode::Io,
    }
}
