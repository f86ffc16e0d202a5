//! Where everything is.
//!
//! An entry says that a record for a name with some *print* (eight bytes of it)
//! stands at some place of the log. New entries go to a table in memory. When
//! that is full it is *frozen*, and later written to a sorted *run*; runs that
//! are neighbors in time are merged, so that there are few. What came later
//! takes the place of what was before: a search asks the table, then what was
//! frozen, then the runs, the latest first.

mod filter;
mod layout;
mod merge;
mod sorted;
mod table;
mod writer;

use std::ops::ControlFlow;
use std::sync::Arc;

use weft_object::Handle;

use super::home::Home;
use super::location::Location;
use super::log::Counters;
use super::pack::{Backwards, Pack};
use super::record::{Header, Sort};
use super::state::State;
use crate::StoreError;
use crate::sync::{Mutex, RwLock};
pub(crate) use merge::{Merge, Source};
pub(crate) use sorted::SortedRun;
pub(crate) use table::{Entry, Kind, Table};
pub(crate) use writer::RunWriter;

/// A table that gets no more entries, with how things stood when it got its
/// last.
#[derive(Debug)]
pub(crate) struct Frozen {
    pub(crate) table: Table,
    /// Everything before is in this table or in an earlier one or a run.
    pub(crate) end: Location,
    pub(crate) state: Arc<State>,
    /// A collection may take from them.
    pub(crate) counters: Mutex<Counters>,
}

/// All that is known of where things are, at one moment.
#[derive(Clone, Debug, Default)]
pub(crate) struct Parts {
    /// In the order of the log.
    pub(crate) packs: Vec<Arc<Pack>>,
    /// The latest last.
    pub(crate) runs: Vec<Arc<SortedRun>>,
    /// The latest last.
    pub(crate) frozen: Vec<Arc<Frozen>>,
}

impl Parts {
    pub(crate) fn pack(&self, number: u32) -> Option<&Arc<Pack>> {
        self.packs.iter().rev().find(|pack| pack.number == number)
    }
}

/// A record that was looked for.
#[derive(Debug)]
pub(crate) struct Found {
    pub(crate) at: Location,
    pub(crate) pack: Arc<Pack>,
    pub(crate) header: Header,
    /// Empty for content.
    pub(crate) payload: Vec<u8>,
}

impl Found {
    /// The record and, of large content, the file.
    pub(crate) fn bytes(&self) -> u64 {
        self.header.size()
    }
}

#[derive(Debug)]
pub(crate) struct Index {
    home: Arc<Home>,
    view: RwLock<View>,
}

#[derive(Debug, Default)]
struct View {
    active: Table,
    parts: Arc<Parts>,
}

fn name_of(kind: Kind, sort: &Sort) -> Option<Handle> {
    match (kind, sort) {
        (Kind::Relation, Sort::Relation(key)) => Some(*key),
        (Kind::Content, sort) => sort.object(),
        _ => None,
    }
}

impl Index {
    pub(crate) fn new(home: Arc<Home>, parts: Parts) -> Self {
        let view = View { active: Table::default(), parts: Arc::new(parts) };
        Self { home, view: RwLock::new(view) }
    }

    /// All but what is in the active table.
    pub(crate) fn parts(&self) -> Arc<Parts> {
        self.view.read().parts.clone()
    }

    /// Changes packs, runs and frozen tables for all who look from now on.
    pub(crate) fn change<T>(&self, change: impl FnOnce(&mut Parts) -> T) -> T {
        change(Arc::make_mut(&mut self.view.write().parts))
    }

    /// Forgets all that is known, and knows what another one knows from now on.
    pub(crate) fn become_that_of(&self, other: &Self) {
        let other = std::mem::take(&mut *other.view.write());
        *self.view.write() = other;
    }

    /// How many entries are in no run and not frozen.
    pub(crate) fn active_len(&self) -> usize {
        self.view.read().active.len()
    }

    /// Adds entries; with each, where the same name was before.
    pub(crate) fn insert(&self, entries: &[(Kind, Entry, Option<Location>)]) {
        let mut view = self.view.write();
        for (kind, entry, replaced) in entries {
            view.active.insert(*kind, *entry, *replaced);
        }
    }

    /// Begins a new table; the old one is for a run.
    pub(crate) fn freeze(&self, end: Location, state: Arc<State>, counters: Counters) {
        let mut view = self.view.write();
        let table = std::mem::take(&mut view.active);
        let counters = Mutex::new(counters);
        let frozen = Arc::new(Frozen { table, end, state, counters });
        Arc::make_mut(&mut view.parts).frozen.push(frozen);
    }

    /// The latest record for a name.
    ///
    /// # Errors
    /// It cannot be read; [`StoreError::Corrupt`] if there should be one that is
    /// not sound, and no other.
    pub(crate) fn find(&self, kind: Kind, name: &Handle) -> Result<Option<Found>, StoreError> {
        let print = kind.print(name);
        let mut places = Vec::new();
        let parts = {
            let view = self.view.read();
            view.active.find(kind, print, &mut places);
            view.parts.clone()
        };
        for frozen in parts.frozen.iter().rev() {
            frozen.table.find(kind, print, &mut places);
        }
        let mut damaged = None;
        if let Some(found) = self.first(&parts, kind, name, &places, &mut damaged)? {
            return Ok(Some(found));
        }
        for run in parts.runs.iter().rev() {
            places.clear();
            run.find(kind, print, &mut places)?;
            if let Some(found) = self.first(&parts, kind, name, &places, &mut damaged)? {
                return Ok(Some(found));
            }
        }
        damaged.map_or(Ok(None), Err)
    }

    // The first of these places with a record for the name.
    fn first(
        &self,
        parts: &Parts,
        kind: Kind,
        name: &Handle,
        places: &[Location],
        damaged: &mut Option<StoreError>,
    ) -> Result<Option<Found>, StoreError> {
        for at in places {
            let Some(pack) = parts.pack(at.pack()) else { continue };
            match pack.record(&self.home, at.offset())? {
                Some((header, payload)) if name_of(kind, &header.sort) == Some(*name) => {
                    return Ok(Some(Found { at: *at, pack: pack.clone(), header, payload }));
                }
                Some(_) => {}
                None => *damaged = Some(pack.corrupt(name, at.offset())),
            }
        }
        Ok(None)
    }

    /// The name of the record at a place, if it is sound.
    pub(crate) fn name_at(
        &self,
        parts: &Parts,
        kind: Kind,
        at: Location,
    ) -> Result<Option<Handle>, StoreError> {
        let Some(pack) = parts.pack(at.pack()) else { return Ok(None) };
        let record = pack.record(&self.home, at.offset())?;
        Ok(record.and_then(|(header, _)| name_of(kind, &header.sort)))
    }

    /// Whether two entries are of one name; for a [`Merge`].
    pub(crate) fn same(
        &self,
        parts: &Parts,
        kind: Kind,
        one: Entry,
        other: Entry,
    ) -> Result<bool, StoreError> {
        let first = self.name_at(parts, kind, one.at)?;
        Ok(first.is_some() && first == self.name_at(parts, kind, other.at)?)
    }

    /// All content with a print from one to another, by print; what was put
    /// again may come more than once.
    pub(crate) fn range(
        &self,
        low: u64,
        high: u64,
    ) -> Result<(Arc<Parts>, Vec<Entry>), StoreError> {
        let mut found = Vec::new();
        let parts = {
            let view = self.view.read();
            view.active.range(Kind::Content, low, high, &mut found);
            view.parts.clone()
        };
        for frozen in &parts.frozen {
            frozen.table.range(Kind::Content, low, high, &mut found);
        }
        for run in &parts.runs {
            run.range(Kind::Content, low, high, &mut found)?;
        }
        found.sort_by_key(|entry| entry.print);
        Ok((parts, found))
    }

    /// Calls `visit` with each relation that counts, the latest first, until it
    /// breaks; what is damaged is left out. What is put meanwhile may be left
    /// out, too.
    ///
    /// What is in one table or run is held at a time: 8 bytes a relation.
    pub(crate) fn each_relation(&self, visit: &mut Visit<'_>) -> Result<(), StoreError> {
        let (parts, active) = {
            let view = self.view.read();
            (view.parts.clone(), places(&view.active))
        };
        let frozen = parts.frozen.len();
        for source in 0..=frozen + parts.runs.len() {
            let mut places = match source {
                0 => active.clone(),
                _ if source <= frozen => places(&parts.frozen[frozen - source].table),
                _ => run_places(&parts.runs[frozen + parts.runs.len() - source])?,
            };
            places.sort_unstable_by(|one, other| other.cmp(one));
            let mut window = Backwards::default();
            for at in places {
                let Some(pack) = parts.pack(at.pack()) else { continue };
                let Some((header, payload)) = window.record(&self.home, pack, at.offset())? else {
                    continue;
                };
                let Sort::Relation(key) = header.sort else { continue };
                if !self.replaced(&parts, source, &key)? && visit(&key, &payload).is_break() {
                    return Ok(());
                }
            }
        }
        Ok(())
    }

    // Whether one of the first so many sources has this relation, too.
    fn replaced(&self, parts: &Parts, source: usize, key: &Handle) -> Result<bool, StoreError> {
        let print = Kind::Relation.print(key);
        let mut places = Vec::new();
        if source > 0 {
            self.view.read().active.find(Kind::Relation, print, &mut places);
        }
        let frozen = parts.frozen.len();
        for newer in 1..source {
            match newer <= frozen {
                true => parts.frozen[frozen - newer].table.find(Kind::Relation, print, &mut places),
                false => {
                    let run = &parts.runs[frozen + parts.runs.len() - newer];
                    run.find(Kind::Relation, print, &mut places)?;
                }
            }
        }
        for at in places {
            if self.name_at(parts, Kind::Relation, at)? == Some(*key) {
                return Ok(true);
            }
        }
        Ok(false)
    }
}

/// Is given a key and the payload of its relation.
pub(crate) type Visit<'a> = dyn FnMut(&Handle, &[u8]) -> ControlFlow<()> + 'a;

fn places(table: &Table) -> Vec<Location> {
    let mut found = Vec::new();
    table.range(Kind::Relation, 0, u64::MAX, &mut found);
    found.into_iter().map(|entry| entry.at).collect()
}

fn run_places(run: &Arc<SortedRun>) -> Result<Vec<Location>, StoreError> {
    let mut places = Vec::with_capacity(run.entries(Kind::Relation) as usize);
    let mut reader = run.read_all(Kind::Relation);
    while let Some(entry) = reader.next()? {
        places.push(entry.at);
    }
    Ok(places)
}
