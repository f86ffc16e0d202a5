use std::io::Read;
use std::ops::ControlFlow;

use weft_object::{Blob, Content, Handle, Kind as ObjectKind, Prefix};

use super::flush::settle;
use super::record::Sort;
use super::{FileBackend, Mode, state};
use crate::{
    Backend, Collect, Collected, Expect, Finder, Label, Pin, Progress, Relation, Resolved, Run,
    StoreError, Usage,
};

impl FileBackend {
    // Changes of the state are few; each is a record of its own.
    fn change(&self, changes: &[state::Change]) -> Result<(), StoreError> {
        let mut tail = self.store.writable()?;
        self.store.change(&mut tail, changes)?;
        drop(tail);
        settle(&self.store);
        Ok(())
    }
}

impl Backend for FileBackend {
    fn get(&self, handle: &Handle) -> Result<Option<Content>, StoreError> {
        let handle = handle.content();
        if let Some(bytes) = handle.literal_bytes() {
            return Ok(Some(Content::Blob(Blob::new(bytes.to_vec()))));
        }
        self.store.get(&handle)
    }

    fn contains(&self, handle: &Handle) -> Result<bool, StoreError> {
        let handle = handle.content();
        Ok(handle.is_literal() || self.store.present(&handle)?.is_some())
    }

    fn put(&self, batch: &[(Handle, Content)]) -> Result<(), StoreError> {
        self.store.put(batch)?;
        settle(&self.store);
        Ok(())
    }

    fn put_stream(&self, handle: &Handle, bytes: &mut dyn Read) -> Result<bool, StoreError> {
        let handle = handle.content();
        if handle.kind() != ObjectKind::Blob {
            return Err(StoreError::Content(handle));
        }
        if let Some(literal) = handle.literal_bytes() {
            return same_bytes(literal, bytes);
        }
        let kept = self.store.put_stream(&handle, bytes)?;
        settle(&self.store);
        Ok(kept)
    }

    fn relation(&self, key: &Handle) -> Result<Option<Relation>, StoreError> {
        self.store.relation(key)
    }

    fn put_relations(&self, batch: &[(Handle, Relation)]) -> Result<(), StoreError> {
        let record =
            |(key, relation): &(Handle, Relation)| (Sort::Relation(*key), relation.encode());
        let relied = batch.iter().flat_map(|(key, relation)| {
            [*key, relation.outcome.handle()].into_iter().chain(relation.notes)
        });
        self.store.put_named(&batch.iter().map(record).collect::<Vec<_>>(), relied)?;
        settle(&self.store);
        Ok(())
    }

    fn label(&self, label: &Label) -> Result<Option<Handle>, StoreError> {
        Ok(self.store.tail.lock().state.labels.get(label).copied())
    }

    fn set_label(
        &self,
        label: &Label,
        expect: Expect,
        to: Option<Handle>,
    ) -> Result<(), StoreError> {
        {
            let mut tail = self.store.writable()?;
            let found = tail.state.labels.get(label).copied();
            if !expect.holds(found) {
                return Err(StoreError::LabelMoved { label: label.clone(), found });
            }
            to.iter().for_each(|to| self.store.touched.note(&to.content()));
            self.store.change(&mut tail, &[state::set_label(label, to)])?;
        }
        settle(&self.store);
        Ok(())
    }

    fn labels(&self) -> Result<Vec<(Label, Handle)>, StoreError> {
        let state = self.store.tail.lock().state.clone();
        Ok(state.labels.iter().map(|(label, handle)| (label.clone(), *handle)).collect())
    }

    fn resolve_prefix(&self, prefix: &Prefix) -> Result<Resolved, StoreError> {
        self.store.resolve(prefix)
    }

    fn each_relation(
        &self,
        visit: &mut dyn FnMut(&Handle, &Relation) -> ControlFlow<()>,
    ) -> Result<(), StoreError> {
        self.store.index.each_relation(&mut |key, payload| match Relation::decode(payload) {
            Some(relation) => visit(key, &relation),
            None => ControlFlow::Continue(()),
        })
    }

    fn finder(&self, finder: &Finder) -> Result<u16, StoreError> {
        let finder = finder.shortened();
        if let Some(number) = finder.number_in(&self.store.tail.lock().state.finders)? {
            return Ok(number);
        }
        let mut tail = self.store.writable()?;
        if let Some(number) = finder.number_in(&tail.state.finders)? {
            return Ok(number);
        }
        self.store.change(&mut tail, &[state::finder(&finder)])?;
        Ok(tail.state.finders.len() as u16)
    }

    fn finders(&self) -> Result<Vec<Finder>, StoreError> {
        Ok(self.store.tail.lock().state.finders.clone())
    }

    fn put_run(&self, run: &Run) -> Result<(), StoreError> {
        self.change(&[state::run(run)])
    }

    fn runs(&self) -> Result<Vec<Run>, StoreError> {
        let state = self.store.tail.lock().state.clone();
        Ok(state.runs())
    }

    fn pin(&self, pin: &Pin) -> Result<(), StoreError> {
        let mut tail = self.store.writable()?;
        self.store.touched.note(&pin.handle.content());
        let old = tail.state.pins.get(&pin.handle).copied();
        let until_s = old.map_or(pin.until_s, |old| Pin::later(old, pin.until_s));
        if old == Some(until_s) {
            return Ok(());
        }
        self.store.change(&mut tail, &[state::pin(&Pin { until_s, ..*pin })])
    }

    fn unpin(&self, handle: &Handle) -> Result<bool, StoreError> {
        let mut tail = self.store.writable()?;
        if !tail.state.pins.contains_key(handle) {
            return Ok(false);
        }
        self.store.change(&mut tail, &[(Sort::Unpin(*handle), Vec::new())])?;
        Ok(true)
    }

    fn pins(&self) -> Result<Vec<Pin>, StoreError> {
        Ok(self.store.tail.lock().state.pins())
    }

    fn recipe(&self, handle: &Handle) -> Result<Option<Handle>, StoreError> {
        self.store.recipe(&handle.content())
    }

    fn hold(&self, handle: &Handle) {
        if self.collecting.held.hold(handle) {
            self.store.touched.note_held(handle.content());
        }
    }

    fn release(&self, handle: &Handle) {
        self.collecting.held.release(handle);
    }

    fn begin_writing(&self) -> Result<(), StoreError> {
        self.collecting.gate.begin_writing();
        Ok(())
    }

    fn end_writing(&self) {
        self.collecting.gate.end_writing();
    }

    fn set_budget(&self, bytes: Option<u64>) -> Result<(), StoreError> {
        if self.store.writable()?.state.budget_bytes == bytes {
            return Ok(());
        }
        self.change(&[state::budget(bytes)])
    }

    fn collect(&self, options: &Collect, tell: &dyn Fn(Progress)) -> Result<Collected, StoreError> {
        super::collect::collect(&self.store, &self.collecting, options, tell)
    }

    fn removals(&self) -> u64 {
        self.store.removals()
    }

    fn usage(&self) -> Result<Usage, StoreError> {
        Ok(self.store.usage())
    }

    fn sync(&self) -> Result<(), StoreError> {
        match self.store.mode {
            Mode::Read => Ok(()),
            Mode::Write => {
                self.store.sync()?;
                self.budgeting.look(&self.store, &self.collecting);
                Ok(())
            }
        }
    }
}

/// Whether a stream holds exactly these few bytes.
fn same_bytes(expected: &[u8], bytes: &mut dyn Read) -> Result<bool, StoreError> {
    let mut found = Vec::new();
    bytes
        .take(expected.len() as u64 + 1)
        .read_to_end(&mut found)
        .map_err(StoreError::io("read", "the stream"))?;
    Ok(found == expected)
}
