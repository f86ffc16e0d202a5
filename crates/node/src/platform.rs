//! What the rules see of a node, from one thread and for one job.

use std::cell::Cell;
use std::sync::atomic::Ordering;

use weft_engine::Interrupt;
use weft_eval::{
    Application, Attempt, Claim, Failure, Fork, Forking, Key, Outcome, Platform, Survey, survey,
};
use weft_object::{Blob, Content, Handle, Kind, Tree};
use weft_store::{Cost, Epoch, Holder, Inserted, Relation};

use crate::Event;
use crate::direct::Taken;
use crate::forks::Forks;
use crate::node::Shared;
use crate::running::{Begun, Look};
use crate::slot::Slot;

/// A job's view.
pub(crate) struct View<'a> {
    pub(crate) shared: &'a Shared,
    pub(crate) slot: &'a Slot,
    pub(crate) interrupt: &'a Interrupt,
    /// What the job may hold in local variables: see [`Slot`].
    pub(crate) held: Vec<Handle>,
    /// The application that was looked up last, if nobody knew it: who looks
    /// is about to run it. Given back by the next look.
    begun: Option<Begun<'a>>,
    /// What the last direct run took: the next one most likely takes as much,
    /// and all threads write the count of what is left.
    direct: Option<Taken<'a>>,
    pub(crate) forks: Forks<'a>,
}

impl<'a> View<'a> {
    pub(crate) fn new(shared: &'a Shared, slot: &'a Slot, interrupt: &'a Interrupt) -> Self {
        Self {
            shared,
            slot,
            interrupt,
            held: Vec::new(),
            begun: None,
            direct: None,
            forks: Forks::default(),
        }
    }

    fn hold(&mut self, handle: Handle) {
        if !handle.is_literal() {
            self.held.push(handle);
        }
    }

    pub(crate) fn hold_outcome(&mut self, outcome: &Outcome) {
        if let Outcome::Value(value) = outcome {
            self.hold(*value);
        }
    }

    /// Lets a collection come that is due. What the job holds is written down for
    /// that long; the footprint of what ran last need not stay.
    pub(crate) fn let_collect(&mut self) {
        if !self.shared.collection_is_due() {
            return;
        }
        self.slot.doing().held.append(&mut self.held);
        self.slot.rest();
        self.shared.have_collected();
        self.slot.begin(self.shared.epoch());
    }

    /// Something known is gone on with.
    pub(crate) fn hit(&mut self, key: Key, outcome: &Outcome) {
        self.hold_outcome(outcome);
        self.slot.tally.hits.add(1);
        self.shared.watchers.tell(|| Event::Hit { key });
    }

    /// What is known of an application here. Without a backend, that is all. Whoever
    /// goes on with it says so, by [`Self::hit`].
    #[inline]
    pub(crate) fn recall_resident(&mut self, tree: Handle) -> Option<Outcome> {
        match self.shared.backend.is_none() {
            true => self.look_up(tree),
            false => self.shared.outcome(self.shared.relations.outcome(&tree)?),
        }
    }

    /// What is known of an application. If nothing is and nobody is at it, this
    /// job has the right to run it until it looks at another.
    #[inline]
    pub(crate) fn recall_application(&mut self, tree: Handle) -> Option<Outcome> {
        let known = self.look_up(tree)?;
        self.hit(Key::Apply(tree), &known);
        Some(known)
    }

    #[inline]
    fn look_up(&mut self, tree: Handle) -> Option<Outcome> {
        let shared = self.shared;
        if self.begun.as_ref().is_some_and(|begun| begun.tree() == tree) {
            return None;
        }
        self.begun = None;
        let known = match shared.begin(tree, false) {
            Look::Known(stored) => shared.outcome(stored),
            Look::Begun(begun) => {
                self.begun = Some(begun);
                shared.recall_stored(tree)
            }
            Look::Elsewhere => shared.recall_stored(tree),
        }?;
        self.begun = None;
        Some(known)
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

    /// Keeps in memory what was found out of an application; whether it is worth
    /// that.
    #[inline]
    pub(crate) fn record_begun(
        &self,
        begun: &mut Begun<'_>,
        outcome: &Outcome,
        cost: Cost,
        notes: Option<Handle>,
    ) -> bool {
        let Some(stored) = self.stored(outcome) else { return false };
        let relation = Relation { notes, ..Relation::new(stored, cost) };
        if let Inserted::Conflict(_) = begun.enter(&relation, self.epoch()) {
            self.counts.conflicts.fetch_add(1, Ordering::Relaxed);
        }
        true
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
            self.slots.count_put(bytes);
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
            self.slots.count_put(bytes);
        }
        Ok(())
    }

    /// The footprint of an application, if no Tree is in it and all is resident:
    /// then this takes no walk.
    #[inline]
    fn survey_few(&self, application: &Application) -> Option<u64> {
        const FEW: usize = 16;
        let entries = application.tree.entries();
        if entries.len() > FEW {
            return None;
        }
        // A collection may have dropped what a backend has.
        if self.backend.is_some() {
            self.memory.is_mapped_at(&application.handle, self.epoch())?;
        }
        let mut bytes = 32 * entries.len() as u64;
        for (at, entry) in entries.iter().enumerate() {
            match entry.kind() {
                Kind::Tree | Kind::Tag => return None,
                Kind::Blob if !entry.is_literal() && !entries[..at].contains(entry) => {
                    bytes = bytes.saturating_add(self.resident_bytes(*entry)?);
                }
                _ => {}
            }
        }
        Some(bytes)
    }

    /// What a Blob takes, if it is resident; and it is touched.
    ///
    /// One module serves a thread a million times. That it is there is true for
    /// the rest of the epoch in which it was touched, so it is asked once; else
    /// all threads would want the lock of one shard.
    #[inline]
    fn resident_bytes(&self, blob: Handle) -> Option<u64> {
        thread_local! {
            static LAST: Cell<Option<Resident>> = const { Cell::new(None) };
        }
        let now = Resident {
            node: self.number,
            blob,
            epoch: self.epoch(),
            forgotten: self.forgotten.load(Ordering::SeqCst),
            bytes: 0,
        };
        if let Some(last) = LAST.get()
            && now == (Resident { bytes: 0, ..last })
        {
            return Some(last.bytes);
        }
        let bytes = match self.memory.is_mapped_at(&blob, now.epoch)? {
            true => 0,
            false => blob.length().unwrap_or(0),
        };
        LAST.set(Some(Resident { bytes, ..now }));
        Some(bytes)
    }

    /// The footprint of an application. Mapped files are part of it and take
    /// nothing: the system finds room for their pages as it can. What is there
    /// is touched.
    pub(crate) fn survey(&self, tree: Handle) -> Survey {
        let mut mapped_bytes = 0;
        let mut found = survey(
            tree,
            |object| self.memory.get_at(&object, self.epoch())?.tree().cloned(),
            |object| match self.memory.is_mapped_at(&object, self.epoch()) {
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

    fn put_tree(&mut self, tree: Tree) -> Handle {
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
        // Of what the rules ask, only applications are facts that a backend keeps.
        if let Key::Apply(tree) = key {
            return self.recall_application(tree);
        }
        let shared = self.shared;
        if let Key::Force(thunk) = key
            && thunk.is_plain_application()
            && !shared.followed.load(Ordering::Relaxed)
        {
            return None;
        }
        let outcome = shared.outcome(shared.relations.outcome(&key.relation()?)?)?;
        self.hit(key, &outcome);
        Some(outcome)
    }

    fn remember(&mut self, key: Key, outcome: &Outcome) {
        let Some(relation) = key.relation() else { return };
        if matches!(key, Key::Force(thunk) if thunk.is_plain_application())
            && !self.shared.followed.load(Ordering::Relaxed)
        {
            self.shared.followed.store(true, Ordering::Relaxed);
        }
        self.shared.record(relation, outcome, Cost::default(), None);
    }

    fn apply(&mut self, application: &Application) -> Attempt {
        self.slot.pin(Some(application.handle));
        self.attempt(application, Granted::No)
    }

    fn fork(&mut self, fork: &mut Forking<'_>) -> Fork {
        self.look_at_fork(fork)
    }

    fn leave_fork(&mut self, fork: &Forking<'_>) {
        self.forks.leave(fork);
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
        let looked_up = self.begun.take().filter(|begun| begun.tree() == application.handle);
        let few = match &shared.verifier {
            Some(_) => None,
            None if is_program(application) => None,
            None => shared.survey_few(application),
        };
        let (bytes, looked_up) = match few {
            Some(bytes) => (bytes, looked_up),
            None => {
                // What is loaded may have to be computed, by this very thread,
                // which then waits for memory.
                drop(looked_up);
                self.direct = None;
                match self.survey_all(application, granted) {
                    Ok(bytes) => (bytes, None),
                    Err(attempt) => return attempt,
                }
            }
        };
        let bytes = bytes.saturating_add(application.memory_limit_bytes);
        if granted == Granted::No && !self.take_direct(bytes) {
            return Attempt::Claim(Claim { bytes, missing: Vec::new() });
        }
        if shared.is_closing() || self.interrupt.is_set() {
            return Attempt::Done(given_up());
        }
        // It may have ended between the last look and this one.
        let look = match looked_up {
            Some(begun) => Look::Begun(begun),
            None => shared.begin(application.handle, true),
        };
        let outcome = match look {
            Look::Elsewhere => return Attempt::Elsewhere,
            Look::Begun(mut begun) => {
                let outcome = self.run(application, &mut begun);
                begun.end(&outcome);
                outcome
            }
            Look::Known(stored) => match shared.outcome(stored) {
                Some(outcome) => {
                    self.hit(application.key(), &outcome);
                    outcome
                }
                // The content of a failure is gone: it has to fail again.
                None => {
                    shared.relations.remove(&application.handle, shared.epoch());
                    return self.attempt(application, granted);
                }
            },
        };
        Attempt::Done(outcome)
    }

    /// Whether there is memory for a direct run; then this job has it until it
    /// ends, or runs something of another size.
    #[inline]
    fn take_direct(&mut self, bytes: u64) -> bool {
        if !self.direct.as_ref().is_some_and(|taken| taken.suits(bytes)) {
            // First this, which may be what is missing.
            self.direct = None;
            self.direct = self.shared.direct.take(bytes);
        }
        self.direct.is_some()
    }

    /// The bytes of a footprint that is resident as a whole, or what to do
    /// instead of a run.
    #[cold]
    fn survey_all(&mut self, application: &Application, granted: Granted) -> Result<u64, Attempt> {
        let shared = self.shared;
        // Before the footprint is brought in, of which that takes little. Who
        // has a claim has come through here without one.
        if granted == Granted::No
            && is_program(application)
            && let Some(outcome) = self.matched(application)
        {
            return Err(Attempt::Done(outcome));
        }
        let mut found = shared.survey(application.handle);
        if shared.map_large(&found, application.memory_limit_bytes, self.interrupt) {
            found = shared.survey(application.handle);
        }
        if let Some(verifier) = &shared.verifier
            && let Some(outcome) = shared.compare_lost(verifier, application.handle, &found)
        {
            return Err(Attempt::Done(outcome));
        }
        if !found.missing_trees.is_empty() {
            return Err(Attempt::Missing(found.missing_trees));
        }
        if !found.missing_blobs.is_empty() {
            let bytes = found.bytes.saturating_add(application.memory_limit_bytes);
            return Err(Attempt::Claim(Claim { bytes, missing: found.missing_blobs }));
        }
        Ok(found.bytes)
    }
}

/// That a Blob was resident at some time.
#[derive(Clone, Copy, PartialEq, Eq)]
struct Resident {
    node: u64,
    blob: Handle,
    epoch: Epoch,
    forgotten: u64,
    bytes: u64,
}

/// Whether the procedure is one that this program brings along, such as the
/// runner of programs.
fn is_program(application: &Application) -> bool {
    application.tree.entries().get(1).is_some_and(Handle::is_literal)
}

#[cold]
pub(crate) fn given_up() -> Outcome {
    Outcome::no_answer(weft_eval::NoAnswerKind::Cancelled, "nobody waits for it any more")
}
