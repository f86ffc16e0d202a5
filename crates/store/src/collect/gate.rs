//! What running work asks of collections.

use std::collections::HashMap;

use weft_object::Handle;

use crate::hash::HandleHash;
use crate::sync::{Condvar, Mutex, MutexGuard};

/// Lets a collection begin when nobody is in the middle of writing.
///
/// Stretches nest and overlap, so a waiting collection holds up none of them.
#[derive(Debug, Default)]
pub(crate) struct Gate {
    writing: Mutex<usize>,
    idle: Condvar,
}

/// While this is there no stretch of writing begins.
#[derive(Debug)]
pub(crate) struct Closed<'a>(#[allow(dead_code, reason = "held")] MutexGuard<'a, usize>);

impl Gate {
    pub(crate) fn begin_writing(&self) {
        *self.writing.lock() += 1;
    }

    pub(crate) fn end_writing(&self) {
        let mut writing = self.writing.lock();
        *writing = writing.saturating_sub(1);
        if *writing == 0 {
            self.idle.notify_all();
        }
    }

    /// Waits until nobody writes. For moments only.
    pub(crate) fn close(&self) -> Closed<'_> {
        let mut writing = self.writing.lock();
        while *writing > 0 {
            writing = self.idle.wait(writing);
        }
        Closed(writing)
    }

    /// The same if nobody writes now.
    pub(crate) fn try_close(&self) -> Option<Closed<'_>> {
        let writing = self.writing.lock();
        (*writing == 0).then(|| Closed(writing))
    }
}

/// What running work holds, and how often.
#[derive(Debug, Default)]
pub(crate) struct Held(Mutex<HashMap<Handle, usize, HandleHash>>);

impl Held {
    /// Whether nobody held it before, and it can be held.
    pub(crate) fn hold(&self, handle: &Handle) -> bool {
        if handle.is_literal() {
            return false;
        }
        let mut held = self.0.lock();
        let count = held.entry(*handle).or_default();
        *count += 1;
        *count == 1
    }

    pub(crate) fn release(&self, handle: &Handle) {
        let mut held = self.0.lock();
        if let Some(count) = held.get_mut(handle) {
            *count -= 1;
            if *count == 0 {
                held.remove(handle);
            }
        }
    }

    pub(crate) fn handles(&self) -> Vec<Handle> {
        self.0.lock().keys().copied().collect()
    }
}
