//! A machine whose events a test writes down one by one.

use std::collections::{HashMap, HashSet, VecDeque};
use std::sync::Arc;

use weft_eval::{
    Action, Application, Attempt, Budget, Claim, Event, FailureKind, Fork, Forking, Key, Machine,
    NoAnswerKind, Outcome, Platform, Report, RequestId, evaluate, survey,
};
use weft_object::{Blob, Handle, Tree};

pub(crate) const MIB: u64 = 1 << 20;

#[derive(Clone)]
pub(crate) enum Content {
    Tree(Tree),
    Blob(Blob),
}

/// Where things are, and the functions.
#[derive(Default)]
pub(crate) struct Host {
    pub(crate) content: HashMap<Handle, Content>,
    pub(crate) absent: HashSet<Handle>,
    pub(crate) known: HashMap<Key, Outcome>,
    pub(crate) ran: Vec<Handle>,
    /// Applications that somebody else runs.
    pub(crate) elsewhere: HashSet<Handle>,
    /// Whether what runs come to is forgotten at once.
    pub(crate) forgets: bool,
    /// Whether runs are only begun by the graph.
    pub(crate) claims: bool,
    /// Forks as they are asked about and left: the Tree, the entry, and whether that
    /// was the last of it.
    pub(crate) forks: Vec<(Handle, usize, bool)>,
    /// The entries from which on somebody else has a fork, and nothing to tell.
    pub(crate) shared_from: HashMap<Handle, usize>,
}

pub(crate) struct Script {
    pub(crate) host: Host,
    pub(crate) machine: Machine,
    pub(crate) actions: VecDeque<Action>,
    pub(crate) answers: HashMap<RequestId, Outcome>,
    pub(crate) interrupted: Vec<Key>,
    pub(crate) depth: u32,
}

pub(crate) fn number(value: u64) -> Handle {
    Handle::of_u64(value)
}

pub(crate) fn strict(thunk: Handle) -> Handle {
    thunk.strict().unwrap()
}

impl Host {
    pub(crate) fn tree(&mut self, entries: &[Handle]) -> Handle {
        let tree = Tree::new(entries);
        let handle = tree.handle();
        self.content.insert(handle, Content::Tree(tree));
        handle
    }

    pub(crate) fn blob(&mut self, bytes: Vec<u8>) -> Handle {
        let blob = Blob::new(bytes);
        let handle = blob.handle();
        self.content.insert(handle, Content::Blob(blob));
        handle
    }

    /// The Thunk that applies a function by its name.
    pub(crate) fn apply(&mut self, name: &str, arguments: &[Handle]) -> Handle {
        self.limited(Handle::of_blob(b""), name, arguments)
    }

    pub(crate) fn limited(&mut self, limits: Handle, name: &str, arguments: &[Handle]) -> Handle {
        let entries = [&[limits, Handle::of_blob(name.as_bytes())], arguments].concat();
        self.tree(&entries).application().unwrap()
    }

    pub(crate) fn fuel(&mut self, fuel: u64) -> Handle {
        let none = Handle::of_blob(b"");
        self.tree(&[none, none, none, none, number(fuel)])
    }

    fn look(&self, application: &Application) -> Result<Claim, Vec<Handle>> {
        let tree = |handle| match self.get(handle)? {
            Content::Tree(tree) => Some(tree),
            Content::Blob(_) => None,
        };
        let found = survey(application.handle, tree, |handle| self.get(handle).is_some());
        if !found.missing_trees.is_empty() {
            return Err(found.missing_trees);
        }
        let bytes = found.bytes + application.memory_limit_bytes;
        Ok(Claim { bytes, missing: found.missing_blobs })
    }

    fn get(&self, handle: Handle) -> Option<Content> {
        if self.absent.contains(&handle) { None } else { self.content.get(&handle).cloned() }
    }

    pub(crate) fn run(&mut self, application: &Application) -> Outcome {
        assert!(self.look(application).unwrap().missing.is_empty(), "it is not all there");
        self.ran.push(application.handle);
        let [_, name, arguments @ ..] = application.tree.entries() else { unreachable!() };
        let at = application.handle.application().unwrap();
        let outcome = match name.literal_bytes().unwrap() {
            b"add" => {
                let numbers = arguments.iter().map(|argument| argument.literal_u64().unwrap());
                Outcome::Value(number(numbers.sum()))
            }
            b"length" => Outcome::Value(number(arguments[0].length().unwrap())),
            // A tail call.
            b"go" => Outcome::Value(arguments[0]),
            b"again" => Outcome::Value(at),
            b"down" => match arguments[0].literal_u64().unwrap() {
                0 => Outcome::Value(number(7)),
                n => Outcome::Value(self.apply("down", &[number(n - 1)])),
            },
            // Needs its argument, and then the other of the two.
            b"ring" => {
                let n = arguments[0].literal_u64().unwrap();
                let other = self.apply("ring", &[number(1 - n), arguments[1]]);
                let parts = [strict(arguments[1]), strict(other), number(n)];
                Outcome::Value(self.apply("add", &parts))
            }
            b"fail" => Outcome::failure(FailureKind::Failed, "on purpose", at),
            b"burn" if application.hints.fuel.is_some_and(|fuel| fuel < 10) => {
                Outcome::no_answer(NoAnswerKind::OutOfFuel, "it takes 10")
            }
            b"burn" => Outcome::Value(number(10)),
            b"exhaust" => Outcome::no_answer(NoAnswerKind::Exhausted, "handle table"),
            _ => Outcome::failure(FailureKind::BadModule, "no such function", at),
        };
        if outcome.is_relation() && !self.forgets {
            self.known.insert(application.key(), outcome.clone());
        }
        outcome
    }
}

impl Platform for Host {
    fn tree(&mut self, object: Handle) -> Option<Tree> {
        match self.get(object)? {
            Content::Tree(tree) => Some(tree),
            Content::Blob(_) => None,
        }
    }

    fn blob(&mut self, object: Handle) -> Option<Blob> {
        match self.get(object)? {
            Content::Blob(blob) => Some(blob),
            Content::Tree(_) => None,
        }
    }

    fn put_tree(&mut self, tree: Tree) -> Handle {
        Self::tree(self, tree.entries())
    }

    fn put_blob(&mut self, blob: Blob) -> Handle {
        Self::blob(self, blob.bytes().to_vec())
    }

    fn recall(&mut self, key: Key) -> Option<Outcome> {
        self.known.get(&key).cloned()
    }

    fn remember(&mut self, key: Key, outcome: &Outcome) {
        assert!(outcome.is_relation(), "no answer is never remembered");
        self.known.insert(key, outcome.clone());
    }

    fn apply(&mut self, application: &Application) -> Attempt {
        if self.elsewhere.contains(&application.handle) {
            return Attempt::Elsewhere;
        }
        match self.look(application) {
            Err(missing) => Attempt::Missing(missing),
            Ok(claim) if self.claims || !claim.missing.is_empty() => Attempt::Claim(claim),
            Ok(_) => Attempt::Done(self.run(application)),
        }
    }

    fn fork(&mut self, fork: &mut Forking<'_>) -> Fork {
        let tree = fork.tree.handle();
        self.forks.push((tree, fork.at, false));
        match self.shared_from.get(&tree) {
            Some(from) if *from <= fork.at => Fork::Found(Vec::new()),
            _ => Fork::Here,
        }
    }

    fn leave_fork(&mut self, fork: &Forking<'_>) {
        self.forks.push((fork.tree.handle(), fork.at, true));
    }
}

impl Script {
    pub(crate) fn new(capacity_bytes: u64) -> Self {
        Self {
            host: Host::default(),
            machine: Machine::new(capacity_bytes),
            actions: VecDeque::new(),
            answers: HashMap::new(),
            interrupted: Vec::new(),
            depth: 0,
        }
    }

    pub(crate) fn tell(&mut self, event: Event) {
        let mut actions = Vec::new();
        self.machine.handle(event, &mut actions);
        for action in actions {
            match action {
                Action::Answer { id, outcome } => {
                    assert!(self.answers.insert(id, outcome).is_none(), "answered twice");
                }
                Action::Interrupt { key, .. } => self.interrupted.push(key),
                action => self.actions.push_back(action),
            }
        }
    }

    pub(crate) fn request(&mut self, id: RequestId, handle: Handle) {
        self.tell(Event::Request { id, handle });
    }

    /// Performs one action and tells of it.
    pub(crate) fn perform(&mut self, action: Action) {
        match action {
            Action::Evaluate { key, ticket, resume, application } => {
                let budget = Budget { depth: self.depth, tail_steps: 16 };
                let host = &mut self.host;
                let report = evaluate(host, key, application.as_ref(), &resume, budget);
                self.tell(Event::Reported { key, ticket, report });
            }
            Action::Apply { application, ticket } => {
                let report = Report::Done(self.host.run(&application));
                self.tell(Event::Reported { key: application.key(), ticket, report });
            }
            Action::Load { object, .. } => {
                let result = match self.host.content.contains_key(&object) {
                    true => Ok(()),
                    false => Err(no_answer(NoAnswerKind::Lost)),
                };
                self.host.absent.remove(&object);
                self.tell(Event::Loaded { object, result });
            }
            Action::Interrupt { .. } | Action::Answer { .. } => unreachable!(),
        }
    }

    /// Performs all actions, but keeps back those that are held.
    pub(crate) fn perform_all_but(&mut self, held: impl Fn(&Action) -> bool) {
        while let Some(at) = self.actions.iter().position(|action| !held(action)) {
            let action = self.actions.remove(at).unwrap();
            self.perform(action);
        }
    }

    pub(crate) fn perform_all(&mut self) {
        self.perform_all_but(|_| false);
        assert_eq!(self.machine.stat(), weft_eval::MachineStat::default(), "nothing is left");
    }

    /// Takes out the only action that fits.
    pub(crate) fn take(&mut self, fits: impl Fn(&Action) -> bool) -> Action {
        let mut fitting = self.actions.iter().enumerate().filter(|(_, action)| fits(action));
        let (Some((at, _)), None) = (fitting.next(), fitting.next()) else {
            panic!("not one of {:?}", self.actions)
        };
        self.actions.remove(at).unwrap()
    }
}

pub(crate) fn no_answer(kind: NoAnswerKind) -> Arc<weft_eval::NoAnswer> {
    Arc::new(weft_eval::NoAnswer { kind, detail: "as the test has it".into() })
}

pub(crate) fn is_load(action: &Action) -> bool {
    matches!(action, Action::Load { .. })
}

pub(crate) fn is_apply(action: &Action) -> bool {
    matches!(action, Action::Apply { .. })
}
