use std::collections::VecDeque;
use std::sync::atomic::{AtomicU64, Ordering};

use hashbrown::HashTable;
use weft_object::Handle;

use crate::hash::HandleHash;
use crate::sync::Mutex;
use crate::{Cost, Epoch, Origin, Outcome, Relation};

/// Relations in memory, bounded in bytes, by the second-chance rule.
///
/// Whoever got an outcome from here may still be working towards its content
/// after the relation has made room for another. So an evicted outcome stays a
/// root, in *limbo*, until every job that was active at that time has ended:
/// the owner says so with [`Relations::advance`], and the collector asks with
/// [`Relations::limbo_roots`]. Limbo does not count to the capacity; it is
/// emptied only as the owner advances.
///
/// A thread may read the epoch and evict only after the next one has begun, in
/// which a job has meanwhile found what is evicted. So eviction does not go by
/// what it is told alone: see [`Relations::begin_epoch`].
pub struct Relations {
    hash: HandleHash,
    shards: Box<[Shard]>,
    shard_bytes_max: usize,
    min_active: AtomicU64,
    latest: AtomicU64,
}

/// What came of putting a relation into the cache.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Inserted {
    /// It was not known.
    New,
    /// It was known, and the same; the newer notes and cost are not kept.
    Same,
    /// Another outcome was known, which stays: one of both is wrong.
    Conflict(Outcome),
}

#[derive(Default)]
#[repr(align(128))]
struct Shard(Mutex<Table>);

#[derive(Default)]
struct Table {
    // Positions in `slots`, by hash of the key.
    index: HashTable<u32>,
    slots: Vec<Slot>,
    // Where the next search for something to evict begins.
    hand: usize,
    extra_bytes: usize,
    limbo: VecDeque<(Handle, Epoch)>,
}

// 80 bytes: ten million of these have to fit.
struct Slot {
    key: Handle,
    outcome: Handle,
    // Run time in the lower bits, flags above.
    packed: u64,
    extra: Option<Box<Extra>>,
}

// What few relations have.
struct Extra {
    notes: Option<Handle>,
    fuel: Option<u64>,
}

const FAILURE: u64 = 1 << 63;
const DURABLE: u64 = 1 << 62;
const USED: u64 = 1 << 61;
const RUN_NS: u64 = (1 << 60) - 1;

// A position and a tag byte in an index that is between 7/16 and 7/8 full.
const INDEX_BYTES: usize = 12;
const SLOT_BYTES: usize = size_of::<Slot>() + INDEX_BYTES;
const EXTRA_BYTES: usize = size_of::<Extra>() + 16;
const SHARDS_MAX: usize = 256;
const SHARD_BYTES_MIN: usize = 64 * 1024;

impl Slot {
    fn new(key: Handle, relation: &Relation) -> Self {
        let failure = if matches!(relation.outcome, Outcome::Failure(_)) { FAILURE } else { 0 };
        let durable = if relation.durable { DURABLE } else { 0 };
        let extra = (relation.notes.is_some() || relation.cost.fuel.is_some())
            .then(|| Box::new(Extra { notes: relation.notes, fuel: relation.cost.fuel }));
        Self {
            key,
            outcome: relation.outcome.handle(),
            packed: relation.cost.run_ns.min(RUN_NS) | failure | durable,
            extra,
        }
    }

    fn outcome(&self) -> Outcome {
        match self.packed & FAILURE {
            0 => Outcome::Value(self.outcome),
            _ => Outcome::Failure(self.outcome),
        }
    }

    fn relation(&self) -> Relation {
        let fuel = self.extra.as_ref().and_then(|extra| extra.fuel);
        Relation {
            outcome: self.outcome(),
            notes: self.extra.as_ref().and_then(|extra| extra.notes),
            cost: Cost { run_ns: self.packed & RUN_NS, fuel },
            // Of no use before a backend has it, and there when that is asked.
            origin: Origin::default(),
            durable: self.packed & DURABLE != 0,
        }
    }

    fn extra_bytes(&self) -> usize {
        self.extra.as_ref().map_or(0, |_| EXTRA_BYTES)
    }
}

impl Relations {
    /// An empty cache that takes about this many bytes at most: up to a quarter
    /// more while relations with notes displace ones without.
    #[must_use]
    pub fn new(capacity_bytes: usize) -> Self {
        let shards = 1 << (capacity_bytes / SHARD_BYTES_MIN).clamp(1, SHARDS_MAX).ilog2();
        Self {
            hash: HandleHash::default(),
            shard_bytes_max: capacity_bytes / shards,
            shards: (0..shards).map(|_| Shard::default()).collect(),
            min_active: AtomicU64::new(0),
            latest: AtomicU64::new(0),
        }
    }

    #[inline]
    fn shard(&self, hash: u64) -> &Mutex<Table> {
        &self.shards[(hash >> 40) as usize & (self.shards.len() - 1)].0
    }

    /// The outcome known under a key: the short path.
    #[inline]
    #[must_use]
    pub fn outcome(&self, key: &Handle) -> Option<Outcome> {
        self.with(key, |slot| slot.outcome())
    }

    /// All that is known under a key.
    #[must_use]
    pub fn get(&self, key: &Handle) -> Option<Relation> {
        self.with(key, |slot| slot.relation())
    }

    /// Notes that a backend holds the relation and has synced; whether it is
    /// here.
    pub fn set_durable(&self, key: &Handle) -> bool {
        self.with(key, |slot| slot.packed |= DURABLE).is_some()
    }

    #[inline]
    fn with<T>(&self, key: &Handle, then: impl FnOnce(&mut Slot) -> T) -> Option<T> {
        let hash = self.hash.of(key);
        let mut guard = self.shard(hash).lock();
        let table = &mut *guard;
        let at = *table.index.find(hash, |&at| table.slots[at as usize].key == *key)?;
        let slot = &mut table.slots[at as usize];
        slot.packed |= USED;
        Some(then(slot))
    }

    /// Keeps a relation. What has to make room for it goes to limbo as of this
    /// epoch.
    pub fn insert(&self, key: &Handle, relation: &Relation, epoch: Epoch) -> Inserted {
        let hash = self.hash.of(key);
        let slot = Slot::new(*key, relation);
        let mut guard = self.shard(hash).lock();
        let table = &mut *guard;
        if let Some(&at) = table.index.find(hash, |&at| table.slots[at as usize].key == *key) {
            let known = &mut table.slots[at as usize];
            known.packed |= USED | (slot.packed & DURABLE);
            return match known.outcome() {
                same if same == relation.outcome => Inserted::Same,
                other => Inserted::Conflict(other),
            };
        }
        let needed = SLOT_BYTES + slot.extra_bytes();
        while !table.slots.is_empty() && table.bytes() + needed > self.shard_bytes_max {
            let evicted = table.evict(&self.hash);
            self.bury(table, evicted.outcome, epoch);
        }
        table.trim();
        table.insert(hash, slot, &self.hash, self.shard_bytes_max);
        Inserted::New
    }

    /// Forgets the half of the relations that were not asked for lately; their
    /// outcomes go to limbo as of this epoch. For when what they keep alive
    /// takes too much.
    pub fn shed(&self, epoch: Epoch) {
        for shard in &self.shards {
            let mut guard = shard.0.lock();
            let table = &mut *guard;
            for _ in 0..table.slots.len().div_ceil(2) {
                let evicted = table.evict(&self.hash);
                self.bury(table, evicted.outcome, epoch);
            }
        }
    }

    /// Forgets one relation; its outcome goes to limbo.
    pub fn remove(&self, key: &Handle, epoch: Epoch) -> Option<Relation> {
        let hash = self.hash.of(key);
        let mut guard = self.shard(hash).lock();
        let table = &mut *guard;
        let at = *table.index.find(hash, |&at| table.slots[at as usize].key == *key)?;
        let slot = table.remove(at as usize, &self.hash);
        self.bury(table, slot.outcome, epoch);
        Some(slot.relation())
    }

    fn bury(&self, table: &mut Table, outcome: Handle, epoch: Epoch) {
        // Now that the table is locked: who found the outcome before has
        // unlocked it since, so their epoch, begun before that, is seen here.
        let epoch = epoch.max(Epoch(self.latest.load(Ordering::Acquire)));
        let min_active = Epoch(self.min_active.load(Ordering::Relaxed));
        table.bury(outcome, epoch, min_active);
    }

    /// An epoch is about to begin: nothing is evicted as of an earlier one from
    /// now on, whatever epoch the caller of [`Relations::insert`],
    /// [`Relations::shed`] or [`Relations::remove`] has read a while ago.
    ///
    /// # Contract
    /// Called before any job can begin in this epoch, that is, before the owner
    /// publishes it; else such a job may lose what it found to a late eviction.
    /// Too early only keeps a little for longer.
    pub fn begin_epoch(&self, epoch: Epoch) {
        self.latest.fetch_max(epoch.0, Ordering::Release);
    }

    /// How many relations there are.
    #[must_use]
    pub fn len(&self) -> usize {
        self.shards.iter().map(|shard| shard.0.lock().slots.len()).sum()
    }

    /// Whether there are none.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// The bytes that the tables have allocated, and all notes; without limbo.
    #[must_use]
    pub fn bytes(&self) -> usize {
        let allocated = |table: &Table| {
            table.slots.capacity() * size_of::<Slot>()
                + table.index.allocation_size()
                + table.extra_bytes
        };
        self.shards.iter().map(|shard| allocated(&shard.0.lock())).sum()
    }

    /// Calls `f` with each relation; it may call back, since nothing is locked.
    pub fn for_each(&self, mut f: impl FnMut(&Handle, &Relation)) {
        let mut copies = Vec::new();
        for shard in &self.shards {
            copies.clear();
            let table = shard.0.lock();
            copies.extend(table.slots.iter().map(|slot| (slot.key, slot.relation())));
            drop(table);
            copies.iter().for_each(|(key, relation)| f(key, relation));
        }
    }

    /// No job that began before this epoch is active any more: what was evicted
    /// before it may leave limbo.
    pub fn advance(&self, min_active: Epoch) {
        self.min_active.fetch_max(min_active.0, Ordering::Relaxed);
    }

    /// The outcomes that jobs of this epoch or a later one may still hold,
    /// although the cache no longer does. Also advances.
    #[must_use]
    pub fn limbo_roots(&self, min_active: Epoch) -> Vec<Handle> {
        self.advance(min_active);
        let mut roots = Vec::new();
        for shard in &self.shards {
            let mut table = shard.0.lock();
            table.limbo.retain(|(_, epoch)| *epoch >= min_active);
            if table.limbo.len() < table.limbo.capacity() / 4 {
                table.limbo.shrink_to_fit();
            }
            roots.extend(table.limbo.iter().map(|(handle, _)| *handle));
        }
        roots
    }
}

impl Table {
    // What the entries need; room beyond them is bounded by `trim`.
    fn bytes(&self) -> usize {
        self.slots.len() * SLOT_BYTES + self.extra_bytes
    }

    fn insert(&mut self, hash: u64, slot: Slot, hasher: &HandleHash, bytes_max: usize) {
        if self.slots.len() == self.slots.capacity() {
            // By quarters, not doubling: at ten million the slack counts.
            let room = bytes_max.saturating_sub(self.bytes()) / SLOT_BYTES;
            self.slots.reserve_exact((self.slots.len() / 4).clamp(8, room.max(8)));
        }
        let at = self.slots.len() as u32;
        self.extra_bytes += slot.extra_bytes();
        self.slots.push(slot);
        let slots = &self.slots;
        self.index.insert_unique(hash, at, |&at| hasher.of(&slots[at as usize].key));
    }

    // Where relations with notes take the place of ones without, fewer fit.
    fn trim(&mut self) {
        let length = self.slots.len();
        if self.slots.capacity() > length + length / 4 + 16 {
            self.slots.shrink_to(length + length / 16 + 8);
        }
    }

    fn evict(&mut self, hasher: &HandleHash) -> Slot {
        // One round at most clears every flag.
        loop {
            if self.hand >= self.slots.len() {
                self.hand = 0;
            }
            let slot = &mut self.slots[self.hand];
            let at = self.hand;
            self.hand += 1;
            if slot.packed & USED == 0 {
                // The newest slot takes its place, now behind the hand: the
                // last that will be asked again.
                return self.remove(at, hasher);
            }
            slot.packed &= !USED;
        }
    }

    fn remove(&mut self, at: usize, hasher: &HandleHash) -> Slot {
        self.unindex(at, hasher);
        let last = self.slots.len() - 1;
        if at != last {
            // The last slot takes the place, so its position changes.
            let hash = hasher.of(&self.slots[last].key);
            if let Some(position) = self.index.find_mut(hash, |&other| other as usize == last) {
                *position = at as u32;
            }
        }
        let slot = self.slots.swap_remove(at);
        self.extra_bytes -= slot.extra_bytes();
        slot
    }

    fn unindex(&mut self, at: usize, hasher: &HandleHash) {
        let hash = hasher.of(&self.slots[at].key);
        if let Ok(found) = self.index.find_entry(hash, |&other| other as usize == at) {
            found.remove();
        }
    }

    fn bury(&mut self, outcome: Handle, epoch: Epoch, min_active: Epoch) {
        while self.limbo.front().is_some_and(|(_, evicted)| *evicted < min_active) {
            self.limbo.pop_front();
        }
        if !outcome.is_literal() {
            self.limbo.push_back((outcome, epoch));
        }
    }
}

impl std::fmt::Debug for Relations {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "Relations({} known, {} bytes)", self.len(), self.bytes())
    }
}
