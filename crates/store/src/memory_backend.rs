use std::collections::{BTreeMap, HashMap};
use std::io::Read;
use std::ops::ControlFlow;

use weft_object::{Blob, Content, Handle, Kind, Prefix};

use crate::hash::HandleHash;
use crate::sync::RwLock;
use crate::{Backend, Expect, Finder, Label, Pin, Relation, Resolved, Run, StoreError, Usage};

/// A backend that lasts as long as the process: for tests, for evaluating
/// without a store, and as what the file is compared with.
#[derive(Debug, Default)]
pub struct MemoryBackend(RwLock<Tables>);

#[derive(Debug, Default)]
struct Tables {
    content: HashMap<Handle, Content, HandleHash>,
    relations: HashMap<Handle, (u64, Relation), HandleHash>,
    labels: BTreeMap<Label, Handle>,
    finders: Vec<Finder>,
    runs: Vec<Run>,
    pins: BTreeMap<Handle, Option<u64>>,
    /// How many relations were put so far.
    put: u64,
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
        Ok(self.0.read().relations.get(key).map(|(_, relation)| *relation))
    }

    fn put_relations(&self, batch: &[(Handle, Relation)]) -> Result<(), StoreError> {
        let mut tables = self.0.write();
        for (key, relation) in batch {
            tables.put += 1;
            let numbered = (tables.put, Relation { durable: true, ..*relation });
            tables.relations.insert(*key, numbered);
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

    fn each_relation(
        &self,
        visit: &mut dyn FnMut(&Handle, &Relation) -> ControlFlow<()>,
    ) -> Result<(), StoreError> {
        let known = self.0.read().relations.clone();
        let mut known: Vec<_> = known.into_iter().collect();
        known.sort_unstable_by_key(|(_, (number, _))| std::cmp::Reverse(*number));
        let _ = known.iter().try_for_each(|(key, (_, relation))| visit(key, relation));
        Ok(())
    }

    fn finder(&self, finder: &Finder) -> Result<u16, StoreError> {
        let finders = &mut self.0.write().finders;
        crate::relation::number_of(finders, finder)
    }

    fn finders(&self) -> Result<Vec<Finder>, StoreError> {
        Ok(self.0.read().finders.clone())
    }

    fn put_run(&self, run: &Run) -> Result<(), StoreError> {
        let runs = &mut self.0.write().runs;
        runs.insert(0, run.clone());
        crate::run::forget_old(runs);
        Ok(())
    }

    fn runs(&self) -> Result<Vec<Run>, StoreError> {
        Ok(self.0.read().runs.clone())
    }

    fn pin(&self, pin: &Pin) -> Result<(), StoreError> {
        let pins = &mut self.0.write().pins;
        let until = pins.entry(pin.handle).or_insert(pin.until_s);
        *until = Pin::later(*until, pin.until_s);
        Ok(())
    }

    fn unpin(&self, handle: &Handle) -> Result<bool, StoreError> {
        Ok(self.0.write().pins.remove(handle).is_some())
    }

    fn pins(&self) -> Result<Vec<Pin>, StoreError> {
        let tables = self.0.read();
        Ok(tables
            .pins
            .iter()
            .map(|(handle, until)| Pin { handle: *handle, until_s: *until })
            .collect())
    }

    // Nothing is ever collected here.
    fn recipe(&self, _: &Handle) -> Result<Option<Handle>, StoreError> {
        Ok(None)
    }

    fn hold(&self, _: &Handle) {}

    fn release(&self, _: &Handle) {}

    fn begin_writing(&self) -> Result<(), StoreError> {
        Ok(())
    }

    fn end_writing(&self) {}

    fn usage(&self) -> Result<Usage, StoreError> {
        let tables = self.0.read();
        Ok(Usage {
            objects: tables.content.len() as u64,
            relations: tables.relations.len() as u64,
            ..Usage::default()
        })
    }

    fn sync(&self) -> Result<(), StoreError> {
        Ok(())
    }
}
