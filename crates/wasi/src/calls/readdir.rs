//! Listing a directory into a buffer.
//!
//! A cookie is a position in an order that is fixed when the directory is first
//! listed: `.`, `..`, then the names that are there in order of their bytes,
//! then those that are made later as they are made. Names that are removed
//! leave their positions empty. So a cookie never comes to mean another name.

use weft_object::directory::FileKind;

use super::{Done, Run};
use crate::Errno;
use crate::fs::Ino;
use crate::source::Halt;
use crate::types::filetype;

/// `.` and `..`.
const DOTS: u64 = 2;

struct Buffer {
    at: u32,
    left: u32,
}

impl Buffer {
    /// Puts as much as there is room for; false when it is full.
    fn put(&mut self, run: &mut Run<'_>, bytes: &[u8]) -> Result<bool, Errno> {
        let count = bytes.len().min(self.left as usize);
        run.memory.write(self.at, &bytes[..count])?;
        self.left -= count as u32;
        // All of the buffer lies in memory, so this is its end at most.
        self.at = self.at.wrapping_add(count as u32);
        Ok(self.left > 0)
    }

    fn entry(
        &mut self,
        run: &mut Run<'_>,
        next: u64,
        number: u64,
        kind: FileKind,
        name: &[u8],
    ) -> Result<bool, Errno> {
        let mut head = [0; 24];
        head[..8].copy_from_slice(&next.to_le_bytes());
        head[8..16].copy_from_slice(&number.to_le_bytes());
        head[16..20].copy_from_slice(&(name.len() as u32).to_le_bytes());
        head[20] = filetype(kind);
        Ok(self.put(run, &head)? && self.put(run, name)?)
    }
}

pub(super) fn fd_readdir(run: &mut Run<'_>) -> Done {
    let ino = run.directory(run.u32(0))?;
    let (at, len, cookie, result) = (run.u32(1), run.u32(2), run.u64(3), run.u32(4));
    run.memory.check(result, 4)?;
    run.memory.check(at, len)?;
    let mut buffer = Buffer { at, left: len };
    run.process.fs.order(run.source, ino)?;
    fill(run, ino, cookie, &mut buffer)?;
    Ok(run.memory.write_u32(result, len - buffer.left)?)
}

fn fill(run: &mut Run<'_>, ino: Ino, cookie: u64, buffer: &mut Buffer) -> Result<(), Halt> {
    let fs = &run.process.fs;
    let number = fs.inode(ino)?.number;
    let parent = fs.directory(ino)?.parent.unwrap_or(ino);
    let parent = fs.inode(parent).map_or(number, |parent| parent.number);
    let dots = [(1, number, &b"."[..]), (2, parent, b"..")];
    for (next, number, name) in dots {
        if cookie < next && !buffer.entry(run, next, number, FileKind::Directory, name)? {
            return Ok(());
        }
    }
    let mut at = cookie.saturating_sub(DOTS);
    while let Some(listed) = run.process.fs.listed(run.source, ino, at)? {
        let (name, next) = (listed.name.as_bytes(), DOTS + listed.next);
        if !buffer.entry(run, next, listed.number, listed.kind, name)? {
            return Ok(());
        }
        at = listed.next;
    }
    Ok(())
}
