//! A backend that does something else before it says what it has.

use std::io::Read;
use std::ops::ControlFlow;
use std::sync::Arc;

use weft_object::{Content, Handle, Prefix};
use weft_store::{
    Backend, Collect, Collected, Expect, Finder, Label, Pin, Progress, Relation, Resolved, Run,
    StoreError, Usage,
};

/// Whether content is to be seen, asked each time that somebody wants it.
pub(crate) type Sees = Box<dyn Fn(&Handle) -> bool + Send + Sync>;

/// Another backend, of whose content not all is seen each time.
pub(crate) struct Double {
    pub(crate) backend: Arc<dyn Backend>,
    pub(crate) sees: Sees,
}

impl Backend for Double {
    fn get(&self, handle: &Handle) -> Result<Option<Content>, StoreError> {
        match (self.sees)(handle) {
            true => self.backend.get(handle),
            false => Ok(None),
        }
    }

    fn contains(&self, handle: &Handle) -> Result<bool, StoreError> {
        self.backend.contains(handle)
    }

    fn put(&self, batch: &[(Handle, Content)]) -> Result<(), StoreError> {
        self.backend.put(batch)
    }

    fn put_stream(&self, handle: &Handle, bytes: &mut dyn Read) -> Result<bool, StoreError> {
        self.backend.put_stream(handle, bytes)
    }

    fn relation(&self, key: &Handle) -> Result<Option<Relation>, StoreError> {
        self.backend.relation(key)
    }

    fn put_relations(&self, batch: &[(Handle, Relation)]) -> Result<(), StoreError> {
        self.backend.put_relations(batch)
    }

    fn label(&self, label: &Label) -> Result<Option<Handle>, StoreError> {
        self.backend.label(label)
    }

    fn set_label(
        &self,
        label: &Label,
        expect: Expect,
        to: Option<Handle>,
    ) -> Result<(), StoreError> {
        self.backend.set_label(label, expect, to)
    }

    fn labels(&self) -> Result<Vec<(Label, Handle)>, StoreError> {
        self.backend.labels()
    }

    fn resolve_prefix(&self, prefix: &Prefix) -> Result<Resolved, StoreError> {
        self.backend.resolve_prefix(prefix)
    }

    fn each_relation(
        &self,
        visit: &mut dyn FnMut(&Handle, &Relation) -> ControlFlow<()>,
    ) -> Result<(), StoreError> {
        self.backend.each_relation(visit)
    }

    fn finder(&self, finder: &Finder) -> Result<u16, StoreError> {
        self.backend.finder(finder)
    }

    fn finders(&self) -> Result<Vec<Finder>, StoreError> {
        self.backend.finders()
    }

    fn put_run(&self, run: &Run) -> Result<(), StoreError> {
        self.backend.put_run(run)
    }

    fn runs(&self) -> Result<Vec<Run>, StoreError> {
        self.backend.runs()
    }

    fn pin(&self, pin: &Pin) -> Result<(), StoreError> {
        self.backend.pin(pin)
    }

    fn unpin(&self, handle: &Handle) -> Result<bool, StoreError> {
        self.backend.unpin(handle)
    }

    fn pins(&self) -> Result<Vec<Pin>, StoreError> {
        self.backend.pins()
    }

    fn recipe(&self, handle: &Handle) -> Result<Option<Handle>, StoreError> {
        self.backend.recipe(handle)
    }

    fn hold(&self, handle: &Handle) {
        self.backend.hold(handle);
    }

    fn release(&self, handle: &Handle) {
        self.backend.release(handle);
    }

    fn begin_writing(&self) -> Result<(), StoreError> {
        self.backend.begin_writing()
    }

    fn end_writing(&self) {
        self.backend.end_writing();
    }

    fn set_budget(&self, bytes: Option<u64>) -> Result<(), StoreError> {
        self.backend.set_budget(bytes)
    }

    fn collect(&self, options: &Collect, tell: &dyn Fn(Progress)) -> Result<Collected, StoreError> {
        self.backend.collect(options, tell)
    }

    fn removals(&self) -> u64 {
        self.backend.removals()
    }

    fn usage(&self) -> Result<Usage, StoreError> {
        self.backend.usage()
    }

    fn sync(&self) -> Result<(), StoreError> {
        self.backend.sync()
    }
}
