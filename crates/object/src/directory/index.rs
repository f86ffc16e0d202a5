use alloc::vec::Vec;

use super::{DirectoryError, FileKind, Name};
use crate::{Handle, Kind};

const MAGIC: &[u8; 4] = b"wdir";
const VERSION: u8 = 1;
const HEADER: usize = 8;
const RECORD: usize = 12;

pub(super) const LEVEL_MAX: u8 = 5;
/// A node ends before a name only if it has this many entries already.
pub(super) const SPLIT_MIN: usize = 1024;
/// A node with this many entries ends in any case.
pub(super) const SPLIT_MAX: usize = 4096;

/// The index Blob of one node, decoded where it lies: nothing is copied, and
/// entry `i` is found without reading those before it.
#[derive(Clone, Copy, Debug)]
pub struct Index<'a> {
    level: u8,
    records: &'a [u8],
    names: &'a [u8],
}

/// What an index says of one name.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Record<'a> {
    /// The name; in an inner node, the first name below the child.
    pub name: &'a [u8],
    /// The kind; `None` in an inner node.
    pub kind: Option<FileKind>,
    /// Permission bits; 0 in an inner node.
    pub mode: u16,
    /// The length of the child's handle; in an inner node, the number of names
    /// below the child.
    pub size: u64,
}

/// Numbers as they stand in a record: 48 and 16 and 32 bits.
pub(super) fn encode<'a>(
    level: u8,
    records: impl ExactSizeIterator<Item = Record<'a>> + Clone,
) -> Vec<u8> {
    let names: usize = records.clone().map(|record| record.name.len()).sum();
    let mut out = Vec::with_capacity(HEADER + RECORD * records.len() + names);
    out.extend_from_slice(MAGIC);
    out.push(VERSION);
    out.push(level);
    out.extend_from_slice(&(records.len() as u16).to_le_bytes());
    let mut end = 0;
    for record in records.clone() {
        end += record.name.len() as u32;
        let mode = record.kind.map_or(0, FileKind::bits) | record.mode;
        out.extend_from_slice(&end.to_le_bytes());
        out.extend_from_slice(&mode.to_le_bytes());
        out.extend_from_slice(&record.size.to_le_bytes()[..6]);
    }
    for record in records {
        out.extend_from_slice(record.name);
    }
    out
}

impl<'a> Index<'a> {
    /// Decodes an index and checks all that it says by itself.
    ///
    /// # Errors
    /// The first thing that makes it no index, or not the one form of one.
    pub fn parse(bytes: &'a [u8]) -> Result<Self, DirectoryError> {
        let Some((header, rest)) = bytes.split_first_chunk::<HEADER>() else {
            return Err(DirectoryError::Magic);
        };
        let [m0, m1, m2, m3, version, level, count0, count1] = *header;
        if [m0, m1, m2, m3] != *MAGIC {
            return Err(DirectoryError::Magic);
        }
        if version != VERSION {
            return Err(DirectoryError::Version(version));
        }
        let count = u16::from_le_bytes([count0, count1]);
        let at_least_one = level > 0;
        if level > LEVEL_MAX
            || usize::from(count) > SPLIT_MAX
            || usize::from(count) < usize::from(at_least_one)
        {
            return Err(DirectoryError::NodeSize { level, count });
        }
        let length = |expected: usize| DirectoryError::IndexLength {
            expected: expected as u64,
            found: bytes.len() as u64,
        };
        let fixed = RECORD * usize::from(count);
        let Some((records, names)) = rest.split_at_checked(fixed) else {
            return Err(length(HEADER + fixed));
        };
        let index = Self { level, records, names };
        let end = index.name_end(usize::from(count)) as usize;
        if names.len() != end {
            return Err(length((HEADER + fixed).saturating_add(end)));
        }
        index.check()?;
        Ok(index)
    }

    fn check(&self) -> Result<(), DirectoryError> {
        let mut before: &[u8] = &[];
        for at in 0..self.len() {
            let (from, to) = (self.name_end(at) as usize, self.name_end(at + 1) as usize);
            let Some(name) = self.names.get(from..to) else {
                return Err(DirectoryError::Unsorted(at));
            };
            Name::check(name).map_err(|error| DirectoryError::BadName(at, error))?;
            if at > 0 && name <= before {
                return Err(DirectoryError::Unsorted(at));
            }
            before = name;
            let (bits, size) = self.facts(at);
            let permissions = bits & !FileKind::FORMAT;
            let sound = match (self.level, FileKind::from_bits(bits)) {
                (0, Some(FileKind::Symlink)) => permissions == super::Entry::SYMLINK_MODE,
                (0, Some(_)) => permissions <= 0o777,
                (0, None) => false,
                (_, _) => bits == 0 && size > 0,
            };
            if !sound {
                return Err(DirectoryError::BadMode(at, bits));
            }
        }
        Ok(())
    }

    // Where the name before position `at` ends. Only within `records`.
    fn name_end(&self, at: usize) -> u32 {
        match at.checked_sub(1).and_then(|at| self.records[RECORD * at..].first_chunk()) {
            Some(end) => u32::from_le_bytes(*end),
            None => 0,
        }
    }

    fn facts(&self, at: usize) -> (u16, u64) {
        let record = &self.records[RECORD * at..][..RECORD];
        let mut size = [0; 8];
        size[..6].copy_from_slice(&record[6..]);
        (u16::from_le_bytes([record[4], record[5]]), u64::from_le_bytes(size))
    }

    /// 0 for a leaf, which holds names; above it, how far the leaves are down.
    #[must_use]
    pub const fn level(&self) -> u8 {
        self.level
    }

    /// How many entries there are.
    #[must_use]
    pub const fn len(&self) -> usize {
        self.records.len() / RECORD
    }

    /// Whether there are none.
    #[must_use]
    pub const fn is_empty(&self) -> bool {
        self.records.is_empty()
    }

    /// How many names are in the node and below it.
    #[must_use]
    pub fn names_below(&self) -> u64 {
        match self.level {
            0 => self.len() as u64,
            _ => (0..self.len()).map(|at| self.facts(at).1).fold(0, u64::saturating_add),
        }
    }

    /// What the index says at one position.
    #[must_use]
    pub fn get(&self, at: usize) -> Option<Record<'a>> {
        if at >= self.len() {
            return None;
        }
        let (bits, size) = self.facts(at);
        Some(Record {
            name: self.name(at),
            kind: FileKind::from_bits(bits),
            mode: bits & !FileKind::FORMAT,
            size,
        })
    }

    fn name(&self, at: usize) -> &'a [u8] {
        &self.names[self.name_end(at) as usize..self.name_end(at + 1) as usize]
    }

    /// All entries in order.
    pub fn iter(&self) -> impl ExactSizeIterator<Item = Record<'a>> + Clone + use<'a> {
        let index = *self;
        (0..index.len()).map(move |at| {
            let (bits, size) = index.facts(at);
            let mode = bits & !FileKind::FORMAT;
            Record { name: index.name(at), kind: FileKind::from_bits(bits), mode, size }
        })
    }

    /// The position to go on from for a name: in a leaf, where it stands; in an
    /// inner node, the child that it would be below. `None` if it is not there.
    #[must_use]
    pub fn position(&self, name: &[u8]) -> Option<usize> {
        let (mut low, mut high) = (0, self.len());
        // Everything before `low` is at most `name`, everything from `high` on
        // comes after it.
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

/// An index together with the children that it describes.
#[derive(Clone, Copy, Debug)]
pub struct Node<'a> {
    index: Index<'a>,
    children: &'a [Handle],
}

impl<'a> Node<'a> {
    /// The handle of the index Blob of a node, from the node's entries; what
    /// has to be read next.
    ///
    /// # Errors
    /// [`DirectoryError::NoIndex`] if they do not begin with an accessible Blob.
    pub fn index_handle(entries: &[Handle]) -> Result<Handle, DirectoryError> {
        match entries.first() {
            Some(first) if first.kind() == Kind::Blob => Ok(*first),
            _ => Err(DirectoryError::NoIndex),
        }
    }

    /// Decodes a node from its index's bytes and all entries of its Tree, and
    /// checks one against the other.
    ///
    /// # Errors
    /// The first thing that makes it no node.
    pub fn parse(index: &'a [u8], entries: &'a [Handle]) -> Result<Self, DirectoryError> {
        Self::index_handle(entries)?;
        let index = Index::parse(index)?;
        let children = &entries[1..];
        if children.len() != index.len() {
            let (expected, found) = (index.len(), children.len());
            return Err(DirectoryError::ChildCount { expected, found });
        }
        for (at, (record, child)) in index.iter().zip(children).enumerate() {
            let sound = match record.kind {
                Some(kind) => kind.admits(child) && child.length() == Some(record.size),
                None => child.kind() == Kind::Tree,
            };
            if !sound {
                return Err(DirectoryError::BadChild(at));
            }
        }
        Ok(Self { index, children })
    }

    /// The index.
    #[must_use]
    pub const fn index(&self) -> Index<'a> {
        self.index
    }

    /// The children, in the order of the index.
    #[must_use]
    pub const fn children(&self) -> &'a [Handle] {
        self.children
    }
}
