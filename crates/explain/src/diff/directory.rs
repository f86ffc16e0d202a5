//! Two directories, by names, whatever nodes they are split into.

use std::collections::HashSet;
use std::rc::Rc;

use weft_object::directory::{Entry, FileKind, Name, Node};
use weft_object::{Blob, Handle, Tree};
use weft_store::StoreError;

use super::place::Link;
use super::{Differ, Item, Pair, Step, What};
use crate::Source;

/// A node that was read.
pub(super) struct Read {
    index: Blob,
    tree: Tree,
    level: u8,
}

/// Nodes of one directory, all of one level, in order of names; read or not yet.
struct Side {
    level: u8,
    nodes: Vec<(Handle, Option<Read>)>,
}

impl Side {
    fn new(root: Handle, read: Read) -> Self {
        Self { level: read.level, nodes: vec![(root.content(), Some(read))] }
    }
}

impl<S: Source + ?Sized> Differ<'_, S> {
    /// The node that a Tree is; `None` if it is none.
    pub(super) fn node(&mut self, tree: &Tree) -> Result<Option<Read>, StoreError> {
        let Ok(index) = Node::index_handle(tree.entries()) else { return Ok(None) };
        // Any Blob may come first; only one that begins as an index does, and is
        // as long as these entries need, is one.
        let least = 8 + 12 * (tree.entries().len() as u64 - 1);
        if index.length().is_none_or(|length| length < least) {
            return Ok(None);
        }
        let Some(index) = self.blob(index)? else { return Ok(None) };
        let level = match Node::parse(index.bytes(), tree.entries()) {
            Ok(node) => node.index().level(),
            Err(_) => return Ok(None),
        };
        Ok(Some(Read { index, tree: tree.clone(), level }))
    }

    /// Compares two directories whose first nodes were read.
    pub(super) fn directories(
        &mut self,
        pair: &Pair,
        old: Read,
        new: Read,
    ) -> Result<(), StoreError> {
        let (mut old, mut new) = (Side::new(pair.old, old), Side::new(pair.new, new));
        // Names are unique in a directory, so what is in a node of both sides is
        // the same in both.
        loop {
            let level = old.level.max(new.level);
            if old.level == new.level {
                without_common(&mut old, &mut new);
            }
            if level == 0 {
                break;
            }
            for side in [&mut old, &mut new] {
                if side.level == level {
                    self.down(side)?;
                }
            }
        }
        let (old, new) = (self.entries(old)?, self.entries(new)?);
        self.merge(&pair.at, old, new);
        Ok(())
    }

    /// From inner nodes to those below them.
    fn down(&mut self, side: &mut Side) -> Result<(), StoreError> {
        let mut below = Vec::new();
        for (node, read) in std::mem::take(&mut side.nodes) {
            let read = match read {
                Some(read) => Some(read),
                None => self.read(node)?,
            };
            let children = read.iter().flat_map(|read| &read.tree.entries()[1..]);
            below.extend(children.map(|child| (*child, None)));
        }
        *side = Side { level: side.level.saturating_sub(1), nodes: below };
        Ok(())
    }

    /// The names in leaves.
    fn entries(&mut self, side: Side) -> Result<Vec<Entry>, StoreError> {
        let mut out = Vec::new();
        for (node, read) in side.nodes {
            let read = match read {
                Some(read) => Some(read),
                None => self.read(node)?,
            };
            out.extend(read.iter().flat_map(Read::entries));
        }
        Ok(out)
    }

    fn read(&mut self, node: Handle) -> Result<Option<Read>, StoreError> {
        let Some(tree) = self.tree(node)? else { return Ok(None) };
        self.node(&tree)
    }

    /// Entries of both sides, each in order of names.
    fn merge(&mut self, at: &Rc<Link>, old: Vec<Entry>, new: Vec<Entry>) {
        let (mut old, mut new) = (old.into_iter().peekable(), new.into_iter().peekable());
        loop {
            let order = match (old.peek(), new.peek()) {
                (None, None) => return,
                (Some(_), None) => std::cmp::Ordering::Less,
                (None, Some(_)) => std::cmp::Ordering::Greater,
                (Some(old), Some(new)) => old.name.cmp(&new.name),
            };
            let old = old.next_if(|_| order.is_le());
            let new = new.next_if(|_| order.is_ge());
            match (old, new) {
                (Some(old), Some(new)) => self.entry(at, &old, &new),
                (Some(old), None) => self.push(&within(at, &old.name), What::Removed(item(&old))),
                (None, Some(new)) => self.push(&within(at, &new.name), What::Added(item(&new))),
                (None, None) => {}
            }
        }
    }

    /// What one name stands for on both sides.
    fn entry(&mut self, at: &Rc<Link>, old: &Entry, new: &Entry) {
        if (old.child, old.kind, old.mode) == (new.child, new.kind, new.mode) {
            return;
        }
        let at = within(at, &old.name);
        if old.kind != new.kind {
            self.push(&at, What::Removed(item(old)));
            self.push(&at, What::Added(item(new)));
            return;
        }
        if old.mode != new.mode {
            self.push(&at, What::Mode { old: old.mode, new: new.mode });
        }
        if old.child != new.child {
            self.open.push(Pair { at, old: old.child, new: new.child });
        }
    }

    /// All that is in a directory itself; `None` if it cannot be read.
    pub(super) fn names(&mut self, directory: Handle) -> Result<Option<Vec<Entry>>, StoreError> {
        let Some(read) = self.read(directory)? else { return Ok(None) };
        let mut side = Side::new(directory, read);
        while side.level > 0 {
            self.down(&mut side)?;
        }
        self.entries(side).map(Some)
    }
}

impl Read {
    /// The names of a leaf.
    fn entries(&self) -> Vec<Entry> {
        // It was parsed before.
        let Ok(node) = Node::parse(self.index.bytes(), self.tree.entries()) else {
            return Vec::new();
        };
        let children = node.children().iter();
        let entries = node.index().iter().zip(children).filter_map(|(record, child)| {
            let name = Name::new(record.name).ok()?;
            Some(Entry { name, kind: record.kind?, mode: record.mode, child: *child })
        });
        entries.collect()
    }
}

/// Takes away the nodes that both sides have.
fn without_common(old: &mut Side, new: &mut Side) {
    let have: HashSet<Handle> = old.nodes.iter().map(|(node, _)| *node).collect();
    let common: HashSet<Handle> =
        new.nodes.iter().map(|(node, _)| *node).filter(|node| have.contains(node)).collect();
    for side in [old, new] {
        side.nodes.retain(|(node, _)| !common.contains(node));
    }
}

fn within(at: &Rc<Link>, name: &Name) -> Rc<Link> {
    at.with(Step::Name(name.as_bytes().to_vec()))
}

fn item(entry: &Entry) -> Item {
    Item { handle: entry.child, file: Some((entry.kind, entry.mode)) }
}

/// Whether it holds names itself.
pub(super) fn is_directory(item: &Item) -> bool {
    item.file.is_some_and(|(kind, _)| kind == FileKind::Directory)
}
