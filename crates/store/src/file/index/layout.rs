//! The bytes of a run, as in `docs/store.md`.

use super::filter::Filter;
use super::table::{Entry, Kind};
use crate::file::location::Location;
use crate::file::record::{StoreId, digest, number};
use crate::file::version;

pub(super) const MAGIC: &[u8; 8] = b"weftindx";

/// Entries stand in blocks of so many bytes; so does the header.
pub(super) const BLOCK: usize = 4096;
/// The bytes of an entry.
pub(super) const ENTRY: usize = 16;
/// How many entries a block has.
pub(super) const ENTRIES: u64 = 255;
/// The bytes of the header that are not zero.
pub(super) const HEADER: usize = 104;

// More could not be, and would not fit into what is computed from it.
const ENTRIES_MAX: u64 = 1 << 40;

/// The numbers in the header.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct Counts {
    /// Of each kind.
    pub(super) entries: [u64; 2],
    /// For how many entries the filters were made.
    pub(super) room: [u64; 2],
}

impl Counts {
    pub(super) fn blocks(&self, kind: Kind) -> u64 {
        self.entries[kind as usize].div_ceil(ENTRIES)
    }

    /// The first block of a kind; the header is block 0.
    pub(super) fn first_block(&self, kind: Kind) -> u64 {
        match kind {
            Kind::Content => 1,
            Kind::Relation => 1 + self.blocks(Kind::Content),
        }
    }

    /// Where the part begins that is kept in memory.
    pub(super) fn resident_from(&self) -> u64 {
        BLOCK as u64 * (1 + self.blocks(Kind::Content) + self.blocks(Kind::Relation))
    }

    /// How long that is: of each kind the fences, then the filter.
    pub(super) fn resident_len(&self) -> u64 {
        let of = |kind: Kind| 8 * self.blocks(kind) + Filter::bytes_len(self.room[kind as usize]);
        of(Kind::Content) + of(Kind::Relation)
    }

    pub(super) fn file_len(&self) -> u64 {
        self.resident_from() + self.resident_len()
    }
}

pub(super) fn encode_header(
    id: &StoreId,
    run: u32,
    counts: &Counts,
    resident: &blake3::Hash,
    version: u32,
) -> [u8; HEADER] {
    let mut raw = [0; HEADER];
    raw[..8].copy_from_slice(MAGIC);
    raw[8..12].copy_from_slice(&version.to_le_bytes());
    raw[12..16].copy_from_slice(&run.to_le_bytes());
    raw[16..32].copy_from_slice(id);
    for (at, number) in counts.entries.iter().chain(&counts.room).enumerate() {
        raw[32 + 8 * at..40 + 8 * at].copy_from_slice(&number.to_le_bytes());
    }
    raw[64..96].copy_from_slice(resident.as_bytes());
    let check = digest(&raw[..96]);
    raw[96..].copy_from_slice(&check);
    raw
}

/// The numbers, and the digest of the part that is kept in memory.
pub(super) fn decode_header(
    id: &StoreId,
    run: u32,
    raw: &[u8; HEADER],
) -> Option<(Counts, blake3::Hash)> {
    let word = |at: usize| number(&raw[32 + 8 * at..40 + 8 * at]);
    let counts = Counts { entries: [word(0), word(1)], room: [word(2), word(3)] };
    let resident = blake3::Hash::from_bytes(*raw[64..].first_chunk()?);
    let small = counts.entries.iter().chain(&counts.room).all(|number| *number < ENTRIES_MAX);
    let again = encode_header(id, run, &counts, &resident, version::stated(raw));
    let sound = small && *raw == again;
    sound.then_some((counts, resident))
}

pub(super) fn encode_entry(entry: &Entry, out: &mut Vec<u8>) {
    out.extend_from_slice(&entry.print.to_le_bytes());
    out.extend_from_slice(&entry.at.raw().to_le_bytes());
}

pub(super) fn decode_entry(raw: &[u8; ENTRY]) -> Entry {
    Entry { print: number(&raw[..8]), at: Location::from_raw(number(&raw[8..])) }
}

/// The last eight bytes of a block.
pub(super) fn block_check(id: &StoreId, run: u32, block: u64, raw: &[u8]) -> [u8; 8] {
    let mut hasher = blake3::Hasher::new();
    hasher.update(&raw[..BLOCK - 8]);
    hasher.update(id);
    hasher.update(&run.to_le_bytes());
    hasher.update(&block.to_le_bytes());
    let mut check = [0; 8];
    check.copy_from_slice(&hasher.finalize().as_bytes()[..8]);
    check
}
