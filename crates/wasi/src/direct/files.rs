//! What is in open files and directories, by descriptor.

use weft_object::directory::{FileKind, Name};

use super::Direct;
use crate::Errno;
use crate::fds::{Descriptor, OpenFile};
use crate::source::Halt;
use crate::types::fdflag;

/// A name in a directory.
#[derive(Clone, Debug)]
pub struct Listed {
    /// The name.
    pub name: Name,
    /// What it leads to.
    pub kind: FileKind,
    /// Where to go on after it.
    pub next: u64,
}

impl Direct<'_> {
    /// Whether a file was opened to read, and to write; `None` of a directory.
    ///
    /// # Errors
    /// If it is neither.
    pub fn access(&self, fd: u32) -> Result<Option<(bool, bool)>, Errno> {
        match self.process.fds.get(fd)? {
            Descriptor::File(file) => Ok(Some((file.read, file.write))),
            Descriptor::Directory(_) => Ok(None),
            _ => Err(Errno::Badf),
        }
    }

    /// The bytes of a file from a place on, at most so many; none past its end.
    ///
    /// # Errors
    /// If it is no file that was opened to read, or its content cannot be had.
    pub fn read(&mut self, fd: u32, at: u64, len: u64) -> Result<&[u8], Halt> {
        let ino = self.to_read(fd)?.ino;
        let bytes = self.process.fs.read_from(self.source, ino, at)?;
        let len = usize::try_from(len).unwrap_or(usize::MAX).min(bytes.len());
        Ok(&bytes[..len])
    }

    /// Writes bytes to a file, at a place or at its end.
    ///
    /// # Errors
    /// If it is no file that was opened to write, or past the limit.
    pub fn write(&mut self, fd: u32, at: Option<u64>, bytes: &[u8]) -> Result<(), Halt> {
        let file = self.to_write(fd)?;
        let (ino, appends) = (file.ino, file.flags & fdflag::APPEND != 0);
        let at = match at {
            Some(at) if !appends => at,
            _ => self.process.fs.file_size(ino)?,
        };
        self.process.fs.write_at(self.source, ino, at, bytes)
    }

    /// Cuts a file off, or fills it with zeros.
    ///
    /// # Errors
    /// If it is no file that was opened to write, or past the limit.
    pub fn set_size(&mut self, fd: u32, size: u64) -> Result<(), Halt> {
        let file = self.process.fds.file(fd)?;
        if !file.write {
            return Err(Errno::Inval.into());
        }
        let ino = file.ino;
        self.process.fs.set_size(self.source, ino, size)
    }

    /// The first name of a directory at or after a position, of which the first
    /// is 0.
    ///
    /// # Errors
    /// If it is no directory.
    pub fn list(&mut self, fd: u32, at: u64) -> Result<Option<Listed>, Halt> {
        let ino = self.directory(fd)?;
        self.process.fs.order(self.source, ino)?;
        let listed = self.process.fs.listed(self.source, ino, at)?;
        Ok(listed.map(|listed| Listed { name: listed.name, kind: listed.kind, next: listed.next }))
    }

    /// A file that was opened to read.
    ///
    /// # Errors
    /// If it was not.
    fn to_read(&self, fd: u32) -> Result<&OpenFile, Errno> {
        let file = self.process.fds.file(fd)?;
        if file.read { Ok(file) } else { Err(Errno::Badf) }
    }

    fn to_write(&self, fd: u32) -> Result<&OpenFile, Errno> {
        let file = self.process.fds.file(fd)?;
        if file.write { Ok(file) } else { Err(Errno::Badf) }
    }
}
