//! Two computations walked in parallel, by position, down to where they begin to
//! differ.

use std::collections::{BTreeMap, HashSet};

use weft_object::Handle;
use weft_store::StoreError;

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
pub(super) fn enters(
    source: &(impl Source + ?Sized),
    old: Handle,
    new: Handle,
) -> Result<(Vec<Entered>, bool), StoreError> {
    let calls = |request| -> Result<Calls, StoreError> {
        Ok(Calls::of(&follow(source, request, KEYS_MAX)?, source))
    };
    let (old, new) = (calls(old)?, calls(new)?);
    let mut out = Vec::new();
    let mut seen = HashSet::new();
    let mut open: Vec<(CallId, CallId)> = pairs(&old.results, &new.results);
    open.reverse();
    while let Some((a, b)) = open.pop() {
        let (one, other) = (&old.calls[a], &new.calls[b]);
        if one.key == other.key || !seen.insert((a, b)) {
            continue;
        }
        if out.len() >= ENTERED_MAX {
            return Ok((out, true));
        }
        let below: Vec<_> = needs(one, other)
            .into_iter()
            .filter(|(a, b)| old.calls[*a].key != new.calls[*b].key)
            .collect();
        if below.is_empty() {
            out.push(Entered { old: one.key, new: other.key });
        }
        open.extend(below.into_iter().rev());
    }
    Ok((out, false))
}

fn pairs(old: &[CallId], new: &[CallId]) -> Vec<(CallId, CallId)> {
    old.iter().copied().zip(new.iter().copied()).collect()
}

/// What the two need for the same entry, in order. Who called them is no part of
/// what they are.
fn needs(old: &Call, new: &Call) -> Vec<(CallId, CallId)> {
    let by_entry = |call: &Call| {
        let mut of: BTreeMap<usize, Vec<CallId>> = BTreeMap::new();
        for need in &call.needs {
            if let Role::Entry(at) = need.role {
                of.entry(at).or_default().push(need.call);
            }
        }
        of
    };
    let (old, new) = (by_entry(old), by_entry(new));
    let both = old.iter().filter_map(|(at, old)| Some(pairs(old, new.get(at)?)));
    both.flatten().collect()
}
