//! What is known of a file beside its bytes.

use weft_object::directory::FileKind;

use super::{Done, Run};
use crate::Errno;
use crate::fs::Ino;
use crate::observe::Answer;
use crate::source::Halt;
use crate::types::{FILETYPE_UNKNOWN, filetype, fstflag};

const FILESTAT_BYTES: usize = 64;

/// All files are on one device.
const DEVICE: u64 = 1;

fn filestat(run: &mut Run<'_>, ino: Ino) -> Result<[u8; FILESTAT_BYTES], Halt> {
    let inode = run.process.fs.inode(ino)?;
    let (kind, size) = (inode.kind(), inode.size());
    let mut out = [0; FILESTAT_BYTES];
    out[16] = filetype(kind);
    let numbers = [
        (0, DEVICE),
        (8, inode.number),
        (24, inode.links.max(u64::from(kind == FileKind::Directory))),
        (32, size),
        (40, inode.times.accessed),
        (48, inode.times.modified),
        (56, inode.times.changed),
    ];
    for (at, number) in numbers {
        out[at..at + 8].copy_from_slice(&number.to_le_bytes());
    }
    match kind {
        FileKind::File => _ = run.process.fs.file_size(ino)?,
        FileKind::Symlink => run.process.fs.observe(ino, Answer::Size(kind, size)),
        FileKind::Directory => {}
    }
    Ok(out)
}

pub(super) fn fd_filestat_get(run: &mut Run<'_>) -> Done {
    let stat = match run.process.fds.get(run.u32(0))?.ino() {
        Some(ino) => filestat(run, ino)?,
        None => {
            let mut stream = [0; FILESTAT_BYTES];
            stream[16] = FILETYPE_UNKNOWN;
            stream
        }
    };
    Ok(run.memory.write(run.u32(1), &stat)?)
}

pub(super) fn path_filestat_get(run: &mut Run<'_>) -> Done {
    let ino = run.existing(0, 2, run.u32(1))?;
    let stat = filestat(run, ino)?;
    Ok(run.memory.write(run.u32(4), &stat)?)
}

/// Times are the run's own: they show in what it asks, and go with it.
fn set_times(run: &mut Run<'_>, ino: Ino, from: usize) -> Done {
    let (accessed, modified, flags) = (run.u64(from), run.u64(from + 1), run.u32(from + 2));
    let both = |one, other| flags & one != 0 && flags & other != 0;
    if flags & !fstflag::ALL != 0
        || both(fstflag::ATIM, fstflag::ATIM_NOW)
        || both(fstflag::MTIM, fstflag::MTIM_NOW)
    {
        return Err(Errno::Inval.into());
    }
    let now = run.process.clock.now_ns();
    let times = &mut run.process.fs.inode_mut(ino)?.times;
    match flags & (fstflag::ATIM | fstflag::ATIM_NOW) {
        0 => {}
        fstflag::ATIM => times.accessed = accessed,
        _ => times.accessed = now,
    }
    match flags & (fstflag::MTIM | fstflag::MTIM_NOW) {
        0 => {}
        fstflag::MTIM => times.modified = modified,
        _ => times.modified = now,
    }
    times.changed = now;
    Ok(())
}

pub(super) fn fd_filestat_set_times(run: &mut Run<'_>) -> Done {
    let ino = run.process.fds.get(run.u32(0))?.ino().ok_or(Errno::Badf)?;
    set_times(run, ino, 1)
}

pub(super) fn path_filestat_set_times(run: &mut Run<'_>) -> Done {
    let ino = run.existing(0, 2, run.u32(1))?;
    set_times(run, ino, 4)
}
