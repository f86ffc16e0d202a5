//! A backend that stands in for another one, for tests of who uses it.

use std::fmt;
use std::io::Read;
use std::ops::ControlFlow;
use std::sync::Arc;
use std::sync::atomic::{AtomicI64, Ordering};

use weft_object::{Content, Handle, Prefix};

use crate::{
    Backend, Collect, Collected, Expect, Finder, Label, MemoryBackend, Pin, Progress, Relation,
    Resolved, Run, StoreError, Usage,
};

type Sees = Box<dyn Fn(&Handle) -> bool + Send + Sync>;

/// Passes every call on; says what stands on it, and may be made not to see
/// content that is there.
pub struct Double {
    backend: Arc<dyn Backend>,
    sees: Sees,
    held: AtomicI64,
    writing: AtomicI64,
}

impl Double {
    /// One that sees everything.
    #[must_use]
    pub fn new(backend: Arc<dyn Backend>) -> Self {
        Self::seeing(backend, |_| true)
    }

    /// One that asks whether content is to be seen each time that somebody wants
    /// to read it.
    pub fn seeing(
        backend: Arc<dyn Backend>,
        sees: impl Fn(&Handle) -> bool + Send + Sync + 'static,
    ) -> Self {
        let sees = Box::new(sees);
        Self { backend, sees, held: AtomicI64::new(0), writing: AtomicI64::new(0) }
    }

    /// How often anything is held.
    #[must_use]
    pub fn held(&self) -> i64 {
        self.held.load(Ordering::SeqCst)
    }

    /// How many stretches of writing there are.
    #[must_use]
    pub fn writing(&self) -> i64 {
        self.writing.load(Ordering::SeqCst)
    }
}

/// Of what is in memory.
impl Default for Double {
    fn default() -> Self {
        Self::new(Arc::new(MemoryBackend::default()))
    }
}

impl fmt::Debug for Double {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Double").field("held", &self.held).field("writing", &self.writing).finish()
    }
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
        self.held.fetch_add(1, Ordering::SeqCst);
        self.backend.hold(handle);
    }

    fn release(&self, handle: &Handle) {
        self.held.fetch_sub(1, Ordering::SeqCst);
        self.backend.release(handle);
    }

    fn begin_writing(&self) -> Result<(), StoreError> {
        self.backend.begin_writing()?;
        self.writing.fetch_add(1, Ordering::SeqCst);
        Ok(())
    }

    fn end_writing(&self) {
        self.writing.fetch_sub(1, Ordering::SeqCst);
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
