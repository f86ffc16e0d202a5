//! Which entries of a fork nobody has begun, and what helpers have found of the
//! others. The owner takes them from the front, so it never begins what stands
//! behind an entry that fails; helpers take them from the end. Names only the locks of `sync`, so that the tests can have a schedule
//! checker run it.

use std::ops::Range;

use crate::sync::{AtomicBool, AtomicU64, AtomicUsize, Mutex, Ordering};

/// What a range should take: so little that the last ones end nearly at once,
/// and so much that claiming it costs nothing beside.
const RANGE_NS: Range<u64> = 1_000..20_000;

/// Ranges of a fork, to be claimed, and what was found in those that helpers
/// have done.
#[derive(Debug)]
pub(crate) struct Ranges<T> {
    start: usize,
    /// Those that nobody has begun, counted from the start: the first in the upper
    /// half, the end in the lower.
    left: AtomicU64,
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
    /// All of these, up to some thousand millions, for so many threads, where an
    /// entry takes about so long.
    pub(crate) fn new(entries: Range<usize>, threads: usize, entry_ns: u64) -> Self {
        let count = |ns: u64| usize::try_from(ns / entry_ns.max(1)).unwrap_or(usize::MAX).max(1);
        Self {
            start: entries.start,
            left: AtomicU64::new(u64::from(u32::try_from(entries.len()).unwrap_or(u32::MAX))),
            least: count(RANGE_NS.start),
            most: count(RANGE_NS.end),
            parts: 2 * threads.max(1),
            helpers: AtomicUsize::new(0),
            closed: AtomicBool::new(false),
            found: Mutex::new(Found { closed: false, parts: Vec::new() }),
        }
    }

    /// The first entries that nobody has, for the owner.
    pub(crate) fn claim_first(&self) -> Option<Range<usize>> {
        self.claim(|left, count| (left.start..left.start + count, left.start + count..left.end))
    }

    /// The last entries that nobody has, for a helper.
    pub(crate) fn claim_last(&self) -> Option<Range<usize>> {
        self.claim(|left, count| (left.end - count..left.end, left.start..left.end - count))
    }

    /// Takes what `part` says of what is left and a number of entries.
    fn claim(
        &self,
        part: impl Fn(Range<usize>, usize) -> (Range<usize>, Range<usize>),
    ) -> Option<Range<usize>> {
        // Who finds that another has the last range finds also that it has joined.
        let mut before = self.left.load(Ordering::Acquire);
        loop {
            let left = unpacked(before);
            if left.is_empty() {
                return None;
            }
            let count = (left.len() / self.parts).clamp(self.least, self.most).min(left.len());
            let (taken, after) = part(left, count);
            match self.set_left(before, after) {
                Ok(()) => return Some(self.start + taken.start..self.start + taken.end),
                Err(now) => before = now,
            }
        }
    }

    /// Nobody needs what stands behind an entry.
    pub(crate) fn stop_at(&self, at: usize) {
        let mut before = self.left.load(Ordering::Acquire);
        loop {
            let left = unpacked(before);
            let end = left.end.min(at - self.start).max(left.start);
            match self.set_left(before, left.start..end) {
                Ok(()) => return,
                Err(now) => before = now,
            }
        }
    }

    fn set_left(&self, before: u64, after: Range<usize>) -> Result<(), u64> {
        let packed = (after.start as u64) << 32 | after.end as u64;
        let (success, failure) = (Ordering::AcqRel, Ordering::Acquire);
        self.left.compare_exchange_weak(before, packed, success, failure).map(drop)
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
        !self.is_closed() && !unpacked(self.left.load(Ordering::Relaxed)).is_empty()
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

fn unpacked(left: u64) -> Range<usize> {
    (left >> 32) as usize..(left & u64::from(u32::MAX)) as usize
}
