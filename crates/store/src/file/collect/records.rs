//! All records of a pack one after the other, read in large parts.

use std::sync::Arc;

use crate::StoreError;
use crate::file::home::Home;
use crate::file::location::Location;
use crate::file::pack::{Pack, START};
use crate::file::record::{HEADER, Header};

/// Goes through a pack that gets no more records.
///
/// A collection decides by what it reads here what is to be removed. So any
/// damage is an error, and so is a Tree that is not what its handle says, for
/// which the caller looks.
pub(super) struct Records<'a> {
    home: &'a Home,
    pack: &'a Arc<Pack>,
    at: u64,
    end: u64,
    from: u64,
    window: Vec<u8>,
}

/// One of them, with its payload whatever it is.
pub(super) struct Record<'r> {
    pub(super) at: Location,
    pub(super) header: Header,
    pub(super) payload: &'r [u8],
}

const WINDOW: u64 = 4 << 20;

impl<'a> Records<'a> {
    pub(super) fn new(home: &'a Home, pack: &'a Arc<Pack>, end: u64) -> Self {
        Self { home, pack, at: START, end, from: 0, window: Vec::new() }
    }

    /// The next record.
    ///
    /// # Errors
    /// It cannot be read, or is damaged.
    pub(super) fn next(&mut self) -> Result<Option<Record<'_>>, StoreError> {
        if self.at >= self.end {
            return Ok(None);
        }
        let offset = self.at;
        self.fill(HEADER as u64)?;
        let raw = self.bytes(offset, HEADER);
        let header = raw.first_chunk().and_then(Header::parse).ok_or_else(|| self.damaged())?;
        self.fill(header.size())?;
        self.at = header.end(offset);
        let at = Location::new(self.pack.number, offset);
        let (raw, payload) = self.bytes(offset, HEADER + header.length as usize).split_at(HEADER);
        let sound =
            raw.first_chunk().is_some_and(|raw| header.is_sound(&self.home.id, at, raw, payload));
        match sound {
            true => Ok(Some(Record { at, header, payload })),
            false => Err(self.damaged()),
        }
    }

    pub(super) fn damaged(&self) -> StoreError {
        StoreError::Damaged { path: self.pack.path.clone(), what: "a part of the log" }
    }

    fn bytes(&self, offset: u64, length: usize) -> &[u8] {
        let from = (offset - self.from) as usize;
        &self.window[from..from + length]
    }

    /// Has so many bytes from here on in the window.
    fn fill(&mut self, bytes: u64) -> Result<(), StoreError> {
        if self.at + bytes > self.end {
            return Err(self.damaged());
        }
        let inside =
            self.at >= self.from && self.at + bytes <= self.from + self.window.len() as u64;
        if inside {
            return Ok(());
        }
        let length = bytes.max(WINDOW).min(self.end - self.at);
        self.window.resize(length as usize, 0);
        self.from = self.at;
        let read = self.pack.file().and_then(|file| file.read_exact_at(&mut self.window, self.at));
        read.map_err(|error| match error.kind() {
            std::io::ErrorKind::UnexpectedEof | std::io::ErrorKind::NotFound => self.damaged(),
            _ => StoreError::io("read", &self.pack.path)(error),
        })
    }
}
