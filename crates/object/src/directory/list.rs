use alloc::vec::Vec;

use super::build::node_length;
use super::lookup::{Expected, check_root};
use super::{DirectoryError, Entry, Name, Node};
use crate::Handle;

/// Reads all names of one directory, one node at a time, and checks that it is
/// the one form of the directory that holds them.
///
/// ```
/// use weft_object::directory::{DirectoryError, Entry, List};
/// use weft_object::{Blob, Handle, Tree};
///
/// fn list(
///     root: Handle,
///     tree: impl Fn(&Handle) -> Tree,
///     blob: impl Fn(&Handle) -> Blob,
/// ) -> Result<Vec<Entry>, DirectoryError> {
///     let mut list = List::new(root);
///     while let Some(node) = list.wants() {
///         let node = tree(&node.content());
///         let index = List::index(node.entries())?;
///         match index.literal_bytes() {
///             Some(bytes) => list.step(bytes, node.entries())?,
///             None => list.step(blob(&index).bytes(), node.entries())?,
///         }
///     }
///     list.finish()
/// }
/// ```
#[derive(Clone, Debug)]
pub struct List {
    // The next node on top.
    wanted: Vec<(Handle, Option<Expected>)>,
    entries: Vec<Entry>,
    // For each level the first name of each node in it, with its length.
    nodes: Vec<Vec<(Vec<u8>, usize)>>,
}

impl List {
    /// Starts at a directory's Tree, or a Ref to it.
    #[must_use]
    pub fn new(root: Handle) -> Self {
        Self { wanted: [(root, None)].into(), entries: Vec::new(), nodes: Vec::new() }
    }

    /// The node that is needed next; `None` when all are read.
    #[must_use]
    pub fn wants(&self) -> Option<Handle> {
        self.wanted.last().map(|(handle, _)| *handle)
    }

    /// The handle of the index Blob of a node, from the entries of its Tree.
    ///
    /// # Errors
    /// [`DirectoryError::NoIndex`] if the Tree is no directory.
    pub fn index(entries: &[Handle]) -> Result<Handle, DirectoryError> {
        Node::index_handle(entries)
    }

    /// Takes the node that was wanted: its index's bytes, and all entries of
    /// its Tree.
    ///
    /// # Errors
    /// If it is no node, or not the one that its parent describes.
    pub fn step(&mut self, index: &[u8], entries: &[Handle]) -> Result<(), DirectoryError> {
        let node = Node::parse(index, entries)?;
        match self.wanted.pop() {
            Some((_, Some(expected))) => expected.check(&node)?,
            _ => check_root(&node)?,
        }
        let index = node.index();
        let level = usize::from(index.level());
        if self.nodes.len() <= level {
            self.nodes.resize_with(level + 1, Vec::new);
        }
        let first = index.get(0).map_or(&[][..], |record| record.name);
        self.nodes[level].push((first.to_vec(), index.len()));
        let from = self.wanted.len();
        for (at, (record, child)) in index.iter().zip(node.children()).enumerate() {
            match record.kind {
                None => self.wanted.push((*child, Some(Expected::of(&node, &record)))),
                Some(kind) => {
                    let name = Name::new(record.name)
                        .map_err(|error| DirectoryError::BadName(at, error))?;
                    if self.entries.last().is_some_and(|before| before.name >= name) {
                        return Err(DirectoryError::Unsorted(at));
                    }
                    self.entries.push(Entry { name, kind, mode: record.mode, child: *child });
                }
            }
        }
        self.wanted[from..].reverse();
        Ok(())
    }

    /// The entries in order of their names.
    ///
    /// # Errors
    /// If the nodes are split elsewhere than where these names are split.
    pub fn finish(self) -> Result<Vec<Entry>, DirectoryError> {
        for (level, nodes) in self.nodes.iter().enumerate() {
            let sound = match level.checked_sub(1) {
                None => split_as(0, self.entries.iter().map(|entry| entry.name.as_bytes()), nodes),
                Some(below) => {
                    let names = self.nodes[below].iter().map(|(first, _)| &first[..]);
                    split_as(level as u8, names, nodes)
                }
            };
            if !sound {
                return Err(DirectoryError::BadShape);
            }
        }
        Ok(self.entries)
    }
}

fn split_as<'a>(
    level: u8,
    mut names: impl Iterator<Item = &'a [u8]> + Clone,
    nodes: &[(Vec<u8>, usize)],
) -> bool {
    for (_, length) in nodes {
        if node_length(level, names.clone()) != *length {
            return false;
        }
        // The names of this node; an empty directory has one node and none.
        if *length > 0 {
            names.nth(length - 1);
        }
    }
    names.next().is_none()
}
