use weft_eval::{Event, Outcome};
use weft_object::Handle;
use weft_store::{Epoch, Inserted, Relation};

use crate::node::Shared;
use crate::platform::given_up;

/// The sole right to find out an application, so that none runs twice at once.
///
/// It is taken with the same look that finds the application unknown, and given
/// back with the one that enters what was found. Whoever asks in between is told
/// that it is [`Elsewhere`](weft_eval::Attempt::Elsewhere); however this ends,
/// also by a panic, the graph is told then.
pub(crate) struct Begun<'a> {
    shared: &'a Shared,
    tree: Handle,
    ended: bool,
    watched: bool,
}

/// What came of [`Shared::begin`].
pub(crate) enum Look<'a> {
    Known(weft_store::Outcome),
    Begun(Begun<'a>),
    Elsewhere,
}

impl Shared {
    /// What is known of an application here, or the right to find it out. With
    /// `watch`, the graph is told how it ends elsewhere.
    #[inline]
    pub(crate) fn begin(&self, tree: Handle, watch: bool) -> Look<'_> {
        match self.relations.begin(&tree, watch) {
            weft_store::Begun::Known(outcome) => Look::Known(outcome),
            weft_store::Begun::Elsewhere => Look::Elsewhere,
            weft_store::Begun::New => {
                Look::Begun(Begun { shared: self, tree, ended: false, watched: false })
            }
        }
    }
}

impl Begun<'_> {
    pub(crate) const fn tree(&self) -> Handle {
        self.tree
    }

    /// Enters what was found out.
    #[inline]
    pub(crate) fn enter(&mut self, relation: &Relation, epoch: Epoch) -> Inserted {
        let (inserted, watched) = self.shared.relations.insert_ended(&self.tree, relation, epoch);
        (self.ended, self.watched) = (true, watched);
        inserted
    }

    /// Ends it with this outcome, known by now or not.
    #[inline]
    pub(crate) fn end(mut self, outcome: &Outcome) {
        self.give_back();
        if self.watched {
            self.tell(outcome.clone());
        }
    }

    fn give_back(&mut self) {
        if !std::mem::replace(&mut self.ended, true) {
            self.watched = self.shared.relations.end(&self.tree);
        }
    }

    #[cold]
    fn tell(&mut self, outcome: Outcome) {
        self.watched = false;
        self.shared.post(Event::Applied { tree: self.tree, outcome }, None);
    }
}

impl Drop for Begun<'_> {
    fn drop(&mut self) {
        self.give_back();
        if self.watched {
            self.tell(given_up());
        }
    }
}
