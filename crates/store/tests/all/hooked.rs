//! A disk on which somebody else does something at a moment of one's choice.

use std::fmt;
use std::path::Path;
use std::sync::Arc;

use weft_store::StoreError;
use weft_store::disk::crash::CrashDisk;
use weft_store::disk::{Access, Disk, DiskFile, Lock};

/// Calls a function before a file is opened or made, or a directory listed.
pub(crate) struct Hooked<F> {
    disk: CrashDisk,
    before: F,
}

impl<F: Fn(&Path, Option<Access>) + Send + Sync + 'static> Hooked<F> {
    /// `before` gets the path, and of a file what it is opened for.
    pub(crate) fn on(disk: &CrashDisk, before: F) -> Arc<dyn Disk> {
        Arc::new(Self { disk: disk.clone(), before })
    }
}

impl<F> fmt::Debug for Hooked<F> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Hooked").finish_non_exhaustive()
    }
}

impl<F: Fn(&Path, Option<Access>) + Send + Sync> Disk for Hooked<F> {
    fn open(&self, path: &Path, access: Access) -> Result<Arc<dyn DiskFile>, StoreError> {
        (self.before)(path, Some(access));
        self.disk.open(path, access)
    }

    fn make_directory(&self, path: &Path) -> Result<bool, StoreError> {
        self.disk.make_directory(path)
    }

    fn list(&self, directory: &Path) -> Result<Vec<String>, StoreError> {
        (self.before)(directory, None);
        self.disk.list(directory)
    }

    fn rename(&self, from: &Path, to: &Path) -> Result<(), StoreError> {
        self.disk.rename(from, to)
    }

    fn remove(&self, path: &Path) -> Result<(), StoreError> {
        self.disk.remove(path)
    }

    fn remove_directory(&self, path: &Path) -> Result<(), StoreError> {
        self.disk.remove_directory(path)
    }

    fn sync_directory(&self, path: &Path) -> Result<(), StoreError> {
        self.disk.sync_directory(path)
    }

    fn lock(&self, directory: &Path) -> Result<Box<dyn Lock>, StoreError> {
        self.disk.lock(directory)
    }
}
