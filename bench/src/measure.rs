use std::time::{Duration, Instant};

use crate::{BenchError, Size};

/// How many calls one reading of the clock is about.
const BATCH: usize = 100;

/// How often something is called.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Calls {
    /// Batches before any counts: code is paged in, tables grow.
    pub(crate) warm_up: usize,
    pub(crate) batches: usize,
    pub(crate) singles: usize,
}

impl Calls {
    pub(crate) const fn of(size: Size) -> Self {
        match size {
            Size::Tiny => Self { warm_up: 1, batches: 3, singles: 50 },
            Size::Full | Size::Long => Self { warm_up: 100, batches: 1500, singles: 50_000 },
        }
    }

    /// All calls of what is measured, and of its baseline.
    pub(crate) const fn count(self) -> usize {
        (self.warm_up + self.batches) * BATCH + self.singles
    }
}

/// How long something took.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Timing {
    pub(crate) p50_ns: f64,
    pub(crate) p99_ns: f64,
}

impl Timing {
    /// Of all of these times.
    pub(crate) fn of(mut times: Vec<f64>) -> Self {
        Self { p50_ns: quantile(&mut times, 50), p99_ns: quantile(&mut times, 99) }
    }
}

/// Times something and its baseline, which take turns. Both are told which of
/// [`Calls::count`] calls this is.
pub(crate) fn compare(
    calls: Calls,
    mut ours: impl FnMut(usize) -> Result<(), BenchError>,
    mut theirs: impl FnMut(usize) -> Result<(), BenchError>,
) -> Result<(Timing, Timing), BenchError> {
    let mut batches = [Vec::with_capacity(calls.batches), Vec::with_capacity(calls.batches)];
    let mut call = 0;
    for batch in 0..calls.warm_up + calls.batches {
        let mut time = [time(call, BATCH, &mut ours)?, time(call, BATCH, &mut theirs)?];
        call += BATCH;
        if batch >= calls.warm_up {
            for (times, time) in batches.iter_mut().zip(&mut time) {
                times.push(*time / BATCH as f64);
            }
        }
    }
    // Blocks of these, not one by one: what the other leaves in the caches is
    // no part of a call.
    let mut singles = [Vec::with_capacity(calls.singles), Vec::with_capacity(calls.singles)];
    let end = call + calls.singles;
    while call < end {
        let block = call..end.min(call + BATCH);
        for at in block.clone() {
            singles[0].push(time(at, 1, &mut ours)?);
        }
        for at in block.clone() {
            singles[1].push(time(at, 1, &mut theirs)?);
        }
        call = block.end;
    }
    let [a, b] = batches.map(|mut times| quantile(&mut times, 50));
    let [c, d] = singles.map(|mut times| quantile(&mut times, 99));
    Ok((Timing { p50_ns: a, p99_ns: c }, Timing { p50_ns: b, p99_ns: d }))
}

fn time(
    first: usize,
    count: usize,
    call: &mut impl FnMut(usize) -> Result<(), BenchError>,
) -> Result<f64, BenchError> {
    let start = Instant::now();
    for at in first..first + count {
        call(at)?;
    }
    Ok(ns(start.elapsed()))
}

/// Times whole runs, which take turns; by the time of `per` of what they do.
pub(crate) fn compare_runs(
    runs: usize,
    per: usize,
    mut ours: impl FnMut(usize) -> Result<(), BenchError>,
    mut theirs: impl FnMut(usize) -> Result<(), BenchError>,
) -> Result<(Timing, Timing), BenchError> {
    let [ours, theirs] = take_turns(runs, per, [&mut ours, &mut theirs])?;
    Ok((ours, theirs))
}

/// Something to be timed, which is told the number of the run.
pub(crate) type Work<'a> = &'a mut dyn FnMut(usize) -> Result<(), BenchError>;

/// As [`compare_runs`], of any number of things.
pub(crate) fn take_turns<const N: usize>(
    runs: usize,
    per: usize,
    mut works: [Work<'_>; N],
) -> Result<[Timing; N], BenchError> {
    let mut times = [const { Vec::new() }; N];
    for run in 0..runs {
        for (times, work) in times.iter_mut().zip(&mut works) {
            times.push(time(run, 1, work)? / per as f64);
        }
    }
    Ok(times.map(Timing::of))
}

pub(crate) fn ns(time: Duration) -> f64 {
    time.as_nanos() as f64
}

/// The value that this many percent do not exceed; of none, nothing.
fn quantile(times: &mut [f64], percent: usize) -> f64 {
    times.sort_unstable_by(f64::total_cmp);
    let at = (times.len() * percent).div_ceil(100).saturating_sub(1);
    times.get(at).copied().unwrap_or(f64::NAN)
}

#[cfg(test)]
mod tests {
    use super::quantile;

    #[test]
    fn quantiles_are_of_the_values_given() {
        let mut times: Vec<f64> = (1..=200).rev().map(f64::from).collect();
        assert_eq!(quantile(&mut times, 50), 100.0);
        assert_eq!(quantile(&mut times, 99), 198.0);
        assert_eq!(quantile(&mut [7.0], 99), 7.0);
    }
}
