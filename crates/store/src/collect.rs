//! Collection: which content and relations a store can do without.
//!
//! Three sorts of things go, told apart because they cost differently:
//!
//! - *Garbage* is content that neither a root (label, pin, hold) nor a relation
//!   reaches. Nobody can ask for it by anything but its handle. It always goes.
//! - *Dropped* is content that a relation can bring back: the function is
//!   applied again. Only under a size budget, what is cheap to compute for its
//!   bytes first.
//! - *Forgotten* are computations that no root reaches: the relation goes, with
//!   what only it reached. Only if dropping was not enough.
//!
//! What stands here is pure and decides, see [`plan`]; backends read, write and
//! remove. `docs/collection.md` has the rules for users.

pub(crate) mod bits;
mod drop;
mod forget;
pub(crate) mod gate;
pub(crate) mod graph;
mod ledger;
pub(crate) mod plan;
mod recipes;
#[cfg(test)]
mod tests;

/// What a collection is to do.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Collect {
    /// Only say what would go.
    pub dry_run: bool,
    /// How much may stay.
    pub budget: Budget,
}

/// How many bytes a store may take.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Budget {
    /// What [`Backend::set_budget`](crate::Backend::set_budget) said last.
    #[default]
    AsSet,
    /// Any number: only garbage goes.
    Unlimited,
    /// This many, in this collection.
    Bytes(u64),
}

impl Budget {
    pub(crate) fn bytes(self, set: Option<u64>) -> Option<u64> {
        match self {
            Self::AsSet => set,
            Self::Unlimited => None,
            Self::Bytes(bytes) => Some(bytes),
        }
    }
}

/// Objects, and what they take in the files of the store.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Share {
    /// How many.
    pub objects: u64,
    /// Their bytes, with those of what finds them again.
    pub bytes: u64,
}

impl Share {
    pub(crate) fn add(&mut self, bytes: u64) {
        self.objects += 1;
        self.bytes += bytes;
    }
}

/// What a collection has removed, or would remove.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
#[non_exhaustive]
pub struct Collected {
    /// Content that nothing reached.
    pub garbage: Share,
    /// Content that can be computed again.
    pub dropped: Share,
    /// Nanoseconds that computing all of it again takes, as far as was noted
    /// when it was computed.
    pub recompute_ns: u64,
    /// Computations that were forgotten.
    pub relations: u64,
    /// What went with them; the bytes include those of the relations.
    pub forgotten: Share,
    /// What the store took before, in bytes.
    pub before_bytes: u64,
    /// What the plan leaves of that: what is written beside the content, and
    /// files that are not worth rewriting, may make it a little more.
    pub after_bytes: u64,
    /// The budget that was to be kept.
    pub budget_bytes: Option<u64>,
}

impl Collected {
    /// By how much the store is still over its budget, in bytes: the rest can
    /// neither be computed again nor forgotten.
    #[must_use]
    pub fn over_bytes(&self) -> u64 {
        self.budget_bytes.map_or(0, |budget| self.after_bytes.saturating_sub(budget))
    }
}

/// How far a collection is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Progress {
    /// With what.
    pub phase: Phase,
    /// Bytes that are done in this phase.
    pub done_bytes: u64,
    /// Of so many.
    pub all_bytes: u64,
}

/// What a collection does, in this order.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Phase {
    /// Finds out what there is.
    Reading,
    /// Decides what goes.
    Planning,
    /// Writes what stays to new files.
    Writing,
    /// Removes the old files.
    Removing,
}
