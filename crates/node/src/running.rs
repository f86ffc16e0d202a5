use std::collections::HashMap;

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

    /// `false` if it runs already; whoever runs it will then tell the graph.
    pub(crate) fn begin(&self, tree: Handle) -> bool {
        let mut shard = self.shard(&tree).lock();
        match shard.get_mut(&tree) {
            Some(watched) => {
                *watched = true;
                false
            }
            None => {
                shard.insert(tree, false);
                true
            }
        }
    }

    /// Whether somebody was told that it runs elsewhere.
    pub(crate) fn end(&self, tree: Handle) -> bool {
        self.shard(&tree).lock().remove(&tree).unwrap_or(false)
    }
}
