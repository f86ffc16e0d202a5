//! A handle that one thread writes without a lock. Names only what is in `sync`,
//! so that the tests can have a schedule checker run it.

use weft_object::Handle;

use crate::sync::{AtomicBool, AtomicU64, Ordering, fence, spin_loop};

/// A handle that one thread writes and others read now and then: in words, with
/// a count that is odd while they are being written.
#[derive(Debug)]
pub(crate) struct Pinned {
    turn: AtomicU64,
    is_some: AtomicBool,
    words: [AtomicU64; 4],
}

impl Default for Pinned {
    fn default() -> Self {
        Self {
            turn: AtomicU64::new(0),
            is_some: AtomicBool::new(false),
            words: [0; 4].map(AtomicU64::new),
        }
    }
}

impl Pinned {
    /// For the one thread whose it is.
    pub(crate) fn set(&self, handle: Option<Handle>) {
        if handle.is_none() && !self.is_some.load(Ordering::Relaxed) {
            return;
        }
        let turn = self.turn.load(Ordering::Relaxed);
        self.turn.store(turn.wrapping_add(1), Ordering::Relaxed);
        fence(Ordering::Release);
        self.is_some.store(handle.is_some(), Ordering::Relaxed);
        if let Some(handle) = handle {
            for (word, bytes) in self.words.iter().zip(handle.as_bytes().chunks_exact(8)) {
                let mut raw = [0; 8];
                raw.copy_from_slice(bytes);
                word.store(u64::from_le_bytes(raw), Ordering::Relaxed);
            }
        }
        self.turn.store(turn.wrapping_add(2), Ordering::Release);
    }

    /// What it was at some time during this call.
    pub(crate) fn get(&self) -> Option<Handle> {
        loop {
            let turn = self.turn.load(Ordering::Acquire);
            let is_some = self.is_some.load(Ordering::Relaxed);
            let mut raw = [0; 32];
            for (bytes, word) in raw.chunks_exact_mut(8).zip(&self.words) {
                bytes.copy_from_slice(&word.load(Ordering::Relaxed).to_le_bytes());
            }
            fence(Ordering::Acquire);
            if turn.is_multiple_of(2) && turn == self.turn.load(Ordering::Relaxed) {
                return is_some.then(|| Handle::decode(&raw).ok()).flatten();
            }
            spin_loop();
        }
    }
}
