//! What stays and what goes, decided.

use std::collections::{BTreeMap, BTreeSet};

use weft_object::Handle;

use super::Collected;
use super::bits::Bits;
use super::drop::{self, Dropped};
use super::forget;
use super::graph::{Gone, Graph, NONE};
use super::ledger::Ledger;
use super::recipes::recipes;

/// What a store is to come to.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Aim {
    /// What its files take beside the objects and relations of the graph.
    pub(crate) fixed_bytes: u64,
    /// What all of it may take.
    pub(crate) budget_bytes: Option<u64>,
    /// What it takes to remember that one object was dropped.
    pub(crate) record_bytes: u64,
    /// What has to go for each object that is remembered, at least; unless the
    /// graph says that it is worth it.
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
    /// Objects to note as dropped, by number, each with the relation that brings
    /// it back. Those that an earlier collection dropped stay noted as long as
    /// their relation stays.
    pub(crate) dropped: BTreeMap<u32, u32>,
    /// What is no garbage.
    reached: Bits,
}

/// Decides. `held` are roots that must be there without being computed again.
pub(crate) fn plan(graph: &Graph, roots: &[Handle], held: &[Handle], aim: &Aim) -> Plan {
    let numbers = |handles: &[Handle]| -> Vec<u32> {
        handles.iter().filter_map(|handle| graph.find(handle)).collect()
    };
    let held = numbers(held);
    let roots: Vec<u32> = numbers(roots).into_iter().chain(held.iter().copied()).collect();
    let mut ledger = Ledger::new(graph, &roots);
    let reached = ledger.objects.clone();
    let mut dropped = Dropped::default();
    let before = aim.record_bytes * forget::remembered(&ledger) as u64;
    if !aim.is_met(ledger.bytes + before) {
        let (held, _) = forget::follow(graph, &held);
        let recipe = recipes(graph, &ledger.objects, &held);
        dropped = drop::drop(&mut ledger, &recipe, &aim.less(before));
    }
    if !aim.is_met(ledger.bytes + before + aim.record_bytes * dropped.named.len() as u64) {
        let (_, known) = forget::follow(graph, &roots);
        forget::forget(&mut ledger, &known, &mut dropped, aim);
    }
    Plan {
        objects: ledger.objects,
        relations: ledger.relations,
        dropped: dropped.named.into_iter().collect(),
        reached,
    }
}

impl Aim {
    // With so much of the budget gone.
    fn less(&self, bytes: u64) -> Self {
        Self { fixed_bytes: self.fixed_bytes + bytes, ..*self }
    }
}

impl Plan {
    /// Keeps an object after all, with all that it reaches; what of that can be
    /// computed again may stay dropped. Gives the numbers of what was not to be
    /// kept before.
    pub(crate) fn keep(&mut self, graph: &Graph, object: u32, kept: &mut Kept) {
        let mut open = vec![object];
        // What was asked for itself comes back in any case.
        self.dropped.remove(&object);
        while let Some(object) = open.pop() {
            let gone = graph.gone_object(object).map(|gone| gone.recipe);
            if let Some(relation) = gone.filter(|relation| *relation != NONE) {
                self.keep_only_relation(graph, relation, &mut open, kept);
            }
            let stays = self.dropped.contains_key(&object) || !graph.is_here(object);
            if !stays && self.objects.add(object) {
                kept.objects.push(object);
                open.extend(graph.below(object));
            }
        }
    }

    /// Keeps a relation after all, with all that it reaches.
    pub(crate) fn keep_relation(&mut self, graph: &Graph, relation: u32, kept: &mut Kept) {
        let mut open = Vec::new();
        self.keep_only_relation(graph, relation, &mut open, kept);
        for object in open {
            if !self.dropped.contains_key(&object) {
                self.keep(graph, object, kept);
            }
        }
    }

    fn keep_only_relation(
        &mut self,
        graph: &Graph,
        relation: u32,
        open: &mut Vec<u32>,
        kept: &mut Kept,
    ) {
        if self.relations.add(relation) {
            kept.relations.push(relation);
            open.extend(graph.reached_by(relation));
        }
    }

    /// Whether nothing goes.
    pub(crate) fn is_idle(&self, collected: &Collected) -> bool {
        self.dropped.is_empty()
            && collected.garbage.objects + collected.relations + collected.forgotten.objects == 0
    }

    /// What that comes to; of the sizes, `before_bytes` is not known here.
    pub(crate) fn collected(&self, graph: &Graph, aim: &Aim) -> Collected {
        let mut collected = Collected { budget_bytes: aim.budget_bytes, ..Collected::default() };
        let mut left = aim.fixed_bytes;
        for object in 0..graph.objects_len() as u32 {
            let bytes = graph.bytes(object);
            match () {
                () if !graph.is_here(object) => {}
                () if self.objects.has(object) => left += bytes,
                () if self.dropped.contains_key(&object) => collected.dropped.add(bytes),
                () if self.reached.has(object) => collected.forgotten.add(bytes),
                () => collected.garbage.add(bytes),
            }
        }
        for (number, known) in graph.known().iter().enumerate() {
            match self.relations.has(number as u32) {
                true => left += known.bytes(),
                false => {
                    collected.relations += 1;
                    collected.forgotten.bytes += known.bytes();
                }
            }
        }
        let recipes: BTreeSet<u32> = self.dropped.values().copied().collect();
        let run_ns = |relation: &u32| graph.known()[*relation as usize].run_ns;
        collected.recompute_ns = recipes.iter().map(run_ns).fold(0, u64::saturating_add);
        let stays = |gone: &&Gone| gone.recipe != NONE && self.relations.has(gone.recipe);
        let records = graph.all_gone().iter().filter(stays).count() + self.dropped.len();
        collected.after_bytes = left + aim.record_bytes * records as u64;
        collected
    }
}

/// What stays after all.
#[derive(Debug, Default)]
pub(crate) struct Kept {
    pub(crate) objects: Vec<u32>,
    pub(crate) relations: Vec<u32>,
}
