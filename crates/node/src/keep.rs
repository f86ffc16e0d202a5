//! Writing to the backend what is worth to outlast the process.

use std::collections::HashSet;

use weft_object::{Content, Handle, Kind};
use weft_store::{Backend, HandleHash, Relation, StoreError};

use crate::Node;
use crate::node::Shared;

/// What was written.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Kept {
    /// Objects.
    pub objects: u64,
    /// Relations.
    pub relations: u64,
    /// Bytes of the objects.
    pub bytes: u64,
}

impl Node {
    /// Writes to the backend all that was found out about applications and is
    /// still in memory, with what their outcomes reach, and all that `handles`
    /// reach, and syncs. Without a backend it does nothing.
    ///
    /// # Errors
    /// The backend cannot write; what was kept before stays.
    pub fn keep(&self, handles: &[Handle]) -> Result<Kept, StoreError> {
        let Some(backend) = &self.shared.backend else { return Ok(Kept::default()) };
        let mut writer = Writer {
            shared: &self.shared,
            backend: &**backend,
            seen: HashSet::default(),
            batch: Vec::new(),
            batch_bytes: 0,
            kept: Kept::default(),
        };
        for handle in handles {
            writer.reach(*handle)?;
        }
        // Only applications are facts; what was derived follows from them.
        let mut relations = Vec::new();
        self.shared.relations.for_each(|key, relation| {
            if key.kind() == Kind::Tree && !relation.durable {
                relations.push((*key, *relation));
            }
        });
        let mut whole = Vec::with_capacity(relations.len());
        for (key, relation) in relations {
            if writer.reach_relation(key, &relation)? {
                whole.push((key, Relation { durable: true, ..relation }));
            }
        }
        writer.flush()?;
        let mut kept = writer.kept;
        kept.relations = whole.len() as u64;
        // A relation is written after what it speaks of.
        backend.put_relations(&whole)?;
        backend.sync()?;
        for (key, _) in whole {
            self.shared.relations.set_durable(&key);
        }
        Ok(kept)
    }
}

struct Writer<'a> {
    shared: &'a Shared,
    backend: &'a dyn Backend,
    seen: HashSet<Handle, HandleHash>,
    batch: Vec<(Handle, Content)>,
    batch_bytes: u64,
    kept: Kept,
}

const BATCH_BYTES: u64 = 4 << 20;

impl Writer<'_> {
    /// `false` if the outcome's own content is gone; then there is nothing to
    /// keep.
    fn reach_relation(&mut self, key: Handle, relation: &Relation) -> Result<bool, StoreError> {
        let outcome = relation.outcome.handle();
        if !self.reach(outcome)? {
            return Ok(false);
        }
        if let Some(notes) = relation.notes {
            self.reach(notes)?;
        }
        // What was applied is kept as far as it is still here.
        self.reach(key)?;
        Ok(true)
    }

    /// Writes all that a handle reaches and the backend does not have; whether
    /// its own content was there.
    fn reach(&mut self, root: Handle) -> Result<bool, StoreError> {
        if root.is_literal() {
            return Ok(true);
        }
        let mut found = true;
        // Children before what holds them, so that a process killed in the
        // middle leaves nothing that lacks a part.
        let mut open = vec![(root.content(), None)];
        while let Some((object, content)) = open.pop() {
            if let Some(content) = content {
                self.write(object, content)?;
                continue;
            }
            // What the backend has, it has with all below it.
            if !self.seen.insert(object) || self.backend.contains(&object)? {
                continue;
            }
            let Some(content) = self.shared.memory.get(&object) else {
                found &= object != root.content();
                continue;
            };
            let below = content.tree().cloned();
            open.push((object, Some(content)));
            let entries = below.iter().flat_map(|tree| tree.entries());
            let stored = entries.filter(|entry| !entry.is_literal());
            open.extend(stored.map(|entry| (entry.content(), None)));
        }
        Ok(found)
    }

    fn write(&mut self, object: Handle, content: Content) -> Result<(), StoreError> {
        self.kept.objects += 1;
        self.kept.bytes += content.bytes_len();
        self.batch_bytes += content.bytes_len();
        self.batch.push((object, content));
        if self.batch_bytes >= BATCH_BYTES {
            self.flush()?;
        }
        Ok(())
    }

    fn flush(&mut self) -> Result<(), StoreError> {
        self.backend.put(&self.batch)?;
        for (object, _) in &self.batch {
            self.shared.memory.set_durable(object);
        }
        self.batch.clear();
        self.batch_bytes = 0;
        Ok(())
    }
}
