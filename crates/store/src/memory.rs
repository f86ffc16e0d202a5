mod slot;

use std::collections::HashSet;
use std::sync::atomic::{AtomicU64, Ordering};

use weft_object::{Content, Handle, Tree};

use crate::by_handle::ByHandle;
use crate::hash::HandleHash;
use crate::sync::{Mutex, MutexGuard};
use slot::{MARK, Slot};

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
    holders: Mutex<Holders>,
}

// So many that growing the index of one, of ten million objects, takes some
// tenths of a millisecond.
const SHARDS: usize = 1024;

// Its own cache lines: neighbors are locked by other threads.
#[derive(Default)]
#[repr(align(128))]
struct Shard {
    table: Mutex<ByHandle<Slot>>,
    content_bytes: AtomicU64,
    /// The part of them that a backend holds too.
    durable_bytes: AtomicU64,
    table_bytes: AtomicU64,
    objects: AtomicU64,
}

/// Somebody who keeps what it puts by [`Memory::put_for`] from collections,
/// until [`Memory::end_holder`].
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Holder(u32);

#[derive(Debug, Default)]
struct Holders {
    last: u32,
    live: HashSet<u32>,
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
        Self {
            hash: HandleHash::default(),
            shards,
            marking: Mutex::default(),
            holders: Mutex::default(),
        }
    }

    /// Somebody who will hold what it puts. The mark costs nothing, where a list
    /// of handles would cost 32 bytes and more for each.
    #[must_use]
    pub fn begin_holder(&self) -> Holder {
        let mut holders = self.holders.lock();
        // Past four billion, nobody: what such a one puts is never held.
        let Some(next) = holders.last.checked_add(1) else { return Holder(0) };
        holders.last = next;
        holders.live.insert(next);
        Holder(next)
    }

    /// What somebody held is as any other content from now on.
    pub fn end_holder(&self, holder: Holder) {
        self.holders.lock().live.remove(&holder.0);
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
        let mut table = shard.table.lock();
        if let Some(slot) = table.find_mut(hash, &handle) {
            slot.touch(epoch);
            if durable {
                shard.make_durable(slot);
            }
            drop(table);
            // The second copy is freed outside of the lock.
            drop(content);
            return false;
        }
        shard.insert(&mut table, (hash, &self.hash), Slot::new(handle, content, epoch, durable));
        true
    }

    /// Like [`Memory::put`], and the content is held for somebody. The epoch is
    /// asked for once no collection can overlook that. Whether it is new.
    ///
    /// # Errors
    /// Somebody else holds it; the content comes back, and is not touched.
    ///
    /// # Panics
    /// With debug assertions, if the content is not the handle's.
    pub fn put_for(
        &self,
        handle: &Handle,
        content: Content,
        epoch: impl FnOnce() -> Epoch,
        holder: Holder,
    ) -> Result<bool, Content> {
        if handle.is_literal() {
            return Ok(false);
        }
        let handle = handle.content();
        debug_assert_eq!(content.handle(), handle, "content under a handle that is not its own");
        let hash = self.hash.of(&handle);
        let shard = self.shard(hash);
        let mut table = shard.table.lock();
        if let Some(slot) = table.find_mut(hash, &handle) {
            let holds = slot.head().holder;
            if holder == Holder(0)
                || holds != 0 && holds != holder.0 && self.holders.lock().live.contains(&holds)
            {
                return Err(content);
            }
            slot.head_mut().holder = holder.0;
            slot.touch(epoch());
            drop(table);
            drop(content);
            return Ok(false);
        }
        if holder == Holder(0) {
            return Err(content);
        }
        let mut slot = Slot::new(handle, content, epoch(), false);
        slot.head_mut().holder = holder.0;
        shard.insert(&mut table, (hash, &self.hash), slot);
        Ok(true)
    }

    /// The content of a handle of whatever kind; of a literal, none.
    #[inline]
    #[must_use]
    pub fn get(&self, handle: &Handle) -> Option<Content> {
        self.with(handle, |slot| slot.content())
    }

    /// Like [`Memory::get`], and touches it.
    #[must_use]
    pub fn get_at(&self, handle: &Handle, epoch: Epoch) -> Option<Content> {
        self.with(handle, |slot| {
            slot.touch(epoch);
            slot.content()
        })
    }

    /// Whether the content of a handle is here.
    #[must_use]
    pub fn contains(&self, handle: &Handle) -> bool {
        self.with(handle, |_| ()).is_some()
    }

    /// Makes content as young as this epoch; whether it is here.
    pub fn touch(&self, handle: &Handle, epoch: Epoch) -> bool {
        self.with(handle, |slot| slot.touch(epoch)).is_some()
    }

    /// Notes that a backend holds this content and has synced; whether it is
    /// here.
    pub fn set_durable(&self, handle: &Handle) -> bool {
        let handle = handle.content();
        let hash = self.hash.of(&handle);
        let shard = self.shard(hash);
        let mut table = shard.table.lock();
        table.find_mut(hash, &handle).map(|slot| shard.make_durable(slot)).is_some()
    }

    /// Whether content is here and also in a backend; `None` if it is not here.
    #[must_use]
    pub fn is_durable(&self, handle: &Handle) -> Option<bool> {
        self.with(handle, |slot| slot.is_durable())
    }

    /// Whether a Blob is a mapped file, whose bytes take no memory that has to be
    /// claimed; `None` if it is not here. Touches it.
    #[must_use]
    pub fn is_mapped_at(&self, handle: &Handle, epoch: Epoch) -> Option<bool> {
        self.with(handle, |slot| {
            slot.touch(epoch);
            slot.is_mapped()
        })
    }

    #[inline]
    fn with<T>(&self, handle: &Handle, then: impl FnOnce(&mut Slot) -> T) -> Option<T> {
        let handle = handle.content();
        let hash = self.hash.of(&handle);
        let mut table = self.shard(hash).table.lock();
        table.find_mut(hash, &handle).map(then)
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
    /// tables. Content that somebody else also holds on to counts all the same;
    /// mapped files count nothing.
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
        // New content has 0. A slot that is skipped by a billion markings
        // would look marked once.
        *last = if *last >= MARK { 1 } else { *last + 1 };
        Marking { memory: self, number: *last, _only: last, open: Vec::new(), count: 0 }
    }

    /// Drops what `keep` does not want and was last touched before the epoch of
    /// its sort.
    ///
    /// Other threads may go on meanwhile: what they put or touch in a later
    /// epoch stays. `keep` is called with a part of the tier locked, so it must
    /// not call back.
    pub fn sweep(&self, keep: impl Fn(&Handle) -> bool, before: impl Into<Before>) -> Swept {
        self.sweep_slots(|slot| keep(&slot.head().handle), before.into())
    }

    fn sweep_slots(&self, keep: impl Fn(&Slot) -> bool, before: Before) -> Swept {
        let mut swept = Swept::default();
        for shard in &self.shards {
            let mut table = shard.table.lock();
            let taken = table.take(&self.hash, |slot| {
                let age = if slot.is_durable() { before.durable } else { before.volatile };
                slot.is_older_than(age) && !keep(slot)
            });
            if taken.is_empty() {
                continue;
            }
            let bytes: u64 = taken.iter().map(Slot::bytes).sum();
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
        self.follow();
    }

    /// Marks all that somebody holds, and what can be reached from it.
    pub fn reach_held(&mut self) {
        let live = self.memory.holders.lock().live.clone();
        if live.is_empty() {
            return;
        }
        let number = self.number;
        for shard in &self.memory.shards {
            let mut table = shard.table.lock();
            for slot in table.iter_mut() {
                if live.contains(&slot.head().holder) && slot.mark(number) {
                    self.count += 1;
                    self.open.extend(slot.tree().cloned());
                }
            }
            drop(table);
            self.follow();
        }
    }

    fn follow(&mut self) {
        while let Some(tree) = self.open.pop() {
            tree.entries().iter().for_each(|entry| self.look(entry));
        }
    }

    fn look(&mut self, handle: &Handle) {
        if handle.is_literal() {
            return;
        }
        let number = self.number;
        let first =
            self.memory.with(handle, |slot| slot.mark(number).then(|| slot.tree().cloned()));
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
        self.memory.sweep_slots(|slot| slot.is_marked(self.number), before.into())
    }
}

impl Shard {
    fn insert(&self, table: &mut ByHandle<Slot>, (hash, hasher): (u64, &HandleHash), slot: Slot) {
        let added = slot.bytes();
        let durable = slot.durable_bytes();
        table.insert(hash, hasher, slot);
        self.count(table, added.cast_signed(), durable.cast_signed());
    }

    // With the table locked, so plain loads and stores are enough.
    fn count(&self, table: &ByHandle<Slot>, content_bytes: i64, durable_bytes: i64) {
        add(&self.content_bytes, content_bytes);
        add(&self.durable_bytes, durable_bytes);
        self.table_bytes.store(table.bytes() as u64, Ordering::Relaxed);
        self.objects.store(table.len() as u64, Ordering::Relaxed);
    }

    // Likewise.
    fn make_durable(&self, slot: &mut Slot) {
        if slot.make_durable() {
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
