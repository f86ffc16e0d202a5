//! What stays and what goes, decided.

use weft_object::Handle;

use super::bits::Bits;
use super::drop::{self, Dropped};
use super::forget;
use super::graph::Graph;
use super::ledger::Ledger;
use super::recipes::recipes;
use super::{Collected, Share};

/// What a store is to come to.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Aim {
    /// What its files take beside the objects and relations of the graph.
    pub(crate) fixed_bytes: u64,
    /// What all of it may take.
    pub(crate) budget_bytes: Option<u64>,
    /// What it takes to remember that one object was dropped.
    pub(crate) record_bytes: u64,
    /// What has to go for each object that is remembered, at least.
    pub(crate) worth_bytes: u64,
}

impl Aim {
    pub(super) fn is_met(&self, bytes: u64) -> bool {
        self.budget_bytes.is_none_or(|budget| self.fixed_bytes + bytes <= budget)
    }
}

/// What a collection has decided.
#[derive(Debug)]
pub(crate) struct Plan {
    /// The objects that stay.
    pub(crate) objects: Bits,
    /// The relations that stay.
    pub(crate) relations: Bits,
    /// Objects to note as dropped, each with the relation that brings it back.
    /// Those that an earlier collection dropped stay noted as long as their
    /// relation stays.
    pub(crate) dropped: Vec<(u32, u32)>,
    /// For whom it may concern; of the sizes, `before_bytes` is not known here.
    pub(crate) collected: Collected,
}

/// Decides. `held` are roots that must be there without being computed again.
pub(crate) fn plan(graph: &Graph, roots: &[Handle], held: &[Handle], aim: &Aim) -> Plan {
    let numbers = |handles: &[Handle]| -> Vec<u32> {
        handles.iter().filter_map(|handle| graph.find(handle)).collect()
    };
    let held = numbers(held);
    let roots: Vec<u32> = numbers(roots).into_iter().chain(held.iter().copied()).collect();
    let mut ledger = Ledger::new(graph, &roots);
    let mut collected = Collected { budget_bytes: aim.budget_bytes, ..Collected::default() };
    collected.garbage = garbage(graph, &ledger.objects);
    let mut dropped = Dropped::default();
    let records = |count: usize| aim.record_bytes * count as u64;
    let before = records(forget::remembered(&ledger));
    if !aim.is_met(ledger.bytes + before) {
        let (held, _) = forget::follow(graph, &held);
        let recipe = recipes(graph, &ledger.objects, &held);
        dropped = drop::drop(&mut ledger, &recipe, &aim.less(before));
    }
    if !aim.is_met(ledger.bytes + before + records(dropped.named.len())) {
        let (_, reached) = forget::follow(graph, &roots);
        let (relations, gone) = forget::forget(&mut ledger, &reached, &mut dropped, aim);
        collected.relations = relations;
        collected.forgotten = gone;
    }
    for (relation, share) in &dropped.shares {
        collected.dropped.objects += share.objects;
        collected.dropped.bytes += share.bytes;
        collected.recompute_ns += graph.known()[*relation as usize].run_ns;
    }
    let records = records(forget::remembered(&ledger) + dropped.named.len());
    collected.after_bytes = aim.fixed_bytes + ledger.bytes + records;
    Plan { objects: ledger.objects, relations: ledger.relations, dropped: dropped.named, collected }
}

impl Aim {
    // With so much of the budget gone.
    fn less(&self, bytes: u64) -> Self {
        Self { fixed_bytes: self.fixed_bytes + bytes, ..*self }
    }
}

fn garbage(graph: &Graph, stays: &Bits) -> Share {
    let mut garbage = Share::default();
    for object in 0..graph.objects_len() as u32 {
        if graph.is_here(object) && !stays.has(object) {
            garbage.add(graph.bytes(object));
        }
    }
    garbage
}
