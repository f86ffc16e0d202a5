//! Names: making, moving, removing and reading them.

use weft_object::Blob;

use super::Direct;
use crate::Errno;
use crate::source::Halt;

/// Each takes directories' descriptors and paths from them, and answers as the
/// call of preview 1 of that name.
impl Direct<'_> {
    /// Makes a directory.
    ///
    /// # Errors
    /// As of `path_create_directory`.
    pub fn create_directory(&mut self, fd: u32, path: &[u8]) -> Result<(), Halt> {
        let at = self.path(fd, path, false)?;
        Ok(self.process.fs.create_directory(&at)?)
    }

    /// Removes an empty directory.
    ///
    /// # Errors
    /// As of `path_remove_directory`.
    pub fn remove_directory(&mut self, fd: u32, path: &[u8]) -> Result<(), Halt> {
        let at = self.path(fd, path, false)?;
        self.process.fs.remove_directory(self.source, &at)
    }

    /// Removes a file or symlink.
    ///
    /// # Errors
    /// As of `path_unlink_file`.
    pub fn unlink(&mut self, fd: u32, path: &[u8]) -> Result<(), Halt> {
        let at = self.path(fd, path, false)?;
        Ok(self.process.fs.unlink(&at)?)
    }

    /// Gives a file one more name.
    ///
    /// # Errors
    /// As of `path_link`.
    pub fn link(&mut self, old: (u32, &[u8]), new: (u32, &[u8])) -> Result<(), Halt> {
        self.directory(new.0)?;
        let from = self.path(old.0, old.1, false)?;
        let to = self.path(new.0, new.1, false)?;
        Ok(self.process.fs.link(&from, &to)?)
    }

    /// Gives something another name.
    ///
    /// # Errors
    /// As of `path_rename`.
    pub fn rename(&mut self, old: (u32, &[u8]), new: (u32, &[u8])) -> Result<(), Halt> {
        self.directory(new.0)?;
        let from = self.path(old.0, old.1, false)?;
        let to = self.path(new.0, new.1, false)?;
        self.process.fs.rename(self.source, &from, &to)
    }

    /// Makes a symlink that says `target`.
    ///
    /// # Errors
    /// As of `path_symlink`.
    pub fn symlink(&mut self, target: &[u8], fd: u32, path: &[u8]) -> Result<(), Halt> {
        let at = self.path(fd, path, false)?;
        Ok(self.process.fs.create_symlink(&at, target)?)
    }

    /// What a symlink says.
    ///
    /// # Errors
    /// As of `path_readlink`.
    pub fn read_link(&mut self, fd: u32, path: &[u8]) -> Result<Blob, Halt> {
        let at = self.path(fd, path, false)?;
        let ino = at.found.ok_or(Errno::Noent)?;
        if at.directory {
            return Err(Errno::Inval.into());
        }
        self.process.fs.target(self.source, ino)
    }
}
