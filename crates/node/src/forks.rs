//! The forks that a job is in, and when it asks others to take part in one.
//!
//! Of forks within forks the outermost has the most to give away, so that is
//! offered first, by whichever of them finds that somebody is idle. How long the
//! entries of a new fork will take is not known; that the last ones of the same
//! procedure took so long is the best guess there is.

use std::cell::Cell;
use std::time::Instant;

use weft_eval::{Budget, Fork, Forking, Helper, Pace, Progress, Rest};
use weft_object::{Handle, Kind, Tree};

use crate::platform::View;
use crate::spread::Offered;

/// A fork that is under way.
#[derive(Debug)]
pub(crate) struct Open<'a> {
    pub(crate) tree: Tree,
    /// Nobody has begun the entries from this place on.
    pub(crate) next: usize,
    /// For a look at one of them.
    pub(crate) budget: Budget,
    /// When it was at the entry before, or at one a little earlier.
    at_ns: u64,
    /// If others may take part by now.
    offered: Option<Offered<'a>>,
}

/// What an entry is taken to last where nobody knows, and somebody is awake to try.
const TRIED_NS: u64 = 10_000;

/// A fork looks whether others can help before each so many entries.
const LOOK_EVERY: usize = 16;

impl Open<'_> {
    fn has_more(&self) -> bool {
        self.tree.entries()[self.next..].iter().any(Handle::has_encode)
    }
}

/// The forks around each other that a job is in, the outermost first.
#[derive(Debug, Default)]
pub(crate) struct Forks<'a> {
    open: Vec<Open<'a>>,
    /// So many of the first ones have nothing to give away, or have given it.
    given: usize,
}

impl<'a> Forks<'a> {
    /// Leaves all that a fork is not in: what has less depth is over.
    fn leave_inner(&mut self, fork: &Forking<'_>) {
        let is_new = fork.pace.is_none();
        while let Some(last) = self.open.last()
            && (last.budget.depth < fork.budget.depth
                || is_new && last.budget.depth == fork.budget.depth)
        {
            self.pop();
        }
    }

    /// Leaves a fork that has come to its end, and what is in it.
    pub(crate) fn leave(&mut self, fork: &Forking<'_>) {
        while self.open.last().is_some_and(|last| last.budget.depth <= fork.budget.depth) {
            self.pop();
        }
    }

    fn pop(&mut self) -> Option<Open<'a>> {
        let last = self.open.pop();
        self.given = self.given.min(self.open.len());
        last
    }

    /// The fork itself, if it was entered before.
    fn this(&mut self, fork: &Forking<'_>) -> Option<&mut Open<'a>> {
        let last = self.open.last_mut()?;
        (last.budget.depth == fork.budget.depth).then_some(last)
    }

    /// The outermost that has something to give away, but for the innermost.
    fn outermost(&mut self) -> Option<&mut Open<'a>> {
        while self.given + 1 < self.open.len() {
            let open = &self.open[self.given];
            if open.offered.is_none() && open.has_more() {
                return self.open.get_mut(self.given);
            }
            self.given += 1;
        }
        None
    }
}

impl View<'_> {
    /// Before an entry of a fork: what becomes of the rest.
    pub(crate) fn look_at_fork(&mut self, fork: &mut Forking<'_>) -> Fork {
        self.forks.leave_inner(fork);
        let at = fork.at;
        if let Some(this) = self.forks.this(fork) {
            this.next = at + 1;
            if let Some(offered) = this.offered.take() {
                self.forks.pop();
                return Fork::Found(self.join(offered, at));
            }
        }
        let more = || fork.tree.entries()[at + 1..].iter().any(Handle::has_encode);
        let rest = match fork.pace {
            None if fork.budget.depth == 0 || !more() => Rest::Here,
            None => self.enter(fork),
            Some(pace) => self.go_on(fork, pace),
        };
        match rest {
            Rest::Here => Fork::Here,
            Rest::Graph => {
                self.forks.pop();
                Fork::Away
            }
            Rest::Shared => {
                let Some(mut this) = self.forks.pop() else { return Fork::Here };
                this.next = at;
                let entry_ns = self.paces(fork.tree.entries()[at]).unwrap_or(TRIED_NS);
                let offered = self.offer(&this, entry_ns);
                Fork::Found(self.join(offered, at))
            }
        }
    }

    fn enter(&mut self, fork: &mut Forking<'_>) -> Rest {
        let (at, now) = (fork.at, self.shared.ns(Instant::now()));
        fork.pace = Some(Pace { first: at, at, at_ns: now });
        let (tree, budget) = (fork.tree.clone(), fork.budget);
        self.forks.open.push(Open { tree, next: at + 1, budget, at_ns: now, offered: None });
        let helper = self.shared.queue.helper();
        if helper == Helper::None || self.give_outermost(now, helper) {
            return Rest::Here;
        }
        let unknown_ns = if helper == Helper::Spinning { TRIED_NS } else { 0 };
        let done_ns = self.paces(fork.tree.entries()[at]).unwrap_or(unknown_ns);
        let left = fork.tree.entries().len() - at;
        let guess = Progress { done_ns, left, ..Progress::default() };
        match self.shared.policy.rest(&guess, helper) {
            Rest::Here if helper == Helper::Asleep && self.missed(&guess) => Rest::Shared,
            Rest::Graph => {
                // Nobody measures them there, and the guess may be wrong by now.
                self.note_pace(fork.tree.entries()[at], done_ns / 2);
                Rest::Graph
            }
            rest => rest,
        }
    }

    /// Whether so much could have been shared lately, had somebody been awake, that
    /// to wake them would have paid.
    fn missed(&self, fork: &Progress) -> bool {
        let missed_ns =
            MISSED_NS.get().saturating_add(fork.entry_ns().saturating_mul(fork.left as u64) / 4);
        let enough = self.shared.policy.gives(missed_ns, Helper::Asleep);
        MISSED_NS.set(if enough { 0 } else { missed_ns });
        enough
    }

    fn go_on(&mut self, fork: &mut Forking<'_>, pace: Pace) -> Rest {
        let Pace { first, at: from, at_ns: from_ns } = pace;
        let at = fork.at;
        // Not before each entry, which may take less than a look at the clock.
        let done = at - first;
        if !done.is_power_of_two() && !done.is_multiple_of(LOOK_EVERY) {
            return Rest::Here;
        }
        let now = self.shared.ns(Instant::now());
        fork.pace = Some(Pace { first, at, at_ns: now });
        if let Some(this) = self.forks.this(fork) {
            this.at_ns = now;
        }
        let progress = Progress {
            is_first: done == 1,
            done: at - from,
            done_ns: now.saturating_sub(from_ns),
            left: fork.tree.entries().len() - at,
        };
        self.let_collect();
        let helper = self.shared.queue.helper();
        if helper != Helper::None {
            self.note_pace(fork.tree.entries()[from], progress.entry_ns());
            if self.give_outermost(now, helper) {
                return Rest::Here;
            }
        }
        match fork.tree.entries()[at + 1..].iter().any(Handle::has_encode) {
            true => self.shared.policy.rest(&progress, helper),
            false => Rest::Here,
        }
    }

    /// Offers the outermost fork around this one, if that has something to give
    /// away and has been at one entry for long enough to pay.
    fn give_outermost(&mut self, now: u64, helper: Helper) -> bool {
        let Some(open) = self.forks.outermost() else { return false };
        let entry_ns = now.saturating_sub(open.at_ns);
        if !self.shared.policy.gives(entry_ns, helper) {
            return false;
        }
        let given = self.forks.given;
        let offered = self.offer(&self.forks.open[given], entry_ns);
        self.forks.open[given].offered = Some(offered);
        true
    }

    /// What the last forks over the same procedure took for an entry; `None` if
    /// there were none.
    fn paces(&self, entry: Handle) -> Option<u64> {
        // All but applications is nearly nothing.
        let Some(key) = self.procedure(entry) else { return Some(0) };
        PACES.with(|paces| {
            let (known, ns) = paces[key as usize % PACES_MAX].get();
            (known == key).then_some(ns)
        })
    }

    pub(crate) fn note_pace(&self, entry: Handle, ns: u64) {
        if let Some(key) = self.procedure(entry) {
            PACES.with(|paces| paces[key as usize % PACES_MAX].set((key, ns)));
        }
    }

    /// Tells the procedures of applications apart.
    fn procedure(&self, entry: Handle) -> Option<u64> {
        let thunk = entry.thunk().filter(|thunk| thunk.kind() == Kind::Application)?;
        let tree = self.shared.memory.get_at(&thunk.definition()?, self.shared.epoch())?;
        let procedure = tree.tree()?.entries().get(1)?;
        Some(u64::from_le_bytes(*procedure.as_bytes().first_chunk()?))
    }
}

const PACES_MAX: usize = 16;

thread_local! {
    static MISSED_NS: Cell<u64> = const { Cell::new(0) };
    static PACES: [Cell<(u64, u64)>; PACES_MAX] = const { [const { Cell::new((0, 0)) }; PACES_MAX] };
}
