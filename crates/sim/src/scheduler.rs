//! A host without manners around [`weft_eval::Machine`].
//!
//! A virtual clock, one queue, and dice. Every action is begun late, some twice,
//! some never; reports come in any order, twice, or after everybody gave up on
//! them; content and relations are forgotten in between. What the machine was
//! promised is kept, and nothing else. After each step the promises of the
//! machine are checked.
//!
//! Two things that are easily confused: an action *ends* for the machine when
//! it is reported on, lost or interrupted, and only that is checked to happen
//! once at a time; whoever performs it may well go on.

mod host;
mod mischief;
mod perform;
mod settings;

pub use settings::{Faults, Settings};

use std::collections::{BTreeMap, HashMap};
use std::sync::Arc;

use weft_eval::{
    Action, Application, Event, Key, Machine, MachineStat, NoAnswerKind, Outcome, Report,
    RequestId, Ticket,
};
use weft_object::Handle;

use crate::generate::Case;
use crate::rng::Rng;
use host::Host;

/// A line of the log.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Logged {
    /// When, on the virtual clock.
    pub at: u64,
    /// What.
    pub what: What,
}

/// What is logged.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum What {
    /// An application ran.
    Ran(Handle),
    /// A key was looked at.
    Looked(Key),
    /// Content was loaded.
    Loaded(Handle),
    /// A request was answered.
    Answered(RequestId, Outcome),
    /// Something went wrong on purpose.
    Fault(&'static str),
}

/// How a run ended.
#[derive(Clone, Debug)]
pub struct Finished {
    /// The answers.
    pub answers: BTreeMap<RequestId, Outcome>,
    /// All that happened.
    pub log: Vec<Logged>,
    /// The most keys that the graph held.
    pub most_keys: usize,
    /// The most objects that there were.
    pub most_content: usize,
    /// How many steps it took.
    pub steps: u64,
}

impl Finished {
    /// The applications that ran, in order.
    pub fn ran(&self) -> impl Iterator<Item = Handle> {
        self.log.iter().filter_map(|logged| match logged.what {
            What::Ran(tree) => Some(tree),
            _ => None,
        })
    }
}

/// What is due.
#[derive(Debug)]
enum Due {
    /// To perform an action.
    Begin(Action),
    /// To end the run of an application, for this ticket or for a stranger.
    End { application: Arc<Application>, ticket: Option<Ticket> },
    /// To tell the machine.
    Tell(Event),
}

#[derive(Clone, Copy, Debug)]
struct UnderWay {
    ticket: Ticket,
    elsewhere: bool,
}

/// One run of one case.
#[derive(Debug)]
pub struct Scheduler {
    machine: Machine,
    host: Host,
    settings: Settings,
    rng: Rng,
    now: u64,
    sequence: u64,
    due: BTreeMap<(u64, u64), Due>,
    /// What the machine waits to hear of.
    under_way: HashMap<Key, UnderWay>,
    /// Requests that were made and not answered.
    open: BTreeMap<RequestId, Handle>,
    answers: BTreeMap<RequestId, Outcome>,
    mischief_left: u32,
    most_keys: usize,
    steps: u64,
}

/// Runs a case to its end.
///
/// # Panics
/// If the machine breaks a promise.
#[must_use]
pub fn run(case: &Case, seed: u64, settings: &Settings) -> Finished {
    let mut scheduler = Scheduler::new(case, seed, settings);
    for (id, request) in case.requests.iter().enumerate() {
        scheduler.request(id as RequestId, *request);
    }
    scheduler.finish()
}

impl Scheduler {
    /// Nothing is asked for yet.
    #[must_use]
    pub fn new(case: &Case, seed: u64, settings: &Settings) -> Self {
        let mut rng = Rng::new(seed);
        let host = Host::new(&case.world, settings, rng.fork());
        Self {
            machine: Machine::with_graph_bytes(case.world.capacity_bytes, settings.graph_bytes_max),
            host,
            settings: settings.clone(),
            rng,
            now: 0,
            sequence: 0,
            due: BTreeMap::new(),
            under_way: HashMap::new(),
            open: BTreeMap::new(),
            answers: BTreeMap::new(),
            mischief_left: settings.faults.mischief_max,
            most_keys: 0,
            steps: 0,
        }
    }

    /// Asks for something, sooner or later.
    pub fn request(&mut self, id: RequestId, handle: Handle) {
        self.host.keep.push(handle);
        self.later(20, Due::Tell(Event::Request { id, handle }));
        if self.rng.chance(self.settings.faults.cancel) {
            self.later(200, Due::Tell(Event::Cancel { id }));
        }
    }

    /// Tells the machine something at once.
    pub fn tell_now(&mut self, event: Event) {
        self.tell(event);
    }

    /// Takes one step; `false` if nothing is due.
    ///
    /// # Panics
    /// If the machine breaks a promise.
    pub fn step(&mut self) -> bool {
        let Some(((at, _), due)) = self.due.pop_first() else { return false };
        self.now = at;
        self.host.now = at;
        self.steps += 1;
        assert!(self.steps <= self.settings.steps_max, "it goes on and on");
        match due {
            Due::Begin(action) => self.begin(action),
            Due::End { application, ticket } => self.end(&application, ticket),
            Due::Tell(event) => self.tell(event),
        }
        self.mischief();
        self.check();
        true
    }

    /// Goes on until nothing is due.
    ///
    /// # Panics
    /// If the machine breaks a promise, or leaves somebody without an answer.
    #[must_use]
    pub fn finish(mut self) -> Finished {
        while self.step() {}
        let stat = self.machine.stat();
        assert!(self.open.is_empty(), "no answer for {:?}; {stat:?}", self.open);
        assert_eq!(stat, MachineStat::default(), "something is left behind");
        Finished {
            answers: self.answers,
            log: self.host.log,
            most_keys: self.most_keys,
            most_content: self.host.most_content,
            steps: self.steps,
        }
    }

    /// How much is going on.
    #[must_use]
    pub fn stat(&self) -> MachineStat {
        self.machine.stat()
    }

    /// What was answered so far.
    #[must_use]
    pub const fn answers(&self) -> &BTreeMap<RequestId, Outcome> {
        &self.answers
    }

    fn check(&mut self) {
        let stat = self.machine.stat();
        self.most_keys = self.most_keys.max(stat.keys);
        assert!(stat.claimed_bytes <= self.host.world.capacity_bytes, "{stat:?}");
        assert!(stat.graph_bytes <= self.settings.graph_bytes_max, "{stat:?}");
        assert_eq!(stat.busy, self.under_way.len(), "{stat:?} {:?}", self.under_way);
        // Looking at each of many runs after each of many steps takes too long.
        if !self.steps.is_multiple_of(1 + self.host.running.len() as u64 / 16) {
            return;
        }
        // What was interrupted may go on for a little while, beyond its claim.
        let runs = self.host.running.iter().filter(|(tree, running)| {
            let under_way = self.under_way.get(&Key::Apply(**tree));
            under_way.is_some_and(|entry| Some(entry.ticket) == running.ticket)
        });
        let claimed_bytes: u64 = runs.map(|(_, running)| running.claimed_bytes).sum();
        assert!(claimed_bytes <= stat.claimed_bytes, "{claimed_bytes} run; {stat:?}");
    }

    fn later(&mut self, most: u64, due: Due) {
        let delay = match self.settings.in_order {
            true => 0,
            false => self.rng.below(most + 1),
        };
        self.sequence += 1;
        self.due.insert((self.now + delay, self.sequence), due);
    }

    /// Tells the machine, and begins what it wants done.
    fn tell(&mut self, event: Event) {
        match &event {
            Event::Request { id, handle } => {
                self.open.insert(*id, *handle);
            }
            Event::Cancel { id } if !self.open.contains_key(id) => return,
            _ => self.heard(&event),
        }
        let mut actions = Vec::new();
        self.machine.handle(event, &mut actions);
        for action in actions {
            self.take_on(action);
        }
    }

    /// Keeps up what the machine waits for, given what it is about to hear.
    fn heard(&mut self, event: &Event) {
        let current = |under_way: &HashMap<Key, UnderWay>, key: &Key, ticket: Ticket| {
            under_way.get(key).is_some_and(|entry| entry.ticket == ticket)
        };
        match event {
            Event::Reported { key, ticket, report } => match report {
                Report::Done(outcome) if outcome.is_relation() => {
                    self.under_way.remove(key);
                }
                Report::Elsewhere => {
                    if let Some(entry) = self.under_way.get_mut(key)
                        && entry.ticket == *ticket
                    {
                        entry.elsewhere = true;
                    }
                }
                _ if current(&self.under_way, key, *ticket) => {
                    self.under_way.remove(key);
                }
                _ => {}
            },
            Event::Lost { key, ticket } if current(&self.under_way, key, *ticket) => {
                self.under_way.remove(key);
            }
            Event::Loaded { object, .. } => {
                self.under_way.remove(&Key::Content(*object));
            }
            Event::Applied { tree, outcome } => {
                let key = Key::Apply(*tree);
                let elsewhere = self.under_way.get(&key).is_some_and(|entry| entry.elsewhere);
                if elsewhere || outcome.is_relation() {
                    self.under_way.remove(&key);
                }
            }
            _ => {}
        }
    }

    fn take_on(&mut self, action: Action) {
        let (key, ticket) = match &action {
            Action::Evaluate { key, ticket, .. } => (*key, *ticket),
            Action::Apply { application, ticket } => (application.key(), *ticket),
            Action::Load { object, ticket } => (Key::Content(*object), *ticket),
            Action::Interrupt { key, ticket } => {
                let ended = self.under_way.remove(key);
                assert_eq!(ended.map(|entry| entry.ticket), Some(*ticket), "{action:?}");
                self.host.interrupted.insert(*ticket);
                return;
            }
            Action::Answer { id, outcome } => {
                self.host.note(What::Answered(*id, outcome.clone()));
                assert!(self.open.remove(id).is_some(), "{id} was answered twice");
                self.answers.insert(*id, outcome.clone());
                return;
            }
        };
        let before = self.under_way.insert(key, UnderWay { ticket, elsewhere: false });
        assert!(before.is_none_or(|entry| entry.elsewhere), "{key:?} is under way twice");
        self.later(self.settings.delay_max, Due::Begin(action));
    }

    fn report(&mut self, key: Key, ticket: Ticket, report: Report) {
        if self.rng.chance(self.settings.faults.duplicate) {
            let again = Event::Reported { key, ticket, report: report.clone() };
            self.later(3 * self.settings.delay_max, Due::Tell(again));
        }
        self.later(self.settings.delay_max, Due::Tell(Event::Reported { key, ticket, report }));
    }
}

/// What it is to have been told nothing by a worker that was interrupted.
fn cancelled() -> Outcome {
    Outcome::no_answer(NoAnswerKind::Cancelled, "nobody waits for it")
}
