//! One recipe after the other, those that others need first.
//!
//! What a recipe needs and is dropped too is not brought back in the middle of
//! it: the attempt notes the need and gives up, the need is seen to, and then it
//! is tried again. So a chain of any length takes one thread and its stack.

use std::cell::RefCell;
use std::collections::HashSet;
use std::sync::atomic::Ordering;

use weft_engine::Interrupt;
use weft_eval::Outcome;
use weft_object::{Content, Handle};
use weft_store::{Backend, HandleHash, StoreError, Writing};

use super::Begun;
use crate::Event;
use crate::node::Shared;
use crate::session::Session;

thread_local! {
    /// What the attempt on this thread turned out to need; `None` where no
    /// recovery runs.
    static NEEDS: RefCell<Option<Vec<Handle>>> = const { RefCell::new(None) };
}

/// Whether this thread is in an attempt, which then has noted that it needs
/// `object` first.
pub(super) fn note_need(object: Handle) -> bool {
    NEEDS.with_borrow_mut(|needs| needs.as_mut().map(|needs| needs.push(object)).is_some())
}

/// Whether this thread is in an attempt: what that needs has to be noted here.
pub(crate) fn is_recovery() -> bool {
    NEEDS.with_borrow(Option::is_some)
}

/// What all attempts have in common.
struct Chain<'a> {
    backend: &'a dyn Backend,
    interrupt: &'a Interrupt,
    /// Keeps in memory what a store that is only read cannot take back.
    made: Session,
}

/// Something to bring back, and the right to do it once that is begun.
struct Open<'a> {
    object: Handle,
    begun: Option<(Handle, Begun<'a>)>,
}

impl Shared {
    /// Brings back `object` and, before, what that takes.
    pub(super) fn recover_chain(
        &self,
        backend: &dyn Backend,
        object: Handle,
        interrupt: &Interrupt,
    ) -> Result<Option<Content>, StoreError> {
        let Some(shared) = self.me.upgrade() else { return Ok(None) };
        let chain = Chain { backend, interrupt, made: Session::new(shared) };
        let mut open = vec![Open { object, begun: None }];
        while let Some(last) = open.pop() {
            let again = self.attempt_recovery(&chain, last, &open)?;
            open.extend(again);
        }
        match self.memory.get(&object) {
            None => backend.get(&object),
            there => Ok(there),
        }
    }

    /// Brings one object back; else says what to do before, and that it is then
    /// to be tried again.
    fn attempt_recovery<'a>(
        &'a self,
        chain: &Chain<'_>,
        mut this: Open<'a>,
        before: &[Open<'_>],
    ) -> Result<Vec<Open<'a>>, StoreError> {
        let (backend, object) = (chain.backend, this.object);
        let Some(key) = backend.recipe(&object)? else { return Ok(Vec::new()) };
        let failed = |why: &str| StoreError::Recovery { handle: object, key, why: why.to_owned() };
        if chain.interrupt.is_set() {
            return Err(failed("nobody waits for it any more"));
        }
        let is_begun = |open: &Open<'_>| matches!(&open.begun, Some((begun, _)) if *begun == key);
        if before.iter().any(is_begun) {
            return Err(failed("that needs what it makes; compare with `weft fsck`"));
        }
        if !is_begun(&this) {
            this.begun = None;
            this.begun = Some((key, self.recovering.begin(key)));
            // Who did it meanwhile has brought it back.
            if backend.recipe(&object)? != Some(key) {
                return Ok(vec![Open { object, begun: None }]);
            }
        }
        if self.memory.get(&object).is_some() {
            return Ok(Vec::new());
        }
        NEEDS.set(Some(Vec::new()));
        let made = self.run_recipe(chain, object, key);
        let needs = NEEDS.take().unwrap_or_default();
        match made {
            Err(_) if !needs.is_empty() => {
                let needs = needs.into_iter().map(|object| Open { object, begun: None });
                Ok(std::iter::once(this).chain(needs).collect())
            }
            made => made.map(|()| Vec::new()),
        }
    }

    /// Runs the application that makes `object`, if what it needs is there.
    fn run_recipe(&self, chain: &Chain<'_>, object: Handle, key: Handle) -> Result<(), StoreError> {
        let failed = |why: String| StoreError::Recovery { handle: object, key, why };
        let shared = self.me.upgrade().ok_or_else(|| failed("the node is shutting down".into()))?;
        let session = Session::new(shared);
        let thunk = key.application().ok_or_else(|| failed("its key cannot be applied".into()))?;
        let application = match session.outermost(thunk) {
            Ok(Some(application)) if application.handle == key => application,
            Err(Outcome::NoAnswer(why)) => return Err(failed(why.detail.to_string())),
            _ => return Err(failed("its key is no application in canonical form".into())),
        };
        let again = session.apply_again(&application, chain.interrupt);
        if let Outcome::NoAnswer(why) = &again.outcome {
            return Err(failed(why.detail.to_string()));
        }
        let found = again.stored.map(|stored| stored.handle());
        let known = chain.backend.relation(&key)?;
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
        if !self.memory.contains(&object) {
            return Err(failed("that does not make it".into()));
        }
        if let Some(outcome) = found
            && !self.put_back(chain.backend, outcome)?
        {
            chain.made.hold(outcome);
        }
        self.counts.recovered.fetch_add(1, Ordering::Relaxed);
        let run_ns = again.cost.run_ns;
        self.watchers.tell(|| Event::Recovered { object, application: key, run_ns });
        Ok(())
    }

    /// Gives the store what an outcome reaches and the store had dropped;
    /// `false` if it takes nothing.
    fn put_back(&self, backend: &dyn Backend, outcome: Handle) -> Result<bool, StoreError> {
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
            Err(StoreError::ReadOnly(_)) => Ok(false),
            Err(error) => Err(error),
            Ok(()) => {
                for (object, _) in &back {
                    self.memory.set_durable(object);
                }
                Ok(true)
            }
        }
    }
}
