//! What is known of a file beside its bytes.

use weft_object::directory::FileKind;

use super::Direct;
use crate::Errno;
use crate::fs::Ino;
use crate::observe::Answer;
use crate::source::Halt;

/// What is known of a file, directory or symlink.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Stat {
    /// What it is.
    pub kind: FileKind,
    /// Its number, by which two are known to be one.
    pub number: u64,
    /// How many names it has.
    pub links: u64,
    /// In bytes; of a directory 0.
    pub size: u64,
    /// When it was last read, in nanoseconds since 1970.
    pub accessed_ns: u64,
    /// When its content was last changed.
    pub modified_ns: u64,
    /// When anything of it was last changed.
    pub changed_ns: u64,
}

/// What becomes of a time.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum NewTime {
    /// It stays.
    Same,
    /// The clock's.
    Now,
    /// This one, in nanoseconds since 1970.
    At(u64),
}

impl NewTime {
    const fn apply(self, time: &mut u64, now_ns: u64) {
        match self {
            Self::Same => {}
            Self::Now => *time = now_ns,
            Self::At(ns) => *time = ns,
        }
    }
}

impl Direct<'_> {
    /// What is known of what is open; `None` of a stream.
    ///
    /// # Errors
    /// If there is no such descriptor.
    pub fn stat(&mut self, fd: u32) -> Result<Option<Stat>, Halt> {
        let ino = self.process.fds.get(fd)?.ino();
        ino.map(|ino| self.stat_of(ino)).transpose()
    }

    /// The same of what a path leads to.
    ///
    /// # Errors
    /// As of `path_filestat_get`.
    pub fn stat_at(&mut self, fd: u32, path: &[u8], follow: bool) -> Result<Stat, Halt> {
        let ino = self.existing(fd, path, follow)?;
        self.stat_of(ino)
    }

    fn stat_of(&mut self, ino: Ino) -> Result<Stat, Halt> {
        self.process.clock.show();
        let inode = self.process.fs.inode(ino)?;
        let (kind, size) = (inode.kind(), inode.size());
        let stat = Stat {
            kind,
            number: inode.number,
            links: inode.links.max(u64::from(kind == FileKind::Directory)),
            size,
            accessed_ns: inode.times.accessed,
            modified_ns: inode.times.modified,
            changed_ns: inode.times.changed,
        };
        match kind {
            FileKind::File => _ = self.process.fs.file_size(ino)?,
            FileKind::Symlink => self.process.fs.observe(ino, Answer::Size(kind, size)),
            FileKind::Directory => {}
        }
        Ok(stat)
    }

    /// What is open, and its number, without looking at what it holds; `None`
    /// of a stream.
    ///
    /// # Errors
    /// If there is no such descriptor.
    pub fn kind(&self, fd: u32) -> Result<Option<(FileKind, u64)>, Errno> {
        let Some(ino) = self.process.fds.get(fd)?.ino() else { return Ok(None) };
        let inode = self.process.fs.inode(ino)?;
        Ok(Some((inode.kind(), inode.number)))
    }

    /// Sets the times of what is open: when it was read, and changed. They are
    /// the run's own: they show in what it asks, and go with it.
    ///
    /// # Errors
    /// If there is no such descriptor, or it is a stream.
    pub fn set_times(&mut self, fd: u32, times: (NewTime, NewTime)) -> Result<(), Halt> {
        let ino = self.process.fds.get(fd)?.ino().ok_or(Errno::Badf)?;
        self.set_times_of(ino, times)
    }

    /// The same of what a path leads to.
    ///
    /// # Errors
    /// As of `path_filestat_set_times`.
    pub fn set_times_at(
        &mut self,
        fd: u32,
        path: &[u8],
        follow: bool,
        times: (NewTime, NewTime),
    ) -> Result<(), Halt> {
        let ino = self.existing(fd, path, follow)?;
        self.set_times_of(ino, times)
    }

    fn set_times_of(&mut self, ino: Ino, times: (NewTime, NewTime)) -> Result<(), Halt> {
        let now = self.process.clock.now_ns();
        let of = &mut self.process.fs.inode_mut(ino)?.times;
        times.0.apply(&mut of.accessed, now);
        times.1.apply(&mut of.modified, now);
        of.changed = now;
        Ok(())
    }
}
