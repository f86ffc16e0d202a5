//! The bytes of an export, as in `docs/export.md`.

use std::io::{ErrorKind, Read, Write};

use weft_object::{Handle, Kind};

use super::Broken;
use crate::{Relation, StoreError};

pub(super) const MAGIC: [u8; 8] = *b"weftexpt";

/// Of the format.
pub(super) const VERSION: u32 = 1;

/// Before everything: magic, version, zero, root.
pub(super) const START_BYTES: usize = 48;

/// What every record begins with: what it is, three zeros, a length.
pub(super) const WORD_BYTES: usize = 8;

pub(super) const END: u8 = 0;
pub(super) const CONTENT: u8 = 1;
pub(super) const RELATION: u8 = 2;

/// The most bytes of a relation: two words, two handles and the fuel.
const RELATION_MAX: u32 = 8 + 8 + 32 + 32 + 8;

pub(super) fn start(root: &Handle) -> [u8; START_BYTES] {
    let mut start = [0; START_BYTES];
    start[..8].copy_from_slice(&MAGIC);
    start[8..12].copy_from_slice(&VERSION.to_le_bytes());
    start[16..].copy_from_slice(root.as_bytes());
    start
}

fn read_start(start: &[u8; START_BYTES]) -> Result<Handle, Broken> {
    let (version, zero) = (number(&start[8..12]), number(&start[12..16]));
    if start[..8] != MAGIC {
        return Err(Broken::Foreign);
    }
    if version != VERSION {
        return Err(Broken::Version(version));
    }
    let root = start[16..].try_into().ok().and_then(|raw| Handle::decode(raw).ok());
    root.filter(|_| zero == 0).ok_or(Broken::Record(0))
}

fn number(bytes: &[u8]) -> u32 {
    bytes.iter().rev().fold(0, |number, byte| number << 8 | u32::from(*byte))
}

pub(super) fn word(sort: u8, length: u32) -> [u8; WORD_BYTES] {
    let [a, b, c, d] = length.to_le_bytes();
    [sort, 0, 0, 0, a, b, c, d]
}

/// A record, up to the bytes of content.
#[derive(Debug, PartialEq)]
pub(super) enum Record {
    /// The content of this follows.
    Content(Handle),
    Relation(Handle, Relation),
    /// With how many of each there were.
    End {
        objects: u64,
        relations: u64,
    },
}

/// Writes, and keeps count and a digest of it.
pub(super) struct Hashing<T> {
    pub(super) inner: T,
    hasher: blake3::Hasher,
    pub(super) bytes: u64,
}

impl<T> Hashing<T> {
    pub(super) fn new(inner: T) -> Self {
        Self { inner, hasher: blake3::Hasher::new(), bytes: 0 }
    }

    pub(super) fn digest(&self) -> [u8; 32] {
        *self.hasher.finalize().as_bytes()
    }

    fn note(&mut self, bytes: &[u8]) {
        self.hasher.update(bytes);
        self.bytes += bytes.len() as u64;
    }
}

impl<W: Write> Hashing<W> {
    pub(super) fn put(&mut self, bytes: &[u8]) -> Result<(), StoreError> {
        self.note(bytes);
        self.inner.write_all(bytes).map_err(StoreError::io("write", "the export"))
    }
}

impl<R: Read> Read for Hashing<R> {
    fn read(&mut self, into: &mut [u8]) -> std::io::Result<usize> {
        let read = self.inner.read(into)?;
        self.note(&into[..read]);
        Ok(read)
    }
}

fn broken(broken: Broken) -> StoreError {
    StoreError::Export(broken)
}

impl<R: Read> Hashing<R> {
    fn exact<const N: usize>(&mut self) -> Result<[u8; N], StoreError> {
        let mut bytes = [0; N];
        self.fill(&mut bytes)?;
        Ok(bytes)
    }

    fn fill(&mut self, bytes: &mut [u8]) -> Result<(), StoreError> {
        self.read_exact(bytes).map_err(|error| match error.kind() {
            ErrorKind::UnexpectedEof => broken(Broken::Ends(self.bytes)),
            _ => StoreError::io("read", "the export")(error),
        })
    }

    pub(super) fn start(&mut self) -> Result<Handle, StoreError> {
        let mut start = [0; START_BYTES];
        // What is too short to be one is more likely something else.
        let first: [u8; 8] = self.exact().map_err(|error| match error {
            StoreError::Export(_) => broken(Broken::Foreign),
            error => error,
        })?;
        if first != MAGIC {
            return Err(broken(Broken::Foreign));
        }
        start[..8].copy_from_slice(&first);
        self.fill(&mut start[8..])?;
        read_start(&start).map_err(broken)
    }

    /// The next record. Of the end, the check as well.
    pub(super) fn record(&mut self) -> Result<Record, StoreError> {
        let at = self.bytes;
        let bad = || broken(Broken::Record(at));
        let [sort, 0, 0, 0, a, b, c, d] = self.exact()? else { return Err(bad()) };
        let length = u32::from_le_bytes([a, b, c, d]);
        match (sort, length) {
            (CONTENT, 0) => {
                let handle = Handle::decode(&self.exact()?).map_err(|_| bad())?;
                let named = handle == handle.content() && !handle.is_literal();
                named.then_some(Record::Content(handle)).ok_or_else(bad)
            }
            (RELATION, 1..=RELATION_MAX) => {
                let key = Handle::decode(&self.exact()?).map_err(|_| bad())?;
                let mut bytes = vec![0; length as usize];
                self.fill(&mut bytes)?;
                let relation = Relation::decode(&bytes).filter(|_| is_key(&key));
                relation.map(|relation| Record::Relation(key, relation)).ok_or_else(bad)
            }
            (END, 0) => {
                let objects = u64::from_le_bytes(self.exact()?);
                let relations = u64::from_le_bytes(self.exact()?);
                let digest = self.digest();
                match self.exact::<32>()? == digest {
                    true => Ok(Record::End { objects, relations }),
                    false => Err(broken(Broken::Changed)),
                }
            }
            _ => Err(bad()),
        }
    }

    /// Says that nothing follows.
    pub(super) fn end(&mut self) -> Result<(), StoreError> {
        let at = self.bytes;
        match self.exact::<1>() {
            Ok(_) => Err(broken(Broken::Goes(at))),
            Err(StoreError::Export(Broken::Ends(_))) => Ok(()),
            Err(error) => Err(error),
        }
    }
}

/// Whether something can be known under this name: an application, or a request.
fn is_key(key: &Handle) -> bool {
    key.kind() == Kind::Tree || key.kind().is_encode() || key.kind().is_thunk()
}

/// Reads bytes as an export, but for the content.
///
/// # Panics
/// Where that does not end.
pub fn fuzz_export(bytes: &[u8]) {
    let mut input = Hashing::new(bytes);
    if input.start().is_err() {
        return;
    }
    let mut records = 0;
    while let Ok(record) = input.record() {
        records += 1;
        assert!(records <= bytes.len() / WORD_BYTES, "records of nothing");
        if matches!(record, Record::End { .. }) {
            let _ = input.end();
            return;
        }
    }
}
