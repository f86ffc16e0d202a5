//! What is behind an open store, and shared with the thread that writes runs.

use std::collections::{HashMap, HashSet};
use std::io::Read;
use std::sync::Arc;
use std::sync::atomic::{AtomicU32, AtomicU64, Ordering};

use weft_object::{Content, Handle, Kind as ObjectKind, Prefix};

use super::Mode;
use super::broken::{Broken, Known};
use super::compressed::{PAGE, compress};
use super::flush::Flushing;
use super::home::Home;
use super::index::{Entry, Found, Index, Kind};
use super::large::{self, NewFile};
use super::location::Location;
use super::log::{Appender, Tail, Unsynced};
use super::manifest::Manifest;
use super::opening::{self, Opened};
use super::record::{Header, Sort, content_length};
use super::state::Change;
use super::synced::Synced;
use super::touched::Touched;
use super::trouble::{Chore, Troubles};
use crate::disk::{Access, DiskFile};
use crate::hash::HandleHash;
use crate::map::LargeBlobs;
use crate::sync::{Mutex, MutexGuard};
use crate::{Relation, Resolved, StoreError, Usage};

/// An open store.
#[derive(Debug)]
pub(crate) struct Store {
    pub(crate) home: Arc<Home>,
    pub(crate) mode: Mode,
    pub(crate) index: Index,
    pub(crate) tail: Mutex<Tail>,
    /// As it was found: who writes knows better by now.
    manifest: Mutex<Arc<Manifest>>,
    /// Held by who syncs: how far that came.
    syncing: Mutex<Synced>,
    pub(crate) flushing: Flushing,
    pub(crate) next_run: AtomicU32,
    /// Files that were read.
    pub(crate) large: LargeBlobs,
    /// What somebody relies on while there is a collection.
    pub(crate) touched: Touched,
    // Content that was found damaged: putting it again mends it.
    broken: Broken,
    /// What failed that nobody waited for.
    pub(crate) troubles: Troubles,
    removals: AtomicU64,
}

/// Content that is to be appended, and what there is in its place.
struct New<'a> {
    object: Handle,
    form: Form<'a>,
    old: Option<Found>,
}

/// What becomes its record.
enum Form<'a> {
    Plain(&'a Content),
    /// A payload that stands for it.
    Compressed(Vec<u8>),
    /// A file of its own has it.
    File,
}

/// Payloads of pages; `None` of one that does not get shorter.
type Pages = HashMap<Handle, Option<Vec<u8>>, HandleHash>;

fn compress_page(content: &Content) -> Option<Vec<u8>> {
    match content {
        Content::Blob(blob) if blob.bytes().len() as u64 == PAGE => compress(blob.bytes()),
        _ => None,
    }
}

/// Takes a record of the log into the index, but not into what is counted.
pub(crate) fn index_only(index: &Index, at: Location, header: &Header) -> Result<(), StoreError> {
    if let Some((kind, name)) = indexed(&header.sort) {
        let old = find_sound(index, kind, &name)?;
        insert(index, kind, &name, at, old.as_ref());
    }
    Ok(())
}

/// Takes a record of the log into the index, the state and what is counted;
/// whether it says something that can be.
pub(crate) fn note(
    index: &Index,
    tail: &mut Tail,
    at: Location,
    header: &Header,
    payload: &[u8],
) -> Result<bool, StoreError> {
    let Some((kind, name)) = indexed(&header.sort) else {
        tail.counters.dead_bytes += header.size();
        return Ok(match header.sort {
            Sort::Commit(_) => true,
            sort => Arc::make_mut(&mut tail.state).apply(&sort, payload),
        });
    };
    if kind == Kind::Relation && Relation::decode(payload).is_none() {
        return Ok(false);
    }
    let old = find_sound(index, kind, &name)?;
    count(tail, &header.sort, old.as_ref());
    insert(index, kind, &name, at, old.as_ref());
    Ok(true)
}

// What is damaged counts as not there.
fn find_sound(index: &Index, kind: Kind, name: &Handle) -> Result<Option<Found>, StoreError> {
    match index.find(kind, name) {
        Err(StoreError::Corrupt { .. } | StoreError::Damaged { .. }) => Ok(None),
        found => found,
    }
}

fn insert(index: &Index, kind: Kind, name: &Handle, at: Location, old: Option<&Found>) {
    let entry = Entry { print: kind.print(name), at };
    index.insert(&[(kind, entry, old.map(|old| old.at))]);
}

/// In which index a record is, and under which name.
fn indexed(sort: &Sort) -> Option<(Kind, Handle)> {
    match sort {
        Sort::Relation(key) => Some((Kind::Relation, *key)),
        sort => sort.object().map(|object| (Kind::Content, object)),
    }
}

/// Counts a new record, which takes the place of an old one.
fn count(tail: &mut Tail, sort: &Sort, old: Option<&Found>) {
    let counters = &mut tail.counters;
    let large = |sort: &Sort| match sort {
        Sort::Large(handle) => content_length(handle),
        _ => 0,
    };
    counters.large_bytes += large(sort);
    if let Some(old) = old {
        counters.dead_bytes += old.bytes();
        counters.large_bytes = counters.large_bytes.saturating_sub(large(&old.header.sort));
    }
    let counter = |sort: &Sort| match sort {
        Sort::Relation(_) => Some(0),
        Sort::Content(_) | Sort::Compressed(_) | Sort::Large(_) => Some(1),
        Sort::Dropped(_) => Some(2),
        _ => None,
    };
    let all = [&mut counters.relations, &mut counters.objects, &mut counters.dropped];
    if let Some(at) = old.and_then(|old| counter(&old.header.sort)) {
        *all[at] = all[at].saturating_sub(1);
    }
    if let Some(at) = counter(sort) {
        *all[at] += 1;
    }
}

impl Store {
    pub(crate) fn new(
        home: Arc<Home>,
        mode: Mode,
        index: Index,
        tail: Tail,
        next_run: u32,
        (manifest, manifest_bytes): (Manifest, u64),
        (synced, broken): (Synced, Broken),
    ) -> Self {
        let flushing = Flushing::new(&manifest, manifest_bytes);
        Self {
            home,
            mode,
            index,
            tail: Mutex::new(tail),
            manifest: Mutex::new(Arc::new(manifest)),
            syncing: Mutex::new(synced),
            flushing,
            next_run: AtomicU32::new(next_run),
            large: LargeBlobs::default(),
            touched: Touched::default(),
            broken,
            troubles: Troubles::default(),
            removals: AtomicU64::new(0),
        }
    }

    /// How often something was removed.
    pub(crate) fn removals(&self) -> u64 {
        self.removals.load(Ordering::SeqCst)
    }

    pub(crate) fn note_removal(&self) {
        self.removals.fetch_add(1, Ordering::SeqCst);
    }

    /// The right to append.
    pub(crate) fn writable(&self) -> Result<MutexGuard<'_, Tail>, StoreError> {
        if self.mode == Mode::Read {
            return Err(StoreError::ReadOnly(self.home.manifest()));
        }
        let tail = self.tail.lock();
        match tail.failed {
            true => Err(StoreError::Failed(self.home.manifest())),
            false => Ok(tail),
        }
    }

    /// The content of an Object that is no literal.
    pub(crate) fn get(&self, object: &Handle) -> Result<Option<Content>, StoreError> {
        self.touched.note(object);
        let content = self.again_if_collected(|| self.get_as_known(object));
        if let Err(StoreError::Corrupt { .. }) = content {
            self.note_broken(object);
        }
        content
    }

    fn note_broken(&self, object: &Handle) {
        self.note_damage(&self.broken.add(&self.home, object));
    }

    fn note_damage(&self, noted: &Result<bool, StoreError>) {
        // Who may only read need not be able to.
        if self.mode == Mode::Write && !matches!(noted, Ok(false)) {
            self.troubles.note(Chore::NoteDamage, noted);
        }
    }

    fn is_broken(&self, object: &Handle) -> bool {
        match self.broken.find(object) {
            None => false,
            Some(Known::Broken) => true,
            Some(Known::Noted) => match self.get(object) {
                Ok(_) => {
                    self.broken.remove(object);
                    false
                }
                Err(_) => true,
            },
        }
    }

    fn get_as_known(&self, object: &Handle) -> Result<Option<Content>, StoreError> {
        let Some(found) = self.index.find(Kind::Content, object)? else { return Ok(None) };
        match found.header.sort {
            Sort::Content(_) | Sort::Compressed(_) => {
                found.pack.content(found.at.offset(), object, &found.header).map(Some)
            }
            Sort::Large(_) => match self.read_large(object) {
                // A collection may have removed the file meanwhile.
                Err(_) if self.is_gone(object, found.at) => self.get_as_known(object),
                content => content.map(Some),
            },
            _ => Ok(None),
        }
    }

    /// Who only reads has no lock: what cannot be read may not be there any more
    /// because somebody has collected. Then all is read as it is now.
    fn again_if_collected<T>(
        &self,
        read: impl Fn() -> Result<T, StoreError>,
    ) -> Result<T, StoreError> {
        if self.mode == Mode::Write {
            return read();
        }
        loop {
            let known = self.manifest.lock().clone();
            match read() {
                Err(_) if self.catch_up(&known) => {}
                result => return result,
            }
        }
    }

    // Whether this is not what it was when it had this manifest, or is not any
    // more from now on.
    fn catch_up(&self, known: &Arc<Manifest>) -> bool {
        let mut manifest = self.manifest.lock();
        if !Arc::ptr_eq(&manifest, known) {
            return true;
        }
        let Home { disk, directory, id, options } = &*self.home;
        if !opening::has_changed(&self.home, known) {
            return false;
        }
        let now = match opening::open(disk, directory, Mode::Read, *options) {
            Ok(Opened { store, .. }) if store.home.id == *id => store,
            _ => return false,
        };
        let mut tail = self.tail.lock();
        self.flushing.note_manifest(now.flushing.manifest_bytes());
        self.index.become_that_of(&now.index);
        self.note_removal();
        *tail = now.tail.into_inner();
        *manifest = now.manifest.into_inner();
        true
    }

    fn is_gone(&self, object: &Handle, at: Location) -> bool {
        let now = self.index.find(Kind::Content, object);
        now.is_ok_and(|now| now.is_none_or(|now| now.at != at))
    }

    fn read_large(&self, object: &Handle) -> Result<Content, StoreError> {
        let path = large::path(&self.home, object);
        let read = self.large.read(&*self.home.disk, &path, object);
        read.map_err(|error| match error.not_found() {
            true => StoreError::Corrupt { path, handle: *object, offset: 0 },
            false => error,
        })
    }

    /// The record of an Object that is no literal, if there is content.
    pub(crate) fn present(&self, object: &Handle) -> Result<Option<Found>, StoreError> {
        self.touched.note(object);
        if self.is_broken(object) {
            return Ok(None);
        }
        let found = match self.find_with_file(object) {
            Err(StoreError::Corrupt { .. } | StoreError::Damaged { .. }) => None,
            Err(error) if error.not_found() => None,
            found => found?,
        };
        Ok(found.filter(|found| !matches!(found.header.sort, Sort::Dropped(_))))
    }

    // Who only reads is not told when somebody else's collection removes a file.
    fn find_with_file(&self, object: &Handle) -> Result<Option<Found>, StoreError> {
        self.again_if_collected(|| {
            let found = self.index.find(Kind::Content, object)?;
            let sort = found.as_ref().map(|found| found.header.sort);
            if self.mode == Mode::Read && matches!(sort, Some(Sort::Large(_))) {
                self.home.disk.open(&large::path(&self.home, object), Access::Read)?;
            }
            Ok(found)
        })
    }

    pub(crate) fn put(&self, batch: &[(Handle, Content)]) -> Result<(), StoreError> {
        if let Some((handle, _)) = batch.iter().find(|(handle, content)| !content.fits(handle)) {
            return Err(StoreError::Content(*handle));
        }
        drop(self.writable()?);
        let mut rest = batch;
        while !rest.is_empty() {
            let (part, more) = rest.split_at(self.few_files(rest));
            self.put_part(part)?;
            rest = more;
        }
        Ok(())
    }

    // How many of these have no more large files than may be open.
    fn few_files(&self, batch: &[(Handle, Content)]) -> usize {
        let large = batch.iter().enumerate().filter(|(_, (handle, _))| self.is_large(handle));
        large.map(|(at, _)| at).nth(LARGE_OPEN_MAX).unwrap_or(batch.len())
    }

    fn put_part(&self, batch: &[(Handle, Content)]) -> Result<(), StoreError> {
        let mut large = Vec::new();
        let result = self.write_large(batch, &mut large).and_then(|()| {
            let small = || batch.iter().filter(|(handle, _)| !self.is_large(handle));
            let pages = self.compress(small())?;
            self.put_written(small(), pages, &mut large)
        });
        for unused in large {
            let _ = unused.give_up(&self.home);
        }
        result
    }

    fn is_large(&self, handle: &Handle) -> bool {
        let object = handle.content();
        object.kind() == ObjectKind::Blob
            && content_length(&object) >= self.home.options.large_bytes_min
    }

    // Files first, without the right to append.
    fn write_large(
        &self,
        batch: &[(Handle, Content)],
        large: &mut Vec<NewFile>,
    ) -> Result<(), StoreError> {
        for (handle, content) in batch.iter().filter(|(handle, _)| self.is_large(handle)) {
            let object = handle.content();
            if let Content::Blob(blob) = content
                && self.absent(&object)?.is_some()
            {
                let new = large::write(&self.home, &object, &mut blob.bytes())?;
                large.push(new.ok_or(StoreError::Content(*handle))?);
            }
        }
        Ok(())
    }

    // The same for pages: what of them is to be kept compressed, and how.
    fn compress<'a>(
        &self,
        batch: impl Iterator<Item = &'a (Handle, Content)>,
    ) -> Result<Pages, StoreError> {
        let mut pages = Pages::default();
        for (handle, content) in batch {
            let object = handle.content();
            if content.bytes_len() == PAGE
                && !pages.contains_key(&object)
                && self.absent(&object)?.is_some()
            {
                pages.insert(object, compress_page(content));
            }
        }
        Ok(pages)
    }

    /// Keeps a Blob as it is read; whether it was that.
    pub(crate) fn put_stream(
        &self,
        object: &Handle,
        bytes: &mut dyn Read,
    ) -> Result<bool, StoreError> {
        if self.absent(object)?.is_none() {
            return Ok(true);
        }
        drop(self.writable()?);
        if self.is_large(object) {
            let Some(new) = large::write(&self.home, object, bytes)? else { return Ok(false) };
            let mut large = vec![new];
            let result = self.put_written([].iter(), Pages::default(), &mut large);
            for unused in large {
                let _ = unused.give_up(&self.home);
            }
            return result.map(|()| true);
        }
        let length = content_length(object);
        let mut all = Vec::new();
        let read = bytes.take(length + 1).read_to_end(&mut all);
        read.map_err(StoreError::io("read", "the stream"))?;
        match Content::check(object, all) {
            Ok(content) => self.put(&[(*object, content)]).map(|()| true),
            Err(_) => Ok(false),
        }
    }

    /// Appends records of content, and names the files that hold more; what is
    /// left of `large` was not needed.
    fn put_written<'a>(
        &self,
        small: impl Iterator<Item = &'a (Handle, Content)>,
        mut pages: Pages,
        large: &mut Vec<NewFile>,
    ) -> Result<(), StoreError> {
        if !large.is_empty() {
            self.relieve()?;
        }
        let mut tail = self.writable()?;
        let mut new: Vec<New<'_>> = Vec::new();
        let mut seen = HashSet::<Handle, HandleHash>::default();
        for (handle, content) in small.filter(|(handle, _)| !handle.is_literal()) {
            let object = handle.content();
            if let Some(old) = self.absent_or_other(&object, content)?
                && seen.insert(object)
            {
                // What only now was found to be damaged is not among them.
                let page = pages.remove(&object).unwrap_or_else(|| compress_page(content));
                let form = match page {
                    Some(payload) => Form::Compressed(payload),
                    None => Form::Plain(content),
                };
                new.push(New { object, form, old });
            }
        }
        let mut directories = Vec::new();
        let mut files = Vec::new();
        let mut unused = Vec::new();
        for file in large.drain(..) {
            match self.absent(&file.handle) {
                Ok(Some(old)) if seen.insert(file.handle) => {
                    new.push(New { object: file.handle, form: Form::File, old });
                    files.push(file);
                }
                _ => unused.push(file),
            }
        }
        *large = unused;
        for file in files {
            match file.name(&self.home) {
                Ok(directory) => {
                    self.large.forget(&file.handle);
                    directories.push(directory);
                    tail.unsynced.large.push(file.file);
                }
                Err(error) => {
                    large.push(file);
                    return Err(error);
                }
            }
        }
        tail.unsynced.directories.append(&mut directories);
        self.append_new(&mut tail, &new)?;
        Ok(())
    }

    // If there is no content: what there is in its place.
    fn absent(&self, object: &Handle) -> Result<Option<Option<Found>>, StoreError> {
        let (old, there) = self.look_for(object)?;
        Ok((!there).then_some(old))
    }

    // The same, for who has the content at hand: what is short is compared.
    fn absent_or_other(
        &self,
        object: &Handle,
        content: &Content,
    ) -> Result<Option<Option<Found>>, StoreError> {
        let (old, mut there) = self.look_for(object)?;
        if let Some(old) = old.as_ref().filter(|_| there)
            && content.bytes_len() <= COMPARED_MAX
            && old.header.sort.content().is_some()
            && !old.pack.holds(old.at.offset(), &old.header, content)
        {
            self.note_broken(object);
            there = false;
        }
        Ok((!there).then_some(old))
    }

    // What there is in the place of content, and whether that is content.
    fn look_for(&self, object: &Handle) -> Result<(Option<Found>, bool), StoreError> {
        self.touched.note(object);
        let old = find_sound(&self.index, Kind::Content, object)?;
        let there = old.as_ref().is_some_and(|old| match old.header.sort {
            Sort::Dropped(_) => false,
            // A file of its own is the first that somebody takes away.
            Sort::Large(_) => large::has_its_length(&self.home, object),
            _ => true,
        });
        let there = there && !self.is_broken(object);
        Ok((old, there))
    }

    fn append_new(&self, tail: &mut Tail, new: &[New<'_>]) -> Result<(), StoreError> {
        if new.is_empty() {
            return Ok(());
        }
        for New { form, .. } in new {
            if let Form::Plain(Content::Tree(tree) | Content::Tag(tree)) = form {
                tree.entries().iter().for_each(|entry| self.touched.note(&entry.content()));
            }
        }
        let places = self.append(tail, |appender| {
            let place = |New { object, form, .. }: &New<'_>| match form {
                Form::Plain(content) => appender.content(*object, content),
                Form::Compressed(payload) => appender.small(Sort::Compressed(*object), payload),
                Form::File => appender.small(Sort::Large(*object), &[]),
            };
            new.iter().map(place).collect::<Result<Vec<_>, _>>()
        })?;
        let mut entries = Vec::with_capacity(new.len());
        for (New { object, form, old }, at) in new.iter().zip(places) {
            let sort = match form {
                Form::Plain(_) => Sort::Content,
                Form::Compressed(_) => Sort::Compressed,
                Form::File => Sort::Large,
            };
            count(tail, &sort(*object), old.as_ref());
            let entry = Entry { print: Kind::Content.print(object), at };
            entries.push((Kind::Content, entry, old.as_ref().map(|old| old.at)));
            self.broken.remove(object);
        }
        self.index.insert(&entries);
        Ok(())
    }

    pub(crate) fn append<T>(
        &self,
        tail: &mut Tail,
        write: impl FnOnce(&mut Appender<'_>) -> Result<T, StoreError>,
    ) -> Result<T, StoreError> {
        let (value, made) = tail.append(&self.home, write)?;
        if !made.is_empty() {
            self.index.change(|parts| parts.packs.extend(made));
        }
        Ok(value)
    }

    /// Appends records that are in the index under their names.
    /// `relied` are what they speak of.
    pub(crate) fn put_named(
        &self,
        batch: &[(Sort, Vec<u8>)],
        relied: impl Iterator<Item = Handle>,
    ) -> Result<(), StoreError> {
        let mut tail = self.writable()?;
        relied.for_each(|handle| self.touched.note(&handle.content()));
        let places = self.append(&mut tail, |appender| {
            let place = |(sort, payload): &(Sort, Vec<u8>)| appender.small(*sort, payload);
            batch.iter().map(place).collect::<Result<Vec<_>, _>>()
        })?;
        for ((sort, _), at) in batch.iter().zip(places) {
            let Some((kind, name)) = indexed(sort) else { continue };
            // Of several under one name the last counts, so one by one.
            let old = find_sound(&self.index, kind, &name)?;
            count(&mut tail, sort, old.as_ref());
            insert(&self.index, kind, &name, at, old.as_ref());
        }
        Ok(())
    }

    /// Appends changes of the state and makes them.
    pub(crate) fn change(&self, tail: &mut Tail, changes: &[Change]) -> Result<(), StoreError> {
        self.append(tail, |appender| {
            changes.iter().try_for_each(|(sort, payload)| appender.small(*sort, payload).map(drop))
        })?;
        let state = Arc::make_mut(&mut tail.state);
        for (sort, payload) in changes {
            let understood = state.apply(sort, payload);
            debug_assert!(understood, "{sort:?}");
        }
        Ok(())
    }

    /// Returns when all that was appended before is durable.
    pub(crate) fn sync(&self) -> Result<(), StoreError> {
        if self.mode == Mode::Read {
            return Ok(());
        }
        // One at a time: what another has taken over is durable only when that
        // has returned.
        let one = self.syncing.lock();
        let (end, changes, unsynced) = {
            let mut tail = self.writable()?;
            if tail.changes == tail.synced {
                return Ok(());
            }
            (tail.place(), tail.changes, std::mem::take(&mut tail.unsynced))
        };
        // Others may append meanwhile; the commit covers what was before.
        let synced = self.sync_files(&unsynced);
        let mut tail = self.writable()?;
        if let Err(error) = synced {
            // What the kernel dropped now, the next sync would not tell.
            tail.failed = true;
            return Err(error);
        }
        // The commit itself need not be synced: without it the next open
        // verifies a little more. Nor does it matter if there is no room.
        let before = tail.changes;
        if self.append(&mut tail, |appender| appender.small(Sort::Commit(end), &[])).is_ok() {
            tail.changes = before;
        }
        tail.synced = tail.synced.max(changes);
        drop(tail);
        self.troubles.note(Chore::NoteSync, &one.note(&self.home, end));
        self.note_damage(&self.broken.keep(&self.home));
        Ok(())
    }

    /// Makes large files durable that wait for a sync, if they are many: until
    /// then each of them is open.
    fn relieve(&self) -> Result<(), StoreError> {
        if self.writable()?.unsynced.large.len() < LARGE_OPEN_MAX {
            return Ok(());
        }
        // As for a sync: nobody takes them for durable meanwhile.
        let _one = self.syncing.lock();
        let files = std::mem::take(&mut self.writable()?.unsynced.large);
        let synced = self.sync_large(&files);
        if synced.is_err() {
            self.tail.lock().failed = true;
        }
        synced
    }

    fn sync_large(&self, files: &[Arc<dyn DiskFile>]) -> Result<(), StoreError> {
        let synced = files.iter().try_for_each(|file| file.sync_data());
        synced.map_err(StoreError::io("sync", self.home.large()))
    }

    fn sync_files(&self, unsynced: &Unsynced) -> Result<(), StoreError> {
        let home = &self.home;
        self.sync_large(&unsynced.large)?;
        let mut directories = unsynced.directories.clone();
        directories.sort_unstable();
        directories.dedup();
        for directory in &directories {
            home.disk.sync_directory(directory)?;
        }
        if !directories.is_empty() {
            home.disk.sync_directory(&home.large())?;
        }
        for pack in unsynced.packs.iter().filter(|pack| !pack.is_missing()) {
            pack.sync()?;
        }
        if unsynced.pack_names {
            home.disk.sync_directory(&home.packs())?;
        }
        Ok(())
    }
}

/// What a put finds there already is compared up to this length: so much is read
/// nearly as fast as the header before it.
const COMPARED_MAX: u64 = 4096;

// How many new files of large content wait for a sync.
const LARGE_OPEN_MAX: usize = 32;

impl Store {
    /// What a prefix stands for; what was dropped can be meant, too.
    pub(crate) fn resolve(&self, prefix: &Prefix) -> Result<Resolved, StoreError> {
        let low = prefix.low().first_chunk().map_or(0, |first| u64::from_be_bytes(*first));
        // Beyond 16 digits the print says no more.
        let open = 64 - 4 * prefix.digits().min(16) as u32;
        let high = low | 1_u64.checked_shl(open).map_or(u64::MAX, |bit| bit - 1);
        let (parts, entries) = self.index.range(low, high)?;
        let mut names = Vec::new();
        let mut last = None;
        for entry in entries {
            if names.len() >= Resolved::MANY_MAX && last != Some(entry.print) {
                break;
            }
            last = Some(entry.print);
            let name = self.index.name_at(&parts, Kind::Content, entry.at)?;
            names.extend(name.filter(|name| prefix.matches(name) && !names.contains(name)));
        }
        Ok(Resolved::of(prefix, names.iter()))
    }

    /// The relation of a key.
    pub(crate) fn relation(&self, key: &Handle) -> Result<Option<Relation>, StoreError> {
        let look = || self.again_if_collected(|| self.index.find(Kind::Relation, key));
        let Some(found) = self.touched.note_found(key, look)? else { return Ok(None) };
        let relation = Relation::decode(&found.payload);
        relation.map(Some).ok_or_else(|| found.pack.corrupt(key, found.at.offset()))
    }

    /// How dropped content can be computed again.
    pub(crate) fn recipe(&self, object: &Handle) -> Result<Option<Handle>, StoreError> {
        self.touched.note(object);
        let found = match self.find_with_file(object) {
            // It is damaged, not dropped.
            Err(error) if error.not_found() => None,
            found => found?,
        };
        let Some(found) = found else { return Ok(None) };
        let Sort::Dropped(_) = found.header.sort else { return Ok(None) };
        let recipe = found.payload.first_chunk().and_then(|raw| Handle::decode(raw).ok());
        recipe.map(Some).ok_or_else(|| found.pack.corrupt(object, found.at.offset()))
    }

    /// The bytes of all packs.
    pub(crate) fn log_bytes(&self) -> u64 {
        let tail = self.tail.lock();
        let parts = self.index.parts();
        let sealed = parts.packs.iter().filter(|pack| pack.number != tail.pack.number);
        sealed.filter_map(|pack| pack.sealed.get()).sum::<u64>() + tail.end
    }

    pub(crate) fn usage(&self) -> Usage {
        let log_bytes = self.log_bytes();
        let runs: u64 = self.index.parts().runs.iter().map(|run| run.file_bytes()).sum();
        let manifest_bytes = self.flushing.manifest_bytes();
        let tail = self.tail.lock();
        let counters = tail.counters;
        Usage {
            objects: counters.objects,
            relations: counters.relations,
            dropped: counters.dropped,
            file_bytes: log_bytes + runs + manifest_bytes + counters.large_bytes,
            dead_bytes: counters.dead_bytes,
            budget_bytes: tail.state.budget_bytes,
        }
    }
}
