//! What calls do, apart from how a program asks for it and is told: for
//! preview 1, whose arguments stand in the program's memory, and for the
//! interfaces of WASI 0.2, whose arguments are values.

mod files;
mod names;
mod open;
mod stats;
mod streams;

pub use files::Listed;
pub use open::Opening;
pub use stats::{NewTime, Stat};
pub use streams::Stream;

use crate::fs::{Ino, Resolved};
use crate::source::{Halt, Source};
use crate::{Errno, Process};

/// A process, with the content that its files come from.
///
/// Descriptors and paths are as in preview 1, and so are the answers. A call
/// that ends in [`Halt::Stop`] has changed nothing.
pub struct Direct<'a> {
    pub(crate) process: &'a mut Process,
    pub(crate) source: &'a mut dyn Source,
}

impl Process {
    /// To work on files.
    pub fn direct<'a>(&'a mut self, source: &'a mut dyn Source) -> Direct<'a> {
        self.fs.now_ns = self.clock.now_ns();
        Direct { process: self, source }
    }
}

impl Direct<'_> {
    /// Where a path leads from a directory.
    pub(crate) fn path(&mut self, fd: u32, path: &[u8], follow: bool) -> Result<Resolved, Halt> {
        let start = self.directory(fd)?;
        self.process.fs.resolve(self.source, start, path, follow)
    }

    /// The same of what should be there and is asked about, where a path that
    /// says that it means a directory must lead to one.
    fn existing(&mut self, fd: u32, path: &[u8], follow: bool) -> Result<Ino, Halt> {
        let at = self.path(fd, path, follow)?;
        let at = match at.directory && !follow {
            true => self.path(fd, path, true)?,
            false => at,
        };
        let ino = at.found.ok_or(Errno::Noent)?;
        if at.directory {
            self.process.fs.directory(ino)?;
        }
        Ok(ino)
    }

    fn directory(&self, fd: u32) -> Result<Ino, Errno> {
        Ok(self.process.fds.directory(fd)?.ino)
    }
}
