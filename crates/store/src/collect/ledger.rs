//! What stays, counted by references.

use super::bits::Bits;
use super::graph::Graph;

/// Which content and which relations stay, as things are taken away one after
/// the other: what nothing refers to any more goes too.
pub(super) struct Ledger<'a> {
    pub(super) graph: &'a Graph,
    /// Objects that stay.
    pub(super) objects: Bits,
    /// Relations that stay.
    pub(super) relations: Bits,
    /// What all of that takes.
    pub(super) bytes: u64,
    // From content that stays, roots, and relations that stay.
    references: Vec<u32>,
    open: Vec<u32>,
}

/// What was done, so that it can be undone.
#[derive(Default)]
pub(super) struct Journal {
    released: Vec<u32>,
    removed: Vec<u32>,
}

// So many that it is not counted any more, and never comes to none.
const COUNTLESS: u32 = u32::MAX;

impl<'a> Ledger<'a> {
    /// Everything that the roots and all relations reach.
    pub(super) fn new(graph: &'a Graph, roots: &[u32]) -> Self {
        let mut ledger = Self {
            graph,
            objects: Bits::new(graph.objects_len()),
            relations: Bits::new(graph.known().len()),
            bytes: 0,
            references: vec![0; graph.objects_len()],
            open: Vec::new(),
        };
        for root in roots {
            ledger.refer(*root);
        }
        for number in 0..graph.known().len() as u32 {
            ledger.relations.add(number);
            ledger.bytes += graph.known()[number as usize].bytes();
            graph.reached_by(number).for_each(|object| ledger.refer(object));
        }
        ledger
    }

    /// Counts one more reference, and keeps what it leads to.
    pub(super) fn refer(&mut self, object: u32) {
        self.open.push(object);
        while let Some(object) = self.open.pop() {
            let count = &mut self.references[object as usize];
            *count = count.saturating_add(1);
            if self.graph.is_here(object) && self.objects.add(object) {
                self.bytes += self.graph.bytes(object);
                self.open.extend(self.graph.below(object));
            }
        }
    }

    /// How many refer to an object.
    pub(super) fn references(&self, object: u32) -> u32 {
        self.references[object as usize]
    }

    /// Takes an object that reaches nothing away although something refers to
    /// it.
    pub(super) fn remove(&mut self, object: u32) {
        debug_assert!(self.graph.is_leaf(object) && self.objects.has(object));
        self.objects.remove(object);
        self.bytes -= self.graph.bytes(object);
    }

    /// Takes a relation away, and what only it referred to.
    pub(super) fn forget(&mut self, number: u32) -> Journal {
        let mut journal = Journal::default();
        self.relations.remove(number);
        self.bytes -= self.graph.known()[number as usize].bytes();
        self.open.extend(self.graph.reached_by(number));
        self.release_open(&mut journal);
        journal
    }

    /// Undoes [`Ledger::forget`].
    pub(super) fn remember(&mut self, number: u32, journal: &Journal) {
        self.relations.add(number);
        self.bytes += self.graph.known()[number as usize].bytes();
        for object in &journal.removed {
            self.objects.add(*object);
            self.bytes += self.graph.bytes(*object);
        }
        for object in &journal.released {
            let count = &mut self.references[*object as usize];
            *count = count.saturating_add(1);
        }
    }

    fn release_open(&mut self, journal: &mut Journal) {
        while let Some(object) = self.open.pop() {
            let count = &mut self.references[object as usize];
            if *count == COUNTLESS {
                continue;
            }
            debug_assert!(*count > 0, "released more often than referred to");
            *count -= 1;
            journal.released.push(object);
            if *count == 0 && self.objects.has(object) {
                self.take(object, journal);
            }
        }
    }

    fn take(&mut self, object: u32, journal: &mut Journal) {
        self.objects.remove(object);
        self.bytes -= self.graph.bytes(object);
        journal.removed.push(object);
        self.open.extend(self.graph.below(object));
    }
}

impl Journal {
    /// What is referred to less often than before.
    pub(super) fn released(&self) -> &[u32] {
        &self.released
    }
}
