use std::path::PathBuf;
use std::sync::Arc;

use super::filter::Filter;
use super::layout::{BLOCK, Counts, ENTRIES, block_check, encode_entry, encode_header};
use super::table::{Entry, Kind};
use crate::StoreError;
use crate::disk::{Access, DiskFile};
use crate::file::home::Home;
use crate::file::version::VERSION;

/// Writes a run: all content in order of its prints, then all relations.
///
/// Nothing refers to the file before [`RunWriter::finish`] has returned; one
/// that was given up is a leftover, which whoever opens the store removes.
pub(crate) struct RunWriter<'a> {
    home: &'a Home,
    number: u32,
    path: PathBuf,
    file: Arc<dyn DiskFile>,
    kind: Kind,
    counts: Counts,
    fences: [Vec<u64>; 2],
    filters: [Filter; 2],
    // Whole blocks, then the one that is being filled.
    buffer: Vec<u8>,
    // Where the buffer goes.
    at: u64,
    in_block: u64,
}

const BUFFER: usize = 1 << 20;

impl<'a> RunWriter<'a> {
    /// A run of at most so many entries of each kind.
    pub(crate) fn create(home: &'a Home, number: u32, room: [u64; 2]) -> Result<Self, StoreError> {
        let path = home.run(number);
        let file = home.disk.open(&path, Access::New)?;
        Ok(Self {
            home,
            number,
            path,
            file,
            kind: Kind::Content,
            counts: Counts { entries: [0; 2], room },
            fences: [Vec::new(), Vec::new()],
            filters: room.map(Filter::new),
            buffer: Vec::with_capacity(BUFFER + BLOCK),
            at: BLOCK as u64,
            in_block: 0,
        })
    }

    /// The next entry of a kind.
    pub(crate) fn push(&mut self, kind: Kind, entry: Entry) -> Result<(), StoreError> {
        if kind != self.kind {
            debug_assert_eq!(kind, Kind::Relation);
            self.end_block()?;
            self.kind = kind;
        }
        let at = kind as usize;
        if self.in_block == 0 {
            self.fences[at].push(entry.print);
        }
        self.filters[at].add(entry.print);
        encode_entry(&entry, &mut self.buffer);
        self.counts.entries[at] += 1;
        self.in_block += 1;
        if self.in_block == ENTRIES {
            self.end_block()?;
        }
        Ok(())
    }

    fn end_block(&mut self) -> Result<(), StoreError> {
        if self.in_block == 0 {
            return Ok(());
        }
        let from = self.buffer.len() / BLOCK * BLOCK;
        let place = (self.at + from as u64) / BLOCK as u64;
        self.buffer.resize(from + BLOCK, 0);
        let check = block_check(&self.home.id, self.number, place, &self.buffer[from..]);
        self.buffer[from + BLOCK - 8..].copy_from_slice(&check);
        self.in_block = 0;
        if self.buffer.len() >= BUFFER {
            self.flush()?;
        }
        Ok(())
    }

    fn flush(&mut self) -> Result<(), StoreError> {
        self.write(&self.buffer, self.at)?;
        self.at += self.buffer.len() as u64;
        self.buffer.clear();
        Ok(())
    }

    fn write(&self, bytes: &[u8], at: u64) -> Result<(), StoreError> {
        self.file.write_at(bytes, at).map_err(StoreError::io("write", &self.path))
    }

    /// Completes the file and makes it durable, but for its name.
    pub(crate) fn finish(mut self) -> Result<u32, StoreError> {
        self.end_block()?;
        self.flush()?;
        let mut resident = Vec::new();
        for (fences, filter) in self.fences.iter().zip(&self.filters) {
            for fence in fences {
                resident.extend_from_slice(&fence.to_le_bytes());
            }
            filter.encode(&mut resident);
        }
        self.write(&resident, self.at)?;
        let digest = blake3::hash(&resident);
        let header = encode_header(&self.home.id, self.number, &self.counts, &digest, VERSION);
        let mut header = header.to_vec();
        header.resize(BLOCK, 0);
        self.write(&header, 0)?;
        self.file.sync_data().map_err(StoreError::io("sync", &self.path))?;
        Ok(self.number)
    }
}
