use std::collections::HashMap;
use std::hash::{BuildHasherDefault, DefaultHasher};

use super::node::Waiter;

/// Who waits for a key.
///
/// A common argument of a wide fork has as many waiters as the fork has
/// entries, and when the fork fails or is cancelled they all leave, one by one:
/// so leaving must not mean to be looked for.
#[derive(Debug)]
pub(super) struct Waiters {
    list: Vec<Waiter>,
    /// Where each stands in the list, once they are too many to look through.
    places: HashMap<Waiter, usize, BuildHasherDefault<DefaultHasher>>,
}

/// Up to this many are looked through one by one.
const FEW: usize = 16;

impl Waiters {
    pub(super) fn new(first: Waiter) -> Self {
        Self { list: vec![first], places: HashMap::default() }
    }

    pub(super) fn is_empty(&self) -> bool {
        self.list.is_empty()
    }

    pub(super) fn iter(&self) -> impl Iterator<Item = &Waiter> {
        self.list.iter()
    }

    /// Adds one who is not there yet.
    pub(super) fn push(&mut self, waiter: Waiter) {
        self.list.push(waiter);
        if self.list.len() == FEW + 1 {
            self.places = self.list.iter().enumerate().map(|(at, other)| (*other, at)).collect();
        } else if self.list.len() > FEW {
            self.places.insert(waiter, self.list.len() - 1);
        }
    }

    pub(super) fn remove(&mut self, waiter: Waiter) {
        let place = match self.places.is_empty() {
            true => self.list.iter().position(|other| *other == waiter),
            false => self.places.remove(&waiter),
        };
        let Some(at) = place else { return };
        self.list.swap_remove(at);
        if self.list.len() <= FEW {
            self.places.clear();
        } else if let Some(moved) = self.list.get(at) {
            self.places.insert(*moved, at);
        }
    }
}
