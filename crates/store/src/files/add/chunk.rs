//! What one thread has read, on its way to the backend.

use std::ops::Range;
use std::sync::Arc;

use weft_object::{Blob, Content, Handle};

use crate::{Backend, StoreError};

/// The longest file that is read whole; what is longer is hashed and stored in
/// pieces.
pub(super) const HELD_MAX: u64 = CHUNK_BYTES as u64 - 1;

/// One memory that a thread reads all its files into, one behind the other, and
/// hands on as a whole: then nothing is allocated for a file, and its pages are
/// touched for the first time once and not for each file. What is never used of
/// it takes no memory.
const CHUNK_BYTES: usize = 8 << 20;
// Handed on when it comes to so much.
const BATCH_BYTES: usize = 4 << 20;
const BATCH_OBJECTS: usize = 4096;

/// Blobs whose bytes lie in one chunk.
pub(super) struct Chunk {
    bytes: Vec<u8>,
    used: usize,
    blobs: Vec<(Handle, Range<usize>)>,
    size: usize,
}

impl Chunk {
    pub(super) fn new() -> Self {
        Self { bytes: Vec::new(), used: 0, blobs: Vec::new(), size: CHUNK_BYTES }
    }

    /// One for a single file of this length. Who adds many files one by one
    /// would else have all of a chunk cleared for each.
    pub(super) fn for_one(length: u64) -> Self {
        let size = usize::try_from(length).unwrap_or(CHUNK_BYTES).saturating_add(1);
        Self { size: size.min(CHUNK_BYTES), ..Self::new() }
    }

    /// Room for so many bytes, at most [`HELD_MAX`] and one more, behind what is
    /// there. They count once they are [kept](Self::keep).
    ///
    /// # Errors
    /// What is there cannot be handed on.
    pub(super) fn room(
        &mut self,
        backend: &dyn Backend,
        bytes: usize,
    ) -> Result<&mut [u8], StoreError> {
        // A file that has grown since wants more.
        self.size = self.size.max(bytes);
        if self.used + bytes > self.size {
            self.flush(backend)?;
        }
        if self.bytes.len() < self.size {
            self.bytes = vec![0; self.size];
        }
        Ok(&mut self.bytes[self.used..self.used + bytes])
    }

    /// Keeps the first bytes of the latest room as a Blob; its handle.
    ///
    /// # Errors
    /// It, or what was there, cannot be handed on.
    pub(super) fn keep(
        &mut self,
        backend: &dyn Backend,
        length: usize,
    ) -> Result<Handle, StoreError> {
        let range = self.used..self.used + length;
        let handle = Handle::of_blob(&self.bytes[range.clone()]);
        if !handle.is_literal() {
            self.used = range.end;
            self.blobs.push((handle, range));
            if self.used >= BATCH_BYTES || self.blobs.len() >= BATCH_OBJECTS {
                self.flush(backend)?;
            }
        }
        Ok(handle)
    }

    /// Hands on what is there.
    ///
    /// # Errors
    /// Of the backend's `put`; it is kept by nobody then.
    pub(super) fn flush(&mut self, backend: &dyn Backend) -> Result<(), StoreError> {
        let bytes = Arc::new(std::mem::take(&mut self.bytes));
        let part = |(handle, range)| {
            let part = Part { bytes: bytes.clone(), range };
            (handle, Content::Blob(Blob::new(part)))
        };
        let batch: Vec<(Handle, Content)> = self.blobs.drain(..).map(part).collect();
        self.used = 0;
        let put = backend.put(&batch);
        drop(batch);
        // A backend in memory keeps the bytes as they are; the next go elsewhere.
        self.bytes = Arc::try_unwrap(bytes).unwrap_or_default();
        put
    }
}

struct Part {
    bytes: Arc<Vec<u8>>,
    range: Range<usize>,
}

impl AsRef<[u8]> for Part {
    fn as_ref(&self) -> &[u8] {
        &self.bytes[self.range.clone()]
    }
}
