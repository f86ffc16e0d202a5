//! Files of a store that change places, many at once.

use std::io;
use std::path::Path;

use crate::StoreError;
use crate::disk::{Access, Disk};

/// What moves and removes files of a store.
///
/// A store may come from anybody: a symlink in the place of a directory is
/// refused, and inside of one only the link is moved or removed.
pub(crate) struct Moving<'a> {
    pub(crate) disk: &'a dyn Disk,
}

impl<'a> Moving<'a> {
    pub(crate) fn new(disk: &'a dyn Disk) -> Self {
        Self { disk }
    }

    /// Makes a durable copy of a file; of the new name, too.
    pub(crate) fn copy(&self, from: &Path, to: &Path) -> Result<(), StoreError> {
        let source = self.disk.open(from, Access::Read)?;
        let target = self.disk.open(to, Access::New)?;
        let copy = || -> io::Result<()> {
            let (mut part, mut at) = (vec![0; 1 << 20], 0);
            loop {
                match source.read_at(&mut part, at)? {
                    0 => return target.sync_data(),
                    read => {
                        target.write_at(&part[..read], at)?;
                        at += read as u64;
                    }
                }
            }
        };
        copy().map_err(StoreError::io("copy", from))?;
        self.disk.sync_directory(to.parent().unwrap_or(to))
    }

    /// Moves all files in and below a directory to the same places in another
    /// one, in the place of what has their names there. The new names are
    /// durable then.
    pub(crate) fn move_all(&self, from: &Path, to: &Path) -> Result<(), StoreError> {
        self.disk.make_directory(to)?;
        for name in self.disk.list(from)? {
            let (from, to) = (from.join(&name), to.join(&name));
            match self.is_directory(&from)? {
                true => self.move_all(&from, &to)?,
                false => self.disk.rename(&from, &to)?,
            }
        }
        self.disk.sync_directory(to)
    }

    /// Takes a directory away with all in it, if it is there.
    pub(crate) fn clear(&self, path: &Path) -> Result<(), StoreError> {
        self.empty(path)?;
        self.disk.remove_directory(path)
    }

    /// Takes away all that is in a directory, which is made if it is not there.
    pub(crate) fn empty(&self, path: &Path) -> Result<(), StoreError> {
        self.disk.make_directory(path)?;
        for name in self.disk.list(path)? {
            let inside = path.join(name);
            match self.is_directory(&inside)? {
                true => self.clear(&inside)?,
                false => self.disk.remove(&inside)?,
            }
        }
        Ok(())
    }

    pub(crate) fn remove_if_there(&self, path: &Path) -> Result<(), StoreError> {
        match self.disk.remove(path) {
            Err(error) if !error.not_found() => Err(error),
            _ => Ok(()),
        }
    }

    fn is_directory(&self, path: &Path) -> Result<bool, StoreError> {
        match self.disk.make_directory(path) {
            Ok(_) => Ok(true),
            Err(StoreError::Foreign { .. }) => Ok(false),
            Err(error) => Err(error),
        }
    }
}
