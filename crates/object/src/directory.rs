//! Directories as Trees: names found without reading what they stand beside.
//!
//! A directory is a Tree `[index, child...]`. The *index* is a Blob that lists
//! the names in byte order with kind, mode and size; the child at the same
//! position is a file's Blob, a symlink's target as a Blob, or a subdirectory's
//! Tree. A directory of some thousands of names or more is split: its node is
//! then an *inner* one, whose children are further nodes and whose index holds
//! the first name below each. So one name is found by reading the indexes on
//! its path and nothing else, and a directory changed in one place shares all
//! its other nodes with what it was.
//!
//! Three things that are easily confused:
//!
//! - *Node and directory.* A small directory is one node. A large one is a few
//!   levels of them, but one name in its parent.
//! - *Child and entry.* An [`Entry`] is what the index says of a name, together
//!   with the child. Children keep the access they were given: a directory may
//!   hold Objects or Refs.
//! - *Symlink and path.* A symlink is data. A path that would have to go
//!   through one does not, and says so.
//!
//! The set of (name, kind, mode, child) alone decides the bytes, and decoding
//! accepts no others; `docs/directory.md` has the layout. Nothing here fetches
//! anything: [`Lookup`] and [`List`] say which node they need next and are
//! handed its content, so they serve a guest, a store and an evaluator alike.

mod build;
mod fuzz;
mod index;
mod list;
mod lookup;
mod name;

pub use build::{Part, build};
pub use fuzz::fuzz_directory;
pub use index::{Index, Node, Record};
pub use list::List;
pub use lookup::{Lookup, Step};
pub use name::{Name, NameError, Path, PathError};

use core::fmt;

use crate::{Handle, Kind};

/// What a name in a directory stands for.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum FileKind {
    /// Bytes; the child is a Blob.
    File,
    /// Further names; the child is a directory's Tree.
    Directory,
    /// A path kept as data; the child is the Blob of the target's bytes.
    Symlink,
}

impl FileKind {
    const FORMAT: u16 = 0o170_000;

    const fn bits(self) -> u16 {
        match self {
            Self::File => 0o100_000,
            Self::Directory => 0o040_000,
            Self::Symlink => 0o120_000,
        }
    }

    const fn from_bits(bits: u16) -> Option<Self> {
        match bits & Self::FORMAT {
            0o100_000 => Some(Self::File),
            0o040_000 => Some(Self::Directory),
            0o120_000 => Some(Self::Symlink),
            _ => None,
        }
    }

    /// Whether a handle may be the child of such an entry.
    #[must_use]
    pub const fn admits(self, child: &Handle) -> bool {
        match child.kind() {
            Kind::Blob | Kind::BlobRef => !matches!(self, Self::Directory),
            Kind::Tree | Kind::TreeRef => matches!(self, Self::Directory),
            _ => false,
        }
    }

    /// The name used in output and errors.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::File => "file",
            Self::Directory => "directory",
            Self::Symlink => "symlink",
        }
    }
}

impl fmt::Display for FileKind {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(self.name())
    }
}

/// One name of a directory.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Entry {
    /// The name, unique in its directory.
    pub name: Name,
    /// What it stands for.
    pub kind: FileKind,
    /// Permission bits, `0o777` at most; always `0o777` for a symlink, which
    /// has none of its own. Set-user-id and the like are not kept: a Tree from
    /// elsewhere must not be able to ask for them.
    pub mode: u16,
    /// The content, as Object or Ref.
    pub child: Handle,
}

impl Entry {
    /// The mode of every symlink.
    pub const SYMLINK_MODE: u16 = 0o777;

    /// Bytes of a file or of a symlink's target; entries of a directory's Tree.
    #[must_use]
    pub fn size(&self) -> u64 {
        self.child.length().unwrap_or(0)
    }
}

/// Why something is not a directory, or no directory can be made of it.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum DirectoryError {
    /// The Tree does not begin with an accessible index Blob.
    NoIndex,
    /// The Blob does not begin as an index does.
    Magic,
    /// An index of a version that is not known here.
    Version(u8),
    /// The index ends early, or goes on after its end.
    IndexLength {
        /// What its own numbers say.
        expected: u64,
        /// What there is.
        found: u64,
    },
    /// More levels or entries than a node has, or too few.
    NodeSize {
        /// The level, 0 for a leaf.
        level: u8,
        /// The entries.
        count: u16,
    },
    /// The Tree has another number of children than its index has entries.
    ChildCount {
        /// What the index says.
        expected: usize,
        /// What there is.
        found: usize,
    },
    /// A name that none may be, at this position.
    BadName(usize, NameError),
    /// A name that does not come after the one before it, at this position.
    Unsorted(usize),
    /// Kind and mode bits that no entry has, at this position.
    BadMode(usize, u16),
    /// A child that its index entry does not describe, at this position.
    BadChild(usize),
    /// A node that its parent does not describe.
    BadNode,
    /// Nodes split elsewhere than where this set of names is split.
    BadShape,
    /// Two entries with one name.
    Duplicate(Name),
    /// A path goes on below something that is no directory.
    NotDirectory(Name, FileKind),
}

impl fmt::Display for DirectoryError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::NoIndex | Self::Magic => write!(f, "this tree is no directory"),
            Self::Version(version) => write!(
                f,
                "unknown directory version {version}; it may come from a newer version of weft"
            ),
            Self::IndexLength { expected, found } => {
                write!(f, "a directory index of {found} bytes should have {expected}")
            }
            Self::NodeSize { level, count } => {
                write!(f, "no directory node has {count} entries at level {level}")
            }
            Self::ChildCount { expected, found } => {
                write!(f, "a directory node has {found} children for {expected} names")
            }
            Self::BadName(at, error) => write!(f, "name {at} of a directory: {error}"),
            Self::Unsorted(at) => write!(f, "name {at} of a directory is out of order"),
            Self::BadMode(at, mode) => write!(f, "entry {at} of a directory has mode {mode:#o}"),
            Self::BadChild(at) => {
                write!(f, "entry {at} of a directory does not describe its content")
            }
            Self::BadNode => write!(f, "a directory node is not what its parent describes"),
            Self::BadShape => write!(f, "a directory is not split where its names say"),
            Self::Duplicate(name) => write!(f, "a directory cannot have two entries {name}"),
            Self::NotDirectory(name, FileKind::Symlink) => {
                write!(f, "{name} is a symlink, and paths follow none; read it and select again")
            }
            Self::NotDirectory(name, kind) => write!(f, "{name} is a {kind}, not a directory"),
        }
    }
}

impl core::error::Error for DirectoryError {}
