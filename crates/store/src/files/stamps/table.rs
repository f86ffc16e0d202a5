//! The file of stamps, to the byte: `docs/stamps.md`.

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

/// Entries in the order of device and inode, each once: as they are in the
/// file, because most of those who read it ask for a few.
#[derive(Debug, Default)]
pub(super) struct Table {
    /// Only the entries.
    bytes: Vec<u8>,
}

const MAGIC: &[u8; 8] = b"weftstmp";
const VERSION: u32 = 1;
const HEAD: usize = 16;
const ENTRY: usize = 88;
const CHECK: usize = 8;

impl Table {
    /// Of several entries for one file, the last. Of too many, those that were
    /// of use last.
    pub(super) fn new(mut entries: Vec<Entry>, most: usize) -> Self {
        // Stable, so that the last of a file stays the last.
        entries.sort_by_key(|entry| (entry.stamp.device, entry.stamp.inode));
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
        let mut bytes = Vec::with_capacity(kept.len() * ENTRY);
        kept.iter().for_each(|entry| put(entry, &mut bytes));
        Self { bytes }
    }

    /// How many bytes a file of so many entries has.
    pub(super) fn bytes_max(entries: usize) -> u64 {
        (HEAD + entries * ENTRY + CHECK) as u64
    }

    pub(super) fn encode(&self) -> Vec<u8> {
        let mut file = Vec::with_capacity(HEAD + self.bytes.len() + CHECK);
        file.extend_from_slice(MAGIC);
        file.extend_from_slice(&VERSION.to_le_bytes());
        file.extend_from_slice(&(self.count() as u32).to_le_bytes());
        file.extend_from_slice(&self.bytes);
        let check = blake3::hash(&file);
        file.extend_from_slice(&check.as_bytes()[..CHECK]);
        file
    }

    /// The version, if it is another one that says so; else `None` for what is
    /// no such file.
    pub(super) fn decode(mut bytes: Vec<u8>) -> Result<Self, Option<u32>> {
        let head = bytes.get(..HEAD).ok_or(None)?;
        let number = |at: usize| head[at..at + 4].try_into().map(u32::from_le_bytes);
        let (version, count) = (number(8).map_err(|_| None)?, number(12).map_err(|_| None)?);
        if !head.starts_with(MAGIC) {
            return Err(None);
        }
        if version != VERSION {
            return Err(Some(version));
        }
        if bytes.len() as u64 != Self::bytes_max(count as usize) {
            return Err(None);
        }
        let end = bytes.len() - CHECK;
        if blake3::hash(&bytes[..end]).as_bytes()[..CHECK] != bytes[end..] {
            return Err(None);
        }
        bytes.truncate(end);
        bytes.drain(..HEAD);
        let table = Self { bytes };
        let whole = (0..table.count()).all(|at| table.entry(at).is_some());
        if whole { Ok(table) } else { Err(None) }
    }

    /// The entry of exactly this stamp, and where it stands.
    pub(super) fn find(&self, stamp: &Stamp) -> Option<(usize, Entry)> {
        let wanted = (stamp.device, stamp.inode);
        let (mut low, mut high) = (0, self.count());
        while low < high {
            let middle = low + (high - low) / 2;
            match self.key_at(middle).cmp(&wanted) {
                std::cmp::Ordering::Less => low = middle + 1,
                std::cmp::Ordering::Greater => high = middle,
                std::cmp::Ordering::Equal => {
                    let entry = self.entry(middle)?;
                    return (entry.stamp == *stamp).then_some((middle, entry));
                }
            }
        }
        None
    }

    pub(super) fn entries(&self) -> impl Iterator<Item = Entry> + '_ {
        (0..self.count()).filter_map(|at| self.entry(at))
    }

    fn count(&self) -> usize {
        self.bytes.len() / ENTRY
    }

    fn key_at(&self, at: usize) -> (u64, u64) {
        let mut fields = Fields(&self.bytes[at * ENTRY..]);
        (fields.u64().unwrap_or(0), fields.u64().unwrap_or(0))
    }

    fn entry(&self, at: usize) -> Option<Entry> {
        let mut fields = Fields(self.bytes.get(at * ENTRY..(at + 1) * ENTRY)?);
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
