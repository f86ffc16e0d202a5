//! A run: entries sorted by print, in a file that is written once.

use std::io::{self, ErrorKind};
use std::path::PathBuf;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use super::filter::Filter;
use super::layout::{
    BLOCK, Counts, ENTRIES, ENTRY, HEADER, MAGIC, block_check, decode_entry, decode_header,
};
use super::table::{Entry, Kind};
use crate::StoreError;
use crate::disk::{Access, DiskFile};
use crate::file::home::Home;
use crate::file::location::Location;
use crate::file::pack::{read_payload, refuse_other_version};
use crate::file::record::StoreId;

/// What of one kind is kept in memory.
#[derive(Debug, Default)]
struct Resident {
    /// The first print of each block.
    fences: Vec<u64>,
    filter: Filter,
}

/// A run that is there to be read.
#[derive(Debug)]
pub(crate) struct SortedRun {
    pub(crate) number: u32,
    pub(crate) path: PathBuf,
    id: StoreId,
    file: Arc<dyn DiskFile>,
    counts: Counts,
    resident: [Resident; 2],
    /// A bit for each block that was found sound before.
    verified: Vec<AtomicU64>,
}

impl SortedRun {
    /// Opens a run; `None` if it is not there or damaged.
    pub(crate) fn open(home: &Home, number: u32) -> Result<Option<Self>, StoreError> {
        let path = home.run(number);
        let file = match home.disk.open(&path, Access::Read) {
            Ok(file) => file,
            Err(error) if error.not_found() => return Ok(None),
            Err(error) => return Err(error),
        };
        let mut raw = [0; HEADER];
        if file.read_exact_at(&mut raw, 0).is_ok() {
            refuse_other_version(&path, &raw, MAGIC)?;
        }
        match Self::read(home, number, file, path.clone()) {
            Ok(run) => Ok(run),
            Err(error) if error.kind() == ErrorKind::UnexpectedEof => Ok(None),
            Err(error) => Err(StoreError::io("read", path)(error)),
        }
    }

    fn read(
        home: &Home,
        number: u32,
        file: Arc<dyn DiskFile>,
        path: PathBuf,
    ) -> io::Result<Option<Self>> {
        let mut raw = [0; HEADER];
        file.read_exact_at(&mut raw, 0)?;
        let Some((counts, check)) = decode_header(&home.id, number, &raw) else { return Ok(None) };
        // Before memory is taken for what the header claims.
        if file.length()? != counts.file_len() {
            return Ok(None);
        }
        let bytes = read_payload(&*file, counts.resident_from(), counts.resident_len())?;
        if blake3::hash(&bytes) != check {
            return Ok(None);
        }
        let mut rest = &bytes[..];
        let resident = Kind::ALL.map(|kind| {
            let (fences, after) = rest.split_at(8 * counts.blocks(kind) as usize);
            let room = counts.room[kind as usize];
            let (filter, after) = after.split_at(Filter::bytes_len(room) as usize);
            rest = after;
            Resident {
                fences: fences.as_chunks().0.iter().map(|raw| u64::from_le_bytes(*raw)).collect(),
                filter: Filter::decode(filter),
            }
        });
        let blocks = counts.resident_from() / BLOCK as u64;
        let verified = (0..blocks.div_ceil(64)).map(|_| AtomicU64::new(0)).collect();
        Ok(Some(Self { number, path, id: home.id, file, counts, resident, verified }))
    }

    /// How many entries it has.
    pub(crate) fn len(&self) -> u64 {
        self.counts.entries.iter().sum()
    }

    pub(crate) fn entries(&self, kind: Kind) -> u64 {
        self.counts.entries[kind as usize]
    }

    /// The bytes of the file.
    pub(crate) fn file_bytes(&self) -> u64 {
        self.counts.file_len()
    }

    /// Whatever has this print, the latest first.
    pub(crate) fn find(
        &self,
        kind: Kind,
        print: u64,
        found: &mut Vec<Location>,
    ) -> Result<(), StoreError> {
        let resident = &self.resident[kind as usize];
        if !resident.filter.may_have(print) {
            return Ok(());
        }
        self.each_in(kind, print, print, &mut |entry| found.push(entry.at))
    }

    /// All with a print from one to another, in order.
    pub(crate) fn range(
        &self,
        kind: Kind,
        low: u64,
        high: u64,
        found: &mut Vec<Entry>,
    ) -> Result<(), StoreError> {
        self.each_in(kind, low, high, &mut |entry| found.push(entry))
    }

    fn each_in(
        &self,
        kind: Kind,
        low: u64,
        high: u64,
        found: &mut dyn FnMut(Entry),
    ) -> Result<(), StoreError> {
        let fences = &self.resident[kind as usize].fences;
        // What begins with `low` may have begun in the block before.
        let first = fences.partition_point(|fence| *fence < low).saturating_sub(1);
        for (block, _) in fences.iter().enumerate().skip(first).take_while(|(_, f)| **f <= high) {
            let raw = self.block(kind, block as u64)?;
            let entries = self.entries_in(kind, block as u64, &raw);
            for entry in entries {
                match () {
                    () if entry.print < low => {}
                    () if entry.print > high => return Ok(()),
                    () => found(entry),
                }
            }
        }
        Ok(())
    }

    fn entries_in<'a>(
        &self,
        kind: Kind,
        block: u64,
        raw: &'a [u8; BLOCK],
    ) -> impl Iterator<Item = Entry> + use<'a> {
        let many = (self.counts.entries[kind as usize] - block * ENTRIES).min(ENTRIES);
        raw.as_chunks::<ENTRY>().0[..many as usize].iter().map(decode_entry)
    }

    fn block(&self, kind: Kind, block: u64) -> Result<[u8; BLOCK], StoreError> {
        let mut raw = [0; BLOCK];
        let place = self.counts.first_block(kind) + block;
        let read = self.file.read_exact_at(&mut raw, place * BLOCK as u64);
        let (word, bit) = ((place / 64) as usize, 1 << (place % 64));
        match read {
            Ok(()) if self.verified[word].load(Ordering::Relaxed) & bit != 0 => return Ok(raw),
            Ok(()) if raw[BLOCK - 8..] == block_check(&self.id, self.number, place, &raw) => {
                self.verified[word].fetch_or(bit, Ordering::Relaxed);
                return Ok(raw);
            }
            Err(error) if error.kind() != ErrorKind::UnexpectedEof => {
                return Err(StoreError::io("read", &self.path)(error));
            }
            Ok(()) | Err(_) => {}
        }
        Err(StoreError::Damaged { path: self.path.clone(), what: "a part of the index" })
    }

    /// All entries of a kind in order.
    pub(crate) fn read_all(self: &Arc<Self>, kind: Kind) -> RunReader {
        RunReader { run: self.clone(), kind, block: 0, entries: Vec::new().into_iter() }
    }
}

/// Goes through a run, a block at a time.
pub(crate) struct RunReader {
    run: Arc<SortedRun>,
    kind: Kind,
    block: u64,
    entries: std::vec::IntoIter<Entry>,
}

impl RunReader {
    pub(crate) fn next(&mut self) -> Result<Option<Entry>, StoreError> {
        loop {
            if let Some(entry) = self.entries.next() {
                return Ok(Some(entry));
            }
            if self.block == self.run.counts.blocks(self.kind) {
                return Ok(None);
            }
            let raw = self.run.block(self.kind, self.block)?;
            let entries: Vec<_> = self.run.entries_in(self.kind, self.block, &raw).collect();
            self.entries = entries.into_iter();
            self.block += 1;
        }
    }
}
