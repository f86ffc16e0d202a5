//! Opening and closing.

use weft_object::directory::FileKind;

use super::Direct;
use crate::Errno;
use crate::fds::{Descriptor, OpenDirectory, OpenFile};
use crate::fs::{Ino, Resolved};
use crate::source::Halt;

/// How something is opened.
#[derive(Clone, Copy, Debug, Default)]
pub struct Opening {
    /// A symlink at the end of the path is followed.
    pub follow: bool,
    /// A file that is not there is made.
    pub create: bool,
    /// With `create`: it is not there, not even through a symlink.
    pub exclusive: bool,
    /// A file is emptied.
    pub truncate: bool,
    /// It is a directory.
    pub directory: bool,
    /// To read from it.
    pub read: bool,
    /// To write to it.
    pub write: bool,
    /// The flags of preview 1, such as to append.
    pub flags: u16,
}

impl Opening {
    /// Only what was not there.
    const fn is_new(&self) -> bool {
        self.create && self.exclusive
    }
}

impl Direct<'_> {
    /// Opens a file or directory.
    ///
    /// # Errors
    /// As of `path_open`.
    pub fn open(&mut self, fd: u32, path: &[u8], opening: Opening) -> Result<u32, Halt> {
        let opening = Opening { follow: opening.follow && !opening.is_new(), ..opening };
        self.directory(fd)?;
        self.process.fds.check_room()?;
        let mut at = self.path(fd, path, opening.follow)?;
        if at.directory && !opening.follow && !opening.is_new() {
            at = self.path(fd, path, true)?;
        }
        let descriptor = match at.found {
            None => self.create(opening, &at)?,
            Some(_) if opening.is_new() => return Err(Errno::Exist.into()),
            Some(ino) => self.open_found(opening, &at, ino)?,
        };
        Ok(self.add(descriptor)?)
    }

    /// Opens what a descriptor is open on once more, with a place of its own.
    ///
    /// # Errors
    /// If there is no such descriptor, or no room for another.
    pub fn duplicate(&mut self, fd: u32) -> Result<u32, Errno> {
        let descriptor = self.process.fds.get(fd)?.clone();
        self.process.fds.check_room()?;
        self.add(descriptor)
    }

    /// Closes a descriptor.
    ///
    /// # Errors
    /// If there is no such descriptor.
    pub fn close(&mut self, fd: u32) -> Result<(), Errno> {
        let closed = self.process.fds.remove(fd)?;
        if let Some(ino) = closed.ino() {
            self.process.fs.closed(ino);
        }
        Ok(())
    }

    fn add(&mut self, descriptor: Descriptor) -> Result<u32, Errno> {
        if let Some(ino) = descriptor.ino() {
            self.process.fs.opened(ino);
        }
        self.process.fds.add(descriptor)
    }

    fn create(&mut self, opening: Opening, at: &Resolved) -> Result<Descriptor, Halt> {
        if !opening.create {
            return Err(Errno::Noent.into());
        }
        let ino = self.process.fs.create_file(at)?;
        Ok(file(opening, ino))
    }

    fn open_found(
        &mut self,
        opening: Opening,
        at: &Resolved,
        ino: Ino,
    ) -> Result<Descriptor, Halt> {
        match self.process.fs.inode(ino)?.kind() {
            FileKind::Directory if opening.write => Err(Errno::Isdir.into()),
            FileKind::Directory => {
                let flags = opening.flags;
                Ok(Descriptor::Directory(OpenDirectory { ino, preopen: None, flags }))
            }
            FileKind::Symlink => Err(Errno::Loop.into()),
            FileKind::File if at.directory || opening.directory => Err(Errno::Notdir.into()),
            FileKind::File => {
                if opening.truncate {
                    self.process.fs.clear(ino)?;
                }
                Ok(file(opening, ino))
            }
        }
    }
}

const fn file(opening: Opening, ino: Ino) -> Descriptor {
    let Opening { read, write, flags, .. } = opening;
    Descriptor::File(OpenFile { ino, at: 0, read, write, flags })
}
