//! How large the graph may become.
//!
//! A computation that calls itself from an argument, or forks without end, makes
//! the graph grow until the memory of the machine ends. Nothing in the graph is
//! wrong then, and none of it can be put aside: who asked gets no answer.

use std::collections::{BTreeMap, HashMap};

use super::{Action, Machine, RequestId};
use crate::{Key, NoAnswerKind, Outcome};

/// For a machine that is not told otherwise.
pub(super) const GRAPH_BYTES: u64 = 4 << 30;

// Measured with a counting allocator, over the phases of a fork of a million
// applications: the graph takes half of the estimate while all wait, and all of
// it at the end, when every outcome is known; nowhere more, tables that grow
// included. What is not counted: actions on their way, 64 bytes each, and
// content.

/// What a key takes: 160 bytes for the node, up to 115 for its place in a table,
/// 64 for what it has been told, the application to be run.
const KEY_BYTES: u64 = 400;

/// What each need of a key takes, with what it comes to: 48 bytes and up to 170
/// for a place in a table of outcomes.
const PART_BYTES: u64 = 220;

/// Those who have asked from outside, in the order in which they did.
#[derive(Debug, Default)]
pub(super) struct Requests {
    keys: HashMap<RequestId, (Key, u64)>,
    order: BTreeMap<u64, RequestId>,
    next: u64,
}

impl Requests {
    pub(super) fn insert(&mut self, id: RequestId, key: Key) {
        self.remove(id);
        self.next += 1;
        self.keys.insert(id, (key, self.next));
        self.order.insert(self.next, id);
    }

    pub(super) fn remove(&mut self, id: RequestId) -> Option<Key> {
        let (key, place) = self.keys.remove(&id)?;
        self.order.remove(&place);
        Some(key)
    }

    fn youngest(&self) -> Option<RequestId> {
        self.order.last_key_value().map(|(_, id)| *id)
    }
}

impl Machine {
    /// An estimate: what the graph holds, times what that takes.
    pub(super) fn graph_bytes(&self) -> u64 {
        self.nodes.len() as u64 * KEY_BYTES + self.parts as u64 * PART_BYTES
    }

    /// Ends requests, the youngest first, until the rest has room.
    pub(super) fn keep_within_bounds(&mut self, actions: &mut Vec<Action>) {
        while self.graph_bytes() > self.graph_bytes_max
            && let Some(id) = self.requests.youngest()
        {
            let detail = format!(
                "the computation has too many parts waiting at once: {}; they take about {} \
                 bytes and this machine gives {}; use a machine with more memory or make it wait \
                 for fewer at a time",
                self.nodes.len(),
                self.graph_bytes(),
                self.graph_bytes_max,
            );
            self.dismiss(id, Outcome::no_answer(NoAnswerKind::Exhausted, detail), actions);
        }
        // What goes round in circles keeps itself wanted.
        if self.requests.youngest().is_none() && !self.nodes.is_empty() {
            self.drop_all(actions);
        }
        // A fork of millions must not leave its room behind for ever.
        let room = self.nodes.capacity();
        if room > 1024 && self.nodes.len() < room / 8 {
            self.nodes.shrink_to(self.nodes.len() * 2);
        }
    }

    /// Drops the graph: nobody wants any of it.
    fn drop_all(&mut self, actions: &mut Vec<Action>) {
        for (key, node) in std::mem::take(&mut self.nodes) {
            if node.state.is_busy() {
                actions.push(Action::Interrupt { key, ticket: node.ticket });
            }
            if node.claim.is_some() {
                // Nobody is there who could be granted anything.
                self.staging.release(node.age);
            }
        }
        (self.busy, self.parts, self.unchecked) = (0, 0, false);
    }
}
