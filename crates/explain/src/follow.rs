//! From a request down to all that it needed, along what is known.

use std::collections::{HashMap, HashSet};
use std::sync::Arc;

use weft_eval::{Application, Failure, Key, Need, Outcome, Report, Resume};
use weft_object::Handle;
use weft_store::{Outcome as Stored, Relation, StoreError};

use crate::Source;
use crate::rules::Rules;

/// The place of a key in [`Followed::looked`].
pub type KeyId = usize;

/// So many keys of a computation are looked at unless the caller says otherwise:
/// some 650 bytes and 15 microseconds each. An application has about three.
pub const KEYS_MAX: usize = 1_000_000;

/// A computation, key by key.
#[derive(Debug, Default)]
pub struct Followed {
    /// All keys, what was asked for first.
    pub looked: Vec<Looked>,
    /// The keys by name.
    pub ids: HashMap<Key, KeyId>,
    /// What was asked for; `None` if that is its own evaluation.
    pub root: Option<KeyId>,
    /// The keys in an order in which each comes after those it needs.
    pub order: Vec<KeyId>,
}

/// What is known of a key.
#[derive(Debug)]
pub struct Looked {
    /// Which.
    pub key: Key,
    /// What it needed, step by step: of a force, each Thunk of its chain of tail
    /// calls; of anything else there is one.
    pub stages: Vec<Stage>,
    /// What it came to, if that is known.
    pub outcome: Option<Outcome>,
    /// What is kept under its name.
    pub relation: Option<Relation>,
    /// Of [`Key::Apply`], what is applied.
    pub application: Option<Arc<Application>>,
    /// Why not all of it is known.
    pub open: Option<Open>,
}

/// One step.
#[derive(Debug)]
pub struct Stage {
    /// What is looked at.
    pub at: Handle,
    /// What that needed, each once, in the order in which the rules ask.
    pub needs: Vec<KeyId>,
}

/// Why something is not known.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Open {
    /// Nobody kept what this application came to.
    NotKept,
    /// This content is not there.
    Missing(Handle),
    /// There is more than was to be looked at.
    Cut,
    /// It needs something that is not known, or itself.
    Below,
}

/// Follows a request along what is known; nothing runs. At most `keys_max` keys
/// are looked at.
///
/// # Errors
/// The source cannot be read.
pub fn follow(
    source: &(impl Source + ?Sized),
    request: Handle,
    keys_max: usize,
) -> Result<Followed, StoreError> {
    let mut walk = Walk {
        source,
        rules: Rules::new(source),
        out: Followed::default(),
        states: Vec::new(),
        stack: Vec::new(),
        keys_max,
    };
    if let Some(key) = Key::of_request(request) {
        let root = walk.enter(&Need { key, application: None })?;
        walk.out.root = Some(root);
        walk.go_into(root);
        while !walk.stack.is_empty() {
            walk.step()?;
        }
    }
    Ok(walk.out)
}

#[derive(Clone, Copy, PartialEq, Eq)]
enum State {
    New,
    /// On the stack.
    Doing,
    Done,
}

struct Walk<'a, S: ?Sized> {
    source: &'a S,
    rules: Rules<'a, S>,
    out: Followed,
    states: Vec<State>,
    stack: Vec<Doing>,
    keys_max: usize,
}

/// A key that is being looked at.
struct Doing {
    id: KeyId,
    resume: Resume,
    /// The needs of the last stage.
    seen: HashSet<KeyId>,
    /// How many of them have been gone into.
    gone: usize,
    /// Whether something was learned since the last look.
    fresh: bool,
}

impl<S: Source + ?Sized> Walk<'_, S> {
    /// The place of a key. What can be said at once is said; the rest is left to
    /// [`Walk::step`].
    fn enter(&mut self, need: &Need) -> Result<KeyId, StoreError> {
        if let Some(id) = self.out.ids.get(&need.key) {
            return Ok(*id);
        }
        let id = self.out.looked.len();
        let mut looked = Looked {
            key: need.key,
            stages: Vec::new(),
            outcome: None,
            relation: None,
            application: need.application.clone(),
            open: None,
        };
        let mut state = State::Done;
        match need.key {
            Key::Content(object) => looked.open = Some(Open::Missing(object)),
            Key::Apply(tree) => {
                looked.relation = self.source.known(&tree)?;
                looked.outcome = self.outcome(looked.relation.as_ref());
                looked.open = looked.outcome.is_none().then_some(Open::NotKept);
            }
            _ if id >= self.keys_max => looked.open = Some(Open::Cut),
            _ => state = State::New,
        }
        if state == State::Done {
            self.out.order.push(id);
        }
        self.out.ids.insert(need.key, id);
        self.out.looked.push(looked);
        self.states.push(state);
        Ok(id)
    }

    fn outcome(&mut self, relation: Option<&Relation>) -> Option<Outcome> {
        match relation?.outcome {
            Stored::Value(value) => Some(Outcome::Value(value)),
            Stored::Failure(handle) => {
                Failure::read(handle, |object| self.rules.content(object)).map(Outcome::Failure)
            }
        }
    }

    fn go_into(&mut self, id: KeyId) {
        self.states[id] = State::Doing;
        let resume = Resume::default();
        self.stack.push(Doing { id, resume, seen: HashSet::new(), gone: 0, fresh: true });
    }

    /// Goes on with the key on top of the stack: into its next need, or looks at
    /// it once more with what was learned from them.
    fn step(&mut self) -> Result<(), StoreError> {
        let Some(doing) = self.stack.last_mut() else { return Ok(()) };
        let stage = self.out.looked[doing.id].stages.last();
        if let Some(&need) = stage.and_then(|stage| stage.needs.get(doing.gone)) {
            if self.states[need] == State::New {
                self.go_into(need);
                return Ok(());
            }
            // Of one on the stack nothing is known: it needs itself.
            doing.gone += 1;
            let looked = &self.out.looked[need];
            if let Some(outcome) = &looked.outcome {
                doing.fresh |= doing.resume.known.insert(looked.key, outcome.clone()).is_none();
            }
            return Ok(());
        }
        match std::mem::take(&mut doing.fresh) {
            true => self.look(),
            false => self.leave(None),
        }
    }

    fn look(&mut self) -> Result<(), StoreError> {
        let Some(doing) = self.stack.last_mut() else { return Ok(()) };
        let id = doing.id;
        let key = self.out.looked[id].key;
        if self.out.looked[id].stages.is_empty() {
            self.out.looked[id].stages.push(Stage { at: key.handle(), needs: Vec::new() });
        }
        let mut frames = match self.rules.look(key, &doing.resume)? {
            Report::Done(outcome) => return self.leave(Some(outcome)),
            Report::Pending(frames) => frames,
            Report::Claim(_) | Report::Elsewhere => Vec::new(),
        };
        let Some(frame) = frames.pop() else { return self.leave(None) };
        if frame.tail != doing.resume.tail {
            doing.resume = Resume { tail: frame.tail, ..Resume::default() };
            doing.seen.clear();
            doing.gone = 0;
            doing.fresh = true;
            let at = doing.resume.at().unwrap_or(key.handle());
            self.out.looked[id].stages.push(Stage { at, needs: Vec::new() });
        }
        for need in &frame.needs {
            let need = self.enter(need)?;
            if let Some(doing) = self.stack.last_mut()
                && doing.seen.insert(need)
                && let Some(stage) = self.out.looked[id].stages.last_mut()
            {
                stage.needs.push(need);
            }
        }
        Ok(())
    }

    /// Is done with the key on top of the stack. Where the rules could not be
    /// followed to the end, there may still be an answer.
    fn leave(&mut self, outcome: Option<Outcome>) -> Result<(), StoreError> {
        let Some(doing) = self.stack.pop() else { return Ok(()) };
        let id = doing.id;
        if outcome.is_none() || self.out.root == Some(id) {
            let name = self.out.looked[id].key.relation();
            let relation = name.map(|name| self.source.known(&name)).transpose()?.flatten();
            self.out.looked[id].relation = relation;
        }
        let open = outcome.is_none().then_some(Open::Below);
        let outcome = match outcome {
            Some(outcome) => Some(outcome),
            None => {
                let relation = self.out.looked[id].relation;
                self.outcome(relation.as_ref())
            }
        };
        let looked = &mut self.out.looked[id];
        (looked.outcome, looked.open) = (outcome, open);
        self.states[id] = State::Done;
        self.out.order.push(id);
        Ok(())
    }
}
