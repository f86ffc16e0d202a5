use std::fmt;

use crate::report::{Report, Unit, memory, time};

/// What a promise is about.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Measure {
    /// The median time of a call.
    P50Ns,
    /// The time that one call in a hundred exceeds.
    P99Ns,
    /// The time by that of the baseline.
    Ratio,
    /// Memory; the bench says which.
    MemoryBytes,
    /// What only this bench has, by its name.
    More(&'static str, Unit),
    /// That there is a result at all.
    Finishes,
}

/// A number that a bench is not to exceed.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Promise {
    /// The bench that shows it.
    pub bench: &'static str,
    /// What of it.
    pub measure: Measure,
    /// The most that it may be.
    pub at_most: f64,
}

const MIB: f64 = 1_048_576.0;

const fn promise(bench: &'static str, measure: Measure, at_most: f64) -> Promise {
    Promise { bench, measure, at_most }
}

/// All promises, which `SPECIFICATION.md` lists in the same words.
pub const PROMISES: &[Promise] = &[
    promise("add", Measure::P50Ns, 5_000.0),
    promise("memo_hit", Measure::P50Ns, 500.0),
    promise("tail", Measure::MemoryBytes, 64.0 * MIB),
    promise("fork_1m", Measure::Finishes, 0.0),
    promise("wordcount", Measure::Ratio, 1.5),
    promise("idle_rss", Measure::MemoryBytes, 30.0 * MIB),
    promise("add_files", Measure::Ratio, 2.0),
    promise("add_files", Measure::More("store by content", Unit::Ratio), 1.05),
    // 0.8 and 0.95 of the baseline's bytes a second.
    promise("large_first_read", Measure::Ratio, 1.0 / 0.8),
    promise("large_again", Measure::Ratio, 1.0 / 0.95),
    promise("relations_10m", Measure::MemoryBytes, 4096.0 * MIB),
    promise("relations_10m", Measure::More("a relation", Unit::Bytes), 320.0),
    promise("relations_10m", Measure::More("above the baseline", Unit::Ns), 250.0),
    promise("relations_10m", Measure::More("longest call", Unit::Ns), 5e6),
    promise("store_open_10m", Measure::P50Ns, 1e9),
    promise("store_open_10m", Measure::More("a relation with its tree", Unit::Bytes), 320.0),
    promise("gc_10m", Measure::P50Ns, 60e9),
    promise("gc_10m", Measure::More("work beside it, slowed", Unit::Ratio), 1.3),
];

impl Promise {
    /// The promises of one bench.
    pub(crate) fn of(bench: &str) -> Vec<Self> {
        PROMISES.iter().filter(|promise| promise.bench == bench).copied().collect()
    }

    /// What could not be measured is not kept.
    pub(crate) fn is_kept(&self, report: &Report) -> bool {
        report.get(self.measure).is_some_and(|value| value <= self.at_most)
    }
}

impl fmt::Display for Promise {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.measure {
            Measure::P50Ns => write!(f, "p50 at most {}", time(self.at_most)),
            Measure::P99Ns => write!(f, "p99 at most {}", time(self.at_most)),
            Measure::Ratio => write!(f, "ratio at most {:.2}", self.at_most),
            Measure::MemoryBytes => write!(f, "memory at most {}", memory(self.at_most)),
            Measure::More(name, unit) => write!(f, "{name} at most {}", unit.show(self.at_most)),
            Measure::Finishes => write!(f, "finishes"),
        }
    }
}
