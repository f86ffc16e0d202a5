//! What a comparison has found, as it is told and held against the promises.

use crate::promise::{Amount, PROMISES};

/// The numbers of several runs of one thing.
pub(crate) struct Times(Vec<f64>);

impl Times {
    pub(crate) fn new() -> Self {
        Self(Vec::new())
    }

    /// Of what is one number.
    pub(crate) fn of(number: f64) -> Self {
        Self(vec![number])
    }

    pub(crate) fn push(&mut self, time: f64) {
        self.0.push(time);
    }

    /// The middle one.
    pub(crate) fn median(&mut self) -> f64 {
        self.0.sort_by(f64::total_cmp);
        self.0[self.0.len() / 2]
    }

    /// From the least to the most; what one run in ten exceeds, either way, is
    /// left out where there are many.
    fn range(&mut self) -> (f64, f64) {
        self.0.sort_by(f64::total_cmp);
        let out = self.0.len() / 10;
        (self.0[out], self.0[self.0.len() - 1 - out])
    }
}

/// Prints a number with its spread, and says whether it is as promised, if
/// anything is.
pub(crate) fn tell(bench: &str, what: &str, times: &mut Times, amount: fn(f64) -> Amount) -> bool {
    let median = amount(times.median());
    let (least, most) = times.range();
    let spread = match times.0.len() {
        1 => String::new(),
        _ => format!(" ({} to {})", amount(least), amount(most)),
    };
    let promise = PROMISES.iter().find(|promise| promise.bench == bench && promise.what == what);
    let kept = promise.is_none_or(|promise| promise.is_kept(median));
    let verdict = match promise {
        None => String::new(),
        Some(promise) if kept => format!("; promised: {promise}"),
        Some(promise) => format!("; not kept: {promise}"),
    };
    println!("{bench:<6} {what:<18} {:>9}{spread}{verdict}", median.to_string());
    kept
}

/// Ours, theirs, and one by the other.
pub(crate) struct Pairs {
    pub(crate) ours: Times,
    pub(crate) theirs: Times,
    ratios: Times,
}

impl Pairs {
    pub(crate) fn new() -> Self {
        Self { ours: Times::new(), theirs: Times::new(), ratios: Times::new() }
    }

    /// Of one run.
    pub(crate) fn push(&mut self, ours: f64, theirs: f64) {
        self.ours.push(ours);
        self.theirs.push(theirs);
        self.ratios.push(ours / theirs);
    }

    pub(crate) fn tell(mut self, bench: &str, amount: fn(f64) -> Amount) -> bool {
        let ours = tell(bench, "each run", &mut self.ours, amount);
        tell(bench, "wasmtime", &mut self.theirs, amount);
        tell(bench, "ratio", &mut self.ratios, Amount::Ratio) && ours
    }
}
