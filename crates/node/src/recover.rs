//! Content that a collection of the store has dropped, computed again.
//!
//! A store drops what an application can bring back (`docs/collection.md`). Who
//! then asks for it, be it a function's footprint or a person, gets it all the
//! same: the application runs once more, beside its relation, in a thread of its
//! own, and what it makes goes back to the store. Its inputs may have been
//! dropped too, and come back in the same way; the store sees to it that there
//! are no circles.

use std::collections::HashSet;
use std::sync::Arc;
use std::sync::atomic::Ordering;

use weft_engine::Interrupt;
use weft_eval::{NoAnswer, NoAnswerKind, Outcome};
use weft_object::{Content, Handle};
use weft_store::{Backend, HandleHash, StoreError, Writing};

use crate::Event;
use crate::node::Shared;
use crate::session::Session;
use crate::sync::{Condvar, Mutex};

/// What is being computed again at this moment, by key.
#[derive(Debug, Default)]
pub(crate) struct Recovering {
    keys: Mutex<HashSet<Handle, HandleHash>>,
    ended: Condvar,
}

/// The right to compute one key again.
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
    /// There is a way, and it did not lead there.
    pub(crate) fn recover(&self, object: Handle) -> Result<Option<Content>, StoreError> {
        let object = object.content();
        let Some(backend) = &self.backend else { return Ok(None) };
        loop {
            let Some(key) = backend.recipe(&object)? else {
                // Somebody else may just have brought it back.
                return backend.get(&object);
            };
            let begun = self.recovering.begin(key);
            if backend.recipe(&object)? != Some(key) {
                continue;
            }
            if let Some(content) = self.memory.get(&object) {
                return Ok(Some(content));
            }
            let content = self.recover_by(object, key)?;
            drop(begun);
            return Ok(Some(content));
        }
    }

    fn recover_by(&self, object: Handle, key: Handle) -> Result<Content, StoreError> {
        let failed = |why: String| StoreError::Recovery { handle: object, key, why };
        // Whoever asks may have little stack, or be a worker in the middle of
        // something.
        let work = || self.run_recipe(object, key);
        std::thread::scope(|scope| {
            let builder = std::thread::Builder::new().stack_size(STACK_BYTES);
            let thread = builder
                .name("weft-recover".into())
                .spawn_scoped(scope, work)
                .map_err(|error| failed(format!("no thread for it: {error}")))?;
            thread.join().unwrap_or_else(|_| Err(failed("weft itself failed".into())))
        })
    }

    fn run_recipe(&self, object: Handle, key: Handle) -> Result<Content, StoreError> {
        let failed = |why: String| StoreError::Recovery { handle: object, key, why };
        let shared = self.me.upgrade().ok_or_else(|| failed("the node is shutting down".into()))?;
        let session = Session::new(shared);
        let thunk = key.application().ok_or_else(|| failed("its key cannot be applied".into()))?;
        let application = match session.outermost(thunk) {
            Ok(Some(application)) if application.handle == key => application,
            Err(Outcome::NoAnswer(why)) => return Err(failed(why.detail.to_string())),
            _ => return Err(failed("its key is no application in canonical form".into())),
        };
        let again = session.apply_again(&application, &Interrupt::new());
        if let Outcome::NoAnswer(why) = &again.outcome {
            return Err(failed(why.detail.to_string()));
        }
        let found = again.stored.map(|stored| stored.handle());
        let backend = self.backend.as_deref();
        let known = backend.map(|backend| backend.relation(&key)).transpose()?.flatten();
        if let (Some(found), Some(known)) = (found, known)
            && found != known.outcome.handle()
        {
            self.counts.conflicts.fetch_add(1, Ordering::Relaxed);
            let known = known.outcome.handle();
            return Err(failed(format!(
                "it came to #{found} this time and to #{known} before, so this machine, or the \
                 one that said so, is broken; compare with `weft replay`"
            )));
        }
        let content = self.memory.get(&object);
        let content = content.ok_or_else(|| failed("that does not make it".into()))?;
        if let (Some(backend), Some(outcome)) = (backend, found) {
            self.put_back(backend, outcome)?;
        }
        self.counts.recovered.fetch_add(1, Ordering::Relaxed);
        let run_ns = again.cost.run_ns;
        self.watchers.tell(|| Event::Recovered { object, application: key, run_ns });
        Ok(content)
    }

    /// Gives the store what an outcome reaches and the store had dropped.
    fn put_back(&self, backend: &dyn Backend, outcome: Handle) -> Result<(), StoreError> {
        let _writing = Writing::begin(backend)?;
        let mut seen = HashSet::with_hasher(HandleHash::default());
        let mut open = vec![outcome.content()];
        let mut back = Vec::new();
        while let Some(object) = open.pop() {
            if object.is_literal() || !seen.insert(object) {
                continue;
            }
            let Some(content) = self.memory.get(&object) else { continue };
            if let Some(tree) = content.tree() {
                open.extend(tree.entries().iter().map(|entry| entry.content()));
            }
            if backend.recipe(&object)?.is_some() {
                back.push((object, content));
            }
        }
        match backend.put(&back) {
            // It is in memory, and that is all that can be had then.
            Err(StoreError::ReadOnly(_)) => Ok(()),
            Err(error) => Err(error),
            Ok(()) => {
                for (object, _) in &back {
                    self.memory.set_durable(object);
                }
                Ok(())
            }
        }
    }

    /// Whether a store can bring back what it does not have.
    pub(crate) fn has_recipe(&self, object: &Handle) -> bool {
        let backend = self.backend.as_ref();
        backend.is_some_and(|backend| matches!(backend.recipe(object), Ok(Some(_))))
    }

    /// Forgets what it remembers of a store that has removed something since:
    /// of that it has to ask again. Whether there was such a removal.
    pub(crate) fn forget_what_was_removed(&self) -> bool {
        let Some(backend) = &self.backend else { return false };
        let removals = backend.removals();
        if self.removals.swap(removals, Ordering::SeqCst) == removals {
            return false;
        }
        let mut durable = Vec::new();
        self.relations.for_each(|key, relation| {
            if relation.durable {
                durable.push(*key);
            }
        });
        for key in durable {
            self.relations.remove(&key, self.epoch());
        }
        true
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
