//! Which entries of a fork nobody has begun, and what helpers have found of the
//! others. Names only the locks of `sync`, so that the tests can have a schedule
//! checker run it.

use std::ops::Range;

use crate::sync::{AtomicBool, AtomicUsize, Mutex, Ordering};

/// What a range should take: so little that the last ones end nearly at once,
/// and so much that claiming it costs nothing beside.
const RANGE_NS: Range<u64> = 1_000..20_000;

/// Ranges of a fork, to be claimed, and what was found in those that helpers
/// have done.
#[derive(Debug)]
pub(crate) struct Ranges<T> {
    next: AtomicUsize,
    /// Where to stop: the end, or an entry that came to no value for good.
    end: AtomicUsize,
    least: usize,
    most: usize,
    /// One range each, twice: so they get smaller towards the end.
    parts: usize,
    /// Helpers that may hand something over yet.
    helpers: AtomicUsize,
    closed: AtomicBool,
    found: Mutex<Found<T>>,
}

#[derive(Debug)]
struct Found<T> {
    closed: bool,
    parts: Vec<Part<T>>,
}

/// The values of some entries from a place on.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct Part<T> {
    pub(crate) from: usize,
    pub(crate) values: Vec<Option<T>>,
}

impl<T> Ranges<T> {
    /// All from `next` to `end`, for so many threads, where an entry takes about
    /// so long.
    pub(crate) fn new(entries: Range<usize>, threads: usize, entry_ns: u64) -> Self {
        let count = |ns: u64| usize::try_from(ns / entry_ns.max(1)).unwrap_or(usize::MAX).max(1);
        Self {
            next: AtomicUsize::new(entries.start),
            end: AtomicUsize::new(entries.end),
            least: count(RANGE_NS.start),
            most: count(RANGE_NS.end),
            parts: 2 * threads.max(1),
            helpers: AtomicUsize::new(0),
            closed: AtomicBool::new(false),
            found: Mutex::new(Found { closed: false, parts: Vec::new() }),
        }
    }

    /// A range that nobody else has.
    pub(crate) fn claim(&self) -> Option<Range<usize>> {
        // Who finds that another has the last range finds also that it has joined.
        let mut from = self.next.load(Ordering::Acquire);
        loop {
            let left =
                self.end.load(Ordering::Relaxed).checked_sub(from).filter(|left| *left > 0)?;
            let count = (left / self.parts).clamp(self.least, self.most).min(left);
            let to = from + count;
            match self.next.compare_exchange_weak(from, to, Ordering::AcqRel, Ordering::Acquire) {
                Ok(_) => return Some(from..to),
                Err(now) => from = now,
            }
        }
    }

    /// Nobody needs what stands behind an entry.
    pub(crate) fn stop_at(&self, at: usize) {
        self.end.fetch_min(at, Ordering::Relaxed);
    }

    /// A helper begins; `false` if it need not.
    pub(crate) fn join(&self) -> bool {
        self.helpers.fetch_add(1, Ordering::SeqCst);
        // The owner first closes and then looks no more.
        if self.closed.load(Ordering::SeqCst) {
            self.leave();
            return false;
        }
        true
    }

    pub(crate) fn leave(&self) {
        self.helpers.fetch_sub(1, Ordering::SeqCst);
    }

    pub(crate) fn has_helpers(&self) -> bool {
        self.helpers.load(Ordering::SeqCst) > 0
    }

    pub(crate) fn is_closed(&self) -> bool {
        self.closed.load(Ordering::Relaxed)
    }

    /// Whether there is something to be claimed.
    pub(crate) fn is_open(&self) -> bool {
        !self.is_closed() && self.next.load(Ordering::Relaxed) < self.end.load(Ordering::Relaxed)
    }

    /// What a helper has found; before it is told, `hold` makes it a root.
    pub(crate) fn hand_over(&self, part: Part<T>, hold: impl FnOnce(&Part<T>)) {
        let mut found = self.found.lock();
        if !found.closed {
            hold(&part);
            found.parts.push(part);
        }
    }

    /// Takes what was found and has helpers stop.
    pub(crate) fn close(&self) -> Vec<Part<T>> {
        self.closed.store(true, Ordering::SeqCst);
        let mut found = self.found.lock();
        found.closed = true;
        std::mem::take(&mut found.parts)
    }
}
