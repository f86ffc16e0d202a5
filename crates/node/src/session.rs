use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Weak};
use std::time::{Duration, Instant};

use weft_engine::Interrupt;
use weft_eval::{Event, Key, NoAnswerKind, Outcome, Report, RequestId, Resume, evaluate};
use weft_object::{Blob, Content, Handle, Kind, Tree};
use weft_store::Holder;

use crate::node::Shared;
use crate::platform::View;
use crate::recover::Holds;
use crate::sync::{Condvar, Mutex};

/// A place to put content and to evaluate from.
///
/// What is put here, and what evaluations answered here, stays in memory until
/// the session is dropped; after that only what a backend keeps is certain to be
/// found again. So open one for each piece of work.
///
/// Clones are the same session; any number of threads may use it.
#[derive(Clone)]
pub struct Session {
    shared: Arc<Shared>,
    roots: Arc<Roots>,
}

/// What a session keeps alive: what it puts, which the memory tier marks as
/// held, and the rest in a list.
#[derive(Debug)]
pub(crate) struct Roots {
    kept: Mutex<Kept>,
    holder: Holder,
    shared: Weak<Shared>,
    in_store: Holds,
}

#[derive(Debug, Default)]
struct Kept {
    handles: Vec<Handle>,
    /// How many there may be before those that stand there twice are looked
    /// for: the same things are often put and asked for over and over.
    tidy_at: usize,
}

impl Drop for Roots {
    fn drop(&mut self) {
        if let Some(shared) = self.shared.upgrade() {
            shared.memory.end_holder(self.holder);
        }
    }
}

impl Roots {
    pub(crate) fn add(&self, handle: Handle) {
        if !handle.is_literal() {
            self.kept.lock().push(handle);
        }
    }

    pub(crate) fn copy_to(&self, out: &mut Vec<Handle>) {
        let mut roots = self.kept.lock();
        roots.tidy();
        out.extend_from_slice(&roots.handles);
    }
}

impl Kept {
    fn push(&mut self, handle: Handle) {
        if self.handles.len() >= self.tidy_at {
            self.tidy();
        }
        self.handles.push(handle);
    }

    fn tidy(&mut self) {
        self.handles.sort_unstable();
        self.handles.dedup();
        self.tidy_at = (2 * self.handles.len()).max(1024);
    }
}

/// Where an answer is waited for.
#[derive(Debug)]
pub(crate) struct Reply {
    handle: Handle,
    outcome: Mutex<Option<Outcome>>,
    set: Condvar,
    roots: Arc<Roots>,
    shared: Weak<Shared>,
    /// Up to which removal from the store the node had forgotten what it knew
    /// when this was asked.
    removals: AtomicU64,
    /// What [`Shared::changed_since`] wants to know.
    before_reading: u64,
}

impl Reply {
    /// The answer, unless a mapped file was found changed since this was asked:
    /// then it may come of what was in it meanwhile. A run looks at its own
    /// time only, and the change may be found after that.
    pub(crate) fn trusted(&self, shared: &Shared, outcome: Outcome) -> Outcome {
        shared.changed_since(self.before_reading).unwrap_or(outcome)
    }

    /// Whether something was forgotten since it was asked, or since the last
    /// time that somebody wanted to know.
    pub(crate) fn is_older_than(&self, removals: u64) -> bool {
        self.removals.swap(removals, Ordering::SeqCst) != removals
    }

    pub(crate) fn set(&self, outcome: Outcome) {
        if let Outcome::Value(value) = outcome {
            self.roots.add(value);
        }
        if let Some(shared) = self.shared.upgrade() {
            shared
                .watchers
                .tell(|| crate::Event::Answered { handle: self.handle, outcome: outcome.clone() });
        }
        self.outcome.lock().get_or_insert(outcome);
        self.set.notify_all();
    }

    pub(crate) fn handle(&self) -> Handle {
        self.handle
    }

    fn get(&self) -> Option<Outcome> {
        self.outcome.lock().clone()
    }

    fn wait(&self, until: Option<Instant>) -> Option<Outcome> {
        let mut outcome = self.outcome.lock();
        loop {
            if let Some(outcome) = &*outcome {
                return Some(outcome.clone());
            }
            outcome = match until {
                None => self.set.wait(outcome),
                Some(until) => {
                    let left = until.saturating_duration_since(Instant::now());
                    if left.is_zero() {
                        return None;
                    }
                    self.set.wait_timeout(outcome, left).0
                }
            };
        }
    }
}

impl Session {
    pub(crate) fn new(shared: Arc<Shared>) -> Self {
        let roots = Arc::new(Roots {
            kept: Mutex::default(),
            holder: shared.memory.begin_holder(),
            shared: Arc::downgrade(&shared),
            in_store: Holds::of(shared.backend.as_ref()),
        });
        let mut sessions = shared.sessions.lock();
        sessions.retain(|session| session.strong_count() > 0);
        sessions.push(Arc::downgrade(&roots));
        drop(sessions);
        Self { shared, roots }
    }

    pub(crate) fn shared(&self) -> &Shared {
        &self.shared
    }

    /// Keeps bytes in memory and names them.
    pub fn put_blob(&self, bytes: impl AsRef<[u8]> + Send + Sync + 'static) -> Handle {
        let blob = Blob::new(bytes);
        let handle = blob.handle();
        self.put(handle, Content::Blob(blob));
        handle
    }

    /// Keeps a Tree in memory and names it.
    #[must_use]
    pub fn put_tree(&self, entries: &[Handle]) -> Handle {
        let tree = Tree::new(entries);
        let handle = tree.handle();
        self.put(handle, Content::Tree(tree));
        handle
    }

    fn put(&self, handle: Handle, content: Content) {
        let Err(content) = self.shared.put_for(handle, content, self.roots.holder) else { return };
        // Another session holds it. A root first, so that no collection comes
        // between.
        self.roots.add(handle);
        self.shared.put(handle, content);
    }

    /// Keeps a handle's content in memory as long as the session.
    pub fn hold(&self, handle: Handle) {
        self.roots.add(handle);
    }

    /// The content of a handle: from memory, or read from the backend, or
    /// computed again if a collection dropped it. Of a literal, its bytes.
    ///
    /// # Errors
    /// The backend cannot read it, or it did not come back.
    pub fn content(&self, handle: Handle) -> Result<Option<Content>, weft_store::StoreError> {
        if let Some(content) = self.shared.memory.get(&handle) {
            return Ok(Some(content));
        }
        if let Some(bytes) = handle.content().literal_bytes() {
            return Ok(Some(Content::Blob(Blob::new(bytes.to_vec()))));
        }
        match &self.shared.backend {
            Some(backend) => match backend.get(&handle)? {
                None => self.shared.recover(handle, &Interrupt::new()),
                there => Ok(there),
            },
            None => Ok(None),
        }
    }

    /// Evaluates a handle: of a Thunk, its result. The asking thread does what
    /// it can by direct calls, and waits for the rest.
    #[must_use]
    pub fn evaluate(&self, handle: Handle) -> Outcome {
        let Some(key) = Key::of_request(handle) else { return Outcome::Value(handle) };
        self.evaluate_here(handle, key).unwrap_or_else(|| self.submit(handle).wait())
    }

    /// Asks for the evaluation of a handle, without waiting.
    #[must_use]
    pub fn submit(&self, handle: Handle) -> Request {
        self.roots.add(handle);
        self.roots.in_store.hold(handle);
        let reply = Arc::new(Reply {
            handle,
            outcome: Mutex::new(None),
            set: Condvar::default(),
            roots: self.roots.clone(),
            shared: Arc::downgrade(&self.shared),
            removals: AtomicU64::new(self.shared.removals.load(Ordering::SeqCst)),
            before_reading: self.shared.before_reading(),
        });
        let id = match self.recall_answer(handle) {
            Some(outcome) => {
                reply.set(outcome);
                0
            }
            None => self.shared.ask(reply.clone()),
        };
        Request { shared: self.shared.clone(), reply, id }
    }

    /// The handles from a failed request down to what failed in it.
    #[must_use]
    pub fn failure_chain(&self, handle: Handle) -> Vec<Handle> {
        let slot = self.shared.slots.borrow();
        slot.begin(self.shared.epoch());
        let interrupt = Interrupt::new();
        let chain =
            weft_eval::failure_chain(&mut View::new(&self.shared, &slot, &interrupt), handle);
        for handle in &chain {
            self.roots.add(*handle);
        }
        chain
    }

    /// What is known of a canonical application: outcome, cost and notes.
    ///
    /// # Errors
    /// The backend cannot say.
    pub fn relation(
        &self,
        application: Handle,
    ) -> Result<Option<weft_store::Relation>, weft_store::StoreError> {
        match (self.shared.relations.get(&application), &self.shared.backend) {
            (None, Some(backend)) => backend.relation(&application),
            (known, _) => Ok(known),
        }
    }

    /// On the asking thread, as far as it goes: what is known, and what comes of
    /// direct calls.
    #[inline]
    fn evaluate_here(&self, handle: Handle, key: Key) -> Option<Outcome> {
        let shared = &*self.shared;
        // As a job, so that no collection takes a value before it is a root.
        let slot = shared.slots.borrow();
        slot.begin(shared.epoch());
        let mut view = View::new(shared, &slot, slot.interrupt());
        let plain = plain(handle);
        if let Some(tree) = plain
            && let Some(known @ Outcome::Value(value)) = view.recall_resident(tree)
            && let Some(value) = value.lift().filter(|value| !value.has_encode())
        {
            view.hit(Key::Apply(tree), &known);
            return Some(self.answered(handle, Outcome::Value(value)));
        }
        self.roots.in_store.hold(handle);
        // As long as nothing was forgotten, an answer that follows from
        // relations is known only where they are.
        let may_be_known =
            plain.is_none() || shared.backend.is_some() || shared.relations.has_forgotten();
        if may_be_known && let Some(outcome) = shared.recall_answer(handle) {
            if let Outcome::Value(value) = outcome {
                self.roots.add(value);
            }
            return Some(outcome);
        }
        // A worker has the stack for it in any case.
        let levels = crate::stack::levels()?;
        let before = shared.before_reading();
        let report =
            evaluate(&mut view, key, None, &Resume::default(), shared.policy.budget(levels));
        drop(view);
        let Report::Done(outcome) = report else { return None };
        let outcome = shared.changed_since(before).unwrap_or(outcome);
        if shared.backend.is_some() {
            shared.record_answer(handle, &outcome);
        }
        let outcome = self.answered(handle, outcome);
        drop(slot);
        shared.have_collected();
        Some(outcome)
    }

    /// Keeps an answer alive and tells of it.
    #[inline]
    fn answered(&self, handle: Handle, outcome: Outcome) -> Outcome {
        if let Outcome::Value(value) = outcome {
            self.roots.add(value);
        }
        let told = &outcome;
        self.shared.watchers.tell(|| crate::Event::Answered { handle, outcome: told.clone() });
        outcome
    }

    /// What this very request came to the last time.
    fn recall_answer(&self, handle: Handle) -> Option<Outcome> {
        // As a job, so that no collection takes the value before it is a root.
        let slot = self.shared.slots.borrow();
        slot.begin(self.shared.epoch());
        let outcome = self.shared.recall_answer(handle)?;
        if let Outcome::Value(value) = outcome {
            self.roots.add(value);
        }
        Some(outcome)
    }
}

/// The Tree of a request for an application without Encodes: if that is in
/// canonical form, nothing but its outcome can be known under that name.
fn plain(handle: Handle) -> Option<Handle> {
    let thunk = if handle.kind() == Kind::Strict { handle.thunk()? } else { handle };
    if thunk.is_plain_application() { thunk.definition() } else { None }
}

/// An evaluation that was asked for. Dropped before it is answered, it is
/// cancelled; what others want of it goes on.
#[derive(Debug)]
pub struct Request {
    shared: Arc<Shared>,
    reply: Arc<Reply>,
    id: RequestId,
}

impl Request {
    /// The answer, if it is there.
    #[must_use]
    pub fn poll(&self) -> Option<Outcome> {
        self.reply.get()
    }

    /// Waits for the answer.
    ///
    /// It does not take jobs meanwhile: the first could be somebody else's and
    /// last for hours after the answer has come. Workers are one a core.
    #[must_use]
    pub fn wait(&self) -> Outcome {
        self.reply.wait(None).unwrap_or_else(crate::graph::closing)
    }

    /// Waits for the answer, at most this long.
    #[must_use]
    pub fn wait_for(&self, at_most: Duration) -> Option<Outcome> {
        self.reply.wait(Some(Instant::now() + at_most))
    }

    /// Waits at most this long and then gives up: [`NoAnswerKind::Deadline`].
    #[must_use]
    pub fn wait_until_deadline(&self, at_most: Duration) -> Outcome {
        self.wait_for(at_most).unwrap_or_else(|| {
            let detail = format!(
                "no answer within {} ms; allow more time, what was found out is kept",
                at_most.as_millis()
            );
            let outcome = Outcome::no_answer(NoAnswerKind::Deadline, detail);
            self.reply.set(outcome);
            self.cancel();
            // Another answer may have come first.
            self.reply.wait(None).unwrap_or_else(crate::graph::closing)
        })
    }

    /// Gives up: the answer is [`NoAnswerKind::Cancelled`] unless there is one.
    pub fn cancel(&self) {
        self.shared.post(Event::Cancel { id: self.id }, None);
    }
}

impl Drop for Request {
    fn drop(&mut self) {
        if self.reply.get().is_none() {
            self.cancel();
        }
    }
}

impl std::fmt::Debug for Session {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "Session")
    }
}

impl std::fmt::Debug for Shared {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "Shared")
    }
}
