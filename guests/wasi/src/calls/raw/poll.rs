//! `poll_oneoff`.

use super::{Answer, Fd, answer, at, bare};

/// What is waited for, as the call has it: 48 bytes.
#[derive(Clone, Copy)]
#[repr(transparent)]
pub struct Subscription(
    // Only the host reads it.
    #[allow(dead_code)] [u64; 6],
);

impl Subscription {
    /// A clock, until `timeout_ns` from now, or until it shows that where
    /// `absolute`.
    pub fn clock(userdata: u64, clock: u32, timeout_ns: u64, absolute: bool) -> Self {
        Self([userdata, 0, clock.into(), timeout_ns, 0, absolute.into()])
    }

    pub fn readable(userdata: u64, fd: Fd) -> Self {
        Self([userdata, 1, fd.into(), 0, 0, 0])
    }

    pub fn writable(userdata: u64, fd: Fd) -> Self {
        Self([userdata, 2, fd.into(), 0, 0, 0])
    }
}

/// What happened: 32 bytes.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
#[repr(C)]
pub struct Event {
    pub userdata: u64,
    pub errno: u16,
    pub kind: u8,
    pub bytes: u64,
    pub flags: u16,
}

pub const CLOCK: u8 = 0;
pub const READABLE: u8 = 1;
pub const WRITABLE: u8 = 2;

/// Waits until one of them happens: what did.
pub fn poll(wanted: &[Subscription]) -> Answer<Vec<Event>> {
    let mut events = vec![Event::default(); wanted.len()];
    let (mut count, length) = (0_usize, wanted.len() as i32);
    answer(unsafe {
        bare::poll_oneoff(at(wanted.as_ptr()), at(events.as_mut_ptr()), length, at(&raw mut count))
    })?;
    events.truncate(count);
    Ok(events)
}
