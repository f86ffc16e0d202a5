//! Arguments, environment, randomness: what a process is given.

use crate::check::{Check, Done};
use crate::raw;
use crate::{holds, same};

pub const CHECKS: &[Check] = &[
    ("process_arguments", arguments),
    ("process_environment", environment),
    ("process_random", random),
    ("process_yield", yields),
];

fn arguments() -> Done {
    let raw: Vec<_> = raw::arguments()?;
    holds!(raw.len() >= 2);
    same!(raw[1], b"process_arguments");
    let std: Vec<_> = std::env::args().map(String::into_bytes).collect();
    same!(raw, std);
    Ok(())
}

fn environment() -> Done {
    let raw = raw::environment()?;
    holds!(raw.iter().all(|entry| entry.contains(&b'=')));
    same!(raw.len(), std::env::vars_os().count());
    Ok(())
}

fn random() -> Done {
    let (mut first, mut second) = ([0; 64], [0; 64]);
    raw::random(&mut first)?;
    raw::random(&mut second)?;
    holds!(first != second);
    holds!(first.iter().filter(|byte| **byte == 0).count() < 16);
    raw::random(&mut [])?;
    let mut large = vec![0; 1 << 20];
    raw::random(&mut large)?;
    // Each value about 4,096 times.
    let mut counts = [0; 256];
    large.iter().for_each(|byte| counts[usize::from(*byte)] += 1);
    holds!(counts.iter().all(|count| (3500..4700).contains(count)));
    Ok(())
}

fn yields() -> Done {
    raw::yield_now()?;
    Ok(())
}
