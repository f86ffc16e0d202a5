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
    least: Least,
    windows: AtomicU32,
    short: AtomicBool,
    settled: AtomicBool,
    asked: AtomicU32,
    lost: AtomicU32,
    /// Runs of instances that were used before, as far as they are measured.
    tried: AtomicU32,
    least_again: Least,
}

/// The least time that was seen: what others on the machine do adds to a run, and
/// takes nothing off.
#[derive(Debug)]
struct Least(AtomicU64);

impl Default for Least {
    fn default() -> Self {
        Self(AtomicU64::new(u64::MAX))
    }
}

impl Least {
    fn saw(&self, ns: u64) {
        self.0.fetch_min(ns, Ordering::Relaxed);
    }

    fn ns(&self) -> u64 {
        self.0.load(Ordering::Relaxed)
    }
}

fn ns(took: Duration) -> u64 {
    u64::try_from(took.as_nanos()).unwrap_or(u64::MAX)
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

/// Runs of instances that were used before which are measured. Many more than those
/// of new ones: to give up what is worth it by chance costs more than to go on for a
/// little with what is not.
const TRIED: u32 = 32;

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
        let took = ns(took);
        self.least.saw(took);
        let ns = self.ns.fetch_add(took, Ordering::Relaxed).saturating_add(took);
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

    /// Whether runs of instances that were used before are to be measured.
    pub(crate) fn is_trying(&self) -> bool {
        self.tried.load(Ordering::Relaxed) < TRIED
    }

    /// An instance has come back from a run, or not; how long that took, if it was
    /// measured. Whether instances go on being worth it.
    pub(crate) fn came_back(&self, back: bool, took: Option<Duration>) -> bool {
        if let Some(took) = took {
            self.least_again.saw(ns(took));
            let tried = self.tried.fetch_add(1, Ordering::Relaxed) + 1;
            // New ones had to be made, too, and were the quicker ones all the same:
            // this function stores more than it wins by.
            if tried == TRIED && self.least_again.ns() > self.least.ns() {
                self.settle();
            }
        }
        if back {
            // Written only when it changes: all threads read it.
            if self.lost.load(Ordering::Relaxed) > 0 {
                let less = |lost: u32| lost.checked_sub(1);
                let _ = self.lost.fetch_update(Ordering::Relaxed, Ordering::Relaxed, less);
            }
            return !self.is_settled();
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
            assert!(tally.came_back(true, None) && tally.came_back(false, None));
        }
        let lost = (0..1000).take_while(|_| tally.came_back(false, None)).count();
        assert!(lost <= LOST_MAX as usize && tally.is_settled());
    }

    /// A function whose runs are short, with the least that one took.
    fn short(least: Duration) -> Tally {
        let tally = Tally::default();
        for run in 0..WINDOW {
            tally.ran(least + US * run, true);
        }
        assert!(tally.is_short());
        tally
    }

    #[test]
    fn what_marking_slows_down_by_more_than_an_instance_takes_is_given_up() {
        let tally = short(8 * US);
        for run in 1..=TRIED {
            assert!(tally.is_trying() && !tally.is_settled());
            assert_eq!(tally.came_back(true, Some(9 * US)), run < TRIED);
        }
        assert!(!tally.is_trying() && tally.is_settled());
        // Other threads find that out when theirs come back.
        assert!(!tally.came_back(true, None));
    }

    #[test]
    fn what_is_no_slower_is_kept_however_busy_the_machine_is() {
        let tally = short(8 * US);
        for run in 0..TRIED {
            let took = if run == 7 { 8 * US } else { 500 * US };
            assert!(tally.came_back(true, Some(took)));
        }
        assert!(!tally.is_trying() && !tally.is_settled());
    }

    #[test]
    fn what_was_never_measured_anew_has_nothing_to_be_slower_than() {
        let tally = Tally::default();
        assert!((0..2 * TRIED).all(|_| tally.came_back(true, Some(500 * US))));
    }
}
