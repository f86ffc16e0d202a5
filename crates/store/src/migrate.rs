//! Stores of older versions, made anew as stores of this one.

mod v1;

use std::io::{self, ErrorKind, Read};
use std::path::{Path, PathBuf};
use std::sync::Arc;

use weft_object::{Content, Handle};

use crate::disk::{Access, Disk};
use crate::file::{OLDEST, VERSION};
use crate::moving::Moving;
use crate::{Affected, Backend, Expect, FileBackend, Mode, Options, StoreError};
use v1::{Old, Record, Sort};

/// What has become of an older store.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
#[non_exhaustive]
pub struct Migrated {
    /// The version that it had.
    pub from: u32,
    /// Objects that were taken over.
    pub objects: u64,
    /// Relations that were taken over.
    pub relations: u64,
    /// Labels.
    pub labels: u64,
    /// Objects, or keys of relations, whose records were damaged: they are not
    /// in the new store.
    pub lost: Vec<Handle>,
    /// Bytes of the old store that were no records any more, and labels that
    /// could not be read: what they held is not known.
    pub damaged_bytes: u64,
    /// The old store ended before what a command leaves at its end: it was cut,
    /// or a command was killed. What it had behind that is not known.
    pub ends_early: bool,
    /// What refers to content that the old store did not have.
    pub affected: Vec<Affected>,
    /// Where the old store is, if something of it was damaged. Else it is gone.
    pub kept: Option<PathBuf>,
}

impl Migrated {
    /// Whether all of the old store is in the new one.
    #[must_use]
    pub fn is_whole(&self) -> bool {
        self.lost.is_empty()
            && self.damaged_bytes == 0
            && !self.ends_early
            && self.affected.is_empty()
    }
}

const MAGIC: &[u8; 8] = b"weftstor";
/// The one version that cannot be opened.
const OLD: u32 = 1;

/// The version of the store in a directory, whether it can be opened or not.
///
/// # Errors
/// There is no store, or a file that is none, or it cannot be read.
pub fn version(disk: &dyn Disk, directory: &Path) -> Result<u32, StoreError> {
    let path = directory.join("store");
    let file = disk.open(&path, Access::Read).map_err(|error| match error.not_found() {
        true => StoreError::NoStore(directory.into()),
        false => error,
    })?;
    let mut first = [0; 12];
    match file.read_exact_at(&mut first, 0) {
        Err(error) if error.kind() == ErrorKind::UnexpectedEof => {
            return Err(StoreError::NotAStore(path));
        }
        read => read.map_err(StoreError::io("read", &path))?,
    }
    match first.split_first_chunk() {
        Some((MAGIC, version)) => {
            Ok(version.first_chunk().map_or(0, |version| u32::from_le_bytes(*version)))
        }
        _ => Err(StoreError::NotAStore(path)),
    }
}

/// Makes the store in a directory one of this version; `None` if it is that
/// already, or needs no more for it than to be opened.
///
/// The new one is made beside the old one, which stays as it is until the new
/// one is durable: whenever this is interrupted, it can be run again. So there
/// has to be room for both. `tell` hears how many bytes of the old store are
/// done, and of how many.
///
/// # Errors
/// [`StoreError::Version`] if it is of a version that is not known here, another
/// process writes to it, or it cannot be read or written; then it is as it was.
pub fn migrate(
    disk: Arc<dyn Disk>,
    directory: &Path,
    options: Options,
    tell: &dyn Fn(u64, u64),
) -> Result<Option<Migrated>, StoreError> {
    // Looked at before the lock is made: what is no store stays without.
    version(&*disk, directory)?;
    let lock = disk.lock(directory)?;
    let path = directory.join("store");
    let new = directory.join("migrating");
    let moving = Moving::new(&*disk);
    match version(&*disk, directory)? {
        OLD => {}
        found if (OLDEST..=VERSION).contains(&found) => {
            moving.clear(&new)?;
            drop(lock);
            if found < VERSION {
                // Who opens it for writing makes it one.
                FileBackend::open_on(disk, directory, Mode::Write, options)?;
            }
            return Ok(None);
        }
        found => return Err(StoreError::Version { path, found }),
    }
    // What an attempt before this one has left.
    PARTS.iter().try_for_each(|part| moving.clear(&directory.join(part)))?;
    moving.clear(&new)?;
    let old = Old::open(&*disk, &path)?;
    let mut migrated = Migrated {
        from: OLD,
        damaged_bytes: old.damaged_bytes,
        ends_early: !old.is_ended,
        ..Migrated::default()
    };
    let store = FileBackend::create_on(disk.clone(), &new, options)?;
    copy(&old, &store, &mut migrated, tell)?;
    drop(store);
    // What the old one lacked is told of now or never.
    migrated.affected = crate::file::fsck(&disk, &new, options, &|_, _| {})?.affected;
    if !migrated.is_whole() {
        let aside = directory.join("store.v1");
        moving.remove_if_there(&aside)?;
        // A copy, since the old store is to be there at each moment.
        moving.copy(&path, &aside)?;
        migrated.kept = Some(aside);
    }
    put_in_place(&moving, &new, directory)?;
    Ok(Some(migrated))
}

const PARTS: [&str; 3] = ["packs", "index", "large"];

// The manifest last: until then there is the old store and some files more,
// from then on the new one.
fn put_in_place(moving: &Moving<'_>, new: &Path, directory: &Path) -> Result<(), StoreError> {
    for part in PARTS {
        moving.move_all(&new.join(part), &directory.join(part))?;
    }
    moving.disk.sync_directory(directory)?;
    moving.disk.rename(&new.join("store"), &directory.join("store"))?;
    // It may get lost.
    let _ = moving.disk.rename(&new.join("synced"), &directory.join("synced"));
    moving.disk.sync_directory(directory)?;
    moving.clear(new)
}

/// Records are put many at once.
const BATCH_BYTES: u64 = 4 << 20;

fn copy(
    old: &Old,
    store: &FileBackend,
    migrated: &mut Migrated,
    tell: &dyn Fn(u64, u64),
) -> Result<(), StoreError> {
    let mut batch: Vec<(Handle, Content)> = Vec::new();
    let mut batch_bytes = 0;
    for record in &old.records {
        tell(record.offset, old.length);
        match record.sort {
            Sort::Content(handle) => {
                let bytes = record.bytes();
                if bytes >= BATCH_BYTES && handle.kind() == weft_object::Kind::Blob {
                    stream(old, record, &handle, store, migrated)?;
                } else if let Some(content) = old.content(record, &handle)? {
                    batch.push((handle, content));
                    batch_bytes += bytes;
                    migrated.objects += 1;
                } else {
                    migrated.lost.push(handle);
                }
            }
            _ => {
                // In order: what a relation speaks of comes before it.
                store.put(&std::mem::take(&mut batch))?;
                batch_bytes = 0;
                small(old, record, store, migrated)?;
            }
        }
        if batch_bytes >= BATCH_BYTES {
            store.put(&std::mem::take(&mut batch))?;
            batch_bytes = 0;
        }
    }
    store.put(&batch)?;
    migrated.labels = store.labels()?.len() as u64;
    migrated.relations = store.usage()?.relations;
    store.sync()
}

fn stream(
    old: &Old,
    record: &Record,
    handle: &Handle,
    store: &FileBackend,
    migrated: &mut Migrated,
) -> Result<(), StoreError> {
    let mut bytes = UntilDamage { bytes: old.stream(record) };
    match store.put_stream(handle, &mut bytes)? {
        true => migrated.objects += 1,
        false => migrated.lost.push(*handle),
    }
    Ok(())
}

fn small(
    old: &Old,
    record: &Record,
    store: &FileBackend,
    migrated: &mut Migrated,
) -> Result<(), StoreError> {
    let read = StoreError::io("read", old.path());
    match record.sort {
        Sort::Relation(key) => match old.relation(record).map_err(read)? {
            Some(relation) => store.put_relations(&[(key, relation)])?,
            None => migrated.lost.push(key),
        },
        Sort::Label(_) | Sort::NoLabel => {
            let to = match record.sort {
                Sort::Label(handle) => Some(handle),
                _ => None,
            };
            match old.label(record).map_err(read)? {
                Some(label) => store.set_label(&label, Expect::Any, to)?,
                None => migrated.damaged_bytes += record.end() - record.offset,
            }
        }
        Sort::Content(_) | Sort::Commit(_) => {}
    }
    Ok(())
}

/// A record that the file ends in is damaged like one of other bytes.
struct UntilDamage<R> {
    bytes: R,
}

impl<R: Read> Read for UntilDamage<R> {
    fn read(&mut self, bytes: &mut [u8]) -> io::Result<usize> {
        match self.bytes.read(bytes) {
            Err(error) if error.kind() == ErrorKind::UnexpectedEof => Ok(0),
            read => read,
        }
    }
}
