//! The file of stamps, to the byte: `docs/stamps.md`.

use std::fs::File;
use std::os::unix::fs::FileExt;
use std::sync::OnceLock;

use weft_object::{Handle, Kind};

use super::Stamp;

/// What one file held.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Entry {
    pub(super) stamp: Stamp,
    pub(super) handle: Handle,
    /// Days since 1970, of the last time that somebody asked for it.
    pub(super) used_day: u32,
}

/// The entries of a file, in the order of device and inode, each once. Most of
/// those who ask want a few of many, so only the blocks that a search meets are read.
#[derive(Debug, Default)]
pub(super) struct Table {
    file: Option<File>,
    count: usize,
    /// What was read of each; nothing of one that cannot be read, or is damaged.
    blocks: Vec<OnceLock<Vec<u8>>>,
}

const MAGIC: &[u8; 8] = b"weftstmp";
const VERSION: u32 = 2;
const HEAD: usize = 16;
const ENTRY: usize = 88;
const CHECK: usize = 8;
/// Entries in a block.
const BLOCK: usize = 64;

/// The whole file for these entries. Of several for one file, the last. Of too
/// many, those that were of use last.
pub(super) fn encode(mut entries: Vec<Entry>, most: usize) -> Vec<u8> {
    // Stable, so that the last of a file stays the last.
    entries.sort_by_key(key);
    let mut kept: Vec<Entry> = Vec::with_capacity(entries.len());
    for entry in entries {
        match kept.last_mut() {
            Some(last) if key(last) == key(&entry) => *last = entry,
            _ => kept.push(entry),
        }
    }
    if kept.len() > most {
        kept.sort_by_key(|entry| std::cmp::Reverse(entry.used_day));
        kept.truncate(most);
        kept.sort_by_key(key);
    }
    let mut bytes = Vec::with_capacity(length(kept.len()) as usize);
    bytes.extend_from_slice(MAGIC);
    bytes.extend_from_slice(&VERSION.to_le_bytes());
    bytes.extend_from_slice(&(kept.len() as u32).to_le_bytes());
    for block in kept.chunks(BLOCK) {
        let begin = bytes.len();
        block.iter().for_each(|entry| put(entry, &mut bytes));
        let check = check(&bytes[begin..]);
        bytes.extend_from_slice(&check);
    }
    bytes
}

/// How many bytes a file of so many entries has.
fn length(entries: usize) -> u64 {
    (HEAD + entries * ENTRY + entries.div_ceil(BLOCK) * CHECK) as u64
}

fn check(entries: &[u8]) -> [u8; CHECK] {
    *blake3::hash(entries).as_bytes().first_chunk().unwrap_or(&[0; CHECK])
}

impl Table {
    /// The version, if it is another one that says so; else `None` for what is
    /// no such file.
    pub(super) fn of(file: File, length_found: u64, most: usize) -> Result<Self, Option<u32>> {
        let mut head = [0; HEAD];
        file.read_exact_at(&mut head, 0).map_err(|_| None)?;
        let mut fields = Fields(&head);
        let magic: [u8; 8] = fields.take().ok_or(None)?;
        let (version, count) = (fields.u32().ok_or(None)?, fields.u32().ok_or(None)? as usize);
        if magic != *MAGIC {
            return Err(None);
        }
        if version != VERSION {
            return Err(Some(version));
        }
        if count > most || length_found != length(count) {
            return Err(None);
        }
        let blocks = (0..count.div_ceil(BLOCK)).map(|_| OnceLock::new()).collect();
        Ok(Self { file: Some(file), count, blocks })
    }

    /// The entry of exactly this stamp.
    pub(super) fn find(&self, stamp: &Stamp) -> Option<Entry> {
        let wanted = (stamp.device, stamp.inode);
        let (mut low, mut high) = (0, self.blocks.len());
        while low < high {
            let middle = low + (high - low) / 2;
            let mut entries = self.block(middle);
            let (first, last) = (entries.next(), entries.next_back());
            let (Some(first), Some(last)) = (first, last.or(first)) else {
                // A damaged one does not say where to go on.
                return self.entries().find(|entry| entry.stamp == *stamp);
            };
            if key(&last) < wanted {
                low = middle + 1;
            } else if key(&first) > wanted {
                high = middle;
            } else {
                return self.block(middle).find(|entry| entry.stamp == *stamp);
            }
        }
        None
    }

    pub(super) fn entries(&self) -> impl Iterator<Item = Entry> + '_ {
        (0..self.blocks.len()).flat_map(|at| self.block(at))
    }

    pub(super) fn is_empty(&self) -> bool {
        self.count == 0
    }

    fn block(&self, at: usize) -> impl DoubleEndedIterator<Item = Entry> + '_ {
        let read = || self.read(at).unwrap_or_default();
        let bytes = self.blocks.get(at).map_or(&[][..], |block| block.get_or_init(read));
        bytes.chunks_exact(ENTRY).filter_map(entry)
    }

    fn read(&self, at: usize) -> Option<Vec<u8>> {
        let entries = BLOCK.min(self.count - at * BLOCK) * ENTRY;
        let mut bytes = vec![0; entries + CHECK];
        let offset = HEAD + at * (BLOCK * ENTRY + CHECK);
        self.file.as_ref()?.read_exact_at(&mut bytes, offset as u64).ok()?;
        let found = bytes.split_off(entries);
        (found == check(&bytes)).then_some(bytes)
    }
}

fn entry(bytes: &[u8]) -> Option<Entry> {
    let mut fields = Fields(bytes);
    let (device, inode, length) = (fields.u64()?, fields.u64()?, fields.u64()?);
    let (modified_s, changed_s) = (fields.u64()? as i64, fields.u64()? as i64);
    let (modified_ns, changed_ns) = (fields.u32()?, fields.u32()?);
    let used_day = fields.u32()?;
    let _zero = fields.u32()?;
    let handle = Handle::decode(&fields.take()?).ok()?;
    let fits = handle.kind() == Kind::Blob && handle.length() == Some(length);
    let (modified, changed) = ((modified_s, modified_ns), (changed_s, changed_ns));
    let stamp = Stamp { device, inode, length, modified, changed };
    fits.then_some(Entry { stamp, handle, used_day })
}

fn key(entry: &Entry) -> (u64, u64) {
    (entry.stamp.device, entry.stamp.inode)
}

fn put(entry: &Entry, bytes: &mut Vec<u8>) {
    let Stamp { device, inode, length, modified, changed } = entry.stamp;
    for number in [device, inode, length, modified.0 as u64, changed.0 as u64] {
        bytes.extend_from_slice(&number.to_le_bytes());
    }
    for number in [modified.1, changed.1, entry.used_day, 0] {
        bytes.extend_from_slice(&number.to_le_bytes());
    }
    bytes.extend_from_slice(entry.handle.as_bytes());
}

/// Fields one after the other.
struct Fields<'a>(&'a [u8]);

impl Fields<'_> {
    fn take<const N: usize>(&mut self) -> Option<[u8; N]> {
        let (field, rest) = self.0.split_first_chunk()?;
        self.0 = rest;
        Some(*field)
    }

    fn u64(&mut self) -> Option<u64> {
        self.take().map(u64::from_le_bytes)
    }

    fn u32(&mut self) -> Option<u32> {
        self.take().map(u32::from_le_bytes)
    }
}
