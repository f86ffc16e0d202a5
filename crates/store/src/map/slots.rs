//! Which ranges of addresses are mapped files: written under a lock, read by a
//! signal handler, which may take none.

use std::sync::OnceLock;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering::SeqCst};

use crate::sync::Mutex;

/// What is done with the bytes of a mapping.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Use {
    Read,
    /// They are somebody's own, who writes over them as well.
    Written,
}

/// The place of one mapping.
///
/// # Contract
/// `version` is odd while the range is changed. A reader that finds it odd, or
/// another afterwards, passes on: the mapping that it looks for is being read
/// from by its own thread, so its slot does not change meanwhile.
#[derive(Debug)]
pub(super) struct Slot {
    version: AtomicUsize,
    start: AtomicUsize,
    bytes: AtomicUsize,
    poisoned: AtomicBool,
    written: AtomicBool,
}

impl Slot {
    const fn new() -> Self {
        Self {
            version: AtomicUsize::new(0),
            start: AtomicUsize::new(0),
            bytes: AtomicUsize::new(0),
            poisoned: AtomicBool::new(false),
            written: AtomicBool::new(false),
        }
    }

    fn set(&self, start: usize, bytes: usize, used: Use) {
        self.version.fetch_add(1, SeqCst);
        self.start.store(start, SeqCst);
        self.bytes.store(bytes, SeqCst);
        self.poisoned.store(false, SeqCst);
        self.written.store(used == Use::Written, SeqCst);
        self.version.fetch_add(1, SeqCst);
    }

    // The range, if this address lies in it.
    fn around(&self, address: usize) -> Option<(usize, usize)> {
        let before = self.version.load(SeqCst);
        let (start, bytes) = (self.start.load(SeqCst), self.bytes.load(SeqCst));
        let settled = before.is_multiple_of(2) && self.version.load(SeqCst) == before;
        let inside = address.checked_sub(start).is_some_and(|offset| offset < bytes);
        (settled && inside).then_some((start, bytes))
    }

    pub(super) fn is_poisoned(&self) -> bool {
        self.poisoned.load(SeqCst)
    }

    pub(super) fn is_written(&self) -> bool {
        self.written.load(SeqCst)
    }

    /// Whether it was not before.
    pub(super) fn poison(&self) -> bool {
        !self.poisoned.swap(true, SeqCst)
    }
}

const CHUNK: usize = 128;

// Chunks are made as they are needed and never go.
struct Chunk {
    slots: [Slot; CHUNK],
    next: OnceLock<&'static Chunk>,
}

impl Chunk {
    const fn new() -> Self {
        Self { slots: [const { Slot::new() }; CHUNK], next: OnceLock::new() }
    }
}

static FIRST: Chunk = Chunk::new();
static FREE: Mutex<Free> = Mutex::new(Free { slots: Vec::new(), last: None });

struct Free {
    slots: Vec<&'static Slot>,
    // The chunk that was made last; none before the first is in use.
    last: Option<&'static Chunk>,
}

/// A slot for a range that begins at a page and has whole pages.
pub(super) fn take(start: usize, bytes: usize, used: Use) -> &'static Slot {
    let mut free = FREE.lock();
    let slot = loop {
        if let Some(slot) = free.slots.pop() {
            break slot;
        }
        let chunk = match free.last {
            None => &FIRST,
            Some(last) => last.next.get_or_init(|| Box::leak(Box::new(Chunk::new()))),
        };
        free.last = Some(chunk);
        free.slots.extend(chunk.slots.iter().rev());
    };
    slot.set(start, bytes, used);
    slot
}

/// Says that nothing is at the range any more.
pub(super) fn give_back(slot: &'static Slot) {
    slot.set(0, 0, Use::Read);
    FREE.lock().slots.push(slot);
}

/// The mapping around an address: its slot, where it begins, how long it is.
/// Takes no lock and allocates nothing.
pub(super) fn find(address: usize) -> Option<(&'static Slot, usize, usize)> {
    let mut chunk = Some(&FIRST);
    while let Some(at) = chunk {
        for slot in &at.slots {
            if let Some((start, bytes)) = slot.around(address) {
                return Some((slot, start, bytes));
            }
        }
        chunk = at.next.get().copied();
    }
    None
}

/// So many bytes in whole pages; `None` if no such number is.
pub(super) fn to_pages(bytes: usize) -> Option<usize> {
    // SAFETY: asks for a constant of the system.
    let page = unsafe { libc::sysconf(libc::_SC_PAGESIZE) };
    bytes.checked_next_multiple_of(usize::try_from(page).ok()?)
}
