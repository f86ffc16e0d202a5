use std::sync::atomic::{AtomicBool, AtomicU32, AtomicU64, Ordering};
use std::time::Duration;

/// What is known of the runs of a module, to decide whether its instances are
/// worth using again.
#[derive(Debug, Default)]
pub(crate) struct Tally {
    /// Runs of the current window: all, and those that would have put back an
    /// instance.
    runs: AtomicU32,
    plain: AtomicU32,
    ns: AtomicU64,
    windows: AtomicU32,
    short: AtomicBool,
    settled: AtomicBool,
    asked: AtomicU32,
    lost: AtomicU32,
}

/// Runs that are measured before something is decided, and how often.
const WINDOW: u32 = 8;
const WINDOWS_MAX: u32 = 4;

/// The mean that a run may take, with the making of its instance. That is some 2 us
/// of it on a 2-core virtual machine, and saved by an instance that is used again.
/// Where the line is best drawn was not measured: what marking stores takes depends
/// on the function, and well above this there is little to win.
const SHORT: Duration = Duration::from_micros(15);

/// How often a module is compiled for it, if that comes to nothing.
const ASKED_MAX: u32 = 3;

/// Of runs that should have come back, so many more may not than do.
const LOST_MAX: u32 = 64;

impl Tally {
    /// Whether nothing is to be found out any more: instances are not used again.
    pub(crate) fn is_settled(&self) -> bool {
        self.settled.load(Ordering::Relaxed)
    }

    pub(crate) fn settle(&self) {
        self.settled.store(true, Ordering::Relaxed);
    }

    /// Whether instances are worth it.
    pub(crate) fn is_short(&self) -> bool {
        self.short.load(Ordering::Relaxed)
    }

    /// A run took so long, and would have come back or not. Threads that count at
    /// the same time may lose a run; nothing but speed follows from it.
    pub(crate) fn ran(&self, took: Duration, plain: bool) {
        let ns = u64::try_from(took.as_nanos()).unwrap_or(u64::MAX);
        let ns = self.ns.fetch_add(ns, Ordering::Relaxed).saturating_add(ns);
        let plain = self.plain.fetch_add(u32::from(plain), Ordering::Relaxed) + u32::from(plain);
        let runs = self.runs.fetch_add(1, Ordering::Relaxed) + 1;
        if runs < WINDOW {
            return;
        }
        if plain == runs && Duration::from_nanos(ns / u64::from(runs)) <= SHORT {
            self.short.store(true, Ordering::Relaxed);
            return;
        }
        self.runs.store(0, Ordering::Relaxed);
        self.plain.store(0, Ordering::Relaxed);
        self.ns.store(0, Ordering::Relaxed);
        if self.windows.fetch_add(1, Ordering::Relaxed) + 1 >= WINDOWS_MAX {
            self.settle();
        }
    }

    /// A compilation begins.
    pub(crate) fn asked(&self) {
        if self.asked.fetch_add(1, Ordering::Relaxed) + 1 >= ASKED_MAX {
            self.settle();
        }
    }

    /// An instance has come back from a run, or not. Whether it goes on being
    /// worth it.
    pub(crate) fn came_back(&self, back: bool) -> bool {
        if back {
            // Written only when it changes: all threads read it.
            if self.lost.load(Ordering::Relaxed) > 0 {
                let less = |lost: u32| lost.checked_sub(1);
                let _ = self.lost.fetch_update(Ordering::Relaxed, Ordering::Relaxed, less);
            }
            return true;
        }
        if self.lost.fetch_add(1, Ordering::Relaxed) < LOST_MAX {
            return true;
        }
        self.settle();
        false
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const US: Duration = Duration::from_micros(1);

    #[test]
    fn short_runs_that_come_back_are_worth_it() {
        let tally = Tally::default();
        for run in 0..WINDOW {
            assert!(!tally.is_short(), "after {run}");
            tally.ran(2 * US, true);
        }
        assert!(tally.is_short() && !tally.is_settled());
    }

    #[test]
    fn long_ones_and_those_that_grow_are_not() {
        for (took, plain) in [(100 * US, true), (2 * US, false)] {
            let tally = Tally::default();
            for _ in 0..WINDOW * WINDOWS_MAX {
                assert!(!tally.is_settled());
                tally.ran(took, plain);
            }
            assert!(tally.is_settled() && !tally.is_short());
        }
    }

    #[test]
    fn instances_that_do_not_come_back_are_given_up() {
        let tally = Tally::default();
        for _ in 0..1000 {
            assert!(tally.came_back(true) && tally.came_back(false));
        }
        let lost = (0..1000).take_while(|_| tally.came_back(false)).count();
        assert!(lost <= LOST_MAX as usize && tally.is_settled());
    }
}
