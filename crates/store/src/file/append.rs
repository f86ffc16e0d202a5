use std::fs::File;
use std::io::{ErrorKind, Read};
use std::os::unix::fs::FileExt;
use std::path::Path;

use weft_object::{Content, Handle};

use super::format::{HEADER, Header, Sort};
use crate::StoreError;

/// Writes records at the end of the file, small ones many at once.
pub(super) struct Appender<'a> {
    file: &'a File,
    path: &'a Path,
    // Where the buffer goes.
    at: u64,
    buffer: Vec<u8>,
}

const BUFFER: usize = 1 << 20;

impl<'a> Appender<'a> {
    pub(super) fn new(file: &'a File, path: &'a Path, at: u64) -> Self {
        Self { file, path, at, buffer: Vec::new() }
    }

    /// Appends the content of a handle; returns where.
    pub(super) fn content(&mut self, handle: Handle, content: &Content) -> Result<u64, StoreError> {
        let header = Header::content(handle);
        match content {
            Content::Blob(blob) => self.record(&header, blob.bytes()),
            Content::Tree(tree) | Content::Tag(tree) => self.record(&header, &tree.encode()),
        }
    }

    pub(super) fn small(&mut self, sort: Sort, payload: &[u8]) -> Result<u64, StoreError> {
        self.record(&Header::small(sort, payload), payload)
    }

    pub(super) fn commit(&mut self, synced: u64) -> Result<u64, StoreError> {
        self.record(&Header::commit(synced), &[])
    }

    fn record(&mut self, header: &Header, payload: &[u8]) -> Result<u64, StoreError> {
        let offset = self.offset();
        self.buffer.extend_from_slice(&header.encode(offset));
        if payload.len() < BUFFER {
            self.buffer.extend_from_slice(payload);
        } else {
            self.flush()?;
            self.write(payload)?;
        }
        self.pad(header.end(offset));
        if self.buffer.len() >= BUFFER {
            self.flush()?;
        }
        Ok(offset)
    }

    /// Appends a Blob as it is read; `None` if it turns out to be another.
    pub(super) fn stream(
        &mut self,
        handle: Handle,
        bytes: &mut dyn Read,
    ) -> Result<Option<u64>, StoreError> {
        let header = Header::content(handle);
        let offset = self.offset();
        self.buffer.extend_from_slice(&header.encode(offset));
        let mut hasher = blake3::Hasher::new();
        let mut part = vec![0; BUFFER];
        let mut length = 0_u64;
        loop {
            let read = match bytes.read(&mut part) {
                Ok(0) => break,
                Ok(read) => read,
                Err(error) if error.kind() == ErrorKind::Interrupted => continue,
                Err(error) => return Err(StoreError::io("read", "the stream")(error)),
            };
            length += read as u64;
            if length > header.length {
                return Ok(None);
            }
            hasher.update(&part[..read]);
            self.flush()?;
            self.write(&part[..read])?;
        }
        if Handle::of_blob_digest(hasher.finalize().as_bytes(), length) != Some(handle) {
            return Ok(None);
        }
        self.pad(header.end(offset));
        Ok(Some(offset))
    }

    /// Writes what is left; returns where the file ends now.
    pub(super) fn finish(mut self) -> Result<u64, StoreError> {
        self.flush()?;
        Ok(self.at)
    }

    fn offset(&self) -> u64 {
        debug_assert!((self.at + self.buffer.len() as u64).is_multiple_of(8));
        debug_assert!(HEADER.is_multiple_of(8));
        self.at + self.buffer.len() as u64
    }

    fn pad(&mut self, end: u64) {
        self.buffer.resize((end - self.at) as usize, 0);
    }

    fn flush(&mut self) -> Result<(), StoreError> {
        let buffer = std::mem::take(&mut self.buffer);
        let result = self.write(&buffer);
        self.buffer = buffer;
        self.buffer.clear();
        result
    }

    fn write(&mut self, bytes: &[u8]) -> Result<(), StoreError> {
        self.file
            .write_all_at(bytes, self.at)
            .map_err(|error| StoreError::io("write", self.path)(error))?;
        self.at += bytes.len() as u64;
        Ok(())
    }
}

/// Whether a stream holds exactly these few bytes.
pub(super) fn same_bytes(expected: &[u8], bytes: &mut dyn Read) -> Result<bool, StoreError> {
    let mut found = Vec::new();
    bytes
        .take(expected.len() as u64 + 1)
        .read_to_end(&mut found)
        .map_err(StoreError::io("read", "the stream"))?;
    Ok(found == expected)
}
