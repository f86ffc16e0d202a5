//! Reading: from the records of a log to a graph.

use std::collections::HashMap;
use std::sync::Arc;

use weft_object::{Handle, Kind};

use super::records::{Record, Records};
use super::{COMPRESSED_WORTH_BYTES, WORTH_BYTES, Watch};
use crate::collect::Phase;
use crate::collect::graph::Graph;
use crate::file::home::Home;
use crate::file::location::Location;
use crate::file::pack::Pack;
use crate::file::record::{Header, Sort, content_length};
use crate::hash::HandleHash;
use crate::{Finder, Relation, StoreError};

/// What the files take for finding a record again, in bytes: an entry of a run
/// and its part of a filter, as a multiple of 8.
pub(super) const ENTRY_BYTES: u64 = 24;

/// A pack, up to where it was when the collection began.
#[derive(Clone, Debug)]
pub(super) struct Part {
    pub(super) pack: Arc<Pack>,
    pub(super) end: u64,
}

/// All that there is.
#[derive(Debug, Default)]
pub(super) struct Survey {
    pub(super) graph: Graph,
    /// By object, in which part its record is; of those that are here.
    pub(super) part_of: Vec<u16>,
    /// Of objects of which there are several records, as they were dropped or
    /// damaged in between: the place of the one that counts.
    pub(super) later: HashMap<u32, Location>,
    /// What was dropped earlier: the record and the key of its recipe.
    pub(super) gone: HashMap<Handle, (Location, Handle), HandleHash>,
    /// What of an object is in a file of its own.
    pub(super) large_bytes: HashMap<u32, u64>,
    /// Parts with a record about an object that is not its content as it is:
    /// that it was dropped, or content from before that.
    pub(super) others: Vec<(u16, u32)>,
    /// Parts with an earlier record of a relation.
    pub(super) earlier: Vec<(u16, u32)>,
    // Trees that are damaged and were not put again yet: what they hold is not
    // known.
    damaged: HashMap<Handle, Location, HandleHash>,
    // The first of these, before objects that are not here have numbers.
    dropped_in: Vec<(u16, Handle)>,
}

/// The place of a record in the order of the log, whichever numbers its packs
/// have.
pub(super) fn order(part: usize, at: Location) -> u64 {
    (part as u64) << 40 | at.offset()
}

impl Survey {
    pub(super) fn read(
        home: &Home,
        parts: &[Part],
        finders: &[Finder],
        watch: &Watch<'_>,
    ) -> Result<Self, StoreError> {
        if parts.len() > usize::from(u16::MAX) {
            return Err(StoreError::TooManyObjects);
        }
        let mut survey = Self::default();
        let all = parts.iter().map(|part| part.end).sum();
        let mut done = 0;
        for (number, part) in parts.iter().enumerate() {
            let mut records = Records::new(home, &part.pack, part.end);
            while let Some(record) = records.next()? {
                let offset = record.at.offset();
                watch.tell(Phase::Reading, done + offset, all);
                if !survey.take(number, &record, finders) {
                    return Err(records.damaged());
                }
            }
            done += part.end;
        }
        if let Some(at) = survey.damaged.values().min() {
            let path = home.pack(at.pack());
            return Err(StoreError::Damaged { path, what: "a part of the log" });
        }
        for (name, (_, recipe)) in &survey.gone {
            survey.graph.gone(name, recipe);
        }
        for (part, name) in std::mem::take(&mut survey.dropped_in) {
            survey.others.extend(survey.graph.find(&name).map(|object| (part, object)));
        }
        survey.part_of.resize(survey.graph.objects_len(), 0);
        match survey.graph.is_full() {
            true => Err(StoreError::TooManyObjects),
            false => Ok(survey),
        }
    }

    /// `false` if it says what cannot be.
    fn take(&mut self, part: usize, record: &Record<'_>, finders: &[Finder]) -> bool {
        let bytes = record.header.size() + ENTRY_BYTES;
        match record.header.sort {
            Sort::Content(name) => match name.kind() {
                Kind::Blob => self.object(part, record.at, &name, bytes, &[]),
                _ => match name.check_tree(record.payload) {
                    Ok(tree) => self.object(part, record.at, &name, bytes, tree.entries()),
                    Err(_) => {
                        self.damaged.insert(name, record.at);
                        self.dropped_in.push((part as u16, name));
                    }
                },
            },
            Sort::Compressed(name) => {
                self.object(part, record.at, &name, bytes, &[]);
                // What would have to be computed is longer than what it takes.
                let plain = Header::content(name).size() + ENTRY_BYTES;
                if plain >= WORTH_BYTES && bytes >= COMPRESSED_WORTH_BYTES {
                    self.graph.note_worth(&name);
                }
            }
            Sort::Large(name) => {
                let large = content_length(&name);
                self.object(part, record.at, &name, bytes + large, &[]);
                if let Some(object) = self.graph.find(&name) {
                    self.large_bytes.insert(object, large);
                }
            }
            Sort::Dropped(name) => {
                let Some(recipe) =
                    record.payload.first_chunk().and_then(|raw| Handle::decode(raw).ok())
                else {
                    return false;
                };
                if let Some(object) = self.graph.find(&name) {
                    if self.graph.is_here(object) {
                        self.others.push((self.part_of[object as usize], object));
                    }
                    self.later.insert(object, record.at);
                }
                self.graph.remove(&name);
                self.dropped_in.push((part as u16, name));
                self.gone.insert(name, (record.at, recipe));
            }
            Sort::Relation(key) => {
                let Some(relation) = Relation::decode(record.payload) else { return false };
                let finder = usize::from(relation.origin.finder).checked_sub(1);
                let here = finder.and_then(|at| finders.get(at)).is_some_and(|finder| finder.here);
                let place = order(part, record.at);
                let earlier = self.graph.relation(&key, &relation, here, bytes, place);
                self.earlier.extend(earlier.map(|(number, at)| ((at >> 40) as u16, number)));
            }
            _ => {}
        }
        true
    }

    fn object(&mut self, part: usize, at: Location, name: &Handle, bytes: u64, entries: &[Handle]) {
        if !self.gone.is_empty() {
            self.gone.remove(name);
        }
        let new = self.graph.object(name, bytes, entries.iter());
        let Some(object) = new.or_else(|| self.graph.find(name)) else { return };
        let was_damaged = !self.damaged.is_empty() && self.damaged.remove(name).is_some();
        if new.is_none() || was_damaged || self.later.contains_key(&object) {
            self.later.insert(object, at);
        }
        let objects = self.graph.objects_len();
        if self.part_of.len() < objects {
            self.part_of.resize(objects, 0);
        }
        if new.is_none() {
            self.others.push((self.part_of[object as usize], object));
        }
        self.part_of[object as usize] = part as u16;
    }
}
