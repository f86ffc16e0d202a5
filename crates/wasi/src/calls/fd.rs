//! Descriptors themselves.

use weft_object::directory::FileKind;

use super::{Done, Run};
use crate::Errno;
use crate::fds::{Descriptor, OpenFile};
use crate::types::{FILETYPE_UNKNOWN, fdflag, filetype, right};

pub(super) fn fd_close(run: &mut Run<'_>) -> Done {
    let fd = run.u32(0);
    Ok(run.direct().close(fd)?)
}

pub(super) fn fd_renumber(run: &mut Run<'_>) -> Done {
    let replaced = run.process.fds.renumber(run.u32(0), run.u32(1))?;
    if let Some(ino) = replaced.and_then(|replaced| replaced.ino()) {
        run.process.fs.closed(ino);
    }
    Ok(())
}

const fn file_rights(file: &OpenFile) -> u64 {
    let mut rights = right::ALL;
    if !file.read {
        rights &= !(right::FD_READ | right::FD_READDIR);
    }
    if !file.write {
        rights &= !right::FD_WRITE;
    }
    rights
}

pub(super) fn fd_fdstat_get(run: &mut Run<'_>) -> Done {
    let (kind, flags, base, inheriting) = match run.process.fds.get(run.u32(0))? {
        Descriptor::Stdin => (FILETYPE_UNKNOWN, 0, right::FD_READ, right::FD_READ),
        Descriptor::Stdout | Descriptor::Stderr => {
            (FILETYPE_UNKNOWN, 0, right::FD_WRITE, right::FD_WRITE)
        }
        Descriptor::File(file) => {
            let rights = file_rights(file);
            (filetype(FileKind::File), file.flags, rights, rights)
        }
        Descriptor::Directory(directory) => {
            let kind = filetype(FileKind::Directory);
            (kind, directory.flags, right::DIRECTORY, right::INHERITING)
        }
    };
    let mut out = [0; 24];
    out[0] = kind;
    out[2..4].copy_from_slice(&flags.to_le_bytes());
    out[8..16].copy_from_slice(&base.to_le_bytes());
    out[16..].copy_from_slice(&inheriting.to_le_bytes());
    Ok(run.memory.write(run.u32(1), &out)?)
}

pub(super) fn fd_fdstat_set_flags(run: &mut Run<'_>) -> Done {
    let flags = u16::try_from(run.u32(1)).map_err(|_| Errno::Inval)?;
    let fd = run.u32(0);
    let file = run.process.fds.file_mut(fd)?;
    if flags & !(fdflag::APPEND | fdflag::NONBLOCK) != 0 {
        return Err(Errno::Inval.into());
    }
    file.flags = flags | file.flags & !(fdflag::APPEND | fdflag::NONBLOCK);
    Ok(())
}

/// Rights say what a descriptor was opened for and nothing more. Who gives some
/// up should not believe that they are gone.
pub(super) fn fd_fdstat_set_rights(run: &mut Run<'_>) -> Done {
    run.process.fds.get(run.u32(0))?;
    Err(Errno::Notsup.into())
}

pub(super) fn fd_prestat_get(run: &mut Run<'_>) -> Done {
    let path = match run.process.fds.get(run.u32(0))? {
        Descriptor::Directory(directory) => directory.preopen,
        _ => None,
    };
    let path = path.and_then(|at| run.process.paths.get(at)).ok_or(Errno::Badf)?;
    let len = u32::try_from(path.len()).map_err(|_| Errno::Overflow)?;
    let mut out = [0; 8];
    out[4..].copy_from_slice(&len.to_le_bytes());
    Ok(run.memory.write(run.u32(1), &out)?)
}

pub(super) fn fd_prestat_dir_name(run: &mut Run<'_>) -> Done {
    let (fd, at, len_max) = (run.u32(0), run.u32(1), run.u32(2));
    let path = match run.process.fds.get(fd)? {
        Descriptor::Directory(directory) => directory.preopen,
        _ => None,
    };
    let path = path.and_then(|at| run.process.paths.get(at)).ok_or(Errno::Notdir)?;
    if path.len() > len_max as usize {
        return Err(Errno::Nametoolong.into());
    }
    Ok(run.memory.write(at, path)?)
}
