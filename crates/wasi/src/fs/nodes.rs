use std::collections::BTreeMap;
use std::sync::Arc;

use weft_object::directory::{DirectoryError, Entry, FileKind, List, Node, Record as Line};
use weft_object::{Blob, Handle, Tree};

use crate::Stop;
use crate::source::{Source, blob, tree};

/// Nodes of directories that were read, decoded. Together they hold a bounded
/// number of names; what is needed again after that is fetched again.
#[derive(Debug, Default)]
pub(crate) struct Nodes {
    cache: BTreeMap<Handle, Arc<Decoded>>,
    names: usize,
}

const NAMES_MAX: usize = 1 << 20;

/// What a directory says of a name.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Found {
    pub(crate) kind: FileKind,
    pub(crate) mode: u16,
    pub(crate) child: Handle,
}

/// A node, checked once, so that a name is found by bisection.
#[derive(Debug)]
struct Decoded {
    index: Blob,
    tree: Tree,
    level: u8,
    records: Vec<Record>,
    /// Where the names begin in the index.
    names: usize,
    names_below: u64,
}

#[derive(Debug)]
struct Record {
    /// Where the name ends, from where names begin.
    end: usize,
    kind: Option<FileKind>,
    mode: u16,
    size: u64,
}

impl Decoded {
    fn new(blob: Blob, tree: Tree) -> Result<Self, DirectoryError> {
        let node = Node::parse(blob.bytes(), tree.entries())?;
        let index = node.index();
        let mut end = 0;
        let record = |record: Line<'_>| {
            end += record.name.len();
            Record { end, kind: record.kind, mode: record.mode, size: record.size }
        };
        let records = index.iter().map(record).collect();
        let (level, names_below) = (index.level(), index.names_below());
        // Nothing comes after the names.
        let names = blob.bytes().len() - end;
        Ok(Self { index: blob, tree, level, records, names, names_below })
    }

    fn child(&self, at: usize) -> Handle {
        // The index comes first.
        self.tree.entries()[1 + at]
    }

    fn name(&self, at: usize) -> &[u8] {
        let from = at.checked_sub(1).map_or(0, |before| self.records[before].end);
        &self.index.bytes()[self.names..][from..self.records[at].end]
    }

    /// In a leaf, where the name stands; in an inner node, the child that it
    /// would be below.
    fn position(&self, name: &[u8]) -> Option<usize> {
        let (mut low, mut high) = (0, self.records.len());
        while low < high {
            let middle = low + (high - low) / 2;
            match self.name(middle) <= name {
                true => low = middle + 1,
                false => high = middle,
            }
        }
        let at = low.checked_sub(1)?;
        (self.level > 0 || self.name(at) == name).then_some(at)
    }

    /// Whether this is the child that an inner node describes in a record.
    fn is_child(&self, parent: &Self, at: usize) -> bool {
        self.level + 1 == parent.level
            && !self.records.is_empty()
            && self.name(0) == parent.name(at)
            && self.names_below == parent.records[at].size
    }
}

impl Nodes {
    /// Finds a name, reading the nodes on the way to it.
    pub(crate) fn find(
        &mut self,
        source: &mut dyn Source,
        root: &Handle,
        name: &[u8],
    ) -> Result<Option<Found>, Stop> {
        let broken = |error| Stop::NotDirectory(root.content(), error);
        let mut node = self.node(source, root)?;
        if node.level > 0 && node.records.len() == 1 {
            return Err(broken(DirectoryError::BadShape));
        }
        loop {
            let Some(at) = node.position(name) else { return Ok(None) };
            let Record { kind, mode, .. } = node.records[at];
            let child = node.child(at);
            if let Some(kind) = kind {
                return Ok(Some(Found { kind, mode, child }));
            }
            let next = self.node(source, &child)?;
            if !next.is_child(&node, at) {
                return Err(broken(DirectoryError::BadNode));
            }
            node = next;
        }
    }

    fn node(&mut self, source: &mut dyn Source, handle: &Handle) -> Result<Arc<Decoded>, Stop> {
        let handle = handle.content();
        if let Some(node) = self.cache.get(&handle) {
            return Ok(Arc::clone(node));
        }
        let broken = |error| Stop::NotDirectory(handle, error);
        let tree = tree(source, &handle)?;
        let index = Node::index_handle(tree.entries()).map_err(broken)?;
        let index = blob(source, &index)?;
        let node = Arc::new(Decoded::new(index, tree).map_err(broken)?);
        self.names += node.records.len();
        if self.names > NAMES_MAX {
            self.cache.clear();
            self.names = node.records.len();
        }
        self.cache.insert(handle, Arc::clone(&node));
        Ok(node)
    }

    /// All entries of a directory in order of their names.
    pub(crate) fn list(
        &mut self,
        source: &mut dyn Source,
        root: &Handle,
    ) -> Result<Vec<Entry>, Stop> {
        let broken = |error| Stop::NotDirectory(root.content(), error);
        let mut list = List::new(*root);
        while let Some(wanted) = list.wants() {
            let node = self.node(source, &wanted)?;
            list.step(node.index.bytes(), node.tree.entries()).map_err(broken)?;
        }
        list.finish().map_err(broken)
    }
}
