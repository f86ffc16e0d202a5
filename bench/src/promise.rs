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
    promise("add", Measure::P50Ns, 400.0),
    promise("add", Measure::P99Ns, 2_000.0),
    promise("add_memory", Measure::P50Ns, 600.0),
    promise("memo_hit", Measure::P50Ns, 100.0),
    promise("memo_hit_10m", Measure::P50Ns, 300.0),
    promise("memo_hit_named", Measure::P50Ns, 350.0),
    promise("chain_500", Measure::P50Ns, 250_000.0),
    promise("chase_5", Measure::P50Ns, 8_000.0),
    // Three million a second.
    promise("fork_10k", Measure::P50Ns, 1e9 / 3e6),
    // Of one thread's work in the same time, 1.7, 1.6 and 1.4 times as much.
    promise("fork_10k", Measure::More("two threads by one", Unit::Ratio), 1.0 / 1.7),
    promise("fork_1m", Measure::Finishes, 0.0),
    promise(
        "fork_2_spinning",
        Measure::More("two threads by one from 10 us", Unit::Ratio),
        1.0 / 1.6,
    ),
    promise("fork_2_parked", Measure::More("two threads by one at any work", Unit::Ratio), 1.1),
    promise(
        "fork_2_parked",
        Measure::More("two threads by one from 200 us", Unit::Ratio),
        1.0 / 1.4,
    ),
    promise("tail_1m", Measure::P50Ns, 5e8),
    promise("tail_1m", Measure::MemoryBytes, 64.0 * MIB),
    promise("cold_cached", Measure::P50Ns, 60_000.0),
    promise("cold_compile", Measure::P50Ns, 1_500_000.0),
    promise("fixpoint_add", Measure::Ratio, 3.0),
    promise("fixpoint_blob", Measure::Ratio, 3.0),
    promise("fixpoint_fib", Measure::Ratio, 3.0),
    promise("wordcount", Measure::Ratio, 1.5),
    promise("wordcount_1gib", Measure::Ratio, 1.35),
    promise("wordcount_1gib", Measure::More("added by hashed", Unit::Ratio), 1.3),
    promise("image_32m", Measure::P50Ns, 15_000.0),
    promise("image_1000", Measure::MemoryBytes, 2048.0 * MIB),
    // 500 a second.
    promise("image_1000", Measure::P50Ns, 2e6),
    promise("image_first", Measure::Ratio, 0.2),
    promise("idle_rss", Measure::MemoryBytes, 30.0 * MIB),
    promise("idle_cpu", Measure::Ratio, 0.01),
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
