use std::collections::HashSet;
use std::sync::atomic::{AtomicBool, Ordering};

use weft_object::Handle;

use crate::hash::HandleHash;
use crate::sync::Mutex;

/// Names that somebody was told are here, while a collection wants to know: of
/// content by Object, of relations by key.
///
/// Noted before the answer is looked up. So what is not noted when a collection
/// replaces the index (under the lock that puts need, and with no stretch of
/// writing open) nobody relies on.
#[derive(Debug, Default)]
pub(crate) struct Touched {
    on: AtomicBool,
    names: Mutex<HashSet<Handle, HandleHash>>,
}

impl Touched {
    /// From now on names are noted.
    pub(crate) fn begin(&self) {
        self.names.lock().clear();
        self.on.store(true, Ordering::SeqCst);
    }

    /// What was noted so far; nothing more is from now on.
    pub(crate) fn end(&self) -> Vec<Handle> {
        self.on.store(false, Ordering::SeqCst);
        std::mem::take(&mut *self.names.lock()).into_iter().collect()
    }

    /// What was noted since it was asked last.
    pub(crate) fn take(&self) -> Vec<Handle> {
        std::mem::take(&mut *self.names.lock()).into_iter().collect()
    }

    #[inline]
    pub(crate) fn note(&self, name: &Handle) {
        if self.on.load(Ordering::SeqCst) && !name.is_literal() {
            self.names.lock().insert(*name);
        }
    }
}
