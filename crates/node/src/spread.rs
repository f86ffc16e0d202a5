//! A fork that several threads evaluate: the one whose fork it is, and helpers
//! that have nothing else to do.
//!
//! Who takes part claims ranges of entries, large ones to begin with, its owner
//! from the front and helpers from the end, and looks at each entry as at any other
//! key. What a helper has found is known to all by then; that it also hands over the
//! values saves the owner from looking each up. So the owner need not wait for long: it gives those that are still at it some
//! time, ends what they are at, and evaluates that itself. So nothing that others do
//! for a fork outlives it, and nobody has to be told that it is not wanted any more.

use std::ops::Range;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::Arc;
use std::thread;
use std::time::{Duration, Instant};

use weft_engine::Interrupt;
use weft_eval::{Budget, Key, Outcome, Report, Resume, evaluate};
use weft_object::{Handle, Tree};

use crate::forks::Open;
use crate::node::Shared;
use crate::platform::View;
use crate::ranges::{Part, Ranges};
use crate::slot::{OWN, Slot};

/// How long the owner waits for the last ranges of others. Entries are taken to last
/// less than a hundredth of it ([`weft_eval::Policy::share_entry_max_ns`]); of one that
/// is not done by then, so much is lost at most, beside what the fork took.
const PATIENCE: Duration = Duration::from_millis(100);

/// A fork in which helpers may take part.
#[derive(Debug)]
pub(crate) struct Spread {
    tree: Tree,
    from: usize,
    budget: Budget,
    ranges: Ranges<Handle>,
    /// Ends what helpers are at.
    interrupt: Interrupt,
    /// Keeps alive what was found until the owner has taken it over.
    roots: Arc<Slot>,
}

impl<'a> View<'a> {
    /// Has others take part in a fork, from its next entry on, if they have
    /// nothing else to do. An entry is taken to last so long.
    pub(crate) fn offer(&self, fork: &Open<'_>, entry_ns: u64) -> Offered<'a> {
        let shared = self.shared;
        let entries = fork.next..fork.tree.entries().len();
        let spread = Arc::new(Spread {
            tree: fork.tree.clone(),
            from: fork.next,
            budget: fork.budget,
            ranges: Ranges::new(entries, shared.queue.threads(), entry_ns),
            interrupt: Interrupt::new(),
            roots: shared.slots.lend(),
        });
        shared.queue.offer(&spread);
        Offered { shared, spread }
    }

    /// Evaluates the rest of a fork, from an entry on, together with whoever
    /// takes part.
    pub(crate) fn join(&mut self, offered: Offered<'a>, at: usize) -> Vec<Option<Handle>> {
        let start = Instant::now();
        let spread = offered.spread.clone();
        let mut found = vec![None; spread.tree.entries().len() - spread.from];
        let mut put = |part: Part<Handle>| {
            let from = part.from - spread.from;
            found[from..from + part.values.len()].copy_from_slice(&part.values);
        };
        let mut done = 0;
        let mut is_whole = true;
        while is_whole && let Some(range) = spread.ranges.claim_first() {
            let count = range.len();
            let part = self.look_at(&spread, range, spread.budget, false);
            // The first that comes to no value for good: nothing behind it counts.
            is_whole = part.values.len() == count;
            done += part.values.len() as u64;
            put(part);
            self.let_collect();
        }
        if let Some(entry_ns) = (start.elapsed().as_nanos() as u64).checked_div(done) {
            self.note_pace(spread.tree.entries()[at], entry_ns);
        }
        if is_whole {
            wait_a_moment(|| !spread.ranges.has_helpers() || self.interrupt.is_set());
        }
        let parts = spread.ranges.close();
        // From one root to the next, of which the collector sees one at least.
        let handed = spread.roots.doing().held.clone();
        if !handed.is_empty() {
            self.slot.doing().held.extend(handed);
        }
        drop(offered);
        parts.into_iter().for_each(put);
        found.split_off(at - spread.from)
    }

    fn look_at(
        &mut self,
        spread: &Spread,
        range: Range<usize>,
        budget: Budget,
        helping: bool,
    ) -> Part<Handle> {
        let mut part = Part { from: range.start, values: Vec::with_capacity(range.len()) };
        for at in range {
            if helping && spread.ranges.is_closed() {
                break;
            }
            let entry = spread.tree.entries()[at];
            if !entry.has_encode() {
                part.values.push(Some(entry));
                continue;
            }
            let key = Key::Eval(entry);
            match evaluate(self, key, None, &Resume::default(), budget) {
                Report::Done(Outcome::Value(value)) => part.values.push(Some(value)),
                // The owner will look, and say what becomes of it.
                Report::Done(_) => {
                    spread.ranges.stop_at(at);
                    break;
                }
                _ => part.values.push(None),
            }
        }
        part
    }
}

/// A fork that others may take part in until this is dropped, also by a panic.
#[derive(Debug)]
pub(crate) struct Offered<'a> {
    shared: &'a Shared,
    spread: Arc<Spread>,
}

impl Drop for Offered<'_> {
    fn drop(&mut self) {
        self.spread.ranges.close();
        // Nobody would hear of it.
        self.spread.interrupt.interrupt();
        self.shared.queue.withdraw(&self.spread);
        self.shared.slots.give_back_lent(self.spread.roots.clone());
    }
}

fn wait_a_moment(until: impl Fn() -> bool) {
    const SPUN: Duration = Duration::from_micros(50);
    const YIELDED: Duration = Duration::from_millis(1);
    let start = Instant::now();
    while !until() {
        match start.elapsed() {
            waited if waited < SPUN => std::hint::spin_loop(),
            waited if waited < YIELDED => thread::yield_now(),
            waited if waited < PATIENCE => thread::sleep(SPUN),
            _ => return,
        }
    }
}

impl Spread {
    pub(crate) fn is_open(&self) -> bool {
        self.ranges.is_open()
    }

    fn hold(&self, part: &Part<Handle>) {
        let values = part.values.iter().flatten().filter(|value| !value.is_literal());
        let mut values = values.peekable();
        if values.peek().is_some() {
            self.roots.doing().held.extend(values);
        }
    }
}

impl Shared {
    /// Takes part in somebody's fork as long as there is something to do.
    pub(crate) fn help(&self, spread: &Spread, slot: &Slot, levels: u32) {
        if !spread.ranges.join() {
            return;
        }
        let helping = Helping(spread);
        slot.doing().job = Some((OWN, spread.interrupt.clone()));
        slot.begin(self.epoch());
        let budget = Budget { depth: spread.budget.depth.min(levels), ..spread.budget };
        // A defect in this program must not cost the node a worker. Whatever
        // the owner then finds missing it evaluates itself.
        let _ = catch_unwind(AssertUnwindSafe(|| {
            let mut view = View::new(self, slot, &spread.interrupt);
            // Requests of others come first.
            while self.queue.is_empty()
                && let Some(range) = spread.ranges.claim_last()
            {
                let part = view.look_at(spread, range, budget, true);
                spread.ranges.hand_over(part, |part| spread.hold(part));
                view.let_collect();
            }
        }));
        drop(helping);
        slot.end();
    }
}

/// Leaves, also by a panic.
struct Helping<'a>(&'a Spread);

impl Drop for Helping<'_> {
    fn drop(&mut self) {
        self.0.ranges.leave();
    }
}
