//! Performing what the machine asks for, badly.

use std::sync::Arc;

use weft_eval::{
    Action, Application, Event, Frame, Key, Need, NoAnswerKind, Outcome, Report, Ticket, evaluate,
};
use weft_object::Handle;

use super::host::{Bench, Running};
use super::{Due, Scheduler, What, cancelled};
use crate::world::lost;

impl Scheduler {
    pub(super) fn begin(&mut self, action: Action) {
        let (key, ticket) = match &action {
            Action::Evaluate { key, ticket, .. } => (*key, *ticket),
            Action::Apply { application, ticket } => (application.key(), *ticket),
            Action::Load { object, ticket } => (Key::Content(*object), *ticket),
            Action::Interrupt { .. } | Action::Answer { .. } => return,
        };
        let (slow, faults) = (4 * self.settings.delay_max, self.settings.faults.clone());
        // Whoever was interrupted in time says so, or nothing.
        if self.host.interrupted.contains(&ticket) && self.rng.chance(700) {
            if self.rng.chance(500) && !matches!(key, Key::Content(_)) {
                self.report(key, ticket, Report::Done(cancelled()));
            }
            return;
        }
        if self.rng.chance(faults.lose) {
            self.host.note(What::Fault("lost"));
            self.later(slow, Due::Tell(Event::Lost { key, ticket }));
            match self.rng.below(3) {
                0 => return,
                // Late, but it does get there.
                1 => return self.later(slow, Due::Begin(action)),
                _ => {}
            }
        }
        if self.rng.chance(faults.duplicate) {
            self.host.note(What::Fault("twice"));
            self.later(slow, Due::Begin(action.clone()));
        }
        match action {
            Action::Evaluate { key, ticket, resume, application } => {
                self.host.note(What::Looked(key));
                let free = self.free_bytes();
                let budget = self.host.budget();
                let bench = &mut Bench { host: &mut self.host, free_bytes: free };
                let report = evaluate(bench, key, application.as_ref(), &resume, budget);
                self.report(key, ticket, report);
                for stranger in std::mem::take(&mut self.host.strangers) {
                    let end = Due::End { application: stranger, ticket: None };
                    self.later(2 * self.settings.delay_max, end);
                }
            }
            Action::Apply { application, ticket } => self.begin_run(application, ticket),
            Action::Load { object, .. } => self.load(object),
            Action::Interrupt { .. } | Action::Answer { .. } => {}
        }
    }

    fn free_bytes(&self) -> u64 {
        self.host.world.capacity_bytes - self.machine.stat().claimed_bytes
    }

    fn load(&mut self, object: Handle) {
        let result = match self.host.world.content.contains_key(&object) {
            true => {
                self.host.note(What::Loaded(object));
                self.host.resident.insert(object);
                Ok(())
            }
            false => match lost(object) {
                Outcome::NoAnswer(no_answer) => Err(no_answer),
                _ => Ok(()),
            },
        };
        if self.rng.chance(self.settings.faults.duplicate) {
            let again = Event::Loaded { object, result: result.clone() };
            self.later(3 * self.settings.delay_max, Due::Tell(again));
        }
        self.later(self.settings.delay_max, Due::Tell(Event::Loaded { object, result }));
    }

    fn begin_run(&mut self, application: Arc<Application>, ticket: Ticket) {
        let (key, tree) = (application.key(), application.handle);
        let report = match self.host.look(&application) {
            _ if self.host.relations.contains_key(&tree) => {
                Report::Done(self.host.relations[&tree].clone())
            }
            _ if self.host.running.contains_key(&tree) => {
                self.host.running.entry(tree).and_modify(|running| running.awaited = true);
                Report::Elsewhere
            }
            Err(missing) => {
                let need = |object| Need { key: Key::Content(object), application: None };
                let needs = missing.into_iter().map(need).collect();
                Report::Pending(vec![Frame { key, needs, tail: None }])
            }
            Ok(claim) if !claim.missing.is_empty() => Report::Claim(claim),
            Ok(claim) => {
                let footprint = self.host.footprint(&application);
                let (ticket, claimed_bytes) = (Some(ticket), claim.bytes);
                let running = Running { ticket, claimed_bytes, awaited: false, footprint };
                self.host.running.insert(tree, running);
                let end = Due::End { application, ticket };
                return self.later(2 * self.settings.delay_max, end);
            }
        };
        self.report(key, ticket, report);
    }

    /// The end of a run, in whichever way.
    pub(super) fn end(&mut self, application: &Arc<Application>, ticket: Option<Ticket>) {
        let key = application.key();
        let Some(running) = self.host.running.remove(&application.handle) else { return };
        let interrupted = ticket.is_some_and(|ticket| self.host.interrupted.contains(&ticket));
        let crashed = self.rng.chance(self.settings.faults.lose);
        let outcome = match (interrupted && self.rng.chance(500)) || crashed {
            true => cancelled(),
            false => self.host.run(application),
        };
        if running.awaited {
            let tree = application.handle;
            let applied = Event::Applied { tree, outcome: outcome.clone() };
            self.later(self.settings.delay_max, Due::Tell(applied));
        }
        let Some(ticket) = ticket else { return };
        match crashed {
            true => self.later(self.settings.delay_max, Due::Tell(Event::Lost { key, ticket })),
            false => self.report(key, ticket, Report::Done(outcome)),
        }
    }

    /// Whether this is what a request is told that was cancelled.
    #[must_use]
    pub fn is_cancelled(outcome: &Outcome) -> bool {
        matches!(outcome, Outcome::NoAnswer(reason) if reason.kind == NoAnswerKind::Cancelled)
    }
}
