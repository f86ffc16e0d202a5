//! Writing: what stays of packs that go.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use weft_object::Handle;

use super::Watch;
use super::records::{Record, Records};
use super::survey::{Part, Survey, order};
use crate::StoreError;
use crate::collect::Phase;
use crate::collect::plan::{Kept, Plan};
use crate::file::index::{Entry, Kind, RunWriter, SortedRun};
use crate::file::location::Location;
use crate::file::log::Counters;
use crate::file::pack::{Pack, START};
use crate::file::record::{Header, Sort};
use crate::file::rewrite::{PackWriter, Snapshot};
use crate::file::store::Store;

/// What is being made of a snapshot.
pub(super) struct Copy<'a> {
    pub(super) store: &'a Store,
    pub(super) snapshot: &'a Snapshot,
    pub(super) parts: &'a [Part],
    /// By part, whether it goes.
    pub(super) goes: &'a [bool],
    pub(super) survey: &'a Survey,
    pub(super) plan: Plan,
    /// New packs that are complete.
    pub(super) packs: Vec<Arc<Pack>>,
    pub(super) counters: Counters,
    entries: [Vec<Entry>; 2],
    /// By object, what is dropped now.
    dropped: BTreeMap<u32, Handle>,
    /// By number, the keys of the relations that bring that back.
    keys: BTreeMap<u32, Handle>,
    recipes: BTreeSet<u32>,
    /// By object, where it was noted as dropped: once that has begun, what is
    /// kept after all has to stand behind it in the log.
    noted: Option<BTreeMap<u32, Location>>,
}

/// The record that says so of one object.
const DROPPED: u64 = 48 + 32;

/// What one pass is about.
enum Only {
    All,
    These(BTreeSet<u32>, BTreeSet<u32>),
}

impl<'a> Copy<'a> {
    pub(super) fn new(
        store: &'a Store,
        snapshot: &'a Snapshot,
        (parts, goes): (&'a [Part], &'a [bool]),
        survey: &'a Survey,
        plan: Plan,
    ) -> Self {
        let recipes = plan.dropped.values().copied().collect();
        Self {
            store,
            snapshot,
            parts,
            goes,
            survey,
            plan,
            packs: Vec::new(),
            counters: Counters::default(),
            entries: Default::default(),
            dropped: BTreeMap::new(),
            keys: BTreeMap::new(),
            recipes,
            noted: None,
        }
    }

    /// Copies all that stays, and finds what stays where it is.
    pub(super) fn all(&mut self, watch: &Watch<'_>) -> Result<(), StoreError> {
        self.pass(&Only::All, watch)
    }

    /// Keeps what somebody has relied on since; whether that was more than
    /// stays in any case.
    pub(super) fn keep(&mut self, names: &[Handle], watch: &Watch<'_>) -> Result<bool, StoreError> {
        let kept = keep(&mut self.plan, self.survey, names);
        if kept.objects.is_empty() && kept.relations.is_empty() {
            return Ok(false);
        }
        for object in &kept.objects {
            self.forget_dropped(*object);
        }
        let only =
            Only::These(kept.objects.into_iter().collect(), kept.relations.into_iter().collect());
        self.pass(&only, watch)?;
        Ok(true)
    }

    // It is kept after all: one name has one entry in a run.
    fn forget_dropped(&mut self, object: u32) {
        if let Some(at) = self.noted.as_mut().and_then(|noted| noted.remove(&object)) {
            self.entries[Kind::Content as usize].retain(|entry| entry.at != at);
            self.counters.dropped -= 1;
            self.counters.dead_bytes += DROPPED;
        }
    }

    // Whether a pass may find something in a pack.
    fn concerns(&self, number: usize, only: &Only) -> bool {
        let Only::These(objects, relations) = only else { return true };
        let Survey { graph, part_of, gone, .. } = self.survey;
        let pack = self.parts[number].pack.number;
        objects.iter().any(|object| usize::from(part_of[*object as usize]) == number)
            || relations
                .iter()
                .any(|relation| (graph.known()[*relation as usize].place >> 40) as usize == number)
            || (!relations.is_empty() && gone.values().any(|(at, _)| at.pack() == pack))
    }

    /// Whether what somebody relied on stays.
    pub(super) fn stays(&mut self, names: &[Handle]) -> bool {
        let graph = &self.survey.graph;
        names.iter().all(|name| {
            let content = graph
                .find(name)
                .is_none_or(|object| !graph.is_here(object) || self.plan.objects.has(object));
            let relation = graph.find_relation(name);
            content && relation.is_none_or(|relation| self.plan.relations.has(relation))
        })
    }

    fn pass(&mut self, only: &Only, watch: &Watch<'_>) -> Result<(), StoreError> {
        let mut writer = PackWriter::new(self.store, self.snapshot);
        let parts = self.parts;
        let all = parts.iter().map(|part| part.end).sum();
        let mut done = 0;
        for (number, part) in parts.iter().enumerate() {
            if !self.concerns(number, only) {
                continue;
            }
            let mut records = Records::new(&self.store.home, &part.pack, part.end);
            let mut live = 0;
            while let Some(record) = records.next()? {
                watch.tell(Phase::Writing, done + record.at.offset(), all);
                if self.counts(number, &record, only) {
                    live += record.header.size();
                    self.take(number, &record, &mut writer)?;
                }
            }
            match only {
                _ if self.goes[number] => {}
                Only::All => self.counters.dead_bytes += part.end - START - live,
                // It was counted as dead, and stays that if it was copied.
                Only::These(..) if self.noted.is_none() => self.counters.dead_bytes -= live,
                Only::These(..) => {}
            }
            done += part.end;
        }
        self.packs.append(&mut writer.finish()?);
        Ok(())
    }

    /// Whether this is the record that counts of something that stays.
    fn counts(&mut self, part: usize, record: &Record<'_>, only: &Only) -> bool {
        let Survey { graph, later, gone, .. } = self.survey;
        match record.header.sort {
            Sort::Content(name) | Sort::Compressed(name) | Sort::Large(name) => {
                let Some(object) = graph.find(&name).filter(|object| graph.is_here(*object)) else {
                    return false;
                };
                if later.get(&object).is_some_and(|at| *at != record.at) {
                    return false;
                }
                if self.plan.dropped.contains_key(&object) {
                    self.dropped.insert(object, name);
                }
                match only {
                    Only::All => self.plan.objects.has(object),
                    Only::These(objects, _) => objects.contains(&object),
                }
            }
            Sort::Relation(key) => {
                let Some(relation) = graph.find_relation(&key) else { return false };
                if graph.known()[relation as usize].place != order(part, record.at) {
                    return false;
                }
                if self.recipes.contains(&relation) {
                    self.keys.insert(relation, key);
                }
                match only {
                    Only::All => self.plan.relations.has(relation),
                    Only::These(_, relations) => relations.contains(&relation),
                }
            }
            // Of those, as many as of their relations; another pass gets all.
            Sort::Dropped(name) => {
                let counts = gone.get(&name).is_some_and(|(at, _)| *at == record.at);
                let object = graph.find(&name).and_then(|object| graph.gone_object(object));
                counts
                    && object.is_some_and(|gone| match only {
                        Only::All => self.plan.relations.has_some(gone.recipe),
                        Only::These(_, relations) => relations.contains(&gone.recipe),
                    })
            }
            _ => false,
        }
    }

    fn take(
        &mut self,
        part: usize,
        record: &Record<'_>,
        writer: &mut PackWriter<'_>,
    ) -> Result<(), StoreError> {
        let at = match self.goes[part] || self.noted.is_some() {
            true => writer.record(&record.header, record.payload)?,
            false => record.at,
        };
        self.enter(&record.header.sort, at);
        Ok(())
    }

    fn enter(&mut self, sort: &Sort, at: Location) {
        let counters = &mut self.counters;
        let (kind, name) = match sort {
            Sort::Relation(key) => (Kind::Relation, *key),
            sort => match sort.object() {
                Some(object) => (Kind::Content, object),
                None => return,
            },
        };
        match sort {
            Sort::Relation(_) => counters.relations += 1,
            Sort::Dropped(_) => counters.dropped += 1,
            _ => counters.objects += 1,
        }
        if let Sort::Large(name) = sort {
            counters.large_bytes += crate::file::record::content_length(name);
        }
        self.entries[kind as usize].push(Entry { print: kind.print(&name), at });
    }

    /// Notes what is dropped, and how labels, pins and so on stand.
    pub(super) fn end(&mut self) -> Result<(), StoreError> {
        let mut writer = PackWriter::new(self.store, self.snapshot);
        let mut noted = BTreeMap::new();
        for (object, relation) in self.plan.dropped.clone() {
            let names = (self.dropped.get(&object), self.keys.get(&relation));
            let (Some(name), Some(key)) = names else {
                // It would be gone and nobody knew how to get it back.
                return Err(StoreError::Damaged {
                    path: self.store.home.packs(),
                    what: "a relation was read once and not again",
                });
            };
            let header = Header::new(Sort::Dropped(*name), key.as_bytes());
            let at = writer.record(&header, key.as_bytes())?;
            self.enter(&header.sort, at);
            noted.insert(object, at);
        }
        self.noted = Some(noted);
        writer.record(&Header::new(Sort::Reset, &[]), &[])?;
        for (sort, payload) in self.snapshot.state.changes() {
            writer.record(&Header::new(sort, &payload), &payload)?;
        }
        self.packs.append(&mut writer.finish()?);
        Ok(())
    }

    /// Writes one run of everything that stays.
    pub(super) fn run(&mut self) -> Result<Option<Arc<SortedRun>>, StoreError> {
        let home = &self.store.home;
        let room = self.entries.each_ref().map(|entries| entries.len() as u64);
        if room == [0; 2] {
            return Ok(None);
        }
        let number = self.store.new_run();
        for entries in &mut self.entries {
            entries.sort_unstable_by_key(|entry| entry.print);
        }
        let write = || {
            let mut writer = RunWriter::create(home, number, room)?;
            for kind in Kind::ALL {
                let entries = &self.entries[kind as usize];
                entries.iter().try_for_each(|entry| writer.push(kind, *entry))?;
            }
            writer.finish()?;
            home.disk.sync_directory(&home.index())
        };
        if let Err(error) = write() {
            // On a full disk, part of one would only be in the way.
            let _ = home.disk.remove(&home.run(number));
            return Err(error);
        }
        let run = SortedRun::open(home, number)?;
        let path = home.run(number);
        run.map(|run| Some(Arc::new(run)))
            .ok_or(StoreError::Damaged { path, what: "a part of the index" })
    }
}

/// Takes into a plan what somebody has relied on since.
pub(super) fn keep(plan: &mut Plan, survey: &Survey, names: &[Handle]) -> Kept {
    let mut kept = Kept::default();
    for name in names {
        if let Some(object) = survey.graph.find(name) {
            plan.keep(&survey.graph, object, &mut kept);
        }
        if let Some(relation) = survey.graph.find_relation(name) {
            plan.keep_relation(&survey.graph, relation, &mut kept);
        }
    }
    kept
}
