//! Opening: from the file's bytes to an index of it.

use std::collections::{BTreeMap, HashMap};
use std::fs::File;
use std::io;
use std::os::unix::fs::FileExt;

use weft_object::{Content, Handle, Kind};

use super::format::{HEADER, Header, START, Sort, digest};
use crate::hash::HandleHash;
use crate::{Label, Relation};

/// A part of the file that was durable once and is no record any more.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Damage {
    /// Where it begins.
    pub offset: u64,
    /// How many bytes it has.
    pub length: u64,
}

/// Where everything is.
#[derive(Debug, Default)]
pub(super) struct Index {
    /// The offsets of records, by Object.
    pub(super) content: HashMap<Handle, u64, HandleHash>,
    /// The offsets of records, by key.
    pub(super) relations: HashMap<Handle, u64, HandleHash>,
    pub(super) labels: BTreeMap<Label, Handle>,
}

#[derive(Debug, Default)]
pub(super) struct Scan {
    pub(super) index: Index,
    pub(super) damage: Vec<Damage>,
    /// Where the sound records end; what follows is a torn tail.
    pub(super) end: u64,
}

enum Item {
    Record(Header),
    Damage { length: u64 },
}

/// Reads the headers of a file of this length, and the payloads of what came
/// after the last sync only: of those, a crash may have kept any part.
pub(super) fn scan(file: &File, length: u64) -> io::Result<Scan> {
    let mut scan = Scan { end: START, ..Scan::default() };
    let mut window = Window::new(file, length);
    let mut unsynced: Vec<(u64, Item)> = Vec::new();
    let mut at = START;
    while let Some(raw) = window.header(at)? {
        let Some(header) = Header::decode(at, raw) else {
            let Some(next) = next_header(&mut window, at)? else { break };
            unsynced.push((at, Item::Damage { length: next - at }));
            at = next;
            continue;
        };
        if header.end(at) > length {
            break;
        }
        if let Sort::Commit(synced) = header.sort {
            let durable = unsynced.partition_point(|(offset, _)| *offset < synced);
            for (offset, item) in unsynced.drain(..durable) {
                scan.keep(file, offset, &item)?;
            }
        }
        unsynced.push((at, Item::Record(header)));
        at = header.end(at);
    }
    // The file may end in unused bytes, or in the middle of a record.
    scan.end = at;
    for (offset, item) in unsynced {
        let sound = match &item {
            Item::Record(header) => payload_sound(file, offset, header)?,
            Item::Damage { .. } => false,
        };
        if !sound {
            scan.end = offset;
            break;
        }
        scan.keep(file, offset, &item)?;
    }
    Ok(scan)
}

fn next_header(window: &mut Window<'_>, after: u64) -> io::Result<Option<u64>> {
    let mut at = after + 8;
    while let Some(raw) = window.header(at)? {
        if Header::decode(at, raw).is_some_and(|header| header.end(at) <= window.length) {
            return Ok(Some(at));
        }
        at += 8;
    }
    Ok(None)
}

impl Scan {
    fn keep(&mut self, file: &File, offset: u64, item: &Item) -> io::Result<()> {
        let header = match item {
            Item::Record(header) => header,
            Item::Damage { length } => {
                self.damage.push(Damage { offset, length: *length });
                return Ok(());
            }
        };
        match header.sort {
            Sort::Content(handle) => {
                self.index.content.insert(handle, offset);
            }
            Sort::Relation(key) => {
                self.index.relations.insert(key, offset);
            }
            Sort::Label(_) | Sort::NoLabel => match read_label(file, offset, header)? {
                Some((label, Some(handle))) => {
                    self.index.labels.insert(label, handle);
                }
                Some((label, None)) => {
                    self.index.labels.remove(&label);
                }
                None => {
                    let length = header.end(offset) - offset;
                    self.damage.push(Damage { offset, length });
                }
            },
            Sort::Commit(_) => {}
        }
        Ok(())
    }
}

/// The payload of a record, which is known to lie within the file.
pub(super) fn read_payload(file: &File, offset: u64, length: u64) -> io::Result<Vec<u8>> {
    let mut bytes = vec![0; length as usize];
    file.read_exact_at(&mut bytes, offset + HEADER as u64)?;
    Ok(bytes)
}

fn read_label(
    file: &File,
    offset: u64,
    header: &Header,
) -> io::Result<Option<(Label, Option<Handle>)>> {
    if header.length > Label::LENGTH_MAX as u64 {
        return Ok(None);
    }
    let payload = read_payload(file, offset, header.length)?;
    if digest(&[&payload]) != header.check {
        return Ok(None);
    }
    let label = std::str::from_utf8(&payload).ok().and_then(|text| Label::new(text).ok());
    let handle = match header.sort {
        Sort::Label(handle) => Some(handle),
        _ => None,
    };
    Ok(label.map(|label| (label, handle)))
}

fn payload_sound(file: &File, offset: u64, header: &Header) -> io::Result<bool> {
    match header.sort {
        Sort::Content(handle) if handle.kind() == Kind::Blob => blob_sound(file, offset, &handle),
        Sort::Content(handle) => {
            let payload = read_payload(file, offset, header.length)?;
            Ok(Content::check(&handle, payload).is_ok())
        }
        Sort::Relation(_) => {
            if header.length > 256 {
                return Ok(false);
            }
            let payload = read_payload(file, offset, header.length)?;
            Ok(digest(&[&payload]) == header.check && Relation::decode(&payload).is_some())
        }
        Sort::Label(_) | Sort::NoLabel => Ok(read_label(file, offset, header)?.is_some()),
        Sort::Commit(_) => Ok(header.length == 0),
    }
}

// Without holding a long Blob.
fn blob_sound(file: &File, offset: u64, handle: &Handle) -> io::Result<bool> {
    let length = handle.length().unwrap_or(0);
    let mut hasher = blake3::Hasher::new();
    let mut buffer = vec![0; length.min(1 << 20) as usize];
    let mut done = 0;
    while done < length {
        let part = (length - done).min(buffer.len() as u64) as usize;
        file.read_exact_at(&mut buffer[..part], offset + HEADER as u64 + done)?;
        hasher.update(&buffer[..part]);
        done += part as u64;
    }
    Ok(Handle::of_blob_digest(hasher.finalize().as_bytes(), length) == Some(*handle))
}

/// Headers, read many at once where they lie close together.
struct Window<'a> {
    file: &'a File,
    length: u64,
    from: u64,
    bytes: Vec<u8>,
}

const WINDOW: u64 = 128 * 1024;

impl<'a> Window<'a> {
    fn new(file: &'a File, length: u64) -> Self {
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
}
