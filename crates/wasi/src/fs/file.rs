use weft_object::directory::FileKind;
use weft_object::{Blob, Handle};

use super::{Body, Fs, Ino};
use crate::Errno;
use crate::observe::Answer;
use crate::source::{Halt, Source, blob};

/// The bytes of a file: those of the input until something is written, then
/// its own.
///
/// A change copies the whole file. Pages would spare that copy only for as long
/// as the run lasts: the result is a Blob, whose bytes lie in a row.
#[derive(Debug)]
pub(crate) struct File {
    /// What the input has; `None` for a file that the run made.
    pub(crate) base: Option<Handle>,
    pub(crate) bytes: Bytes,
}

#[derive(Debug)]
pub(crate) enum Bytes {
    /// Those of the base, not fetched yet.
    Unread,
    /// Those of the base.
    Read(Blob),
    /// Written, whether or not the base has the same.
    Own(Vec<u8>),
}

impl File {
    pub(super) const fn of_base(base: Handle) -> Self {
        Self { base: Some(base), bytes: Bytes::Unread }
    }

    pub(super) const fn empty() -> Self {
        Self { base: None, bytes: Bytes::Own(Vec::new()) }
    }

    pub(crate) fn len(&self) -> u64 {
        match &self.bytes {
            Bytes::Unread => self.base.and_then(|base| base.length()).unwrap_or(0),
            Bytes::Read(blob) => blob.bytes().len() as u64,
            Bytes::Own(bytes) => bytes.len() as u64,
        }
    }

    fn loaded(&self) -> &[u8] {
        match &self.bytes {
            Bytes::Unread => &[],
            Bytes::Read(blob) => blob.bytes(),
            Bytes::Own(bytes) => bytes,
        }
    }
}

impl Fs {
    fn file_mut(&mut self, ino: Ino) -> Result<&mut File, Errno> {
        match &mut self.inode_mut(ino)?.body {
            Body::File(file) => Ok(file),
            _ => Err(Errno::Badf),
        }
    }

    /// The size of a file, which the run then knows.
    pub(crate) fn file_size(&mut self, ino: Ino) -> Result<u64, Errno> {
        let file = self.file_mut(ino)?;
        let size = file.len();
        if !matches!(file.bytes, Bytes::Own(_)) {
            self.observe(ino, Answer::Size(FileKind::File, size));
        }
        Ok(size)
    }

    /// Fetches the bytes of a file that was not read yet.
    pub(crate) fn load(&mut self, source: &mut dyn Source, ino: Ino) -> Result<(), Halt> {
        let file = self.file_mut(ino)?;
        if let (Bytes::Unread, Some(base)) = (&file.bytes, file.base) {
            file.bytes = Bytes::Read(blob(source, &base)?);
            self.observe(ino, Answer::Content(FileKind::File, base.content()));
        }
        Ok(())
    }

    /// The bytes from a place on, fetched if need be; none past the end.
    pub(crate) fn read_from(
        &mut self,
        source: &mut dyn Source,
        ino: Ino,
        at: u64,
    ) -> Result<&[u8], Halt> {
        self.load(source, ino)?;
        let bytes = self.file_mut(ino)?.loaded();
        let from = usize::try_from(at).unwrap_or(usize::MAX).min(bytes.len());
        Ok(&bytes[from..])
    }

    /// Makes room for the bytes of a file up to `len`, zero where nothing was
    /// written, without shortening it; the bytes are then the run's own.
    fn grow(&mut self, source: &mut dyn Source, ino: Ino, len: u64) -> Result<&mut Vec<u8>, Halt> {
        self.own(source, ino)?;
        let have = self.file_mut(ino)?.len();
        if len > have {
            let size = usize::try_from(len).map_err(|_| Errno::Fbig)?;
            self.budget.take(len - have)?;
            self.inode_mut(ino)?.charged += len - have;
            if let Bytes::Own(bytes) = &mut self.file_mut(ino)?.bytes {
                bytes.resize(size, 0);
            }
        }
        self.own_bytes(ino)
    }

    fn own_bytes(&mut self, ino: Ino) -> Result<&mut Vec<u8>, Halt> {
        let now_ns = self.now_ns;
        self.inode_mut(ino)?.touch(now_ns);
        match &mut self.file_mut(ino)?.bytes {
            Bytes::Own(bytes) => Ok(bytes),
            _ => Err(Errno::Badf.into()),
        }
    }

    /// Copies the base, which from then on counts in full.
    fn own(&mut self, source: &mut dyn Source, ino: Ino) -> Result<(), Halt> {
        if matches!(self.file_mut(ino)?.bytes, Bytes::Own(_)) {
            return Ok(());
        }
        let len = self.file_mut(ino)?.len();
        self.observe(ino, Answer::Size(FileKind::File, len));
        // What does not fit need not be read for it; and where reading ends the
        // run, nothing may have been taken.
        self.budget.check(len)?;
        self.load(source, ino)?;
        self.budget.take(len)?;
        self.inode_mut(ino)?.charged += len;
        let file = self.file_mut(ino)?;
        file.bytes = Bytes::Own(file.loaded().to_vec());
        Ok(())
    }

    /// Writes bytes at a place; a gap before them is zero.
    pub(crate) fn write_at(
        &mut self,
        source: &mut dyn Source,
        ino: Ino,
        at: u64,
        bytes: &[u8],
    ) -> Result<(), Halt> {
        if bytes.is_empty() {
            return Ok(());
        }
        let end = at.checked_add(bytes.len() as u64).ok_or(Errno::Fbig)?;
        let own = self.grow(source, ino, end)?;
        // `end` fits, or there would have been no room.
        let from = at as usize;
        own[from..from + bytes.len()].copy_from_slice(bytes);
        Ok(())
    }

    /// Gives a file this size: cut off, or filled with zeros.
    pub(crate) fn set_size(
        &mut self,
        source: &mut dyn Source,
        ino: Ino,
        size: u64,
    ) -> Result<(), Halt> {
        if size == 0 {
            return self.clear(ino);
        }
        let have = self.grow(source, ino, size)?;
        let cut = have.len() as u64 - size;
        have.truncate(size as usize);
        have.shrink_to_fit();
        self.inode_mut(ino)?.charged -= cut;
        self.budget.give_back(cut);
        Ok(())
    }

    /// Makes a file empty, without reading what it held.
    pub(crate) fn clear(&mut self, ino: Ino) -> Result<(), Halt> {
        let now_ns = self.now_ns;
        let file = self.file_mut(ino)?;
        file.bytes = Bytes::Own(Vec::new());
        let inode = self.inode_mut(ino)?;
        inode.touch(now_ns);
        let charged = std::mem::take(&mut inode.charged);
        self.budget.give_back(charged);
        Ok(())
    }

    /// Makes a file at least this large.
    pub(crate) fn allocate(
        &mut self,
        source: &mut dyn Source,
        ino: Ino,
        size: u64,
    ) -> Result<(), Halt> {
        if size > self.file_size(ino)? {
            self.grow(source, ino, size)?;
        }
        Ok(())
    }

    /// The target of a symlink.
    pub(crate) fn target(&mut self, source: &mut dyn Source, ino: Ino) -> Result<Blob, Halt> {
        let (handle, known) = match &self.inode(ino)?.body {
            Body::Symlink(handle, known) => (*handle, known.clone()),
            _ => return Err(Errno::Inval.into()),
        };
        if let Some(known) = known {
            return Ok(known);
        }
        let target = blob(source, &handle)?;
        self.observe(ino, Answer::Content(FileKind::Symlink, handle.content()));
        if let Body::Symlink(_, known) = &mut self.inode_mut(ino)?.body {
            *known = Some(target.clone());
        }
        Ok(target)
    }
}
