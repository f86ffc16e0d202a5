//! Under a budget, first: what can be computed again.

use super::graph::NONE;
use super::ledger::Ledger;
use super::plan::Aim;

/// What was dropped.
#[derive(Default)]
pub(super) struct Dropped {
    /// Objects, each with the relation that brings it back.
    pub(super) named: Vec<(u32, u32)>,
}

/// What one relation brings back: one application, so it goes together.
struct Group {
    relation: u32,
    from: usize,
    to: usize,
    run_ns: u64,
    bytes: u64,
}

/// Drops until the store is within the budget or there is nothing left to drop,
/// what takes least time for its bytes first.
pub(super) fn drop(ledger: &mut Ledger<'_>, recipe: &[u32], aim: &Aim) -> Dropped {
    let mut members: Vec<(u32, u32)> = (0..recipe.len() as u32)
        .filter(|object| recipe[*object as usize] != NONE && ledger.objects.has(*object))
        .filter(|object| ledger.graph.is_worth(*object, aim.worth_bytes))
        .map(|object| (recipe[object as usize], object))
        .collect();
    members.sort_unstable();
    let mut dropped = Dropped::default();
    for group in groups(ledger, &members) {
        let records = aim.record_bytes * dropped.named.len() as u64;
        if aim.is_met(ledger.bytes + records) {
            break;
        }
        for (relation, object) in &members[group.from..group.to] {
            ledger.remove(*object);
            dropped.named.push((*object, *relation));
        }
    }
    dropped
}

fn groups(ledger: &Ledger<'_>, members: &[(u32, u32)]) -> Vec<Group> {
    let mut groups: Vec<Group> = Vec::new();
    for (at, (relation, object)) in members.iter().enumerate() {
        let bytes = ledger.graph.bytes(*object);
        match groups.last_mut() {
            Some(group) if group.relation == *relation => {
                group.to = at + 1;
                group.bytes += bytes;
            }
            _ => {
                let run_ns = ledger.graph.known()[*relation as usize].run_ns;
                groups.push(Group { relation: *relation, from: at, to: at + 1, run_ns, bytes });
            }
        }
    }
    groups.sort_unstable_by(|one, other| {
        cheaper(one.run_ns, one.bytes, other.run_ns, other.bytes)
            .then(one.relation.cmp(&other.relation))
    });
    groups
}

/// Which of two takes less time for each byte.
pub(super) fn cheaper(ns: u64, bytes: u64, other_ns: u64, other_bytes: u64) -> std::cmp::Ordering {
    let one = u128::from(ns) * u128::from(other_bytes);
    one.cmp(&(u128::from(other_ns) * u128::from(bytes)))
}
