//! Reads the index of a directory's node (docs/directory.md) where it lies.

use crate::fail;

/// An index, as far as a function needs it to walk.
#[derive(Clone, Copy)]
pub struct Index<'a> {
    level: u8,
    records: &'a [u8],
    names: &'a [u8],
}

/// What stands at one position of an index.
#[derive(Clone, Copy, PartialEq, Eq)]
pub enum Entry {
    File,
    Symlink,
    /// A directory, or a node of a large one: both are walked alike.
    Node,
}

const HEADER: usize = 8;
const RECORD: usize = 12;

impl<'a> Index<'a> {
    /// Takes an index apart; fails if it is none.
    pub fn parse(bytes: &'a [u8]) -> Self {
        let [b'w', b'd', b'i', b'r', 1, level, low, high, rest @ ..] = bytes else {
            fail("not a directory of a version known here");
        };
        let fixed = RECORD * usize::from(u16::from_le_bytes([*low, *high]));
        let Some((records, names)) = rest.split_at_checked(fixed) else {
            fail("a directory index that ends early");
        };
        debug_assert!(bytes.len() >= HEADER);
        Self { level: *level, records, names }
    }

    pub fn len(&self) -> usize {
        self.records.len() / RECORD
    }

    pub fn is_empty(&self) -> bool {
        self.records.is_empty()
    }

    /// Whether the children are nodes of one large directory.
    pub fn is_inner(&self) -> bool {
        self.level > 0
    }

    fn end(&self, at: usize) -> usize {
        match at.checked_sub(1) {
            Some(at) => {
                let raw = &self.records[RECORD * at..][..4];
                u32::from_le_bytes([raw[0], raw[1], raw[2], raw[3]]) as usize
            }
            None => 0,
        }
    }

    pub fn name(&self, at: usize) -> &'a [u8] {
        match self.names.get(self.end(at)..self.end(at + 1)) {
            Some(name) => name,
            None => fail("a directory index whose names end early"),
        }
    }

    pub fn entry(&self, at: usize) -> Entry {
        let raw = &self.records[RECORD * at..][4..6];
        match (self.level, u16::from_le_bytes([raw[0], raw[1]]) & 0o170_000) {
            (1.., _) | (_, 0o040_000) => Entry::Node,
            (_, 0o100_000) => Entry::File,
            _ => Entry::Symlink,
        }
    }

    /// Where a name stands, or in an inner node the child to look below.
    pub fn position(&self, name: &[u8]) -> Option<usize> {
        let (mut low, mut high) = (0, self.len());
        while low < high {
            let middle = low + (high - low) / 2;
            if self.name(middle) <= name {
                low = middle + 1;
            } else {
                high = middle;
            }
        }
        let at = low.checked_sub(1)?;
        (self.level > 0 || self.name(at) == name).then_some(at)
    }
}
