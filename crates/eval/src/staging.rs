use std::collections::{BTreeMap, BTreeSet};

use weft_object::Handle;

use crate::Key;

/// What an application must be given before it runs: room for its footprint
/// and its memory, whole.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Claim {
    /// Bytes of the footprint plus the memory limit.
    pub bytes: u64,
    /// Blobs of the footprint that are not resident.
    pub missing: Vec<Handle>,
}

/// Who holds how much of a machine's memory for applications that are about to
/// run.
///
/// A claim is granted whole or not at all, the oldest first, so nothing waits
/// while holding what another needs. The oldest may take back what younger ones
/// were granted as long as they do not run yet, so a large job is not starved
/// by small ones that keep coming. A claim larger than the machine is refused
/// at once.
#[derive(Debug)]
pub struct Staging {
    capacity_bytes: u64,
    used_bytes: u64,
    claims: BTreeMap<u64, Held>,
    // The ages of those in each state but the last, so that thousands of claims
    // are not looked through for the one that matters.
    waiting: BTreeSet<u64>,
    granted: BTreeSet<u64>,
}

/// A claim. One that neither waits nor is merely granted runs.
#[derive(Debug)]
struct Held {
    key: Key,
    bytes: u64,
}

/// What a change of the claims brings about.
#[derive(Debug, Default, PartialEq, Eq)]
pub struct Shift {
    /// Claims that are granted now, oldest first.
    pub granted: Vec<Key>,
    /// Claims that were granted and have to wait again.
    pub revoked: Vec<Key>,
}

impl Staging {
    /// A machine with this much memory for footprints and functions.
    #[must_use]
    pub fn new(capacity_bytes: u64) -> Self {
        Self {
            capacity_bytes,
            used_bytes: 0,
            claims: BTreeMap::new(),
            waiting: BTreeSet::new(),
            granted: BTreeSet::new(),
        }
    }

    /// What there is in all.
    #[must_use]
    pub const fn capacity_bytes(&self) -> u64 {
        self.capacity_bytes
    }

    /// What is granted.
    #[must_use]
    pub const fn used_bytes(&self) -> u64 {
        self.used_bytes
    }

    /// How many claims wait.
    #[must_use]
    pub fn waiting(&self) -> usize {
        self.waiting.len()
    }

    /// Asks for bytes on behalf of `key`; `age` orders the claims and is unique.
    /// `None` if the machine will never have that much.
    pub fn request(&mut self, age: u64, key: Key, bytes: u64) -> Option<Shift> {
        if bytes > self.capacity_bytes {
            return None;
        }
        self.claims.insert(age, Held { key, bytes });
        self.waiting.insert(age);
        Some(self.settle())
    }

    /// Says that a granted claim's application runs now, so that it is not
    /// taken back.
    pub fn run(&mut self, age: u64) {
        self.granted.remove(&age);
    }

    /// Gives a claim back, whatever its state.
    pub fn release(&mut self, age: u64) -> Shift {
        let Some(held) = self.claims.remove(&age) else { return Shift::default() };
        if !self.waiting.remove(&age) {
            self.granted.remove(&age);
            self.used_bytes -= held.bytes;
        }
        self.settle()
    }

    /// Grants what can be granted, strictly by age.
    fn settle(&mut self) -> Shift {
        let mut shift = Shift::default();
        while let Some(&age) = self.waiting.first() {
            let Some(held) = self.claims.get(&age) else { break };
            let (key, bytes) = (held.key, held.bytes);
            if !self.make_room(age, bytes, &mut shift) {
                break;
            }
            self.used_bytes += bytes;
            self.waiting.remove(&age);
            self.granted.insert(age);
            shift.granted.push(key);
        }
        shift
    }

    /// Takes back younger claims, the youngest first, if that makes room.
    fn make_room(&mut self, age: u64, bytes: u64, shift: &mut Shift) -> bool {
        let mut free = self.capacity_bytes - self.used_bytes;
        let mut victims = Vec::new();
        for &age in self.granted.range(age + 1..).rev() {
            if free >= bytes {
                break;
            }
            free += self.claims.get(&age).map_or(0, |held| held.bytes);
            victims.push(age);
        }
        if free < bytes {
            return false;
        }
        for age in victims {
            if let Some(held) = self.claims.get(&age) {
                self.granted.remove(&age);
                self.waiting.insert(age);
                self.used_bytes -= held.bytes;
                shift.granted.retain(|key| *key != held.key);
                shift.revoked.push(held.key);
            }
        }
        true
    }
}
