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
    /// What is left of a fork is shared with a thread that is awake and has
    /// nothing to do if it seems to take at least so many nanoseconds.
    pub share_awake_ns: u64,
    /// The same with one that has to be woken, which costs some tens of
    /// microseconds.
    pub share_asleep_ns: u64,
    /// Entries that take longer than this each have more use of the graph, in
    /// which each can be taken over, waited for and cancelled on its own.
    pub share_entry_max_ns: u64,
}

impl Default for Policy {
    fn default() -> Self {
        Self {
            direct_depth: 1024,
            tail_steps: 4096,
            share_awake_ns: 6_000,
            share_asleep_ns: 100_000,
            share_entry_max_ns: 1_000_000,
        }
    }
}

/// Who could take part in a fork.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Helper {
    /// Nobody.
    None,
    /// A thread that would have to be woken.
    Asleep,
    /// A thread that looks for something to do.
    Spinning,
}

/// A fork that is under way.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Progress {
    /// Whether what is known of its pace is that of its first entry, for which
    /// a module may have been compiled.
    pub is_first: bool,
    /// Entries that were done lately, at least one.
    pub done: usize,
    /// Nanoseconds that they took.
    pub done_ns: u64,
    /// Entries that are not.
    pub left: usize,
}

/// What becomes of the rest of a fork.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Rest {
    /// It goes on as it is.
    Here,
    /// It is shared with threads that have nothing to do.
    Shared,
    /// It is left to the graph.
    Graph,
}

impl Progress {
    /// What an entry seems to take.
    #[must_use]
    pub const fn entry_ns(&self) -> u64 {
        self.done_ns / if self.done == 0 { 1 } else { self.done as u64 }
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

    /// From how much work on it pays to have it shared.
    const fn enough_ns(&self, helper: Helper) -> u64 {
        match helper {
            Helper::None => u64::MAX,
            Helper::Asleep => self.share_asleep_ns,
            Helper::Spinning => self.share_awake_ns,
        }
    }

    /// Whether a fork that has been at one entry for so long, and has more, offers
    /// those.
    #[must_use]
    pub const fn gives(&self, entry_ns: u64, helper: Helper) -> bool {
        entry_ns >= self.enough_ns(helper)
    }

    /// What becomes of the rest of a fork.
    #[must_use]
    pub const fn rest(&self, fork: &Progress, helper: Helper) -> Rest {
        let enough_ns = self.enough_ns(helper);
        if matches!(helper, Helper::None) {
            return Rest::Here;
        }
        match fork.entry_ns().saturating_mul(fork.left as u64) >= enough_ns {
            false => Rest::Here,
            true if fork.entry_ns() > self.share_entry_max_ns => match fork.is_first {
                true => Rest::Here,
                false => Rest::Graph,
            },
            true => Rest::Shared,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const FORK: Progress = Progress { is_first: false, done: 10, done_ns: 3_000, left: 20 };

    #[test]
    fn a_fork_is_shared_if_that_pays() {
        let policy =
            Policy { share_awake_ns: 6_000, share_asleep_ns: 100_000, ..Policy::default() };
        let rest = |left, helper| policy.rest(&Progress { left, ..FORK }, helper);
        assert_eq!(rest(19, Helper::Spinning), Rest::Here);
        assert_eq!(rest(20, Helper::Spinning), Rest::Shared);
        assert_eq!(rest(333, Helper::Asleep), Rest::Here);
        assert_eq!(rest(334, Helper::Asleep), Rest::Shared);
        assert_eq!(rest(1 << 40, Helper::None), Rest::Here);
    }

    #[test]
    fn what_is_long_is_left_to_the_graph() {
        let policy = Policy::default();
        let long = Progress { done: 1, done_ns: 1_000_000_000, left: 1, ..FORK };
        assert_eq!(policy.rest(&long, Helper::None), Rest::Here);
        assert_eq!(policy.rest(&long, Helper::Asleep), Rest::Graph);
        let first = Progress { is_first: true, ..long };
        assert_eq!(policy.rest(&first, Helper::Asleep), Rest::Here, "it may have compiled");
    }
}
