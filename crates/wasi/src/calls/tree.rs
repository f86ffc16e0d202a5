//! Names: making, moving and removing them.

use super::{Done, Run};
use crate::Errno;

pub(super) fn path_create_directory(run: &mut Run<'_>) -> Done {
    let at = run.path(0, 1, false)?;
    Ok(run.process.fs.create_directory(&at)?)
}

pub(super) fn path_remove_directory(run: &mut Run<'_>) -> Done {
    let at = run.path(0, 1, false)?;
    run.process.fs.remove_directory(run.source, &at)
}

pub(super) fn path_unlink_file(run: &mut Run<'_>) -> Done {
    let at = run.path(0, 1, false)?;
    Ok(run.process.fs.unlink(&at)?)
}

pub(super) fn path_link(run: &mut Run<'_>) -> Done {
    // As other runtimes have it: a link is made to what the name itself means.
    if run.u32(1) != 0 {
        return Err(Errno::Inval.into());
    }
    run.directory(run.u32(4))?;
    let from = run.path(0, 2, false)?;
    let to = run.path(4, 5, false)?;
    Ok(run.process.fs.link(&from, &to)?)
}

pub(super) fn path_rename(run: &mut Run<'_>) -> Done {
    run.directory(run.u32(3))?;
    let from = run.path(0, 1, false)?;
    let to = run.path(3, 4, false)?;
    run.process.fs.rename(run.source, &from, &to)
}

pub(super) fn path_symlink(run: &mut Run<'_>) -> Done {
    let target = run.text(0)?;
    let at = run.path(2, 3, false)?;
    Ok(run.process.fs.create_symlink(&at, &target)?)
}
