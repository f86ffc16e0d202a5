//! Handles that a function takes without asking the host.
//!
//! A call of the host costs a small function more than what it asks for: of an
//! `add`, which makes six, a fifth of all that its application takes. So where
//! instances are used again, functions are added to a module that answer the plain
//! cases of four calls by themselves (`rewrite/ledger.rs`), from a page that host and
//! module both write. The host catches up, before it does anything, with what was
//! written there; so both give the same numbers to handles in the same order.

use std::ptr::NonNull;

use wasmtime::{Memory, Store};
use weft_object::{Handle, Tree};

use crate::rewrite::LEDGER_AT;

/// Entries of an application that a module knows. Who is given more asks the host
/// for all of them.
pub(crate) const GIVEN_MAX: usize = 16;

/// Handles that a module takes by itself; those behind them it asks the host for.
pub(crate) const TAKEN_MAX: usize = 64;

/// What stands in the page, in the order of memory.
#[repr(C)]
pub(crate) struct Page {
    /// How many entries the application has; 0 if they do not stand here.
    pub(crate) given: u32,
    /// The next number of a handle; [`TAKEN_MAX`] or more if the host is to be asked.
    pub(crate) next: u32,
    pad: [u32; 2],
    /// Of the application.
    pub(crate) entries: [Entry; GIVEN_MAX],
    /// By their numbers, up to the next. Of those that the host gave nothing is known.
    pub(crate) taken: [Entry; TAKEN_MAX],
}

/// A handle, as far as a module has use for it.
#[derive(Clone, Copy)]
#[repr(C)]
pub(crate) struct Entry {
    pub(crate) number: u64,
    /// [`NUMBER`] if it is a Blob of at most 8 bytes, and `number` what is in it.
    pub(crate) what: u32,
    /// The entry of the application that it is, or [`NEW`].
    pub(crate) from: u32,
}

pub(crate) const NUMBER: u32 = 1;

/// Of a Blob of 8 bytes that the function has made.
pub(crate) const NEW: u32 = u32::MAX;

/// In the place of the next number, where the host is asked for all.
const ASKED: u32 = u32::MAX;

const UNKNOWN: Entry = Entry { number: 0, what: 0, from: 0 };

const _: () = assert!(size_of::<Page>() <= 4096 && size_of::<Entry>() == 16);

/// The page of an instance that is kept.
pub(crate) struct Ledger(NonNull<Page>);

// SAFETY: only whoever has the instance's store has it, in the state of that store.
// JUSTIFICATION: a `Store` is `Send` only with what is.
unsafe impl Send for Ledger {}

impl Entry {
    /// The handle, of an application with these entries.
    pub(crate) fn handle(&self, given: &Tree) -> Option<Handle> {
        match self.from {
            NEW => Some(Handle::of_u64(self.number)),
            from => given.entries().get(from as usize).copied(),
        }
    }
}

impl Ledger {
    /// In the memory beside that of an instance; `None` if that has no room for it, and
    /// then the instance may not run: to a module, zeros say that it may take handles.
    ///
    /// # Safety
    /// Of what is returned no method is called once the instance's store is dropped, nor
    /// while its functions run, but by the host that they call.
    pub(crate) unsafe fn of<T: 'static>(side: Memory, store: &Store<T>) -> Option<Self> {
        let at = usize::try_from(LEDGER_AT).ok()?;
        if side.data_size(store) < at + size_of::<Page>() {
            return None;
        }
        // SAFETY: within the memory. Memories begin on pages of the system.
        // JUSTIFICATION: a pointer from a slice would end with what is borrowed next.
        NonNull::new(unsafe { side.data_ptr(store).add(at) }.cast()).map(Self)
    }

    fn page(&mut self) -> &mut Page {
        // SAFETY: a `Page` is any bytes; it lies in a memory that does not grow and that is
        // there by the contract of `of`, and no function runs that would write to it.
        // JUSTIFICATION: going through the store for each handle costs what this saves.
        unsafe { self.0.as_mut() }
    }

    /// A run begins, of an application with these entries; with `is_asked`, the host is
    /// asked for all handles.
    pub(crate) fn begin(&mut self, entries: &[Handle], is_asked: bool) {
        let page = self.page();
        if is_asked || entries.len() > GIVEN_MAX {
            (page.given, page.next) = (0, ASKED);
            return;
        }
        (page.given, page.next) = (entries.len() as u32, 1);
        page.taken[0] = UNKNOWN;
        for ((at, entry), handle) in page.entries.iter_mut().enumerate().zip(entries) {
            let is_number = handle.literal_bytes().is_some_and(|bytes| bytes.len() <= 8);
            let what = if is_number { NUMBER } else { 0 };
            // Behind the bytes of a literal there are zeros.
            let first = handle.as_bytes().first_chunk().copied().unwrap_or_default();
            *entry = Entry { number: u64::from_le_bytes(first), what, from: at as u32 };
        }
    }

    /// The next number of a handle, as far as the module has taken them by itself.
    pub(crate) fn next(&mut self) -> usize {
        let next = self.page().next;
        if next == ASKED { 0 } else { (next as usize).min(TAKEN_MAX) }
    }

    /// A handle that the module has taken, of a number before the next one.
    pub(crate) fn taken(&mut self, at: usize) -> Option<Entry> {
        let next = self.next();
        self.page().taken.get(..next)?.get(at).copied()
    }

    /// The host has given a handle this number.
    pub(crate) fn gave(&mut self, at: usize) {
        let page = self.page();
        if page.next == ASKED {
            return;
        }
        page.next = at as u32 + 1;
        if let Some(entry) = page.taken.get_mut(at) {
            *entry = UNKNOWN;
        }
    }
}
