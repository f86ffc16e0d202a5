//! Every record of a store, verified.

use std::collections::HashMap;

use weft_object::{Content, Handle, Kind as ObjectKind};

use super::gather::Gathered;
use super::{Problem, Tell, Wrong};
use crate::disk::Access;
use crate::file::index::{Kind, SortedRun};
use crate::file::large;
use crate::file::location::Location;
use crate::file::pack::Pack;
use crate::file::record::{Header, Sort, content_length};
use crate::file::state::State;
use crate::file::walk::{Damage, content_is_sound, replay};
use crate::file::{Mode, opening};
use crate::hash::HandleHash;
use crate::{Relation, StoreError};

/// What there is of an object.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Held {
    /// Sound content at this place.
    At(Location),
    /// A sound file of its own, of which the record is at this place.
    Large(Location),
    /// It was dropped; the key of the relation that brings it back.
    Dropped(Handle, Location),
    /// The latest record is not sound; of an earlier one, the place.
    Damaged(Bad, Option<Location>),
}

/// What is wrong with content.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Bad {
    Record(Location),
    File,
    NoFile,
}

impl Held {
    /// Where sound content is in a pack.
    pub(super) fn in_pack(&self) -> Option<Location> {
        match self {
            Self::At(at) => Some(*at),
            Self::Damaged(_, older) => *older,
            Self::Large(_) | Self::Dropped(..) => None,
        }
    }

    fn record(&self) -> Option<Location> {
        match self {
            Self::At(at) | Self::Large(at) | Self::Dropped(_, at) => Some(*at),
            Self::Damaged(Bad::Record(at), _) => Some(*at),
            Self::Damaged(..) => None,
        }
    }
}

pub(super) type ByHandle<T> = HashMap<Handle, T, HandleHash>;

/// All of a store.
pub(super) struct Scanned {
    pub(super) from: Gathered,
    pub(super) content: ByHandle<Held>,
    pub(super) relations: ByHandle<(Relation, Location)>,
    pub(super) state: State,
    /// That were hashed.
    pub(super) bytes: u64,
    /// Trees with something in them that was not known when they were read.
    pub(super) early: Vec<(Handle, Handle)>,
    problems: Vec<Problem>,
}

#[derive(Default)]
pub(super) struct Counts {
    pub(super) objects: u64,
    pub(super) dropped: u64,
}

impl Scanned {
    pub(super) fn of(mut from: Gathered, tell: Tell<'_>) -> Result<Self, StoreError> {
        let problems = std::mem::take(&mut from.problems);
        let state = from.manifest.as_ref().map(|manifest| State::clone(&manifest.state));
        let mut scanned = Self {
            from,
            content: HashMap::default(),
            relations: HashMap::default(),
            state: state.unwrap_or_default(),
            bytes: 0,
            early: Vec::new(),
            problems,
        };
        scanned.scan(tell)?;
        scanned.check_index()?;
        Ok(scanned)
    }

    fn scan(&mut self, tell: Tell<'_>) -> Result<(), StoreError> {
        let home = self.from.home.clone();
        let packs = self.from.packs.clone();
        let durable = self.from.durable;
        let place_of: HashMap<u32, usize> =
            packs.iter().enumerate().map(|(place, pack)| (pack.number, place)).collect();
        let all = self.all_bytes()?;
        let stated = self.from.manifest.as_ref();
        let stated = stated.map(|manifest| opening::place(&packs, manifest.indexed));
        let start = (0, crate::file::pack::START);
        let replayed = replay(&home, &packs, start, durable, &mut |at, header, payload| {
            let Some(&place) = place_of.get(&at.pack()) else { return Ok(()) };
            tell(self.bytes, all);
            // The list has the state up to its place.
            let known = stated.is_some_and(|stated| (place, at.offset()) < stated);
            self.take(&packs[place], at, header, payload, known)
        })?;
        for Damage { path, offset, length } in replayed.damage {
            let pack = packs.iter().find(|pack| pack.path == path);
            let there = pack.map_or(Ok(0), |pack| pack.length())?;
            let is_end = offset + length > there;
            let what = if is_end { Wrong::End(length) } else { Wrong::Records(length) };
            self.problems.push(Problem { path, offset, what });
        }
        tell(all, all);
        Ok(())
    }

    fn all_bytes(&self) -> Result<u64, StoreError> {
        let there = self.from.packs.iter().filter(|pack| !pack.is_missing());
        let packs = there.map(|pack| pack.length()).sum::<Result<u64, _>>()?;
        let large = self.from.manifest.as_ref().map_or(0, |found| found.counters.large_bytes);
        Ok(packs + large)
    }

    fn take(
        &mut self,
        pack: &Pack,
        at: Location,
        header: &Header,
        payload: &[u8],
        state_is_known: bool,
    ) -> Result<(), StoreError> {
        self.bytes += header.size();
        match header.sort {
            Sort::Content(handle) | Sort::Compressed(handle) => {
                let sound = self.content_at(pack, at, &handle, header)?;
                let held = if sound { Held::At(at) } else { self.bad(&handle, Bad::Record(at)) };
                self.content.insert(handle, held);
            }
            Sort::Large(handle) => {
                let held = self.large(&handle, at)?;
                self.content.insert(handle, held);
            }
            Sort::Dropped(handle) => {
                let recipe = payload.first_chunk().and_then(|raw| Handle::decode(raw).ok());
                let held = match recipe {
                    Some(recipe) => Held::Dropped(recipe, at),
                    None => self.bad(&handle, Bad::Record(at)),
                };
                self.content.insert(handle, held);
            }
            Sort::Relation(key) => match Relation::decode(payload) {
                Some(relation) => {
                    self.relations.insert(key, (relation, at));
                }
                None => self.not_understood(pack, at, header),
            },
            sort if !state_is_known && !self.state.apply(&sort, payload) => {
                self.not_understood(pack, at, header);
            }
            _ => {}
        }
        Ok(())
    }

    fn not_understood(&mut self, pack: &Pack, at: Location, header: &Header) {
        let (path, offset) = (pack.path.clone(), at.offset());
        self.problems.push(Problem { path, offset, what: Wrong::Records(header.size()) });
    }

    fn bad(&self, handle: &Handle, what: Bad) -> Held {
        Held::Damaged(what, self.content.get(handle).and_then(Held::in_pack))
    }

    // Whether it is sound; what a Tree holds is noted if it was not seen yet.
    fn content_at(
        &mut self,
        pack: &Pack,
        at: Location,
        handle: &Handle,
        header: &Header,
    ) -> Result<bool, StoreError> {
        if handle.kind() == ObjectKind::Blob {
            return unless_unreadable(content_is_sound(pack, at.offset(), handle, header));
        }
        let found = pack.content(at.offset(), handle, header);
        let tree = match found {
            Ok(Content::Tree(tree) | Content::Tag(tree)) => tree,
            Ok(Content::Blob(_)) => return Ok(true),
            Err(error) => return unless_unreadable(Err(error)),
        };
        for entry in tree.entries() {
            let object = entry.content();
            let there = object.is_literal()
                || matches!(self.content.get(&object), Some(Held::At(_) | Held::Large(_)));
            if !there {
                self.early.push((*handle, object));
            }
        }
        Ok(true)
    }

    fn large(&mut self, handle: &Handle, at: Location) -> Result<Held, StoreError> {
        // One file, however many records speak of it.
        match self.content.get(handle) {
            Some(Held::Large(_)) => return Ok(Held::Large(at)),
            Some(held @ Held::Damaged(Bad::File | Bad::NoFile, _)) => return Ok(*held),
            _ => {}
        }
        let home = &self.from.home;
        match home.disk.open(&large::path(home, handle), Access::Read) {
            Err(error) if error.not_found() => return Ok(self.bad(handle, Bad::NoFile)),
            Err(StoreError::Foreign { .. }) => return Ok(self.bad(handle, Bad::File)),
            Err(error) => return Err(error),
            Ok(_) => {}
        }
        self.bytes += content_length(handle);
        match unless_unreadable(large::is_sound(home, handle))? {
            true => Ok(Held::Large(at)),
            false => Ok(self.bad(handle, Bad::File)),
        }
    }

    // Whether the index finds what there is, and nothing but that.
    fn check_index(&mut self) -> Result<(), StoreError> {
        let Some(manifest) = &self.from.manifest else { return Ok(()) };
        let home = self.from.home.clone();
        let mut bad = Vec::new();
        for number in &manifest.runs {
            let run = SortedRun::open(&home, *number)?.map(std::sync::Arc::new);
            let reads = run.is_some_and(|run| {
                Kind::ALL.iter().all(|kind| {
                    let mut reader = run.read_all(*kind);
                    loop {
                        match reader.next() {
                            Ok(Some(_)) => {}
                            done => break done.is_ok(),
                        }
                    }
                })
            });
            if !reads {
                bad.push(home.run(*number));
            }
        }
        if bad.is_empty() && !self.index_agrees()? {
            bad.push(home.index());
        }
        self.problems.extend(bad.into_iter().map(|path| Problem {
            path,
            offset: 0,
            what: Wrong::Index,
        }));
        Ok(())
    }

    fn index_agrees(&self) -> Result<bool, StoreError> {
        let home = &self.from.home;
        let opened = opening::open(&home.disk, &home.directory, Mode::Read, home.options)?;
        let index = &opened.store.index;
        let finds = |kind, name: &Handle, at: Location| match index.find(kind, name) {
            Ok(found) => Ok(found.is_some_and(|found| found.at == at)),
            Err(StoreError::Corrupt { .. } | StoreError::Damaged { .. }) => Ok(false),
            Err(error) => Err(error),
        };
        for (handle, held) in &self.content {
            if let Some(at) = held.record()
                && !finds(Kind::Content, handle, at)?
            {
                return Ok(false);
            }
        }
        for (key, (_, at)) in &self.relations {
            if !finds(Kind::Relation, key, *at)? {
                return Ok(false);
            }
        }
        Ok(true)
    }

    /// Content of which the latest record is not sound.
    pub(super) fn broken(&self) -> impl Iterator<Item = Handle> {
        let all = self.content.iter();
        all.filter(|(_, held)| matches!(held, Held::Damaged(..))).map(|(handle, _)| *handle)
    }

    pub(super) fn counts(&self) -> Counts {
        let mut counts = Counts::default();
        for held in self.content.values() {
            match held {
                Held::At(_) | Held::Large(_) => counts.objects += 1,
                Held::Dropped(..) => counts.dropped += 1,
                Held::Damaged(_, older) => counts.objects += u64::from(older.is_some()),
            }
        }
        counts
    }

    /// Everything that is damaged, in the order of files.
    pub(super) fn problems(&self) -> Vec<Problem> {
        let home = &self.from.home;
        let mut problems = self.problems.clone();
        problems.extend(self.content.iter().filter_map(|(handle, held)| {
            let Held::Damaged(bad, _) = held else { return None };
            let file = || (large::path(home, handle), 0);
            let ((path, offset), what) = match bad {
                Bad::Record(at) => ((home.pack(at.pack()), at.offset()), Wrong::Content(*handle)),
                Bad::File => (file(), Wrong::Content(*handle)),
                Bad::NoFile => (file(), Wrong::Missing(*handle)),
            };
            Some(Problem { path, offset, what })
        }));
        problems.sort_by(|one, other| (&one.path, one.offset).cmp(&(&other.path, other.offset)));
        problems
    }

    /// The entries of a Tree that is sound.
    pub(super) fn entries(&self, handle: &Handle) -> Result<Vec<Handle>, StoreError> {
        let at = self.content.get(handle).and_then(Held::in_pack);
        let pack = at.and_then(|at| {
            let pack = self.from.packs.iter().find(|pack| pack.number == at.pack());
            pack.map(|pack| (pack, at.offset()))
        });
        let Some((pack, offset)) = pack else { return Ok(Vec::new()) };
        let content = pack.content(offset, handle, &Header::content(*handle))?;
        Ok(content.tree().map_or(Vec::new(), |tree| {
            tree.entries().iter().map(|entry| entry.content()).collect()
        }))
    }
}

// What the disk does not read any more is damaged.
fn unless_unreadable(sound: Result<bool, StoreError>) -> Result<bool, StoreError> {
    match sound {
        Err(StoreError::Io { source, .. }) if source.raw_os_error() == Some(libc::EIO) => Ok(false),
        Err(StoreError::Corrupt { .. }) => Ok(false),
        sound => sound,
    }
}
