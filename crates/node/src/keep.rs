//! Writing to the backend what is worth to outlast the process.

use std::collections::HashMap;

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
        // What a relation speaks of stays although the relation is evicted
        // meanwhile.
        let slot = self.shared.slots.borrow();
        slot.begin(self.shared.epoch());
        let mut writer = Writer {
            shared: &self.shared,
            backend: &**backend,
            whole: HashMap::default(),
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

enum Visit {
    Enter(Handle),
    Leave(Handle, Content),
}

struct Writer<'a> {
    shared: &'a Shared,
    backend: &'a dyn Backend,
    /// Of what was looked at, whether the backend has it or is about to, with
    /// all that it reaches.
    whole: HashMap<Handle, bool, HandleHash>,
    batch: Vec<(Handle, Content)>,
    batch_bytes: u64,
    kept: Kept,
}

const BATCH_BYTES: u64 = 4 << 20;

impl Writer<'_> {
    /// `false` if part of the outcome is gone; then there is nothing to keep.
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

    /// Writes what a handle reaches and the backend does not have; whether that
    /// was all there. Children come before what holds them, and what lacks a
    /// part is not written: so what a backend has, it has with all below it,
    /// also if the process is killed in the middle.
    fn reach(&mut self, root: Handle) -> Result<bool, StoreError> {
        let mut open = vec![Visit::Enter(root.content())];
        while let Some(visit) = open.pop() {
            match visit {
                Visit::Enter(object) if self.is_known(&object) => {}
                Visit::Enter(object) if self.backend.contains(&object)? => {
                    self.whole.insert(object, true);
                }
                Visit::Enter(object) => match self.shared.memory.get(&object) {
                    None => {
                        self.whole.insert(object, false);
                    }
                    Some(content) => {
                        let below = content.tree().cloned();
                        open.push(Visit::Leave(object, content));
                        let entries = below.iter().flat_map(|tree| tree.entries());
                        open.extend(entries.map(|entry| Visit::Enter(entry.content())));
                    }
                },
                Visit::Leave(object, content) => {
                    let entries = content.tree().map_or(&[][..], |tree| tree.entries());
                    let whole = entries.iter().all(|entry| self.is_whole(&entry.content()));
                    if whole && !self.is_known(&object) {
                        self.write(object, content)?;
                    }
                    self.whole.insert(object, whole);
                }
            }
        }
        Ok(self.is_whole(&root.content()))
    }

    fn is_known(&self, object: &Handle) -> bool {
        object.is_literal() || self.whole.contains_key(object)
    }

    fn is_whole(&self, object: &Handle) -> bool {
        object.is_literal() || self.whole.get(object) == Some(&true)
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
