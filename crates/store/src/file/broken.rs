//! Content that was found damaged: putting it again mends it.
//!
//! Whether content is there is answered from the index: reading it each time
//! would cost as much as the reading itself. So who finds that it cannot be
//! read notes that, also for processes to come, beside the log. The notes are
//! not synced and not believed before they are looked into: if they get lost,
//! the damage is found again.

use std::collections::HashMap;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use weft_object::Handle;

use super::Mode;
use super::home::Home;
use super::record::digest;
use crate::StoreError;
use crate::disk::{Access, DiskFile};
use crate::hash::HandleHash;
use crate::sync::Mutex;

/// More are not noted: that much damage is for a repair.
const NOTED_MAX: usize = 4096;
const NOTE: usize = 40;

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
    /// Some are not broken any more, and the file does not say so yet.
    fewer: bool,
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
        let notes = raw.chunks_exact(NOTE).filter_map(|raw| decode(home, raw));
        let known = notes.map(|handle| (handle, Known::Noted)).collect();
        let broken = Self { any: AtomicBool::new(true), ..Self::default() };
        // Also if there is no note in it that is sound.
        *broken.handles.lock() = Handles { known, fewer: true };
        Ok(broken)
    }

    pub(crate) fn find(&self, handle: &Handle) -> Option<Known> {
        match self.any.load(Ordering::Relaxed) {
            true => self.handles.lock().known.get(handle).copied(),
            false => None,
        }
    }

    /// Notes that content cannot be read, where that can be written.
    pub(crate) fn add(&self, home: &Home, handle: &Handle) {
        let handles = &mut *self.handles.lock();
        let before = handles.known.insert(*handle, Known::Broken);
        self.any.store(true, Ordering::Relaxed);
        if before.is_none() && handles.known.len() <= NOTED_MAX {
            let _ = append(home, handle);
        }
    }

    /// It was put again, or is not broken after all.
    pub(crate) fn remove(&self, handle: &Handle) {
        if self.any.load(Ordering::Relaxed) {
            let handles = &mut *self.handles.lock();
            handles.fewer |= handles.known.remove(handle).is_some();
        }
    }

    /// Has the file say no more than what is known now, if it does. For who
    /// writes, when what was put again is durable.
    pub(crate) fn keep(&self, home: &Home) {
        if !self.any.load(Ordering::Relaxed) {
            return;
        }
        let handles = &mut *self.handles.lock();
        if std::mem::take(&mut handles.fewer) {
            let _ = home.disk.remove(&home.broken());
            let _ =
                handles.known.keys().take(NOTED_MAX).try_for_each(|handle| append(home, handle));
        }
        self.any.store(!handles.known.is_empty(), Ordering::Relaxed);
    }
}

fn append(home: &Home, handle: &Handle) -> Result<(), StoreError> {
    let path = home.broken();
    let file = match home.disk.open(&path, Access::Write) {
        Err(error) if error.not_found() => home.disk.open(&path, Access::New)?,
        file => file?,
    };
    let end = file.length().map_err(StoreError::io("read", &path))?;
    let at = end.next_multiple_of(NOTE as u64);
    let note = [handle.as_bytes(), &check(home, handle)[..]].concat();
    file.write_at(&note, at).map_err(StoreError::io("write", path))
}

fn read(file: &dyn DiskFile) -> std::io::Result<Vec<u8>> {
    let length = file.length()?.min((NOTED_MAX * NOTE) as u64);
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

/// Notes what a check of all content has found.
pub(crate) fn note(home: &Arc<Home>, handles: impl Iterator<Item = Handle>) {
    // What is noted already need not be noted twice.
    if let Ok(broken) = Broken::read(home, Mode::Read) {
        handles.take(NOTED_MAX).for_each(|handle| broken.add(home, &handle));
    }
}
