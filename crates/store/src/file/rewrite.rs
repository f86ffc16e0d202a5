//! What a collection does to files.
//!
//! The order in which it is to be done (puts go on, into packs after the
//! snapshot):
//!
//! 1. [`Store::snapshot`]. From then on all that was put before is in packs that
//!    get no more records and in runs that nobody merges.
//! 2. [`PackWriter`] for what is to be kept of packs that are to go;
//!    [`RunWriter`](super::index::RunWriter) for one run of everything that is
//!    kept, wherever it is.
//! 3. [`Store::replace`] makes that what the store consists of.
//! 4. [`Store::remove`] for the files that are not needed any more.
//!
//! A power cut before the end of 3 leaves the store as it was, with new files
//! that nothing refers to; one after it, with old ones. Whoever opens the store
//! for writing removes both. Only large files without a record stay, until the
//! next collection lists them ([`large_files`]).

use std::path::PathBuf;
use std::sync::Arc;
use std::sync::atomic::Ordering;

use weft_object::Handle;

use super::flush::{Flushing, Indexed, flush_in, packs_until};
use super::home::Home;
use super::index::{Parts, SortedRun};
use super::large;
use super::location::Location;
use super::log::{Counters, Tail};
use super::manifest::Manifest;
use super::pack::{Follows, Pack, START};
use super::record::Header;
use super::state::State;
use super::store::Store;
use super::version::VERSION;
use crate::StoreError;

/// A store up to a place of the log: none of it changes any more.
#[derive(Debug)]
pub(crate) struct Snapshot {
    /// Of these, those that were there: in the order of the log.
    pub(crate) packs: Vec<Arc<Pack>>,
    pub(crate) runs: Vec<Arc<SortedRun>>,
    pub(crate) end: Location,
    pub(crate) state: Arc<State>,
    pub(crate) counters: Counters,
}

/// Writes packs that hold what is kept of others.
#[derive(Debug)]
pub(crate) struct PackWriter<'a> {
    store: &'a Store,
    of: Location,
    done: Vec<Arc<Pack>>,
    pack: Option<Arc<Pack>>,
    // Where the buffer goes.
    at: u64,
    buffer: Vec<u8>,
}

const BUFFER: usize = 1 << 20;

impl<'a> PackWriter<'a> {
    /// For packs of a snapshot.
    pub(crate) fn new(store: &'a Store, snapshot: &Snapshot) -> Self {
        let of = snapshot.end;
        Self { store, of, done: Vec::new(), pack: None, at: START, buffer: Vec::new() }
    }

    /// Copies a record; returns where it is now. `payload` is the whole payload,
    /// also of content, and is not checked here.
    pub(crate) fn record(
        &mut self,
        header: &Header,
        payload: &[u8],
    ) -> Result<Location, StoreError> {
        debug_assert_eq!(header.length, payload.len() as u64);
        if self.at + self.buffer.len() as u64 >= self.store.home.options.pack_bytes_max {
            self.end_pack()?;
        }
        let pack = self.pack()?;
        let place = Location::new(pack.number, self.at + self.buffer.len() as u64);
        let raw = header.encode(&self.store.home.id, place, payload);
        self.buffer.extend_from_slice(&raw);
        self.buffer.extend_from_slice(payload);
        let end = header.end(place.offset());
        self.buffer.resize((end - self.at) as usize, 0);
        if self.buffer.len() >= BUFFER {
            self.flush()?;
        }
        Ok(place)
    }

    fn pack(&mut self) -> Result<Arc<Pack>, StoreError> {
        if let Some(pack) = &self.pack {
            return Ok(pack.clone());
        }
        let number = {
            let mut tail = self.store.writable()?;
            tail.next_pack += 1;
            tail.next_pack - 1
        };
        let pack = Pack::create(&self.store.home, number, Follows::Collection(self.of))?;
        let pack = Arc::new(pack);
        self.pack = Some(pack.clone());
        self.at = START;
        Ok(pack)
    }

    fn flush(&mut self) -> Result<(), StoreError> {
        if let Some(pack) = &self.pack
            && !self.buffer.is_empty()
        {
            pack.write(&self.buffer, self.at)?;
            self.at += self.buffer.len() as u64;
            self.buffer.clear();
        }
        Ok(())
    }

    fn end_pack(&mut self) -> Result<(), StoreError> {
        self.flush()?;
        if let Some(pack) = self.pack.take() {
            pack.sync()?;
            let _ = pack.sealed.set(self.at);
            self.done.push(pack);
            self.at = START;
        }
        Ok(())
    }

    /// The packs, durable with their names.
    pub(crate) fn finish(mut self) -> Result<Vec<Arc<Pack>>, StoreError> {
        self.end_pack()?;
        if !self.done.is_empty() {
            let home = &self.store.home;
            home.disk.sync_directory(&home.packs())?;
        }
        Ok(std::mem::take(&mut self.done))
    }
}

impl Drop for PackWriter<'_> {
    // What was not finished is of no use to anybody.
    fn drop(&mut self) {
        for pack in self.done.drain(..).chain(self.pack.take()) {
            let _ = self.store.home.disk.remove(&pack.path);
        }
    }
}

/// What a store is to consist of in the place of a snapshot.
#[derive(Debug)]
pub(crate) struct Replacement {
    /// In the order of the log: those of the snapshot that stay, and new ones in
    /// the place of others (best of the last that goes). A pack that is gone and
    /// had changes of the state in it needs one record of
    /// [`Sort::Reset`](super::record::Sort::Reset) in a new pack, and after that
    /// the snapshot's [`State::changes`]: so the packs alone say all.
    pub(crate) packs: Vec<Arc<Pack>>,
    /// Everything in these packs that counts.
    pub(crate) run: Option<Arc<SortedRun>>,
    /// What the store has less, and what it has more.
    pub(crate) gone: Counters,
    pub(crate) come: Counters,
}

impl Store {
    /// Ends the pack that is written to, and has everything in runs.
    ///
    /// # Errors
    /// It could not be done; all is as it was.
    pub(crate) fn snapshot(&self, indexed: &mut Indexed) -> Result<Snapshot, StoreError> {
        indexed.fixed_runs = 0;
        loop {
            let end = {
                let mut tail = self.writable()?;
                let begins = Location::new(tail.pack.number, START);
                if indexed.end == begins && self.is_as_indexed(&tail, indexed) {
                    break;
                }
                self.append(&mut tail, |appender| appender.next())?;
                let (state, counters) = (tail.state.clone(), tail.counters);
                self.index.freeze(tail.place(), state, counters);
                tail.unfrozen_bytes = 0;
                tail.place()
            };
            flush_in(self, indexed)?;
            // Somebody may have filled another table in between.
            if indexed.end == end {
                break;
            }
        }
        let parts = self.index.parts();
        indexed.fixed_runs = parts.runs.len();
        let last = parts.packs.iter().position(|pack| pack.number == indexed.end.pack());
        Ok(Snapshot {
            // That in which the log goes on is empty.
            packs: parts.packs[..last.unwrap_or(0)].to_vec(),
            runs: parts.runs.clone(),
            end: indexed.end,
            state: indexed.state.clone(),
            counters: indexed.counters,
        })
    }

    /// Whether runs and manifest have all that counts: what came after says at
    /// most that it was synced.
    pub(crate) fn is_as_indexed(&self, tail: &Tail, indexed: &Indexed) -> bool {
        self.index.active_len() == 0
            && self.index.parts().frozen.is_empty()
            && Arc::ptr_eq(&tail.state, &indexed.state)
    }

    /// Makes a replacement what the store consists of, durably. Calls `last`
    /// right before that, when nobody can put or change anything; if it says no,
    /// or fails, nothing is replaced.
    ///
    /// # Errors
    /// As of [`Manifest::write`]: then no file may be removed.
    pub(crate) fn replace(
        &self,
        indexed: &mut Indexed,
        snapshot: &Snapshot,
        by: Replacement,
        last: impl FnOnce() -> Result<bool, StoreError>,
    ) -> Result<bool, StoreError> {
        let mut tail = self.writable()?;
        if !last()? {
            return Ok(false);
        }
        let parts = self.index.parts();
        let mut after = Parts::clone(&parts);
        after.packs = by.packs;
        after.packs.extend_from_slice(&parts.packs[snapshot.packs.len()..]);
        after.runs = by.run.into_iter().collect();
        after.runs.extend_from_slice(&parts.runs[snapshot.runs.len()..]);
        let manifest = Manifest {
            version: VERSION,
            indexed: indexed.end,
            packs: packs_until(&after, indexed.end),
            runs: after.runs.iter().map(|run| run.number).collect(),
            counters: indexed.counters.changed(&by.gone, &by.come),
            state: indexed.state.clone(),
        };
        self.flushing.write_manifest(&self.home, &manifest)?;
        indexed.counters = manifest.counters;
        tail.counters = tail.counters.changed(&by.gone, &by.come);
        for frozen in &parts.frozen {
            let mut counters = frozen.counters.lock();
            *counters = counters.changed(&by.gone, &by.come);
        }
        // Seen by all who do not find any more what is gone.
        self.index.change(|parts| {
            *parts = after;
            self.note_removal();
        });
        indexed.fixed_runs = 0;
        Ok(true)
    }

    /// The number of a new run, for [`RunWriter`](super::index::RunWriter).
    pub(crate) fn new_run(&self) -> u32 {
        self.next_run.fetch_add(1, Ordering::Relaxed)
    }

    /// Removes files of a snapshot that are not needed any more. Who reads from
    /// them goes on. What cannot be removed stays for the next who opens.
    pub(crate) fn remove(&self, packs: &[Arc<Pack>], runs: &[Arc<SortedRun>]) {
        let disk = &self.home.disk;
        for path in packs.iter().map(|pack| &pack.path).chain(runs.iter().map(|run| &run.path)) {
            let _ = disk.remove(path);
        }
    }
}

/// All files of large content that are there, with their names: also those that
/// no record speaks of.
pub(crate) fn large_files(home: &Home) -> Result<Vec<(Handle, PathBuf)>, StoreError> {
    let mut files = Vec::new();
    for directory in home.disk.list(&home.large())? {
        if directory.starts_with(large::NEW) {
            continue;
        }
        let directory = home.large().join(directory);
        for name in home.disk.list(&directory)? {
            if let Ok(handle) = name.parse::<Handle>() {
                files.push((handle, directory.join(name)));
            }
        }
    }
    Ok(files)
}

impl Flushing {
    fn write_manifest(&self, home: &Home, manifest: &Manifest) -> Result<(), StoreError> {
        let bytes = manifest.write(home)?;
        self.note_manifest(bytes);
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use weft_object::{Blob, Content};

    use super::super::index::{Entry, Kind, RunWriter};
    use super::super::record::{HEADER, Sort};
    use super::super::walk::{Item, Walk};
    use super::super::{FileBackend, Mode, Options, pack};
    use super::*;
    use crate::disk::Disk;
    use crate::disk::crash::CrashDisk;
    use crate::{Backend, Cost, Expect, Label, Outcome, Relation};

    fn object(number: u64) -> (Handle, Content) {
        let text = format!("{number}: more than thirty bytes, so not a literal");
        let content = Content::Blob(Blob::new(text.into_bytes()));
        (content.handle(), content)
    }

    /// Keeps the objects that are wanted and all relations, in new packs.
    fn rewrite(backend: &FileBackend, wanted: &dyn Fn(&Handle) -> bool) -> Counters {
        let store = &backend.store;
        let mut indexed = store.flushing.begin();
        let snapshot = store.snapshot(&mut indexed).unwrap();
        let mut writer = PackWriter::new(store, &snapshot);
        let mut entries: [Vec<Entry>; 2] = Default::default();
        let mut gone = Counters::default();
        writer.record(&Header::new(Sort::Reset, &[]), &[]).unwrap();
        for (sort, payload) in snapshot.state.changes() {
            writer.record(&Header::new(sort, &payload), &payload).unwrap();
        }
        for pack in &snapshot.packs {
            let mut walk = Walk::new(&store.home, pack, START, pack.sealed.get().copied().unwrap());
            while let Some((offset, item)) = walk.next().unwrap() {
                let Item::Record(header, payload) = item else { panic!("{item:?}") };
                let (kind, name, payload) = match header.sort {
                    Sort::Relation(key) => (Kind::Relation, key, payload),
                    Sort::Content(handle) if wanted(&handle) => {
                        let from = offset + HEADER as u64;
                        let bytes = pack::read_payload(pack.file().unwrap(), from, header.length);
                        (Kind::Content, handle, bytes.unwrap())
                    }
                    Sort::Content(_) => {
                        gone.objects += 1;
                        continue;
                    }
                    _ => continue,
                };
                let at = writer.record(&header, &payload).unwrap();
                entries[kind as usize].push(Entry { print: kind.print(&name), at });
            }
        }
        let packs = writer.finish().unwrap();
        let room = entries.each_ref().map(|entries| entries.len() as u64);
        let mut run = RunWriter::create(&store.home, store.new_run(), room).unwrap();
        for (kind, entries) in Kind::ALL.iter().zip(&mut entries) {
            entries.sort_unstable_by_key(|entry| entry.print);
            entries.iter().for_each(|entry| run.push(*kind, *entry).unwrap());
        }
        let number = run.finish().unwrap();
        store.home.disk.sync_directory(&store.home.index()).unwrap();
        let run = SortedRun::open(&store.home, number).unwrap().map(Arc::new);
        // Somebody goes on meanwhile.
        backend.put(&[object(1000)]).unwrap();
        let by = Replacement { packs, run, gone, come: Counters::default() };
        assert!(store.replace(&mut indexed, &snapshot, by, || Ok(true)).unwrap());
        store.remove(&snapshot.packs, &snapshot.runs);
        gone
    }

    #[test]
    fn what_was_rewritten_is_all_that_is_left() {
        let disk = CrashDisk::new();
        let directory = std::path::Path::new("/store");
        let options = Options {
            pack_bytes_max: 3000,
            flush_entries: 50,
            background: false,
            ..Options::default()
        };
        let disk: Arc<dyn Disk> = Arc::new(disk);
        let backend = FileBackend::create_on(disk.clone(), directory, options).unwrap();
        let label = Label::new("label").unwrap();
        for number in 0..300 {
            backend.put(&[object(number)]).unwrap();
            let relation = Relation::new(Outcome::Value(object(number).0), Cost::default());
            backend.put_relations(&[(object(number).0, relation)]).unwrap();
        }
        backend.set_label(&label, Expect::Any, Some(object(6).0)).unwrap();
        let wanted: Vec<Handle> = (0..300).step_by(3).map(|number| object(number).0).collect();
        let before = backend.bytes();
        rewrite(&backend, &|handle| wanted.contains(handle));
        assert!(backend.bytes() < before * 3 / 4, "{} of {before}", backend.bytes());
        backend.put(&[object(2000)]).unwrap();
        backend.sync().unwrap();
        let check = |backend: &FileBackend| {
            for number in 0..300 {
                let name = object(number).0;
                let found = backend.get(&name).unwrap().map(|content| content.handle());
                assert_eq!(found, wanted.contains(&name).then_some(name), "{number}");
                assert!(backend.relation(&name).unwrap().is_some(), "{number}");
            }
            assert!(backend.get(&object(1000).0).unwrap().is_some());
            assert!(backend.get(&object(2000).0).unwrap().is_some());
            assert_eq!((backend.len(), backend.damage()), (102, &[][..]));
            assert_eq!(backend.label(&label).unwrap(), Some(object(6).0));
        };
        check(&backend);
        drop(backend);
        for mode in [Mode::Read, Mode::Write, Mode::Write] {
            check(&FileBackend::open_on(disk.clone(), directory, mode, options).unwrap());
        }
    }
}
