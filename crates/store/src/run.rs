use weft_object::Handle;

use crate::{Label, Outcome};

/// A request that somebody made and got an answer to.
///
/// Runs are history: they say what was asked lately, so that `weft why` can
/// tell what is different this time. They keep nothing alive.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Run {
    /// What was asked for.
    pub request: Handle,
    /// What it came to.
    pub outcome: Outcome,
    /// Under which name, if any.
    pub label: Option<Label>,
    /// When it was answered: milliseconds since the beginning of 1970, UTC.
    pub at_ms: u64,
    /// How long that took.
    pub took_ns: u64,
    /// How many applications ran for it.
    pub applied: u64,
}

impl Run {
    /// How many of the latest runs a backend remembers, and beyond these the
    /// latest two of each label.
    pub const KEPT: usize = 1000;
}

/// Drops what [`Run::KEPT`] does not cover; the newest comes first.
pub(crate) fn forget_old(runs: &mut Vec<Run>) {
    let mut of_label = std::collections::BTreeMap::<Label, usize>::new();
    let mut place = 0;
    runs.retain(|run| {
        place += 1;
        let newer = run.label.as_ref().map(|label| {
            let count = of_label.entry(label.clone()).or_default();
            *count += 1;
            *count - 1
        });
        place <= Run::KEPT || newer.is_some_and(|newer| newer < 2)
    });
}
