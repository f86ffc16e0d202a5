//! Calls on a descriptor.

use super::{Answer, Fd, answer, at, bare};

#[repr(C)]
struct Vector {
    start: i32,
    length: i32,
}

/// A buffer that is read from.
fn from(buffer: &[u8]) -> Vector {
    Vector { start: at(buffer.as_ptr()), length: buffer.len() as i32 }
}

/// A buffer that is written to.
fn into(buffer: &mut [u8]) -> Vector {
    Vector { start: at(buffer.as_mut_ptr()), length: buffer.len() as i32 }
}

/// What `fd_filestat_get` says.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
#[repr(C)]
pub struct Stat {
    pub device: u64,
    pub inode: u64,
    pub kind: u8,
    pub links: u64,
    pub size: u64,
    pub accessed: u64,
    pub modified: u64,
    pub changed: u64,
}

/// What `fd_fdstat_get` says.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
#[repr(C)]
pub struct FdStat {
    pub kind: u8,
    pub flags: u16,
    pub rights: u64,
    pub inheriting: u64,
}

pub const DIRECTORY: u8 = 3;
pub const REGULAR: u8 = 4;
pub const SYMLINK: u8 = 7;

pub const APPEND: u16 = 1;

pub const ACCESSED: u16 = 1;
pub const MODIFIED: u16 = 4;
pub const MODIFIED_NOW: u16 = 8;

pub const FROM_START: u8 = 0;
pub const FROM_HERE: u8 = 1;
pub const FROM_END: u8 = 2;

pub fn close(fd: Fd) -> Answer<()> {
    answer(unsafe { bare::fd_close(fd as i32) })
}

pub fn read(fd: Fd, buffer: &mut [u8]) -> Answer<usize> {
    let (mut count, vectors) = (0, [into(buffer)]);
    answer(unsafe { bare::fd_read(fd as i32, at(&vectors), 1, at(&raw mut count)) })?;
    Ok(count)
}

/// Into two buffers by one call.
pub fn read_two(fd: Fd, first: &mut [u8], second: &mut [u8]) -> Answer<usize> {
    let (mut count, vectors) = (0, [into(first), into(second)]);
    answer(unsafe { bare::fd_read(fd as i32, at(&vectors), 2, at(&raw mut count)) })?;
    Ok(count)
}

pub fn pread(fd: Fd, buffer: &mut [u8], offset: u64) -> Answer<usize> {
    let (mut count, vectors, out) = (0, [into(buffer)], offset as i64);
    answer(unsafe { bare::fd_pread(fd as i32, at(&vectors), 1, out, at(&raw mut count)) })?;
    Ok(count)
}

pub fn write(fd: Fd, buffer: &[u8]) -> Answer<usize> {
    let (mut count, vectors) = (0, [from(buffer)]);
    answer(unsafe { bare::fd_write(fd as i32, at(&vectors), 1, at(&raw mut count)) })?;
    Ok(count)
}

/// From three buffers by one call, the middle one empty.
pub fn write_two(fd: Fd, first: &[u8], second: &[u8]) -> Answer<usize> {
    let (mut count, vectors) = (0, [from(first), from(&[]), from(second)]);
    answer(unsafe { bare::fd_write(fd as i32, at(&vectors), 3, at(&raw mut count)) })?;
    Ok(count)
}

pub fn pwrite(fd: Fd, buffer: &[u8], offset: u64) -> Answer<usize> {
    let (mut count, vectors, out) = (0, [from(buffer)], offset as i64);
    answer(unsafe { bare::fd_pwrite(fd as i32, at(&vectors), 1, out, at(&raw mut count)) })?;
    Ok(count)
}

pub fn seek(fd: Fd, offset: i64, whence: u8) -> Answer<u64> {
    let mut place = 0;
    answer(unsafe { bare::fd_seek(fd as i32, offset, whence.into(), at(&raw mut place)) })?;
    Ok(place)
}

pub fn tell(fd: Fd) -> Answer<u64> {
    let mut place = 0;
    answer(unsafe { bare::fd_tell(fd as i32, at(&raw mut place)) })?;
    Ok(place)
}

pub fn stat(fd: Fd) -> Answer<Stat> {
    let mut stat = Stat::default();
    answer(unsafe { bare::fd_filestat_get(fd as i32, at(&raw mut stat)) })?;
    Ok(stat)
}

pub fn set_size(fd: Fd, size: u64) -> Answer<()> {
    answer(unsafe { bare::fd_filestat_set_size(fd as i32, size as i64) })
}

/// Times in nanoseconds; which of them count is in the flags.
pub fn set_times(fd: Fd, accessed: u64, modified: u64, flags: u16) -> Answer<()> {
    let (accessed, modified) = (accessed as i64, modified as i64);
    answer(unsafe { bare::fd_filestat_set_times(fd as i32, accessed, modified, flags.into()) })
}

pub fn fdstat(fd: Fd) -> Answer<FdStat> {
    let mut stat = FdStat::default();
    answer(unsafe { bare::fd_fdstat_get(fd as i32, at(&raw mut stat)) })?;
    Ok(stat)
}

pub fn set_flags(fd: Fd, flags: u16) -> Answer<()> {
    answer(unsafe { bare::fd_fdstat_set_flags(fd as i32, flags.into()) })
}

pub fn set_rights(fd: Fd, rights: u64, inheriting: u64) -> Answer<()> {
    let (rights, inheriting) = (rights as i64, inheriting as i64);
    answer(unsafe { bare::fd_fdstat_set_rights(fd as i32, rights, inheriting) })
}

pub fn allocate(fd: Fd, offset: u64, length: u64) -> Answer<()> {
    answer(unsafe { bare::fd_allocate(fd as i32, offset as i64, length as i64) })
}

pub fn advise(fd: Fd, offset: u64, length: u64, advice: u8) -> Answer<()> {
    answer(unsafe { bare::fd_advise(fd as i32, offset as i64, length as i64, advice.into()) })
}

pub fn sync(fd: Fd) -> Answer<()> {
    answer(unsafe { bare::fd_sync(fd as i32) })
}

pub fn datasync(fd: Fd) -> Answer<()> {
    answer(unsafe { bare::fd_datasync(fd as i32) })
}

pub fn renumber(from: Fd, to: Fd) -> Answer<()> {
    answer(unsafe { bare::fd_renumber(from as i32, to as i32) })
}
