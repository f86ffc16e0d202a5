//! Calls on a path below a directory.

use super::{Answer, Fd, Stat, answer, at, bare};

/// A path as two numbers.
fn parts(path: &str) -> (i32, i32) {
    (at(path.as_ptr()), path.len() as i32)
}

pub fn create_directory(fd: Fd, path: &str) -> Answer<()> {
    let (path, length) = parts(path);
    answer(unsafe { bare::path_create_directory(fd as i32, path, length) })
}

pub fn remove_directory(fd: Fd, path: &str) -> Answer<()> {
    let (path, length) = parts(path);
    answer(unsafe { bare::path_remove_directory(fd as i32, path, length) })
}

pub fn unlink(fd: Fd, path: &str) -> Answer<()> {
    let (path, length) = parts(path);
    answer(unsafe { bare::path_unlink_file(fd as i32, path, length) })
}

/// What is at the path; of a link at its end, what that names.
pub fn stat_at(fd: Fd, path: &str) -> Answer<Stat> {
    stat_of(fd, path, 1)
}

/// What is at the path, be it a link.
pub fn link_stat_at(fd: Fd, path: &str) -> Answer<Stat> {
    stat_of(fd, path, 0)
}

fn stat_of(fd: Fd, path: &str, follow: i32) -> Answer<Stat> {
    let mut stat = Stat::default();
    let (path, length) = parts(path);
    answer(unsafe { bare::path_filestat_get(fd as i32, follow, path, length, at(&raw mut stat)) })?;
    Ok(stat)
}

pub fn set_times_at(fd: Fd, path: &str, accessed: u64, modified: u64, flags: u16) -> Answer<()> {
    let (path, length) = parts(path);
    let (accessed, modified, flags) = (accessed as i64, modified as i64, flags.into());
    answer(unsafe {
        bare::path_filestat_set_times(fd as i32, 1, path, length, accessed, modified, flags)
    })
}

/// A second name for a file.
pub fn link(fd: Fd, path: &str, to_fd: Fd, to_path: &str) -> Answer<()> {
    let ((path, length), (to_path, to_length)) = (parts(path), parts(to_path));
    answer(unsafe { bare::path_link(fd as i32, 0, path, length, to_fd as i32, to_path, to_length) })
}

pub fn rename(fd: Fd, path: &str, to_fd: Fd, to_path: &str) -> Answer<()> {
    let ((path, length), (to_path, to_length)) = (parts(path), parts(to_path));
    answer(unsafe { bare::path_rename(fd as i32, path, length, to_fd as i32, to_path, to_length) })
}

pub fn symlink(target: &str, fd: Fd, path: &str) -> Answer<()> {
    let ((target, target_length), (path, length)) = (parts(target), parts(path));
    answer(unsafe { bare::path_symlink(target, target_length, fd as i32, path, length) })
}

/// What the link names, as far as the buffer holds it: how many bytes.
pub fn readlink(fd: Fd, path: &str, buffer: &mut [u8]) -> Answer<usize> {
    let mut count = 0;
    let (path, length) = parts(path);
    let (start, room) = (at(buffer.as_mut_ptr()), buffer.len() as i32);
    answer(unsafe {
        bare::path_readlink(fd as i32, path, length, start, room, at(&raw mut count))
    })?;
    Ok(count)
}
