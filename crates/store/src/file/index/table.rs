use std::cmp::Reverse;
use std::hash::{BuildHasher, RandomState};

use hashbrown::HashTable;
use weft_object::Handle;

use crate::file::location::Location;

/// Which of the two indexes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Kind {
    /// Of content, in whatever form: by Object.
    Content,
    /// Of relations: by key.
    Relation,
}

impl Kind {
    pub(crate) const ALL: [Self; 2] = [Self::Content, Self::Relation];

    /// What stands for a name in this index. Two names may share one, so what
    /// it leads to has to be looked at.
    pub(crate) fn print(self, name: &Handle) -> u64 {
        let raw = name.as_bytes();
        let first = raw.first_chunk().map_or(0, |first| u64::from_be_bytes(*first));
        match self {
            Self::Content => first,
            // The keys over one Tree differ in their last byte only.
            Self::Relation => first ^ u64::from(raw[31]),
        }
    }
}

/// Where something is that has this print.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Entry {
    pub(crate) print: u64,
    pub(crate) at: Location,
}

/// What is in no run yet: 16 bytes for each object and relation.
#[derive(Debug, Default)]
pub(crate) struct Table {
    content: Map,
    relations: Map,
}

impl Table {
    fn map(&self, kind: Kind) -> &Map {
        match kind {
            Kind::Content => &self.content,
            Kind::Relation => &self.relations,
        }
    }

    fn map_mut(&mut self, kind: Kind) -> &mut Map {
        match kind {
            Kind::Content => &mut self.content,
            Kind::Relation => &mut self.relations,
        }
    }

    pub(crate) fn len(&self) -> usize {
        self.content.len() + self.relations.len()
    }

    pub(crate) fn entries(&self, kind: Kind) -> usize {
        self.map(kind).len()
    }

    /// Adds an entry; `replaced` is where the same name was before, if it was
    /// in this table.
    pub(crate) fn insert(&mut self, kind: Kind, entry: Entry, replaced: Option<Location>) {
        self.map_mut(kind).insert(entry, replaced);
    }

    /// Whatever has this print, the latest first.
    pub(crate) fn find(&self, kind: Kind, print: u64, found: &mut Vec<Location>) {
        let (hash, part) = self.map(kind).part(print);
        let before = found.len();
        let same = part.iter_hash(hash).filter(|entry| entry.print == print);
        found.extend(same.map(|entry| entry.at));
        found[before..].sort_unstable_by_key(|at| Reverse(*at));
    }

    /// All with a print from one to another, in no order.
    pub(crate) fn range(&self, kind: Kind, low: u64, high: u64, found: &mut Vec<Entry>) {
        let inside = self.map(kind).iter().filter(|entry| (low..=high).contains(&entry.print));
        found.extend(inside);
    }

    /// All of a kind by print; of one print, the latest first.
    pub(crate) fn sorted(&self, kind: Kind) -> Vec<Entry> {
        let mut all: Vec<Entry> = self.map(kind).iter().copied().collect();
        all.sort_unstable_by_key(|entry| (entry.print, Reverse(entry.at)));
        all
    }
}

/// One of the two, in parts: a table that grows moves all its entries while
/// others wait, so each is to be small. 262,144 entries in one took 7 ms.
///
/// The multiplier is drawn anew for each, see [`crate::HandleHash`].
#[derive(Debug)]
struct Map {
    parts: [HashTable<Entry>; PARTS],
    multiplier: u64,
}

const PARTS: usize = 32;

impl Default for Map {
    fn default() -> Self {
        let multiplier = RandomState::new().hash_one(0_u8) | 1;
        Self { parts: std::array::from_fn(|_| HashTable::new()), multiplier }
    }
}

impl Map {
    fn hash(&self, print: u64) -> u64 {
        mix(self.multiplier, print)
    }

    // The tables use the upper and lower bits.
    fn place(hash: u64) -> usize {
        (hash >> 40) as usize % PARTS
    }

    fn part(&self, print: u64) -> (u64, &HashTable<Entry>) {
        let hash = self.hash(print);
        (hash, &self.parts[Self::place(hash)])
    }

    fn len(&self) -> usize {
        self.parts.iter().map(HashTable::len).sum()
    }

    fn iter(&self) -> impl Iterator<Item = &Entry> {
        self.parts.iter().flatten()
    }

    fn insert(&mut self, entry: Entry, replaced: Option<Location>) {
        let (multiplier, hash) = (self.multiplier, self.hash(entry.print));
        let part = &mut self.parts[Self::place(hash)];
        let old = replaced.and_then(|old| part.find_mut(hash, |found| found.at == old));
        match old {
            Some(old) => *old = entry,
            None => {
                part.insert_unique(hash, entry, |entry| mix(multiplier, entry.print));
            }
        }
    }
}

fn mix(multiplier: u64, print: u64) -> u64 {
    let wide = u128::from(print) * u128::from(multiplier);
    (wide as u64) ^ (wide >> 64) as u64
}
