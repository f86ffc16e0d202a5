//! A backend of which one can see what stands on it.

use std::io::Read;
use std::ops::ControlFlow;
use std::sync::atomic::{AtomicI64, Ordering};

use weft_object::{Content, Handle, Prefix};
use weft_store::{
    Backend, Collect, Collected, Expect, Finder, Label, MemoryBackend, Pin, Progress, Relation,
    Resolved, Run, StoreError, Usage,
};

/// In memory, with counts.
#[derive(Debug, Default)]
pub(crate) struct Watched {
    memory: MemoryBackend,
    held: AtomicI64,
    writing: AtomicI64,
}

impl Watched {
    /// How often anything is held.
    pub(crate) fn held(&self) -> i64 {
        self.held.load(Ordering::SeqCst)
    }

    /// How many stretches of writing there are.
    pub(crate) fn writing(&self) -> i64 {
        self.writing.load(Ordering::SeqCst)
    }
}

impl Backend for Watched {
    fn hold(&self, _: &Handle) {
        self.held.fetch_add(1, Ordering::SeqCst);
    }

    fn release(&self, _: &Handle) {
        self.held.fetch_sub(1, Ordering::SeqCst);
    }

    fn begin_writing(&self) -> Result<(), StoreError> {
        self.writing.fetch_add(1, Ordering::SeqCst);
        Ok(())
    }

    fn end_writing(&self) {
        self.writing.fetch_sub(1, Ordering::SeqCst);
    }

    fn get(&self, handle: &Handle) -> Result<Option<Content>, StoreError> {
        self.memory.get(handle)
    }

    fn contains(&self, handle: &Handle) -> Result<bool, StoreError> {
        self.memory.contains(handle)
    }

    fn put(&self, batch: &[(Handle, Content)]) -> Result<(), StoreError> {
        self.memory.put(batch)
    }

    fn put_stream(&self, handle: &Handle, bytes: &mut dyn Read) -> Result<bool, StoreError> {
        self.memory.put_stream(handle, bytes)
    }

    fn relation(&self, key: &Handle) -> Result<Option<Relation>, StoreError> {
        self.memory.relation(key)
    }

    fn put_relations(&self, batch: &[(Handle, Relation)]) -> Result<(), StoreError> {
        self.memory.put_relations(batch)
    }

    fn label(&self, label: &Label) -> Result<Option<Handle>, StoreError> {
        self.memory.label(label)
    }

    fn set_label(
        &self,
        label: &Label,
        expect: Expect,
        to: Option<Handle>,
    ) -> Result<(), StoreError> {
        self.memory.set_label(label, expect, to)
    }

    fn labels(&self) -> Result<Vec<(Label, Handle)>, StoreError> {
        self.memory.labels()
    }

    fn resolve_prefix(&self, prefix: &Prefix) -> Result<Resolved, StoreError> {
        self.memory.resolve_prefix(prefix)
    }

    fn each_relation(
        &self,
        visit: &mut dyn FnMut(&Handle, &Relation) -> ControlFlow<()>,
    ) -> Result<(), StoreError> {
        self.memory.each_relation(visit)
    }

    fn finder(&self, finder: &Finder) -> Result<u16, StoreError> {
        self.memory.finder(finder)
    }

    fn finders(&self) -> Result<Vec<Finder>, StoreError> {
        self.memory.finders()
    }

    fn put_run(&self, run: &Run) -> Result<(), StoreError> {
        self.memory.put_run(run)
    }

    fn runs(&self) -> Result<Vec<Run>, StoreError> {
        self.memory.runs()
    }

    fn pin(&self, pin: &Pin) -> Result<(), StoreError> {
        self.memory.pin(pin)
    }

    fn unpin(&self, handle: &Handle) -> Result<bool, StoreError> {
        self.memory.unpin(handle)
    }

    fn pins(&self) -> Result<Vec<Pin>, StoreError> {
        self.memory.pins()
    }

    fn recipe(&self, handle: &Handle) -> Result<Option<Handle>, StoreError> {
        self.memory.recipe(handle)
    }

    fn set_budget(&self, bytes: Option<u64>) -> Result<(), StoreError> {
        self.memory.set_budget(bytes)
    }

    fn collect(&self, options: &Collect, tell: &dyn Fn(Progress)) -> Result<Collected, StoreError> {
        self.memory.collect(options, tell)
    }

    fn removals(&self) -> u64 {
        self.memory.removals()
    }

    fn usage(&self) -> Result<Usage, StoreError> {
        self.memory.usage()
    }

    fn sync(&self) -> Result<(), StoreError> {
        self.memory.sync()
    }
}
