use weft_object::{Blob, Handle, Tree};

use crate::{Application, Claim, Key, Outcome};

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
    fn put_tree(&mut self, entries: &[Handle]) -> Handle;

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

    /// Whether somebody would take over part of what is being evaluated here. A
    /// fork then leaves the rest of its entries to the graph. Whatever this
    /// answers, outcomes are the same.
    fn wants_work(&mut self) -> bool {
        false
    }
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
