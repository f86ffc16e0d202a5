use std::sync::Arc;

use weft_object::Handle;
use weft_object::directory::FileKind;

/// One change that a run made to a directory that it was given.
///
/// In a list of edits each path stands once, none stands below another that is
/// placed or removed, and they are in order. There are no renames: what got
/// another name is removed in one place and placed in the other.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Edit {
    /// The position of the preopened directory.
    pub preopen: u32,
    /// The path in it: names joined by `/`.
    pub path: Arc<[u8]>,
    /// What becomes of it.
    pub kind: EditKind,
}

/// What becomes of a path.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum EditKind {
    /// What is there goes, a directory with all that is in it.
    Remove,
    /// The file that is there has these bytes now, and the permission bits
    /// that it had.
    Write(Handle),
    /// This stands there now, whatever was there.
    Place(FileKind, u16, Handle),
}

impl EditKind {
    /// What stands there then, if the edit says so.
    #[must_use]
    pub const fn child(&self) -> Option<Handle> {
        match self {
            Self::Remove => None,
            Self::Write(child) | Self::Place(_, _, child) => Some(*child),
        }
    }
}
