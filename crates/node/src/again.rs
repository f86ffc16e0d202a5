//! Running one application once more, beside what is known of it.

use std::sync::Arc;
use std::time::Duration;

use weft_engine::Interrupt;
use weft_eval::{
    Application, Attempt, Budget, Key, NoAnswer, NoAnswerKind, Outcome, Platform, Report, Resume,
    evaluate,
};
use weft_object::{Blob, Handle, Kind, Tree};
use weft_store::Cost;

use crate::direct::Taken;
use crate::failure;
use crate::node::Shared;
use crate::platform::View;
use crate::session::Session;
use crate::slot::{OWN, Slot};

/// What came of running an application again: nothing of it is a relation.
#[derive(Clone, Debug)]
#[non_exhaustive]
pub struct Again {
    /// What it came to this time.
    pub outcome: Outcome,
    /// The same as a relation has it; `None` of no answer.
    pub stored: Option<weft_store::Outcome>,
    /// What it took.
    pub cost: Cost,
    /// The backtrace of a failure, or what the validator said.
    pub note: Option<String>,
    /// What the function logged.
    pub log: Vec<u8>,
    /// Whether it logged more than is kept.
    pub log_truncated: bool,
    /// The most that its memories came to, in bytes.
    pub memory_peak_bytes: u64,
}

/// How long to wait before looking again for memory, of which others have all.
const LOOK_EVERY: Duration = Duration::from_millis(5);

impl Session {
    /// The application that a request comes to first: canonical, with its
    /// arguments evaluated, which runs what is not known of them. Of a
    /// selection, the one whose outcome is selected in. `None` of data, which
    /// nobody applies.
    ///
    /// # Errors
    /// The failure of an argument, or why there is no answer.
    pub fn outermost(&self, request: Handle) -> Result<Option<Application>, Outcome> {
        let mut at = request;
        loop {
            let thunk = if at.kind().is_thunk() { Some(at) } else { at.thunk() };
            let Some((thunk, definition)) =
                thunk.and_then(|thunk| Some((thunk, thunk.definition()?)))
            else {
                return Ok(None);
            };
            self.hold(thunk);
            match thunk.kind() {
                Kind::Application => return self.canonical(thunk, definition).map(Some),
                Kind::Selection => match self.tree(definition)?.entries().first() {
                    Some(target) => at = *target,
                    None => return Ok(None),
                },
                _ => at = definition,
            }
        }
    }

    fn tree(&self, tree: Handle) -> Result<Tree, Outcome> {
        match self.content(tree) {
            Ok(content) => content.and_then(|content| content.tree().cloned()).ok_or_else(|| {
                let detail = format!("the content of #{tree} is not here; add or import it");
                Outcome::no_answer(NoAnswerKind::Lost, detail)
            }),
            Err(error) => Err(Outcome::no_answer(NoAnswerKind::Storage, error.to_string())),
        }
    }

    fn canonical(&self, thunk: Handle, definition: Handle) -> Result<Application, Outcome> {
        let thunk = match definition.has_encode() {
            false => thunk,
            true => match self.submit(definition).wait() {
                Outcome::Value(tree) => tree.application().unwrap_or(thunk),
                other => return Err(other),
            },
        };
        self.hold(thunk);
        let shared = self.shared();
        let slot = shared.slots.borrow();
        slot.begin(shared.epoch());
        let interrupt = Interrupt::new();
        let view = View::new(shared, &slot, &interrupt);
        let mut finding = Finding { view, found: None, lost: None };
        let budget = Budget { depth: 1, tail_steps: 1 };
        let report = evaluate(&mut finding, Key::Force(thunk), None, &Resume::default(), budget);
        match (finding.found, finding.lost, report) {
            (Some(application), ..) => {
                self.hold(application.handle);
                Ok(application)
            }
            (None, Some(lost), _) => Err(Outcome::NoAnswer(lost)),
            // It is ill-formed.
            (None, None, Report::Done(outcome)) => Err(outcome),
            (None, None, _) => {
                let detail = format!("#{thunk} cannot be brought to canonical form");
                Err(Outcome::no_answer(NoAnswerKind::Lost, detail))
            }
        }
    }

    /// Runs an application, known or not, in the way in which it would be run if
    /// it were not: its footprint is loaded, and it waits for memory. What it
    /// makes stays in memory as long as this session. On the calling thread,
    /// which needs [`weft_engine::THREAD_STACK_MIN_BYTES`] of stack.
    #[must_use]
    pub fn apply_again(&self, application: &Application, interrupt: &Interrupt) -> Again {
        let shared = self.shared();
        self.hold(application.handle);
        let slot = shared.slots.borrow();
        slot.begin(shared.epoch());
        slot.doing().job = Some((OWN, interrupt.clone()));
        // From here on no collection takes the footprint.
        slot.pin(Some(application.handle));
        let taken = shared.stage(application, interrupt);
        let again = match taken {
            Ok(taken) => {
                let again = self.run_again(application, &slot, interrupt);
                drop(taken);
                again
            }
            Err(why) => without_run(Outcome::NoAnswer(why)),
        };
        drop(slot);
        shared.collect_if_due();
        again
    }

    fn run_again(&self, application: &Application, slot: &Slot, interrupt: &Interrupt) -> Again {
        let shared = self.shared();
        let mut view = View::new(shared, slot, interrupt);
        let before = shared.before_reading();
        let (applied, run_ns) = view.perform(application);
        if let Some(no_answer) = shared.changed_since(before) {
            return without_run(no_answer);
        }
        for (handle, content) in applied.made {
            self.hold(handle);
            shared.put(handle, content);
        }
        let (outcome, note) = failure::of_engine(applied.outcome, application.handle);
        let stored = shared.stored(&outcome);
        if let Some(stored) = stored {
            self.hold(stored.handle());
        }
        view.ran(application, &outcome, run_ns);
        Again {
            stored,
            outcome,
            cost: Cost { run_ns, fuel: applied.fuel_used },
            note,
            log: applied.log,
            log_truncated: applied.log_truncated,
            memory_peak_bytes: applied.memory_peak_bytes,
        }
    }
}

fn without_run(outcome: Outcome) -> Again {
    Again {
        outcome,
        stored: None,
        cost: Cost::default(),
        note: None,
        log: Vec::new(),
        log_truncated: false,
        memory_peak_bytes: 0,
    }
}

impl Shared {
    /// Loads the footprint of an application that a slot names, and takes the
    /// memory for it, however long others have it. Nothing is held meanwhile
    /// that anybody could wait for.
    fn stage(
        &self,
        application: &Application,
        interrupt: &Interrupt,
    ) -> Result<Taken<'_>, Arc<NoAnswer>> {
        loop {
            let found = self.survey(application.handle);
            let missing: Vec<Handle> =
                found.missing_trees.into_iter().chain(found.missing_blobs).collect();
            // All of them, so that a recovery hears of each that it needs.
            let loads = missing.iter().map(|object| self.load(*object, interrupt));
            loads.fold(Ok(()), Result::and)?;
            if interrupt.is_set() || self.is_closing() {
                return refuse(NoAnswerKind::Cancelled, "nobody waits for it any more".into());
            }
            if !missing.is_empty() {
                continue;
            }
            let bytes = found.bytes.saturating_add(application.memory_limit_bytes);
            let most = self.direct.all_bytes();
            if bytes > most {
                let detail = format!(
                    "footprint and memory limit take {bytes} bytes and this machine gives {most}; \
                     lower the limit or use a larger machine"
                );
                return refuse(NoAnswerKind::TooLarge, detail);
            }
            if let Some(taken) = self.direct.take(bytes) {
                return Ok(taken);
            }
            std::thread::sleep(LOOK_EVERY);
        }
    }
}

fn refuse<T>(kind: NoAnswerKind, detail: String) -> Result<T, Arc<NoAnswer>> {
    Err(Arc::new(NoAnswer { kind, detail: detail.into() }))
}

/// Follows the rules as far as the first application, which it does not run.
struct Finding<'a> {
    view: View<'a>,
    found: Option<Application>,
    lost: Option<Arc<NoAnswer>>,
}

impl Finding<'_> {
    fn load(&mut self, object: Handle) {
        if let Err(why) = self.view.shared.load(object, self.view.interrupt) {
            self.lost.get_or_insert(why);
        }
    }
}

impl Platform for Finding<'_> {
    fn tree(&mut self, object: Handle) -> Option<Tree> {
        self.load(object);
        self.view.tree(object)
    }

    fn blob(&mut self, object: Handle) -> Option<Blob> {
        self.load(object);
        self.view.blob(object)
    }

    fn put_tree(&mut self, tree: Tree) -> Handle {
        self.view.put_tree(tree)
    }

    fn put_blob(&mut self, blob: Blob) -> Handle {
        self.view.put_blob(blob)
    }

    fn recall(&mut self, _: Key) -> Option<Outcome> {
        None
    }

    fn remember(&mut self, _: Key, _: &Outcome) {}

    fn apply(&mut self, application: &Application) -> Attempt {
        self.found.get_or_insert_with(|| application.clone());
        Attempt::Elsewhere
    }
}
