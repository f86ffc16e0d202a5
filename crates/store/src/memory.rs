use std::sync::atomic::{AtomicU64, Ordering};

use hashbrown::HashTable;
use hashbrown::hash_table::Entry;
use weft_object::{Content, Handle, Tree};

use crate::hash::HandleHash;
use crate::sync::{Mutex, MutexGuard};

/// The caller's clock for collection: it only ever grows, and what is put or
/// touched in an epoch is safe from a sweep of what came before that epoch.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Default)]
pub struct Epoch(pub u64);

/// How old unmarked content has to be for a sweep to take it: last touched
/// before these epochs.
#[derive(Clone, Copy, Debug)]
pub struct Before {
    /// Of content that is nowhere else.
    pub volatile: Epoch,
    /// Of content that a backend holds too; `Epoch(u64::MAX)` takes it all.
    pub durable: Epoch,
}

impl From<Epoch> for Before {
    fn from(epoch: Epoch) -> Self {
        Self { volatile: epoch, durable: epoch }
    }
}

/// What a sweep took away.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Swept {
    /// How many objects.
    pub objects: u64,
    /// Their bytes, as [`Memory::bytes`] counted them.
    pub bytes: u64,
}

/// The memory tier: content by handle, shared by all threads.
///
/// # Contract
/// Who puts content under a handle has hashed or verified it; this is checked
/// in full only with debug assertions. Otherwise every reader gets a wrong
/// answer.
pub struct Memory {
    hash: HandleHash,
    shards: Box<[Shard]>,
    /// The number of the last [`Marking`]; there is one at a time.
    marking: Mutex<u32>,
}

const SHARDS: usize = 256;

// Its own cache lines: neighbors are locked by other threads.
#[derive(Default)]
#[repr(align(128))]
struct Shard {
    table: Mutex<HashTable<Slot>>,
    content_bytes: AtomicU64,
    /// The part of them that a backend holds too.
    durable_bytes: AtomicU64,
    table_bytes: AtomicU64,
    objects: AtomicU64,
}

struct Slot {
    handle: Handle,
    content: Content,
    touched: Epoch,
    /// The last marking that came by here. A set of what is marked would take
    /// as much memory as the collection is to save.
    marked: u32,
    durable: bool,
}

impl Slot {
    /// What the tier counts for it while it is durable.
    fn durable_bytes(&self) -> u64 {
        if self.durable { cost(&self.content) } else { 0 }
    }
}

// What an allocation costs beside its bytes: the counts of an `Arc`, for a Blob
// also the owner's pointer, length and capacity, and the allocator's own words.
const TREE_OVERHEAD_BYTES: u64 = 16 + 16;
const BLOB_OVERHEAD_BYTES: u64 = 16 + 24 + 2 * 16;

fn cost(content: &Content) -> u64 {
    content.bytes_len()
        + match content {
            Content::Blob(_) => BLOB_OVERHEAD_BYTES,
            Content::Tree(_) | Content::Tag(_) => TREE_OVERHEAD_BYTES,
        }
}

impl Default for Memory {
    fn default() -> Self {
        Self::new()
    }
}

impl Memory {
    /// An empty tier.
    #[must_use]
    pub fn new() -> Self {
        let shards = (0..SHARDS).map(|_| Shard::default()).collect();
        Self { hash: HandleHash::default(), shards, marking: Mutex::default() }
    }

    #[inline]
    fn shard(&self, hash: u64) -> &Shard {
        // The table takes its bucket from the lowest bits and its tag from the
        // highest seven.
        &self.shards[(hash >> 40) as usize % SHARDS]
    }

    /// Keeps content under its handle, or only touches what is there already.
    /// Whether it is new. A literal is not kept.
    ///
    /// # Panics
    /// With debug assertions, if the content is not the handle's.
    #[inline]
    pub fn put(&self, handle: &Handle, content: Content, epoch: Epoch) -> bool {
        self.put_as(handle, content, epoch, false)
    }

    /// Keeps content that was loaded from a backend, and so is durable.
    ///
    /// # Panics
    /// With debug assertions, if the content is not the handle's.
    #[inline]
    pub fn put_durable(&self, handle: &Handle, content: Content, epoch: Epoch) -> bool {
        self.put_as(handle, content, epoch, true)
    }

    fn put_as(&self, handle: &Handle, content: Content, epoch: Epoch, durable: bool) -> bool {
        if handle.is_literal() {
            return false;
        }
        let handle = handle.content();
        debug_assert_eq!(content.handle(), handle, "content under a handle that is not its own");
        let hash = self.hash.of(&handle);
        let shard = self.shard(hash);
        let added = cost(&content);
        let mut table = shard.table.lock();
        let slot = table.entry(
            hash,
            |slot| slot.handle == handle,
            // On growth only.
            |slot| self.hash.of(&slot.handle),
        );
        match slot {
            Entry::Occupied(mut found) => {
                let slot = found.get_mut();
                slot.touched = slot.touched.max(epoch);
                if durable {
                    shard.make_durable(slot);
                }
                drop(table);
                // The second copy is freed outside of the lock.
                drop(content);
                false
            }
            Entry::Vacant(place) => {
                place.insert(Slot { handle, content, touched: epoch, marked: 0, durable });
                let added_durable = if durable { added } else { 0 };
                shard.count(&table, added.cast_signed(), added_durable.cast_signed());
                true
            }
        }
    }

    /// The content of a handle of whatever kind; of a literal, none.
    #[inline]
    #[must_use]
    pub fn get(&self, handle: &Handle) -> Option<Content> {
        self.with(handle, |slot| slot.content.clone())
    }

    /// Like [`Memory::get`], and touches it.
    #[must_use]
    pub fn get_at(&self, handle: &Handle, epoch: Epoch) -> Option<Content> {
        self.with(handle, |slot| {
            slot.touched = slot.touched.max(epoch);
            slot.content.clone()
        })
    }

    /// Whether the content of a handle is here.
    #[must_use]
    pub fn contains(&self, handle: &Handle) -> bool {
        self.with(handle, |_| ()).is_some()
    }

    /// Makes content as young as this epoch; whether it is here.
    pub fn touch(&self, handle: &Handle, epoch: Epoch) -> bool {
        self.with(handle, |slot| slot.touched = slot.touched.max(epoch)).is_some()
    }

    /// Notes that a backend holds this content and has synced; whether it is
    /// here.
    pub fn set_durable(&self, handle: &Handle) -> bool {
        let handle = handle.content();
        let hash = self.hash.of(&handle);
        let shard = self.shard(hash);
        let mut table = shard.table.lock();
        let slot = table.find_mut(hash, |slot| slot.handle == handle);
        slot.map(|slot| shard.make_durable(slot)).is_some()
    }

    /// Whether content is here and also in a backend; `None` if it is not here.
    #[must_use]
    pub fn is_durable(&self, handle: &Handle) -> Option<bool> {
        self.with(handle, |slot| slot.durable)
    }

    #[inline]
    fn with<T>(&self, handle: &Handle, then: impl FnOnce(&mut Slot) -> T) -> Option<T> {
        let handle = handle.content();
        let hash = self.hash.of(&handle);
        let mut table = self.shard(hash).table.lock();
        table.find_mut(hash, |slot| slot.handle == handle).map(then)
    }

    /// How many objects are here.
    #[must_use]
    pub fn len(&self) -> u64 {
        self.shards.iter().map(|shard| shard.objects.load(Ordering::Relaxed)).sum()
    }

    /// Whether none is.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// The bytes that the tier takes: of content, of its allocations and of the
    /// tables. Content that somebody else also holds on to counts all the same.
    #[must_use]
    pub fn bytes(&self) -> u64 {
        self.shards
            .iter()
            .map(|shard| {
                shard.content_bytes.load(Ordering::Relaxed)
                    + shard.table_bytes.load(Ordering::Relaxed)
            })
            .sum()
    }

    /// The part of [`Memory::bytes`] that content takes which a backend holds
    /// too. The rest, tables included, no sweep of durable content gives back.
    #[must_use]
    pub fn durable_bytes(&self) -> u64 {
        self.shards.iter().map(|shard| shard.durable_bytes.load(Ordering::Relaxed)).sum()
    }

    /// Begins to mark what is to survive a sweep. Another thread that begins one
    /// too waits until this is dropped.
    #[must_use]
    pub fn marking(&self) -> Marking<'_> {
        let mut last = self.marking.lock();
        // New content has 0. A slot that is skipped by four billion markings
        // would look marked once.
        *last = last.wrapping_add(1).max(1);
        Marking { memory: self, number: *last, _only: last, open: Vec::new(), count: 0 }
    }

    /// Drops what `keep` does not want and was last touched before the epoch of
    /// its sort.
    ///
    /// Other threads may go on meanwhile: what they put or touch in a later
    /// epoch stays. `keep` is called with a part of the tier locked, so it must
    /// not call back.
    pub fn sweep(&self, keep: impl Fn(&Handle) -> bool, before: impl Into<Before>) -> Swept {
        self.sweep_slots(|slot| keep(&slot.handle), before.into())
    }

    fn sweep_slots(&self, keep: impl Fn(&Slot) -> bool, before: Before) -> Swept {
        let mut swept = Swept::default();
        for shard in &self.shards {
            let mut table = shard.table.lock();
            let taken: Vec<Slot> = table
                .extract_if(|slot| {
                    let age = if slot.durable { before.durable } else { before.volatile };
                    slot.touched < age && !keep(slot)
                })
                .collect();
            if taken.is_empty() {
                continue;
            }
            if table.len() < table.capacity() / 4 {
                let capacity = 2 * table.len();
                table.shrink_to(capacity, |slot| self.hash.of(&slot.handle));
            }
            let bytes: u64 = taken.iter().map(|slot| cost(&slot.content)).sum();
            let durable: u64 = taken.iter().map(Slot::durable_bytes).sum();
            shard.count(&table, -bytes.cast_signed(), -durable.cast_signed());
            drop(table);
            swept.objects += taken.len() as u64;
            swept.bytes += bytes;
        }
        swept
    }
}

/// A walk over all that is alive: [`Marking::reach`] from each root, then
/// [`Marking::sweep`].
///
/// # Contract
/// Whatever is alive and older than the epoch of the sweep is reached from some
/// root, or it is lost. What is put or touched meanwhile is young, and safe.
#[derive(Debug)]
pub struct Marking<'m> {
    memory: &'m Memory,
    number: u32,
    _only: MutexGuard<'m, u32>,
    open: Vec<Tree>,
    count: u64,
}

impl Marking<'_> {
    /// Marks all that can be reached from a handle: through Trees, Tags and
    /// Refs, through what defines a Thunk, through Encodes. What is not here is
    /// not followed.
    pub fn reach(&mut self, root: &Handle) {
        self.look(root);
        while let Some(tree) = self.open.pop() {
            tree.entries().iter().for_each(|entry| self.look(entry));
        }
    }

    fn look(&mut self, handle: &Handle) {
        if handle.is_literal() {
            return;
        }
        let number = self.number;
        let first = self.memory.with(handle, |slot| {
            let first = std::mem::replace(&mut slot.marked, number) != number;
            first.then(|| slot.content.tree().cloned())
        });
        if let Some(Some(below)) = first {
            self.count += 1;
            self.open.extend(below);
        }
    }

    /// How many objects are marked.
    #[must_use]
    pub const fn count(&self) -> u64 {
        self.count
    }

    /// Drops what is not marked and was last touched before the epoch of its
    /// sort; see [`Memory::sweep`].
    pub fn sweep(self, before: impl Into<Before>) -> Swept {
        self.memory.sweep_slots(|slot| slot.marked == self.number, before.into())
    }
}

impl Shard {
    // With the table locked, so plain loads and stores are enough.
    fn count(&self, table: &HashTable<Slot>, content_bytes: i64, durable_bytes: i64) {
        add(&self.content_bytes, content_bytes);
        add(&self.durable_bytes, durable_bytes);
        self.table_bytes.store(table.allocation_size() as u64, Ordering::Relaxed);
        self.objects.store(table.len() as u64, Ordering::Relaxed);
    }

    // Likewise.
    fn make_durable(&self, slot: &mut Slot) {
        if !std::mem::replace(&mut slot.durable, true) {
            add(&self.durable_bytes, slot.durable_bytes().cast_signed());
        }
    }
}

fn add(count: &AtomicU64, change: i64) {
    count.store(count.load(Ordering::Relaxed).saturating_add_signed(change), Ordering::Relaxed);
}

impl std::fmt::Debug for Memory {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "Memory({} objects, {} bytes)", self.len(), self.bytes())
    }
}
