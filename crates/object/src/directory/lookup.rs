use alloc::vec::Vec;

use super::index::{Node, Record};
use super::{DirectoryError, FileKind, Path, PathError};
use crate::Handle;

/// Finds what a directory holds under a path, one node at a time.
///
/// ```
/// use weft_object::directory::{Lookup, Step};
/// use weft_object::{Blob, Handle, Tree};
///
/// fn find(
///     root: Handle,
///     path: &[u8],
///     tree: impl Fn(&Handle) -> Tree,
///     blob: impl Fn(&Handle) -> Blob,
/// ) -> Option<Handle> {
///     let mut lookup = Lookup::new(path).ok()?;
///     let mut node = root;
///     loop {
///         let node_tree = tree(&node.content());
///         let index = Lookup::index(node_tree.entries()).ok()?;
///         let bytes = match index.literal_bytes() {
///             Some(bytes) => bytes.to_vec(),
///             None => blob(&index).bytes().to_vec(),
///         };
///         match lookup.step(&bytes, node_tree.entries()).ok()? {
///             Step::Descend(next) => node = next,
///             Step::Found(handle) => return Some(handle),
///             Step::NotFound => return None,
///         }
///     }
/// }
/// ```
#[derive(Clone, Debug)]
pub struct Lookup {
    path: Path,
    at: usize,
    expected: Option<Expected>,
}

/// What comes after a step of a [`Lookup`].
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Step {
    /// This node is needed next: a Tree, or a Ref to one whose content is to
    /// be read all the same. Then its index, see [`Lookup::index`].
    Descend(Handle),
    /// The path leads here; the handle is as it was stored.
    Found(Handle),
    /// There is no such entry.
    NotFound,
}

/// What an inner node says of the child that is read next.
#[derive(Clone, Debug)]
pub(super) struct Expected {
    level: u8,
    first: Vec<u8>,
    names: u64,
}

impl Expected {
    /// Of the child of an inner node, by its record.
    pub(super) fn of(node: &Node<'_>, record: &Record<'_>) -> Self {
        let level = node.index().level() - 1;
        Self { level, first: record.name.to_vec(), names: record.size }
    }

    pub(super) fn check(&self, node: &Node<'_>) -> Result<(), DirectoryError> {
        let index = node.index();
        let first = index.get(0).map(|record| record.name);
        let same = index.level() == self.level
            && first == Some(&self.first)
            && index.names_below() == self.names;
        same.then_some(()).ok_or(DirectoryError::BadNode)
    }
}

/// The root of a directory has several children if it has children that are
/// nodes at all: one alone would be the root itself.
pub(super) fn check_root(node: &Node<'_>) -> Result<(), DirectoryError> {
    match (node.index().level(), node.index().len()) {
        (1.., 1) => Err(DirectoryError::BadShape),
        _ => Ok(()),
    }
}

impl Lookup {
    /// Starts at a directory; the first node needed is that directory.
    ///
    /// # Errors
    /// If the bytes are no path; see [`Path`].
    pub fn new(path: &[u8]) -> Result<Self, PathError> {
        Ok(Self { path: Path::parse(path)?, at: 0, expected: None })
    }

    /// The handle of the index Blob of a node, from the entries of its Tree. A
    /// literal holds the bytes in itself.
    ///
    /// # Errors
    /// [`DirectoryError::NoIndex`] if the Tree is no directory.
    pub fn index(entries: &[Handle]) -> Result<Handle, DirectoryError> {
        Node::index_handle(entries)
    }

    /// Looks into the node that was asked for: its index's bytes, and all
    /// entries of its Tree.
    ///
    /// # Errors
    /// If it is no node, or the path goes on below a file or a symlink.
    pub fn step(&mut self, index: &[u8], entries: &[Handle]) -> Result<Step, DirectoryError> {
        let node = Node::parse(index, entries)?;
        match self.expected.take() {
            Some(expected) => expected.check(&node)?,
            None => check_root(&node)?,
        }
        let name = &self.path.names()[self.at];
        let Some(position) = node.index().position(name.as_bytes()) else {
            return Ok(Step::NotFound);
        };
        let child = node.children()[position];
        let Some(record) = node.index().get(position) else {
            return Ok(Step::NotFound);
        };
        let Some(kind) = record.kind else {
            self.expected = Some(Expected::of(&node, &record));
            return Ok(Step::Descend(child));
        };
        if self.at + 1 == self.path.names().len() {
            return Ok(Step::Found(child));
        }
        if kind != FileKind::Directory {
            return Err(DirectoryError::NotDirectory(name.clone(), kind));
        }
        self.at += 1;
        Ok(Step::Descend(child))
    }
}
