//! Version 1 of the store: one file, which is read and never written.

#![allow(dead_code, reason = "read by `weft migrate` only, and written by tests only")]

mod format;
mod scan;

use std::fs::File;
use std::io::{self, ErrorKind, Read};
use std::os::unix::fs::FileExt;
use std::path::{Path, PathBuf};

use weft_object::{Content, Handle};

use crate::{Label, Relation, StoreError, open};
use format::{HEADER, Header, START, Sort, Start, content_length, digest, read_start};
use scan::{Index, read_payload, scan};

/// A store of version 1 as it was when it was opened.
#[derive(Debug)]
pub(crate) struct Old {
    path: PathBuf,
    file: File,
    index: Index,
    /// How many bytes were found that are no records any more.
    pub(crate) damaged_bytes: u64,
}

impl Old {
    /// Opens the file of such a store.
    ///
    /// # Errors
    /// It is none, or it cannot be read.
    pub(crate) fn open(path: &Path) -> Result<Self, StoreError> {
        let file = open::of_store(path, File::options().read(true), false)?;
        let file = file.map_err(StoreError::io("open", path))?;
        let read = |error| StoreError::io("read", path)(error);
        let length = file.metadata().map_err(read)?.len();
        let mut first = vec![0; length.min(START) as usize];
        file.read_exact_at(&mut first, 0).map_err(read)?;
        let scan = match read_start(&first) {
            Start::Known => scan(&file, length).map_err(read)?,
            // One whose making was cut short holds nothing yet.
            Start::Torn => scan::Scan::default(),
            Start::Other(found) => return Err(StoreError::Version { path: path.into(), found }),
            Start::Foreign => return Err(StoreError::NotAStore(path.into())),
        };
        let damaged_bytes = scan.damage.iter().map(|damage| damage.length).sum();
        Ok(Self { path: path.into(), file, index: scan.index, damaged_bytes })
    }

    /// All Objects, in the order in which they were put.
    pub(crate) fn objects(&self) -> Vec<Handle> {
        in_order(self.index.content.iter())
    }

    /// All keys of relations, the oldest first.
    pub(crate) fn keys(&self) -> Vec<Handle> {
        in_order(self.index.relations.iter())
    }

    /// All labels, in order.
    pub(crate) fn labels(&self) -> Vec<(Label, Handle)> {
        self.index.labels.iter().map(|(label, handle)| (label.clone(), *handle)).collect()
    }

    /// The content of an Object that is here.
    ///
    /// # Errors
    /// It cannot be read, or is damaged.
    pub(crate) fn get(&self, object: &Handle) -> Result<Option<Content>, StoreError> {
        let Some(offset) = self.index.content.get(object).copied() else { return Ok(None) };
        let bytes = self.read(object, offset, content_length(object))?;
        let content = Content::check(object, bytes);
        content.map(Some).map_err(|_| self.corrupt(object, offset))
    }

    /// The bytes of a Blob that is here, unchecked, for
    /// [`Backend::put_stream`](crate::Backend::put_stream) to check.
    pub(crate) fn stream(&self, blob: &Handle) -> Option<impl Read> {
        let at = self.index.content.get(blob)? + HEADER as u64;
        Some(Part { file: &self.file, at, end: at + content_length(blob) })
    }

    /// What is known under a key that is here.
    ///
    /// # Errors
    /// It cannot be read, or is damaged.
    pub(crate) fn relation(&self, key: &Handle) -> Result<Option<Relation>, StoreError> {
        let Some(offset) = self.index.relations.get(key).copied() else { return Ok(None) };
        let mut raw = [0; HEADER];
        let header = match self.file.read_exact_at(&mut raw, offset) {
            Ok(()) => Header::decode(offset, &raw),
            Err(error) if error.kind() == ErrorKind::UnexpectedEof => None,
            Err(error) => return Err(StoreError::io("read", &self.path)(error)),
        };
        let header = header.filter(|header| header.sort == Sort::Relation(*key));
        let header = header.ok_or_else(|| self.corrupt(key, offset))?;
        let payload = self.read(key, offset, header.length)?;
        let sound = digest(&[&payload]) == header.check;
        let relation = sound.then(|| Relation::decode(&payload)).flatten();
        relation.map(Some).ok_or_else(|| self.corrupt(key, offset))
    }

    fn corrupt(&self, handle: &Handle, offset: u64) -> StoreError {
        StoreError::Corrupt { path: self.path.clone(), handle: *handle, offset }
    }

    // The end of the file inside of a record is damage like any other.
    fn read(&self, handle: &Handle, offset: u64, length: u64) -> Result<Vec<u8>, StoreError> {
        read_payload(&self.file, offset, length).map_err(|error| match error.kind() {
            ErrorKind::UnexpectedEof => self.corrupt(handle, offset),
            _ => StoreError::io("read", &self.path)(error),
        })
    }
}

fn in_order<'a>(records: impl Iterator<Item = (&'a Handle, &'a u64)>) -> Vec<Handle> {
    let mut all: Vec<(u64, Handle)> = records.map(|(handle, offset)| (*offset, *handle)).collect();
    all.sort_unstable();
    all.into_iter().map(|(_, handle)| handle).collect()
}

struct Part<'a> {
    file: &'a File,
    at: u64,
    end: u64,
}

impl Read for Part<'_> {
    fn read(&mut self, bytes: &mut [u8]) -> io::Result<usize> {
        let length = (self.end - self.at).min(bytes.len() as u64) as usize;
        let read = self.file.read_at(&mut bytes[..length], self.at)?;
        self.at += read as u64;
        Ok(read)
    }
}
