//! What a handle needs, in one file: to be sent to somebody else.
//!
//! An export holds all content that a handle reaches, through Objects, Refs,
//! Thunks and Encodes alike: a computation can be evaluated with it, and a store
//! that takes it has it with all below it, as it has everything. It may hold
//! what was found out as well. It is written and read from one end to the other,
//! each object after those it is made of; `docs/export.md` has every byte.
//!
//! Content proves itself by its name. A relation is somebody's word: who imports
//! says whether to take it.

mod broken;
mod format;
mod import;
mod write;

pub use broken::Broken;
pub use format::fuzz_export;
pub use import::{Import, Imported, import};
pub use write::{Exported, export};

/// How far an export or import is.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Moved {
    /// Objects.
    pub objects: u64,
    /// Bytes of the file.
    pub bytes: u64,
}
