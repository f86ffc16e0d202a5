//! Opening, and reading links.

use weft_object::directory::FileKind;

use super::{Done, Run, follows};
use crate::Errno;
use crate::fds::{Descriptor, OpenDirectory, OpenFile};
use crate::fs::{Ino, Resolved};
use crate::source::Halt;
use crate::types::{fdflag, oflag, right};

/// Only what was not there: not even through a symlink.
const NEW: u32 = oflag::CREAT | oflag::EXCL;

struct Opening {
    oflags: u32,
    follow: bool,
    read: bool,
    write: bool,
    flags: u16,
}

impl Opening {
    fn new(lookup: u32, oflags: u32, rights: u64, fdflags: u32) -> Result<Self, Errno> {
        let flags = u16::try_from(fdflags).map_err(|_| Errno::Inval)?;
        let other = oflags & !oflag::DIRECTORY != 0;
        if oflags & !oflag::ALL != 0
            || flags & !fdflag::ALL != 0
            || (oflags & oflag::DIRECTORY != 0 && other)
        {
            return Err(Errno::Inval);
        }
        let wants_write = rights & right::FD_WRITE != 0;
        Ok(Self {
            oflags,
            follow: follows(lookup)? && oflags & NEW != NEW,
            // Old C libraries open with no rights what they only read.
            read: rights & right::FD_READ != 0 || !wants_write,
            write: wants_write || oflags & (oflag::CREAT | oflag::TRUNC) != 0,
            flags,
        })
    }

    const fn has(&self, flags: u32) -> bool {
        self.oflags & flags == flags
    }
}

pub(super) fn path_open(run: &mut Run<'_>) -> Done {
    let result = run.u32(8);
    run.memory.check(result, 4)?;
    let opening = Opening::new(run.u32(1), run.u32(4), run.u64(5), run.u32(7))?;
    run.directory(run.u32(0))?;
    run.process.fds.check_room()?;
    let mut at = run.path(0, 2, opening.follow)?;
    if at.directory && !opening.follow && !opening.has(NEW) {
        at = run.path(0, 2, true)?;
    }
    let descriptor = match at.found {
        None => create(run, &opening, &at)?,
        Some(_) if opening.has(NEW) => {
            return Err(Errno::Exist.into());
        }
        Some(ino) => open(run, &opening, &at, ino)?,
    };
    if let Some(ino) = descriptor.ino() {
        run.process.fs.opened(ino);
    }
    let fd = run.process.fds.add(descriptor)?;
    Ok(run.memory.write_u32(result, fd)?)
}

fn create(run: &mut Run<'_>, opening: &Opening, at: &Resolved) -> Result<Descriptor, Halt> {
    if !opening.has(oflag::CREAT) {
        return Err(Errno::Noent.into());
    }
    let ino = run.process.fs.create_file(at)?;
    Ok(file(opening, ino))
}

fn open(run: &mut Run<'_>, opening: &Opening, at: &Resolved, ino: Ino) -> Result<Descriptor, Halt> {
    match run.process.fs.inode(ino)?.kind() {
        FileKind::Directory if opening.write => Err(Errno::Isdir.into()),
        FileKind::Directory => {
            let flags = opening.flags;
            Ok(Descriptor::Directory(OpenDirectory { ino, preopen: None, flags }))
        }
        FileKind::Symlink => Err(Errno::Loop.into()),
        FileKind::File if at.directory || opening.has(oflag::DIRECTORY) => {
            Err(Errno::Notdir.into())
        }
        FileKind::File => {
            if opening.has(oflag::TRUNC) {
                run.process.fs.clear(ino)?;
            }
            Ok(file(opening, ino))
        }
    }
}

const fn file(opening: &Opening, ino: Ino) -> Descriptor {
    let Opening { read, write, flags, .. } = *opening;
    Descriptor::File(OpenFile { ino, at: 0, read, write, flags })
}

pub(super) fn path_readlink(run: &mut Run<'_>) -> Done {
    let (buffer, len, result) = (run.u32(3), run.u32(4), run.u32(5));
    run.memory.check(result, 4)?;
    let at = run.path(0, 1, false)?;
    let ino = at.found.ok_or(Errno::Noent)?;
    if at.directory {
        return Err(Errno::Inval.into());
    }
    let target = run.process.fs.target(run.source, ino)?;
    let count = target.bytes().len().min(len as usize);
    run.memory.write(buffer, &target.bytes()[..count])?;
    Ok(run.memory.write_u32(result, count as u32)?)
}
