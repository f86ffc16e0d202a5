//! What a store holds beside content and relations: what is small and changes.

use std::collections::{BTreeMap, VecDeque};

use weft_object::Handle;

use super::record::{Sort, number};
use crate::{Finder, Label, Outcome, Pin, Run};

/// Labels, pins, finders, runs and the budget, as records up to some place of
/// the log have left them.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct State {
    pub(crate) labels: BTreeMap<Label, Handle>,
    /// Until when, see [`Pin`].
    pub(crate) pins: BTreeMap<Handle, Option<u64>>,
    pub(crate) finders: Vec<Finder>,
    /// The latest first; more than [`crate::run::forget_old`] leaves.
    pub(crate) runs: VecDeque<Run>,
    pub(crate) budget_bytes: Option<u64>,
}

/// A change of the state, as a record says it.
pub(crate) type Change = (Sort, Vec<u8>);

impl State {
    /// Does what a record says; whether it says something that can be.
    pub(crate) fn apply(&mut self, sort: &Sort, payload: &[u8]) -> bool {
        self.try_apply(sort, payload).is_some()
    }

    fn try_apply(&mut self, sort: &Sort, payload: &[u8]) -> Option<()> {
        match sort {
            Sort::Label(handle) => {
                self.labels.insert(label(payload)?, *handle);
            }
            Sort::NoLabel => {
                self.labels.remove(&label(payload)?);
            }
            Sort::Pin(handle) => {
                let until = Some(number(payload)).filter(|until| *until != NEVER);
                self.pins.insert(*handle, until);
            }
            Sort::Unpin(handle) => {
                self.pins.remove(handle);
            }
            Sort::Run(request) => {
                self.runs.push_front(decode_run(*request, payload)?);
                self.forget_runs();
            }
            Sort::Finder => self.finders.push(decode_finder(payload)?),
            Sort::Budget => {
                self.budget_bytes = Some(number(payload)).filter(|budget| *budget != NEVER);
            }
            Sort::Reset => *self = Self::default(),
            Sort::Content(_)
            | Sort::Compressed(_)
            | Sort::Large(_)
            | Sort::Relation(_)
            | Sort::Dropped(_) => {}
            Sort::Commit(_) => {}
        }
        Some(())
    }

    // Now and then, so that each run costs little.
    fn forget_runs(&mut self) {
        if self.runs.len() >= 2 * Run::KEPT {
            let mut runs = Vec::from(std::mem::take(&mut self.runs));
            crate::run::forget_old(&mut runs);
            // As many labels as there are runs: then it is time when they have doubled.
            self.runs = runs.into();
        }
    }

    /// The runs to be remembered, the latest first.
    pub(crate) fn runs(&self) -> Vec<Run> {
        let mut runs: Vec<Run> = self.runs.iter().cloned().collect();
        crate::run::forget_old(&mut runs);
        runs
    }

    pub(crate) fn pins(&self) -> Vec<Pin> {
        self.pins
            .iter()
            .map(|(handle, until_s)| Pin { handle: *handle, until_s: *until_s })
            .collect()
    }

    /// The changes that make this state out of an empty one.
    pub(crate) fn changes(&self) -> Vec<Change> {
        let labels = self.labels.iter().map(|(label, handle)| set_label(label, Some(*handle)));
        let pins = self
            .pins
            .iter()
            .map(|(handle, until_s)| pin(&Pin { handle: *handle, until_s: *until_s }));
        let finders = self.finders.iter().map(finder);
        let runs = self.runs();
        let runs = runs.iter().rev().map(run);
        let budget = self.budget_bytes.map(|bytes| budget(Some(bytes)));
        labels.chain(pins).chain(finders).chain(runs).chain(budget).collect()
    }
}

const NEVER: u64 = u64::MAX;

fn label(payload: &[u8]) -> Option<Label> {
    Label::new(std::str::from_utf8(payload).ok()?).ok()
}

pub(crate) fn set_label(label: &Label, to: Option<Handle>) -> Change {
    (to.map_or(Sort::NoLabel, Sort::Label), label.as_str().as_bytes().to_vec())
}

pub(crate) fn pin(pin: &Pin) -> Change {
    (Sort::Pin(pin.handle), pin.until_s.unwrap_or(NEVER).to_le_bytes().to_vec())
}

pub(crate) fn budget(bytes: Option<u64>) -> Change {
    (Sort::Budget, bytes.unwrap_or(NEVER).to_le_bytes().to_vec())
}

pub(crate) fn finder(finder: &Finder) -> Change {
    let mut payload = vec![u8::from(finder.here)];
    payload.extend_from_slice(finder.text.as_bytes());
    (Sort::Finder, payload)
}

fn decode_finder(payload: &[u8]) -> Option<Finder> {
    let (here, text) = payload.split_first()?;
    let text = std::str::from_utf8(text).ok().filter(|text| text.len() <= Finder::TEXT_MAX)?;
    (*here <= 1).then(|| Finder { text: text.into(), here: *here == 1 })
}

const FAILURE: u64 = 1;
const RUN_FIXED: usize = 64;

pub(crate) fn run(run: &Run) -> Change {
    let mut payload = Vec::with_capacity(RUN_FIXED);
    let failure = matches!(run.outcome, Outcome::Failure(_));
    let flags = if failure { FAILURE } else { 0 };
    for number in [flags, run.at_ms, run.took_ns, run.applied] {
        payload.extend_from_slice(&number.to_le_bytes());
    }
    payload.extend_from_slice(run.outcome.handle().as_bytes());
    payload.extend_from_slice(run.label.as_ref().map_or("", Label::as_str).as_bytes());
    (Sort::Run(run.request), payload)
}

fn decode_run(request: Handle, payload: &[u8]) -> Option<Run> {
    let (fixed, text) = payload.split_first_chunk::<RUN_FIXED>()?;
    let word = |at: usize| number(&fixed[8 * at..8 * at + 8]);
    let handle = Handle::decode(fixed[32..].first_chunk()?).ok()?;
    let outcome = match word(0) {
        0 => Outcome::Value(handle),
        FAILURE => Outcome::Failure(handle),
        _ => return None,
    };
    let label = if text.is_empty() { None } else { Some(label(text)?) };
    Some(Run { request, outcome, label, at_ms: word(1), took_ns: word(2), applied: word(3) })
}
