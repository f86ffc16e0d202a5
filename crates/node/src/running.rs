use std::collections::HashMap;
use std::collections::hash_map::Entry;

use weft_object::Handle;
use weft_store::HandleHash;

use crate::sync::Mutex;

/// The applications that run at this moment, so that none runs twice at once.
#[derive(Debug)]
pub(crate) struct Running {
    hash: HandleHash,
    shards: Vec<Mutex<HashMap<Handle, bool, HandleHash>>>,
}

const SHARDS: usize = 64;

impl Running {
    pub(crate) fn new() -> Self {
        let hash = HandleHash::default();
        let shards = (0..SHARDS).map(|_| Mutex::new(HashMap::with_hasher(hash.clone()))).collect();
        Self { hash, shards }
    }

    fn shard(&self, tree: &Handle) -> &Mutex<HashMap<Handle, bool, HandleHash>> {
        &self.shards[(self.hash.of(tree) >> 50) as usize % SHARDS]
    }

    /// Notes that an application runs; `None` if it does already, and whoever
    /// runs it will then tell the graph.
    pub(crate) fn begin(&self, tree: Handle) -> Option<Begun<'_>> {
        match self.shard(&tree).lock().entry(tree) {
            Entry::Occupied(mut watched) => {
                watched.insert(true);
                None
            }
            Entry::Vacant(place) => {
                place.insert(false);
                Some(Begun { running: self, tree })
            }
        }
    }
}

/// An application that runs.
#[derive(Debug)]
pub(crate) struct Begun<'a> {
    running: &'a Running,
    tree: Handle,
}

impl Begun<'_> {
    /// Ends it; its Tree, if somebody was told that it runs elsewhere.
    pub(crate) fn end(self) -> Option<Handle> {
        let watched = self.running.shard(&self.tree).lock().remove(&self.tree);
        watched.unwrap_or(false).then_some(self.tree)
    }
}
