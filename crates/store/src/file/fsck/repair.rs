//! From what is sound of a store to a sound store.
//!
//! The new one is made beside the old one, in `repaired`. Its packs have later
//! numbers, so that both sets can lie in one directory; large files stay where
//! they are. One rename makes it the store. Until then the old one is as damaged
//! as it was, but for its index, which the next one who opens it makes again.

use std::path::{Path, PathBuf};
use std::sync::Arc;

use weft_object::{Content, Handle};

use super::reach::Reach;
use super::scan::{Bad, Held, Scanned};
use super::{Checked, Repaired, Wrong};
use crate::disk::Lock;
use crate::file::home::Home;
use crate::file::large;
use crate::file::location::Location;
use crate::file::opening;
use crate::file::record::Sort;
use crate::file::{FileBackend, Mode};
use crate::moving::Moving;
use crate::{Backend, StoreError};

/// In the store's directory, where the new one is made.
pub(super) const MADE_IN: &str = "repaired";

/// Takes the lock along: at the end others may write again.
pub(super) fn repair(
    scanned: &Scanned,
    reach: &Reach,
    found: Checked,
    lock: Box<dyn Lock>,
) -> Result<Repaired, StoreError> {
    let mut repaired = Repaired { found, ..Repaired::default() };
    let home = &scanned.from.home;
    let repair = Repair { home, moving: Moving::new(&*home.disk) };
    if repaired.found.problems.iter().all(|problem| problem.what == Wrong::Index) {
        // Nothing else, or only what an earlier repair could not bring back.
        if !repaired.found.problems.is_empty() {
            repair.set_runs_aside(&mut repaired)?;
            drop(lock);
            repair.index_again()?;
        }
        return Ok(repaired);
    }
    for (handle, recipe) in &reach.gone {
        let list = if recipe.is_some() { &mut repaired.recoverable } else { &mut repaired.lost };
        list.push(*handle);
    }
    repair.write(scanned, reach, &mut repaired)?;
    repair.put_in_place(scanned, &mut repaired)?;
    for list in [&mut repaired.recoverable, &mut repaired.lost, &mut repaired.forgotten] {
        list.sort_unstable();
    }
    drop(lock);
    Ok(repaired)
}

struct Repair<'a> {
    home: &'a Arc<Home>,
    moving: Moving<'a>,
}

/// Content is put many at once.
const BATCH_BYTES: u64 = 4 << 20;

impl Repair<'_> {
    fn directory(&self) -> PathBuf {
        self.home.directory.join(MADE_IN)
    }

    // Moves a file to where nothing reads it, if it is there.
    fn set_aside(&self, path: &Path, repaired: &mut Repaired) -> Result<(), StoreError> {
        let aside = self.home.directory.join("damaged");
        self.moving.disk.make_directory(&aside)?;
        let names = self.moving.disk.list(&aside)?;
        let name = path.file_name().map(|name| name.to_string_lossy().into_owned());
        let name = name.unwrap_or_default();
        let mut free = name.clone();
        let mut count = 1;
        while names.contains(&free) {
            free = format!("{name}.{count}");
            count += 1;
        }
        let to = aside.join(free);
        match self.moving.disk.rename(path, &to) {
            Err(error) if error.not_found() => return Ok(()),
            moved => moved?,
        }
        repaired.set_aside.push(to);
        self.moving.disk.sync_directory(&aside)?;
        self.moving.disk.sync_directory(path.parent().unwrap_or(path))
    }

    fn set_runs_aside(&self, repaired: &mut Repaired) -> Result<(), StoreError> {
        let paths: Vec<PathBuf> =
            repaired.found.problems.iter().map(|problem| problem.path.clone()).collect();
        for path in paths {
            if path != self.home.index() {
                self.set_aside(&path, repaired)?;
                continue;
            }
            for number in opening::list(self.home, &path)? {
                self.set_aside(&self.home.run(number), repaired)?;
            }
        }
        Ok(())
    }

    // Whoever opens a store without one of its runs makes an index anew; here it
    // is written, too.
    fn index_again(&self) -> Result<(), StoreError> {
        let home = self.home;
        let disk = home.disk.clone();
        let backend = FileBackend::open_on(disk, &home.directory, Mode::Write, home.options)?;
        backend.store.snapshot(&mut backend.store.flushing.begin())?;
        Ok(())
    }

    fn write(
        &self,
        scanned: &Scanned,
        reach: &Reach,
        repaired: &mut Repaired,
    ) -> Result<(), StoreError> {
        let directory = self.directory();
        self.moving.clear(&directory)?;
        let last = opening::list(self.home, &self.home.packs())?.last().copied();
        let home =
            Home { directory: directory.clone(), id: opening::new_id(), ..Home::clone(self.home) };
        opening::begin(&home, last.unwrap_or(0) + 1)?;
        let disk = self.home.disk.clone();
        let new = FileBackend::open_on(disk, &directory, Mode::Write, home.options)?;
        self.copy_content(scanned, &new)?;
        let recipes = reach.gone.iter().filter_map(|(handle, recipe)| Some((handle, (*recipe)?)));
        let dropped: Vec<_> = recipes
            .map(|(handle, recipe)| (Sort::Dropped(*handle), recipe.as_bytes().to_vec()))
            .collect();
        put_records(&new, &dropped)?;
        copy_relations(scanned, reach, &new, repaired)?;
        let changes = scanned.state.changes();
        let mut tail = new.store.writable()?;
        new.store.change(&mut tail, &changes)?;
        drop(tail);
        // Not the backend's, which may go on to keep a budget.
        new.store.sync()
    }

    // In the order of the log.
    fn copy_content(&self, scanned: &Scanned, new: &FileBackend) -> Result<(), StoreError> {
        let mut all: Vec<(Location, Handle, &Held)> = scanned
            .content
            .iter()
            .filter_map(|(handle, held)| match held {
                Held::At(at) | Held::Large(at) | Held::Dropped(_, at) => Some((*at, *handle, held)),
                Held::Damaged(_, older) => older.map(|at| (at, *handle, held)),
            })
            .collect();
        all.sort_unstable_by_key(|(at, handle, _)| (*at, *handle));
        let mut batch: Vec<(Handle, Content)> = Vec::new();
        let mut batch_bytes = 0;
        for (at, handle, held) in all {
            match held {
                Held::Large(_) => {
                    large::sync(self.home, &handle)?;
                    put_records(new, &[(Sort::Large(handle), Vec::new())])?;
                }
                Held::Dropped(recipe, _) => {
                    let payload = recipe.as_bytes().to_vec();
                    put_records(new, &[(Sort::Dropped(handle), payload)])?;
                }
                Held::At(_) | Held::Damaged(..) => {
                    let pack = scanned.from.packs.iter().find(|pack| pack.number == at.pack());
                    let Some(pack) = pack else { continue };
                    let record = pack.record(self.home, at.offset())?;
                    let (header, _) = record.ok_or_else(|| pack.corrupt(&handle, at.offset()))?;
                    let content = pack.content(at.offset(), &handle, &header)?;
                    batch_bytes += content.bytes_len();
                    batch.push((handle, content));
                }
            }
            if batch_bytes >= BATCH_BYTES {
                new.put(&std::mem::take(&mut batch))?;
                batch_bytes = 0;
            }
        }
        new.put(&batch)
    }

    fn put_in_place(&self, scanned: &Scanned, repaired: &mut Repaired) -> Result<(), StoreError> {
        let (home, new) = (self.home, self.directory());
        let disk = self.moving.disk;
        let old = opening::list(home, &home.packs())?;
        for (handle, held) in &scanned.content {
            if matches!(held, Held::Damaged(Bad::File, _)) {
                self.set_aside(&large::path(home, handle), repaired)?;
            }
        }
        self.moving.empty(&home.index())?;
        for (part, to) in
            [("index", home.index()), ("packs", home.packs()), ("large", home.large())]
        {
            self.moving.move_all(&new.join(part), &to)?;
        }
        let damaged =
            |path: &Path| repaired.found.problems.iter().any(|problem| problem.path == path);
        let damaged_packs: Vec<bool> = old.iter().map(|old| damaged(&home.pack(*old))).collect();
        if damaged(&home.manifest()) {
            self.set_aside(&home.manifest(), repaired)?;
        }
        disk.sync_directory(&home.directory)?;
        disk.rename(&new.join("store"), &home.manifest())?;
        self.moving.remove_if_there(&home.broken())?;
        // It is of the new store, and may get lost.
        let _ = disk.rename(&new.join("synced"), &home.synced());
        disk.sync_directory(&home.directory)?;
        for (number, damaged) in old.into_iter().zip(damaged_packs) {
            match damaged {
                true => self.set_aside(&home.pack(number), repaired)?,
                false => self.moving.remove_if_there(&home.pack(number))?,
            }
        }
        disk.sync_directory(&home.packs())?;
        self.moving.clear(&new)
    }
}

fn put_records(new: &FileBackend, records: &[(Sort, Vec<u8>)]) -> Result<(), StoreError> {
    new.store.put_named(records, std::iter::empty())
}

fn copy_relations(
    scanned: &Scanned,
    reach: &Reach,
    new: &FileBackend,
    repaired: &mut Repaired,
) -> Result<(), StoreError> {
    let mut relations: Vec<_> = scanned.relations.iter().collect();
    relations.sort_unstable_by_key(|(_, (_, at))| *at);
    let mut batch = Vec::new();
    for (key, (relation, _)) in relations {
        match reach.can_stay(relation.outcome.handle()) {
            true => batch.push((*key, *relation)),
            false => repaired.forgotten.push(*key),
        }
        if batch.len() >= 10_000 {
            new.put_relations(&std::mem::take(&mut batch))?;
        }
    }
    new.put_relations(&batch)
}
