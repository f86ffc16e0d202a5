//! A world of computations that remembers all that ever was, and so can say
//! what running a recipe really brings.

use std::collections::{BTreeMap, BTreeSet, HashMap};

use weft_object::Handle;

use crate::collect::Collected;
use crate::collect::graph::Graph;
use crate::collect::plan::{Aim, plan};
use crate::{Cost, Outcome, Relation};

/// Whether things are made of each other.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(super) enum Circles {
    Some,
    None,
}

struct Ran {
    outcome: Handle,
    run_ns: u64,
    here: bool,
    place: u64,
    /// What the function made, and no other way into its outcome.
    made: BTreeSet<Handle>,
}

pub(super) struct World {
    random: u64,
    circles: Circles,
    /// What every Tree holds; of a Blob nothing.
    entries: HashMap<Handle, Vec<Handle>>,
    bytes: HashMap<Handle, u64>,
    here: BTreeSet<Handle>,
    ran: BTreeMap<Handle, Ran>,
    dropped: BTreeMap<Handle, Handle>,
    roots: Vec<Handle>,
    held: Vec<Handle>,
    place: u64,
    worth_bytes: u64,
}

const RELATION_BYTES: u64 = 96;

impl World {
    pub(super) fn new(seed: u64, circles: Circles) -> Self {
        let mut world = Self {
            random: seed,
            circles,
            entries: HashMap::new(),
            bytes: HashMap::new(),
            here: BTreeSet::new(),
            ran: BTreeMap::new(),
            dropped: BTreeMap::new(),
            roots: Vec::new(),
            held: Vec::new(),
            place: 0,
            worth_bytes: 1,
        };
        if circles == Circles::Some && world.below(2) == 0 {
            world.worth_bytes = 500;
        }
        (0..5).for_each(|_| {
            let blob = world.blob();
            world.put(blob);
        });
        world
    }

    fn below(&mut self, bound: usize) -> usize {
        // An LCG; its high bits are good enough.
        self.random = self.random.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695);
        ((self.random >> 33) as usize) % bound.max(1)
    }

    fn blob(&mut self) -> Handle {
        let bytes = 40 + self.below(2000);
        let mut data = vec![0; bytes];
        data[..8].copy_from_slice(&(self.entries.len() as u64).to_le_bytes());
        let name = Handle::of_blob(&data);
        self.entries.insert(name, Vec::new());
        self.bytes.insert(name, (bytes as u64 + 48).next_multiple_of(8));
        name
    }

    fn tree(&mut self, entries: Vec<Handle>) -> Handle {
        let name = Handle::of_tree(&entries);
        self.bytes.insert(name, 48 + 32 * entries.len() as u64);
        self.entries.insert(name, entries);
        name
    }

    /// Some things that are here, as Objects or Refs.
    fn some(&mut self, at_most: usize) -> Vec<Handle> {
        let count = 1 + self.below(at_most);
        let all: Vec<Handle> = self.here.iter().copied().collect();
        (0..count)
            .map(|_| {
                let at = self.below(all.len());
                let one = all[at];
                if self.below(4) == 0 { one.lower().unwrap() } else { one }
            })
            .collect()
    }

    fn reach(&self, from: impl IntoIterator<Item = Handle>) -> BTreeSet<Handle> {
        let mut reached = BTreeSet::new();
        let mut open: Vec<Handle> = from.into_iter().collect();
        while let Some(handle) = open.pop() {
            let object = handle.content();
            if !object.is_literal() && reached.insert(object) {
                open.extend(&self.entries[&object]);
            }
        }
        reached
    }

    /// Things happen.
    pub(super) fn live(&mut self) {
        let blob = self.blob();
        self.put(blob);
        for _ in 0..5 + self.below(20) {
            match self.below(12) {
                0 => {
                    let blob = self.blob();
                    self.put(blob);
                }
                1 | 2 => {
                    let entries = self.some(4);
                    let tree = self.tree(entries);
                    self.put(tree);
                }
                3 => self.root(),
                4 if !self.roots.is_empty() => {
                    let at = self.below(self.roots.len());
                    self.roots.swap_remove(at);
                }
                5 => self.hold(),
                6 => self.ask_again(),
                7 if self.circles == Circles::Some => self.make_again(),
                _ => self.compute(),
            }
        }
    }

    fn put(&mut self, object: Handle) {
        self.here.insert(object);
        self.dropped.remove(&object);
    }

    fn root(&mut self) {
        let root = self.some(1)[0];
        let thunk = root.content().application().filter(|_| self.below(3) == 0);
        self.roots.push(thunk.unwrap_or(root));
    }

    fn hold(&mut self) {
        self.held.clear();
        if self.below(2) == 0 {
            self.held = self.some(1);
        }
    }

    /// Something dropped comes back.
    fn ask_again(&mut self) {
        let dropped: Vec<Handle> = self.dropped.keys().copied().collect();
        if !dropped.is_empty() {
            let at = self.below(dropped.len());
            self.bring_back(vec![dropped[at]]);
        }
    }

    /// Runs recipes until all of these are here, of which each brings back all
    /// that it makes.
    fn bring_back(&mut self, mut open: Vec<Handle>) {
        let mut steps = 0;
        while let Some(object) = open.pop() {
            steps += 1;
            assert!(steps < 10_000, "recipes that need each other");
            if self.here.contains(&object) {
                continue;
            }
            let key = self.dropped[&object];
            let inputs = self.reach([key]).into_iter();
            let missing: Vec<Handle> = inputs.filter(|input| !self.here.contains(input)).collect();
            if missing.is_empty() {
                let made = self.ran[&key].made.clone();
                made.into_iter().for_each(|object| self.put(object));
            } else {
                open.push(object);
                open.extend(missing);
            }
        }
    }

    fn compute(&mut self) {
        let key = self.key();
        let made: Vec<Handle> = (0..1 + self.below(3)).map(|_| self.blob()).collect();
        let mut outcome = made[0];
        if self.below(2) == 0 {
            let inputs: Vec<Handle> = self.reach([key]).into_iter().collect();
            let mut entries = made;
            let passed = inputs[self.below(inputs.len())];
            entries.push(if self.below(2) == 0 { passed } else { passed.lower().unwrap() });
            outcome = match self.below(8) {
                // It only hands out what it got.
                0 => passed,
                _ => self.tree(entries),
            };
        }
        self.ran(key, outcome);
    }

    /// A computation comes to something that is there already.
    fn make_again(&mut self) {
        let key = self.key();
        let outcome = self.some(1)[0];
        self.ran(key, outcome);
    }

    fn key(&mut self) -> Handle {
        self.place += 1;
        let mut entries = vec![Handle::of_blob(b""), Handle::of_u64(self.place)];
        entries.extend(self.some(3));
        let key = self.tree(entries);
        let inputs: Vec<Handle> = self.reach([key]).into_iter().filter(|at| *at != key).collect();
        self.bring_back(inputs.clone());
        assert!(inputs.iter().all(|input| self.here.contains(input)), "not all came back");
        key
    }

    fn ran(&mut self, key: Handle, outcome: Handle) {
        let inputs = self.reach([key]);
        let made: BTreeSet<Handle> =
            self.reach([outcome]).into_iter().filter(|object| !inputs.contains(object)).collect();
        let run_ns = self.below(1000) as u64;
        let here = self.below(5) > 0;
        made.iter().for_each(|object| self.put(*object));
        self.put(key);
        self.ran.insert(key, Ran { outcome, run_ns, here, place: self.place, made });
    }

    fn size(&self) -> u64 {
        let content: u64 = self.here.iter().map(|object| self.bytes[object]).sum();
        content + RELATION_BYTES * self.ran.len() as u64 + self.dropped.len() as u64
    }

    pub(super) fn some_budget(&mut self) -> Option<u64> {
        let size = self.size();
        match self.below(4) {
            0 => None,
            1 => Some(0),
            part => Some(size / 4 * part as u64),
        }
    }

    fn graph(&self) -> Graph {
        let mut graph = Graph::default();
        for object in &self.here {
            graph.object(object, self.bytes[object], self.entries[object].iter());
        }
        for (key, ran) in &self.ran {
            let relation =
                Relation::new(Outcome::Value(ran.outcome), Cost { run_ns: ran.run_ns, fuel: None });
            graph.relation(key, &relation, ran.here, RELATION_BYTES, ran.place);
        }
        for (object, recipe) in &self.dropped {
            graph.gone(object, recipe);
        }
        graph
    }

    /// Collects, and does what was decided.
    pub(super) fn collect(&mut self, budget_bytes: Option<u64>) -> Collected {
        let graph = self.graph();
        let aim =
            Aim { fixed_bytes: 0, budget_bytes, record_bytes: 1, worth_bytes: self.worth_bytes };
        let before = self.reachable();
        let held = self.held_here();
        let plan = plan(&graph, &self.roots, &self.held, &aim);
        let collected = plan.collected(&graph, &aim);
        let number_of = |key: &Handle| graph.find_relation(key).unwrap();
        let keys: HashMap<u32, Handle> =
            self.ran.keys().map(|key| (number_of(key), *key)).collect();
        for object in &self.here {
            let number = graph.find(object).unwrap();
            if let Some(recipe) = plan.dropped.get(&number) {
                assert!(!plan.objects.has(number));
                self.dropped.insert(*object, keys[recipe]);
            }
        }
        self.ran.retain(|key, _| plan.relations.has(number_of(key)));
        self.dropped.retain(|_, key| self.ran.contains_key(key));
        self.here.retain(|object| plan.objects.has(graph.find(object).unwrap()));
        assert_eq!(collected.after_bytes, self.size());
        assert!(held.iter().all(|object| self.here.contains(object)), "what is held stays");
        if budget_bytes.is_none() {
            let left: BTreeSet<Handle> = self.here.clone();
            let expected: BTreeSet<Handle> =
                before.iter().filter(|object| left.contains(*object)).copied().collect();
            assert_eq!(left, expected, "garbage, and nothing else, goes");
            assert_eq!(collected.dropped.objects + collected.relations, 0);
        }
        collected
    }

    /// What is held and here. What was dropped before has to be asked for.
    fn held_here(&self) -> Vec<Handle> {
        let mut held = BTreeSet::new();
        let mut open: Vec<Handle> = self.held.iter().map(|held| held.content()).collect();
        while let Some(object) = open.pop() {
            if self.here.contains(&object) && held.insert(object) {
                open.extend(self.entries[&object].iter().map(|entry| entry.content()));
            }
        }
        held.into_iter().collect()
    }

    fn reachable(&self) -> BTreeSet<Handle> {
        let known = self.ran.iter().flat_map(|(key, ran)| [*key, ran.outcome]);
        self.reach(known.chain(self.roots.iter().copied()).chain(self.held.iter().copied()))
    }

    /// Everything that is reached is here, or comes back by running recipes one
    /// after the other, each when all its inputs are there.
    pub(super) fn check(&self) {
        let mut have = self.here.clone();
        loop {
            let runs: Vec<&Handle> = self
                .dropped
                .iter()
                .filter(|(object, _)| !have.contains(*object))
                .map(|(_, key)| key)
                .filter(|key| self.reach([**key]).is_subset(&have))
                .collect();
            if runs.is_empty() {
                break;
            }
            for key in runs {
                have.extend(self.ran[key].made.iter().copied());
            }
        }
        for (object, key) in &self.dropped {
            assert!(have.contains(object), "a recipe brings back what it is for");
            assert!(self.ran[key].here, "only what was run here is a recipe");
        }
        let lost: Vec<Handle> =
            self.reachable().into_iter().filter(|object| !have.contains(object)).collect();
        assert!(lost.is_empty(), "lost {lost:?}");
    }

    /// Where every object is made once, all that was made is dropped and all
    /// that no root reaches is forgotten.
    pub(super) fn check_that_nothing_more_can_go(&self) {
        let needed: BTreeSet<Handle> = self.dropped.values().copied().collect();
        let known = self.follow(self.roots.iter().chain(&self.held).copied());
        let held = self.follow(self.held.iter().copied());
        for (key, ran) in &self.ran {
            assert!(known.contains(key) || needed.contains(key), "{key:?} could be forgotten");
            let leaves = ran.made.iter().filter(|object| self.entries[*object].is_empty());
            for object in leaves.filter(|_| ran.here) {
                let stays = self.here.contains(object) && !held.contains(object);
                assert!(!stays, "{object:?} could be dropped");
            }
        }
    }

    fn follow(&self, from: impl IntoIterator<Item = Handle>) -> BTreeSet<Handle> {
        let mut reached = self.reach(from);
        loop {
            let known: Vec<Handle> = reached
                .iter()
                .flat_map(|object| {
                    let recipe = self.dropped.get(object).copied();
                    let outcome = self.ran.get(object).map(|ran| ran.outcome);
                    recipe.into_iter().chain(outcome)
                })
                .collect();
            let more = self.reach(known);
            if more.is_subset(&reached) {
                return reached;
            }
            reached.extend(more);
        }
    }
}
