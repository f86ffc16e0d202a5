//! Mapped files that somebody changes while functions read them.
//!
//! Large Blobs are mapped, so their bytes can become others under a function
//! that runs. Then what it came to says nothing: there is no answer, and no
//! relation. See [`weft_store::map`].

use std::collections::HashMap;
use std::path::PathBuf;
use std::sync::atomic::Ordering;

use weft_eval::{NoAnswerKind, Outcome};
use weft_object::Handle;
use weft_store::{Epoch, HandleHash, StoreError, map};

use crate::node::Shared;

type Changed = HashMap<Handle, PathBuf, HandleHash>;

impl Shared {
    /// To be asked before mapped bytes are read: what [`Shared::changed_since`]
    /// wants to know afterwards.
    #[inline]
    pub(crate) fn before_reading(&self) -> u64 {
        let poisoned = map::poisoned();
        if poisoned != self.forgotten.load(Ordering::SeqCst) {
            self.forget_poisoned(poisoned);
        }
        poisoned
    }

    /// The answer in the place of any other, if the bytes that were read since
    /// may have been wrong.
    #[inline]
    pub(crate) fn changed_since(&self, before: u64) -> Option<Outcome> {
        let poisoned = map::poisoned();
        (poisoned != before).then(|| self.changed(poisoned))
    }

    #[cold]
    fn changed(&self, poisoned: u64) -> Outcome {
        let changed = self.forget_poisoned(poisoned);
        Outcome::no_answer(NoAnswerKind::Storage, error(changed).to_string())
    }

    /// What was found out and not written yet is written only if no mapped file
    /// was written to meanwhile. Else it is forgotten, for nobody knows when
    /// that was and who read it.
    ///
    /// # Errors
    /// One was.
    pub(crate) fn check_what_was_read(&self) -> Result<(), StoreError> {
        let found = map::look_again();
        // It may have been found before, by whoever loaded something.
        if self.checked.swap(found, Ordering::SeqCst) == found {
            return Ok(());
        }
        let mut doubtful = Vec::new();
        self.relations.for_each(|key, relation| {
            if !relation.durable {
                doubtful.push(*key);
            }
        });
        for key in doubtful {
            self.relations.remove(&key, self.epoch());
        }
        Err(error(self.forget_poisoned(found)))
    }

    // The memory tier forgets them, so that they are verified before they are
    // read again. Only then does the count say that it has.
    #[cold]
    fn forget_poisoned(&self, poisoned: u64) -> Changed {
        let changed: Changed = map::poisoned_blobs().into_iter().collect();
        self.memory.sweep(|handle| !changed.contains_key(handle), Epoch(u64::MAX));
        self.forgotten.fetch_max(poisoned, Ordering::SeqCst);
        changed
    }
}

fn error(changed: Changed) -> StoreError {
    // Nobody may use it any more, and then its name is not known.
    StoreError::Changed(changed.into_values().next().unwrap_or_else(|| "a mapped file".into()))
}
