//! What goes wrong between steps.

use std::collections::HashSet;

use weft_eval::{Action, Event, Machine, Outcome};
use weft_object::Handle;

use super::{Due, Scheduler, What};
use crate::world::reach;

impl Scheduler {
    pub(super) fn mischief(&mut self) {
        if self.settings.collect_every.is_some_and(|every| self.host.made > every) {
            // Long runs are collected without mercy: only what the machine and
            // the events on their way may need is kept.
            self.host.relations.clear();
            self.host.derived.clear();
            self.collect();
        }
        // Idleness may be noticed at any time, and means nothing.
        if self.rng.chance(self.settings.faults.idle) {
            self.tell(Event::Idle);
        }
        let faults = self.settings.faults.clone();
        if self.mischief_left == 0 {
            return;
        }
        let kinds = [faults.restart, faults.forget, faults.evict, faults.collect];
        for (kind, per_mille) in kinds.into_iter().enumerate() {
            if self.rng.chance(per_mille) {
                self.mischief_left = self.mischief_left.saturating_sub(1);
                match kind {
                    0 => self.restart(),
                    1 => self.forget(),
                    2 => self.evict(),
                    _ => self.collect(),
                }
            }
        }
    }

    /// The machine and all its workers are gone; content and some relations
    /// stay, and whoever had asked asks again.
    fn restart(&mut self) {
        self.host.note(What::Fault("restart"));
        let graph_bytes_max = self.settings.graph_bytes_max;
        self.machine = Machine::with_graph_bytes(self.host.world.capacity_bytes, graph_bytes_max);
        self.under_way.clear();
        self.host.running.clear();
        self.host.interrupted.clear();
        self.host.resident.clear();
        self.host.derived.clear();
        let asked =
            |due: &Due| matches!(due, Due::Tell(Event::Request { .. } | Event::Cancel { .. }));
        self.due.retain(|_, due| asked(due));
        self.forget_relations();
        for (id, handle) in std::mem::take(&mut self.open) {
            self.later(20, Due::Tell(Event::Request { id, handle }));
        }
    }

    fn forget(&mut self) {
        self.host.note(What::Fault("forget"));
        let keep = self.rng.below(1000) as u32;
        let rng = &mut self.rng;
        self.host.derived.retain(|_, _| rng.chance(keep));
        if self.rng.chance(300) {
            self.forget_relations();
        }
    }

    fn forget_relations(&mut self) {
        let keep = self.rng.below(1000) as u32;
        let rng = &mut self.rng;
        self.host.relations.retain(|_, _| rng.chance(keep));
    }

    fn evict(&mut self) {
        self.host.note(What::Fault("evict"));
        let keep = self.rng.below(1000) as u32;
        let (rng, running) = (&mut self.rng, &self.host.running);
        let runs = |handle: &Handle| running.values().any(|run| run.footprint.contains(handle));
        self.host.resident.retain(|handle| rng.chance(keep) || runs(handle));
    }

    /// Deletes all content but what the machine says it may need, what is on
    /// its way to it, and what is known.
    fn collect(&mut self) {
        self.host.note(What::Fault("collect"));
        let mut roots: Vec<Handle> = self.machine.roots().collect();
        roots.extend(&self.host.keep);
        roots.extend(self.host.running.keys());
        for running in self.host.running.values() {
            roots.extend(&running.footprint);
        }
        let known = self.host.relations.values().chain(self.host.derived.values());
        roots.extend(known.filter_map(Outcome::value));
        for due in self.due.values() {
            on_its_way(due, &mut roots);
        }
        let reached: HashSet<Handle> = reach(&self.host.world.content, roots);
        self.host.world.content.retain(|handle, _| reached.contains(handle));
        self.host.resident.retain(|handle| reached.contains(handle));
        self.host.made = 0;
    }
}

/// What a report that the machine has not seen yet is about, and an action that is
/// performed late, if nobody awaits it any more.
fn on_its_way(due: &Due, roots: &mut Vec<Handle>) {
    match due {
        Due::Tell(Event::Reported { key, report, .. }) => {
            roots.push(key.handle());
            roots.extend(report.roots());
        }
        Due::Begin(Action::Evaluate { key, resume, application, .. }) => {
            roots.push(key.handle());
            roots.extend(resume.roots());
            roots.extend(application.iter().map(|application| application.handle));
        }
        Due::Begin(Action::Apply { application, .. }) => roots.push(application.handle),
        Due::Tell(Event::Applied { outcome, .. }) => roots.extend(outcome.value()),
        _ => {}
    }
}
