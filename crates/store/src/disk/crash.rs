//! A disk that loses whatever was not synced: for tests, like
//! [`conformance`](crate::conformance).
//!
//! [`CrashDisk`] is in memory and does what a disk does, and what a disk may do
//! when the power goes:
//!
//! - each write since the last sync of its file is torn into sectors of 512
//!   bytes, and each of these is there or not, whatever came before or after;
//! - a file may have grown without the bytes that made it grow;
//! - each name made, moved or removed since the last sync of its directory is
//!   so or not, whatever came before or after.
//!
//! What exactly happened is told by a seed, so that it happens again. The power
//! goes at an operation that is counted ([`CrashDisk::operations`]), and with
//! [`Fault`] a disk can be full or fail at one.
//!
//! An *operation* is a call that changes or syncs something. Reads are counted
//! apart.

mod bytes;
mod dice;
mod names;
mod ops;

use std::io;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use super::{Access, Disk, DiskFile, Lock, Stamp};
use crate::StoreError;
use crate::sync::Mutex;
use dice::Dice;
use ops::Machine;

/// What goes wrong with the operation of a number, the first being 0.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Fault {
    /// The power goes while it is being done. Nothing works from there on;
    /// [`CrashDisk::restart`] is what comes after.
    PowerCut,
    /// There is no space for it, if it takes any.
    NoSpace,
    /// The same, and for none that comes later, until [`CrashDisk::mend`].
    Full,
    /// The disk has an error, and no other. What a sync that fails was to write
    /// is not written by a later one either.
    Error,
    /// The read of this number (not: operation) has an error.
    Read,
}

/// A disk in memory. Clones are the same disk.
#[derive(Clone, Debug, Default)]
pub struct CrashDisk(Arc<Mutex<Machine>>);

impl CrashDisk {
    /// An empty one.
    #[must_use]
    pub fn new() -> Self {
        Self::default()
    }

    /// How many operations there have been.
    #[must_use]
    pub fn operations(&self) -> u64 {
        self.0.lock().operations
    }

    /// How many reads there have been.
    #[must_use]
    pub fn reads(&self) -> u64 {
        self.0.lock().reads
    }

    /// Has the operation of this number go wrong; `seed` says how, where that
    /// is open. In the place of what was said before.
    pub fn fail_at(&self, operation: u64, fault: Fault, seed: u64) {
        let mut machine = self.0.lock();
        machine.fault = Some((operation, fault));
        machine.dice = Dice::new(seed);
    }

    /// Nothing goes wrong from now on; of a power cut, see
    /// [`CrashDisk::restart`].
    pub fn mend(&self) {
        self.0.lock().fault = None;
    }

    /// Whether what was to go wrong has.
    #[must_use]
    pub fn has_failed(&self) -> bool {
        self.0.lock().has_failed
    }

    /// The disk as it may be found after the power was cut now, or when it was.
    /// Everything on it is durable. This one does nothing any more.
    #[must_use]
    pub fn restart(&self, seed: u64) -> Self {
        let mut machine = self.0.lock();
        machine.off = true;
        Self(Arc::new(Mutex::new(machine.after_crash(&mut Dice::new(seed)))))
    }

    /// The disk as it is, as another one that goes its own way: durable as what
    /// is durable here, and with power.
    #[must_use]
    pub fn copy(&self) -> Self {
        Self(Arc::new(Mutex::new(self.0.lock().fork())))
    }

    /// All files with their bytes, durable or not, in the order of their paths.
    #[must_use]
    pub fn files(&self) -> Vec<(PathBuf, Vec<u8>)> {
        self.0.lock().files()
    }

    /// Puts a file there, durable, whatever was there before, as damage or
    /// another program would.
    pub fn plant(&self, path: &Path, bytes: &[u8]) {
        self.0.lock().plant(path, bytes);
    }

    /// Takes a file away, durably. Whether it was there.
    pub fn lose(&self, path: &Path) -> bool {
        self.0.lock().lose(path)
    }
}

impl Disk for CrashDisk {
    fn open(&self, path: &Path, access: Access) -> Result<Arc<dyn DiskFile>, StoreError> {
        let new = matches!(access, Access::New | Access::NewReadOnly);
        let doing = if new { "create" } else { "open" };
        let mut machine = self.0.lock();
        let inode = match new {
            true => machine.create(path, access == Access::NewReadOnly),
            false => machine.find(path, access == Access::Write),
        };
        let inode = inode.map_err(StoreError::io(doing, path))?;
        let write = access != Access::Read;
        Ok(Arc::new(Open { disk: self.clone(), inode, write }))
    }

    fn make_directory(&self, path: &Path) -> Result<bool, StoreError> {
        let made = self.0.lock().make_directory(path);
        made.map_err(|error| match error.kind() {
            io::ErrorKind::AlreadyExists => {
                StoreError::Foreign { path: path.into(), what: "no directory" }
            }
            _ => StoreError::io("create", path)(error),
        })
    }

    fn list(&self, directory: &Path) -> Result<Vec<String>, StoreError> {
        self.0.lock().list(directory).map_err(StoreError::io("read", directory))
    }

    fn rename(&self, from: &Path, to: &Path) -> Result<(), StoreError> {
        self.0.lock().rename(from, to).map_err(StoreError::io("rename", from))
    }

    fn remove(&self, path: &Path) -> Result<(), StoreError> {
        self.0.lock().remove(path).map_err(StoreError::io("remove", path))
    }

    fn remove_directory(&self, path: &Path) -> Result<(), StoreError> {
        self.0.lock().remove_directory(path).map_err(StoreError::io("remove", path))
    }

    fn sync_directory(&self, path: &Path) -> Result<(), StoreError> {
        self.0.lock().sync_directory(path).map_err(StoreError::io("sync", path))
    }

    fn lock(&self, directory: &Path) -> Result<Box<dyn Lock>, StoreError> {
        if !self.0.lock().locked.insert(directory.into()) {
            return Err(StoreError::Locked { path: directory.into(), process: None });
        }
        Ok(Box::new(Held { disk: self.clone(), directory: directory.into() }))
    }
}

#[derive(Debug)]
struct Held {
    disk: CrashDisk,
    directory: PathBuf,
}

impl Lock for Held {}

impl Drop for Held {
    fn drop(&mut self) {
        self.disk.0.lock().locked.remove(&self.directory);
    }
}

#[derive(Debug)]
struct Open {
    disk: CrashDisk,
    inode: u64,
    write: bool,
}

impl Open {
    fn to_write(&self) -> io::Result<()> {
        let refused = || io::Error::from_raw_os_error(libc::EBADF);
        self.write.then_some(()).ok_or_else(refused)
    }
}

impl DiskFile for Open {
    fn read_at(&self, bytes: &mut [u8], offset: u64) -> io::Result<usize> {
        self.disk.0.lock().read_at(self.inode, bytes, offset)
    }

    fn write_at(&self, bytes: &[u8], offset: u64) -> io::Result<()> {
        self.to_write()?;
        self.disk.0.lock().write_at(self.inode, bytes, offset)
    }

    fn set_length(&self, length: u64) -> io::Result<()> {
        self.to_write()?;
        self.disk.0.lock().set_length(self.inode, length)
    }

    fn sync_data(&self) -> io::Result<()> {
        self.disk.0.lock().sync_data(self.inode)
    }

    fn stamp(&self) -> io::Result<Stamp> {
        self.disk.0.lock().stamp(self.inode)
    }
}
