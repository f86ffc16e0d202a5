//! What is promised beside plain wasmtime. `SPECIFICATION.md` lists the same
//! rows; a test of `bench`, which includes this file, compares them.

use std::fmt;

/// A number that is not to be exceeded.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(crate) struct Promise {
    /// The comparison that shows it.
    pub(crate) bench: &'static str,
    /// What of it.
    pub(crate) what: &'static str,
    pub(crate) at_most: Amount,
}

/// What a number counts.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(crate) enum Amount {
    /// Our time by that of plain wasmtime in the same run.
    Ratio(f64),
    Us(f64),
    Ms(f64),
}

/// All of them, in the order in which they are looked at.
pub(crate) const PROMISES: [Promise; 8] = [
    Promise { bench: "hello", what: "ratio", at_most: Amount::Ratio(2.5) },
    Promise { bench: "hello", what: "each run", at_most: Amount::Us(60.0) },
    Promise { bench: "start", what: "ratio", at_most: Amount::Ratio(1.1) },
    // 0.9 of the files in the same time.
    Promise { bench: "build", what: "ratio", at_most: Amount::Ratio(1.0 / 0.9) },
    Promise { bench: "build", what: "nothing changed", at_most: Amount::Ms(50.0) },
    // 20 and 100 times sooner.
    Promise { bench: "image", what: "json re decimal", at_most: Amount::Ratio(0.05) },
    Promise { bench: "image", what: "numpy pandas", at_most: Amount::Ratio(0.01) },
    // Beside ourselves, without.
    Promise { bench: "barrier", what: "geometric mean", at_most: Amount::Ratio(1.15) },
];

impl Amount {
    fn number(self) -> f64 {
        match self {
            Self::Ratio(number) | Self::Us(number) | Self::Ms(number) => number,
        }
    }
}

impl fmt::Display for Amount {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Ratio(number) if *number < 0.1 => write!(f, "{number:.4}"),
            Self::Ratio(number) => write!(f, "{number:.2}"),
            Self::Us(number) => write!(f, "{number:.1} us"),
            Self::Ms(number) => write!(f, "{number:.1} ms"),
        }
    }
}

impl fmt::Display for Promise {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} at most {}", self.what, self.at_most)
    }
}

impl Promise {
    /// Whether what was found keeps it.
    pub(crate) fn is_kept(&self, found: Amount) -> bool {
        found.number() <= self.at_most.number()
    }
}
