//! The graph behind its lock: events go in, actions become jobs.

use std::collections::HashMap;
use std::sync::Arc;
use std::sync::atomic::Ordering;

use weft_eval::{Action, Event, Key, Machine, NoAnswerKind, Outcome, RequestId, Ticket};
use weft_object::Handle;

use crate::node::Shared;
use crate::session::Reply;
use crate::worker::{Job, Local};

/// The machine and what belongs to it.
pub(crate) struct Graph {
    machine: Machine,
    actions: Vec<Action>,
    replies: HashMap<RequestId, Arc<Reply>>,
    next_request: RequestId,
    /// The node is shutting down and nobody does jobs any more.
    closed: bool,
}

impl Graph {
    pub(crate) fn new(machine: Machine) -> Self {
        Self {
            machine,
            actions: Vec::new(),
            replies: HashMap::new(),
            next_request: 0,
            closed: false,
        }
    }

    pub(crate) fn waiting(&self) -> usize {
        let stat = self.machine.stat();
        stat.keys
    }

    /// Roots of a collection: what may be needed, and of that, the
    /// applications whose footprints must stay.
    pub(crate) fn roots(&self) -> (Vec<Handle>, Vec<Handle>) {
        (self.machine.roots().collect(), self.machine.claimed().collect())
    }

    /// Whether a job is of use to anybody.
    pub(crate) fn awaits(&self, key: &Key, ticket: Ticket) -> bool {
        self.machine.awaits(key, ticket)
    }

    /// Tells all who wait that there will be no answer.
    pub(crate) fn close(&mut self) {
        self.closed = true;
        for (_, reply) in self.replies.drain() {
            reply.set(closing());
        }
    }
}

pub(crate) fn closing() -> Outcome {
    Outcome::no_answer(NoAnswerKind::Cancelled, "the node is shutting down")
}

impl Shared {
    /// Enters a request; the reply is filled in when it is answered.
    pub(crate) fn ask(&self, reply: Arc<Reply>) -> RequestId {
        let id = {
            let mut graph = self.graph.lock();
            graph.next_request += 1;
            graph.next_request
        };
        self.ask_as(id, reply);
        id
    }

    fn ask_as(&self, id: RequestId, reply: Arc<Reply>) {
        let handle = reply.handle();
        {
            let mut graph = self.graph.lock();
            if graph.closed {
                drop(graph);
                return reply.set(closing());
            }
            graph.replies.insert(id, reply);
        }
        self.post(Event::Request { id, handle }, None);
    }

    /// Tells the graph what has happened, and has done what follows.
    pub(crate) fn post(&self, event: Event, local: Option<&Local>) {
        let (mut jobs, mut again) = (Vec::new(), Vec::new());
        let mut graph = self.graph.lock();
        let mut actions = std::mem::take(&mut graph.actions);
        graph.machine.handle(event, &mut actions);
        for action in actions.drain(..) {
            match action {
                Action::Evaluate { key, ticket, resume, application } => {
                    jobs.push(Job::Evaluate { key, ticket, resume, application });
                }
                Action::Apply { application, ticket } => {
                    jobs.push(Job::Apply { application, ticket });
                }
                Action::Load { object, ticket } => jobs.push(Job::Load { object, ticket }),
                Action::Interrupt { ticket, .. } => {
                    self.slots.each(|doing| match &doing.job {
                        Some((job, interrupt)) if *job == ticket => interrupt.interrupt(),
                        _ => {}
                    });
                }
                Action::Answer { id, outcome } => {
                    let Some(reply) = graph.replies.remove(&id) else { continue };
                    if self.is_out_of_date(&outcome, &reply) {
                        again.push((id, reply));
                        continue;
                    }
                    let outcome = reply.trusted(self, outcome);
                    // Within the lock: the session takes over what the graph
                    // has kept alive, before the graph lets it go.
                    self.record_answer(reply.handle(), &outcome);
                    reply.set(outcome);
                }
            }
        }
        // A fork of millions must not leave its room behind for ever.
        actions.shrink_to(4096);
        graph.actions = actions;
        drop(graph);
        self.queue.push(jobs, local);
        for (id, reply) in again {
            self.ask_as(id, reply);
        }
    }

    /// Whether an answer came of remembering what a collection of the store has
    /// removed since, and which is forgotten by now.
    fn is_out_of_date(&self, outcome: &Outcome, reply: &Reply) -> bool {
        matches!(outcome, Outcome::NoAnswer(lost) if lost.kind == NoAnswerKind::Lost)
            && reply.is_older_than(self.removals.load(Ordering::SeqCst))
    }
}
