//! Content that a collection of the store has dropped, computed again.
//!
//! A store drops what an application can bring back (`docs/collection.md`). Who
//! then asks for it, be it a function's footprint or a person, gets it all the
//! same: the application runs once more, beside its relation, in a thread of its
//! own, and what it makes goes back to the store. Its inputs may have been
//! dropped too; they come back first, on the same thread, one after the other
//! (`recover/chain.rs`). The store sees to it that there are no circles.

mod chain;

pub(crate) use chain::is_recovery;

use std::collections::HashSet;
use std::sync::Arc;
use std::sync::atomic::Ordering;

use weft_engine::Interrupt;
use weft_eval::{NoAnswer, NoAnswerKind};
use weft_object::{Content, Handle, Kind};
use weft_store::{Backend, HandleHash, StoreError, is_step};

use crate::node::Shared;
use crate::sync::{Condvar, Mutex};

/// What is being computed again at this moment, by key.
#[derive(Debug, Default)]
pub(crate) struct Recovering {
    keys: Mutex<HashSet<Handle, HandleHash>>,
    ended: Condvar,
}

/// The right to compute one key again.
#[derive(Debug)]
struct Begun<'a>(&'a Recovering, Handle);

impl Recovering {
    /// Waits as long as somebody else does it.
    fn begin(&self, key: Handle) -> Begun<'_> {
        let mut keys = self.keys.lock();
        while !keys.insert(key) {
            keys = self.ended.wait(keys);
        }
        Begun(self, key)
    }
}

impl Drop for Begun<'_> {
    fn drop(&mut self) {
        self.0.keys.lock().remove(&self.1);
        self.0.ended.notify_all();
    }
}

/// What functions need, and what following the rules takes beside.
const STACK_BYTES: usize = 16 << 20;

impl Shared {
    /// Brings back dropped content, into memory and into the store; `None` if
    /// the store knows no way.
    ///
    /// # Errors
    /// There is a way, and it did not lead there, or was interrupted.
    pub(crate) fn recover(
        &self,
        object: Handle,
        interrupt: &Interrupt,
    ) -> Result<Option<Content>, StoreError> {
        let object = object.content();
        let Some(backend) = self.backend.as_deref() else { return Ok(None) };
        let Some(key) = backend.recipe(&object)? else {
            // Somebody else may just have brought it back.
            return backend.get(&object);
        };
        let failed = |why: String| StoreError::Recovery { handle: object, key, why };
        if chain::note_need(object) {
            return Err(failed("that needs others first".into()));
        }
        // Whoever asks may have little stack, or be a worker in the middle of
        // something.
        std::thread::scope(|scope| {
            let builder = std::thread::Builder::new().stack_size(STACK_BYTES);
            let thread = builder
                .name("weft-recover".into())
                .spawn_scoped(scope, || self.recover_chain(backend, object, interrupt))
                .map_err(|error| failed(format!("no thread for it: {error}")))?;
            thread.join().unwrap_or_else(|_| Err(failed("weft itself failed".into())))
        })
    }

    /// Whether a store can bring back what it does not have.
    pub(crate) fn has_recipe(&self, object: &Handle) -> bool {
        let backend = self.backend.as_ref();
        backend.is_some_and(|backend| matches!(backend.recipe(object), Ok(Some(_))))
    }

    /// Forgets what it remembers of a store that has removed something since:
    /// of that it has to ask again. What was derived goes too, for it may follow
    /// from that; what was found out here stays.
    pub(crate) fn forget_what_was_removed(&self) {
        let Some(backend) = &self.backend else { return };
        let removals = backend.removals();
        if self.removals.load(Ordering::SeqCst) == removals {
            return;
        }
        // Before anything goes: see `recall_stored`.
        self.forgettings.fetch_add(1, Ordering::SeqCst);
        let mut doubtful = Vec::new();
        self.relations.for_each(|key, relation| {
            let is_fact = key.kind() == Kind::Tree || is_step(key);
            if relation.durable || !is_fact {
                doubtful.push(*key);
            }
        });
        for key in doubtful {
            self.relations.remove(&key, self.epoch());
        }
        // Only now, so that who sees it finds nothing out of date.
        self.removals.store(removals, Ordering::SeqCst);
    }
}

/// What a session keeps a store from collecting, until it is dropped.
#[derive(Default)]
pub(crate) struct Holds {
    backend: Option<Arc<dyn Backend>>,
    held: Mutex<HashSet<Handle, HandleHash>>,
}

impl Holds {
    pub(crate) fn of(backend: Option<&Arc<dyn Backend>>) -> Self {
        Self { backend: backend.cloned(), held: Mutex::default() }
    }

    /// Keeps a request, and what is known about computations in it.
    pub(crate) fn hold(&self, handle: Handle) {
        if let Some(backend) = &self.backend
            && !handle.is_literal()
            && self.held.lock().insert(handle)
        {
            backend.hold(&handle);
        }
    }
}

impl Drop for Holds {
    fn drop(&mut self) {
        if let Some(backend) = &self.backend {
            self.held.lock().iter().for_each(|handle| backend.release(handle));
        }
    }
}

impl std::fmt::Debug for Holds {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "Holds({})", self.held.lock().len())
    }
}

/// Why something that was dropped is not there, as there being no answer.
pub(crate) fn no_answer(error: &StoreError) -> Arc<NoAnswer> {
    let kind = match error {
        StoreError::Recovery { .. } => NoAnswerKind::Lost,
        _ => NoAnswerKind::Storage,
    };
    Arc::new(NoAnswer { kind, detail: error.to_string().into() })
}
