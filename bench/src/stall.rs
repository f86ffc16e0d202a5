//! The longest that one step of many takes.

use std::fs;
use std::time::Instant;

/// From one step to the next, without the time that the thread was ready to run
/// and the machine ran something else, as far as Linux tells.
#[derive(Debug)]
pub(crate) struct Stalls {
    last: Instant,
    // What of the waiting has been told so far.
    waited_ns: u64,
    steps: u32,
    longest_ns: u64,
}

/// Shorter steps are not looked into.
const NOTICED_NS: u64 = 500_000;
/// So that what was waited in many steps is not taken off from one.
const STEPS: u32 = 512;

impl Stalls {
    pub(crate) fn begin() -> Self {
        Self { waited_ns: waited_ns(), last: Instant::now(), steps: 0, longest_ns: 0 }
    }

    /// Goes on after something else was done.
    pub(crate) fn again(&mut self) {
        self.waited_ns = waited_ns();
        self.steps = 0;
        self.last = Instant::now();
    }

    /// A step is done, and the next begins.
    #[inline]
    pub(crate) fn step(&mut self) {
        let now = Instant::now();
        let ns = (now - self.last).as_nanos() as u64;
        self.last = now;
        self.steps += 1;
        if ns > NOTICED_NS || self.steps == STEPS {
            self.look(ns);
        }
    }

    #[cold]
    fn look(&mut self, ns: u64) {
        let waited = waited_ns().saturating_sub(self.waited_ns);
        self.longest_ns = self.longest_ns.max(ns.saturating_sub(waited));
        self.again();
    }

    /// Of all steps; shorter than half a millisecond is as good as nothing.
    pub(crate) fn longest_ns(&self) -> u64 {
        self.longest_ns
    }
}

/// How long this thread has been waiting for a processor since it began.
fn waited_ns() -> u64 {
    let text = fs::read_to_string("/proc/thread-self/schedstat").unwrap_or_default();
    text.split_whitespace().nth(1).and_then(|ns| ns.parse().ok()).unwrap_or(0)
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::Stalls;

    #[test]
    fn the_longest_step_counts() {
        let mut stalls = Stalls::begin();
        for wait in [1, 20, 2] {
            // Asleep, not waiting for a processor.
            std::thread::sleep(Duration::from_millis(wait));
            stalls.step();
        }
        std::thread::sleep(Duration::from_millis(60));
        stalls.again();
        stalls.step();
        assert!(stalls.longest_ns() >= 19_000_000, "{}", stalls.longest_ns());
    }
}
