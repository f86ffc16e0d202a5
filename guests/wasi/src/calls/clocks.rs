//! Clocks.

use crate::check::{Check, Done};
use crate::raw::{self, Errno};
use crate::{fails, holds};

pub const CHECKS: &[Check] = &[
    ("clock_monotonic", monotonic),
    ("clock_realtime", realtime),
    ("clock_resolution", resolution),
    ("clock_unknown", unknown),
    ("clock_std", with_std),
];

fn monotonic() -> Done {
    let mut last = raw::time(raw::MONOTONIC)?;
    for _ in 0..1000 {
        let now = raw::time(raw::MONOTONIC)?;
        holds!(now >= last);
        last = now;
    }
    Ok(())
}

fn realtime() -> Done {
    let first = raw::time(raw::REALTIME)?;
    let second = raw::time(raw::REALTIME)?;
    holds!(second >= first);
    Ok(())
}

fn resolution() -> Done {
    for clock in [raw::REALTIME, raw::MONOTONIC] {
        let step = raw::resolution(clock)?;
        holds!((1..=1_000_000_000).contains(&step));
    }
    Ok(())
}

fn unknown() -> Done {
    fails!(raw::time(99), Errno::INVAL, Errno::NOTSUP, Errno::BADF);
    fails!(raw::resolution(99), Errno::INVAL, Errno::NOTSUP, Errno::BADF);
    Ok(())
}

fn with_std() -> Done {
    let start = std::time::Instant::now();
    holds!(std::time::SystemTime::now() >= std::time::UNIX_EPOCH);
    std::thread::sleep(std::time::Duration::from_millis(3));
    holds!(start.elapsed() >= std::time::Duration::from_millis(3));
    Ok(())
}
