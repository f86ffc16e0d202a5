//! Content that is a file of its own.

use std::io::{ErrorKind, Read};
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use weft_object::Handle;

use super::home::{Home, LARGE};

use super::record::content_length;
use super::walk::blob_is_sound;
use crate::StoreError;
use crate::disk::{Access, DiskFile};

/// A file that was written and has no name yet that anything refers to.
#[derive(Debug)]
pub(crate) struct NewFile {
    pub(crate) handle: Handle,
    pub(crate) file: Arc<dyn DiskFile>,
    path: PathBuf,
}

/// What the names of files begin with that are not complete.
pub(crate) const NEW: &str = "new-";

/// Where the content of a handle is.
pub(crate) fn path(home: &Home, handle: &Handle) -> PathBuf {
    path_in(&home.directory, handle)
}

/// The same, in a store that is known by its directory alone.
pub(crate) fn path_in(directory: &Path, handle: &Handle) -> PathBuf {
    let first = format!("{:02x}", handle.as_bytes()[0]);
    directory.join(LARGE).join(first).join(handle.to_string())
}

fn directory(home: &Home, handle: &Handle) -> PathBuf {
    home.large().join(format!("{:02x}", handle.as_bytes()[0]))
}

/// Whether there is a file that may be the content's, without reading it.
pub(crate) fn has_its_length(home: &Home, handle: &Handle) -> bool {
    let file = home.disk.open(&path(home, handle), Access::Read);
    let length = file.ok().and_then(|file| file.length().ok());
    length == Some(content_length(handle))
}

/// Writes content to a file, checking that it is what the handle names; `None`
/// if it is not. Nothing is kept of that, nor of what fails.
pub(crate) fn write(
    home: &Home,
    handle: &Handle,
    bytes: &mut dyn Read,
) -> Result<Option<NewFile>, StoreError> {
    static COUNT: AtomicU64 = AtomicU64::new(0);
    let count = COUNT.fetch_add(1, Ordering::Relaxed);
    let path = home.large().join(format!("{NEW}{}-{count}", std::process::id()));
    let file = home.disk.open(&path, Access::NewReadOnly)?;
    let new = NewFile { handle: *handle, file, path };
    match copy(&new, bytes) {
        Ok(true) => Ok(Some(new)),
        Ok(false) => new.give_up(home).map(|()| None),
        Err(error) => {
            let _ = new.give_up(home);
            Err(error)
        }
    }
}

/// At a time: the system then keeps the file in large pieces of memory. With 1
/// MiB, reading 512 MiB of a mapping took 1.06 of what it takes of a file that
/// was written at once; with this, 1.00.
const WRITE: usize = 4 << 20;

fn copy(new: &NewFile, bytes: &mut dyn Read) -> Result<bool, StoreError> {
    let wanted = content_length(&new.handle);
    let mut hasher = blake3::Hasher::new();
    let mut part = vec![0; WRITE];
    let mut length = 0_u64;
    loop {
        let read = match bytes.read(&mut part) {
            Ok(0) => break,
            Ok(read) => read,
            Err(error) if error.kind() == ErrorKind::Interrupted => continue,
            Err(error) => return Err(StoreError::io("read", "the stream")(error)),
        };
        if length + read as u64 > wanted {
            return Ok(false);
        }
        hasher.update(&part[..read]);
        let write = new.file.write_at(&part[..read], length);
        write.map_err(StoreError::io("write", &new.path))?;
        length += read as u64;
    }
    Ok(Handle::of_blob_digest(hasher.finalize().as_bytes(), length) == Some(new.handle))
}

impl NewFile {
    /// Gives the file its name; the directory in which that is has to be synced.
    pub(crate) fn name(&self, home: &Home) -> Result<PathBuf, StoreError> {
        let directory = directory(home, &self.handle);
        home.disk.make_directory(&directory)?;
        home.disk.rename(&self.path, &path(home, &self.handle))?;
        Ok(directory)
    }

    pub(crate) fn give_up(self, home: &Home) -> Result<(), StoreError> {
        home.disk.remove(&self.path)
    }
}

/// Whether the file of a handle is there, and what it should be.
pub(crate) fn is_sound(home: &Home, handle: &Handle) -> Result<bool, StoreError> {
    let path = path(home, handle);
    let file = match home.disk.open(&path, Access::Read) {
        Ok(file) => file,
        Err(error) if error.not_found() => return Ok(false),
        Err(error) => return Err(error),
    };
    let sound =
        || Ok(file.length()? == content_length(handle) && blob_is_sound(&*file, 0, handle)?);
    match sound() {
        Err(error) if ErrorKind::UnexpectedEof == std::io::Error::kind(&error) => Ok(false),
        sound => sound.map_err(StoreError::io("read", &path)),
    }
}

/// Makes a file durable with its name: the process that wrote it may have ended
/// before it did.
pub(crate) fn sync(home: &Home, handle: &Handle) -> Result<(), StoreError> {
    let path = path(home, handle);
    let file = home.disk.open(&path, Access::Read)?;
    file.sync_data().map_err(StoreError::io("sync", &path))?;
    home.disk.sync_directory(&directory(home, handle))?;
    home.disk.sync_directory(&home.large())
}

/// Removes what was being written when a process ended.
pub(crate) fn remove_unfinished(home: &Home) -> Result<(), StoreError> {
    for name in home.disk.list(&home.large())? {
        if name.starts_with(NEW) {
            home.disk.remove(&home.large().join(name))?;
        }
    }
    Ok(())
}
