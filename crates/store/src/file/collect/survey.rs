//! Reading: from the records of a log to a graph.

use std::collections::HashMap;
use std::sync::Arc;

use weft_object::{Handle, Kind};

use super::Watch;
use super::records::{Record, Records};
use crate::collect::Phase;
use crate::collect::graph::Graph;
use crate::file::home::Home;
use crate::file::location::Location;
use crate::file::pack::Pack;
use crate::file::record::{Sort, content_length};
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
        for (name, (_, recipe)) in &survey.gone {
            survey.graph.gone(name, recipe);
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
                    Err(_) => return false,
                },
            },
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
                self.graph.remove(&name);
                if let Some(object) = self.graph.find(&name) {
                    self.later.insert(object, record.at);
                }
                self.gone.insert(name, (record.at, recipe));
            }
            Sort::Relation(key) => {
                let Some(relation) = Relation::decode(record.payload) else { return false };
                let finder = usize::from(relation.origin.finder).checked_sub(1);
                let here = finder.and_then(|at| finders.get(at)).is_some_and(|finder| finder.here);
                self.graph.relation(&key, &relation, here, bytes, order(part, record.at));
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
        if new.is_none() || self.later.contains_key(&object) {
            self.later.insert(object, at);
        }
        let objects = self.graph.objects_len();
        if self.part_of.len() < objects {
            self.part_of.resize(objects, 0);
        }
        self.part_of[object as usize] = part as u16;
    }
}
