//! Images whose pages arrive as a run touches them.
//!
//! A run that is the first to go on from an image on this machine does not wait for
//! all of its pages: its memory has none, and faults there are handled by a thread
//! beside it, which reads the pages that are touched and some around them. The next
//! run brings in all, since what is gone on from twice is gone on from more often.

#[cfg(target_os = "linux")]
mod faults;
#[cfg(not(target_os = "linux"))]
#[path = "arriving/no_faults.rs"]
mod faults;

use std::panic::{AssertUnwindSafe, catch_unwind};
use std::ptr::NonNull;
use std::sync::{Mutex, MutexGuard, OnceLock, PoisonError};

use weft_object::Handle;

use super::form::{CHUNK_BYTES, PAGE_BYTES};
use super::pages::interrupted;
use super::source::{Chunks, Source};
use crate::modules::Refusal;
use crate::outcome::{NoAnswerKind, Stop};
use crate::{Interrupt, Run};
pub(super) use faults::Faults;
use faults::Seen;

/// Pages that are brought in at once. CPython with pandas says its first line from a
/// store in 0.10 to 0.13 s with two to eight of them (of three runs each, on two busy
/// cores; 0.04 to 0.06 s of a processor), in 0.17 to 0.22 s with one, and in 0.14 to
/// 0.24 s with thirty-two.
const WINDOW_BYTES: usize = 4 * PAGE_BYTES;

const _: () = assert!(CHUNK_BYTES.is_multiple_of(WINDOW_BYTES));

/// An image whose pages are still to come, for one run.
pub(super) struct Arriving {
    image: Handle,
    chunks: Chunks,
    module: Handle,
    faults: Faults,
    memories: Mutex<Vec<Memory>>,
    failed: OnceLock<Refusal>,
}

/// A memory, and which windows of it are there.
struct Memory {
    number: usize,
    start: usize,
    bytes: usize,
    is_here: Vec<bool>,
}

impl Arriving {
    pub(super) fn new(faults: Faults, image: Handle, chunks: Chunks, module: Handle) -> Self {
        Self { image, chunks, module, faults, memories: Mutex::default(), failed: OnceLock::new() }
    }

    fn memories(&self) -> MutexGuard<'_, Vec<Memory>> {
        self.memories.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Has pages arrive in a memory; whether they do.
    ///
    /// # Safety
    /// The range is of whole pages, mapped without any, and touched by the run alone
    /// that [`Arriving::serve`] serves. [`Arriving::give_up`] is called before
    /// anything else is mapped there.
    pub(super) unsafe fn arrive(&self, number: usize, range: NonNull<[u8]>) -> bool {
        let (start, bytes) = (range.cast::<u8>().addr().get(), range.len());
        let is_here = vec![false; bytes.div_ceil(WINDOW_BYTES)];
        self.memories().push(Memory { number, start, bytes, is_here });
        // SAFETY: the contract of this function; and faults are seen by `bring`, which
        // ends after the run.
        unsafe { self.faults.watch(range) }
    }

    /// Has no page arrive any more in the memory that begins at an address: the run has
    /// ended, and some that nobody waited for may just be on their way.
    pub(super) fn give_up(&self, start: usize) {
        self.memories().retain(|memory| memory.start != start);
    }

    /// Why a run cannot begin.
    pub(super) fn refused(&self) -> Stop {
        let detail = format!(
            "the system has no room for handling faults in the memory of #{}; ask again",
            self.image
        );
        Stop::NoAnswer(NoAnswerKind::HostMemory, detail)
    }

    /// Does a run, with faults handled meanwhile. The run is given a flag of its own,
    /// which is set as that of the other is, or when a page cannot be had.
    ///
    /// # Errors
    /// Why a page could not be had, whatever the run came to without it.
    pub(super) fn serve<T>(
        &self,
        run: &Run<'_>,
        body: impl FnOnce(&Run<'_>) -> T,
    ) -> Result<T, Refusal> {
        let flag = Interrupt::new();
        let no_thread = |error: std::io::Error| {
            let detail = format!("no thread for the pages of #{}: {error}; ask again", self.image);
            Refusal::NoAnswer(NoAnswerKind::HostMemory, detail)
        };
        let done = std::thread::scope(|scope| {
            let thread = std::thread::Builder::new().name("weft pages".to_owned());
            thread.spawn_scoped(scope, || self.bring(run, &flag)).map_err(no_thread)?;
            let _end = self.faults.end_when_dropped();
            Ok(body(&Run { interrupt: &flag, ..*run }))
        })?;
        match self.failed.get() {
            Some(_) if run.interrupt.is_set() => Err(interrupted()),
            Some(refusal) => Err(refusal.clone()),
            None => Ok(done),
        }
    }

    /// Brings in what is touched until the run has ended.
    fn bring(&self, run: &Run<'_>, flag: &Interrupt) {
        let mut source = Source::new(run, self.image, &self.chunks, self.module);
        loop {
            match self.faults.next() {
                Seen::End => return,
                Seen::Fault(address) => {
                    if let Err(refusal) = self.window(&mut source, address) {
                        let _ = self.failed.set(refusal);
                        flag.interrupt();
                    }
                }
                Seen::Nothing if run.interrupt.is_set() && !flag.is_set() => flag.interrupt(),
                Seen::Nothing => {}
            }
        }
    }

    /// Brings in the pages around an address. Where they cannot be had there are zeros,
    /// for whoever waits has to go on until it sees that it is to end.
    fn window(&self, source: &mut Source<'_>, address: usize) -> Result<(), Refusal> {
        let mut memories = self.memories();
        let there = |memory: &&mut Memory| {
            address.checked_sub(memory.start).is_some_and(|at| at < memory.bytes)
        };
        let Some(memory) = memories.iter_mut().find(there) else { return Ok(()) };
        let number = (address - memory.start) / WINDOW_BYTES;
        let begin = number * WINDOW_BYTES;
        let end = memory.bytes.min(begin + WINDOW_BYTES);
        let mut pages = [0; WINDOW_BYTES];
        let pages = &mut pages[..end - begin];
        let is_new = !std::mem::replace(&mut memory.is_here[number], true);
        // Whoever waits must not wait for ever.
        let read = catch_unwind(AssertUnwindSafe(|| match self.failed.get() {
            None if is_new => source.read(memory.number, begin, pages),
            _ => Ok(()),
        }));
        let read = read.unwrap_or_else(|_| {
            let detail = format!("reading pages of #{} panicked; please report it", self.image);
            Err(Refusal::NoAnswer(NoAnswerKind::Missing, detail))
        });
        // SAFETY: it is within a memory that was handed to `arrive` and not given up,
        // which waits for the lock. What is there already stays.
        let is_filled = unsafe { self.faults.fill(memory.start + begin, pages) };
        match is_filled {
            true => read,
            false => {
                let detail = format!("the system has no memory for pages of #{}", self.image);
                read.and(Err(Refusal::NoAnswer(NoAnswerKind::HostMemory, detail)))
            }
        }
    }
}
