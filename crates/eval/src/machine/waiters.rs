use std::collections::HashMap;
use std::hash::{BuildHasherDefault, DefaultHasher};

use super::node::Waiter;

/// Who waits for a key.
///
/// Mostly it is one. But a common argument of a wide fork has as many waiters as
/// the fork has entries, and when the fork fails or is cancelled they all leave,
/// one by one: so leaving must not mean to be looked for.
#[derive(Debug)]
pub(super) enum Waiters {
    Nobody,
    One(Waiter),
    Several(Box<Several>),
}

#[derive(Debug)]
pub(super) struct Several {
    list: Vec<Waiter>,
    /// Where each stands in the list, once they are too many to look through.
    places: HashMap<Waiter, usize, BuildHasherDefault<DefaultHasher>>,
}

/// Up to this many are looked through one by one.
const FEW: usize = 16;

impl Waiters {
    pub(super) const fn new(first: Waiter) -> Self {
        Self::One(first)
    }

    pub(super) fn is_empty(&self) -> bool {
        self.as_slice().is_empty()
    }

    pub(super) fn iter(&self) -> impl Iterator<Item = &Waiter> {
        self.as_slice().iter()
    }

    fn as_slice(&self) -> &[Waiter] {
        match self {
            Self::Nobody => &[],
            Self::One(waiter) => std::slice::from_ref(waiter),
            Self::Several(several) => &several.list,
        }
    }

    /// Adds one who is not there yet.
    pub(super) fn push(&mut self, waiter: Waiter) {
        match self {
            Self::Nobody => *self = Self::One(waiter),
            Self::One(first) => {
                let several = Several { list: vec![*first, waiter], places: HashMap::default() };
                *self = Self::Several(Box::new(several));
            }
            Self::Several(several) => several.push(waiter),
        }
    }

    pub(super) fn remove(&mut self, waiter: Waiter) {
        match self {
            Self::One(only) if *only == waiter => *self = Self::Nobody,
            Self::Several(several) => several.remove(waiter),
            Self::Nobody | Self::One(_) => {}
        }
    }
}

impl Several {
    fn push(&mut self, waiter: Waiter) {
        self.list.push(waiter);
        if self.list.len() == FEW + 1 {
            self.places = self.list.iter().enumerate().map(|(at, other)| (*other, at)).collect();
        } else if self.list.len() > FEW {
            self.places.insert(waiter, self.list.len() - 1);
        }
    }

    fn remove(&mut self, waiter: Waiter) {
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

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn any_may_leave_in_any_order() {
        for count in [1, FEW as u64, FEW as u64 + 1, 200] {
            for step in [1, 3, 7, 193] {
                let mut waiters = Waiters::new(Waiter::Request(0));
                (1..count).for_each(|id| waiters.push(Waiter::Request(id)));
                let mut left: Vec<u64> = (0..count).collect();
                while !left.is_empty() {
                    let id = left.remove(step % left.len());
                    waiters.remove(Waiter::Request(id));
                    // Whoever is not there leaves nothing behind.
                    waiters.remove(Waiter::Request(id));
                    let mut found: Vec<Waiter> = waiters.iter().copied().collect();
                    found.sort_by_key(|waiter| format!("{waiter:?}"));
                    let mut expected: Vec<_> = left.iter().map(|id| Waiter::Request(*id)).collect();
                    expected.sort_by_key(|waiter| format!("{waiter:?}"));
                    assert_eq!(found, expected);
                }
                assert!(waiters.is_empty());
                // Few or many, it can begin again.
                waiters.push(Waiter::Request(7));
                waiters.remove(Waiter::Request(7));
                assert!(waiters.is_empty());
            }
        }
    }
}
