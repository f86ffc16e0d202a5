//! The bytes of the file, as in `docs/store.md`.

use weft_object::{Handle, Kind};

pub(crate) const VERSION: u32 = 1;
const MAGIC: &[u8; 8] = b"weftstor";

/// The first bytes of the file.
pub(super) const START: u64 = 16;
/// The bytes of a record before its payload.
pub(super) const HEADER: usize = 56;
/// No relation's or label's payload is longer.
pub(super) const SMALL_MAX: u64 = 256;

pub(super) fn start() -> [u8; START as usize] {
    let mut raw = [0; START as usize];
    raw[..8].copy_from_slice(MAGIC);
    raw[8..12].copy_from_slice(&VERSION.to_le_bytes());
    raw
}

/// What the first bytes of a file say.
pub(super) enum Start {
    Known,
    Other(u32),
    /// The beginning of what a new store starts with: its making was cut short.
    Torn,
    Foreign,
}

pub(super) fn read_start(found: &[u8]) -> Start {
    let known = start();
    if found == known {
        Start::Known
    } else if found.len() < known.len() && known.starts_with(found) {
        Start::Torn
    } else if found.len() == known.len() && found.starts_with(MAGIC) {
        Start::Other(u32::from_le_bytes([found[8], found[9], found[10], found[11]]))
    } else {
        Start::Foreign
    }
}

/// What a record is, with what its header holds for that.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Sort {
    /// The content of this handle, which is its own check.
    Content(Handle),
    /// What is known under this key.
    Relation(Handle),
    /// A label's name, now at this handle.
    Label(Handle),
    /// A label's name, now removed.
    NoLabel,
    /// Everything before this offset had been synced.
    Commit(u64),
}

/// The header of a record.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Header {
    pub(super) sort: Sort,
    pub(super) length: u64,
    /// Of the payload of relations and labels; else 0.
    pub(super) check: u64,
}

impl Header {
    pub(super) fn content(handle: Handle) -> Self {
        Self { sort: Sort::Content(handle), length: content_length(&handle), check: 0 }
    }

    pub(super) fn small(sort: Sort, payload: &[u8]) -> Self {
        Self { sort, length: payload.len() as u64, check: digest(&[payload]) }
    }

    pub(super) fn commit(offset: u64) -> Self {
        Self { sort: Sort::Commit(offset), length: 0, check: 0 }
    }

    /// Where the next record begins.
    pub(super) fn end(&self, offset: u64) -> u64 {
        offset + HEADER as u64 + self.length.next_multiple_of(8)
    }

    pub(super) fn encode(&self, offset: u64) -> [u8; HEADER] {
        let mut raw = [0; HEADER];
        let (code, name) = match self.sort {
            Sort::Content(handle) => (1, *handle.as_bytes()),
            Sort::Relation(key) => (2, *key.as_bytes()),
            Sort::Label(handle) => (3, *handle.as_bytes()),
            Sort::NoLabel => (4, [0; 32]),
            Sort::Commit(offset) => {
                let mut name = [0; 32];
                name[..8].copy_from_slice(&offset.to_le_bytes());
                (5, name)
            }
        };
        raw[0] = code;
        raw[2..8].copy_from_slice(&self.length.to_le_bytes()[..6]);
        raw[8..40].copy_from_slice(&name);
        raw[40..48].copy_from_slice(&self.check.to_le_bytes());
        let check = header_check(offset, &raw);
        raw[48..].copy_from_slice(&check.to_le_bytes());
        raw
    }

    /// The header at this offset; `None` if there is none.
    pub(super) fn decode(offset: u64, raw: &[u8; HEADER]) -> Option<Self> {
        // The digest comes last: a search for the next header asks often.
        if !(1..=5).contains(&raw[0]) || raw[1] != 0 {
            return None;
        }
        let mut name = [0; 32];
        name.copy_from_slice(&raw[8..40]);
        let handle = Handle::decode(&name).ok();
        let length = number(&raw[2..8]);
        let sort = match raw[0] {
            1 => Sort::Content(handle.filter(|handle| {
                *handle == handle.content()
                    && !handle.is_literal()
                    && content_length(handle) == length
            })?),
            2 if length <= SMALL_MAX => Sort::Relation(handle?),
            3 if length <= SMALL_MAX => Sort::Label(handle?),
            4 if length <= SMALL_MAX && name == [0; 32] => Sort::NoLabel,
            5 if length == 0 && name[8..] == [0; 24] => Sort::Commit(number(&name[..8])),
            _ => return None,
        };
        if number(&raw[48..]) != header_check(offset, raw) {
            return None;
        }
        Some(Self { sort, length, check: number(&raw[40..48]) })
    }
}

fn number(bytes: &[u8]) -> u64 {
    let mut raw = [0; 8];
    raw[..bytes.len()].copy_from_slice(bytes);
    u64::from_le_bytes(raw)
}

/// The bytes that the content of an Object takes.
pub(super) fn content_length(object: &Handle) -> u64 {
    let length = object.length().unwrap_or(0);
    match object.kind() {
        Kind::Tree | Kind::Tag => 32 * length,
        _ => length,
    }
}

/// The first eight bytes of a BLAKE3 digest.
pub(super) fn digest(parts: &[&[u8]]) -> u64 {
    let mut hasher = blake3::Hasher::new();
    for part in parts {
        hasher.update(part);
    }
    number(&hasher.finalize().as_bytes()[..8])
}

// With the offset: a Blob may well hold another store's records, and they must
// not be found where one looks for the next sound record after damage.
fn header_check(offset: u64, raw: &[u8; HEADER]) -> u64 {
    let mut buffer = [0; 8 + 48];
    buffer[..8].copy_from_slice(&offset.to_le_bytes());
    buffer[8..].copy_from_slice(&raw[..48]);
    number(&blake3::hash(&buffer).as_bytes()[..8])
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_header_is_refused_for_a_length_that_its_sort_never_has() {
        let handle = Handle::of_tree(&[]);
        let blob = Handle::of_blob(&[0; 100]);
        for (sort, longest) in [
            (Sort::Relation(handle), SMALL_MAX),
            (Sort::Label(handle), SMALL_MAX),
            (Sort::NoLabel, SMALL_MAX),
            (Sort::Commit(16), 0),
            (Sort::Content(blob), 100),
        ] {
            let decode = |length| {
                let header = Header { sort, length, check: 0 };
                (Header::decode(16, &header.encode(16)), header)
            };
            let (found, header) = decode(longest);
            assert_eq!(found, Some(header));
            assert_eq!(decode(longest + 1).0, None, "{sort:?}");
        }
        // At another place it is no header.
        let raw = Header::commit(16).encode(16);
        assert_eq!(Header::decode(24, &raw), None);
    }
}
