//! The bytes of a record, as in `docs/store.md`.

use weft_object::{Handle, Kind};

use super::compressed;
use super::location::Location;

/// Which store: a record counts in the one only that it was written for.
pub(crate) type StoreId = [u8; 16];

/// The bytes of a record before its payload.
pub(crate) const HEADER: usize = 48;
/// No payload but content is longer.
pub(crate) const SMALL_MAX: usize = 512;

// What the check covers stands in the first 40 bytes.
const CHECKED: usize = 40;

/// What a record is, with what its name is for that.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Sort {
    /// The content of this handle follows, and the handle is its check.
    Content(Handle),
    /// The same, compressed; see [`compressed`](super::compressed).
    Compressed(Handle),
    /// The content of this handle is in a file of its own.
    Large(Handle),
    /// What is known under this key.
    Relation(Handle),
    /// The content of this handle was dropped; its recipe.
    Dropped(Handle),
    /// A label's text, now at this handle.
    Label(Handle),
    /// A label's text, now removed.
    NoLabel,
    /// This handle is pinned; until when.
    Pin(Handle),
    /// It is not any more.
    Unpin(Handle),
    /// This was asked for; a [`Run`](crate::Run).
    Run(Handle),
    /// The next finder.
    Finder,
    /// The budget of collections.
    Budget,
    /// Labels, pins, runs, finders and budget begin anew.
    Reset,
    /// Everything before this place had been synced.
    Commit(Location),
}

impl Sort {
    fn code(&self) -> u8 {
        match self {
            Self::Content(_) => 1,
            Self::Large(_) => 2,
            Self::Relation(_) => 3,
            Self::Dropped(_) => 4,
            Self::Label(_) => 5,
            Self::NoLabel => 6,
            Self::Pin(_) => 7,
            Self::Unpin(_) => 8,
            Self::Run(_) => 9,
            Self::Finder => 10,
            Self::Budget => 11,
            Self::Reset => 12,
            Self::Commit(_) => 13,
            Self::Compressed(_) => 14,
        }
    }

    fn name(&self) -> [u8; 32] {
        match self {
            Self::Content(handle)
            | Self::Compressed(handle)
            | Self::Large(handle)
            | Self::Relation(handle)
            | Self::Dropped(handle)
            | Self::Label(handle)
            | Self::Pin(handle)
            | Self::Unpin(handle)
            | Self::Run(handle) => *handle.as_bytes(),
            Self::NoLabel | Self::Finder | Self::Budget | Self::Reset => [0; 32],
            Self::Commit(place) => {
                let mut name = [0; 32];
                name[..8].copy_from_slice(&place.raw().to_le_bytes());
                name
            }
        }
    }

    fn decode(code: u8, name: &[u8; 32]) -> Option<Self> {
        let handle = || Handle::decode(name).ok();
        let object = || handle().filter(|found| *found == found.content() && !found.is_literal());
        let blob = || object().filter(|found| found.kind() == Kind::Blob);
        let zeros = |sort| (*name == [0; 32]).then_some(sort);
        match code {
            1 => object().map(Self::Content),
            2 => blob().map(Self::Large),
            3 => handle().map(Self::Relation),
            4 => object().map(Self::Dropped),
            5 => handle().map(Self::Label),
            6 => zeros(Self::NoLabel),
            7 => handle().map(Self::Pin),
            8 => handle().map(Self::Unpin),
            9 => handle().map(Self::Run),
            10 => zeros(Self::Finder),
            11 => zeros(Self::Budget),
            12 => zeros(Self::Reset),
            13 if name[8..] == [0; 24] => {
                Some(Self::Commit(Location::from_raw(number(&name[..8]))))
            }
            14 => blob().map(Self::Compressed),
            _ => None,
        }
    }

    /// Of content that is in the record: whose.
    pub(crate) fn content(&self) -> Option<Handle> {
        match self {
            Self::Content(handle) | Self::Compressed(handle) => Some(*handle),
            _ => None,
        }
    }

    /// Of content in any of its forms: whose.
    pub(crate) fn object(&self) -> Option<Handle> {
        match self {
            Self::Content(handle)
            | Self::Compressed(handle)
            | Self::Large(handle)
            | Self::Dropped(handle) => Some(*handle),
            _ => None,
        }
    }
}

/// The header of a record.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Header {
    pub(crate) sort: Sort,
    /// Bytes of the payload.
    pub(crate) length: u64,
}

impl Header {
    pub(crate) fn new(sort: Sort, payload: &[u8]) -> Self {
        Self { sort, length: payload.len() as u64 }
    }

    pub(crate) fn content(handle: Handle) -> Self {
        Self { sort: Sort::Content(handle), length: content_length(&handle) }
    }

    /// Where the next record begins, if this one begins at an offset.
    pub(crate) fn end(&self, offset: u64) -> u64 {
        offset + self.size()
    }

    /// The bytes of the whole record.
    pub(crate) fn size(&self) -> u64 {
        HEADER as u64 + self.length.next_multiple_of(8)
    }

    /// How many bytes of the payload the header's check covers: all, but of
    /// content none.
    pub(crate) fn checked(&self) -> usize {
        match self.sort {
            Sort::Content(_) | Sort::Compressed(_) => 0,
            _ => self.length as usize,
        }
    }

    /// The header's bytes at a place in a store. Of content, the payload does
    /// not matter.
    pub(crate) fn encode(&self, id: &StoreId, at: Location, payload: &[u8]) -> [u8; HEADER] {
        let mut raw = [0; HEADER];
        raw[0] = self.sort.code();
        raw[2..8].copy_from_slice(&self.length.to_le_bytes()[..6]);
        raw[8..CHECKED].copy_from_slice(&self.sort.name());
        let check = check(id, at, &raw, &payload[..self.checked()]);
        raw[CHECKED..].copy_from_slice(&check);
        raw
    }

    /// What these bytes say, if they are of the form of a header at all. It is
    /// one only if [`Header::is_sound`] says so.
    pub(crate) fn parse(raw: &[u8; HEADER]) -> Option<Self> {
        if raw[1] != 0 {
            return None;
        }
        let name = raw[8..CHECKED].first_chunk()?;
        let sort = Sort::decode(raw[0], name)?;
        let length = number(&raw[2..8]);
        let fits = match sort {
            Sort::Content(handle) => content_length(&handle) == length,
            Sort::Compressed(handle) => compressed::fits(content_length(&handle), length),
            Sort::Large(_) | Sort::Unpin(_) | Sort::Reset | Sort::Commit(_) => length == 0,
            Sort::Dropped(_) => length == 32,
            Sort::Pin(_) | Sort::Budget => length == 8,
            _ => length <= SMALL_MAX as u64,
        };
        fits.then_some(Self { sort, length })
    }

    /// Whether these bytes, parsed as this header, were written for this place;
    /// with the payload, of which [`Header::checked`] bytes are looked at.
    pub(crate) fn is_sound(
        &self,
        id: &StoreId,
        at: Location,
        raw: &[u8; HEADER],
        payload: &[u8],
    ) -> bool {
        payload
            .get(..self.checked())
            .is_some_and(|payload| raw[CHECKED..] == check(id, at, raw, payload))
    }
}

// With the place and the store: a Blob may well hold records, also of this
// store, and they must not be found where one looks for the next sound one.
fn check(id: &StoreId, at: Location, raw: &[u8; HEADER], payload: &[u8]) -> [u8; 8] {
    const FIXED: usize = 16 + 8 + CHECKED;
    let mut buffer = [0; FIXED + SMALL_MAX];
    buffer[..16].copy_from_slice(id);
    buffer[16..24].copy_from_slice(&at.raw().to_le_bytes());
    buffer[24..FIXED].copy_from_slice(&raw[..CHECKED]);
    let length = FIXED + payload.len();
    buffer[FIXED..length].copy_from_slice(payload);
    digest(&buffer[..length])
}

/// The first eight bytes of a BLAKE3 digest.
pub(crate) fn digest(bytes: &[u8]) -> [u8; 8] {
    let mut first = [0; 8];
    first.copy_from_slice(&blake3::hash(bytes).as_bytes()[..8]);
    first
}

/// Up to eight bytes, little-endian.
pub(crate) fn number(bytes: &[u8]) -> u64 {
    let mut raw = [0; 8];
    raw[..bytes.len()].copy_from_slice(bytes);
    u64::from_le_bytes(raw)
}

/// The bytes that the content of an Object takes.
pub(crate) fn content_length(object: &Handle) -> u64 {
    let length = object.length().unwrap_or(0);
    match object.kind() {
        Kind::Tree | Kind::Tag => 32 * length,
        _ => length,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const ID: StoreId = [7; 16];

    fn all() -> Vec<(Header, Vec<u8>)> {
        let tree = Handle::of_tree(&[]);
        let blob = Handle::of_blob(&[0; 100]);
        let small = |sort, length| {
            let payload = vec![3; length];
            (Header::new(sort, &payload), payload)
        };
        vec![
            (Header::content(blob), vec![0; 100]),
            small(Sort::Compressed(Handle::of_blob(&[0; 4096])), 3584),
            small(Sort::Large(blob), 0),
            small(Sort::Relation(tree), 88),
            small(Sort::Dropped(tree), 32),
            small(Sort::Label(tree), 9),
            small(Sort::NoLabel, SMALL_MAX),
            small(Sort::Pin(tree), 8),
            small(Sort::Unpin(tree), 0),
            small(Sort::Run(tree), 80),
            small(Sort::Finder, 20),
            small(Sort::Budget, 8),
            small(Sort::Reset, 0),
            small(Sort::Commit(Location::new(3, 48)), 0),
        ]
    }

    #[test]
    fn a_header_counts_at_its_place_in_its_store_only() {
        let at = Location::new(1, 4096);
        for (header, payload) in all() {
            let raw = header.encode(&ID, at, &payload);
            let found = Header::parse(&raw).unwrap();
            assert_eq!(found, header);
            assert!(found.is_sound(&ID, at, &raw, &payload), "{header:?}");
            for (id, place) in
                [([8; 16], at), (ID, Location::new(2, 4096)), (ID, Location::new(1, 4104))]
            {
                assert!(!found.is_sound(&id, place, &raw, &payload), "{header:?}");
            }
        }
    }

    #[test]
    fn any_flipped_bit_shows_in_what_the_check_covers() {
        let at = Location::new(1, 48);
        for (header, payload) in all() {
            let raw = header.encode(&ID, at, &payload);
            for bit in 0..HEADER * 8 {
                let mut other = raw;
                other[bit / 8] ^= 1 << (bit % 8);
                let sound = Header::parse(&other)
                    .is_some_and(|found| found.is_sound(&ID, at, &other, &payload));
                assert!(!sound, "{header:?}, bit {bit}");
            }
            for bit in 0..header.checked() * 8 {
                let mut other = payload.clone();
                other[bit / 8] ^= 1 << (bit % 8);
                assert!(!header.is_sound(&ID, at, &raw, &other), "{header:?}, bit {bit}");
            }
        }
    }

    #[test]
    fn a_length_that_a_sort_never_has_is_refused() {
        for (header, _) in all() {
            let longest = match header.length {
                20 | 9 | 80 | 88 => SMALL_MAX as u64,
                length => length,
            };
            let parse = |length| {
                let mut raw = [0; HEADER];
                raw[0] = header.sort.code();
                raw[2..8].copy_from_slice(&u64::to_le_bytes(length)[..6]);
                raw[8..CHECKED].copy_from_slice(&header.sort.name());
                Header::parse(&raw)
            };
            assert!(parse(longest).is_some(), "{header:?}");
            assert!(parse(longest + 1).is_none(), "{header:?}");
        }
    }
}
