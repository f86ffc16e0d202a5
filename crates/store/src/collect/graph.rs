//! All that a store holds, as numbers: what reaches what.
//!
//! Ten million objects and as many relations have to fit, so a handle becomes a
//! dense number, all content a few columns, and the entries of all Trees one
//! list. About 70 bytes an object and 40 a relation.

use std::cell::Cell;
use std::collections::HashMap;

use hashbrown::HashTable;
use weft_object::{Handle, Kind};

use super::bits::Bits;
use crate::hash::HandleHash;
use crate::{Outcome, Relation};

/// No object: of a literal, or where a list ends.
pub(crate) const NONE: u32 = u32::MAX;
// On the last edge of an object.
const LAST: u32 = 1 << 31;
/// The part of a handle that is all its content's: the digest. Sort and length
/// follow from the content.
const DIGEST: usize = 24;

/// A store as a graph. Objects and relations have numbers in the order in which
/// they were first seen.
#[derive(Debug, Default)]
pub(crate) struct Graph {
    hash: HandleHash,
    index: HashTable<u32>,
    digests: Vec<[u8; DIGEST]>,
    // What was looked for last. What is written together is mostly numbered and
    // looked for in one order, and the next one is there without the index.
    last: Cell<u32>,
    // In units of 8; 0 of what is not here, and the maximum of what is in
    // `huge_bytes`.
    bytes: Vec<u32>,
    huge_bytes: HashMap<u32, u64>,
    // Where the edges of an object begin, plus one; 0 of what has none.
    first_edge: Vec<u32>,
    edges: Vec<u32>,
    // The first of the relations under the content.
    first_relation: Vec<u32>,
    relations: Vec<Known>,
    notes: HashMap<u32, u32>,
    gone: Vec<Gone>,
    gone_of: HashMap<u32, u32>,
    // Beyond what takes as much as is worth it.
    worth: Bits,
    full: bool,
}

/// A relation.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Known {
    /// Where it is, in the words of whoever built the graph; the later ones are
    /// greater.
    pub(crate) place: u64,
    pub(crate) run_ns: u64,
    /// The content under its key.
    pub(crate) key: u32,
    /// The content under its outcome, or [`NONE`].
    pub(crate) outcome: u32,
    // The next one with a key over the same content.
    next: u32,
    // Of the key.
    sort: u8,
    /// Whether what its outcome reaches can be had by applying the key.
    pub(crate) is_recipe: bool,
    bytes: u16,
}

impl Known {
    pub(crate) fn bytes(&self) -> u64 {
        8 * u64::from(self.bytes)
    }
}

/// Content that was dropped by an earlier collection.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Gone {
    pub(crate) object: u32,
    /// The relation that brings it back, or [`NONE`] if that is not here.
    pub(crate) recipe: u32,
}

impl Graph {
    /// Notes content that is here, and what it reaches directly: any handles.
    /// Its number, or `None` if it was noted before, or there is no room.
    pub(crate) fn object<'a>(
        &mut self,
        name: &Handle,
        bytes: u64,
        entries: impl Iterator<Item = &'a Handle>,
    ) -> Option<u32> {
        let object = self.number(name)?;
        if self.is_here(object) {
            return None;
        }
        let units = bytes.div_ceil(8).max(1);
        self.bytes[object as usize] = u32::try_from(units).unwrap_or(u32::MAX);
        if units >= u64::from(u32::MAX) {
            self.huge_bytes.insert(object, 8 * units);
        }
        let first = self.edges.len();
        for entry in entries.filter(|entry| !entry.is_literal()) {
            let below = self.number(entry)?;
            self.edges.push(below);
        }
        if self.edges.len() > first {
            self.full |= self.edges.len() >= NONE as usize;
            self.first_edge[object as usize] = first as u32 + 1;
            self.edges.last_mut().into_iter().for_each(|last| *last |= LAST);
        }
        Some(object)
    }

    /// Notes that it is worth dropping some content, however little it takes.
    pub(crate) fn note_worth(&mut self, name: &Handle) {
        if let Some(object) = self.find(name) {
            self.worth.add_some(object);
        }
    }

    /// Whether it is worth dropping content, for which it has to take so much.
    pub(crate) fn is_worth(&self, object: u32, bytes: u64) -> bool {
        self.bytes(object) >= bytes || self.worth.has_some(object)
    }

    /// Notes that content is not here any more; it may be noted again.
    pub(crate) fn remove(&mut self, name: &Handle) {
        if let Some(object) = self.find(name) {
            self.bytes[object as usize] = 0;
            self.first_edge[object as usize] = 0;
        }
    }

    /// Notes a relation, in the place of an earlier one under the same key: then
    /// its number, and the place of that. `here` says that this store ran or
    /// verified it.
    pub(crate) fn relation(
        &mut self,
        key: &Handle,
        relation: &Relation,
        here: bool,
        bytes: u64,
        place: u64,
    ) -> Option<(u32, u64)> {
        let content = self.number_of_key(key)?;
        let outcome = self.number_or_none(&relation.outcome.handle())?;
        let is_value = matches!(relation.outcome, Outcome::Value(_));
        let known = Known {
            place,
            run_ns: relation.cost.run_ns,
            key: content,
            outcome,
            next: NONE,
            sort: key.as_bytes()[31],
            is_recipe: here && is_value && key.kind() == Kind::Tree,
            bytes: u16::try_from(bytes.div_ceil(8)).unwrap_or(u16::MAX),
        };
        let (number, earlier) = self.place_of(known);
        match relation.notes.and_then(|notes| self.number_or_none(&notes)) {
            Some(notes) if notes != NONE => self.notes.insert(number, notes),
            _ => self.notes.remove(&number),
        };
        earlier.map(|place| (number, place))
    }

    // Where a relation is noted: that of an earlier one under the same key, and
    // then the place of it.
    fn place_of(&mut self, known: Known) -> (u32, Option<u64>) {
        let earlier = self.relations_of(known.key).find(|number| {
            let other = &self.relations[*number as usize];
            other.sort == known.sort
        });
        if let Some(earlier) = earlier {
            let other = &mut self.relations[earlier as usize];
            let place = other.place;
            *other = Known { next: other.next, ..known };
            return (earlier, Some(place));
        }
        let number = self.relations.len() as u32;
        self.full |= number >= LAST;
        let first = &mut self.first_relation[known.key as usize];
        self.relations.push(Known { next: *first, ..known });
        *first = number;
        (number, None)
    }

    /// Notes that content was dropped, and the key of the relation that brings
    /// it back. After all content and relations.
    pub(crate) fn gone(&mut self, name: &Handle, recipe: &Handle) {
        let (Some(object), Some(key)) = (self.number(name), self.number(recipe)) else { return };
        if self.is_here(object) || self.gone_of.contains_key(&object) {
            return;
        }
        let sort = recipe.as_bytes()[31];
        let recipe = self.relations_of(key).find(|number| {
            let known = &self.relations[*number as usize];
            known.sort == sort && known.is_recipe
        });
        self.gone_of.insert(object, self.gone.len() as u32);
        self.gone.push(Gone { object, recipe: recipe.unwrap_or(NONE) });
    }

    /// Whether there was more than can be numbered; then nothing that is said
    /// here may be relied on.
    pub(crate) fn is_full(&self) -> bool {
        self.full
    }

    pub(crate) fn objects_len(&self) -> usize {
        self.digests.len()
    }

    pub(crate) fn known(&self) -> &[Known] {
        &self.relations
    }

    pub(crate) fn all_gone(&self) -> &[Gone] {
        &self.gone
    }

    pub(crate) fn gone_object(&self, object: u32) -> Option<&Gone> {
        self.gone_of.get(&object).map(|at| &self.gone[*at as usize])
    }

    /// Whether the content is in the store.
    pub(crate) fn is_here(&self, object: u32) -> bool {
        self.bytes[object as usize] != 0
    }

    /// Whether it names no other content.
    pub(crate) fn is_leaf(&self, object: u32) -> bool {
        self.first_edge[object as usize] == 0
    }

    pub(crate) fn bytes(&self, object: u32) -> u64 {
        match self.bytes[object as usize] {
            u32::MAX => self.huge_bytes.get(&object).copied().unwrap_or(0),
            units => 8 * u64::from(units),
        }
    }

    /// What a Tree that is here reaches directly, as often as it is named.
    pub(crate) fn below(&self, object: u32) -> impl Iterator<Item = u32> + '_ {
        let mut at = match self.first_edge[object as usize] {
            0 => None,
            first => Some(first as usize - 1),
        };
        std::iter::from_fn(move || {
            let edge = self.edges[at?];
            at = (edge & LAST == 0).then_some(at? + 1);
            Some(edge & !LAST)
        })
    }

    /// The numbers of the relations whose keys are over this content.
    pub(crate) fn relations_of(&self, object: u32) -> impl Iterator<Item = u32> + '_ {
        let mut next = self.first_relation[object as usize];
        std::iter::from_fn(move || {
            let number = (next != NONE).then_some(next)?;
            next = self.relations[number as usize].next;
            Some(number)
        })
    }

    /// What a relation reaches besides its key: outcome and notes.
    pub(crate) fn found(&self, number: u32) -> impl Iterator<Item = u32> + use<> {
        let outcome = self.relations[number as usize].outcome;
        let notes = self.notes.get(&number).copied().unwrap_or(NONE);
        [outcome, notes].into_iter().filter(|object| *object != NONE)
    }

    /// All that a relation reaches.
    pub(crate) fn reached_by(&self, number: u32) -> impl Iterator<Item = u32> + use<> {
        std::iter::once(self.relations[number as usize].key).chain(self.found(number))
    }

    /// The number of the content under a handle, if it has one.
    pub(crate) fn find(&self, handle: &Handle) -> Option<u32> {
        self.find_digest(&digest_of(handle)?)
    }

    /// The number of the relation under a key.
    pub(crate) fn find_relation(&self, key: &Handle) -> Option<u32> {
        let content =
            self.find_digest(&digest_of(key).unwrap_or_else(|| digest_of_literal(key)))?;
        let sort = key.as_bytes()[31];
        self.relations_of(content).find(|number| self.relations[*number as usize].sort == sort)
    }

    fn number_or_none(&mut self, handle: &Handle) -> Option<u32> {
        if handle.is_literal() { Some(NONE) } else { self.number(handle) }
    }

    fn number(&mut self, handle: &Handle) -> Option<u32> {
        let digest = digest_of(handle)?;
        self.number_digest(digest)
    }

    fn number_of_key(&mut self, key: &Handle) -> Option<u32> {
        self.number_digest(digest_of(key).unwrap_or_else(|| digest_of_literal(key)))
    }

    fn number_digest(&mut self, digest: [u8; DIGEST]) -> Option<u32> {
        if let Some(found) = self.find_digest(&digest) {
            return Some(found);
        }
        let digests = &self.digests;
        let number = u32::try_from(digests.len()).ok().filter(|number| *number < LAST);
        let Some(number) = number else {
            self.full = true;
            return None;
        };
        self.digests.push(digest);
        self.bytes.push(0);
        self.first_edge.push(0);
        self.first_relation.push(NONE);
        let (digests, hash_with) = (&self.digests, &self.hash);
        let hash_at = |at: &u32| hash_of(hash_with, &digests[*at as usize]);
        self.index.insert_unique(hash_of(hash_with, &digest), number, hash_at);
        self.last.set(number);
        Some(number)
    }

    fn find_digest(&self, digest: &[u8; DIGEST]) -> Option<u32> {
        let next = self.last.get() + 1;
        let found = match self.digests.get(next as usize) {
            Some(there) if there == digest => next,
            _ => {
                let is_it = |at: &u32| self.digests[*at as usize] == *digest;
                *self.index.find(hash_of(&self.hash, digest), is_it)?
            }
        };
        self.last.set(found);
        Some(found)
    }
}

fn hash_of(hash: &HandleHash, digest: &[u8; DIGEST]) -> u64 {
    let mut raw = [0; 32];
    raw[..DIGEST].copy_from_slice(digest);
    hash.of_bytes(&raw)
}

fn digest_of(handle: &Handle) -> Option<[u8; DIGEST]> {
    if handle.is_literal() {
        return None;
    }
    let mut digest = [0; DIGEST];
    digest.copy_from_slice(&handle.as_bytes()[..DIGEST]);
    Some(digest)
}

// A key over a literal, which no content is stored for, needs a number too.
fn digest_of_literal(key: &Handle) -> [u8; DIGEST] {
    let mut digest = [0; DIGEST];
    digest.copy_from_slice(&blake3::hash(key.content().as_bytes()).as_bytes()[..DIGEST]);
    digest
}
