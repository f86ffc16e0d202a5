//! Opening, and reading links.

use super::{Done, Run, follows};
use crate::Errno;
use crate::direct::Opening;
use crate::types::{fdflag, oflag, right};

fn opening(lookup: u32, oflags: u32, rights: u64, fdflags: u32) -> Result<Opening, Errno> {
    let flags = u16::try_from(fdflags).map_err(|_| Errno::Inval)?;
    let other = oflags & !oflag::DIRECTORY != 0;
    let has = |flag| oflags & flag != 0;
    if oflags & !oflag::ALL != 0 || flags & !fdflag::ALL != 0 || (has(oflag::DIRECTORY) && other) {
        return Err(Errno::Inval);
    }
    let wants_write = rights & right::FD_WRITE != 0;
    Ok(Opening {
        follow: follows(lookup)?,
        create: has(oflag::CREAT),
        exclusive: has(oflag::EXCL),
        truncate: has(oflag::TRUNC),
        directory: has(oflag::DIRECTORY),
        // Old C libraries open with no rights what they only read.
        read: rights & right::FD_READ != 0 || !wants_write,
        write: wants_write || has(oflag::CREAT | oflag::TRUNC),
        flags,
    })
}

pub(super) fn path_open(run: &mut Run<'_>) -> Done {
    let result = run.u32(8);
    run.memory.check(result, 4)?;
    let opening = opening(run.u32(1), run.u32(4), run.u64(5), run.u32(7))?;
    let fd = run.u32(0);
    run.directory(fd)?;
    run.process.fds.check_room()?;
    let path = run.text(2)?;
    let fd = run.direct().open(fd, &path, opening)?;
    Ok(run.memory.write_u32(result, fd)?)
}

pub(super) fn path_readlink(run: &mut Run<'_>) -> Done {
    let (buffer, len, result) = (run.u32(3), run.u32(4), run.u32(5));
    run.memory.check(result, 4)?;
    let (fd, path) = (run.u32(0), run.text(1)?);
    let target = run.direct().read_link(fd, &path)?;
    let count = target.bytes().len().min(len as usize);
    run.memory.write(buffer, &target.bytes()[..count])?;
    Ok(run.memory.write_u32(result, count as u32)?)
}
