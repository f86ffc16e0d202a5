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
    pub(super) claim: Option<Claim>,
    pub(super) granted: bool,
    /// A run elsewhere ended without an outcome before it was known here that
    /// this key waits for it.
    pub(super) missed: bool,
    /// What it waits for, in the order of the rules, each once. All before
    /// `cursor` have come to values.
    needs: Vec<Need>,
    /// The keys of `needs`, once they are too many to look through.
    needed: KeySet,
    cursor: usize,
    missing: usize,
}

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
    pub(super) fn new(age: u64, waiter: Waiter, application: Option<Arc<Application>>) -> Self {
        Self {
            age,
            ticket: 0,
            state: State::Waiting,
            waiters: Waiters::new(waiter),
            resume: Arc::default(),
            application,
            claim: None,
            granted: false,
            missed: false,
            needs: Vec::new(),
            needed: KeySet::default(),
            cursor: 0,
            missing: 0,
        }
    }

    /// Starts waiting; needs are added next. A step along a chain of tail calls
    /// makes what the earlier steps waited for irrelevant.
    pub(super) fn begin_wait(&mut self, tail: Option<Tail>) {
        self.state = State::Waiting;
        self.needs.clear();
        self.needed.clear();
        self.cursor = 0;
        self.missing = 0;
        if self.resume.tail != tail {
            let moved = self.resume.tail.is_some();
            let resume = Arc::make_mut(&mut self.resume);
            resume.tail = tail;
            if moved {
                resume.known.clear();
            }
        }
    }

    /// `false` if it was there already.
    pub(super) fn add_need(&mut self, need: &Need) -> bool {
        if self.needs.len() == FEW {
            self.needed.extend(self.needs.iter().map(|need| need.key));
        }
        let new = match self.needs.len() < FEW {
            true => self.needs.iter().all(|other| other.key != need.key),
            false => self.needed.insert(need.key),
        };
        if new {
            // To need again what was known means that it is gone: content that
            // was resident once.
            if self.resume.known.contains_key(&need.key) {
                Arc::make_mut(&mut self.resume).known.remove(&need.key);
            }
            self.needs.push(need.clone());
            self.missing += 1;
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
        open.filter(|key| !known.contains_key(key)).collect()
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
