//! Reading and writing: streams and open files.

use super::iovec::Iovecs;
use super::{Done, Run};
use crate::Errno;
use crate::fds::Descriptor;
use crate::source::Halt;
use crate::types::fdflag;

pub(super) fn fd_read(run: &mut Run<'_>) -> Done {
    let iovecs = Iovecs::new(&run.memory, run.u32(1), run.u32(2))?;
    let (fd, result) = (run.u32(0), run.u32(3));
    run.memory.check(result, 4)?;
    let process = &mut *run.process;
    let count = match process.fds.get_mut(fd)? {
        Descriptor::Stdin => {
            process.asked.stdin = true;
            let rest = &process.stdin.bytes()[process.stdin_at..];
            let count = iovecs.fill(&mut run.memory, rest)?;
            process.stdin_at += count as usize;
            count
        }
        Descriptor::File(file) if file.read => {
            let bytes = process.fs.read_from(run.source, file.ino, file.at)?;
            let count = iovecs.fill(&mut run.memory, bytes)?;
            file.at = file.at.saturating_add(u64::from(count));
            count
        }
        _ => return Err(Errno::Badf.into()),
    };
    Ok(run.memory.write_u32(result, count)?)
}

pub(super) fn fd_pread(run: &mut Run<'_>) -> Done {
    let iovecs = Iovecs::new(&run.memory, run.u32(1), run.u32(2))?;
    let (fd, at, result) = (run.u32(0), run.u64(3), run.u32(4));
    run.memory.check(result, 4)?;
    let process = &mut *run.process;
    let file = match process.fds.get(fd)? {
        Descriptor::File(file) if file.read => file,
        Descriptor::Stdin => return Err(Errno::Spipe.into()),
        _ => return Err(Errno::Badf.into()),
    };
    let bytes = process.fs.read_from(run.source, file.ino, at)?;
    let count = iovecs.fill(&mut run.memory, bytes)?;
    Ok(run.memory.write_u32(result, count)?)
}

pub(super) fn fd_write(run: &mut Run<'_>) -> Done {
    let iovecs = Iovecs::new(&run.memory, run.u32(1), run.u32(2))?;
    let result = run.u32(3);
    run.memory.check(result, 4)?;
    let fd = run.u32(0);
    let count = match run.process.fds.get(fd)? {
        Descriptor::Stdout | Descriptor::Stderr => write_stream(run, fd, iovecs)?,
        Descriptor::File(file) if file.write => {
            let at = match file.flags & fdflag::APPEND {
                0 => file.at,
                _ => run.process.fs.file_size(file.ino)?,
            };
            let count = write_file(run, fd, iovecs, at)?;
            run.process.fds.file_mut(fd)?.at = at.saturating_add(u64::from(count));
            count
        }
        _ => return Err(Errno::Badf.into()),
    };
    Ok(run.memory.write_u32(result, count)?)
}

pub(super) fn fd_pwrite(run: &mut Run<'_>) -> Done {
    let iovecs = Iovecs::new(&run.memory, run.u32(1), run.u32(2))?;
    let (at, result) = (run.u64(3), run.u32(4));
    run.memory.check(result, 4)?;
    let fd = run.u32(0);
    let at = match run.process.fds.get(fd)? {
        // As in Linux: what appends does so whatever place is named.
        Descriptor::File(file) if file.write && file.flags & fdflag::APPEND != 0 => {
            run.process.fs.file_size(file.ino)?
        }
        Descriptor::File(file) if file.write => at,
        Descriptor::Stdout | Descriptor::Stderr => return Err(Errno::Spipe.into()),
        _ => return Err(Errno::Badf.into()),
    };
    let count = write_file(run, fd, iovecs, at)?;
    Ok(run.memory.write_u32(result, count)?)
}

/// What was written before there was no more room counts; only if that is
/// nothing is there an error.
fn written(so_far: u32, halt: Halt) -> Result<u32, Halt> {
    match halt {
        Halt::Errno(_) if so_far > 0 => Ok(so_far),
        halt => Err(halt),
    }
}

fn write_stream(run: &mut Run<'_>, fd: u32, iovecs: Iovecs) -> Result<u32, Halt> {
    let process = &mut *run.process;
    let stream = match process.fds.get(fd)? {
        Descriptor::Stdout => &mut process.stdout,
        _ => &mut process.stderr,
    };
    let mut count = 0;
    for bytes in iovecs.bytes(&run.memory) {
        let bytes = bytes?;
        if let Err(errno) = process.fs.budget.take(bytes.len() as u64) {
            return written(count, errno.into());
        }
        stream.extend_from_slice(bytes);
        count += bytes.len() as u32;
    }
    Ok(count)
}

fn write_file(run: &mut Run<'_>, fd: u32, iovecs: Iovecs, at: u64) -> Result<u32, Halt> {
    let ino = run.process.fds.file(fd)?.ino;
    let mut count = 0;
    for bytes in iovecs.bytes(&run.memory) {
        let bytes = bytes?;
        let at = at.checked_add(u64::from(count)).ok_or(Errno::Fbig)?;
        if let Err(halt) = run.process.fs.write_at(run.source, ino, at, bytes) {
            return written(count, halt);
        }
        count += bytes.len() as u32;
    }
    Ok(count)
}

pub(super) fn fd_seek(run: &mut Run<'_>) -> Done {
    let (fd, offset, whence, result) = (run.u32(0), run.u64(1) as i64, run.u32(2), run.u32(3));
    run.memory.check(result, 8)?;
    let process = &mut *run.process;
    let file = process.fds.seekable(fd)?;
    let base = match whence {
        0 => 0,
        1 => file.at,
        2 => process.fs.file_size(file.ino)?,
        _ => return Err(Errno::Inval.into()),
    };
    file.at = base.checked_add_signed(offset).ok_or(Errno::Inval)?;
    Ok(run.memory.write_u64(result, file.at)?)
}

pub(super) fn fd_tell(run: &mut Run<'_>) -> Done {
    let at = run.process.fds.seekable(run.u32(0))?.at;
    Ok(run.memory.write_u64(run.u32(1), at)?)
}

pub(super) fn fd_allocate(run: &mut Run<'_>) -> Done {
    let file = run.process.fds.file(run.u32(0))?;
    if !file.write {
        return Err(Errno::Badf.into());
    }
    let (offset, len) = (run.u64(1), run.u64(2));
    if len == 0 {
        return Err(Errno::Inval.into());
    }
    let size = offset.checked_add(len).ok_or(Errno::Fbig)?;
    let ino = file.ino;
    run.process.fs.allocate(run.source, ino, size)
}

pub(super) fn fd_filestat_set_size(run: &mut Run<'_>) -> Done {
    let (fd, size) = (run.u32(0), run.u64(1));
    run.direct().set_size(fd, size)
}

/// The advice is heard and not needed.
pub(super) fn fd_advise(run: &mut Run<'_>) -> Done {
    run.process.fds.file(run.u32(0))?;
    match run.u32(3) {
        0..=5 => Ok(()),
        _ => Err(Errno::Inval.into()),
    }
}

/// There is no disk: what was written is written. Other runtimes refuse a
/// directory too.
pub(super) fn fd_sync(run: &mut Run<'_>) -> Done {
    run.process.fds.file(run.u32(0))?;
    Ok(())
}
