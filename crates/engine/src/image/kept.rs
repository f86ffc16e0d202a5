//! Instances that went on from an image and are put back, for the next run on the
//! same thread.
//!
//! All that a run can change is memory and globals: of modules that change more
//! there are no images. Globals are set anew. The pages that runs write first are read
//! anew, if they are few; all others are dropped, and the mapping shows the file again. Restoring 32 MiB and
//! touching three pages takes 7.5 us that way, 17 to 20 where all are dropped, and 26 with a new
//! instance and its mapping, most of that for tables of pages that are made and freed. What
//! grew ends the instance, and so does any end but a return and the program's own exit.

use std::sync::Arc;

use wasmtime::{Instance, Store};

use super::Imaged;
use super::host::Host;
use super::pages::Loaded;
use super::restore::put_globals;
use crate::Engine;
use crate::abi::window::Windows;
use crate::limits::Limits;
use crate::modules::Ready;
use crate::shelf::{Place, Placed, Shelf};

/// Instances that a thread keeps.
const KEPT_PER_THREAD: usize = 4;

/// Where instances are compared with their image, so many runs of each are.
const COMPARED: u64 = 8;

/// Those of a thread.
pub(crate) type Kepts<H> = Shelf<Kept<H>, KEPT_PER_THREAD>;

/// An instance as its image says.
pub(crate) struct Kept<H: Host> {
    image: Arc<Loaded>,
    pub(super) ready: Arc<Ready<Imaged<H>>>,
    pub(super) store: Store<H::Data>,
    pub(super) instance: Instance,
    /// What it began with.
    pub(super) begun: Limits,
    /// Mapped into its memory.
    pub(super) windows: Windows,
    runs: u64,
    place: Place,
}

impl<H: Host> Drop for Kept<H> {
    fn drop(&mut self) {
        // Before the memory goes back to the pool.
        self.windows.close();
    }
}

impl<H: Host> Placed for Kept<H> {
    fn place(&self) -> &Place {
        &self.place
    }

    fn is_wanted(&self) -> bool {
        self.place.is_of_an_engine() && self.image.is_wanted()
    }
}

impl<H: Host> Kept<H> {
    /// One that this thread has kept.
    pub(super) fn take(image: &Arc<Loaded>, engine: &Engine) -> Option<Self> {
        H::shelf().with(|all| all.take(engine, |kept| Arc::ptr_eq(&kept.image, image), |_| true))
    }

    /// The store again if there are too many already.
    pub(super) fn new(
        engine: &Engine,
        image: &Arc<Loaded>,
        ready: &Arc<Ready<Imaged<H>>>,
        (store, instance): (Store<H::Data>, Instance),
        begun: Limits,
    ) -> Result<Self, Store<H::Data>> {
        // The pool has three memories for each place, and one is beside.
        let places = (image.memories.len() as u32 + 1).div_ceil(3);
        let Some(place) = Place::take(engine, places) else { return Err(store) };
        Ok(Self {
            image: Arc::clone(image),
            ready: Arc::clone(ready),
            store,
            instance,
            begun,
            windows: Windows::default(),
            runs: 0,
            place,
        })
    }

    /// Puts it back and keeps it, if that can be done.
    pub(super) fn keep(mut self, compare: bool) {
        let linked = &self.ready.prepared.linked;
        let is_back = self.windows.reset(|memory| self.image.touched(memory))
            && put_globals(&self.image, linked, &self.instance, &mut self.store).is_ok();
        if !is_back {
            return;
        }
        self.runs += 1;
        if compare && self.runs <= COMPARED {
            self.compare();
        }
        // Where the thread is about to end, there is nothing to keep for.
        let _ = H::shelf().try_with(|all| all.put(self));
    }

    /// # Panics
    /// If it is not as its image says.
    fn compare(&mut self) {
        let linked = &self.ready.prepared.linked;
        for (export, pages) in linked.memories.iter().zip(&self.image.memories) {
            let memory = self.instance.get_module_export(&mut self.store, export);
            let Some(memory) = memory.and_then(wasmtime::Extern::into_memory) else { continue };
            let mut expected = vec![0; pages.bytes as usize];
            let is_read = self.image.copy(pages, &mut expected).is_ok();
            assert!(
                is_read && memory.data(&self.store) == expected,
                "memory of an image is not back"
            );
        }
    }
}
