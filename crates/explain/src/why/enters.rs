//! Two computations walked in parallel, down to where they begin to differ.

use std::collections::{BTreeMap, HashMap, HashSet, VecDeque};
use std::hash::Hash;

use weft_object::Handle;
use weft_store::StoreError;

use crate::diff::{Diff, What};
use crate::makers::function;
use crate::{Call, CallId, Calls, KEYS_MAX, Role, Source, follow};

/// A pair of computations in the same place, neither of which needs any that
/// differs from what the other needs.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Entered {
    /// The canonical Tree of the earlier one.
    pub old: Handle,
    /// Of the later one.
    pub new: Handle,
}

/// So many are named.
const ENTERED_MAX: usize = 100;

/// Where a difference enters, and whether there are more places than these.
/// `diff` is what is different in what was asked for.
pub(super) fn enters(
    source: &(impl Source + ?Sized),
    old: Handle,
    new: Handle,
    diff: &Diff,
) -> Result<(Vec<Entered>, bool), StoreError> {
    let calls = |request| -> Result<Calls, StoreError> {
        Ok(Calls::of(&follow(source, request, KEYS_MAX)?, source))
    };
    let (old, new) = (calls(old)?, calls(new)?);
    let pairing = Pairing { old: &old, new: &new, became: became(diff) };
    let mut out = Vec::new();
    let mut seen = HashSet::new();
    let mut open = pairing.of(&old.results, &new.results, true);
    open.reverse();
    while let Some((a, b)) = open.pop() {
        let (one, other) = (&old.calls[a], &new.calls[b]);
        if !seen.insert((a, b)) {
            continue;
        }
        if out.len() >= ENTERED_MAX {
            return Ok((out, true));
        }
        let below = pairing.needs(one, other);
        if below.is_empty() {
            out.push(Entered { old: one.key, new: other.key });
        }
        open.extend(below.into_iter().rev());
    }
    Ok((out, false))
}

/// What took the place of what, in the words of a diff: of a file, what has its
/// name now.
fn became(diff: &Diff) -> HashMap<Handle, Handle> {
    let changed = diff.changes.iter().filter_map(|change| match change.what {
        What::Changed { old, new, .. } => Some((old.content(), new.content())),
        _ => None,
    });
    changed.collect()
}

/// Which computations of two stand for each other.
struct Pairing<'a> {
    old: &'a Calls,
    new: &'a Calls,
    became: HashMap<Handle, Handle>,
}

impl Pairing<'_> {
    /// Of what both have nothing is said. Then those are pairs of which one was
    /// given what took the place of what the other was given; of the rest those
    /// of the same function, and then those that differ in how many arguments
    /// there are, in their order. What is left stands for what is left only where
    /// `placed` says that there is but one place for it.
    fn of(&self, old: &[CallId], new: &[CallId], placed: bool) -> Vec<(CallId, CallId)> {
        let keys = |calls: &Calls, ids: &[CallId]| -> HashSet<Handle> {
            ids.iter().map(|id| calls.calls[*id].key).collect()
        };
        let (old_keys, new_keys) = (keys(self.old, old), keys(self.new, new));
        let old = old.iter().filter(|id| !new_keys.contains(&self.old.calls[**id].key));
        let new = new.iter().filter(|id| !old_keys.contains(&self.new.calls[**id].key));
        let mut left = Left { old: old.copied().collect(), new: new.copied().collect() };
        let mut pairs = self.successors(&mut left);
        pairs.extend(self.alike(&mut left, &|call| Some(function(call.entries.entries()))));
        pairs.extend(self.alike(&mut left, &|call| {
            let (procedure, words) = function(call.entries.entries());
            Some((procedure, words.into_iter().flatten().collect::<Vec<_>>()))
        }));
        if placed {
            pairs.extend(left.old.into_iter().zip(left.new));
        }
        pairs.sort_by_key(|(_, new)| *new);
        pairs
    }

    /// Those of which one was given what took the place of what the other was
    /// given.
    fn successors(&self, left: &mut Left) -> Vec<(CallId, CallId)> {
        let given = |call: &Call| {
            let entries = call.entries.entries().iter().skip(2);
            entries.map(|entry| entry.content()).collect::<Vec<_>>()
        };
        let mut with: HashMap<Handle, VecDeque<CallId>> = HashMap::new();
        for id in &left.new {
            for entry in given(&self.new.calls[*id]) {
                with.entry(entry).or_default().push_back(*id);
            }
        }
        left.pair(|old, taken| {
            let call = &self.old.calls[old];
            let fits = |id: &&CallId| {
                !taken.contains(*id) && self.new.calls[**id].procedure() == call.procedure()
            };
            given(call).into_iter().find_map(|entry| {
                let after = with.get_mut(self.became.get(&entry)?)?;
                while after.front().is_some_and(|id| taken.contains(id)) {
                    after.pop_front();
                }
                after.iter().find(fits).copied()
            })
        })
    }

    /// Those of which this says the same.
    fn alike<K: Hash + Eq>(
        &self,
        left: &mut Left,
        of: &dyn Fn(&Call) -> Option<K>,
    ) -> Vec<(CallId, CallId)> {
        let mut with: HashMap<K, VecDeque<CallId>> = HashMap::new();
        for id in &left.new {
            if let Some(key) = of(&self.new.calls[*id]) {
                with.entry(key).or_default().push_back(*id);
            }
        }
        left.pair(|old, _| with.get_mut(&of(&self.old.calls[old])?)?.pop_front())
    }

    /// What the two need for the same entry, in order. Who called them is no
    /// part of what they are.
    fn needs(&self, old: &Call, new: &Call) -> Vec<(CallId, CallId)> {
        let by_entry = |call: &Call| {
            let mut of: BTreeMap<usize, Vec<CallId>> = BTreeMap::new();
            for need in &call.needs {
                if let Role::Entry(at) = need.role {
                    of.entry(at).or_default().push(need.call);
                }
            }
            of
        };
        let (one, other) = (by_entry(old), by_entry(new));
        if old.entries.entries().len() != new.entries.entries().len() {
            // Then a place in the one is not the same in the other.
            let all = |of: BTreeMap<usize, Vec<CallId>>| of.into_values().flatten().collect();
            let (one, other): (Vec<_>, Vec<_>) = (all(one), all(other));
            return self.of(&one, &other, false);
        }
        let both = one.iter().filter_map(|(at, one)| Some(self.of(one, other.get(at)?, true)));
        both.flatten().collect()
    }
}

/// What has no counterpart yet.
struct Left {
    old: Vec<CallId>,
    new: Vec<CallId>,
}

impl Left {
    /// Takes out what `find` finds a counterpart for, which is told what is taken.
    fn pair(
        &mut self,
        mut find: impl FnMut(CallId, &HashSet<CallId>) -> Option<CallId>,
    ) -> Vec<(CallId, CallId)> {
        let (mut pairs, mut taken) = (Vec::new(), HashSet::new());
        self.old.retain(|old| match find(*old, &taken) {
            Some(new) => {
                taken.insert(new);
                pairs.push((*old, new));
                false
            }
            None => true,
        });
        self.new.retain(|new| !taken.contains(new));
        pairs
    }
}
