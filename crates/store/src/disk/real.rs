use std::fs::{self, File, TryLockError};
use std::io::{self, ErrorKind, Seek, Write};
use std::os::unix::fs::{FileExt, MetadataExt, OpenOptionsExt};
use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use super::{Access, Disk, DiskFile, Lock, Stamp};
use crate::{StoreError, open};

/// The file systems of this machine.
#[derive(Clone, Copy, Debug, Default)]
pub struct RealDisk;

impl Disk for RealDisk {
    fn open(&self, path: &Path, access: Access) -> Result<Arc<dyn DiskFile>, StoreError> {
        let mut options = File::options();
        let (write, doing) = match access {
            Access::Read => (false, "open"),
            Access::Write => (true, "open"),
            Access::New | Access::NewReadOnly => (true, "create"),
        };
        options.read(true).write(write).create_new(doing == "create");
        if access == Access::NewReadOnly {
            // The one who makes a file may write to it whatever its mode says.
            options.mode(0o444);
        }
        let file = open::of_store(path, &mut options, write)?;
        Ok(Arc::new(file.map_err(StoreError::io(doing, path))?))
    }

    fn make_directory(&self, path: &Path) -> Result<bool, StoreError> {
        match fs::symlink_metadata(path) {
            Ok(found) if found.is_dir() => return Ok(false),
            Ok(_) => {
                return Err(StoreError::Foreign { path: path.into(), what: "no directory" });
            }
            Err(error) if error.kind() == ErrorKind::NotFound => {}
            Err(error) => return Err(StoreError::io("look at", path)(error)),
        }
        fs::create_dir_all(path).map_err(StoreError::io("create", path))?;
        Ok(true)
    }

    fn list(&self, directory: &Path) -> Result<Vec<String>, StoreError> {
        let names = || -> io::Result<_> {
            fs::read_dir(directory)?
                .map(|entry| Ok(entry?.file_name().to_string_lossy().into_owned()))
                .collect::<io::Result<Vec<_>>>()
        };
        names().map_err(StoreError::io("read", directory))
    }

    fn rename(&self, from: &Path, to: &Path) -> Result<(), StoreError> {
        fs::rename(from, to).map_err(StoreError::io("rename", from))
    }

    fn remove(&self, path: &Path) -> Result<(), StoreError> {
        fs::remove_file(path).map_err(StoreError::io("remove", path))
    }

    fn remove_directory(&self, path: &Path) -> Result<(), StoreError> {
        fs::remove_dir(path).map_err(StoreError::io("remove", path))
    }

    fn sync_directory(&self, path: &Path) -> Result<(), StoreError> {
        let path = if path.as_os_str().is_empty() { Path::new(".") } else { path };
        let sync = || File::open(path)?.sync_all();
        sync().map_err(StoreError::io("sync", path))
    }

    fn lock(&self, directory: &Path) -> Result<Box<dyn Lock>, StoreError> {
        let path = directory.join("lock");
        let mut options = File::options();
        options.read(true).write(true).create(true).truncate(false);
        let file = open::of_store(&path, &mut options, true)?;
        let mut file = file.map_err(StoreError::io("open", &path))?;
        match try_lock(&file) {
            Ok(()) => {}
            Err(TryLockError::WouldBlock) => {
                let process = process_in(&file);
                return Err(StoreError::Locked { path: directory.into(), process });
            }
            Err(TryLockError::Error(error)) => return Err(StoreError::io("lock", path)(error)),
        }
        // Nobody relies on it, so a full disk is no reason to fail here.
        let _ = file
            .set_len(0)
            .and_then(|()| file.rewind())
            .and_then(|()| writeln!(file, "{}", std::process::id()));
        Ok(Box::new(OsLock { _file: file }))
    }
}

/// The lock is the operating system's, so it goes with the process however that
/// ends; the number inside is only for the message of who comes second.
#[derive(Debug)]
struct OsLock {
    _file: File,
}

impl Lock for OsLock {}

/// While this process starts another one, that has its locks for a moment, also
/// those that are given back meanwhile.
fn try_lock(file: &File) -> Result<(), TryLockError> {
    const TRIES: usize = 100;
    for _ in 0..TRIES {
        match file.try_lock() {
            Err(TryLockError::WouldBlock) if process_in(file) == Some(std::process::id()) => {
                std::thread::sleep(Duration::from_millis(2));
            }
            tried => return tried,
        }
    }
    file.try_lock()
}

fn process_in(lock: &File) -> Option<u32> {
    // More digits than any number of a process has.
    let mut text = [0; 32];
    let length = FileExt::read_at(lock, &mut text, 0).ok()?;
    std::str::from_utf8(&text[..length]).ok()?.trim().parse().ok()
}

impl DiskFile for File {
    fn read_at(&self, bytes: &mut [u8], offset: u64) -> io::Result<usize> {
        FileExt::read_at(self, bytes, offset)
    }

    fn write_at(&self, bytes: &[u8], offset: u64) -> io::Result<()> {
        self.write_all_at(bytes, offset)
    }

    fn set_length(&self, length: u64) -> io::Result<()> {
        self.set_len(length)
    }

    fn sync_data(&self) -> io::Result<()> {
        File::sync_data(self)
    }

    fn stamp(&self) -> io::Result<Stamp> {
        let found = self.metadata()?;
        let nanoseconds =
            |seconds: i64, rest: i64| i128::from(seconds) * 1_000_000_000 + i128::from(rest);
        Ok(Stamp {
            length: found.len(),
            modified_ns: nanoseconds(found.mtime(), found.mtime_nsec()),
            changed_ns: nanoseconds(found.ctime(), found.ctime_nsec()),
            inode: found.ino(),
        })
    }

    fn as_file(&self) -> Option<&File> {
        Some(self)
    }
}
