//! What fails where nobody waits for it.
//!
//! A store does more than it was asked for at that moment: it collects when it
//! is over its budget, and writes down what saves others work. That this fails
//! is no error of whoever came last; so it is kept here, and told to who wants
//! to hear of it.

use std::fmt;
use std::sync::Arc;

use crate::StoreError;
use crate::sync::Mutex;

/// What a store does that nobody waits for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum Chore {
    /// Collecting, because it is over its budget.
    Collect,
    /// Writing the index of what was put.
    Index,
    /// Noting how far it was synced.
    NoteSync,
    /// Noting which content is damaged.
    NoteDamage,
}

impl Chore {
    /// One word for programs: that it is not done.
    #[must_use]
    pub fn undone(self) -> &'static str {
        match self {
            Self::Collect => "not_collected",
            Self::Index => "not_indexed",
            Self::NoteSync => "sync_not_noted",
            Self::NoteDamage => "damage_not_noted",
        }
    }
}

/// That one of these failed, the last time that it was tried.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Trouble {
    /// Which.
    pub chore: Chore,
    /// Why: a [`StoreError`] in its words.
    pub error: String,
}

impl fmt::Display for Trouble {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let what = match self.chore {
            Chore::Collect => "the store is over its budget and could not be collected",
            Chore::Index => {
                "the index of the store could not be written, so opening it takes longer"
            }
            Chore::NoteSync => {
                "how far the store was synced could not be noted, so a file of it that is cut \
                 short later may not be missed"
            }
            Chore::NoteDamage => {
                "which content is damaged could not be noted, so that others take it again"
            }
        };
        write!(f, "{what}: {}", self.error)
    }
}

/// Is told of what fails, in the thread in which it does.
pub(crate) type Tell = Arc<dyn Fn(&Trouble) + Send + Sync>;

/// What failed, of each sort the last.
#[derive(Default)]
pub(crate) struct Troubles(Mutex<Told>);

#[derive(Default)]
struct Told {
    last: Vec<Trouble>,
    tell: Option<Tell>,
}

impl Troubles {
    /// Notes how something went. What fails again and again is told once, until
    /// it goes well.
    pub(crate) fn note<T>(&self, chore: Chore, done: &Result<T, StoreError>) {
        let new = {
            let Told { last, tell } = &mut *self.0.lock();
            let before = last.len();
            last.retain(|trouble| trouble.chore != chore);
            let is_new = last.len() == before;
            let Err(error) = done else { return };
            let trouble = Trouble { chore, error: error.to_string() };
            last.push(trouble.clone());
            tell.clone().filter(|_| is_new).map(|tell| (tell, trouble))
        };
        // Not under the lock: it is somebody else's code.
        if let Some((tell, trouble)) = new {
            tell(&trouble);
        }
    }

    pub(crate) fn last(&self) -> Vec<Trouble> {
        self.0.lock().last.clone()
    }

    /// Also of what failed before.
    pub(crate) fn tell(&self, tell: Tell) {
        let last = {
            let told = &mut *self.0.lock();
            told.tell = Some(tell.clone());
            told.last.clone()
        };
        last.iter().for_each(|trouble| tell(trouble));
    }
}

impl fmt::Debug for Troubles {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("Troubles").field(&self.0.lock().last).finish()
    }
}
