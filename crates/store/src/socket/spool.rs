//! Files through which a client hands over what is too long for a frame.
//!
//! They lie in the store's directory under a name of their own, and are locked
//! by who writes them, so that a holder knows which ones were left behind.

use std::ffi::OsStr;
use std::fs::{self, File};
use std::io::{self, ErrorKind, Read, Seek, Write};
use std::os::unix::fs::OpenOptionsExt;
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicU64, Ordering};

use weft_object::{Content, Handle, Kind};

use super::address;
use crate::{Backend, StoreError, open};

const PREFIX: &str = "incoming-";

/// A file that is gone when this is dropped.
#[derive(Debug)]
pub(crate) struct Spool {
    file: File,
    path: PathBuf,
    name: String,
}

impl Spool {
    /// An empty one.
    pub(crate) fn new(directory: &Path) -> Result<Self, StoreError> {
        static COUNT: AtomicU64 = AtomicU64::new(0);
        loop {
            let number = COUNT.fetch_add(1, Ordering::Relaxed);
            let name = format!("{PREFIX}{}-{number}", std::process::id());
            let path = directory.join(&name);
            let mut options = File::options();
            options.read(true).write(true).create_new(true).mode(0o600);
            match options.open(&path) {
                Ok(file) => {
                    // Where there are no locks, nobody removes what is left.
                    let _ = file.try_lock();
                    return Ok(Self { file, path, name });
                }
                // Of a process that had this number before.
                Err(error) if error.kind() == ErrorKind::AlreadyExists => {}
                Err(error) => return Err(StoreError::io("create", path)(error)),
            }
        }
    }

    pub(crate) fn name(&self) -> &str {
        &self.name
    }

    /// Writes bytes, or what a reader has; at most `limit`, and whether that was
    /// all.
    pub(crate) fn fill(&mut self, bytes: &mut dyn Read, limit: u64) -> Result<bool, StoreError> {
        let mut part = vec![0; 1 << 20];
        let mut left = limit;
        loop {
            let read = match bytes.read(&mut part) {
                Ok(0) => return Ok(true),
                Ok(read) => read,
                Err(error) if error.kind() == ErrorKind::Interrupted => continue,
                Err(error) => return Err(StoreError::io("read", "the stream")(error)),
            };
            let Some(rest) = left.checked_sub(read as u64) else { return Ok(false) };
            left = rest;
            self.file
                .write_all(&part[..read])
                .map_err(|error| StoreError::io("write", &self.path)(error))?;
        }
    }

    /// Hands it to a backend of this process.
    pub(crate) fn put(
        &mut self,
        backend: &dyn Backend,
        handle: &Handle,
    ) -> Result<bool, StoreError> {
        self.file.rewind().map_err(StoreError::io("read", &self.path))?;
        put(backend, handle, &mut self.file, &self.path)
    }
}

impl Drop for Spool {
    fn drop(&mut self) {
        let _ = fs::remove_file(&self.path);
    }
}

/// Whether a file may be one of these.
pub(super) fn is_name(name: &str) -> bool {
    let numbers = name.strip_prefix(PREFIX).and_then(|rest| rest.split_once('-'));
    let number = |text: &str| !text.is_empty() && text.bytes().all(|byte| byte.is_ascii_digit());
    numbers.is_some_and(|(process, count)| number(process) && number(count))
}

/// Puts what a file holds, from where it stands; whether it was the content of
/// this handle.
pub(super) fn put(
    backend: &dyn Backend,
    handle: &Handle,
    file: &mut File,
    path: &Path,
) -> Result<bool, StoreError> {
    let handle = handle.content();
    if handle.kind() == Kind::Blob {
        return backend.put_stream(&handle, file);
    }
    let length = handle.length().unwrap_or(0).saturating_mul(32);
    let found = file.metadata().map_err(StoreError::io("read", path))?.len();
    if found != length {
        return Ok(false);
    }
    let bytes = read_all(file, length).map_err(StoreError::io("read", path))?;
    match Content::check(&handle, bytes) {
        Ok(content) => backend.put(&[(handle, content)]).map(|()| true),
        Err(_) => Ok(false),
    }
}

fn read_all(file: &mut File, length: u64) -> io::Result<Vec<u8>> {
    let mut bytes = Vec::new();
    let length = usize::try_from(length).map_err(|_| ErrorKind::OutOfMemory)?;
    bytes.try_reserve_exact(length).map_err(|_| ErrorKind::OutOfMemory)?;
    // Not more than it was: it may grow meanwhile.
    file.take(length as u64).read_to_end(&mut bytes)?;
    Ok(bytes)
}

/// Removes what clients and holders left behind that were killed. For the one
/// who holds the store.
pub(super) fn sweep(directory: &Path) {
    let Ok(entries) = fs::read_dir(directory) else { return };
    for entry in entries.flatten() {
        let name = entry.file_name();
        let left = match name.to_str() {
            Some(text) if is_name(text) => is_left(&entry.path()),
            _ => is_socket_left(&name),
        };
        if left {
            let _ = fs::remove_file(entry.path());
        }
    }
}

fn is_left(path: &Path) -> bool {
    open::to_look(path, false).is_ok_and(|file| file.try_lock().is_ok())
}

fn is_socket_left(name: &OsStr) -> bool {
    address::is_unfinished(name)
}
