use std::cell::{Cell, RefCell};
use std::sync::{Arc, Weak};

use weft_engine::Interrupt;
use weft_eval::Ticket;
use weft_object::Handle;
use weft_store::Epoch;

use crate::pinned::Pinned;
use crate::sync::{AtomicBool, AtomicU64, Mutex, Ordering};

/// What one thread is doing, for the collector and for whoever interrupts.
///
/// Handles that are only in a thread's local variables are roots too. While a
/// thread follows the rules, that is settled by time: whatever was put or looked
/// up since it began is left alone. A function may run for hours, though, so
/// before it does, its thread writes down what it holds instead.
///
/// All but `doing` is written by the slot's own thread alone, so a small
/// invocation costs it one write that others have to see before it goes on
/// ([`Slot::begin`]), and takes no lock.
// Its own cache lines: others' threads write beside it all the time.
#[derive(Debug)]
#[repr(align(128))]
pub(crate) struct Slot {
    /// When the job began that is being done; [`IDLE`] if none is, or if what
    /// it holds is written down.
    began: AtomicU64,
    /// The application that runs, whose footprint has to stay resident.
    pinned: Pinned,
    /// Whether there is anything in `doing` to be forgotten.
    written: AtomicBool,
    pub(crate) tally: Tally,
    doing: Mutex<Doing>,
    interrupt: Interrupt,
}

#[derive(Debug, Default)]
pub(crate) struct Doing {
    /// Held by the job besides what is in the graph.
    pub(crate) held: Vec<Handle>,
    /// The graph's ticket for the job, and how to end it.
    pub(crate) job: Option<(Ticket, Interrupt)>,
}

/// The ticket of what the graph has given none.
pub(crate) const OWN: Ticket = 0;

const IDLE: u64 = u64::MAX;

impl Default for Slot {
    fn default() -> Self {
        Self {
            began: AtomicU64::new(IDLE),
            pinned: Pinned::default(),
            written: AtomicBool::new(false),
            tally: Tally::default(),
            doing: Mutex::default(),
            interrupt: Interrupt::new(),
        }
    }
}

impl Slot {
    /// For the thread itself. [`Slot::end`] forgets what it writes there.
    pub(crate) fn doing(&self) -> crate::sync::MutexGuard<'_, Doing> {
        self.written.store(true, Ordering::Relaxed);
        self.doing.lock()
    }

    /// Ends what the thread does for no ticket of the graph, once the node is
    /// closing.
    pub(crate) fn interrupt(&self) -> &Interrupt {
        &self.interrupt
    }

    /// Begins a job, or goes on with one, as of this epoch.
    pub(crate) fn begin(&self, epoch: Epoch) {
        self.began.store(epoch.0, Ordering::SeqCst);
    }

    /// Ends a job, or says that all it holds is written down.
    pub(crate) fn rest(&self) {
        // Whoever sees it sees also what was written down before.
        self.began.store(IDLE, Ordering::Release);
    }

    /// Has the footprint of an application stay resident from the next
    /// collection on. From one that goes on meanwhile it is safe if it is
    /// touched after this: [`Shared::survey`](crate::node::Shared::survey) does.
    pub(crate) fn pin(&self, application: Option<Handle>) {
        self.pinned.set(application);
    }

    /// Ends a job and forgets what it held, which others hold by now.
    pub(crate) fn end(&self) {
        self.rest();
        self.pin(None);
        self.tally.running.set(0);
        if self.written.load(Ordering::Relaxed) {
            self.written.store(false, Ordering::Relaxed);
            let mut doing = self.doing.lock();
            doing.held.clear();
            doing.held.shrink_to(1024);
            doing.job = None;
        }
    }

    fn began(&self) -> Epoch {
        Epoch(self.began.load(Ordering::SeqCst))
    }
}

/// What a thread has done, counted by itself alone: one line that all threads
/// write would cost each of them more than the rest of a small invocation.
#[derive(Debug, Default)]
pub(crate) struct Tally {
    pub(crate) applied: Count,
    pub(crate) failed: Count,
    pub(crate) run_ns: Count,
    pub(crate) hits: Count,
    pub(crate) recorded: Count,
    pub(crate) running: Count,
}

/// A number that one thread changes and all may read.
#[derive(Debug, Default)]
pub(crate) struct Count(AtomicU64);

impl Count {
    pub(crate) fn add(&self, more: u64) {
        self.set(self.get().wrapping_add(more));
    }

    pub(crate) fn set(&self, value: u64) {
        self.0.store(value, Ordering::Relaxed);
    }

    pub(crate) fn get(&self) -> u64 {
        self.0.load(Ordering::Relaxed)
    }
}

/// A borrowed slot with a job that is being done in it; dropped, also by a
/// panic, it is free again and keeps nothing from collection.
#[derive(Debug)]
pub(crate) struct Borrowed<'a> {
    slots: &'a Slots,
    slot: Option<Arc<Slot>>,
}

impl std::ops::Deref for Borrowed<'_> {
    type Target = Slot;

    fn deref(&self) -> &Slot {
        match &self.slot {
            Some(slot) => slot,
            None => unreachable!("only the drop takes it"),
        }
    }
}

impl Drop for Borrowed<'_> {
    fn drop(&mut self) {
        self.end();
        if let Some(slot) = self.slot.take() {
            self.slots.give_back(slot);
        }
    }
}

/// The slots of all threads that work for a node, its own and others'.
#[derive(Debug, Default)]
pub(crate) struct Slots(Arc<All>);

#[derive(Debug, Default)]
struct All {
    all: Mutex<Vec<Arc<Slot>>>,
    free: Mutex<Vec<Arc<Slot>>>,
    /// What was put in this node.
    put_bytes: AtomicU64,
}

impl All {
    fn is(&self, at: usize) -> bool {
        std::ptr::from_ref(self).addr() == at
    }

    fn add_put(&self, bytes: u64) {
        self.put_bytes.fetch_add(bytes, Ordering::Relaxed);
    }
}

/// The slot that a thread had last in some node, and has again the next time
/// without asking anybody.
#[derive(Debug)]
struct Seat {
    of: Weak<All>,
    slot: Option<Arc<Slot>>,
}

impl Drop for Seat {
    fn drop(&mut self) {
        if let (Some(slot), Some(of)) = (self.slot.take(), self.of.upgrade()) {
            let (at, bytes) = UNCOUNTED.take();
            if of.is(at) {
                of.add_put(bytes);
            }
            of.free.lock().push(slot);
        }
    }
}

thread_local! {
    /// What this thread has put and not counted, and where.
    static UNCOUNTED: Cell<(usize, u64)> = const { Cell::new((0, 0)) };
    static SEATS: RefCell<Vec<Seat>> = const { RefCell::new(Vec::new()) };
}

impl Slots {
    /// A slot for a thread that stays.
    pub(crate) fn add(&self) -> Arc<Slot> {
        let slot = Arc::new(Slot::default());
        self.0.all.lock().push(slot.clone());
        slot
    }

    /// Counts what was put, for whoever collects: in portions, because all threads
    /// write the sum. Of a thread that works for two nodes in turns, less than one
    /// is never counted.
    #[inline]
    pub(crate) fn count_put(&self, bytes: u64) {
        const PORTION_BYTES: u64 = 32 << 10;
        let (at, before) = UNCOUNTED.get();
        let sum = if self.0.is(at) { before + bytes } else { bytes };
        let left = if sum < PORTION_BYTES { sum } else { 0 };
        UNCOUNTED.set((Arc::as_ptr(&self.0).addr(), left));
        if left == 0 {
            self.0.add_put(sum);
        }
    }

    pub(crate) fn put_bytes(&self) -> u64 {
        self.0.put_bytes.load(Ordering::Relaxed)
    }

    /// A slot for a while.
    #[inline]
    pub(crate) fn borrow(&self) -> Borrowed<'_> {
        // A job within a job, as to bring content back, finds the seat taken.
        let own = SEATS.try_with(|seats| {
            let mut seats = seats.try_borrow_mut().ok()?;
            seats.iter_mut().find(|seat| self.has(seat))?.slot.take()
        });
        let slot = own.ok().flatten().unwrap_or_else(|| self.borrow_free());
        Borrowed { slots: self, slot: Some(slot) }
    }

    /// A slot that no thread has, for what a fork holds.
    pub(crate) fn lend(&self) -> Arc<Slot> {
        self.borrow_free()
    }

    pub(crate) fn give_back_lent(&self, slot: Arc<Slot>) {
        slot.end();
        self.0.free.lock().push(slot);
    }

    #[cold]
    fn borrow_free(&self) -> Arc<Slot> {
        let free = self.0.free.lock().pop();
        free.unwrap_or_else(|| self.add())
    }

    fn has(&self, seat: &Seat) -> bool {
        std::ptr::eq(seat.of.as_ptr(), Arc::as_ptr(&self.0))
    }

    #[inline]
    fn give_back(&self, slot: Arc<Slot>) {
        let mut slot = Some(slot);
        // A thread that is ending has no seats any more.
        let _ = SEATS.try_with(|seats| {
            let Ok(mut seats) = seats.try_borrow_mut() else { return };
            match seats.iter_mut().find(|seat| self.has(seat)) {
                Some(seat) if seat.slot.is_none() => seat.slot = slot.take(),
                Some(_) => {}
                None => {
                    seats.retain(|seat| seat.of.strong_count() > 0);
                    seats.push(Seat { of: Arc::downgrade(&self.0), slot: slot.take() });
                }
            }
        });
        if let Some(slot) = slot {
            self.0.free.lock().push(slot);
        }
    }

    /// When the oldest job that is being done began.
    pub(crate) fn oldest(&self) -> Epoch {
        self.0.all.lock().iter().map(|slot| slot.began()).min().unwrap_or(Epoch(IDLE))
    }

    /// What threads do at this moment.
    pub(crate) fn each(&self, mut f: impl FnMut(&Doing)) {
        for slot in self.0.all.lock().iter() {
            f(&slot.doing.lock());
        }
    }

    /// What all of them have written down, at one moment: a handle that goes
    /// from one to another is seen in one of them.
    pub(crate) fn held(&self, out: &mut Vec<Handle>) {
        let all = self.0.all.lock();
        // Nobody else has two of these locks at a time.
        let doing: Vec<_> = all.iter().map(|slot| slot.doing.lock()).collect();
        doing.iter().for_each(|doing| out.extend_from_slice(&doing.held));
    }

    /// The applications that threads run.
    pub(crate) fn pinned(&self) -> Vec<Handle> {
        self.0.all.lock().iter().filter_map(|slot| slot.pinned.get()).collect()
    }

    /// Interrupts all that threads do for no ticket of the graph.
    pub(crate) fn interrupt_own(&self) {
        for slot in self.0.all.lock().iter() {
            slot.interrupt.interrupt();
        }
    }

    /// A number over all threads.
    pub(crate) fn sum(&self, count: impl Fn(&Tally) -> &Count) -> u64 {
        self.0.all.lock().iter().map(|slot| count(&slot.tally).get()).sum()
    }
}
