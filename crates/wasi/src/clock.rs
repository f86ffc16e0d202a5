/// What the clocks show, as a rule instead of a measurement.
///
/// Realtime and monotonic clock are the same one. It stands at `start_ns` when
/// the program begins, goes on by `step_ns` each time it is read, and jumps to
/// the end of what the program waits for. So waiting takes no time, and a
/// program that waits in a loop that reads the clock comes out of it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct ClockRule {
    /// Nanoseconds since 1970 when the program begins.
    pub start_ns: u64,
    /// Nanoseconds by which each reading moves it.
    pub step_ns: u64,
}

impl Default for ClockRule {
    /// The begin of 2020, and a microsecond.
    fn default() -> Self {
        Self { start_ns: 1_577_836_800_000_000_000, step_ns: 1000 }
    }
}

#[derive(Clone, Copy, Debug)]
pub(crate) struct Clock {
    now_ns: u64,
    step_ns: u64,
    /// Whether it was read, or waited for.
    asked: bool,
    /// Whether it was told when it began, which is the time of files.
    shown: bool,
}

impl Clock {
    pub(crate) const fn new(rule: ClockRule) -> Self {
        Self { now_ns: rule.start_ns, step_ns: rule.step_ns, asked: false, shown: false }
    }

    /// What it shows, without moving it.
    pub(crate) const fn now_ns(&self) -> u64 {
        self.now_ns
    }

    pub(crate) const fn resolution_ns(&self) -> u64 {
        if self.step_ns == 0 { 1 } else { self.step_ns }
    }

    /// Reads it, which moves it. It stays at the end of time.
    pub(crate) const fn read_ns(&mut self) -> u64 {
        self.asked = true;
        let shown = self.now_ns;
        self.now_ns = shown.saturating_add(self.step_ns);
        shown
    }

    /// Whether anybody was told what it shows.
    pub(crate) const fn is_asked(&self) -> bool {
        self.asked
    }

    /// Times of files are told, which are those of its begin.
    pub(crate) const fn show(&mut self) {
        self.shown = true;
    }

    /// Whether another one would have told anything else so far.
    pub(crate) const fn is_known(&self) -> bool {
        self.asked || self.shown
    }

    /// Goes on from where another stood.
    pub(crate) const fn go_on(&mut self, now_ns: u64) {
        self.now_ns = now_ns;
    }

    /// Goes on to an instant, never back.
    pub(crate) const fn jump_to(&mut self, instant_ns: u64) {
        self.asked = true;
        if instant_ns > self.now_ns {
            self.now_ns = instant_ns;
        }
    }
}
