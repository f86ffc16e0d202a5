//! What the rules see of a node, from one thread and for one job.

use std::sync::atomic::Ordering;
use std::time::Instant;

use weft_engine::Interrupt;
use weft_eval::{Application, Attempt, Claim, Failure, Key, Outcome, Platform, Survey, survey};
use weft_object::{Blob, Content, Handle, Tree};
use weft_store::{Cost, Holder, Inserted, Relation};

use crate::Event;
use crate::node::Shared;
use crate::running::Begun;
use crate::slot::Slot;

/// A job's view.
pub(crate) struct View<'a> {
    pub(crate) shared: &'a Shared,
    pub(crate) slot: &'a Slot,
    pub(crate) interrupt: &'a Interrupt,
    /// What the job may hold in local variables: see [`Slot`].
    pub(crate) held: Vec<Handle>,
    began: Instant,
}

impl<'a> View<'a> {
    pub(crate) fn new(shared: &'a Shared, slot: &'a Slot, interrupt: &'a Interrupt) -> Self {
        Self { shared, slot, interrupt, held: Vec::new(), began: Instant::now() }
    }

    fn hold(&mut self, handle: Handle) {
        if !handle.is_literal() {
            self.held.push(handle);
        }
    }

    fn hold_outcome(&mut self, outcome: &Outcome) {
        if let Outcome::Value(value) = outcome {
            self.hold(*value);
        }
    }

    fn survey(&self, tree: Handle) -> Survey {
        self.shared.survey(tree)
    }
}

impl Shared {
    /// Content from memory, else from the backend without keeping it.
    pub(crate) fn content(&self, object: Handle) -> Option<Content> {
        self.memory.get(&object).or_else(|| self.backend.as_ref()?.get(&object).ok().flatten())
    }

    /// The relation's outcome, if it is one that can still be had.
    pub(crate) fn recall_stored(&self, key: Handle) -> Option<Outcome> {
        loop {
            let forgettings = self.forgettings.load(Ordering::SeqCst);
            let recalled = self.recall_from_store(key);
            if recalled.is_none() || self.forgettings.load(Ordering::SeqCst) == forgettings {
                return recalled;
            }
            // Between its being read and remembered, what was removed was
            // forgotten, and this may have come behind that.
            self.relations.remove(&key, self.epoch());
        }
    }

    fn recall_from_store(&self, key: Handle) -> Option<Outcome> {
        let backend = self.backend.as_ref()?;
        let known = match backend.relation(&key) {
            Ok(known) => known?,
            Err(_) => {
                // As good as unknown; what it said can be computed again.
                self.counts.store_errors.fetch_add(1, Ordering::Relaxed);
                return None;
            }
        };
        let verifier = self.verifier.as_ref();
        if verifier.is_some_and(|verifier| verifier.takes(&key)) {
            return None;
        }
        let (outcome, inserted) = self.recalled(key, &known)?;
        // Of threads that look at once, one counts it.
        if let Some(verifier) = verifier.filter(|_| matches!(inserted, Inserted::New)) {
            verifier.left_out(key);
        }
        Some(outcome)
    }

    /// The outcome of a relation that a backend has, if it can still be had;
    /// then it is known in memory from now on.
    pub(crate) fn recalled(&self, key: Handle, known: &Relation) -> Option<(Outcome, Inserted)> {
        let at = known.outcome.handle();
        if !self.is_there(&at) {
            return None;
        }
        let outcome = self.outcome(known.outcome)?;
        let inserted = self.relations.insert(&key, known, self.epoch());
        Some((outcome, inserted))
    }

    /// Whether content is in memory or in the backend, or that can bring it back.
    pub(crate) fn is_there(&self, handle: &Handle) -> bool {
        handle.is_literal()
            || self.memory.contains(handle)
            || self
                .backend
                .as_ref()
                .is_some_and(|backend| matches!(backend.contains(handle), Ok(true)))
            || self.has_recipe(handle)
    }

    /// A stored outcome in the evaluator's words; `None` if the content of a
    /// failure is gone.
    pub(crate) fn outcome(&self, stored: weft_store::Outcome) -> Option<Outcome> {
        match stored {
            weft_store::Outcome::Value(value) => Some(Outcome::Value(value)),
            weft_store::Outcome::Failure(handle) => {
                Failure::read(handle, |object| self.content(object)).map(Outcome::Failure)
            }
        }
    }

    /// An outcome as relations have it, with the content of a failure kept;
    /// `None` of no answer.
    pub(crate) fn stored(&self, outcome: &Outcome) -> Option<weft_store::Outcome> {
        match outcome {
            Outcome::Value(value) => Some(weft_store::Outcome::Value(*value)),
            Outcome::Failure(failure) => {
                let (handle, contents) = failure.contents();
                for (handle, content) in contents {
                    self.put(handle, content);
                }
                Some(weft_store::Outcome::Failure(handle))
            }
            Outcome::NoAnswer(_) => None,
        }
    }

    /// Keeps what was found out in memory.
    pub(crate) fn record(&self, key: Handle, outcome: &Outcome, cost: Cost, notes: Option<Handle>) {
        let epoch = self.epoch();
        let Some(stored) = self.stored(outcome) else { return };
        let relation = Relation { notes, ..Relation::new(stored, cost) };
        self.counts.recorded.fetch_add(1, Ordering::Relaxed);
        if let Inserted::Conflict(_) = self.relations.insert(&key, &relation, epoch) {
            self.counts.conflicts.fetch_add(1, Ordering::Relaxed);
        }
    }

    /// Keeps content in memory, as of now.
    pub(crate) fn put(&self, handle: Handle, content: Content) {
        let bytes = content.bytes_len() + 128;
        if self.memory.put(&handle, content, self.epoch()) {
            self.counts.put_bytes.fetch_add(bytes, Ordering::Relaxed);
        }
    }

    /// The same, held for a session; the content comes back if another holds it.
    pub(crate) fn put_for(
        &self,
        handle: Handle,
        content: Content,
        holder: Holder,
    ) -> Result<(), Content> {
        let bytes = content.bytes_len() + 128;
        if self.memory.put_for(&handle, content, || self.epoch(), holder)? {
            self.counts.put_bytes.fetch_add(bytes, Ordering::Relaxed);
        }
        Ok(())
    }

    /// The footprint of an application. Mapped files are part of it and take
    /// nothing: the system finds room for their pages as it can.
    pub(crate) fn survey(&self, tree: Handle) -> Survey {
        let mut mapped_bytes = 0;
        let mut found = survey(
            tree,
            |object| self.memory.get(&object)?.tree().cloned(),
            |object| match self.memory.is_mapped(&object) {
                None => false,
                Some(false) => true,
                Some(true) => {
                    mapped_bytes += object.length().unwrap_or(0);
                    true
                }
            },
        );
        found.bytes = found.bytes.saturating_sub(mapped_bytes);
        found
    }

    /// What is too large to be claimed may yet be read through mapped files: so
    /// those Blobs are brought in without a claim that can be such.
    fn map_large(&self, found: &Survey, limit_bytes: u64, interrupt: &Interrupt) -> bool {
        let bytes = found.bytes.saturating_add(limit_bytes);
        if bytes <= self.direct.all_bytes() {
            return false;
        }
        let large = |object: &&Handle| object.length() >= Some(LARGE_BYTES);
        let mut any = false;
        for object in found.missing_blobs.iter().filter(large) {
            any |= self.load(*object, interrupt).is_ok();
        }
        any
    }
}

/// From here on a Blob may be a file of its own; see `docs/store.md`.
const LARGE_BYTES: u64 = 1 << 20;

impl Platform for View<'_> {
    fn tree(&mut self, object: Handle) -> Option<Tree> {
        self.shared.memory.get_at(&object, self.shared.epoch())?.tree().cloned()
    }

    fn blob(&mut self, object: Handle) -> Option<Blob> {
        self.shared.memory.get_at(&object, self.shared.epoch())?.blob().cloned()
    }

    fn put_tree(&mut self, entries: &[Handle]) -> Handle {
        let tree = Tree::new(entries);
        let handle = tree.handle();
        self.hold(handle);
        self.shared.put(handle, Content::Tree(tree));
        handle
    }

    fn put_blob(&mut self, blob: Blob) -> Handle {
        let handle = blob.handle();
        self.hold(handle);
        self.shared.put(handle, Content::Blob(blob));
        handle
    }

    fn recall(&mut self, key: Key) -> Option<Outcome> {
        let relation = key.relation()?;
        let outcome = match self.shared.relations.outcome(&relation) {
            Some(stored) => self.shared.outcome(stored),
            // Of what the rules ask, only applications are facts that a backend keeps.
            None if matches!(key, Key::Apply(_)) => self.shared.recall_stored(relation),
            None => None,
        }?;
        self.hold_outcome(&outcome);
        self.shared.counts.hits.fetch_add(1, Ordering::Relaxed);
        self.shared.watchers.tell(|| Event::Hit { key });
        Some(outcome)
    }

    fn remember(&mut self, key: Key, outcome: &Outcome) {
        if let Some(relation) = key.relation() {
            self.shared.record(relation, outcome, Cost::default(), None);
        }
    }

    fn apply(&mut self, application: &Application) -> Attempt {
        self.slot.doing().application = Some(application.handle);
        let attempt = self.attempt(application, Granted::No);
        self.slot.doing().application = None;
        attempt
    }

    fn wants_work(&mut self) -> bool {
        let busy_ns = u64::try_from(self.began.elapsed().as_nanos()).unwrap_or(u64::MAX);
        self.shared.policy.gives_away(busy_ns, self.shared.queue.wants_work())
    }
}

/// Whether an application has its claim.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Granted {
    Yes,
    No,
}

impl View<'_> {
    /// Runs an application if it is resident and has its claim, or can have it
    /// of what is set aside for direct runs. The caller has told the slot of it.
    pub(crate) fn attempt(&mut self, application: &Application, granted: Granted) -> Attempt {
        let shared = self.shared;
        // Before the footprint is brought in, of which that takes little. Who
        // has a claim has come through here without one.
        if granted == Granted::No
            && let Some(outcome) = self.matched(application)
        {
            return Attempt::Done(outcome);
        }
        let mut found = self.survey(application.handle);
        if shared.map_large(&found, application.memory_limit_bytes, self.interrupt) {
            found = self.survey(application.handle);
        }
        if let Some(verifier) = &shared.verifier
            && let Some(outcome) = shared.compare_lost(verifier, application.handle, &found)
        {
            return Attempt::Done(outcome);
        }
        if !found.missing_trees.is_empty() {
            return Attempt::Missing(found.missing_trees);
        }
        let bytes = found.bytes.saturating_add(application.memory_limit_bytes);
        if !found.missing_blobs.is_empty() {
            return Attempt::Claim(Claim { bytes, missing: found.missing_blobs });
        }
        let direct = match granted {
            Granted::Yes => None,
            Granted::No => match shared.direct.take(bytes) {
                Some(taken) => Some(taken),
                None => return Attempt::Claim(Claim { bytes, missing: Vec::new() }),
            },
        };
        if shared.is_closing() || self.interrupt.is_set() {
            return Attempt::Done(given_up());
        }
        let Some(running) = shared.running.begin(application.handle) else {
            return Attempt::Elsewhere;
        };
        let mut ending = Ending { shared, running: Some(running), outcome: given_up() };
        // It may have ended between the last look and this one.
        ending.outcome = match self.recall(application.key()) {
            Some(outcome) => outcome,
            None => self.run(application),
        };
        drop(direct);
        Attempt::Done(ending.outcome.clone())
    }
}

fn given_up() -> Outcome {
    Outcome::no_answer(weft_eval::NoAnswerKind::Cancelled, "nobody waits for it any more")
}

/// Tells those who were told that a run is elsewhere how it ended, also if it
/// was by a panic.
struct Ending<'a> {
    shared: &'a Shared,
    running: Option<Begun<'a>>,
    outcome: Outcome,
}

impl Drop for Ending<'_> {
    fn drop(&mut self) {
        if let Some(tree) = self.running.take().and_then(Begun::end) {
            let event = weft_eval::Event::Applied { tree, outcome: self.outcome.clone() };
            self.shared.post(event, None);
        }
    }
}
