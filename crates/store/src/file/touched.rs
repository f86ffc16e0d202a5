use std::collections::HashSet;
use std::sync::atomic::{AtomicBool, Ordering};

use weft_object::Handle;

use crate::hash::HandleHash;
use crate::sync::Mutex;

/// Names that somebody was told are here, while a collection wants to know: of
/// content by Object, of relations by key.
///
/// Noted before the answer is looked up, or looked up again. So what is not noted
/// when a collection replaces the index (under the lock that puts need, and with no
/// stretch of writing open) nobody relies on.
#[derive(Debug, Default)]
pub(crate) struct Touched {
    on: AtomicBool,
    names: Mutex<HashSet<Handle, HandleHash>>,
    /// What running work began to hold, which comes once for each that holds it and
    /// not once for each look: a line of the cache less for each request.
    held: Mutex<Vec<Handle>>,
}

impl Touched {
    /// From now on names are noted.
    pub(crate) fn begin(&self) {
        self.take();
        self.on.store(true, Ordering::SeqCst);
    }

    /// What was noted so far; nothing more is from now on.
    pub(crate) fn end(&self) -> Vec<Handle> {
        self.on.store(false, Ordering::SeqCst);
        self.take()
    }

    /// What was noted since it was asked last.
    pub(crate) fn take(&self) -> Vec<Handle> {
        let mut names = std::mem::take(&mut *self.held.lock());
        names.extend(std::mem::take(&mut *self.names.lock()));
        names
    }

    #[inline]
    pub(crate) fn note(&self, name: &Handle) {
        if self.on.load(Ordering::SeqCst) && !name.is_literal() {
            self.names.lock().insert(*name);
        }
    }

    /// Notes what was not held until now.
    pub(crate) fn note_held(&self, name: Handle) {
        if self.on.load(Ordering::SeqCst) {
            self.held.lock().push(name);
        }
    }

    /// What `look` finds under a name, which is noted only if there is something:
    /// on what is not there nobody relies.
    pub(crate) fn note_found<T, E>(
        &self,
        name: &Handle,
        look: impl Fn() -> Result<Option<T>, E>,
    ) -> Result<Option<T>, E> {
        let found = look()?;
        if found.is_none() || !self.on.load(Ordering::SeqCst) {
            return Ok(found);
        }
        self.note(name);
        // It may have gone before it was noted.
        look()
    }
}
