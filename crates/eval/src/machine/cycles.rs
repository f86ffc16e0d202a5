//! Finding what needs itself.
//!
//! A key that waits has needs in the order of its rule, and the first that comes
//! to no value decides its outcome. So each waiting key points at one other: its
//! first open need. Whatever those pointers close into a loop can never move,
//! whatever else happens, and everything on the loop needs itself. What merely
//! points into a loop fails because a need of it does.
//!
//! The pointers do not depend on who asked first or in which order things were
//! found out, and neither does the name of the cycle: the lowest Thunk on it, be
//! it forced, passed by a chain of tail calls, or asked for by an Encode.

use std::collections::HashMap;

use weft_object::Handle;

use super::node::State;
use super::{Action, Machine};
use crate::evaluator::cycle;
use crate::{Key, Outcome};

impl Machine {
    /// Fails every cycle there is, if anything has begun to wait since the last
    /// look.
    pub(super) fn break_cycles(&mut self, actions: &mut Vec<Action>) {
        if !std::mem::take(&mut self.unchecked) {
            return;
        }
        for members in self.loops() {
            let lowest = members.iter().filter_map(|key| self.lowest_thunk(key)).min();
            // There is one on every loop: content alone cannot contain itself.
            let lowest = lowest.unwrap_or_else(|| members[0].handle());
            let outcome = Outcome::Failure(cycle(lowest));
            for key in members {
                self.settle(key, outcome.clone(), actions);
            }
        }
    }

    fn lowest_thunk(&self, key: &Key) -> Option<Handle> {
        match key {
            Key::Eval(handle) => handle.thunk(),
            Key::Force(thunk) => {
                let tail = self.nodes.get(key)?.resume.tail.as_ref();
                Some(tail.map_or(*thunk, |tail| tail.lowest()))
            }
            Key::Apply(_) | Key::Content(_) => None,
        }
    }

    fn first_open(&self, key: &Key) -> Option<Key> {
        let node = self.nodes.get(key)?;
        (node.state == State::Waiting).then(|| node.first_open()).flatten()
    }

    /// The loops of the pointers, by one walk along each that was not walked
    /// before.
    fn loops(&self) -> Vec<Vec<Key>> {
        let mut walked: HashMap<Key, usize> = HashMap::new();
        let mut loops = Vec::new();
        for (walk, start) in self.nodes.keys().enumerate() {
            let mut path = Vec::new();
            let mut next = Some(*start);
            while let Some(key) = next {
                if let Some(&earlier) = walked.get(&key) {
                    if earlier == walk {
                        let from = path.iter().position(|other| *other == key);
                        loops.push(path.split_off(from.unwrap_or(0)));
                    }
                    break;
                }
                walked.insert(key, walk);
                path.push(key);
                next = self.first_open(&key);
            }
        }
        loops
    }
}
