use std::collections::{HashMap, VecDeque};
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};

use weft_object::Handle;

use crate::by_handle::{ByHandle, Named};
use crate::hash::HandleHash;
use crate::slab::Slab;
use crate::sync::Mutex;
use crate::under_way::UnderWay;
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
    forgot: AtomicBool,
}

/// What came of [`Relations::begin`].
pub type Begun = crate::under_way::Begun<Outcome>;

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
    slots: ByHandle<Slot>,
    // Of those slots that say so.
    extras: HashMap<Handle, Extra, HandleHash>,
    // Where the next search for something to evict begins.
    hand: usize,
    limbo: VecDeque<(Handle, Epoch)>,
    under_way: UnderWay,
}

// 72 bytes: ten million of these have to fit.
struct Slot {
    key: Handle,
    outcome: Handle,
    // Run time in the lower bits, flags above.
    packed: u64,
}

// What few relations have.
#[derive(Clone, Copy)]
struct Extra {
    notes: Option<Handle>,
    fuel: Option<u64>,
}

const FAILURE: u64 = 1 << 63;
const DURABLE: u64 = 1 << 62;
const USED: u64 = 1 << 61;
const EXTRA: u64 = 1 << 60;
const RUN_NS: u64 = (1 << 60) - 1;

const SLOT_BYTES: usize =
    size_of::<Slot>() + Slab::<Slot>::OVERHEAD_BYTES + ByHandle::<Slot>::INDEX_BYTES;
// In a table that may be three eighths full before it shrinks.
const EXTRA_BYTES: usize = (size_of::<(Handle, Extra)>() + 1) * 3;
// So many that growing the index of one, of ten million relations, takes some
// tenths of a millisecond.
const SHARDS_MAX: usize = 1024;
const SHARD_BYTES_MIN: usize = 64 * 1024;

impl Extra {
    fn of(relation: &Relation) -> Option<Self> {
        let Relation { notes, cost: Cost { fuel, .. }, .. } = *relation;
        (notes.is_some() || fuel.is_some()).then_some(Self { notes, fuel })
    }
}

impl Named for Slot {
    fn handle(&self) -> &Handle {
        &self.key
    }
}

impl Slot {
    fn new(key: Handle, relation: &Relation) -> Self {
        let flag = |is: bool, flag: u64| if is { flag } else { 0 };
        let packed = relation.cost.run_ns.min(RUN_NS)
            | flag(matches!(relation.outcome, Outcome::Failure(_)), FAILURE)
            | flag(relation.durable, DURABLE)
            | flag(Extra::of(relation).is_some(), EXTRA);
        Self { key, outcome: relation.outcome.handle(), packed }
    }

    fn outcome(&self) -> Outcome {
        match self.packed & FAILURE {
            0 => Outcome::Value(self.outcome),
            _ => Outcome::Failure(self.outcome),
        }
    }

    fn relation(&self, extras: &HashMap<Handle, Extra, HandleHash>) -> Relation {
        let extra = self.has_extra().then(|| extras.get(&self.key)).flatten();
        Relation {
            outcome: self.outcome(),
            notes: extra.and_then(|extra| extra.notes),
            cost: Cost { run_ns: self.packed & RUN_NS, fuel: extra.and_then(|extra| extra.fuel) },
            // Of no use before a backend has it, and there when that is asked.
            origin: Origin::default(),
            durable: self.packed & DURABLE != 0,
        }
    }

    fn has_extra(&self) -> bool {
        self.packed & EXTRA != 0
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
            forgot: AtomicBool::new(false),
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
        self.with(key, |slot, _| slot.outcome())
    }

    /// All that is known under a key.
    #[must_use]
    pub fn get(&self, key: &Handle) -> Option<Relation> {
        self.with(key, |slot, extras| slot.relation(extras))
    }

    /// Notes that a backend holds the relation and has synced; whether it is
    /// here.
    pub fn set_durable(&self, key: &Handle) -> bool {
        self.with(key, |slot, _| slot.packed |= DURABLE).is_some()
    }

    #[inline]
    fn with<T>(
        &self,
        key: &Handle,
        then: impl FnOnce(&mut Slot, &HashMap<Handle, Extra, HandleHash>) -> T,
    ) -> Option<T> {
        let hash = self.hash.of(key);
        let mut guard = self.shard(hash).lock();
        let table = &mut *guard;
        let slot = table.slots.find_mut(hash, key)?;
        slot.packed |= USED;
        Some(then(slot, &table.extras))
    }

    /// What is known under a key, or the sole right to find it out, in one look:
    /// so nothing is found out twice at once. With `watch`, whoever has that
    /// right is told at its end that somebody waits.
    ///
    /// # Contract
    /// Who gets `Begun::New` calls [`Relations::insert_ended`] or
    /// [`Relations::end`], or nobody ever finds it out.
    #[inline]
    pub fn begin(&self, key: &Handle, watch: bool) -> Begun {
        let hash = self.hash.of(key);
        let mut guard = self.shard(hash).lock();
        let table = &mut *guard;
        table.under_way.begin(key, watch, || {
            let slot = table.slots.find_mut(hash, key)?;
            slot.packed |= USED;
            Some(slot.outcome())
        })
    }

    /// Gives back the right of [`Relations::begin`] with nothing found out;
    /// whether somebody waits for that.
    pub fn end(&self, key: &Handle) -> bool {
        self.shard(self.hash.of(key)).lock().under_way.end(key)
    }

    /// Keeps what was found out, and gives back the right to do so: as
    /// [`Relations::insert`] and [`Relations::end`], in one step.
    #[inline]
    pub fn insert_ended(
        &self,
        key: &Handle,
        relation: &Relation,
        epoch: Epoch,
    ) -> (Inserted, bool) {
        let hash = self.hash.of(key);
        let mut guard = self.shard(hash).lock();
        let watched = guard.under_way.end(key);
        (self.insert_in(&mut guard, hash, key, relation, epoch), watched)
    }

    /// Whether any relation was ever evicted, shed or removed. As long as none
    /// was, what followed from relations can be known only where they are.
    #[must_use]
    pub fn has_forgotten(&self) -> bool {
        self.forgot.load(Ordering::Relaxed)
    }

    /// Keeps a relation. What has to make room for it goes to limbo as of this
    /// epoch.
    pub fn insert(&self, key: &Handle, relation: &Relation, epoch: Epoch) -> Inserted {
        let hash = self.hash.of(key);
        let mut guard = self.shard(hash).lock();
        self.insert_in(&mut guard, hash, key, relation, epoch)
    }

    fn insert_in(
        &self,
        table: &mut Table,
        hash: u64,
        key: &Handle,
        relation: &Relation,
        epoch: Epoch,
    ) -> Inserted {
        let slot = Slot::new(*key, relation);
        if let Some(known) = table.slots.find_mut(hash, key) {
            known.packed |= USED | (slot.packed & DURABLE);
            return match known.outcome() {
                same if same == relation.outcome => Inserted::Same,
                other => Inserted::Conflict(other),
            };
        }
        let extra = Extra::of(relation);
        let needed = SLOT_BYTES + extra.map_or(0, |_| EXTRA_BYTES);
        while table.bytes() + needed > self.shard_bytes_max {
            let Some(evicted) = table.evict(&self.hash) else { break };
            self.bury(table, evicted.outcome, epoch);
        }
        table.insert(hash, slot, extra, &self.hash);
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
                let Some(evicted) = table.evict(&self.hash) else { break };
                self.bury(table, evicted.outcome, epoch);
            }
        }
    }

    /// Forgets one relation; its outcome goes to limbo.
    pub fn remove(&self, key: &Handle, epoch: Epoch) -> Option<Relation> {
        let hash = self.hash.of(key);
        let mut guard = self.shard(hash).lock();
        let table = &mut *guard;
        let at = table.slots.find(hash, key)?;
        let relation = table.slots.get(at).relation(&table.extras);
        let slot = table.remove(at, &self.hash)?;
        self.bury(table, slot.outcome, epoch);
        Some(relation)
    }

    #[cold]
    fn bury(&self, table: &mut Table, outcome: Handle, epoch: Epoch) {
        self.forgot.store(true, Ordering::Relaxed);
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
            table.slots.bytes()
                + table.extras.capacity() * 8 / 7 * (size_of::<(Handle, Extra)>() + 1)
        };
        self.shards.iter().map(|shard| allocated(&shard.0.lock())).sum()
    }

    /// Calls `f` with each relation; it may call back, since nothing is locked.
    pub fn for_each(&self, mut f: impl FnMut(&Handle, &Relation)) {
        let mut copies = Vec::new();
        for shard in &self.shards {
            copies.clear();
            let table = shard.0.lock();
            let relations = table.slots.iter().map(|slot| (slot.key, slot.relation(&table.extras)));
            copies.extend(relations);
            drop(table);
            copies.iter().for_each(|(key, relation)| f(key, relation));
        }
    }

    /// Calls `f` with the handles of all outcomes and notes, but for literals.
    /// Like [`Relations::for_each`] without what a collector has no use for.
    pub fn for_each_root(&self, mut f: impl FnMut(&Handle)) {
        let mut copies = Vec::new();
        for shard in &self.shards {
            copies.clear();
            let table = shard.0.lock();
            copies
                .extend(table.slots.iter().map(|slot| slot.outcome).filter(|at| !at.is_literal()));
            copies.extend(table.extras.values().filter_map(|extra| extra.notes));
            drop(table);
            copies.iter().for_each(&mut f);
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
    // What the entries need, were the tables as empty as they become.
    fn bytes(&self) -> usize {
        self.slots.len() * SLOT_BYTES + self.extras.len() * EXTRA_BYTES
    }

    fn insert(&mut self, hash: u64, slot: Slot, extra: Option<Extra>, hasher: &HandleHash) {
        if let Some(extra) = extra {
            self.extras.insert(slot.key, extra);
            self.fit_extras();
        }
        self.slots.insert(hash, hasher, slot);
    }

    fn evict(&mut self, hasher: &HandleHash) -> Option<Slot> {
        // One round at most clears every flag.
        while self.slots.len() > 0 {
            if self.hand >= self.slots.len() {
                self.hand = 0;
            }
            let slot = self.slots.get_mut(self.hand);
            let at = self.hand;
            self.hand += 1;
            if slot.packed & USED == 0 {
                // The newest slot takes its place, now behind the hand: the
                // last that will be asked again.
                return self.remove(at, hasher);
            }
            slot.packed &= !USED;
        }
        None
    }

    fn remove(&mut self, at: usize, hasher: &HandleHash) -> Option<Slot> {
        let slot = self.slots.swap_remove(hasher, at)?;
        if slot.has_extra() {
            self.extras.remove(&slot.key);
            self.fit_extras();
        }
        Some(slot)
    }

    /// Also after an insert: a table that is full of what was removed doubles
    /// from little more than half of it on.
    fn fit_extras(&mut self) {
        if self.extras.len() < self.extras.capacity() / 8 * 3 {
            self.extras.shrink_to_fit();
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
