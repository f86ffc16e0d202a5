use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use weft_engine::Interrupt;
use weft_eval::Ticket;
use weft_object::Handle;
use weft_store::Epoch;

use crate::sync::Mutex;

/// What one thread is doing, for the collector and for whoever interrupts.
///
/// Handles that are only in a thread's local variables are roots too. While a
/// thread follows the rules, that is settled by time: whatever was put or looked
/// up since it began is left alone. A function may run for hours, though, so
/// before it does, its thread writes down what it holds instead.
#[derive(Debug)]
pub(crate) struct Slot {
    /// When the job began that is being done; [`IDLE`] if none is, or if what
    /// it holds is written down.
    began: AtomicU64,
    doing: Mutex<Doing>,
}

#[derive(Debug, Default)]
pub(crate) struct Doing {
    /// Held by the job besides what is in the graph.
    pub(crate) held: Vec<Handle>,
    /// The application that runs, whose footprint has to stay resident.
    pub(crate) application: Option<Handle>,
    /// The graph's ticket for the job, and how to end it.
    pub(crate) job: Option<(Ticket, Interrupt)>,
}

const IDLE: u64 = u64::MAX;

impl Default for Slot {
    fn default() -> Self {
        Self { began: AtomicU64::new(IDLE), doing: Mutex::default() }
    }
}

impl Slot {
    pub(crate) fn doing(&self) -> crate::sync::MutexGuard<'_, Doing> {
        self.doing.lock()
    }

    /// Begins a job, or goes on with one, as of this epoch.
    pub(crate) fn begin(&self, epoch: Epoch) {
        self.began.store(epoch.0, Ordering::SeqCst);
    }

    /// Ends a job, or says that all it holds is written down.
    pub(crate) fn rest(&self) {
        self.began.store(IDLE, Ordering::SeqCst);
    }

    /// Ends a job and forgets what it held, which others hold by now.
    pub(crate) fn end(&self) {
        self.rest();
        let mut doing = self.doing();
        doing.held.clear();
        doing.held.shrink_to(1024);
        doing.application = None;
        doing.job = None;
    }

    fn began(&self) -> Epoch {
        Epoch(self.began.load(Ordering::SeqCst))
    }
}

/// A borrowed slot with a job that is being done in it; dropped, also by a
/// panic, it is free again and keeps nothing from collection.
#[derive(Debug)]
pub(crate) struct Borrowed<'a> {
    slots: &'a Slots,
    slot: Arc<Slot>,
}

impl std::ops::Deref for Borrowed<'_> {
    type Target = Slot;

    fn deref(&self) -> &Slot {
        &self.slot
    }
}

impl Drop for Borrowed<'_> {
    fn drop(&mut self) {
        self.slot.end();
        self.slots.free.lock().push(self.slot.clone());
    }
}

/// The slots of all threads that work for a node, its own and others'.
#[derive(Debug, Default)]
pub(crate) struct Slots {
    all: Mutex<Vec<Arc<Slot>>>,
    free: Mutex<Vec<Arc<Slot>>>,
}

impl Slots {
    /// A slot for a thread that stays.
    pub(crate) fn add(&self) -> Arc<Slot> {
        let slot = Arc::new(Slot::default());
        self.all.lock().push(slot.clone());
        slot
    }

    /// A slot for a while.
    pub(crate) fn borrow(&self) -> Borrowed<'_> {
        let free = self.free.lock().pop();
        Borrowed { slots: self, slot: free.unwrap_or_else(|| self.add()) }
    }

    /// When the oldest job that is being done began.
    pub(crate) fn oldest(&self) -> Epoch {
        self.all.lock().iter().map(|slot| slot.began()).min().unwrap_or(Epoch(IDLE))
    }

    pub(crate) fn each(&self, mut f: impl FnMut(&Doing)) {
        for slot in self.all.lock().iter() {
            f(&slot.doing());
        }
    }
}
