//! One application, from a resident footprint to a relation.

use std::fs::File;
use std::time::Instant;

use weft_engine::{Applied, Interrupt, Mapped, Objects, Run};
use weft_eval::{Application, Outcome};
use weft_object::{Blob, Content, Handle, Tree};
use weft_store::{Cost, map};

use crate::node::Shared;
use crate::platform::View;
use crate::running::Begun;
use crate::{Event, failure, recover};

/// The memory tier as the engine reads it.
pub(crate) struct Resident<'a>(pub(crate) &'a Shared);

impl Objects for Resident<'_> {
    fn blob(&self, handle: Handle) -> Option<Blob> {
        self.0.memory.get(&handle)?.blob().cloned()
    }

    fn tree(&self, handle: Handle) -> Option<Tree> {
        self.0.memory.get(&handle)?.tree().cloned()
    }

    fn mapped(&self, bytes: &[u8], address: usize) -> Option<Box<dyn Mapped>> {
        Some(Box::new(Window(map::window(bytes, address)?)))
    }

    fn may_fetch_elsewhere(&self) -> bool {
        !recover::is_recovery()
    }

    fn fetch(&self, object: Handle, interrupt: &Interrupt) -> Result<Content, String> {
        if let Some(content) = self.0.memory.get(&object) {
            return Ok(content);
        }
        self.0.load(object, interrupt).map_err(|why| why.detail.to_string())?;
        let gone = || format!("the content of #{object} had to make room at once; ask again");
        self.0.memory.get(&object).ok_or_else(gone)
    }
}

struct Window(map::Window);

impl Mapped for Window {
    fn file(&self) -> Option<&File> {
        self.0.file()
    }

    fn offset(&self) -> u64 {
        self.0.offset()
    }
}

impl View<'_> {
    /// Runs the function and keeps what came of it.
    pub(crate) fn run(&mut self, application: &Application, begun: &mut Begun<'_>) -> Outcome {
        let before = self.shared.before_reading();
        let (applied, run_ns) = self.perform(application);
        let outcome = match self.shared.changed_since(before) {
            None => self.publish(application, applied, run_ns, begun),
            Some(no_answer) => no_answer,
        };
        self.ran(application, &outcome, run_ns);
        outcome
    }

    /// Runs the function; what it came to, and how many nanoseconds it took.
    pub(crate) fn perform(&mut self, application: &Application) -> (Applied, u64) {
        let shared = self.shared;
        let tally = &self.slot.tally;
        shared.watchers.tell(|| Event::Started { application: application.handle });
        tally.running.set(1);
        if !self.held.is_empty() {
            self.slot.doing().held.append(&mut self.held);
        }
        self.slot.rest();
        let start = Instant::now();
        let applied = shared.engine.apply(Run {
            application: application.handle,
            entries: &application.tree,
            memory_limit_bytes: application.memory_limit_bytes,
            fuel: application.hints.fuel,
            objects: &Resident(shared),
            interrupt: self.interrupt,
        });
        let run_ns = u64::try_from(start.elapsed().as_nanos()).unwrap_or(u64::MAX);
        self.slot.begin(shared.epoch());
        tally.running.set(0);
        tally.applied.add(1);
        tally.run_ns.add(run_ns);
        (applied, run_ns)
    }

    /// Counts and tells how a run has ended.
    pub(crate) fn ran(&self, application: &Application, outcome: &Outcome, run_ns: u64) {
        if outcome.value().is_none() {
            self.slot.tally.failed.add(1);
        }
        self.shared.watchers.tell(|| Event::Ran {
            application: application.handle,
            outcome: outcome.clone(),
            run_ns,
        });
    }

    fn publish(
        &mut self,
        application: &Application,
        applied: Applied,
        run_ns: u64,
        begun: &mut Begun<'_>,
    ) -> Outcome {
        let shared = self.shared;
        for (handle, content) in applied.made {
            shared.put(handle, content);
        }
        let (outcome, note) = failure::of_engine(applied.outcome, application.handle);
        self.hold_outcome(&outcome);
        let notes = notes(note, &applied.log, applied.log_truncated).map(|text| {
            let blob = Blob::new(text);
            let handle = blob.handle();
            shared.put(handle, Content::Blob(blob));
            handle
        });
        let cost = Cost { run_ns, fuel: applied.fuel_used };
        match &shared.verifier {
            None => {
                self.record_steps(&applied.steps, run_ns);
                if shared.record_begun(begun, &outcome, cost, notes) {
                    self.slot.tally.recorded.add(1);
                }
                outcome
            }
            Some(verifier) => {
                let outcome = shared.compare(verifier, application.handle, outcome, cost, notes);
                self.hold_outcome(&outcome);
                outcome
            }
        }
    }
}

/// What is kept beside an outcome for people to read.
fn notes(note: Option<String>, log: &[u8], log_truncated: bool) -> Option<Vec<u8>> {
    if note.is_none() && log.is_empty() {
        return None;
    }
    let mut text = note.unwrap_or_default().into_bytes();
    if !log.is_empty() {
        if !text.is_empty() && !text.ends_with(b"\n") {
            text.push(b'\n');
        }
        text.extend_from_slice(b"log:\n");
        text.extend_from_slice(log);
        if log_truncated {
            text.extend_from_slice(b"(the rest of the log was cut)\n");
        }
    }
    Some(text)
}
