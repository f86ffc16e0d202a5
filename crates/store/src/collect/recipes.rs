//! Which relation brings which content back.
//!
//! The question is asked the other way round: suppose that only what no
//! relation can bring back were kept. What can then be computed, and in which
//! order? A relation *fires* when all that its key reaches is there; what its
//! outcome reaches is there from then on, and what of that was not, the function
//! must have made: its recipe is this relation. So each recipe needs only what
//! was there before it, there are no circles, and any part of what has a recipe
//! may be dropped.
//!
//! Only *leaves* have recipes: Blobs, and Trees that name no other content. All
//! other Trees stay, so what a key reaches is known to the last handle also
//! when much of it was dropped, and a directory can be listed though its files
//! are gone.
//!
//! Where nothing fires any more though something is left (files and the archive
//! of them, each made of the other), the oldest relation has its inputs kept.
//!
//! All of it is linear in the graph: each object is made available once,
//! becomes full once, and is walked over once for all relations that fire.

use super::bits::Bits;
use super::graph::{Graph, NONE};

pub(super) struct Recipes<'a> {
    graph: &'a Graph,
    /// By object: the relation that brings it back, or [`NONE`].
    recipe: Vec<u32>,
    // Here, or computed by then.
    available: Bits,
    // Available, with all below.
    full: Bits,
    // How many of itself and its entries are not full.
    waits: Vec<u32>,
    parents: Parents,
    // Passed when a relation fired; all below it was seen to.
    walked: Bits,
    fired: Bits,
    // Passed when inputs were kept; all below it was.
    kept: Bits,
    // By relation, objects that an earlier collection dropped.
    gone: Vec<(u32, u32)>,
    newly_full: Vec<u32>,
}

/// By object, the recipe of what can be computed again, or [`NONE`]. `reached`
/// is all that counts, `held` what must stay in any case.
pub(super) fn recipes(graph: &Graph, reached: &Bits, held: &Bits) -> Vec<u32> {
    let mut recipes = Recipes::new(graph);
    recipes.begin(reached, held);
    recipes.settle();
    for number in recipes.oldest_first() {
        if !recipes.fired.has(number) && recipes.is_useful(number) {
            recipes.keep_inputs(number);
            recipes.settle();
        }
    }
    recipes.recipe
}

impl<'a> Recipes<'a> {
    fn new(graph: &'a Graph) -> Self {
        let objects = graph.objects_len();
        let mut gone: Vec<(u32, u32)> =
            graph.all_gone().iter().map(|gone| (gone.recipe, gone.object)).collect();
        gone.sort_unstable();
        Self {
            graph,
            recipe: vec![NONE; objects],
            available: Bits::new(objects),
            full: Bits::new(objects),
            waits: (0..objects as u32)
                .map(|object| 1 + graph.below(object).count() as u32)
                .collect(),
            parents: Parents::new(graph),
            walked: Bits::new(objects),
            fired: Bits::new(graph.known().len()),
            kept: Bits::new(objects),
            gone,
            newly_full: Vec::new(),
        }
    }

    /// What is there without any relation: what none of them leads to.
    fn begin(&mut self, reached: &Bits, held: &Bits) {
        let graph = self.graph;
        let mut made = Bits::new(graph.objects_len());
        let mut open: Vec<u32> = Vec::new();
        for known in graph.known().iter().filter(|known| known.is_recipe) {
            open.extend(Some(known.outcome).filter(|outcome| *outcome != NONE));
            while let Some(object) = open.pop() {
                if made.add(object) {
                    open.extend(graph.below(object));
                }
            }
        }
        for object in 0..graph.objects_len() as u32 {
            let counts = graph.is_here(object) && reached.has(object);
            let stays = !graph.is_leaf(object) || !made.has(object) || held.has(object);
            if counts && stays {
                self.make_available(object);
            }
        }
    }

    fn make_available(&mut self, object: u32) {
        if self.available.add(object) {
            self.wait_less(object);
        }
    }

    fn wait_less(&mut self, object: u32) {
        let waits = &mut self.waits[object as usize];
        *waits -= 1;
        if *waits == 0 {
            self.full.add(object);
            self.newly_full.push(object);
        }
    }

    /// Lets fire all that can.
    fn settle(&mut self) {
        while let Some(object) = self.newly_full.pop() {
            for at in self.parents.range(object) {
                self.wait_less(self.parents.of[at]);
            }
            for number in self.graph.relations_of(object) {
                if self.graph.known()[number as usize].is_recipe && self.fired.add(number) {
                    self.fire(number);
                }
            }
        }
    }

    fn fire(&mut self, number: u32) {
        let from = self.gone.partition_point(|(recipe, _)| *recipe < number);
        for at in from..self.gone.len() {
            let (recipe, object) = self.gone[at];
            if recipe != number {
                break;
            }
            self.make_available(object);
        }
        let outcome = self.graph.known()[number as usize].outcome;
        let mut open: Vec<u32> =
            Some(outcome).filter(|outcome| *outcome != NONE).into_iter().collect();
        while let Some(object) = open.pop() {
            if self.full.has(object) || !self.walked.add(object) {
                continue;
            }
            if self.graph.is_here(object) && !self.available.has(object) {
                self.recipe[object as usize] = number;
                self.make_available(object);
            }
            open.extend(self.graph.below(object));
        }
    }

    fn oldest_first(&self) -> Vec<u32> {
        let known = self.graph.known();
        let mut numbers: Vec<u32> = (0..known.len() as u32)
            .filter(|number| known[*number as usize].is_recipe && !self.fired.has(*number))
            .collect();
        numbers.sort_unstable_by_key(|number| known[*number as usize].place);
        numbers
    }

    /// Whether a relation leads to something that is not available.
    fn is_useful(&self, number: u32) -> bool {
        let outcome = self.graph.known()[number as usize].outcome;
        outcome != NONE && !self.full.has(outcome)
    }

    /// Keeps all that a key reaches and is here; of what is not, what its recipe
    /// needs. If something is missing in earnest, no harm is done by that.
    fn keep_inputs(&mut self, number: u32) {
        let mut open = vec![self.graph.known()[number as usize].key];
        while let Some(object) = open.pop() {
            if self.full.has(object) || !self.kept.add(object) {
                continue;
            }
            match self.graph.gone_object(object) {
                Some(gone) if gone.recipe != NONE => {
                    open.push(self.graph.known()[gone.recipe as usize].key);
                }
                _ if self.graph.is_here(object) => {
                    self.make_available(object);
                    open.extend(self.graph.below(object));
                }
                _ => {}
            }
        }
    }
}

/// Who refers to an object, as often as it does.
struct Parents {
    begin: Vec<u32>,
    of: Vec<u32>,
}

impl Parents {
    fn new(graph: &Graph) -> Self {
        let objects = graph.objects_len() as u32;
        let mut begin = vec![0; objects as usize + 1];
        for object in 0..objects {
            graph.below(object).for_each(|below| begin[below as usize + 1] += 1);
        }
        for at in 1..begin.len() {
            begin[at] += begin[at - 1];
        }
        let mut next = begin.clone();
        let mut of = vec![0; begin.last().copied().unwrap_or(0) as usize];
        for object in 0..objects {
            for below in graph.below(object) {
                of[next[below as usize] as usize] = object;
                next[below as usize] += 1;
            }
        }
        Self { begin, of }
    }

    fn range(&self, object: u32) -> std::ops::Range<usize> {
        let object = object as usize;
        self.begin[object] as usize..self.begin[object + 1] as usize
    }
}
