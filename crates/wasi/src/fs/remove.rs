use weft_object::directory::FileKind;

use super::{Fs, Ino, Resolved};
use crate::source::{Halt, Source};
use crate::{Errno, Stop};

impl Fs {
    /// Takes a file's or symlink's name away. Its bytes live on while a
    /// descriptor is open on it.
    pub(crate) fn unlink(&mut self, at: &Resolved) -> Result<(), Errno> {
        let ino = at.found.ok_or(Errno::Noent)?;
        if self.inode(ino)?.kind() == FileKind::Directory {
            return Err(Errno::Isdir);
        }
        if at.directory {
            return Err(Errno::Notdir);
        }
        let name = at.name.as_ref().ok_or(Errno::Isdir)?;
        self.take(at.parent, name)?;
        self.forget_if_unheld(ino);
        Ok(())
    }

    /// Removes an empty directory.
    pub(crate) fn remove_directory(
        &mut self,
        source: &mut dyn Source,
        at: &Resolved,
    ) -> Result<(), Halt> {
        let ino = at.found.ok_or(Errno::Noent)?;
        if self.inode(ino)?.kind() != FileKind::Directory {
            return Err(Errno::Notdir.into());
        }
        let name = at.name.as_ref().ok_or(Errno::Inval)?;
        if !self.is_empty(source, ino)? {
            return Err(Errno::Notempty.into());
        }
        self.take(at.parent, name)?;
        self.orphan(ino)?;
        Ok(())
    }

    /// Closes an empty directory whose name was taken away: nothing can be
    /// made in it any more.
    pub(super) fn orphan(&mut self, ino: Ino) -> Result<(), Errno> {
        let directory = self.directory_mut(ino)?;
        directory.removed = true;
        directory.parent = None;
        self.forget_if_unheld(ino);
        Ok(())
    }

    /// Whether a directory has no names. That takes a listing: the input may
    /// have names there that nobody looked up.
    pub(super) fn is_empty(&mut self, source: &mut dyn Source, ino: Ino) -> Result<bool, Stop> {
        let Some(directory) = self.inodes.get(&ino).and_then(|inode| inode.directory()) else {
            return Ok(true);
        };
        if directory.entries.values().any(|slot| slot.ino.is_some()) {
            return Ok(false);
        }
        let base = self.base_listing(source, ino)?;
        let entries = self.inodes.get(&ino).and_then(|inode| inode.directory());
        let removed = |name| entries.is_some_and(|directory| directory.entries.contains_key(name));
        Ok(base.iter().all(|entry| removed(&entry.name)))
    }
}
