//! Opening: from the file's bytes to an index of it.

use std::collections::{BTreeMap, HashMap, VecDeque};
use std::fs::File;
use std::io::{self, ErrorKind};
use std::os::unix::fs::FileExt;

use weft_object::{Content, Handle, Kind};

use super::format::{HEADER, Header, START, Sort, digest};
use crate::hash::HandleHash;
use crate::{Label, Relation};

/// A part of the file that was durable once and is no record any more.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Damage {
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
///
/// Time and memory are linear in the length, whatever the file holds.
pub(super) fn scan(file: &File, mut length: u64) -> io::Result<Scan> {
    // Whoever writes meanwhile may cut off an append that failed: then the
    // file ends there, and if it has grown since, then with something else.
    for _ in 0..SHORTER_MAX {
        match scan_to(file, length) {
            Err(error) if error.kind() == ErrorKind::UnexpectedEof => {
                length = length.min(file.metadata()?.len());
            }
            done => return done,
        }
    }
    scan_to(file, length)
}

// How often a file may become shorter while it is opened.
const SHORTER_MAX: usize = 8;

fn scan_to(file: &File, length: u64) -> io::Result<Scan> {
    let mut scan = Scan { end: START, ..Scan::default() };
    let mut window = Window::new(file, length);
    // Taken from the front: a commit may cover but one of many.
    let mut unsynced: VecDeque<(u64, Item)> = VecDeque::new();
    let mut at = START;
    while let Some(raw) = window.header(at)? {
        let Some(header) = Header::decode(at, raw) else {
            let Some(next) = next_header(&mut window, at)? else { break };
            unsynced.push_back((at, Item::Damage { length: next - at }));
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
        unsynced.push_back((at, Item::Record(header)));
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

/// The payload of a record.
///
/// The file may be sparse and claim any length. So memory is asked for, not
/// taken, and only used as bytes come.
pub(super) fn read_payload(file: &File, offset: u64, length: u64) -> io::Result<Vec<u8>> {
    let mut bytes = Vec::new();
    let length = usize::try_from(length).map_err(|_| ErrorKind::OutOfMemory)?;
    bytes.try_reserve_exact(length).map_err(|_| ErrorKind::OutOfMemory)?;
    while bytes.len() < length {
        let from = bytes.len();
        bytes.resize(length.min(from + PART), 0);
        file.read_exact_at(&mut bytes[from..], offset + HEADER as u64 + from as u64)?;
    }
    Ok(bytes)
}

const PART: usize = 1 << 20;

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
    let mut buffer = vec![0; length.min(PART as u64) as usize];
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

#[cfg(test)]
mod tests {
    use std::fs;

    use weft_object::Handle;

    use super::super::format::start;
    use super::*;
    use crate::{Cost, Outcome};

    /// A file of these bytes that no name leads to any more.
    fn file(name: &str, bytes: &[u8]) -> File {
        let path = std::env::temp_dir().join(format!("weft-scan-{}-{name}", std::process::id()));
        fs::write(&path, bytes).unwrap();
        let file = File::open(&path).unwrap();
        fs::remove_file(path).unwrap();
        file
    }

    fn append(bytes: &mut Vec<u8>, header: &Header, payload: &[u8]) -> u64 {
        let at = bytes.len() as u64;
        bytes.extend_from_slice(&header.encode(at));
        bytes.extend_from_slice(payload);
        bytes.resize(header.end(at) as usize, 0);
        at
    }

    fn relation(bytes: &mut Vec<u8>, number: u64) -> u64 {
        let key = Handle::of_tree(&[Handle::of_u64(number)]);
        let cost = Cost { run_ns: 1, fuel: None };
        let payload = Relation::new(Outcome::Value(Handle::of_u64(number)), cost).encode();
        append(bytes, &Header::small(Sort::Relation(key), &payload), &payload)
    }

    #[test]
    fn a_length_that_nothing_holds_is_an_error_and_no_abort() {
        let short = file("short", &[7; 5000]);
        let most = Handle::LENGTH_MAX;
        let error = read_payload(&short, 0, most).unwrap_err();
        assert_eq!(error.kind(), ErrorKind::OutOfMemory);
        // What could be had is not taken before there is something to read.
        let error = read_payload(&short, 0, 1 << 30).unwrap_err();
        assert_eq!(error.kind(), ErrorKind::UnexpectedEof);
        assert_eq!(read_payload(&short, 0, 4000).unwrap(), [7; 4000]);
        // A Tree after the last commit, which is to be verified.
        let mut bytes = start().to_vec();
        let mut name = *Handle::of_tree(&[Handle::of_u64(1)]).as_bytes();
        name[24..30].copy_from_slice(&(most / 32).to_le_bytes()[..6]);
        let tree = Handle::decode(&name).unwrap();
        let header = Header::content(tree);
        bytes.extend_from_slice(&header.encode(START));
        bytes.resize(2 * WINDOW as usize, 0);
        let error = scan(&file("tree", &bytes), header.end(START)).unwrap_err();
        assert_eq!(error.kind(), ErrorKind::OutOfMemory);
    }

    #[test]
    fn a_file_that_becomes_shorter_meanwhile_ends_there() {
        let mut bytes = start().to_vec();
        let offsets: Vec<u64> = (0..5000).map(|number| relation(&mut bytes, number)).collect();
        let whole = bytes.len() as u64;
        for cut in [whole, offsets[3], offsets[4000] + 60, START + 8] {
            let file = file("cut", &bytes[..cut as usize]);
            let scan = scan(&file, whole + 500).unwrap();
            let kept = offsets.iter().filter(|offset| **offset + 104 <= cut).count();
            assert_eq!(scan.index.relations.len(), kept, "cut at {cut}");
            assert_eq!(scan.end, offsets.get(kept).copied().unwrap_or(whole));
        }
        // Nor does a Blob's verification fail that cannot be read to its end.
        let blob = Handle::of_blob(&[1; 3 << 20]);
        let mut bytes = start().to_vec();
        let at = append(&mut bytes, &Header::content(blob), &[1; 3 << 20]);
        let whole = bytes.len() as u64;
        assert_eq!(scan(&file("blob", &bytes), whole).unwrap().index.content[&blob], at);
        let scan = scan(&file("blob", &bytes[..2 << 20]), whole).unwrap();
        assert_eq!((scan.index.content.len(), scan.end), (0, at));
    }

    #[test]
    fn commits_may_cover_one_record_each_of_many() {
        let mut bytes = start().to_vec();
        let many = 100_000;
        let offsets: Vec<u64> = (0..many).map(|number| relation(&mut bytes, number)).collect();
        for offset in &offsets[1..] {
            append(&mut bytes, &Header::commit(*offset), &[]);
        }
        let length = bytes.len() as u64;
        // Quadratic, if each moved those that it does not cover.
        let scan = scan(&file("commits", &bytes), length).unwrap();
        assert_eq!(scan.index.relations.len() as u64, many);
        assert_eq!((scan.end, scan.damage.len()), (length, 0));
    }
}
