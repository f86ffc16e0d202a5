//! Dropping from memory what nobody needs.
//!
//! Volatile content, which is nowhere else, goes when nothing reaches it any
//! more: no session, no key of the graph, no thread, no relation in the cache.
//! Durable content can be loaded again, so it goes under memory pressure unless
//! a function that runs or is about to run has it in its footprint.
//!
//! Threads go on meanwhile. What they put or look up during a collection is safe
//! because of its epoch; see [`Slot`](crate::slot::Slot) for what they held
//! before.

use std::cell::RefCell;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};

use weft_object::Handle;
use weft_store::{Before, Epoch, Marks, Swept};

use crate::Event;
use crate::node::Shared;
use crate::sync::Mutex;
use crate::verify::Verifier;
use crate::worker::Job;

/// When to collect.
#[derive(Debug, Default)]
pub(crate) struct Collector {
    one_at_a_time: Mutex<()>,
    /// A worker was asked to.
    wanted: AtomicBool,
    /// Bytes that were put when the last collection ended.
    put_bytes: AtomicU64,
    /// Bytes that it left.
    left_bytes: AtomicU64,
    /// Bytes that were loaded when it ended.
    loaded_bytes: AtomicU64,
}

/// Never collect for less than this.
const GARBAGE_MIN_BYTES: u64 = 4 << 20;

impl Shared {
    /// Collects if enough was put since the last time to make it pay, or if
    /// loaded content takes too much.
    pub(crate) fn collect_if_due(&self) {
        if self.is_due(1) {
            self.collect_unless_busy();
        }
    }

    /// The same for a thread that somebody waits for: an idle worker does it,
    /// unless it comes to so much that whoever makes it must be slowed down.
    pub(crate) fn have_collected(&self) {
        if !self.is_due(1) || self.collector.wanted.load(Ordering::Relaxed) && !self.is_due(2) {
            return;
        }
        if self.is_due(2) || !self.queue.wants_work() {
            return self.collect_unless_busy();
        }
        if !self.collector.wanted.swap(true, Ordering::Relaxed) {
            self.queue.push(vec![Job::Collect], None);
        }
    }

    /// What a worker does of [`Shared::have_collected`].
    pub(crate) fn collect_as_wanted(&self) {
        self.collect_if_due();
        self.collector.wanted.store(false, Ordering::Relaxed);
    }

    pub(crate) fn collection_is_due(&self) -> bool {
        self.is_due(1)
    }

    /// Whether so many times as much was put as pays for a collection.
    fn is_due(&self, times: u64) -> bool {
        let collector = &self.collector;
        let put = self.slots.put_bytes();
        let since = put.saturating_sub(collector.put_bytes.load(Ordering::Relaxed));
        let left = collector.left_bytes.load(Ordering::Relaxed);
        // A walk over all that is alive should be paid for by as much garbage,
        // as long as that stays within the cache's share.
        let due = left.min(self.relation_cache_bytes / 8).max(GARBAGE_MIN_BYTES);
        since >= due.saturating_mul(times) || self.memory_pressure()
    }

    fn memory_pressure(&self) -> bool {
        // Where the last collection could not drop enough, the next one waits
        // until there is something new to drop.
        let loaded = self.counts.loaded_bytes.load(Ordering::Relaxed);
        let since = loaded.saturating_sub(self.collector.loaded_bytes.load(Ordering::Relaxed));
        let max = self.content_bytes_max();
        since > max / 16 && self.memory.bytes() > max
    }

    /// Beyond this much, durable content is dropped.
    const fn content_bytes_max(&self) -> u64 {
        self.memory_bytes / 2
    }

    fn collect_unless_busy(&self) {
        if let Some(guard) = self.collector.one_at_a_time.try_lock() {
            self.collect_locked();
            drop(guard);
        }
    }

    pub(crate) fn collect(&self) {
        let guard = self.collector.one_at_a_time.lock();
        self.collect_locked();
        drop(guard);
    }

    fn collect_locked(&self) {
        let put = self.slots.put_bytes();
        let ended = self.next_epoch();
        // Before anything else: a job that ends while this goes on has handed
        // over what it held to one of the places that are read below.
        let oldest = self.slots.oldest().min(ended);
        // In the direction in which handles are handed over: from threads to
        // the graph, from there to sessions. So none slips through between.
        let (mut roots, mut running) = (Vec::new(), Vec::new());
        self.slots.held(&mut roots);
        running.extend(self.slots.pinned());
        let (waiting, claimed) = self.graph.lock().roots();
        running.extend(claimed);
        roots.extend_from_slice(&waiting);
        for session in self.sessions.lock().iter().filter_map(std::sync::Weak::upgrade) {
            session.copy_to(&mut roots);
        }
        roots.extend(self.verifier.iter().flat_map(Verifier::roots));
        let mut marking = self.memory.marking();
        roots.iter().chain(&running).for_each(|root| marking.reach(root));
        drop(roots);
        marking.reach_held();
        self.relations.for_each_root(|root| marking.reach(root));
        self.applied_to_be_kept().iter().for_each(|root| marking.reach(root));
        // After the relations: what is evicted meanwhile is seen as one or the
        // other.
        self.relations.limbo_roots(oldest).iter().for_each(|root| marking.reach(root));
        let mut swept = marking.sweep(Before { volatile: oldest, durable: Epoch(0) });
        if self.memory.bytes() > self.content_bytes_max() {
            add(&mut swept, self.drop_durable(&running, &waiting, ended));
        }
        let left = self.memory.bytes();
        // What relations keep alive counts to their cache, and so does their
        // table. Half of it is left to what comes until shedding helps: garbage
        // of two more collections, what is in limbo, and the allocator's.
        if self.is_cache_full() {
            self.keep_before_shedding();
            if self.is_cache_full() {
                self.relations.shed(self.epoch());
            }
        }
        let loaded = self.counts.loaded_bytes.load(Ordering::Relaxed);
        self.collector.loaded_bytes.store(loaded, Ordering::Relaxed);
        self.collector.put_bytes.store(put, Ordering::Relaxed);
        self.collector.left_bytes.store(left, Ordering::Relaxed);
        if swept.objects > 0 {
            let Swept { objects, bytes } = swept;
            self.watchers.tell(|| Event::Collected { objects, bytes });
        }
    }

    fn is_cache_full(&self) -> bool {
        let volatile = self.memory.bytes().saturating_sub(self.memory.durable_bytes());
        let table = self.relations.bytes() as u64;
        volatile.saturating_add(table) > self.relation_cache_bytes / 2
    }

    /// Drops what can be loaded again, but not the footprints of what runs, nor
    /// what a key in the graph has asked for: a rule that needs several objects
    /// at once would wait for ever if the next pushed out the last.
    fn drop_durable(&self, running: &[Handle], waiting: &[Handle], epoch: Epoch) -> Swept {
        let mut needed = Marks::default();
        for handle in waiting {
            needed.insert(handle);
        }
        for application in running {
            let trees = RefCell::new(&mut needed);
            weft_eval::survey(
                *application,
                |object| {
                    trees.borrow_mut().insert(&object);
                    self.memory.get(&object)?.tree().cloned()
                },
                |blob| {
                    trees.borrow_mut().insert(&blob);
                    true
                },
            );
        }
        let old = Before { volatile: Epoch(0), durable: epoch };
        self.memory.sweep(|handle| needed.contains(handle), old)
    }
}

fn add(swept: &mut Swept, more: Swept) {
    swept.objects += more.objects;
    swept.bytes += more.bytes;
}
