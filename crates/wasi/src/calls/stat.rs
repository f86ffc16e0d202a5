//! What is known of a file beside its bytes.

use super::{Done, Run, follows};
use crate::Errno;
use crate::direct::{NewTime, Stat};
use crate::types::{FILETYPE_UNKNOWN, filetype, fstflag};

const FILESTAT_BYTES: usize = 64;

/// All files are on one device.
const DEVICE: u64 = 1;

fn filestat(stat: &Stat) -> [u8; FILESTAT_BYTES] {
    let mut out = [0; FILESTAT_BYTES];
    out[16] = filetype(stat.kind);
    let numbers = [
        (0, DEVICE),
        (8, stat.number),
        (24, stat.links),
        (32, stat.size),
        (40, stat.accessed_ns),
        (48, stat.modified_ns),
        (56, stat.changed_ns),
    ];
    for (at, number) in numbers {
        out[at..at + 8].copy_from_slice(&number.to_le_bytes());
    }
    out
}

pub(super) fn fd_filestat_get(run: &mut Run<'_>) -> Done {
    let fd = run.u32(0);
    let stat = match run.direct().stat(fd)? {
        Some(stat) => filestat(&stat),
        None => {
            let mut stream = [0; FILESTAT_BYTES];
            stream[16] = FILETYPE_UNKNOWN;
            stream
        }
    };
    Ok(run.memory.write(run.u32(1), &stat)?)
}

pub(super) fn path_filestat_get(run: &mut Run<'_>) -> Done {
    run.directory(run.u32(0))?;
    let (fd, follow, path) = (run.u32(0), follows(run.u32(1))?, run.text(2)?);
    let stat = run.direct().stat_at(fd, &path, follow)?;
    Ok(run.memory.write(run.u32(4), &filestat(&stat))?)
}

/// When it was read and changed, from two times and their flags.
fn times(run: &Run<'_>, from: usize) -> Result<(NewTime, NewTime), Errno> {
    let (accessed, modified, flags) = (run.u64(from), run.u64(from + 1), run.u32(from + 2));
    let time = |set, now, at| match (flags & set != 0, flags & now != 0) {
        (true, true) => Err(Errno::Inval),
        (true, false) => Ok(NewTime::At(at)),
        (false, true) => Ok(NewTime::Now),
        (false, false) => Ok(NewTime::Same),
    };
    if flags & !fstflag::ALL != 0 {
        return Err(Errno::Inval);
    }
    let accessed = time(fstflag::ATIM, fstflag::ATIM_NOW, accessed)?;
    Ok((accessed, time(fstflag::MTIM, fstflag::MTIM_NOW, modified)?))
}

pub(super) fn fd_filestat_set_times(run: &mut Run<'_>) -> Done {
    let fd = run.u32(0);
    run.process.fds.get(fd)?.ino().ok_or(Errno::Badf)?;
    let times = times(run, 1)?;
    run.direct().set_times(fd, times)
}

pub(super) fn path_filestat_set_times(run: &mut Run<'_>) -> Done {
    let (fd, follow, path) = (run.u32(0), follows(run.u32(1))?, run.text(2)?);
    let times = times(run, 4)?;
    run.direct().set_times_at(fd, &path, follow, times)
}
