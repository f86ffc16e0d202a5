use std::collections::{BTreeMap, HashMap};
use std::io::Read;

use weft_object::{Blob, Content, Handle, Kind, Prefix};

use crate::hash::HandleHash;
use crate::sync::RwLock;
use crate::{Backend, Expect, Label, Relation, Resolved, StoreError};

/// A backend that lasts as long as the process: for tests, for evaluating
/// without a store, and as what the file is compared with.
#[derive(Debug, Default)]
pub struct MemoryBackend(RwLock<Tables>);

#[derive(Debug, Default)]
struct Tables {
    content: HashMap<Handle, Content, HandleHash>,
    relations: HashMap<Handle, Relation, HandleHash>,
    labels: BTreeMap<Label, Handle>,
}

impl MemoryBackend {
    /// An empty backend.
    #[must_use]
    pub fn new() -> Self {
        Self::default()
    }
}

impl Backend for MemoryBackend {
    fn get(&self, handle: &Handle) -> Result<Option<Content>, StoreError> {
        let handle = handle.content();
        if let Some(bytes) = handle.literal_bytes() {
            return Ok(Some(Content::Blob(Blob::new(bytes.to_vec()))));
        }
        Ok(self.0.read().content.get(&handle).cloned())
    }

    fn contains(&self, handle: &Handle) -> Result<bool, StoreError> {
        Ok(handle.is_literal() || self.0.read().content.contains_key(&handle.content()))
    }

    fn put(&self, batch: &[(Handle, Content)]) -> Result<(), StoreError> {
        if let Some((handle, _)) = batch.iter().find(|(handle, content)| !content.fits(handle)) {
            return Err(StoreError::Content(*handle));
        }
        let mut tables = self.0.write();
        for (handle, content) in batch.iter().filter(|(handle, _)| !handle.is_literal()) {
            tables.content.entry(handle.content()).or_insert_with(|| content.clone());
        }
        Ok(())
    }

    fn put_stream(&self, handle: &Handle, bytes: &mut dyn Read) -> Result<bool, StoreError> {
        if handle.content().kind() != Kind::Blob {
            return Err(StoreError::Content(*handle));
        }
        let mut all = Vec::new();
        bytes.read_to_end(&mut all).map_err(StoreError::io("read", "the stream"))?;
        if handle.check_blob(&all).is_err() {
            return Ok(false);
        }
        self.put(&[(*handle, Content::Blob(Blob::new(all)))])?;
        Ok(true)
    }

    fn relation(&self, key: &Handle) -> Result<Option<Relation>, StoreError> {
        Ok(self.0.read().relations.get(key).copied())
    }

    fn put_relations(&self, batch: &[(Handle, Relation)]) -> Result<(), StoreError> {
        let mut tables = self.0.write();
        for (key, relation) in batch {
            tables.relations.insert(*key, Relation { durable: true, ..*relation });
        }
        Ok(())
    }

    fn label(&self, label: &Label) -> Result<Option<Handle>, StoreError> {
        Ok(self.0.read().labels.get(label).copied())
    }

    fn set_label(
        &self,
        label: &Label,
        expect: Expect,
        to: Option<Handle>,
    ) -> Result<(), StoreError> {
        let mut tables = self.0.write();
        let found = tables.labels.get(label).copied();
        if !expect.holds(found) {
            return Err(StoreError::LabelMoved { label: label.clone(), found });
        }
        match to {
            Some(handle) => tables.labels.insert(label.clone(), handle),
            None => tables.labels.remove(label),
        };
        Ok(())
    }

    fn labels(&self) -> Result<Vec<(Label, Handle)>, StoreError> {
        Ok(self.0.read().labels.iter().map(|(label, handle)| (label.clone(), *handle)).collect())
    }

    fn resolve_prefix(&self, prefix: &Prefix) -> Result<Resolved, StoreError> {
        Ok(Resolved::of(prefix, self.0.read().content.keys()))
    }

    fn sync(&self) -> Result<(), StoreError> {
        Ok(())
    }
}
