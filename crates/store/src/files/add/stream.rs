//! What is read once and cannot be read again: standard input, say.

use std::fs::{self, File};
use std::io::{ErrorKind, Read, Seek, Write};
use std::path::Path;
use std::process;
use std::sync::atomic::{AtomicU32, Ordering};

use weft_object::{Blob, Content, Handle};

use super::chunk::HELD_MAX;
use crate::{Backend, StoreError};

/// Adds all that can be read as a Blob; its handle and length. Does not sync.
///
/// What is longer than 8 MiB is not held in memory but goes to a file without a
/// name in the directory `beside`, and from there to the backend once its
/// handle is known.
///
/// # Errors
/// It cannot be read or stored, or there can be no such file; `what` is the
/// name of what is read.
pub fn add_stream(
    backend: &dyn Backend,
    bytes: &mut dyn Read,
    what: &str,
    beside: &Path,
) -> Result<(Handle, u64), StoreError> {
    let read = |error| StoreError::io("read", what)(error);
    let mut held = Vec::new();
    bytes.take(HELD_MAX + 1).read_to_end(&mut held).map_err(read)?;
    if held.len() as u64 <= HELD_MAX {
        let length = held.len() as u64;
        let blob = Blob::new(held);
        let handle = blob.handle();
        if !handle.is_literal() {
            backend.put(&[(handle, Content::Blob(blob))])?;
        }
        return Ok((handle, length));
    }
    let write = |error| StoreError::io("write", beside)(error);
    let mut file = nameless(beside).map_err(write)?;
    let mut hasher = blake3::Hasher::new();
    let mut length = 0;
    while !held.is_empty() {
        hasher.update(&held);
        file.write_all(&held).map_err(write)?;
        length += held.len() as u64;
        held.resize(1 << 20, 0);
        let found = loop {
            match bytes.read(&mut held) {
                Err(error) if error.kind() == ErrorKind::Interrupted => {}
                found => break found.map_err(read)?,
            }
        };
        held.truncate(found);
    }
    file.rewind().map_err(write)?;
    let digest = hasher.finalize();
    match Handle::of_blob_digest(digest.as_bytes(), length) {
        Some(handle) if backend.put_stream(&handle, &mut file)? => Ok((handle, length)),
        _ => Err(StoreError::Changed(beside.into())),
    }
}

/// A file that goes when it is closed, however this process ends.
fn nameless(directory: &Path) -> std::io::Result<File> {
    static COUNT: AtomicU32 = AtomicU32::new(0);
    let count = COUNT.fetch_add(1, Ordering::Relaxed);
    let path = directory.join(format!(".weft-new-{}-{count}", process::id()));
    let file = File::options().read(true).write(true).create_new(true).open(&path)?;
    fs::remove_file(&path)?;
    Ok(file)
}
