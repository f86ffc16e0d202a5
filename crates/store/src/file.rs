//! The store that lasts: one file that only ever grows at its end.

mod append;
mod format;
mod scan;

use std::fs::{self, File};
use std::io::{ErrorKind, Read};
use std::ops::ControlFlow;
use std::os::unix::fs::FileExt;
use std::path::{Path, PathBuf};

use weft_object::{Blob, Content, Handle, Prefix};

use crate::sync::{Mutex, MutexGuard, RwLock};
use crate::{
    Backend, Expect, Finder, Label, Pin, Relation, Resolved, Run, StoreError, Usage, open,
};
use append::Appender;
pub(crate) use format::VERSION;
use format::{HEADER, Header, START, Sort, Start, content_length, digest, read_start, start};
pub use scan::Damage;
use scan::{Index, read_payload, scan};

/// What a [`FileBackend`] is opened for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Mode {
    /// To read what was there at that moment. Any number of processes, also
    /// beside one that writes; nothing is created and nothing locked.
    Read,
    /// To read and write: one process at a time.
    Write,
}

/// A store in one append-only file, `store` in a directory such as `.weft`.
///
/// A process may be killed, or the machine lose power, at any byte: the store
/// opens, with everything that a [`Backend::sync`] had returned for. Each
/// content is verified when it is read; damage is an error about that content
/// and leaves the rest readable.
#[derive(Debug)]
pub struct FileBackend {
    directory: PathBuf,
    path: PathBuf,
    file: File,
    mode: Mode,
    index: RwLock<Index>,
    damage: Vec<Damage>,
    tail: Mutex<Tail>,
    // What version 1 of the file has no records for.
    aside: crate::MemoryBackend,
    // Held until this is dropped.
    _lock: Option<Box<dyn crate::disk::Lock>>,
}

#[derive(Debug)]
struct Tail {
    /// Where the next record goes.
    end: u64,
    /// How many changes there have been, and how many when last synced.
    changes: u64,
    synced: u64,
    /// What reached the disk is not known any more.
    failed: bool,
}

impl FileBackend {
    /// Makes a store in a directory, which is created if it is not there, and
    /// opens it for writing. One that exists is opened as it is.
    ///
    /// # Errors
    /// As of [`FileBackend::open`].
    pub fn create(directory: &Path) -> Result<Self, StoreError> {
        fs::create_dir_all(directory).map_err(StoreError::io("create", directory))?;
        let path = directory.join("store");
        let made = File::options().write(true).create_new(true).open(&path);
        match made {
            // `open` completes what is shorter than its first bytes, so a crash
            // from here on leaves a store.
            Ok(_) => sync_directory(directory)?,
            Err(error) if error.kind() == ErrorKind::AlreadyExists => {}
            Err(error) => return Err(StoreError::io("create", path)(error)),
        }
        Self::open(directory, Mode::Write)
    }

    /// Opens the store in a directory. What a crash left unfinished at its end
    /// is cut off in [`Mode::Write`], and not seen in [`Mode::Read`].
    ///
    /// # Errors
    /// There is none, or of another version, or another process writes to it,
    /// or the operating system refuses.
    pub fn open(directory: &Path, mode: Mode) -> Result<Self, StoreError> {
        let path = directory.join("store");
        let write = mode == Mode::Write;
        let file = open::of_store(&path, File::options().read(true).write(write), write)?;
        let file = file.map_err(|error| match error.kind() {
            ErrorKind::NotFound => StoreError::NoStore(directory.into()),
            _ => StoreError::io("open", &path)(error),
        })?;
        let lock = match mode {
            Mode::Read => None,
            Mode::Write => Some(crate::disk::Disk::lock(&crate::disk::RealDisk, directory)?),
        };
        let read = |error| StoreError::io("read", &path)(error);
        let length = file.metadata().map_err(read)?.len();
        let mut first = vec![0; length.min(START) as usize];
        file.read_exact_at(&mut first, 0).map_err(read)?;
        let scan = match read_start(&first) {
            Start::Known => scan(&file, length).map_err(read)?,
            Start::Torn => scan::Scan { end: START, ..scan::Scan::default() },
            Start::Other(found) => return Err(StoreError::Version { path, found }),
            Start::Foreign => return Err(StoreError::NotAStore(path)),
        };
        if mode == Mode::Write {
            let write = |error| StoreError::io("write", &path)(error);
            if length < START {
                file.write_all_at(&start(), 0).map_err(write)?;
            } else if length > scan.end {
                file.set_len(scan.end).map_err(write)?;
            }
        }
        // What an earlier process wrote may not have been synced.
        let tail = Tail { end: scan.end, changes: 1, synced: 0, failed: false };
        Ok(Self {
            directory: directory.into(),
            path,
            file,
            mode,
            index: RwLock::new(scan.index),
            damage: scan.damage,
            tail: Mutex::new(tail),
            aside: crate::MemoryBackend::new(),
            _lock: lock,
        })
    }

    /// The directory that holds the store.
    #[must_use]
    pub fn directory(&self) -> &Path {
        &self.directory
    }

    /// The parts of the file that were found damaged when it was opened: what
    /// they held is not in the store any more. Damage inside of content shows
    /// when that is read.
    #[must_use]
    pub fn damage(&self) -> &[Damage] {
        &self.damage
    }

    /// The bytes of the file that are in use.
    #[must_use]
    pub fn bytes(&self) -> u64 {
        self.tail.lock().end
    }

    /// How many objects are stored.
    #[must_use]
    pub fn len(&self) -> usize {
        self.index.read().content.len()
    }

    /// Whether none is.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    fn writable(&self) -> Result<MutexGuard<'_, Tail>, StoreError> {
        if self.mode == Mode::Read {
            return Err(StoreError::ReadOnly(self.path.clone()));
        }
        let tail = self.tail.lock();
        match tail.failed {
            true => Err(StoreError::Failed(self.path.clone())),
            false => Ok(tail),
        }
    }

    // Appends by `write`; what was written of a failed attempt is cut off, for
    // whole records in it would otherwise be found by the next open.
    fn append<T>(
        &self,
        tail: &mut Tail,
        write: impl FnOnce(&mut Appender<'_>) -> Result<T, StoreError>,
    ) -> Result<T, StoreError> {
        let mut appender = Appender::new(&self.file, &self.path, tail.end);
        let result = write(&mut appender).and_then(|value| Ok((value, appender.finish()?)));
        match result {
            Ok((value, end)) => {
                tail.end = end;
                tail.changes += 1;
                Ok(value)
            }
            Err(error) => {
                tail.failed = self.file.set_len(tail.end).is_err();
                Err(error)
            }
        }
    }

    fn corrupt(&self, handle: &Handle, offset: u64) -> StoreError {
        StoreError::Corrupt { path: self.path.clone(), handle: *handle, offset }
    }

    // The end of the file inside of a record is damage like any other.
    fn read_at(&self, handle: &Handle, offset: u64, length: u64) -> Result<Vec<u8>, StoreError> {
        read_payload(&self.file, offset, length).map_err(|error| match error.kind() {
            ErrorKind::UnexpectedEof => self.corrupt(handle, offset),
            _ => StoreError::io("read", &self.path)(error),
        })
    }
}

fn sync_directory(directory: &Path) -> Result<(), StoreError> {
    let sync = || {
        File::open(directory)?.sync_all()?;
        match directory.parent().filter(|parent| !parent.as_os_str().is_empty()) {
            Some(parent) => File::open(parent)?.sync_all(),
            None => Ok(()),
        }
    };
    sync().map_err(StoreError::io("sync", directory))
}

impl Backend for FileBackend {
    fn get(&self, handle: &Handle) -> Result<Option<Content>, StoreError> {
        let handle = handle.content();
        if let Some(bytes) = handle.literal_bytes() {
            return Ok(Some(Content::Blob(Blob::new(bytes.to_vec()))));
        }
        let Some(offset) = self.index.read().content.get(&handle).copied() else {
            return Ok(None);
        };
        let bytes = self.read_at(&handle, offset, content_length(&handle))?;
        let content = Content::check(&handle, bytes);
        content.map(Some).map_err(|_| self.corrupt(&handle, offset))
    }

    fn contains(&self, handle: &Handle) -> Result<bool, StoreError> {
        Ok(handle.is_literal() || self.index.read().content.contains_key(&handle.content()))
    }

    fn put(&self, batch: &[(Handle, Content)]) -> Result<(), StoreError> {
        if let Some((handle, _)) = batch.iter().find(|(handle, content)| !content.fits(handle)) {
            return Err(StoreError::Content(*handle));
        }
        let mut tail = self.writable()?;
        let mut new: Vec<(Handle, &Content)> = Vec::with_capacity(batch.len());
        {
            let index = self.index.read();
            let objects = batch.iter().map(|(handle, content)| (handle.content(), content));
            new.extend(
                objects.filter(|(handle, _)| {
                    !handle.is_literal() && !index.content.contains_key(handle)
                }),
            );
        }
        let placed = self.append(&mut tail, |appender| {
            let mut placed = std::collections::HashMap::<_, _, crate::HandleHash>::default();
            for (handle, content) in new {
                if let std::collections::hash_map::Entry::Vacant(place) = placed.entry(handle) {
                    place.insert(appender.content(handle, content)?);
                }
            }
            Ok(placed)
        })?;
        // Before the tail is released: whoever appends next sees what is here.
        self.index.write().content.extend(placed);
        Ok(())
    }

    fn put_stream(&self, handle: &Handle, bytes: &mut dyn Read) -> Result<bool, StoreError> {
        let handle = handle.content();
        if handle.kind() != weft_object::Kind::Blob {
            return Err(StoreError::Content(handle));
        }
        if let Some(literal) = handle.literal_bytes() {
            return append::same_bytes(literal, bytes);
        }
        if self.contains(&handle)? {
            return Ok(true);
        }
        let mut tail = self.writable()?;
        // Whoever held the tail before may have put the same.
        if self.contains(&handle)? {
            return Ok(true);
        }
        let before = tail.end;
        let written = self.append(&mut tail, |appender| appender.stream(handle, bytes))?;
        match written {
            Some(offset) => {
                self.index.write().content.insert(handle, offset);
                Ok(true)
            }
            None => {
                tail.end = before;
                tail.failed = self.file.set_len(before).is_err();
                Ok(false)
            }
        }
    }

    fn relation(&self, key: &Handle) -> Result<Option<Relation>, StoreError> {
        let Some(offset) = self.index.read().relations.get(key).copied() else {
            return Ok(None);
        };
        let mut raw = [0; HEADER];
        let header = match self.file.read_exact_at(&mut raw, offset) {
            Ok(()) => Header::decode(offset, &raw),
            Err(error) if error.kind() == ErrorKind::UnexpectedEof => None,
            Err(error) => return Err(StoreError::io("read", &self.path)(error)),
        };
        let header = header
            .filter(|header| header.sort == Sort::Relation(*key))
            .ok_or_else(|| self.corrupt(key, offset))?;
        let payload = self.read_at(key, offset, header.length)?;
        let sound = digest(&[&payload]) == header.check;
        let relation = sound.then(|| Relation::decode(&payload)).flatten();
        relation.map(Some).ok_or_else(|| self.corrupt(key, offset))
    }

    fn put_relations(&self, batch: &[(Handle, Relation)]) -> Result<(), StoreError> {
        let mut tail = self.writable()?;
        let placed = self.append(&mut tail, |appender| {
            let mut placed = Vec::with_capacity(batch.len());
            for (key, relation) in batch {
                let offset = appender.small(Sort::Relation(*key), &relation.encode())?;
                placed.push((*key, offset));
            }
            Ok(placed)
        })?;
        self.index.write().relations.extend(placed);
        Ok(())
    }

    fn label(&self, label: &Label) -> Result<Option<Handle>, StoreError> {
        Ok(self.index.read().labels.get(label).copied())
    }

    fn set_label(
        &self,
        label: &Label,
        expect: Expect,
        to: Option<Handle>,
    ) -> Result<(), StoreError> {
        let mut tail = self.writable()?;
        let found = self.index.read().labels.get(label).copied();
        if !expect.holds(found) {
            return Err(StoreError::LabelMoved { label: label.clone(), found });
        }
        let sort = to.map_or(Sort::NoLabel, Sort::Label);
        self.append(&mut tail, |appender| appender.small(sort, label.as_str().as_bytes()))?;
        let labels = &mut self.index.write().labels;
        match to {
            Some(handle) => labels.insert(label.clone(), handle),
            None => labels.remove(label),
        };
        Ok(())
    }

    fn labels(&self) -> Result<Vec<(Label, Handle)>, StoreError> {
        let index = self.index.read();
        Ok(index.labels.iter().map(|(label, handle)| (label.clone(), *handle)).collect())
    }

    fn resolve_prefix(&self, prefix: &Prefix) -> Result<Resolved, StoreError> {
        Ok(Resolved::of(prefix, self.index.read().content.keys()))
    }

    fn each_relation(
        &self,
        visit: &mut dyn FnMut(&Handle, &Relation) -> ControlFlow<()>,
    ) -> Result<(), StoreError> {
        let mut known: Vec<_> =
            self.index.read().relations.iter().map(|(key, offset)| (*offset, *key)).collect();
        known.sort_unstable_by(|one, other| other.cmp(one));
        for (_, key) in known {
            if let Some(relation) = self.relation(&key)?
                && visit(&key, &relation).is_break()
            {
                break;
            }
        }
        Ok(())
    }

    fn finder(&self, finder: &Finder) -> Result<u16, StoreError> {
        self.aside.finder(finder)
    }

    fn finders(&self) -> Result<Vec<Finder>, StoreError> {
        self.aside.finders()
    }

    fn put_run(&self, run: &Run) -> Result<(), StoreError> {
        self.aside.put_run(run)
    }

    fn runs(&self) -> Result<Vec<Run>, StoreError> {
        self.aside.runs()
    }

    fn pin(&self, pin: &Pin) -> Result<(), StoreError> {
        self.aside.pin(pin)
    }

    fn unpin(&self, handle: &Handle) -> Result<bool, StoreError> {
        self.aside.unpin(handle)
    }

    fn pins(&self) -> Result<Vec<Pin>, StoreError> {
        self.aside.pins()
    }

    fn recipe(&self, _: &Handle) -> Result<Option<Handle>, StoreError> {
        Ok(None)
    }

    fn hold(&self, _: &Handle) {}

    fn release(&self, _: &Handle) {}

    fn begin_writing(&self) -> Result<(), StoreError> {
        Ok(())
    }

    fn end_writing(&self) {}

    fn set_budget(&self, bytes: Option<u64>) -> Result<(), StoreError> {
        self.aside.set_budget(bytes)
    }

    fn collect(
        &self,
        options: &crate::Collect,
        tell: &dyn Fn(crate::Progress),
    ) -> Result<crate::Collected, StoreError> {
        self.aside.collect(options, tell)
    }

    fn removals(&self) -> u64 {
        0
    }

    fn usage(&self) -> Result<Usage, StoreError> {
        let index = self.index.read();
        Ok(Usage {
            objects: index.content.len() as u64,
            relations: index.relations.len() as u64,
            file_bytes: self.bytes(),
            ..Usage::default()
        })
    }

    fn sync(&self) -> Result<(), StoreError> {
        if self.mode == Mode::Read {
            return Ok(());
        }
        let (end, changes) = {
            let tail = self.writable()?;
            if tail.changes == tail.synced {
                return Ok(());
            }
            (tail.end, tail.changes)
        };
        // Others may append meanwhile; the commit covers what was before.
        let synced = self.file.sync_data();
        let mut tail = self.writable()?;
        if let Err(error) = synced {
            // What the kernel dropped now, the next sync would not tell.
            tail.failed = true;
            return Err(StoreError::io("sync", &self.path)(error));
        }
        // The commit itself need not be synced: without it the next open
        // verifies a little more. Nor does it matter if there is no room.
        let before = tail.changes;
        if self.append(&mut tail, |appender| appender.commit(end)).is_ok() {
            tail.changes = before;
        }
        tail.synced = tail.synced.max(changes);
        Ok(())
    }
}
