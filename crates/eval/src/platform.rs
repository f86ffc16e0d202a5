use weft_object::{Blob, Handle, Tree};

use crate::{Application, Budget, Claim, Key, Outcome};

/// What the rules ask of the machine they run on.
///
/// Every method answers at once. What is not there is "not there", never waited
/// for.
pub trait Platform {
    /// The content of a Tree or Tag, under its Object handle, if resident.
    fn tree(&mut self, object: Handle) -> Option<Tree>;

    /// The content of a Blob, under its Object handle, if resident. Never asked
    /// for a literal.
    fn blob(&mut self, object: Handle) -> Option<Blob>;

    /// Keeps a Tree that a rule has made and names it.
    fn put_tree(&mut self, tree: Tree) -> Handle;

    /// Keeps a Blob that a rule has made and names it.
    fn put_blob(&mut self, blob: Blob) -> Handle;

    /// What is known of a key: a value or a failure.
    fn recall(&mut self, key: Key) -> Option<Outcome>;

    /// Keeps what was derived, if there is room. Never called for
    /// [`Key::Apply`], which [`Platform::apply`] keeps itself, nor with
    /// [`Outcome::NoAnswer`].
    fn remember(&mut self, key: Key, outcome: &Outcome);

    /// Runs an application now, if its footprint is resident and there is room
    /// for it, or says what is in the way.
    ///
    /// Obligation: whoever answers [`Attempt::Elsewhere`] tells the machine by
    /// [`crate::Event::Applied`] when that run has ended; otherwise the asker
    /// waits for ever.
    fn apply(&mut self, application: &Application) -> Attempt;

    /// Asked before each entry of a fork that is evaluated by direct calls, as
    /// long as the answer is [`Fork::Here`]: whether others should take part in
    /// the rest. Whatever this answers, outcomes are the same.
    fn fork(&mut self, fork: &mut Forking<'_>) -> Fork {
        let _ = fork;
        Fork::Here
    }

    /// Told when an entry of a fork has come to no value for good, if the last answer
    /// about that fork was [`Fork::Here`]: it is not asked about again.
    ///
    /// Obligation: whoever has asked others to take part in it ends that. The look may
    /// go on for long, since a failure decides nothing while an entry in front of it
    /// waits, and what the others find is of no use to it.
    fn leave_fork(&mut self, fork: &Forking<'_>) {
        let _ = fork;
    }
}

/// A Tree whose entries are being evaluated in order.
#[derive(Clone, Copy, Debug)]
pub struct Forking<'a> {
    /// The Tree.
    pub tree: &'a Tree,
    /// The next entry.
    pub at: usize,
    /// For a look at [`Key::Eval`] of an entry.
    pub budget: Budget,
    /// For whoever answers, to know what entries take.
    pub pace: Option<Pace>,
}

/// When a fork was at which entry, by whatever a platform measures time with.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Pace {
    /// The entry about which it was first asked.
    pub first: usize,
    /// The entry at which it last read the time.
    pub at: usize,
    /// The time that it read then.
    pub at_ns: u64,
}

/// What becomes of the rest of a fork.
#[derive(Clone, Debug)]
pub enum Fork {
    /// The next entry is evaluated here.
    Here,
    /// The graph has the rest.
    Away,
    /// Many have evaluated the rest: the values of the entries from the next one
    /// on, as far as there are any. Who looked at an entry and found no value
    /// says nothing about it, be it that it failed: it is looked at here again,
    /// in its turn.
    Found(Vec<Option<Handle>>),
}

/// What came of [`Platform::apply`].
#[derive(Clone, Debug)]
pub enum Attempt {
    /// It ran, or was known after all.
    Done(Outcome),
    /// These Trees of its footprint are not resident, so nobody knows yet how
    /// much there is.
    Missing(Vec<Handle>),
    /// It needs this much, and these Blobs to be loaded.
    Claim(Claim),
    /// It is running already, on behalf of somebody else.
    Elsewhere,
}
