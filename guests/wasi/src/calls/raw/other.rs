//! Calls that are not about files.

use super::{Answer, Fd, answer, at, bare};

pub const REALTIME: u32 = 0;
pub const MONOTONIC: u32 = 1;

/// The time of a clock in nanoseconds.
pub fn time(clock: u32) -> Answer<u64> {
    let mut time = 0;
    answer(unsafe { bare::clock_time_get(clock as i32, 1, at(&raw mut time)) })?;
    Ok(time)
}

/// The step of a clock in nanoseconds.
pub fn resolution(clock: u32) -> Answer<u64> {
    let mut step = 0;
    answer(unsafe { bare::clock_res_get(clock as i32, at(&raw mut step)) })?;
    Ok(step)
}

pub fn random(buffer: &mut [u8]) -> Answer<()> {
    answer(unsafe { bare::random_get(at(buffer.as_mut_ptr()), buffer.len() as i32) })
}

pub fn yield_now() -> Answer<()> {
    answer(unsafe { bare::sched_yield() })
}

/// How long the name is under which this directory was opened before the start.
pub fn prestat(fd: Fd) -> Answer<usize> {
    // A tag of one byte, which is 0 for a directory, then the length.
    let mut prestat = [0xff_u32, 0];
    answer(unsafe { bare::fd_prestat_get(fd as i32, at(prestat.as_mut_ptr())) })?;
    match prestat {
        [0, length] => Ok(length as usize),
        _ => Err(super::Errno::INVAL),
    }
}

/// That name, into a buffer of this size.
pub fn prestat_name(fd: Fd, bytes: usize) -> Answer<String> {
    let mut name = vec![0; bytes];
    let start = at(name.as_mut_ptr());
    answer(unsafe { bare::fd_prestat_dir_name(fd as i32, start, bytes as i32) })?;
    Ok(String::from_utf8_lossy(&name).into_owned())
}

/// The arguments by the two calls that give them, each without its last zero.
pub fn arguments() -> Answer<Vec<Vec<u8>>> {
    strings(bare::args_sizes_get, bare::args_get)
}

/// The environment likewise, as `NAME=value`.
pub fn environment() -> Answer<Vec<Vec<u8>>> {
    strings(bare::environ_sizes_get, bare::environ_get)
}

type Call = unsafe extern "C" fn(i32, i32) -> i32;

fn strings(sizes: Call, get: Call) -> Answer<Vec<Vec<u8>>> {
    let (mut count, mut bytes) = (0_usize, 0_usize);
    answer(unsafe { sizes(at(&raw mut count), at(&raw mut bytes)) })?;
    let (mut table, mut text) = (vec![0_usize; count], vec![1_u8; bytes]);
    answer(unsafe { get(at(table.as_mut_ptr()), at(text.as_mut_ptr())) })?;
    let begin = text.as_ptr() as usize;
    let string = |start: &usize| {
        let rest = start.checked_sub(begin).and_then(|from| text.get(from..));
        rest.map(|rest| rest.iter().copied().take_while(|byte| *byte != 0).collect())
    };
    // A start outside of the text is none of ours.
    table.iter().map(string).collect::<Option<_>>().ok_or(super::Errno::FAULT)
}

pub fn sock_accept(fd: Fd) -> Answer<()> {
    let mut out = 0_u32;
    answer(unsafe { bare::sock_accept(fd as i32, 0, at(&raw mut out)) })
}

pub fn sock_recv(fd: Fd) -> Answer<()> {
    let (mut count, mut flags) = (0_u32, 0_u32);
    answer(unsafe { bare::sock_recv(fd as i32, 0, 0, 0, at(&raw mut count), at(&raw mut flags)) })
}

pub fn sock_send(fd: Fd) -> Answer<()> {
    let mut count = 0_u32;
    answer(unsafe { bare::sock_send(fd as i32, 0, 0, 0, at(&raw mut count)) })
}

pub fn sock_shutdown(fd: Fd) -> Answer<()> {
    answer(unsafe { bare::sock_shutdown(fd as i32, 1) })
}
