//! Waiting. Streams and files are always ready, so only somebody who waits for
//! nothing but clocks waits at all; then the clock jumps.

use super::clock::check_clock;
use super::{Done, Run};
use crate::Errno;
use crate::fds::Descriptor;
use crate::memory::Memory;
use crate::source::Halt;

const SUBSCRIPTION_BYTES: u32 = 48;
const EVENT_BYTES: u32 = 32;
const COUNT_MAX: u32 = 1024;

const CLOCK: u8 = 0;
const FD_READ: u8 = 1;
const FD_WRITE: u8 = 2;

const ABSTIME: u16 = 1;
const HANGUP: u16 = 1;

struct Subscription {
    userdata: u64,
    kind: u8,
    /// A clock's or descriptor's number.
    subject: u32,
    timeout: u64,
    flags: u16,
}

impl Subscription {
    fn read(memory: &Memory<'_>, at: u32) -> Result<Self, Errno> {
        let raw: [u8; SUBSCRIPTION_BYTES as usize] = memory.array(at)?;
        let u64_at = |at: usize| {
            let mut bytes = [0; 8];
            bytes.copy_from_slice(&raw[at..at + 8]);
            u64::from_le_bytes(bytes)
        };
        Ok(Self {
            userdata: u64_at(0),
            kind: raw[8],
            subject: u64_at(16) as u32,
            timeout: u64_at(24),
            flags: u16::from_le_bytes([raw[40], raw[41]]),
        })
    }
}

/// What a subscription has come to.
enum State {
    Ready {
        bytes: u64,
        flags: u16,
    },
    /// Until this instant.
    Waits(u64),
}

pub(super) fn poll_oneoff(run: &mut Run<'_>) -> Done {
    let (from, to, count, result) = (run.u32(0), run.u32(1), run.u32(2), run.u32(3));
    if count == 0 || count > COUNT_MAX {
        return Err(Errno::Inval.into());
    }
    run.memory.check(result, 4)?;
    run.memory.check(to, count * EVENT_BYTES)?;
    run.memory.check(from, count * SUBSCRIPTION_BYTES)?;
    let mut waiting = Vec::with_capacity(count as usize);
    for index in 0..count {
        let at = Memory::element(from, index, SUBSCRIPTION_BYTES)?;
        let subscription = Subscription::read(&run.memory, at)?;
        let state = look(run, &subscription)?;
        waiting.push((subscription, state));
    }
    let instants = waiting.iter().map(|(_, state)| match state {
        State::Waits(until) => *until,
        _ => 0,
    });
    let until = instants.min().unwrap_or(0);
    // Who waits for streams alone is not told the time.
    if waiting.iter().any(|(subscription, _)| subscription.kind == CLOCK) {
        // 0 if something is ready now, and a clock does not go back.
        run.process.clock.jump_to(until);
    }
    let now = run.process.clock.now_ns();
    let mut events = 0;
    for (subscription, state) in waiting {
        let (bytes, flags) = match state {
            State::Waits(until) if until > now => continue,
            State::Waits(_) => (0, 0),
            State::Ready { bytes, flags } => (bytes, flags),
        };
        let mut event = [0; EVENT_BYTES as usize];
        event[..8].copy_from_slice(&subscription.userdata.to_le_bytes());
        event[10] = subscription.kind;
        event[16..24].copy_from_slice(&bytes.to_le_bytes());
        event[24..26].copy_from_slice(&flags.to_le_bytes());
        run.memory.write(Memory::element(to, events, EVENT_BYTES)?, &event)?;
        events += 1;
    }
    Ok(run.memory.write_u32(result, events)?)
}

/// What cannot be waited for fails the call, not its event alone: so do other
/// runtimes, and programs that look for it look there.
fn look(run: &mut Run<'_>, subscription: &Subscription) -> Result<State, Halt> {
    let Subscription { kind, subject, timeout, flags, .. } = *subscription;
    let state = match kind {
        CLOCK => {
            let now = run.process.clock.now_ns();
            match (check_clock(subject), flags) {
                (Ok(()), 0) => State::Waits(now.saturating_add(timeout)),
                (Ok(()), ABSTIME) => State::Waits(timeout),
                _ => return Err(Errno::Inval.into()),
            }
        }
        FD_READ => readable(run, subject)?,
        FD_WRITE => match run.process.fds.get(subject)? {
            Descriptor::Stdout | Descriptor::Stderr => room(run),
            Descriptor::File(file) if file.write => room(run),
            _ => return Err(Errno::Badf.into()),
        },
        _ => return Err(Errno::Inval.into()),
    };
    Ok(state)
}

fn readable(run: &mut Run<'_>, fd: u32) -> Result<State, Halt> {
    let process = &mut *run.process;
    let bytes = match process.fds.get(fd)? {
        Descriptor::Stdin => {
            process.asked.stdin = true;
            (process.stdin.bytes().len() - process.stdin_at) as u64
        }
        Descriptor::File(file) if file.read => {
            process.fs.file_size(file.ino)?.saturating_sub(file.at)
        }
        _ => return Err(Errno::Badf.into()),
    };
    let flags = if bytes == 0 { HANGUP } else { 0 };
    Ok(State::Ready { bytes, flags })
}

fn room(run: &Run<'_>) -> State {
    State::Ready { bytes: run.process.fs.budget.left(), flags: 0 }
}
