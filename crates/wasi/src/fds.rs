//! Descriptors: small numbers for what is open.

use crate::Errno;
use crate::fs::Ino;

#[derive(Clone, Debug)]
pub(crate) enum Descriptor {
    Stdin,
    Stdout,
    Stderr,
    File(OpenFile),
    Directory(OpenDirectory),
}

#[derive(Clone, Debug)]
pub(crate) struct OpenFile {
    pub(crate) ino: Ino,
    pub(crate) at: u64,
    pub(crate) read: bool,
    pub(crate) write: bool,
    pub(crate) flags: u16,
}

#[derive(Clone, Debug)]
pub(crate) struct OpenDirectory {
    pub(crate) ino: Ino,
    /// Which of the directories that the program found open.
    pub(crate) preopen: Option<usize>,
    pub(crate) flags: u16,
}

impl Descriptor {
    pub(crate) const fn ino(&self) -> Option<Ino> {
        match self {
            Self::File(file) => Some(file.ino),
            Self::Directory(directory) => Some(directory.ino),
            _ => None,
        }
    }
}

/// The table. A new one gets the lowest free number, as in POSIX.
#[derive(Debug)]
pub(crate) struct Fds {
    open: Vec<Option<Descriptor>>,
    max: usize,
}

impl Fds {
    pub(crate) const fn new(max: u32) -> Self {
        Self { open: Vec::new(), max: max as usize }
    }

    /// Puts what the program finds open; there is always room for that.
    pub(crate) fn begin<const N: usize>(&mut self, descriptors: [Descriptor; N]) {
        self.open.extend(descriptors.map(Some));
    }

    /// One more than the highest number that was ever in use.
    pub(crate) fn len(&self) -> u32 {
        self.open.len() as u32
    }

    /// Whether there is a number left.
    pub(crate) fn check_room(&self) -> Result<(), Errno> {
        match self.open.len() < self.max || self.open.iter().any(Option::is_none) {
            true => Ok(()),
            false => Err(Errno::Mfile),
        }
    }

    pub(crate) fn add(&mut self, descriptor: Descriptor) -> Result<u32, Errno> {
        self.check_room()?;
        let free = self.open.iter().position(Option::is_none);
        let at = free.unwrap_or_else(|| {
            self.open.push(None);
            self.open.len() - 1
        });
        self.open[at] = Some(descriptor);
        u32::try_from(at).map_err(|_| Errno::Mfile)
    }

    pub(crate) fn get(&self, fd: u32) -> Result<&Descriptor, Errno> {
        self.open.get(fd as usize).and_then(Option::as_ref).ok_or(Errno::Badf)
    }

    pub(crate) fn get_mut(&mut self, fd: u32) -> Result<&mut Descriptor, Errno> {
        self.open.get_mut(fd as usize).and_then(Option::as_mut).ok_or(Errno::Badf)
    }

    pub(crate) fn remove(&mut self, fd: u32) -> Result<Descriptor, Errno> {
        self.open.get_mut(fd as usize).and_then(Option::take).ok_or(Errno::Badf)
    }

    /// Moves a descriptor to the number of another, which it replaces.
    pub(crate) fn renumber(&mut self, from: u32, to: u32) -> Result<Option<Descriptor>, Errno> {
        self.get(from)?;
        self.get(to)?;
        if from == to {
            return Ok(None);
        }
        let moved = self.remove(from)?;
        Ok(Some(std::mem::replace(self.get_mut(to)?, moved)))
    }

    /// A file.
    pub(crate) fn file(&self, fd: u32) -> Result<&OpenFile, Errno> {
        match self.get(fd)? {
            Descriptor::File(file) => Ok(file),
            _ => Err(Errno::Badf),
        }
    }

    pub(crate) fn file_mut(&mut self, fd: u32) -> Result<&mut OpenFile, Errno> {
        match self.get_mut(fd)? {
            Descriptor::File(file) => Ok(file),
            _ => Err(Errno::Badf),
        }
    }

    /// A file, which has a position; a stream has none.
    pub(crate) fn seekable(&mut self, fd: u32) -> Result<&mut OpenFile, Errno> {
        match self.get_mut(fd)? {
            Descriptor::File(file) => Ok(file),
            Descriptor::Directory(_) => Err(Errno::Badf),
            _ => Err(Errno::Spipe),
        }
    }

    /// A directory, where a path begins.
    pub(crate) fn directory(&self, fd: u32) -> Result<&OpenDirectory, Errno> {
        match self.get(fd)? {
            Descriptor::Directory(directory) => Ok(directory),
            Descriptor::File(_) => Err(Errno::Notdir),
            _ => Err(Errno::Badf),
        }
    }
}
