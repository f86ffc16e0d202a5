//! Places outside of the memory: each is refused, and nothing else happens.

use crate::check::{Check, DIR, Done, get, put};
use crate::raw::{self, Errno, Open, bare};
use crate::{holds, same};

pub const CHECKS: &[Check] = &[
    ("pointer_outside", outside),
    ("pointer_to_vectors", to_vectors),
    ("pointer_of_paths", of_paths),
    ("pointer_of_results", of_results),
];

/// Beyond any memory of ours.
const WILD: i32 = -16;

/// Whether the call was refused. A host may also trap, and then nobody asks.
fn is_fault(code: i32) -> bool {
    [Errno::FAULT, Errno::INVAL, Errno::OVERFLOW, Errno::FBIG].contains(&Errno(code as u16))
}

fn outside() -> Done {
    holds!(is_fault(unsafe { bare::random_get(WILD, 8) }));
    holds!(is_fault(unsafe { bare::random_get(WILD, 64) }));
    holds!(is_fault(unsafe { bare::clock_time_get(0, 1, WILD + 12) }));
    holds!(is_fault(unsafe { bare::args_get(WILD, WILD) }));
    holds!(is_fault(unsafe { bare::args_sizes_get(WILD, WILD) }));
    Ok(())
}

fn to_vectors() -> Done {
    put("pointer_file", b"stays")?;
    let fd = Open::both().at(DIR, "pointer_file")? as i32;
    let mut count = 0_u32;
    let out = &raw mut count as i32;
    // The list itself, its length, and what it points at.
    holds!(is_fault(unsafe { bare::fd_write(fd, WILD, 1, out) }));
    holds!(is_fault(unsafe { bare::fd_write(fd, WILD, i32::MAX, out) }));
    let vectors = [WILD, 8_i32];
    let start = vectors.as_ptr() as i32;
    holds!(is_fault(unsafe { bare::fd_write(fd, start, 1, out) }));
    holds!(is_fault(unsafe { bare::fd_pwrite(fd, start, 1, 0, out) }));
    holds!(is_fault(unsafe { bare::fd_read(fd, start, 1, out) }));
    holds!(is_fault(unsafe { bare::fd_pread(fd, start, 1, 0, out) }));
    raw::close(fd as u32)?;
    same!(get("pointer_file")?, b"stays");
    Ok(())
}

fn of_paths() -> Done {
    let dir = DIR as i32;
    let mut stat = raw::Stat::default();
    let out = &raw mut stat as i32;
    holds!(is_fault(unsafe { bare::path_filestat_get(dir, 1, WILD, 32, out) }));
    holds!(is_fault(unsafe { bare::path_create_directory(dir, WILD, 32) }));
    holds!(is_fault(unsafe { bare::path_unlink_file(dir, WILD, -1) }));
    holds!(is_fault(unsafe { bare::path_symlink(WILD, 32, dir, WILD, 32) }));
    Ok(())
}

fn of_results() -> Done {
    put("pointer_result", b"content")?;
    let fd = Open::both().at(DIR, "pointer_result")? as i32;
    holds!(is_fault(unsafe { bare::fd_filestat_get(fd, WILD) }));
    holds!(is_fault(unsafe { bare::fd_fdstat_get(fd, WILD) }));
    holds!(is_fault(unsafe { bare::fd_tell(fd, WILD + 12) }));
    let mut count = 0_u32;
    let out = &raw mut count as i32;
    holds!(is_fault(unsafe { bare::fd_readdir(DIR as i32, WILD, 64, 0, out) }));
    raw::close(fd as u32)?;
    Ok(())
}
