//! `fd_readdir`, which gives entries one after the other in bytes.

use super::{Answer, Fd, answer, at, bare};

/// What stands before each name.
const HEADER_BYTES: usize = 24;

/// A name in a directory.
#[derive(Clone, Debug)]
pub struct Entry {
    /// Where the next entry is.
    pub next: u64,
    pub inode: u64,
    pub kind: u8,
    pub name: String,
}

/// What the call puts into the buffer: how many bytes.
pub fn readdir(fd: Fd, buffer: &mut [u8], cookie: u64) -> Answer<usize> {
    let mut count = 0;
    let (start, room) = (at(buffer.as_mut_ptr()), buffer.len() as i32);
    answer(unsafe { bare::fd_readdir(fd as i32, start, room, cookie as i64, at(&raw mut count)) })?;
    Ok(count)
}

/// The whole listing, by a buffer of this size at first: it grows where it does
/// not hold one entry.
pub fn entries(fd: Fd, buffer_bytes: usize) -> Answer<Vec<Entry>> {
    let mut buffer = vec![0; buffer_bytes];
    let (mut entries, mut cookie) = (Vec::new(), 0);
    loop {
        let count = readdir(fd, &mut buffer, cookie)?;
        let found = parse(&buffer[..count]);
        if let Some(last) = found.last() {
            cookie = last.next;
        } else if count == buffer.len() {
            buffer.resize(2 * count, 0);
            continue;
        }
        entries.extend(found);
        if count < buffer.len() {
            return Ok(entries);
        }
    }
}

/// The entries that are whole.
pub fn parse(mut bytes: &[u8]) -> Vec<Entry> {
    let mut entries = Vec::new();
    while let Some((header, rest)) = bytes.split_at_checked(HEADER_BYTES) {
        let number = |at: usize| {
            header[at..at + 8].iter().rev().fold(0, |all, byte| all << 8 | u64::from(*byte))
        };
        let length = number(16) as u32 as usize;
        let Some((name, rest)) = rest.split_at_checked(length) else { break };
        entries.push(Entry {
            next: number(0),
            inode: number(8),
            kind: header[20],
            name: String::from_utf8_lossy(name).into_owned(),
        });
        bytes = rest;
    }
    entries
}
