//! Evaluating again what is known, to compare.
//!
//! A node that verifies runs what the backend knows as if it did not, and then
//! goes on with what the backend has. So each relation is judged by itself: a
//! wrong one does not hide those behind it.

use weft_eval::{NoAnswerKind, Outcome, Survey};
use weft_object::Handle;
use weft_store::{Backend, Cost, Relation, StoreError, Writing};

use crate::Node;
use crate::node::Shared;
use crate::sync::Mutex;

/// Which of the known applications are run again. The choice goes by their
/// names, so it is the same each time.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Sample {
    below: u64,
    all: bool,
}

impl Sample {
    /// All of them.
    pub const ALL: Self = Self { below: 0, all: true };
    /// None: only the answers to requests are compared, with what follows from
    /// the relations of applications.
    pub const NONE: Self = Self { below: 0, all: false };

    /// About this part of them, from 0 to 1; if there are any, one at least.
    #[must_use]
    pub fn part(part: f64) -> Self {
        // As floats saturate, one just below 1 is as good as all.
        Self { below: (part * u64::MAX as f64) as u64, all: part >= 1.0 }
    }

    fn takes(self, key: &Handle) -> bool {
        self.all || rank(key) < self.below
    }
}

/// Keys are digests, but they can be chosen; the last word is mixed in so that
/// literals, were there any, would differ too.
fn rank(key: &Handle) -> u64 {
    let word = |at: usize| {
        let mut raw = [0; 8];
        raw.copy_from_slice(&key.as_bytes()[at..at + 8]);
        u64::from_le_bytes(raw)
    };
    (word(0) ^ word(8)).wrapping_mul(0x9e37_79b9_7f4a_7c15)
}

/// A relation that is not what was found now.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Disagreement {
    /// The canonical application Tree; or a Thunk or Encode, of which the answer
    /// was kept.
    pub key: Handle,
    /// What the backend has.
    pub stored: Relation,
    /// What was found.
    pub found: Relation,
}

/// A relation that could not be compared.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Unchecked {
    /// The canonical application Tree.
    pub key: Handle,
    /// Why.
    pub why: String,
}

/// What came of verifying.
#[derive(Clone, Debug, Default)]
#[non_exhaustive]
pub struct Verified {
    /// Relations that are what was found again.
    pub agreed: u64,
    /// Of them, those that were somebody else's word until now.
    pub adopted: u64,
    /// Known applications that were not in the sample.
    pub left_out: u64,
    /// Applications that ran without anything known to compare with.
    pub unknown: u64,
    /// Relations that are not what was found.
    pub disagreed: Vec<Disagreement>,
    /// Relations that could not be compared.
    pub unchecked: Vec<Unchecked>,
}

/// What a node that verifies has found so far.
#[derive(Debug)]
pub(crate) struct Verifier {
    sample: Sample,
    findings: Mutex<Findings>,
}

#[derive(Debug, Default)]
struct Findings {
    verified: Verified,
    /// Of those left out, the one to take if there is no other.
    lowest: Option<Handle>,
    /// Agreed, and not found over this store.
    foreign: Vec<(Handle, Relation)>,
}

impl Verifier {
    pub(crate) fn new(sample: Sample) -> Self {
        Self { sample, findings: Mutex::default() }
    }

    pub(crate) fn takes(&self, key: &Handle) -> bool {
        self.sample.takes(key)
    }

    pub(crate) fn left_out(&self, key: Handle) {
        let mut findings = self.findings.lock();
        findings.verified.left_out += 1;
        let lowest = findings.lowest.get_or_insert(key);
        if rank(&key) < rank(lowest) {
            *lowest = key;
        }
    }

    /// What was found where another outcome is kept: roots of a collection.
    pub(crate) fn roots(&self) -> Vec<Handle> {
        let findings = self.findings.lock();
        let found = |relation: &Relation| [Some(relation.outcome.handle()), relation.notes];
        let disagreed = findings.verified.disagreed.iter().map(|one| &one.found);
        let foreign = findings.foreign.iter().map(|(_, relation)| relation);
        disagreed.chain(foreign).flat_map(found).flatten().collect()
    }

    fn judge(&self, key: Handle, stored: &Relation, found: &Relation, is_ours: bool) {
        let mut findings = self.findings.lock();
        if stored.outcome != found.outcome {
            let one = Disagreement { key, stored: *stored, found: *found };
            findings.verified.disagreed.push(one);
            return;
        }
        findings.verified.agreed += 1;
        if !is_ours {
            let notes = found.notes.or(stored.notes);
            findings.foreign.push((key, Relation { notes, ..*found }));
        }
    }
}

impl Shared {
    /// Compares what a run came to with what is known, and answers with that.
    pub(crate) fn compare(
        &self,
        verifier: &Verifier,
        key: Handle,
        outcome: Outcome,
        cost: Cost,
        notes: Option<Handle>,
    ) -> Outcome {
        let Some(known) = self.known_to_backend(&key) else {
            if outcome.is_relation() {
                verifier.findings.lock().verified.unknown += 1;
                self.record(key, &outcome, cost, notes);
            }
            return outcome;
        };
        match (self.stored(&outcome), &outcome) {
            (Some(stored), _) => {
                let found = Relation { notes, ..Relation::new(stored, cost) };
                verifier.judge(key, &known, &found, self.is_found_here(&known));
            }
            (None, Outcome::NoAnswer(none)) if none.kind == NoAnswerKind::Cancelled => {
                return outcome;
            }
            (None, _) => {
                let why = match &outcome {
                    Outcome::NoAnswer(none) => none.to_string(),
                    _ => String::new(),
                };
                verifier.findings.lock().verified.unchecked.push(Unchecked { key, why });
            }
        }
        self.recalled(key, &known).map_or(outcome, |(known, _)| known)
    }

    /// What is known of an application that cannot run again because part of its
    /// footprint is gone.
    pub(crate) fn compare_lost(
        &self,
        verifier: &Verifier,
        key: Handle,
        found: &Survey,
    ) -> Option<Outcome> {
        let backend = self.backend.as_ref()?;
        let is_lost = |object: &&Handle| {
            matches!(backend.contains(object), Ok(false))
                && !matches!(backend.recipe(object), Ok(Some(_)))
        };
        let mut missing = found.missing_trees.iter().chain(&found.missing_blobs);
        let lost = missing.find(is_lost)?;
        let known = self.known_to_backend(&key)?;
        let why = format!("#{lost} of what it reads is not here; add or import it");
        verifier.findings.lock().verified.unchecked.push(Unchecked { key, why });
        self.recalled(key, &known).map(|(known, _)| known)
    }

    fn known_to_backend(&self, key: &Handle) -> Option<Relation> {
        self.backend.as_ref()?.relation(key).ok()?
    }

    /// Whether this store's own word is that of a relation's finder.
    fn is_found_here(&self, relation: &Relation) -> bool {
        let Some(place) = usize::from(relation.origin.finder).checked_sub(1) else { return false };
        let finders = self.backend.as_ref().and_then(|backend| backend.finders().ok());
        finders.and_then(|finders| finders.get(place).map(|finder| finder.here)).unwrap_or(false)
    }
}

impl Node {
    /// What a node with [`Config::verify`](crate::Config::verify) has found
    /// since the last time; if nothing was in the sample, after one application
    /// that was left out. Relations that agree and were somebody else's word
    /// are written anew as found here. If `request` was evaluated to `outcome`,
    /// the answer that is kept of it is compared as well, unless something that
    /// it follows from disagrees.
    ///
    /// # Errors
    /// The backend cannot read or write.
    pub fn verified(&self, request: Handle, outcome: &Outcome) -> Result<Verified, StoreError> {
        let shared = &*self.shared;
        let (Some(verifier), Some(backend)) = (&shared.verifier, &shared.backend) else {
            return Ok(Verified::default());
        };
        self.verify_one_at_least(verifier);
        let judged = verifier.findings.lock().verified.disagreed.is_empty();
        if judged
            && let Some((key, stored)) = shared.kept_answer(request)?
            && let Some(found) = shared.stored(outcome)
            && found != stored.outcome
        {
            let found = Relation::new(found, stored.cost);
            verifier.judge(key, &stored, &found, true);
        }
        let findings = std::mem::take(&mut *verifier.findings.lock());
        let mut verified = findings.verified;
        if !findings.foreign.is_empty() {
            verified.adopted = self.adopt(&**backend, &findings.foreign)?;
        }
        verified.disagreed.sort_unstable_by_key(|one| one.key);
        verified.unchecked.sort_unstable_by_key(|one| one.key);
        verified.unchecked.dedup_by_key(|one| one.key);
        Ok(verified)
    }

    fn verify_one_at_least(&self, verifier: &Verifier) {
        let lowest = {
            let findings = verifier.findings.lock();
            let Verified { agreed, disagreed, unchecked, .. } = &findings.verified;
            let none = *agreed == 0 && disagreed.is_empty() && unchecked.is_empty();
            findings.lowest.filter(|_| none && verifier.sample != Sample::NONE)
        };
        let Some(key) = lowest else { return };
        let session = self.session();
        let Some(thunk) = key.application() else { return };
        let Ok(Some(application)) = session.outermost(thunk) else { return };
        let again = session.apply_again(&application, &weft_engine::Interrupt::new());
        verifier.findings.lock().verified.left_out -= 1;
        self.shared.compare(verifier, key, again.outcome, again.cost, None);
    }

    /// Writes relations as found here; how many.
    fn adopt(
        &self,
        backend: &dyn Backend,
        relations: &[(Handle, Relation)],
    ) -> Result<u64, StoreError> {
        let notes: Vec<Handle> = relations.iter().filter_map(|(_, known)| known.notes).collect();
        self.keep(&notes)?;
        let _writing = Writing::begin(backend)?;
        let mut ours = Vec::with_capacity(relations.len());
        for (key, relation) in relations {
            // What is not there cannot be had again either.
            if backend.contains(&relation.outcome.handle())? {
                ours.push((*key, self.shared.stamped(backend, relation)?));
            }
        }
        backend.put_relations(&ours)?;
        backend.sync()?;
        Ok(ours.len() as u64)
    }

    /// Puts what was found in the place of what was stored, with what it
    /// reaches.
    ///
    /// # Errors
    /// The backend cannot write, or part of what was found is gone.
    pub fn replace(&self, disagreed: &[Disagreement]) -> Result<(), StoreError> {
        let Some(backend) = &self.shared.backend else { return Ok(()) };
        let found = disagreed.iter().map(|one| one.found);
        let roots = found.flat_map(|found| [Some(found.outcome.handle()), found.notes]);
        let roots: Vec<Handle> = roots.flatten().collect();
        self.keep(&roots)?;
        let _writing = Writing::begin(&**backend)?;
        if let Some(gone) = disagreed
            .iter()
            .map(|one| one.found.outcome.handle())
            .find(|found| !matches!(backend.contains(found), Ok(true)))
        {
            return Err(StoreError::Missing(gone.content()));
        }
        let mut ours = Vec::with_capacity(disagreed.len());
        for one in disagreed {
            ours.push((one.key, self.shared.stamped(&**backend, &one.found)?));
        }
        backend.put_relations(&ours)?;
        backend.sync()
    }
}
