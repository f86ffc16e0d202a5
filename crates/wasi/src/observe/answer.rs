use weft_object::Handle;
use weft_object::directory::{Entry, FileKind};

/// One thing that a run asked of a directory that it was given, with the answer.
///
/// What the run itself had made or changed by then is no observation. In a
/// list of observations, each (preopen, path) stands once for its entry, with
/// the most that was asked, and once for its listing; they are in order.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Observation {
    /// The position of the preopened directory.
    pub preopen: u32,
    /// The path in it: names joined by `/`, empty for the directory itself.
    pub path: Box<[u8]>,
    /// What the run came to know.
    pub answer: Answer,
}

/// What there is at a path, as far as a run looked.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Answer {
    /// Nothing.
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
    pub(crate) const fn is_listing(&self) -> bool {
        matches!(self, Self::Listing(_))
    }

    /// Each answer about an entry says all that those before it say.
    pub(crate) const fn rank(&self) -> u8 {
        match self {
            Self::Absent => 0,
            Self::Kind(_) => 1,
            Self::Size(..) => 2,
            Self::Content(..) => 3,
            Self::Exact(..) => 4,
            Self::Listing(_) => 5,
        }
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
        bytes.push(match entry.kind {
            FileKind::File => 0,
            FileKind::Directory => 1,
            FileKind::Symlink => 2,
        });
        // A name has at most 255 bytes.
        bytes.push(name.len() as u8);
        bytes.extend_from_slice(name);
    }
    Handle::of_blob(&bytes)
}
