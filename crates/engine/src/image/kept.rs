//! Instances that went on from an image and are put back, for the next run on the
//! same thread.
//!
//! All that a run can change is memory and globals: of modules that change more
//! there are no images. Globals are set anew; pages of memory are dropped, and the
//! mapping shows the file again. Restoring 32 MiB and touching three pages takes
//! 26 us with a new instance and its mapping, most of that for tables of pages
//! that are made and freed. What grew ends the instance, and so does any end but a return and
//! the program's own exit.

use std::cell::RefCell;
use std::sync::atomic::{AtomicU32, Ordering};
use std::sync::{Arc, Weak};

use wasmtime::{Instance, Store};

use super::Imaged;
use super::pages::Loaded;
use super::restore::put_globals;
use crate::Engine;
use crate::abi::window::Windows;
use crate::limits::Limits;
use crate::modules::Ready;
use crate::recycle::KEPT_MAX;
use crate::wasi::Running;

/// Instances that a thread keeps.
const KEPT_PER_THREAD: usize = 4;

/// Where instances are compared with their image, so many runs of each are.
const COMPARED: u64 = 8;

/// An instance as its image says.
pub(super) struct Kept {
    /// Of this engine, as long as that is there.
    engine: Weak<AtomicU32>,
    image: Arc<Loaded>,
    pub(super) ready: Arc<Ready<Imaged>>,
    pub(super) store: Store<Running>,
    pub(super) instance: Instance,
    /// What it began with.
    pub(super) begun: Limits,
    /// Mapped into its memory.
    pub(super) windows: Windows,
    /// As how many it counts among those that are kept.
    weight: u32,
    runs: u64,
}

impl Drop for Kept {
    fn drop(&mut self) {
        // Before the memory goes back to the pool.
        self.windows.close();
        if let Some(kept) = self.engine.upgrade() {
            kept.fetch_sub(self.weight, Ordering::Relaxed);
        }
    }
}

thread_local! {
    static KEPT: RefCell<Vec<Kept>> = const { RefCell::new(Vec::new()) };
}

/// One that this thread has kept.
pub(super) fn take(image: &Arc<Loaded>, engine: &Engine) -> Option<Kept> {
    KEPT.with(|all| {
        let mut all = all.try_borrow_mut().ok()?;
        let at = all.iter().rposition(|kept| {
            Arc::ptr_eq(&kept.image, image)
                && std::ptr::eq(kept.engine.as_ptr(), Arc::as_ptr(&engine.kept))
        })?;
        Some(all.remove(at))
    })
}

impl Kept {
    /// `None` if there are too many already.
    pub(super) fn new(
        engine: &Engine,
        image: &Arc<Loaded>,
        ready: &Arc<Ready<Imaged>>,
        (store, instance): (Store<Running>, Instance),
        begun: Limits,
    ) -> Result<Self, Store<Running>> {
        // The pool has three memories for each that is kept, and one is beside.
        let weight = (image.memories.len() as u32 + 1).div_ceil(3);
        if engine.kept.load(Ordering::Relaxed) + weight > KEPT_MAX {
            return Err(store);
        }
        engine.kept.fetch_add(weight, Ordering::Relaxed);
        Ok(Self {
            engine: Arc::downgrade(&engine.kept),
            image: Arc::clone(image),
            ready: Arc::clone(ready),
            store,
            instance,
            begun,
            windows: Windows::default(),
            weight,
            runs: 0,
        })
    }

    /// Puts it back and keeps it, if that can be done.
    pub(super) fn keep(mut self, engine: &Engine) {
        let linked = &self.ready.prepared.linked;
        let is_back = self.windows.reset()
            && put_globals(&self.image, linked, &self.instance, &mut self.store).is_ok();
        if !is_back {
            return;
        }
        self.runs += 1;
        if engine.config.compare_reused && self.runs <= COMPARED {
            self.compare();
        }
        // Where the thread is about to end, there is nothing to keep for.
        let _ = KEPT.try_with(|all| {
            let Ok(mut all) = all.try_borrow_mut() else { return };
            all.retain(|kept| kept.engine.strong_count() > 0);
            if all.len() >= KEPT_PER_THREAD {
                all.remove(0);
            }
            all.push(self);
        });
    }

    /// # Panics
    /// If it is not as its image says.
    fn compare(&mut self) {
        let linked = &self.ready.prepared.linked;
        for (export, pages) in linked.memories.iter().zip(&self.image.memories) {
            let memory = self.instance.get_module_export(&mut self.store, export);
            let Some(memory) = memory.and_then(wasmtime::Extern::into_memory) else { continue };
            let mut expected = vec![0; pages.bytes as usize];
            let is_read = self.image.read(pages, &mut expected).is_ok();
            assert!(
                is_read && memory.data(&self.store) == expected,
                "memory of an image is not back"
            );
        }
    }
}
