//! Under a budget, at last: computations that no root reaches.

use std::collections::{BTreeMap, HashMap, HashSet};

use super::bits::Bits;
use super::drop::{Dropped, cheaper};
use super::graph::{Graph, NONE};
use super::ledger::Ledger;
use super::plan::Aim;

/// Everything that roots reach, by way of what is known too: of a computation
/// what it came to, of what was dropped the computation that brings it back.
/// The second are the relations on the way.
pub(super) fn follow(graph: &Graph, roots: &[u32]) -> (Bits, Bits) {
    let mut objects = Bits::new(graph.objects_len());
    let mut relations = Bits::new(graph.known().len());
    let mut open = roots.to_vec();
    while let Some(object) = open.pop() {
        if !objects.add(object) {
            continue;
        }
        open.extend(graph.below(object));
        let recipe = graph.gone_object(object).map(|gone| gone.recipe);
        let recipe = recipe.filter(|recipe| *recipe != NONE);
        for number in graph.relations_of(object).chain(recipe) {
            if relations.add(number) {
                open.extend(graph.reached_by(number));
            }
        }
    }
    (objects, relations)
}

/// Forgets until the store is within the budget, what saves least time for its
/// bytes first, and of that the oldest.
pub(super) fn forget(ledger: &mut Ledger<'_>, reached: &Bits, dropped: &mut Dropped, aim: &Aim) {
    let mut forgetting = Forgetting {
        needed_for: needed_for(ledger.graph, dropped),
        blocked: HashMap::new(),
        records: (remembered(ledger) + dropped.named.len()) as u64,
        ledger,
    };
    for number in candidates(forgetting.ledger, reached) {
        if aim.is_met(forgetting.bytes(aim)) {
            break;
        }
        forgetting.forget(number);
    }
    dropped.named.retain(|(_, recipe)| ledger.relations.has(*recipe));
}

struct Forgetting<'f, 'a> {
    ledger: &'f mut Ledger<'a>,
    /// By relation, what it brings back.
    needed_for: BTreeMap<u32, Vec<u32>>,
    /// By what somebody still refers to, the relations that bring it back.
    blocked: HashMap<u32, u32>,
    /// How many objects are noted as dropped.
    records: u64,
}

/// How many objects stay noted of those that were dropped earlier.
pub(super) fn remembered(ledger: &Ledger<'_>) -> usize {
    let stays = |recipe: u32| recipe != NONE && ledger.relations.has(recipe);
    ledger.graph.all_gone().iter().filter(|gone| stays(gone.recipe)).count()
}

fn needed_for(graph: &Graph, dropped: &Dropped) -> BTreeMap<u32, Vec<u32>> {
    let mut needed: BTreeMap<u32, Vec<u32>> = BTreeMap::new();
    let before = graph.all_gone().iter().map(|gone| (gone.object, gone.recipe));
    for (object, recipe) in before.chain(dropped.named.iter().copied()) {
        needed.entry(recipe).or_default().push(object);
    }
    needed
}

fn candidates(ledger: &Ledger<'_>, reached: &Bits) -> Vec<u32> {
    let graph = ledger.graph;
    let known = graph.known();
    // What surely goes with it: a first estimate is enough for an order.
    let alone = |object: u32| match ledger.objects.has(object) && ledger.references(object) == 1 {
        true => graph.bytes(object),
        false => 0,
    };
    let mut candidates: Vec<(u64, u32)> = (0..known.len() as u32)
        .filter(|number| !reached.has(*number))
        .map(|number| {
            let bytes: u64 = graph.reached_by(number).map(alone).sum();
            (bytes + known[number as usize].bytes(), number)
        })
        .collect();
    candidates.sort_unstable_by(|(bytes, one), (other_bytes, other)| {
        let (one, other) = (&known[*one as usize], &known[*other as usize]);
        cheaper(one.run_ns, *bytes, other.run_ns, *other_bytes).then(one.place.cmp(&other.place))
    });
    candidates.into_iter().map(|(_, number)| number).collect()
}

impl Forgetting<'_, '_> {
    fn bytes(&self, aim: &Aim) -> u64 {
        self.ledger.bytes + aim.record_bytes * self.records
    }

    fn forget(&mut self, number: u32) {
        let mut open = vec![number];
        while let Some(number) = open.pop() {
            if self.ledger.relations.has(number) {
                open.extend(self.try_forget(number));
            }
        }
    }

    /// Forgets one, unless something that it brings back is still referred to;
    /// what can be tried again after it.
    fn try_forget(&mut self, number: u32) -> HashSet<u32> {
        let journal = self.ledger.forget(number);
        let needed = self.needed_for.get(&number);
        let still =
            needed.into_iter().flatten().find(|object| self.ledger.references(**object) > 0);
        if let Some(still) = still {
            self.blocked.insert(*still, number);
            self.ledger.remember(number, &journal);
            return HashSet::new();
        }
        self.records -= self.needed_for.remove(&number).map_or(0, |needed| needed.len() as u64);
        if self.blocked.is_empty() {
            return HashSet::new();
        }
        journal.released().iter().filter_map(|object| self.blocked.remove(object)).collect()
    }
}
