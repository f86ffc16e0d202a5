//! The one file of a store of version 1, for reading.
//!
//! 16 bytes (`weftstor`, the version, zeros), then records, each at a multiple
//! of 8. Integers are little-endian.
//!
//! | offset | bytes | holds |
//! |---|---|---|
//! | 0 | 1 | type: 1 content, 2 relation, 3 label set, 4 label removed, 5 commit |
//! | 1 | 1 | 0 |
//! | 2 | 6 | length of the payload |
//! | 8 | 32 | name: the Object, the key, the handle that a label stands at, zeros, or an offset and zeros |
//! | 40 | 8 | of a relation or label: the first 8 bytes of the payload's BLAKE3 digest; else 0 |
//! | 48 | 8 | the first 8 bytes of the digest of the record's offset and bytes 0 to 47 |
//! | 56 | length | payload, then zeros up to a multiple of 8 |
//!
//! A later relation or label takes the place of an earlier one. What lies
//! before a commit's offset was synced when that was written; what lies after
//! the last of them counts up to the first record that is not sound.

use std::collections::VecDeque;
use std::io::{self, ErrorKind, Read};
use std::path::{Path, PathBuf};
use std::sync::Arc;

use weft_object::{Content, Handle, Kind};

use crate::disk::{Access, Disk, DiskFile};
use crate::{Cost, Label, Outcome, Relation, StoreError};

/// The first bytes of the file.
const START: u64 = 16;
/// The bytes of a record before its payload.
const HEADER: usize = 56;
/// No relation's or label's payload is longer.
const SMALL_MAX: u64 = 256;

/// What a record is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Sort {
    Content(Handle),
    Relation(Handle),
    Label(Handle),
    NoLabel,
    Commit(u64),
}

/// A record, and where it begins.
#[derive(Clone, Copy, Debug)]
pub(super) struct Record {
    pub(super) offset: u64,
    pub(super) sort: Sort,
    length: u64,
    check: u64,
}

impl Record {
    /// Of the payload.
    pub(super) fn bytes(&self) -> u64 {
        self.length
    }

    /// Where the next record begins.
    pub(super) fn end(&self) -> u64 {
        self.offset + HEADER as u64 + self.length.next_multiple_of(8)
    }

    fn decode(offset: u64, raw: &[u8; HEADER]) -> Option<Self> {
        // The digest comes last: a search for the next header asks often.
        if raw[1] != 0 {
            return None;
        }
        let name = raw[8..40].first_chunk::<32>()?;
        let handle = Handle::decode(name).ok();
        let length = number(&raw[2..8]);
        let small = length <= SMALL_MAX;
        let sort = match raw[0] {
            1 => Sort::Content(handle.filter(|handle| {
                *handle == handle.content()
                    && !handle.is_literal()
                    && content_length(handle) == length
            })?),
            2 if small => Sort::Relation(handle?),
            3 if small => Sort::Label(handle?),
            4 if small && *name == [0; 32] => Sort::NoLabel,
            5 if length == 0 && name[8..] == [0; 24] => Sort::Commit(number(&name[..8])),
            _ => return None,
        };
        let mut checked = [0; 8 + 48];
        checked[..8].copy_from_slice(&offset.to_le_bytes());
        checked[8..].copy_from_slice(&raw[..48]);
        let sound = number(&raw[48..]) == digest(&checked);
        sound.then(|| Self { offset, sort, length, check: number(&raw[40..48]) })
    }
}

/// A store of version 1, with all that a crash had left of it.
#[derive(Debug)]
pub(super) struct Old {
    path: PathBuf,
    file: Arc<dyn DiskFile>,
    /// In the order of writing; commits are left out.
    pub(super) records: Vec<Record>,
    /// Bytes that were durable once and are no record any more, or that follow
    /// the last record.
    pub(super) damaged_bytes: u64,
    /// Whether it ends as each command left it: with a commit.
    pub(super) is_ended: bool,
    /// Bytes of the file.
    pub(super) length: u64,
}

impl Old {
    /// # Errors
    /// It cannot be read.
    pub(super) fn open(disk: &dyn Disk, path: &Path) -> Result<Self, StoreError> {
        let file = disk.open(path, Access::Read)?;
        let length = file.length().map_err(StoreError::io("read", path))?;
        let (path, records) = (path.to_owned(), Vec::new());
        let mut old = Self { path, file, records, damaged_bytes: 0, is_ended: true, length };
        let scanned = old.scan();
        scanned.map_err(StoreError::io("read", &old.path))?;
        Ok(old)
    }

    pub(super) fn path(&self) -> &Path {
        &self.path
    }

    fn scan(&mut self) -> io::Result<()> {
        let mut at = START;
        // Those that no commit covers yet; an `Err` is so much damage.
        let mut unsynced: VecDeque<(u64, Result<Record, u64>)> = VecDeque::new();
        let mut window = Window::new(self.file.clone(), self.length);
        while let Some(raw) = window.header(at)? {
            let Some(record) = Record::decode(at, raw) else {
                let Some(next) = window.next_record(at)? else { break };
                unsynced.push_back((at, Err(next - at)));
                at = next;
                continue;
            };
            if record.end() > self.length {
                break;
            }
            at = record.end();
            self.is_ended = matches!(record.sort, Sort::Commit(_));
            match record.sort {
                Sort::Commit(synced) => {
                    let durable = unsynced.partition_point(|(offset, _)| *offset < synced);
                    unsynced.drain(..durable).for_each(|(_, item)| self.keep(item));
                }
                _ => unsynced.push_back((record.offset, Ok(record))),
            }
        }
        let mut end = at;
        for (offset, item) in unsynced {
            match item {
                Ok(record) if self.is_sound(&record)? => self.records.push(record),
                _ => {
                    end = offset;
                    break;
                }
            }
        }
        self.damaged_bytes += self.length.saturating_sub(end);
        Ok(())
    }

    fn keep(&mut self, item: Result<Record, u64>) {
        match item {
            Ok(record) => self.records.push(record),
            Err(length) => self.damaged_bytes += length,
        }
    }

    fn is_sound(&self, record: &Record) -> io::Result<bool> {
        let sound = match record.sort {
            Sort::Content(handle) if handle.kind() == Kind::Blob => {
                self.blob_is_sound(record, &handle)
            }
            Sort::Content(handle) => {
                self.payload(record).map(|bytes| Content::check(&handle, bytes).is_ok())
            }
            Sort::Relation(_) => self.relation(record).map(|found| found.is_some()),
            Sort::Label(_) | Sort::NoLabel => self.label(record).map(|found| found.is_some()),
            Sort::Commit(_) => Ok(true),
        };
        match sound {
            Err(error) if error.kind() == ErrorKind::UnexpectedEof => Ok(false),
            sound => sound,
        }
    }

    // Without holding a long Blob.
    fn blob_is_sound(&self, record: &Record, handle: &Handle) -> io::Result<bool> {
        let mut bytes = self.stream(record);
        let (mut hasher, mut part) = (blake3::Hasher::new(), vec![0; 1 << 16]);
        loop {
            match bytes.read(&mut part)? {
                0 => break,
                read => hasher.update(&part[..read]),
            };
        }
        let named = Handle::of_blob_digest(hasher.finalize().as_bytes(), record.length);
        Ok(named == Some(*handle))
    }

    /// What a content record holds; `None` if it is not what its handle names.
    pub(super) fn content(
        &self,
        record: &Record,
        handle: &Handle,
    ) -> Result<Option<Content>, StoreError> {
        match self.payload(record) {
            Ok(bytes) => Ok(Content::check(handle, bytes).ok()),
            Err(error) if error.kind() == ErrorKind::UnexpectedEof => Ok(None),
            Err(error) => Err(StoreError::io("read", &self.path)(error)),
        }
    }

    /// The same, unchecked, without holding it.
    pub(super) fn stream(&self, record: &Record) -> impl Read + use<> {
        Payload {
            file: self.file.clone(),
            at: record.offset + HEADER as u64,
            end: record.offset + HEADER as u64 + record.length,
        }
    }

    /// A relation; `None` if it is damaged.
    pub(super) fn relation(&self, record: &Record) -> io::Result<Option<Relation>> {
        Ok(self.checked(record)?.and_then(|bytes| decode_relation(&bytes)))
    }

    /// A label; `None` if it is damaged.
    pub(super) fn label(&self, record: &Record) -> io::Result<Option<Label>> {
        let text = self.checked(record)?.and_then(|bytes| String::from_utf8(bytes).ok());
        Ok(text.and_then(|text| Label::new(&text).ok()))
    }

    fn checked(&self, record: &Record) -> io::Result<Option<Vec<u8>>> {
        Ok(Some(self.payload(record)?).filter(|bytes| digest(bytes) == record.check))
    }

    // The file may be sparse and claim any length: memory is asked for, not
    // taken, and only used as bytes come.
    fn payload(&self, record: &Record) -> io::Result<Vec<u8>> {
        let length = usize::try_from(record.length).map_err(|_| ErrorKind::OutOfMemory)?;
        let mut bytes = Vec::new();
        bytes.try_reserve_exact(length).map_err(|_| ErrorKind::OutOfMemory)?;
        self.stream(record).read_to_end(&mut bytes)?;
        Ok(bytes)
    }
}

fn decode_relation(bytes: &[u8]) -> Option<Relation> {
    let mut rest = bytes;
    let mut take = |length: usize| rest.split_off(..length);
    let handle = |raw: &[u8]| Handle::decode(raw.first_chunk()?).ok();
    let (flags, run_ns) = (number(take(8)?), number(take(8)?));
    let outcome = handle(take(32)?)?;
    let notes = if flags & 2 == 0 { None } else { Some(handle(take(32)?)?) };
    let fuel = if flags & 4 == 0 { None } else { Some(number(take(8)?)) };
    if flags > 7 || !rest.is_empty() {
        return None;
    }
    let outcome = if flags & 1 == 0 { Outcome::Value(outcome) } else { Outcome::Failure(outcome) };
    Some(Relation { notes, ..Relation::new(outcome, Cost { run_ns, fuel }) })
}

/// Bytes of a file from one offset to another.
struct Payload {
    file: Arc<dyn DiskFile>,
    at: u64,
    end: u64,
}

impl Read for Payload {
    fn read(&mut self, bytes: &mut [u8]) -> io::Result<usize> {
        let wanted = (self.end - self.at).min(bytes.len() as u64) as usize;
        if wanted == 0 {
            return Ok(0);
        }
        match self.file.read_at(&mut bytes[..wanted], self.at)? {
            0 => Err(ErrorKind::UnexpectedEof.into()),
            read => {
                self.at += read as u64;
                Ok(read)
            }
        }
    }
}

/// Headers, read many at once where they lie close together.
struct Window {
    file: Arc<dyn DiskFile>,
    length: u64,
    from: u64,
    bytes: Vec<u8>,
}

const WINDOW: u64 = 128 * 1024;

impl Window {
    fn new(file: Arc<dyn DiskFile>, length: u64) -> Self {
        Self { file, length, from: 0, bytes: Vec::new() }
    }

    fn header(&mut self, at: u64) -> io::Result<Option<&[u8; HEADER]>> {
        if at + HEADER as u64 > self.length {
            return Ok(None);
        }
        let inside = at >= self.from && at + HEADER as u64 <= self.from + self.bytes.len() as u64;
        if !inside {
            self.bytes.resize(WINDOW.min(self.length - at) as usize, 0);
            self.file.read_exact_at(&mut self.bytes, at)?;
            self.from = at;
        }
        Ok(self.bytes[(at - self.from) as usize..].first_chunk())
    }

    fn next_record(&mut self, after: u64) -> io::Result<Option<u64>> {
        let (mut at, length) = (after + 8, self.length);
        while let Some(raw) = self.header(at)? {
            if Record::decode(at, raw).is_some_and(|record| record.end() <= length) {
                return Ok(Some(at));
            }
            at += 8;
        }
        Ok(None)
    }
}

fn number(bytes: &[u8]) -> u64 {
    let mut raw = [0; 8];
    raw[..bytes.len()].copy_from_slice(bytes);
    u64::from_le_bytes(raw)
}

fn digest(bytes: &[u8]) -> u64 {
    number(&blake3::hash(bytes).as_bytes()[..8])
}

fn content_length(object: &Handle) -> u64 {
    let length = object.length().unwrap_or(0);
    match object.kind() {
        Kind::Tree | Kind::Tag => 32 * length,
        _ => length,
    }
}
