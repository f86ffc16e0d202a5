//! Programs that need not run, because earlier runs have looked at nothing that
//! is different: docs/wasi.md, "Steps".

use std::sync::atomic::Ordering;

use weft_engine::{Matching, Steps, matching};
use weft_eval::{Application, Outcome};
use weft_object::Handle;
use weft_store::{Cost, Inserted, Relation};

use crate::Event;
use crate::node::Shared;
use crate::platform::View;
use crate::run::Resident;

impl View<'_> {
    /// Keeps what a run has found out on its way. A chain of steps saves one
    /// run, so each has a part of the cost, for whoever weighs what to forget;
    /// the end has all of it, for whoever gets there another way.
    pub(crate) fn record_steps(&self, steps: &Steps, run_ns: u64) {
        let shared = self.shared;
        for (handle, content) in &steps.content {
            shared.put(*handle, content.clone());
        }
        let part_ns = run_ns / (steps.relations.len() as u64).max(1);
        let last = steps.relations.len().saturating_sub(1);
        for (at, (place, outcome)) in steps.relations.iter().enumerate() {
            let cost = Cost { run_ns: if at == last { run_ns } else { part_ns }, fuel: None };
            shared.record(*place, &Outcome::Value(*outcome), cost, None);
        }
    }

    /// What an application of a program comes to without being run; that is
    /// then its relation.
    pub(crate) fn matched(&mut self, application: &Application) -> Option<Outcome> {
        let shared = self.shared;
        // Who verifies believes nobody.
        if shared.verifier.is_some() {
            return None;
        }
        let before = shared.before_reading();
        let mut known = |place: &Handle| shared.known_step(place);
        let entries = application.tree.entries();
        let found = matching(entries, &Resident(shared), self.interrupt, &mut known)?;
        let Matching { value, made, needs, end, asked } = found;
        // As the time it takes to have it again.
        let cost = shared.relations.get(&end)?.cost;
        if !needs.iter().all(|handle| shared.is_there(&handle.content()))
            || shared.changed_since(before).is_some()
        {
            return None;
        }
        for (handle, content) in made {
            shared.put(handle, content);
        }
        self.held.push(value);
        let outcome = Outcome::Value(value);
        let relation = Relation::new(weft_store::Outcome::Value(value), cost);
        let handle = application.handle;
        match shared.relations.insert(&handle, &relation, shared.epoch()) {
            Inserted::New => {
                shared.counts.recorded.fetch_add(1, Ordering::Relaxed);
                shared.counts.matched.fetch_add(1, Ordering::Relaxed);
                let outcome = outcome.clone();
                shared.watchers.tell(|| Event::Matched { application: handle, outcome, asked });
            }
            // Another thread was faster.
            Inserted::Same => {}
            Inserted::Conflict(_) => _ = shared.counts.conflicts.fetch_add(1, Ordering::Relaxed),
        }
        Some(outcome)
    }
}

impl Shared {
    /// What is asked at a place, or the end there.
    fn known_step(&self, place: &Handle) -> Option<Handle> {
        let outcome = match self.relations.outcome(place) {
            Some(stored) => self.outcome(stored),
            None => self.recall_stored(*place),
        };
        outcome?.value()
    }
}
