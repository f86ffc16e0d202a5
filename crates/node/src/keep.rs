//! Writing to the backend what is worth to outlast the process.

use std::collections::HashMap;
use std::sync::atomic::Ordering;
use std::sync::{Arc, OnceLock};
use std::time::{Duration, Instant, SystemTime};

use weft_eval::Outcome;
use weft_object::{Content, Handle, Kind};
use weft_store::{
    Backend, Cost, Finder, HandleHash, Origin, Relation, StoreError, Writing, is_step,
};

use crate::Node;
use crate::node::Shared;
use crate::sync::Mutex;

/// When to write what was found out, while there is work.
#[derive(Debug)]
pub(crate) struct Keeper {
    every: Option<Duration>,
    /// After so many relations it is time in any case: before the cache, which
    /// has room for some times that, evicts any.
    relations_max: u64,
    last: Mutex<Last>,
    /// Why the last time failed.
    not_kept: Mutex<Option<Arc<str>>>,
    /// This program's number among the backend's finders.
    finder: OnceLock<u16>,
}

#[derive(Debug)]
struct Last {
    at: Instant,
    recorded: u64,
    /// How long it took.
    took: Duration,
    failed: Option<Instant>,
}

/// From so many relations at a time, those of applications that ran for less
/// than [`WORTH_NS`] are not written: a chain of a million tail calls leaves a
/// million. They stay in memory as long as the cache has room, and the answer
/// that they led to is written all the same.
///
/// Measured on a 2-core virtual machine, in processor time, a relation with its
/// Tree of four entries takes 1.5 us to write among 100,000 and 2.7 us among a
/// million, 272 to 304 bytes in the store, and 0.8 us (of ten thousand) to 3.1
/// us (of a million) to be found by another process; one that is not there
/// costs 0.3 us. So what took 10 us pays for its record if it is asked for again
/// at all, and twice if that is certain. Up to the number here, at most 0.2 s
/// and 20 MB, nobody has to care.
const FLOOD: usize = 65_536;
const WORTH_NS: u64 = 10_000;

/// After so long what failed is tried again: there may be room by then.
const RETRY: Duration = Duration::from_secs(60);

/// Looking for what is new goes through all that is in memory, which may be ten
/// million: it gets so small a part of the time.
const PART: u32 = 10;

/// What a relation takes in the cache's table.
const RELATION_BYTES: u64 = 96;

impl Keeper {
    pub(crate) fn new(every: Option<Duration>, relation_cache_bytes: u64) -> Self {
        let last = Last { at: Instant::now(), recorded: 0, took: Duration::ZERO, failed: None };
        // A quarter of the cache is the table; a quarter of that may be new.
        let relations_max = relation_cache_bytes / 16 / RELATION_BYTES;
        Self {
            every,
            relations_max,
            last: Mutex::new(last),
            not_kept: Mutex::default(),
            finder: OnceLock::new(),
        }
    }
}

impl Shared {
    /// The key under which a request's answer is kept: not a fact of its own,
    /// since it follows from those of applications, but it saves following
    /// them. An application in canonical form needs none.
    fn answer_key(handle: Handle) -> Option<Handle> {
        let encode = handle.strict().unwrap_or(handle);
        let is_answer = encode.thunk()?.kind() != Kind::Identification;
        is_answer.then_some(encode)
    }

    /// What a request came to the last time.
    pub(crate) fn recall_answer(&self, handle: Handle) -> Option<Outcome> {
        if self.verifier.is_some() {
            return None;
        }
        let key = Self::answer_key(handle)?;
        let outcome = match self.relations.outcome(&key) {
            Some(stored) => self.outcome(stored),
            None => self.recall_stored(key),
        }?;
        self.counts.hits.fetch_add(1, Ordering::Relaxed);
        self.watchers.tell(|| crate::Event::Hit { key: weft_eval::Key::Eval(key) });
        Some(outcome)
    }

    /// The answer that the backend keeps of a request, and its key.
    pub(crate) fn kept_answer(
        &self,
        handle: Handle,
    ) -> Result<Option<(Handle, Relation)>, StoreError> {
        let (Some(key), Some(backend)) = (Self::answer_key(handle), &self.backend) else {
            return Ok(None);
        };
        Ok(backend.relation(&key)?.map(|relation| (key, relation)))
    }

    pub(crate) fn record_answer(&self, handle: Handle, outcome: &Outcome) {
        if self.verifier.is_some() {
            return;
        }
        let Some(key) = Self::answer_key(handle) else { return };
        // Where the application's own relation says the same, that is enough.
        let tree = key.thunk().and_then(Handle::definition);
        let known = tree.and_then(|tree| self.relations.outcome(&tree));
        let known = known.and_then(|known| self.outcome(known));
        let lifted = known.as_ref().and_then(Outcome::value).and_then(Handle::lift);
        if known.as_ref() != Some(outcome) && (lifted.is_none() || lifted != outcome.value()) {
            self.record(key, outcome, Cost::default(), None);
        }
    }

    /// Writes what was found out since the last time, if it is time.
    pub(crate) fn keep_if_due(&self) {
        let Some(every) = self.keeper.every else { return };
        let Some(mut last) = self.keeper.last.try_lock() else { return };
        let recorded = self.recorded();
        let new = recorded - last.recorded;
        let every = match recorded > FLOOD as u64 {
            true => every.max(last.took * PART),
            false => every,
        };
        let due = new >= self.keeper.relations_max || (new > 0 && last.at.elapsed() >= every);
        if due && self.keep_again(&mut last) {
            last.recorded = recorded;
        }
    }

    /// Writes all that is new before the cache forgets half of it.
    pub(crate) fn keep_before_shedding(&self) {
        if self.keeper.every.is_some()
            && let Some(mut last) = self.keeper.last.try_lock()
        {
            self.keep_again(&mut last);
        }
    }

    /// Writes while there is work; whether it could. What fails is told, and
    /// left alone for a while: a full disk stays full.
    fn keep_again(&self, last: &mut Last) -> bool {
        if last.failed.is_some_and(|failed| failed.elapsed() < RETRY) {
            return false;
        }
        let start = Instant::now();
        let done = self.keep(&[]);
        last.took = start.elapsed();
        last.at = Instant::now();
        last.failed = done.is_err().then_some(last.at);
        if let Err(error) = done {
            self.watchers.tell(|| crate::Event::NotKept { error: error.to_string().into() });
            *self.keeper.not_kept.lock() = Some(error.to_string().into());
        }
        last.failed.is_none()
    }
}

/// What was written.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Kept {
    /// Objects.
    pub objects: u64,
    /// Relations.
    pub relations: u64,
    /// Bytes of the objects.
    pub bytes: u64,
}

impl Node {
    /// Writes to the backend all that was found out about applications and is
    /// still in memory, with what their outcomes reach, and all that `handles`
    /// reach, and syncs. Without a backend it does nothing.
    ///
    /// # Errors
    /// The backend cannot write; what was kept before stays.
    pub fn keep(&self, handles: &[Handle]) -> Result<Kept, StoreError> {
        let kept = self.shared.keep(handles)?;
        *self.shared.keeper.not_kept.lock() = None;
        Ok(kept)
    }

    /// Why what was found out could not be written while there was work; `None`
    /// if it could, or if [`Node::keep`] has written it since.
    #[must_use]
    pub fn not_kept(&self) -> Option<Arc<str>> {
        self.shared.keeper.not_kept.lock().clone()
    }
}

impl Shared {
    fn keep(&self, handles: &[Handle]) -> Result<Kept, StoreError> {
        let Some(backend) = &self.backend else { return Ok(Kept::default()) };
        // What a relation speaks of stays although the relation is evicted
        // meanwhile.
        let slot = self.slots.borrow();
        slot.begin(self.epoch());
        self.check_what_was_read()?;
        let relations = self.worth_keeping();
        // Nor does a collection of the backend come between what is found there
        // and what is then written about it.
        let _writing = Writing::begin(&**backend)?;
        let mut writer = Writer {
            shared: self,
            backend: &**backend,
            whole: HashMap::default(),
            batch: Vec::new(),
            batch_bytes: 0,
            kept: Kept::default(),
        };
        for handle in handles {
            writer.reach(*handle)?;
        }
        let mut whole = Vec::with_capacity(relations.len());
        for (key, relation) in relations {
            if writer.reach_relation(key, &relation)? {
                whole.push((key, self.stamped(&**backend, &relation)?));
            }
        }
        writer.flush()?;
        let mut kept = writer.kept;
        kept.relations = whole.len() as u64;
        // A relation is written after what it speaks of.
        if !whole.is_empty() {
            backend.put_relations(&whole)?;
        }
        backend.sync()?;
        for (key, _) in whole {
            self.relations.set_durable(&key);
        }
        Ok(kept)
    }

    /// What was applied for what is still to be written: that is written with it,
    /// and nothing else need keep it here until then.
    pub(crate) fn applied_to_be_kept(&self) -> Vec<Handle> {
        if self.backend.is_none() || self.keeper.every.is_none() {
            return Vec::new();
        }
        let mut keys: Vec<(Handle, u64)> = Vec::new();
        let mut many = false;
        self.relations.for_each(|key, relation| {
            let run_ns = relation.cost.run_ns;
            if !relation.durable && key.kind() == Kind::Tree && (!many || run_ns >= WORTH_NS) {
                keys.push((*key, run_ns));
            }
            // As of what is written: of a flood not all is.
            if !many && keys.len() > FLOOD {
                many = true;
                keys.retain(|(_, run_ns)| *run_ns >= WORTH_NS);
            }
        });
        keys.into_iter().map(|(key, _)| key).collect()
    }

    /// What is new and worth a write.
    fn worth_keeping(&self) -> Vec<(Handle, Relation)> {
        // Only applications and steps are facts; what was derived follows from
        // them. Of that, the answers to requests are worth keeping.
        let mut relations = Vec::new();
        self.relations.for_each(|key, relation| {
            let is_answer = Self::answer_key(*key) == Some(*key);
            let is_fact = key.kind() == Kind::Tree || is_step(key);
            if (is_fact || is_answer) && !relation.durable {
                relations.push((*key, *relation));
            }
        });
        if relations.len() > FLOOD {
            let is_answer = |key: &Handle| key.kind() != Kind::Tree && !is_step(key);
            relations.retain(|(key, relation)| is_answer(key) || relation.cost.run_ns >= WORTH_NS);
        }
        relations
    }

    /// A relation as this program's own, found about now.
    pub(crate) fn stamped(
        &self,
        backend: &dyn Backend,
        relation: &Relation,
    ) -> Result<Relation, StoreError> {
        let finder = match self.keeper.finder.get() {
            Some(finder) => *finder,
            None => {
                let text = self.engine.version().to_owned();
                let finder = backend.finder(&Finder { text, here: true })?;
                *self.keeper.finder.get_or_init(|| finder)
            }
        };
        let since = SystemTime::now().duration_since(SystemTime::UNIX_EPOCH);
        let found_at_s =
            since.map_or(0, |since| u32::try_from(since.as_secs()).unwrap_or(u32::MAX));
        let origin = Origin { found_at_s, finder };
        Ok(Relation { origin, durable: true, ..*relation })
    }
}

enum Visit {
    Enter(Handle),
    Leave(Handle, Content),
}

struct Writer<'a> {
    shared: &'a Shared,
    backend: &'a dyn Backend,
    /// Of what was looked at, whether the backend has it or is about to, with
    /// all that it reaches.
    whole: HashMap<Handle, bool, HandleHash>,
    batch: Vec<(Handle, Content)>,
    batch_bytes: u64,
    kept: Kept,
}

const BATCH_BYTES: u64 = 4 << 20;

impl Writer<'_> {
    /// `false` if part of the outcome is gone; then there is nothing to keep.
    fn reach_relation(&mut self, key: Handle, relation: &Relation) -> Result<bool, StoreError> {
        let outcome = relation.outcome.handle();
        if !self.reach(outcome)? {
            return Ok(false);
        }
        if let Some(notes) = relation.notes {
            self.reach(notes)?;
        }
        // What was applied is kept if it is still here; a place never is.
        if !is_step(&key) {
            self.reach(key)?;
        }
        Ok(true)
    }

    /// Writes what a handle reaches and the backend does not have; whether that
    /// was all there. Children come before what holds them, and what lacks a
    /// part is not written: so what a backend has, it has with all below it,
    /// also if the process is killed in the middle.
    fn reach(&mut self, root: Handle) -> Result<bool, StoreError> {
        let mut open = vec![Visit::Enter(root.content())];
        while let Some(visit) = open.pop() {
            match visit {
                Visit::Enter(object) if self.is_known(&object) => {}
                Visit::Enter(object) if self.backend.contains(&object)? => {
                    self.whole.insert(object, true);
                }
                Visit::Enter(object) => match self.shared.memory.get(&object) {
                    None => {
                        // What was dropped comes back when it is asked for.
                        let dropped = self.backend.recipe(&object)?.is_some();
                        self.whole.insert(object, dropped);
                    }
                    Some(content) => {
                        let below = content.tree().cloned();
                        open.push(Visit::Leave(object, content));
                        let entries = below.iter().flat_map(|tree| tree.entries());
                        open.extend(entries.map(|entry| Visit::Enter(entry.content())));
                    }
                },
                Visit::Leave(object, content) => {
                    let entries = content.tree().map_or(&[][..], |tree| tree.entries());
                    let whole = entries.iter().all(|entry| self.is_whole(&entry.content()));
                    if whole && !self.is_known(&object) {
                        self.write(object, content)?;
                    }
                    self.whole.insert(object, whole);
                }
            }
        }
        Ok(self.is_whole(&root.content()))
    }

    fn is_known(&self, object: &Handle) -> bool {
        object.is_literal() || self.whole.contains_key(object)
    }

    fn is_whole(&self, object: &Handle) -> bool {
        object.is_literal() || self.whole.get(object) == Some(&true)
    }

    fn write(&mut self, object: Handle, content: Content) -> Result<(), StoreError> {
        self.kept.objects += 1;
        self.kept.bytes += content.bytes_len();
        self.batch_bytes += content.bytes_len();
        self.batch.push((object, content));
        if self.batch_bytes >= BATCH_BYTES {
            self.flush()?;
        }
        Ok(())
    }

    fn flush(&mut self) -> Result<(), StoreError> {
        if self.batch.is_empty() {
            return Ok(());
        }
        self.backend.put(&self.batch)?;
        for (object, _) in &self.batch {
            self.shared.memory.set_durable(object);
        }
        self.batch.clear();
        self.batch_bytes = 0;
        Ok(())
    }
}
