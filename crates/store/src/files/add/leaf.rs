//! Files and symlinks, read while others may change them.

use std::fs::{self, File, Metadata};
use std::io::{self, ErrorKind, Read, Seek};
use std::os::unix::ffi::OsStrExt;
use std::os::unix::fs::MetadataExt;
use std::path::Path;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::SystemTime;

use weft_object::Handle;
use weft_object::directory::{Entry, FileKind};

use super::chunk::{Chunk, HELD_MAX};
use super::walk::{permissions, special};
use super::{Added, Options};
use crate::files::stamps::{Stamp, Stamps};
use crate::{Backend, StoreError, open};

/// A file or symlink as a directory's entry will have it.
#[derive(Clone, Copy)]
pub(super) struct Leaf {
    pub(super) kind: FileKind,
    pub(super) mode: u16,
    pub(super) child: Handle,
}

/// What all threads that read share.
pub(super) struct Job<'a> {
    pub(super) backend: &'a dyn Backend,
    progress: Option<&'a (dyn Fn(Added) + Sync)>,
    stamps: Option<&'a Stamps>,
    files_total: u64,
    files: AtomicU64,
    bytes: AtomicU64,
}

impl<'a> Job<'a> {
    pub(super) fn new(backend: &'a dyn Backend, options: &Options<'a>, files: usize) -> Self {
        Self {
            backend,
            progress: options.progress,
            stamps: options.stamps,
            files_total: files as u64,
            files: AtomicU64::new(0),
            bytes: AtomicU64::new(0),
        }
    }

    fn report(&self, files: u64, bytes: u64) {
        let files = self.files.fetch_add(files, Ordering::Relaxed) + files;
        let bytes = self.bytes.fetch_add(bytes, Ordering::Relaxed) + bytes;
        if let Some(progress) = self.progress {
            progress(Added { files, files_total: self.files_total, bytes });
        }
    }

    /// What stands at a path where a file or symlink was found. A few times
    /// over, if somebody writes to it meanwhile.
    ///
    /// # Errors
    /// It cannot be read or stored, is something else by now, or never the same
    /// for long enough.
    pub(super) fn leaf(
        &self,
        path: &Path,
        chunk: &mut Chunk,
        follow: bool,
    ) -> Result<Leaf, StoreError> {
        let read = |error| StoreError::io("read", path)(error);
        if let Some(leaf) = self.known(path, follow)? {
            self.report(1, 0);
            return Ok(leaf);
        }
        for _ in 0..3 {
            let read_at = SystemTime::now();
            // Opening says what it is as well as looking at it first would, and
            // does not follow a symlink, nor wait.
            let mut file = match open::to_look(path, follow) {
                Ok(file) => file,
                Err(error) => {
                    let found =
                        if follow { fs::metadata(path) } else { fs::symlink_metadata(path) };
                    let found = found.map_err(read)?;
                    if found.is_symlink() {
                        return self.symlink(path, chunk);
                    }
                    special(path, &found.file_type())?;
                    return Err(read(error));
                }
            };
            let before = file.metadata().map_err(read)?;
            if before.is_dir() {
                return Err(StoreError::Changed(path.into()));
            }
            special(path, &before.file_type())?;
            let child = match before.len() {
                0..=HELD_MAX => self.held(&mut file, &before, chunk, path)?,
                _ => self.streamed(&mut file, &before, path)?,
            };
            if let Some((child, mode)) = child {
                self.report(1, 0);
                if let Some(stamps) = self.stamps {
                    // Of before it was read: if it has another by now, this one
                    // is not found again.
                    stamps.learn(Stamp::of(&before), child, read_at);
                }
                return Ok(Leaf { kind: FileKind::File, mode, child });
            }
        }
        Err(StoreError::Changed(path.into()))
    }

    /// What stands there, if its stamp is that of what the backend has.
    fn known(&self, path: &Path, follow: bool) -> Result<Option<Leaf>, StoreError> {
        let Some(stamps) = self.stamps.filter(|stamps| !stamps.is_empty()) else {
            return Ok(None);
        };
        let found = if follow { fs::metadata(path) } else { fs::symlink_metadata(path) };
        let Some(found) = found.ok().filter(Metadata::is_file) else { return Ok(None) };
        let Some(child) = stamps.find(&Stamp::of(&found)) else { return Ok(None) };
        let here = child.is_literal() || self.backend.contains(&child)?;
        Ok(here.then(|| Leaf { kind: FileKind::File, mode: permissions(&found), child }))
    }

    fn symlink(&self, path: &Path, chunk: &mut Chunk) -> Result<Leaf, StoreError> {
        let target = fs::read_link(path).map_err(StoreError::io("read", path))?;
        let target = target.as_os_str().as_bytes();
        self.report(1, target.len() as u64);
        chunk.room(self.backend, target.len())?.copy_from_slice(target);
        let child = chunk.keep(self.backend, target.len())?;
        Ok(Leaf { kind: FileKind::Symlink, mode: Entry::SYMLINK_MODE, child })
    }

    /// Reads the file into memory; `None` if it is changed meanwhile.
    fn held(
        &self,
        file: &mut File,
        before: &Metadata,
        chunk: &mut Chunk,
        path: &Path,
    ) -> Result<Option<(Handle, u16)>, StoreError> {
        let read = |error| StoreError::io("read", path)(error);
        let length = before.len() as usize;
        // One more than expected shows a file that has grown. That there is no
        // more is also what its length says afterwards, so it is not asked for.
        let room = chunk.room(self.backend, length + 1)?;
        let mut found = 0;
        loop {
            found += match part(file, &mut room[found..]).map_err(read)? {
                0 => break,
                part => part,
            };
            if found >= length {
                break;
            }
        }
        let after = file.metadata().map_err(read)?;
        if found != length || !unchanged(before, &after) {
            return Ok(None);
        }
        self.report(0, before.len());
        let child = chunk.keep(self.backend, length)?;
        Ok(Some((child, permissions(&after))))
    }

    /// Hashed first, and by all threads at once; only then the backend copies
    /// what it does not have.
    fn streamed(
        &self,
        file: &mut File,
        before: &Metadata,
        path: &Path,
    ) -> Result<Option<(Handle, u16)>, StoreError> {
        let read = |error| StoreError::io("read", path)(error);
        let mut hasher = blake3::Hasher::new();
        let mut buffer = vec![0; 1 << 20];
        let mut length = 0;
        loop {
            let found = match part(file, &mut buffer).map_err(read)? {
                0 => break,
                found => found,
            };
            hasher.update(&buffer[..found]);
            length += found as u64;
            self.report(0, found as u64);
            // Somebody may append as fast as this reads.
            if length > before.len() {
                return Ok(None);
            }
        }
        if length != before.len() {
            return Ok(None);
        }
        let Some(handle) = Handle::of_blob_digest(hasher.finalize().as_bytes(), length) else {
            return Ok(None);
        };
        file.rewind().map_err(read)?;
        let stored = self.backend.put_stream(&handle, file);
        let stored = stored.map_err(|error| match error {
            StoreError::Io { doing: "read", source, .. } => read(source),
            other => other,
        })?;
        let after = file.metadata().map_err(read)?;
        let good = stored && unchanged(before, &after);
        Ok(good.then(|| (handle, permissions(&after))))
    }
}

/// Reads once, unless a signal comes first.
fn part(file: &mut File, into: &mut [u8]) -> io::Result<usize> {
    loop {
        match file.read(into) {
            Err(error) if error.kind() == ErrorKind::Interrupted => {}
            other => return other,
        }
    }
}

fn unchanged(before: &Metadata, after: &Metadata) -> bool {
    let stamp = |metadata: &Metadata| (metadata.len(), metadata.mtime(), metadata.mtime_nsec());
    stamp(before) == stamp(after)
}
