use std::sync::Arc;

use weft_object::Handle;
use weft_object::directory::{Entry, FileKind};

/// How much of a place a run wanted to know.
///
/// Each but the last says all that those before it say.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Question {
    /// What sort of thing is there, if anything.
    Kind,
    /// How many bytes it has as well.
    Size,
    /// Which.
    Content,
    /// The entry as it stands.
    Exact,
    /// Which names there are below it.
    Listing,
}

/// What a run asked of a directory that it was given.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Asked {
    /// The position of the preopened directory.
    pub preopen: u16,
    /// The path in it: names joined by `/`, empty for the directory itself.
    pub path: Arc<[u8]>,
    /// What about it.
    pub question: Question,
}

/// A question and what the directory answered.
///
/// What the run itself had made or changed by then is no observation. Of what
/// it knew already it does not ask again: the observations of a run stand in
/// the order in which it came to need them, and each says more than those
/// before it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Observation {
    /// The question.
    pub asked: Asked,
    /// What the run came to know.
    pub answer: Answer,
}

/// What there is at a path, as far as a run looked.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Answer {
    /// Nothing; to a listing, no directory.
    Absent,
    /// Something of this kind.
    Kind(FileKind),
    /// Something of this kind and size, in bytes.
    Size(FileKind, u64),
    /// A file or symlink with this content; whether Object or Ref is no part
    /// of the answer.
    Content(FileKind, Handle),
    /// The entry as it stands: kind, permission bits and child. Of what the
    /// result holds in another place.
    Exact(FileKind, u16, Handle),
    /// All names of the directory with their kinds; see
    /// [`listing_digest`](crate::listing_digest).
    Listing(Handle),
}

impl Answer {
    /// What is there, if anything.
    #[must_use]
    pub const fn kind(&self) -> Option<FileKind> {
        match *self {
            Self::Absent => None,
            Self::Listing(_) => Some(FileKind::Directory),
            Self::Kind(kind)
            | Self::Size(kind, _)
            | Self::Content(kind, _)
            | Self::Exact(kind, ..) => Some(kind),
        }
    }

    /// What was asked, to be told this of something that is there.
    pub(super) const fn question(&self) -> Question {
        match self {
            Self::Absent | Self::Kind(_) => Question::Kind,
            Self::Size(..) => Question::Size,
            Self::Content(..) => Question::Content,
            Self::Exact(..) => Question::Exact,
            Self::Listing(_) => Question::Listing,
        }
    }
}

pub(super) const fn number(kind: FileKind) -> u8 {
    match kind {
        FileKind::File => 0,
        FileKind::Directory => 1,
        FileKind::Symlink => 2,
    }
}

/// Names what a listing shows: a Blob of, for each name in order, a byte for
/// the kind (0 file, 1 directory, 2 symlink), a byte for the name's length, and
/// the name.
#[must_use]
pub fn listing_digest(entries: &[Entry]) -> Handle {
    let mut bytes = Vec::new();
    for entry in entries {
        let name = entry.name.as_bytes();
        // A name has at most 255 bytes.
        bytes.extend_from_slice(&[number(entry.kind), name.len() as u8]);
        bytes.extend_from_slice(name);
    }
    Handle::of_blob(&bytes)
}
