//! Keeping a budget while work goes on.

use std::sync::Arc;
use std::thread::{self, JoinHandle};

use super::{Collecting, collect};
use crate::file::store::Store;
use crate::file::trouble::Chore;
use crate::sync::Mutex;
use crate::{Collect, StoreError};

/// Who collects when the store is over its budget.
#[derive(Debug, Default)]
pub(in crate::file) struct Budgeting(Mutex<Last>);

#[derive(Debug, Default)]
struct Last {
    thread: Option<JoinHandle<()>>,
    /// How long the files were when there was nothing more to collect.
    left_bytes: u64,
    /// No more collections begin.
    ended: bool,
}

/// Who syncs while there is a collection does not begin another, and may be the
/// last who does: so that one looks again at its end.
const ROUNDS: u32 = 3;

impl Budgeting {
    /// Collects in the background if the store is over its budget and has grown
    /// since that could not be helped the last time.
    pub(in crate::file) fn look(self: &Arc<Self>, store: &Arc<Store>, with: &Arc<Collecting>) {
        if !store.home.options.background {
            return;
        }
        let usage = store.usage();
        let Some(budget_bytes) = usage.budget_bytes else { return };
        let mut last = self.0.lock();
        let grown = usage.file_bytes > last.left_bytes + budget_bytes / 64;
        if last.ended || usage.file_bytes <= budget_bytes || !grown {
            return;
        }
        if last.thread.as_ref().is_some_and(|thread| !thread.is_finished()) {
            return;
        }
        let (this, own, with) = (self.clone(), store.clone(), with.clone());
        let work = move || {
            let store = own;
            for _ in 0..ROUNDS {
                let done = collect(&store, &with, &Collect::default(), &|_| {});
                store.troubles.note(Chore::Collect, &done);
                // Also after an error: that it is over its budget does no harm.
                let usage = store.usage();
                let over = done.map_or(true, |done| done.over_bytes() > 0);
                this.0.lock().left_bytes = if over { usage.file_bytes } else { 0 };
                if over || usage.budget_bytes.is_none_or(|budget| usage.file_bytes <= budget) {
                    return;
                }
            }
        };
        let spawned = thread::Builder::new().name("weft-collect".into()).spawn(work);
        match spawned.map_err(StoreError::io("start a thread for", &store.home.directory)) {
            Ok(thread) => last.thread = Some(thread),
            error => store.troubles.note(Chore::Collect, &error),
        }
    }

    /// Begins no more, and waits until nobody collects.
    pub(in crate::file) fn end(&self) {
        let thread = {
            let mut last = self.0.lock();
            last.ended = true;
            last.thread.take()
        };
        if let Some(thread) = thread {
            let _ = thread.join();
        }
    }
}
