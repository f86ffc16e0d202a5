//! A store in memory: a resolver that keeps what it is given.

use std::collections::HashMap;

use weft_notation::{BuildError, Lookup, Resolver, build, parse};
use weft_object::{Blob, Handle, Prefix, Tree};

#[derive(Debug, Default)]
pub(crate) struct World {
    pub(crate) blobs: HashMap<Handle, Vec<u8>>,
    pub(crate) trees: HashMap<Handle, Tree>,
    pub(crate) labels: HashMap<String, Handle>,
    pub(crate) paths: HashMap<Vec<u8>, Handle>,
    /// What was asked, in order.
    pub(crate) asked: Vec<String>,
}

impl World {
    pub(crate) fn build(&mut self, source: &str) -> Result<Handle, BuildError<String>> {
        build(&parse(source).unwrap(), self)
    }

    pub(crate) fn entries(&self, tree: Option<Handle>) -> &[Handle] {
        self.trees[&tree.unwrap()].entries()
    }
}

impl Resolver for World {
    type Error = String;

    fn path(&mut self, path: &[u8]) -> Result<Handle, String> {
        self.asked.push(format!("path {}", path.escape_ascii()));
        let missing = || format!("no file at {}", path.escape_ascii());
        self.paths.get(path).copied().ok_or_else(missing)
    }

    fn label(&mut self, label: &str) -> Result<Handle, String> {
        self.asked.push(format!("label {label}"));
        self.labels.get(label).copied().ok_or_else(|| format!("no label @{label}"))
    }

    fn prefix(&mut self, prefix: &Prefix) -> Result<Handle, String> {
        self.asked.push(format!("prefix of {}", prefix.digits()));
        let names = self.trees.keys().chain(self.blobs.keys());
        match names.filter(|name| prefix.matches(name)).collect::<Vec<_>>()[..] {
            [name] => Ok(*name),
            [] => Err("nothing stored begins so".into()),
            _ => Err("more than one thing begins so; give more digits".into()),
        }
    }

    fn put_blob(&mut self, bytes: &[u8]) -> Result<Handle, String> {
        let handle = Handle::of_blob(bytes);
        assert!(!handle.is_literal(), "literals are not put");
        self.blobs.insert(handle, bytes.to_vec());
        Ok(handle)
    }

    fn put_tree(&mut self, entries: &[Handle]) -> Result<Handle, String> {
        let tree = Tree::new(entries);
        self.trees.insert(tree.handle(), tree.clone());
        Ok(tree.handle())
    }
}

impl Lookup for World {
    fn tree(&mut self, handle: &Handle) -> Option<Tree> {
        self.trees.get(handle).cloned()
    }

    fn blob(&mut self, handle: &Handle) -> Option<Blob> {
        self.blobs.get(handle).cloned().map(Blob::new)
    }
}
