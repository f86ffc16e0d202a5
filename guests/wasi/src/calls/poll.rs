//! `poll_oneoff`: waiting for clocks and files.

use crate::check::{Check, DIR, Done, put};
use crate::raw::{self, Errno, Event, Open, Subscription};
use crate::{fails, holds, same};

pub const CHECKS: &[Check] = &[
    ("poll_clock", clock),
    ("poll_earliest_clock", earliest_clock),
    ("poll_absolute_clock", absolute_clock),
    ("poll_stdin", stdin),
    ("poll_stdin_and_clock", stdin_and_clock),
    ("poll_file", file),
    ("poll_refused", refused),
];

const MILLISECOND: u64 = 1_000_000;

fn clock() -> Done {
    let before = raw::time(raw::MONOTONIC)?;
    let wanted = [Subscription::clock(42, raw::MONOTONIC, 5 * MILLISECOND, false)];
    let events = raw::poll(&wanted)?;
    same!(events, [Event { userdata: 42, kind: raw::CLOCK, ..Event::default() }]);
    holds!(raw::time(raw::MONOTONIC)? >= before + 5 * MILLISECOND);
    Ok(())
}

fn earliest_clock() -> Done {
    let before = raw::time(raw::MONOTONIC)?;
    let hour = 3_600_000 * MILLISECOND;
    let events = raw::poll(&[
        Subscription::clock(1, raw::MONOTONIC, hour, false),
        Subscription::clock(2, raw::MONOTONIC, 2 * MILLISECOND, false),
        Subscription::clock(3, raw::REALTIME, hour, false),
    ])?;
    same!(events.iter().map(|event| event.userdata).collect::<Vec<_>>(), [2]);
    holds!(raw::time(raw::MONOTONIC)? < before + hour);
    Ok(())
}

fn absolute_clock() -> Done {
    for clock in [raw::MONOTONIC, raw::REALTIME] {
        let until = raw::time(clock)? + 3 * MILLISECOND;
        let events = raw::poll(&[Subscription::clock(7, clock, until, true)])?;
        same!((events.len(), events[0].errno), (1, 0));
        holds!(raw::time(clock)? >= until);
        // What is over is there at once.
        same!(raw::poll(&[Subscription::clock(7, clock, 1, true)])?.len(), 1);
    }
    Ok(())
}

/// Expects something in the standard input, or its end.
fn stdin() -> Done {
    let events = raw::poll(&[Subscription::readable(9, 0)])?;
    same!(events.len(), 1);
    same!((events[0].userdata, events[0].errno, events[0].kind), (9, 0, raw::READABLE));
    raw::read(0, &mut [0; 1])?;
    Ok(())
}

fn stdin_and_clock() -> Done {
    let hour = 3_600_000 * MILLISECOND;
    let before = raw::time(raw::MONOTONIC)?;
    let events = raw::poll(&[
        Subscription::clock(1, raw::MONOTONIC, hour, false),
        Subscription::readable(2, 0),
        Subscription::writable(3, 1),
    ])?;
    let mut ready: Vec<_> = events.iter().map(|event| event.userdata).collect();
    ready.sort_unstable();
    holds!(!ready.is_empty() && !ready.contains(&1));
    holds!(raw::time(raw::MONOTONIC)? < before + hour);
    Ok(())
}

fn file() -> Done {
    put("poll_file", b"12345")?;
    let fd = Open::both().at(DIR, "poll_file")?;
    let events = raw::poll(&[Subscription::readable(1, fd), Subscription::writable(2, fd)])?;
    same!(events.iter().all(|event| event.errno == 0), true);
    same!(events.len(), 2);
    same!((events[0].kind, events[1].kind), (raw::READABLE, raw::WRITABLE));
    raw::close(fd)?;
    Ok(())
}

fn refused() -> Done {
    fails!(raw::poll(&[]), Errno::INVAL);
    // A descriptor that is none is said of it alone, or refused.
    match raw::poll(&[Subscription::readable(1, 800)]) {
        Ok(events) => same!((events.len(), Errno(events[0].errno)), (1, Errno::BADF)),
        Err(errno) => same!(errno, Errno::BADF),
    }
    Ok(())
}
