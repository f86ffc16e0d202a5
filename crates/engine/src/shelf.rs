//! Instances that a thread keeps for its next runs.
//!
//! Each is in a place of its engine's pool, which so many threads share: if they
//! keep too many, others have new instances.

use std::cell::RefCell;
use std::sync::atomic::{AtomicU32, Ordering};
use std::sync::{Arc, Weak};

use crate::Engine;

/// Places that all threads keep instances in for one engine.
pub(crate) const PLACES: u32 = 64;

/// Where instances are compared, so many runs of each are, and then one in as many:
/// two megabytes are looked at, and some tests make a million runs.
pub(crate) const COMPARED: u64 = 200;

/// Places of an engine's pool that an instance is kept in.
pub(crate) struct Place {
    /// Of the engine, as long as that is there.
    taken: Weak<AtomicU32>,
    count: u32,
}

impl Place {
    /// So many places; `None` if there are not as many.
    pub(crate) fn take(engine: &Engine, count: u32) -> Option<Self> {
        // As many more as there are threads that look at the same time, for which the
        // pool has other places.
        if engine.kept.load(Ordering::Relaxed) + count > PLACES {
            return None;
        }
        engine.kept.fetch_add(count, Ordering::Relaxed);
        Some(Self { taken: Arc::downgrade(&engine.kept), count })
    }

    /// Whether that is still there.
    pub(crate) fn is_of_an_engine(&self) -> bool {
        self.taken.strong_count() > 0
    }

    fn is_of(&self, engine: &Engine) -> bool {
        std::ptr::eq(self.taken.as_ptr(), Arc::as_ptr(&engine.kept))
    }
}

impl Drop for Place {
    fn drop(&mut self) {
        if let Some(taken) = self.taken.upgrade() {
            taken.fetch_sub(self.count, Ordering::Relaxed);
        }
    }
}

/// What is kept in places.
pub(crate) trait Placed {
    fn place(&self) -> &Place;

    /// Whether somebody may ask for it again.
    fn is_wanted(&self) -> bool {
        self.place().is_of_an_engine()
    }
}

/// What a thread keeps, up to `MAX`; what was put there last stands at the end.
pub(crate) struct Shelf<K, const MAX: usize>(RefCell<Vec<K>>);

impl<K: Placed, const MAX: usize> Shelf<K, MAX> {
    pub(crate) const fn new() -> Self {
        Self(RefCell::new(Vec::new()))
    }

    /// Takes what is wanted of an engine's, if `fits` finds it fit.
    pub(crate) fn take(
        &self,
        engine: &Engine,
        wanted: impl Fn(&K) -> bool,
        fits: impl FnOnce(&K) -> bool,
    ) -> Option<K> {
        let mut all = self.0.try_borrow_mut().ok()?;
        let at = all.iter().rposition(|kept| wanted(kept) && kept.place().is_of(engine))?;
        fits(&all[at]).then(|| all.remove(at))
    }

    pub(crate) fn put(&self, kept: K) {
        let Ok(mut all) = self.0.try_borrow_mut() else { return };
        all.retain(Placed::is_wanted);
        if all.len() >= MAX {
            all.remove(0);
        }
        all.push(kept);
    }
}
