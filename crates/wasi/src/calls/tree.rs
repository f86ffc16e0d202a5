//! Names: making, moving and removing them.

use super::{Done, Run};
use crate::Errno;

pub(super) fn path_create_directory(run: &mut Run<'_>) -> Done {
    let (fd, path) = (run.u32(0), run.text(1)?);
    run.direct().create_directory(fd, &path)
}

pub(super) fn path_remove_directory(run: &mut Run<'_>) -> Done {
    let (fd, path) = (run.u32(0), run.text(1)?);
    run.direct().remove_directory(fd, &path)
}

pub(super) fn path_unlink_file(run: &mut Run<'_>) -> Done {
    let (fd, path) = (run.u32(0), run.text(1)?);
    run.direct().unlink(fd, &path)
}

pub(super) fn path_link(run: &mut Run<'_>) -> Done {
    // As other runtimes have it: a link is made to what the name itself means.
    if run.u32(1) != 0 {
        return Err(Errno::Inval.into());
    }
    let (old, new) = (run.u32(0), run.u32(4));
    let (from, to) = (run.text(2)?, run.text(5)?);
    run.direct().link((old, &from), (new, &to))
}

pub(super) fn path_rename(run: &mut Run<'_>) -> Done {
    let (old, new) = (run.u32(0), run.u32(3));
    let (from, to) = (run.text(1)?, run.text(4)?);
    run.direct().rename((old, &from), (new, &to))
}

pub(super) fn path_symlink(run: &mut Run<'_>) -> Done {
    let (target, fd, path) = (run.text(0)?, run.u32(2), run.text(3)?);
    run.direct().symlink(&target, fd, &path)
}
