use std::sync::Arc;

use crate::evaluator::{Need, Resume};
use crate::key::KeySet;
use crate::tail::Tail;
use crate::{Application, Claim, Key, Outcome};

use super::waiters::Waiters;
use super::{RequestId, Ticket};

/// A key in the graph.
#[derive(Debug)]
pub(super) struct Node {
    /// When it was first wanted: the order of claims.
    pub(super) age: u64,
    pub(super) ticket: Ticket,
    pub(super) state: State,
    pub(super) waiters: Waiters,
    pub(super) resume: Arc<Resume>,
    pub(super) application: Option<Arc<Application>>,
    pub(super) claim: Option<Box<Claim>>,
    pub(super) granted: bool,
    /// A run elsewhere ended without an outcome before it was known here that
    /// this key waits for it.
    pub(super) missed: bool,
    /// What it waits for, in the order of the rules, each once. All before
    /// `cursor` have come to values.
    needs: Vec<Need>,
    /// The keys of `needs`, once they are too many to look through and as long as
    /// there may be more.
    needed: Option<Box<KeySet>>,
    cursor: usize,
    missing: usize,
    /// How many needs and outcomes it is taken to hold: see [`super::bounds`].
    pub(super) parts: usize,
}

// There are millions: see `bounds`.
const _: () = assert!(size_of::<Node>() <= 160);

/// Up to this many needs are looked through one by one.
const FEW: usize = 8;

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum State {
    /// An Evaluate is under way.
    Queued,
    /// Waits for other keys.
    Waiting,
    /// Waits for memory.
    Claiming,
    /// Runs.
    Applying,
    /// Somebody else runs it.
    Elsewhere,
    /// A Load is under way.
    Loading,
}

impl State {
    /// Whether something outside the graph is due to report on it.
    pub(super) const fn is_busy(self) -> bool {
        !matches!(self, Self::Waiting | Self::Claiming)
    }
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub(super) enum Waiter {
    Request(RequestId),
    Node(Key),
}

pub(super) enum Learned {
    /// More is missing.
    Wait,
    /// Nothing is missing.
    Ready,
    /// The first that came to no value decides.
    Ended(Outcome),
}

impl Node {
    /// A key that somebody wants; the caller issues an action or makes it wait.
    pub(super) fn new(
        age: u64,
        waiter: Waiter,
        application: Option<Arc<Application>>,
        nothing_known: &Arc<Resume>,
    ) -> Self {
        Self {
            age,
            ticket: 0,
            state: State::Waiting,
            waiters: Waiters::new(waiter),
            resume: nothing_known.clone(),
            application,
            claim: None,
            granted: false,
            missed: false,
            needs: Vec::new(),
            needed: None,
            cursor: 0,
            missing: 0,
            parts: 0,
        }
    }

    /// Starts waiting; up to so many needs are added next. A step along a chain
    /// of tail calls makes what the earlier steps waited for irrelevant.
    pub(super) fn begin_wait(&mut self, tail: Option<Box<Tail>>, needs: usize) {
        self.state = State::Waiting;
        self.needs = Vec::with_capacity(needs);
        self.needed = None;
        self.cursor = 0;
        self.missing = 0;
        if self.resume.tail != tail {
            self.resume = Arc::new(Resume { tail, ..Resume::default() });
        }
        self.parts = self.resume.known.len();
    }

    /// All needs are added.
    pub(super) fn end_needs(&mut self) {
        self.needed = None;
    }

    /// `false` if it was there already.
    pub(super) fn add_need(&mut self, need: &Need) -> bool {
        let new = if self.needs.len() < FEW {
            self.needs.iter().all(|other| other.key != need.key)
        } else {
            let needs = &self.needs;
            let needed = self
                .needed
                .get_or_insert_with(|| Box::new(needs.iter().map(|need| need.key).collect()));
            needed.insert(need.key)
        };
        if new {
            // To need again what was known means that it is gone: content that
            // was resident once.
            if self.resume.known.get(&need.key).is_some() {
                Arc::make_mut(&mut self.resume).known.remove(&need.key);
            }
            self.needs.push(need.clone());
            self.missing += 1;
            self.parts += 1;
        }
        new
    }

    pub(super) const fn missing(&self) -> usize {
        self.missing
    }

    pub(super) fn need(&self, key: &Key) -> Option<&Need> {
        self.needs[self.cursor..].iter().find(|need| need.key == *key)
    }

    /// The first need that has come to nothing yet.
    pub(super) fn first_open(&self) -> Option<Key> {
        self.needs.get(self.cursor).map(|need| need.key)
    }

    /// Takes in what a need came to.
    pub(super) fn learn(&mut self, key: Key, outcome: &Outcome) -> Learned {
        let resume = Arc::make_mut(&mut self.resume);
        if resume.known.insert(key, outcome.clone()).is_none() {
            self.missing -= 1;
        }
        while let Some(need) = self.needs.get(self.cursor) {
            match resume.known.get(&need.key) {
                None => return Learned::Wait,
                Some(Outcome::Value(_)) => self.cursor += 1,
                Some(ended) => return Learned::Ended(ended.clone()),
            }
        }
        Learned::Ready
    }

    /// The keys that it is still subscribed to; it is not, after this.
    pub(super) fn take_open_needs(&mut self) -> Vec<Key> {
        if self.missing == 0 {
            return Vec::new();
        }
        self.missing = 0;
        let needs = std::mem::take(&mut self.needs);
        let known = &self.resume.known;
        let open = needs.into_iter().skip(self.cursor).map(|need| need.key);
        open.filter(|key| known.get(key).is_none()).collect()
    }

    /// Whether an outcome of this node is one for whoever has this need. A
    /// refusal that depends on how it was asked is not, if it was asked
    /// otherwise.
    pub(super) fn speaks_for<'a>(
        &self,
        outcome: &Outcome,
        need: impl FnOnce() -> Option<&'a Need>,
    ) -> bool {
        let (Outcome::NoAnswer(reason), Some(application)) = (outcome, &self.application) else {
            return true;
        };
        let hints = |need: &Need| need.application.as_ref().map(|asked| asked.hints);
        !reason.kind.depends_on_request()
            || need().is_none_or(|need| hints(need) == Some(application.hints))
    }
}
