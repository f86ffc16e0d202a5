//! Content by handle, and directories made of a list of paths.

use std::collections::{BTreeMap, BTreeSet};

use weft_object::directory::{DirectoryError, Entry, FileKind, List, Name, Part, build};
use weft_object::{Blob, Content, Handle};
use weft_wasi::{Source, Stop};

/// All content there is, and what of it was asked for.
#[derive(Clone, Debug, Default)]
pub(crate) struct Shelf {
    content: BTreeMap<Handle, Content>,
    /// Each request in turn.
    pub(crate) asked: Vec<Handle>,
}

impl Source for Shelf {
    fn content(&mut self, handle: &Handle) -> Result<Content, Stop> {
        self.asked.push(*handle);
        self.content.get(handle).cloned().ok_or(Stop::Missing(*handle))
    }
}

/// What stands at a path.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Node {
    File(u16, Vec<u8>),
    Link(Vec<u8>),
    Directory,
}

/// Everything below a directory, by path.
pub(crate) type Nodes = BTreeMap<String, Node>;

/// A file with mode 644.
pub(crate) fn file(bytes: &[u8]) -> Node {
    Node::File(0o644, bytes.to_vec())
}

pub(crate) fn link(target: &str) -> Node {
    Node::Link(target.into())
}

pub(crate) fn nodes(list: &[(&str, Node)]) -> Nodes {
    list.iter().map(|(path, node)| ((*path).to_owned(), node.clone())).collect()
}

impl Shelf {
    pub(crate) fn keep(&mut self, content: impl IntoIterator<Item = (Handle, Content)>) {
        for (handle, content) in content {
            assert_eq!(content.handle(), handle, "content under its own name");
            self.content.insert(handle, content);
        }
    }

    pub(crate) fn forget(&mut self, handle: &Handle) {
        self.content.remove(handle).unwrap();
    }

    pub(crate) fn blob(&mut self, bytes: &[u8]) -> Handle {
        let handle = Handle::of_blob(bytes);
        self.content.insert(handle, Content::Blob(Blob::new(bytes.to_vec())));
        handle
    }

    /// The directory of these paths; those above each are made with it.
    pub(crate) fn directory(&mut self, all: &Nodes) -> Handle {
        let mut names: BTreeMap<&str, Option<&Node>> = BTreeMap::new();
        for (path, node) in all {
            match path.split_once('/') {
                Some((first, _)) => _ = names.entry(first).or_insert(None),
                None => _ = names.insert(path, Some(node)),
            }
        }
        let mut entries = Vec::new();
        for (name, node) in names {
            let (kind, mode, child) = match node {
                Some(Node::File(mode, bytes)) => (FileKind::File, *mode, self.blob(bytes)),
                Some(Node::Link(target)) => (FileKind::Symlink, 0o777, self.blob(target)),
                Some(Node::Directory) | None => {
                    let prefix = format!("{name}/");
                    let below = all
                        .iter()
                        .filter_map(|(path, node)| Some((path.strip_prefix(&prefix)?, node)));
                    let below = below.map(|(path, node)| (path.to_owned(), node.clone())).collect();
                    (FileKind::Directory, 0o755, self.directory(&below))
                }
            };
            entries.push(Entry { name: Name::new(name.as_bytes()).unwrap(), kind, mode, child });
        }
        self.directory_of(entries)
    }

    pub(crate) fn directory_of(&mut self, entries: Vec<Entry>) -> Handle {
        build(entries, |handle, part| {
            let part = match part {
                Part::Index(blob) => Content::Blob(blob),
                Part::Node(tree) => Content::Tree(tree),
            };
            self.content.insert(handle, part);
            Ok::<_, DirectoryError>(())
        })
        .unwrap()
    }

    pub(crate) fn bytes(&self, handle: &Handle) -> Vec<u8> {
        match handle.content().literal_bytes() {
            Some(bytes) => bytes.to_vec(),
            None => self.content[&handle.content()].blob().unwrap().bytes().to_vec(),
        }
    }

    pub(crate) fn entries(&self, root: &Handle) -> Vec<Entry> {
        let mut list = List::new(*root);
        while let Some(node) = list.wants() {
            let node = self.content[&node.content()].tree().unwrap().clone();
            let index = List::index(node.entries()).unwrap();
            list.step(&self.bytes(&index), node.entries()).unwrap();
        }
        list.finish().unwrap()
    }

    /// Everything below a directory, empty directories too.
    pub(crate) fn read(&self, root: &Handle) -> Nodes {
        let mut all = Nodes::new();
        for entry in self.entries(root) {
            let name = String::from_utf8(entry.name.as_bytes().to_vec()).unwrap();
            match entry.kind {
                FileKind::File => {
                    all.insert(name, Node::File(entry.mode, self.bytes(&entry.child)));
                }
                FileKind::Symlink => _ = all.insert(name, Node::Link(self.bytes(&entry.child))),
                FileKind::Directory => {
                    for (path, node) in self.read(&entry.child) {
                        all.insert(format!("{name}/{path}"), node);
                    }
                    all.insert(name, Node::Directory);
                }
            }
        }
        all
    }

    /// What was asked for, each once.
    pub(crate) fn asked_for(&self) -> BTreeSet<Handle> {
        self.asked.iter().copied().collect()
    }
}
