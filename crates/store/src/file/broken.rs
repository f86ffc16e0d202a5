//! Content that was found damaged: putting it again mends it.
//!
//! Whether content is there is answered from the index: reading it each time
//! would cost as much as the reading itself. So who finds that it cannot be
//! read notes that, also for processes to come, beside the log. The notes are
//! not synced and not believed before they are looked into: if they get lost,
//! the damage is found again.

use std::collections::HashMap;
use std::io::ErrorKind;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use weft_object::Handle;

use super::Mode;
use super::home::Home;
use super::record::digest;
use super::version::{self, VERSION};
use crate::StoreError;
use crate::disk::{Access, DiskFile};
use crate::hash::HandleHash;
use crate::sync::Mutex;

/// More are not noted: that much damage is for a repair.
const NOTED_MAX: usize = 4096;
const NOTE: usize = 40;

const MAGIC: &[u8; 8] = b"weftlost";
/// As long as a note.
const START: usize = NOTE;

/// What is known about a handle.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Known {
    /// Its content was found damaged by this process.
    Broken,
    /// By an earlier one; somebody may have mended it since.
    Noted,
}

#[derive(Debug, Default)]
pub(crate) struct Broken {
    any: AtomicBool,
    handles: Mutex<Handles>,
}

#[derive(Debug, Default)]
struct Handles {
    known: HashMap<Handle, Known, HandleHash>,
    /// The file says something else.
    differs: bool,
}

impl Broken {
    /// What was noted.
    ///
    /// # Errors
    /// The file is none of a store, or cannot be read.
    pub(crate) fn read(home: &Home, mode: Mode) -> Result<Self, StoreError> {
        let access = if mode == Mode::Write { Access::Write } else { Access::Read };
        let file = match home.disk.open(&home.broken(), access) {
            Err(error) if error.not_found() => return Ok(Self::default()),
            file => file?,
        };
        let raw = read(&*file).map_err(StoreError::io("read", home.broken()))?;
        let notes = match raw.split_first_chunk() {
            Some((found, notes)) if is_start(home, found) => notes,
            _ => &[],
        };
        let notes = notes.chunks_exact(NOTE);
        let handles = notes.filter_map(|raw| decode(home, raw));
        let known = handles.map(|handle| (handle, Known::Noted)).collect();
        let broken = Self { any: AtomicBool::new(true), ..Self::default() };
        // Also if there is no note in it that is sound.
        *broken.handles.lock() = Handles { known, differs: true };
        Ok(broken)
    }

    pub(crate) fn find(&self, handle: &Handle) -> Option<Known> {
        match self.any.load(Ordering::Relaxed) {
            true => self.handles.lock().known.get(handle).copied(),
            false => None,
        }
    }

    /// Notes that content cannot be read; whether that was to be written.
    ///
    /// # Errors
    /// It cannot be; then nobody else knows.
    pub(crate) fn add(&self, home: &Home, handle: &Handle) -> Result<bool, StoreError> {
        let handles = &mut *self.handles.lock();
        let before = handles.known.insert(*handle, Known::Broken);
        self.any.store(true, Ordering::Relaxed);
        if before.is_some() || handles.known.len() > NOTED_MAX {
            return Ok(false);
        }
        let appended = append(home, handle);
        handles.differs |= appended.is_err();
        appended.map(|()| true)
    }

    /// It was put again, or is not broken after all.
    pub(crate) fn remove(&self, handle: &Handle) {
        if self.any.load(Ordering::Relaxed) {
            let handles = &mut *self.handles.lock();
            handles.differs |= handles.known.remove(handle).is_some();
        }
    }

    /// Has the file say what is known now; whether it said something else. For
    /// who writes, when what was put again is durable.
    ///
    /// # Errors
    /// It cannot be written, or not all of it.
    pub(crate) fn keep(&self, home: &Home) -> Result<bool, StoreError> {
        if !self.any.load(Ordering::Relaxed) {
            return Ok(false);
        }
        let handles = &mut *self.handles.lock();
        if !handles.differs {
            return Ok(false);
        }
        match home.disk.remove(&home.broken()) {
            Err(error) if !error.not_found() => return Err(error),
            _ => {}
        }
        handles.known.keys().take(NOTED_MAX).try_for_each(|handle| append(home, handle))?;
        handles.differs = false;
        self.any.store(!handles.known.is_empty(), Ordering::Relaxed);
        Ok(true)
    }
}

fn append(home: &Home, handle: &Handle) -> Result<(), StoreError> {
    let path = home.broken();
    let file = match home.disk.open(&path, Access::Write) {
        Err(error) if error.not_found() => home.disk.open(&path, Access::New)?,
        file => file?,
    };
    let write = || {
        let mut found = [0; START];
        let end = match file.read_exact_at(&mut found, 0) {
            Ok(()) if is_start(home, &found) => file.length()?.next_multiple_of(NOTE as u64),
            // Just made, or of another version, which nobody needs.
            Ok(()) => 0,
            Err(error) if error.kind() == ErrorKind::UnexpectedEof => 0,
            Err(error) => return Err(error),
        };
        let note = [handle.as_bytes(), &check(home, handle)[..]].concat();
        if end > 0 {
            return file.write_at(&note, end);
        }
        file.set_length(0)?;
        file.write_at(&[&start(home, VERSION)[..], &note].concat(), 0)
    };
    write().map_err(StoreError::io("write", path))
}

fn is_start(home: &Home, found: &[u8; START]) -> bool {
    *found == start(home, version::stated(found))
}

fn start(home: &Home, version: u32) -> [u8; START] {
    let mut raw = [0; START];
    raw[..8].copy_from_slice(MAGIC);
    raw[8..12].copy_from_slice(&version.to_le_bytes());
    raw[16..32].copy_from_slice(&home.id);
    let check = digest(&raw[..32]);
    raw[32..].copy_from_slice(&check);
    raw
}

fn read(file: &dyn DiskFile) -> std::io::Result<Vec<u8>> {
    let length = file.length()?.min((START + NOTED_MAX * NOTE) as u64);
    let mut raw = vec![0; length as usize];
    let have = file.read_at(&mut raw, 0)?;
    raw.truncate(have);
    Ok(raw)
}

fn decode(home: &Home, raw: &[u8]) -> Option<Handle> {
    let (name, found) = raw.split_first_chunk()?;
    let handle = Handle::decode(name).ok()?;
    (check(home, &handle) == found).then_some(handle)
}

fn check(home: &Home, handle: &Handle) -> [u8; 8] {
    digest(&[&home.id[..], handle.as_bytes()].concat())
}

/// Notes what a check of all content has found, where that can be written: who
/// checks is told of it in any case.
pub(crate) fn note(home: &Arc<Home>, handles: impl Iterator<Item = Handle>) {
    // What is noted already need not be noted twice.
    if let Ok(broken) = Broken::read(home, Mode::Read) {
        let mut handles = handles.take(NOTED_MAX);
        let _ = handles.try_for_each(|handle| broken.add(home, &handle).map(drop));
    }
}
