use std::collections::BTreeMap;

use super::{Answer, Observation};
use crate::fs::Origin;

/// Beyond this many bytes a run is known by its exact inputs alone: somebody
/// who asks for a million names that do not exist should not fill the memory.
const BYTES_MAX: usize = 64 << 20;
const ENTRY_BYTES: usize = 128;

/// Collects observations, each path once.
#[derive(Debug, Default)]
pub(crate) struct Observed {
    entries: BTreeMap<(u32, Box<[u8]>, bool), Answer>,
    bytes: usize,
    overflown: bool,
}

impl Observed {
    pub(crate) fn note(&mut self, origin: &Origin, answer: Answer) {
        self.note_at(origin.preopen, &origin.path, answer);
    }

    pub(crate) fn note_at(&mut self, preopen: u32, path: &[u8], answer: Answer) {
        if self.overflown {
            return;
        }
        let key = (preopen, Box::from(path), answer.is_listing());
        if let Some(known) = self.entries.get_mut(&key) {
            if answer.rank() > known.rank() {
                *known = answer;
            }
            return;
        }
        self.bytes += ENTRY_BYTES + path.len();
        if self.bytes > BYTES_MAX {
            self.overflown = true;
            self.entries.clear();
            return;
        }
        self.entries.insert(key, answer);
    }

    /// All of them in order; `None` if they were too many to keep.
    pub(crate) fn into_list(self) -> Option<Vec<Observation>> {
        if self.overflown {
            return None;
        }
        let entries = self.entries.into_iter();
        let observation = |((preopen, path, _), answer)| Observation { preopen, path, answer };
        Some(entries.map(observation).collect())
    }
}
