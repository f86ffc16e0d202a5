use crate::Budget;

/// How evaluation is spread over threads: choices that cost or save time and
/// change no outcome. A value, so that the same code decides in a node and in a
/// simulation of one.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Policy {
    /// Nested keys that a thread settles by direct calls, if its stack allows.
    pub direct_depth: u32,
    /// Tail calls that are followed before others get a turn.
    pub tail_steps: u32,
    /// After so many nanoseconds a job leaves the rest of a fork to threads that
    /// are idle. Waking one costs some tens of microseconds.
    pub share_after_ns: u64,
    /// After so many nanoseconds a job leaves the rest of a fork to the graph
    /// even if no thread is idle, so that what it holds can be collected.
    pub give_up_after_ns: u64,
}

impl Default for Policy {
    fn default() -> Self {
        Self {
            direct_depth: 1024,
            tail_steps: 4096,
            share_after_ns: 50_000,
            give_up_after_ns: 20_000_000,
        }
    }
}

impl Policy {
    /// Everything goes through the graph.
    #[must_use]
    pub fn graph_only() -> Self {
        Self { direct_depth: 0, ..Self::default() }
    }

    /// How far a thread goes in one look whose stack has room for so many
    /// levels.
    #[must_use]
    pub fn budget(&self, levels: u32) -> Budget {
        Budget { depth: self.direct_depth.min(levels), tail_steps: self.tail_steps }
    }

    /// Whether a job that has been at it for so long gives away the rest of a
    /// fork.
    #[must_use]
    pub const fn gives_away(&self, busy_ns: u64, a_thread_is_idle: bool) -> bool {
        busy_ns > self.give_up_after_ns || (a_thread_is_idle && busy_ns > self.share_after_ns)
    }
}
