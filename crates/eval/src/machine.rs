//! The dependency graph of what waits: events in, actions out.

mod bounds;
mod cycles;
mod node;
mod waiters;

use std::sync::Arc;

use weft_object::Handle;

use crate::evaluator::{Frame, Need, Report, Resume};
use crate::key::KeyMap;
use crate::staging::{Shift, Staging};
use crate::{Application, Key, NoAnswer, NoAnswerKind, Outcome};
use bounds::{GRAPH_BYTES, Requests};
use node::{Node, State, Waiter};

/// Whoever asks from outside, by a number of the asker's choosing.
pub type RequestId = u64;

/// One asking of one action. A report on an older ticket may still bring an
/// outcome, which is true whoever found it, but no refusal.
pub type Ticket = u64;

/// What has happened.
#[derive(Clone, Debug)]
pub enum Event {
    /// Somebody wants what a handle evaluates to.
    Request {
        /// Who.
        id: RequestId,
        /// Of what.
        handle: Handle,
    },
    /// Nobody wants that any more.
    Cancel {
        /// Who had asked.
        id: RequestId,
    },
    /// An [`Action::Evaluate`] or [`Action::Apply`] came to this.
    Reported {
        /// Of which key.
        key: Key,
        /// The action's ticket.
        ticket: Ticket,
        /// What came of it.
        report: Report,
    },
    /// A run that somebody was told is [`crate::Attempt::Elsewhere`] has ended.
    Applied {
        /// The canonical Tree.
        tree: Handle,
        /// How.
        outcome: Outcome,
    },
    /// An [`Action::Load`] has ended.
    Loaded {
        /// The Object.
        object: Handle,
        /// Why it cannot be had, if it cannot.
        result: Result<(), Arc<NoAnswer>>,
    },
    /// Whoever performed an action is gone, and nobody knows how far it came.
    Lost {
        /// The action's key.
        key: Key,
        /// The action's ticket.
        ticket: Ticket,
    },
    /// The workers have had nothing to do for a while.
    Idle,
}

/// What is to be done.
#[derive(Clone, Debug)]
pub enum Action {
    /// Look at a key by [`crate::evaluate`], and report.
    Evaluate {
        /// The key.
        key: Key,
        /// To be reported with it.
        ticket: Ticket,
        /// What is known of it.
        resume: Arc<Resume>,
        /// For [`Key::Apply`], what to run.
        application: Option<Arc<Application>>,
    },
    /// Run an application whose claim is granted and whose footprint was
    /// loaded, and report its outcome; or, if something is missing after all,
    /// the claim once more.
    Apply {
        /// What to run.
        application: Arc<Application>,
        /// To be reported with it.
        ticket: Ticket,
    },
    /// Make an Object's content resident.
    Load {
        /// The Object.
        object: Handle,
        /// To be named if it is lost.
        ticket: Ticket,
    },
    /// Stop performing an action: nobody wants it any more. Reporting on it is
    /// optional.
    Interrupt {
        /// The action's key.
        key: Key,
        /// The action's ticket.
        ticket: Ticket,
    },
    /// Tell an asker the outcome.
    Answer {
        /// Who had asked.
        id: RequestId,
        /// The outcome.
        outcome: Outcome,
    },
}

/// How much is going on.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct MachineStat {
    /// Keys in the graph.
    pub keys: usize,
    /// Of them, those on which an action is under way.
    pub busy: usize,
    /// Claims that wait for memory.
    pub claims_waiting: usize,
    /// Bytes of granted claims.
    pub claimed_bytes: u64,
    /// Bytes that the graph is estimated to take.
    pub graph_bytes: u64,
}

/// The dependency graph of one shard: what waits, on what, for whom.
///
/// Pure: [`Machine::handle`] takes an event and appends actions; whoever drives
/// it performs them in any order and reports. Each key is in the graph at most
/// once, however many want it.
#[derive(Debug)]
pub struct Machine {
    nodes: KeyMap<Box<Node>>,
    /// What nodes share that know nothing yet.
    nothing_known: Arc<Resume>,
    requests: Requests,
    /// Needs and outcomes in all nodes.
    parts: usize,
    graph_bytes_max: u64,
    staging: Staging,
    next: u64,
    busy: usize,
    /// Whether something began to wait, or to wait for something else, since
    /// cycles were last looked for.
    unchecked: bool,
}

impl Machine {
    /// An empty graph on a machine with this much memory for applications.
    #[must_use]
    pub fn new(capacity_bytes: u64) -> Self {
        Self::with_graph_bytes(capacity_bytes, GRAPH_BYTES)
    }

    /// An empty graph on a machine with this much memory for applications, and
    /// so much for the graph itself. Past that, the youngest requests get no
    /// answer.
    #[must_use]
    pub fn with_graph_bytes(capacity_bytes: u64, graph_bytes_max: u64) -> Self {
        Self {
            nodes: KeyMap::default(),
            nothing_known: Arc::default(),
            requests: Requests::default(),
            parts: 0,
            graph_bytes_max,
            staging: Staging::new(capacity_bytes),
            next: 0,
            busy: 0,
            unchecked: false,
        }
    }

    /// How much is going on.
    #[must_use]
    pub fn stat(&self) -> MachineStat {
        MachineStat {
            keys: self.nodes.len(),
            busy: self.busy,
            claims_waiting: self.staging.waiting(),
            claimed_bytes: self.staging.used_bytes(),
            graph_bytes: self.graph_bytes(),
        }
    }

    /// Whether a report on an action is waited for. One that is not may be left out
    /// by whoever has not begun it; who performs it nevertheless keeps what it names,
    /// which is no root any more.
    #[must_use]
    pub fn awaits(&self, key: &Key, ticket: Ticket) -> bool {
        let node = self.nodes.get(key);
        node.is_some_and(|node| node.ticket == ticket && node.state.is_busy())
    }

    /// Every handle that the graph may still need content under, and that actions
    /// name on which it awaits a report: roots for a collection.
    pub fn roots(&self) -> impl Iterator<Item = Handle> {
        self.nodes.iter().flat_map(|(key, node)| {
            let application = node.application.iter().map(|application| application.handle);
            [key.handle()].into_iter().chain(application).chain(node.resume.roots())
        })
    }

    /// The applications whose claims are granted: their footprints have to stay
    /// resident.
    pub fn claimed(&self) -> impl Iterator<Item = Handle> {
        self.nodes
            .values()
            .filter(|node| node.granted)
            .filter_map(|node| node.application.as_ref().map(|application| application.handle))
    }

    /// Takes in an event and appends what is to be done about it.
    pub fn handle(&mut self, event: Event, actions: &mut Vec<Action>) {
        match event {
            Event::Request { id, handle } => self.request(id, handle, actions),
            Event::Cancel { id } => self.cancel(id, actions),
            Event::Reported { key, ticket, report } => self.report(key, ticket, report, actions),
            Event::Applied { tree, outcome } => self.applied(tree, outcome, actions),
            Event::Loaded { object, result } => {
                let outcome = match result {
                    Ok(()) => Outcome::Value(object),
                    // Nobody waits for what was interrupted. Where the content
                    // is wanted again, there is another load.
                    Err(reason) if reason.kind == NoAnswerKind::Cancelled => return,
                    Err(no_answer) => Outcome::NoAnswer(no_answer),
                };
                self.settle(Key::Content(object), outcome, actions);
            }
            Event::Lost { key, ticket } => {
                if self.awaits(&key, ticket) {
                    self.issue(key, actions);
                }
            }
            Event::Idle => self.break_cycles(actions),
        }
        self.keep_within_bounds(actions);
        if self.busy == 0 {
            self.break_cycles(actions);
        }
    }

    fn request(&mut self, id: RequestId, handle: Handle, actions: &mut Vec<Action>) {
        match Key::of_request(handle) {
            None => actions.push(Action::Answer { id, outcome: Outcome::Value(handle) }),
            Some(key) => {
                self.requests.insert(id, key);
                let need = Need { key, application: None };
                self.want(need, Waiter::Request(id), &mut KeyMap::default(), actions);
            }
        }
    }

    fn cancel(&mut self, id: RequestId, actions: &mut Vec<Action>) {
        let outcome = Outcome::no_answer(NoAnswerKind::Cancelled, "nobody waits for it any more");
        self.dismiss(id, outcome, actions);
    }

    /// Answers a request before its key has come to anything.
    fn dismiss(&mut self, id: RequestId, outcome: Outcome, actions: &mut Vec<Action>) {
        let Some(key) = self.requests.remove(id) else { return };
        actions.push(Action::Answer { id, outcome });
        self.unsubscribe(key, Waiter::Request(id), actions);
    }

    fn report(&mut self, key: Key, ticket: Ticket, report: Report, actions: &mut Vec<Action>) {
        let Some(node) = self.nodes.get_mut(&key) else { return };
        // A report that came twice finds the node past it.
        let current = node.ticket == ticket && node.state.is_busy();
        match report {
            Report::Done(outcome) if outcome.is_relation() => self.settle(key, outcome, actions),
            _ if !current => {}
            Report::Done(outcome) if is_cancelled(&outcome) => self.issue(key, actions),
            Report::Done(outcome) => self.settle(key, outcome, actions),
            Report::Elsewhere if node.missed => self.issue(key, actions),
            Report::Elsewhere => node.state = State::Elsewhere,
            // What was granted on the strength of an older survey goes back.
            Report::Claim(claim) => {
                self.drop_claim(key, actions);
                self.claim(key, claim, actions);
            }
            Report::Pending(frames) => {
                self.drop_claim(key, actions);
                self.integrate(key, frames, actions);
            }
        }
    }

    fn applied(&mut self, tree: Handle, outcome: Outcome, actions: &mut Vec<Action>) {
        let key = Key::Apply(tree);
        let Some(node) = self.nodes.get_mut(&key) else { return };
        if outcome.is_relation() {
            self.settle(key, outcome, actions);
        } else if node.state == State::Elsewhere {
            // That run's refusal was its asker's own; this one asks for itself.
            self.issue(key, actions);
        } else {
            node.missed = true;
        }
    }

    /// Enters what waits, from the reported key downwards, so that nothing
    /// enters that nobody in the graph wants.
    fn integrate(&mut self, root: Key, frames: Vec<Frame>, actions: &mut Vec<Action>) {
        let mut frames: KeyMap<Frame> =
            frames.into_iter().map(|frame| (frame.key, frame)).collect();
        if let Some(frame) = frames.remove(&root) {
            self.wait(frame, &mut frames, actions);
        }
    }

    /// Makes the nodes of `first`, and of those frames that it needs, wait.
    fn wait(&mut self, first: Frame, frames: &mut KeyMap<Frame>, actions: &mut Vec<Action>) {
        let mut open = vec![first];
        while let Some(frame) = open.pop() {
            let key = frame.key;
            let Some(node) = self.nodes.get_mut(&key) else { continue };
            self.parts -= node.parts;
            node.begin_wait(frame.tail, frame.needs.len());
            self.parts += node.parts;
            self.busy -= 1;
            self.unchecked = true;
            for need in frame.needs {
                if let Some(node) = self.nodes.get_mut(&key) {
                    if !node.add_need(&need) {
                        continue;
                    }
                    self.parts += 1;
                }
                let child = need.key;
                if self.want(need, Waiter::Node(key), frames, actions) {
                    open.extend(frames.remove(&child));
                }
            }
            let Some(node) = self.nodes.get_mut(&key) else { continue };
            node.end_needs();
            if node.missing() == 0 {
                self.issue(key, actions);
            }
        }
    }

    /// Notes that `waiter` wants a key. `true` if the key is new and a frame
    /// says what it waits for; the caller then makes it wait.
    fn want(
        &mut self,
        need: Need,
        waiter: Waiter,
        frames: &mut KeyMap<Frame>,
        actions: &mut Vec<Action>,
    ) -> bool {
        let Need { key, application } = need;
        if let Some(node) = self.nodes.get_mut(&key) {
            node.waiters.push(waiter);
            return false;
        }
        self.next += 1;
        let node = Node::new(self.next, waiter, application, &self.nothing_known);
        self.nodes.insert(key, Box::new(node));
        if frames.contains_key(&key) {
            self.busy += 1;
            return true;
        }
        self.issue(key, actions);
        false
    }

    /// Has a key looked at, run or loaded, whatever it did before.
    fn issue(&mut self, key: Key, actions: &mut Vec<Action>) {
        let Some(node) = self.nodes.get_mut(&key) else { return };
        self.next += 1;
        let ticket = self.next;
        node.ticket = ticket;
        node.missed = false;
        let was_busy = node.state.is_busy();
        let granted = node.granted;
        match (key, &node.application) {
            (Key::Content(object), _) => {
                node.state = State::Loading;
                actions.push(Action::Load { object, ticket });
            }
            (Key::Apply(_), Some(application)) if granted => {
                node.state = State::Applying;
                self.staging.run(node.age);
                actions.push(Action::Apply { application: application.clone(), ticket });
            }
            (_, application) => {
                node.state = State::Queued;
                actions.push(Action::Evaluate {
                    key,
                    ticket,
                    resume: node.resume.clone(),
                    application: application.clone(),
                });
            }
        }
        if !was_busy {
            self.busy += 1;
        }
    }

    fn claim(&mut self, key: Key, claim: crate::Claim, actions: &mut Vec<Action>) {
        let Some(node) = self.nodes.get_mut(&key) else { return };
        let (age, bytes) = (node.age, claim.bytes);
        if node.state.is_busy() {
            self.busy -= 1;
        }
        node.state = State::Claiming;
        node.claim = Some(Box::new(claim));
        match self.staging.request(age, key, bytes) {
            Some(shift) => self.shift(shift, actions),
            None => {
                let capacity = self.staging.capacity_bytes();
                let detail = format!(
                    "footprint and memory limit take {bytes} bytes and this machine gives \
                     {capacity}; lower the limit or use a larger machine"
                );
                let outcome = Outcome::no_answer(NoAnswerKind::TooLarge, detail);
                self.settle(key, outcome, actions);
            }
        }
    }

    fn drop_claim(&mut self, key: Key, actions: &mut Vec<Action>) {
        let Some(node) = self.nodes.get_mut(&key) else { return };
        node.granted = false;
        if node.claim.take().is_some() {
            let age = node.age;
            self.release(age, actions);
        }
    }

    fn release(&mut self, age: u64, actions: &mut Vec<Action>) {
        let shift = self.staging.release(age);
        self.shift(shift, actions);
    }

    fn shift(&mut self, shift: Shift, actions: &mut Vec<Action>) {
        for key in shift.revoked {
            let needs = match self.nodes.get_mut(&key) {
                Some(node) => {
                    node.granted = false;
                    node.state = State::Claiming;
                    node.take_open_needs()
                }
                None => continue,
            };
            for need in needs {
                self.unsubscribe(need, Waiter::Node(key), actions);
            }
        }
        for key in shift.granted {
            let Some(node) = self.nodes.get_mut(&key) else { continue };
            node.granted = true;
            let missing = node.claim.as_ref().map(|claim| claim.missing.clone());
            let needs = missing.into_iter().flatten();
            let frame = Frame { key, needs: needs.map(Need::content).collect(), tail: None };
            self.busy += 1;
            self.wait(frame, &mut KeyMap::default(), actions);
        }
    }

    /// A key has come to this: tells all who wait, and what follows from it.
    fn settle(&mut self, key: Key, outcome: Outcome, actions: &mut Vec<Action>) {
        let mut open = vec![(key, outcome)];
        while let Some((key, outcome)) = open.pop() {
            let Some(node) = self.remove(key, actions) else { continue };
            for waiter in node.waiters.iter() {
                match *waiter {
                    Waiter::Request(id) => {
                        self.requests.remove(id);
                        actions.push(Action::Answer { id, outcome: outcome.clone() });
                    }
                    Waiter::Node(parent) => {
                        let Some(waiting) = self.nodes.get_mut(&parent) else { continue };
                        if waiting.state != State::Waiting {
                            continue;
                        }
                        if !node.speaks_for(&outcome, || waiting.need(&key)) {
                            self.look_again(parent, actions);
                            continue;
                        }
                        match waiting.learn(key, &outcome) {
                            // What it points at may be another now.
                            node::Learned::Wait => self.unchecked = true,
                            node::Learned::Ready => self.issue(parent, actions),
                            node::Learned::Ended(outcome) => open.push((parent, outcome)),
                        }
                    }
                }
            }
        }
    }

    /// Has a key looked at anew although not all it waits for is there.
    fn look_again(&mut self, key: Key, actions: &mut Vec<Action>) {
        let needs = self.nodes.get_mut(&key).map(|node| node.take_open_needs());
        for need in needs.into_iter().flatten() {
            self.unsubscribe(need, Waiter::Node(key), actions);
        }
        self.issue(key, actions);
    }

    /// Takes a key out of the graph, with what it held and what it wanted.
    fn remove(&mut self, key: Key, actions: &mut Vec<Action>) -> Option<Box<Node>> {
        let mut node = self.nodes.remove(&key)?;
        self.parts -= node.parts;
        if node.state.is_busy() {
            self.busy -= 1;
        }
        for need in node.take_open_needs() {
            self.unsubscribe(need, Waiter::Node(key), actions);
        }
        if node.claim.is_some() {
            self.release(node.age, actions);
        }
        Some(node)
    }

    /// Notes that `waiter` does not want a key any more, and drops what nobody
    /// wants then.
    fn unsubscribe(&mut self, key: Key, waiter: Waiter, actions: &mut Vec<Action>) {
        let mut open = vec![(key, waiter)];
        while let Some((key, waiter)) = open.pop() {
            let Some(node) = self.nodes.get_mut(&key) else { continue };
            node.waiters.remove(waiter);
            if !node.waiters.is_empty() {
                continue;
            }
            let Some(mut node) = self.nodes.remove(&key) else { continue };
            self.parts -= node.parts;
            if node.state.is_busy() {
                self.busy -= 1;
                actions.push(Action::Interrupt { key, ticket: node.ticket });
            }
            open.extend(node.take_open_needs().into_iter().map(|need| (need, Waiter::Node(key))));
            if node.claim.is_some() {
                self.release(node.age, actions);
            }
        }
    }
}

fn is_cancelled(outcome: &Outcome) -> bool {
    matches!(outcome, Outcome::NoAnswer(no_answer) if no_answer.kind == NoAnswerKind::Cancelled)
}
