use std::fs::{File, TryLockError};
use std::io::{Read, Seek, Write};
use std::path::Path;

use crate::{StoreError, open};

/// Becomes the one process that writes to the store, until the file is dropped.
///
/// The lock is the operating system's, so it goes with the process however that
/// ends; the number inside is only for the message of who comes second.
pub(super) fn acquire(directory: &Path) -> Result<File, StoreError> {
    let path = directory.join("lock");
    let mut options = File::options();
    options.read(true).write(true).create(true).truncate(false);
    let file = open::of_store(&path, &mut options, true)?;
    let mut file = file.map_err(StoreError::io("open", &path))?;
    match file.try_lock() {
        Ok(()) => {}
        Err(TryLockError::WouldBlock) => {
            let mut text = String::new();
            // More digits than any number of a process has.
            let read = (&file).take(32).read_to_string(&mut text);
            let process = read.ok().and_then(|_| text.trim().parse().ok());
            return Err(StoreError::Locked { path: directory.into(), process });
        }
        Err(TryLockError::Error(error)) => return Err(StoreError::io("lock", path)(error)),
    }
    // Nobody relies on it, so a full disk is no reason to fail here.
    let _ = file
        .set_len(0)
        .and_then(|()| file.rewind())
        .and_then(|()| writeln!(file, "{}", std::process::id()));
    Ok(file)
}
