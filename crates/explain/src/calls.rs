//! A computation as those who look at it think of it: applications, and which
//! of them needs the result of which.

use std::collections::{HashMap, HashSet};
use std::rc::Rc;

use weft_eval::{Key, Outcome};
use weft_object::{Handle, Kind, Tree};
use weft_store::Relation;

use crate::{Followed, KeyId, Looked, Open, Source, Stage};

/// The place of a call in [`Calls::calls`].
pub type CallId = usize;

/// The applications of a computation.
#[derive(Debug, Default)]
pub struct Calls {
    /// Each once, however often it was asked for; what was reached first comes
    /// first.
    pub calls: Vec<Call>,
    /// Those whose results are, or are in, what the request came to.
    pub results: Vec<CallId>,
    /// Applications, and other keys, of which it is not known what they came to.
    pub unknown: usize,
    /// Whether there is more than was looked at.
    pub cut: bool,
}

/// One application.
#[derive(Debug)]
pub struct Call {
    /// Its canonical Tree.
    pub key: Handle,
    /// `[limits, procedure, argument...]`.
    pub entries: Tree,
    /// What it came to, if that is known.
    pub outcome: Option<Outcome>,
    /// What is kept of it.
    pub relation: Option<Relation>,
    /// Whose results it needed, in order.
    pub needs: Vec<Need>,
}

/// That one call needs another.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct Need {
    /// What for.
    pub role: Role,
    /// The other.
    pub call: CallId,
}

/// What a call needs another one for.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum Role {
    /// The other one returned this one, as a tail call or among what it forked.
    Caller,
    /// The result is, or is in, this entry of the canonical Tree.
    Entry(usize),
}

impl Call {
    /// Nanoseconds that it ran, if that is known.
    #[must_use]
    pub fn run_ns(&self) -> Option<u64> {
        self.relation.map(|relation| relation.cost.run_ns)
    }

    /// The procedure.
    #[must_use]
    pub fn procedure(&self) -> Option<Handle> {
        self.entries.entries().get(1).copied()
    }
}

/// Of what is needed and returned, in all, so many: a bound on memory.
const NEEDS_MAX: usize = 8_000_000;

impl Calls {
    /// What is left of a computation that was followed.
    pub fn of(followed: &Followed, source: &(impl Source + ?Sized)) -> Self {
        let tree = |handle: Handle| source.content(&handle).ok()??.tree().cloned();
        let mut condense = Condense {
            followed,
            out: Self::default(),
            ids: HashMap::new(),
            ends: HashMap::new(),
            room: NEEDS_MAX,
            tree: &tree,
        };
        for id in condense.in_order_of_asking() {
            condense.call(id);
        }
        for id in &followed.order {
            let ends = condense.ends_of(*id);
            condense.ends.insert(*id, ends);
        }
        let results = followed.root.and_then(|root| condense.ends.get(&root).cloned());
        let mut out = condense.out;
        out.results = results.map_or(Vec::new(), |ends| ends.last.to_vec());
        for call in &mut out.calls {
            let mut seen = HashSet::new();
            call.needs.retain(|need| seen.insert(*need));
            call.needs.sort_by_key(|need| need.role);
        }
        let known = |looked: &&Looked| looked.open.is_some_and(|open| open != Open::Below);
        out.unknown = followed.looked.iter().filter(known).count();
        out.cut |= followed.looked.iter().any(|looked| looked.open == Some(Open::Cut));
        out
    }
}

/// The first and the last calls of what a key stands for.
#[derive(Clone, Debug)]
struct Ends {
    /// Those that began it, and so were returned by whoever returned the key.
    first: Rc<[CallId]>,
    /// Those that came to its value.
    last: Rc<[CallId]>,
}

struct Condense<'a, T> {
    followed: &'a Followed,
    out: Calls,
    ids: HashMap<KeyId, CallId>,
    ends: HashMap<KeyId, Ends>,
    room: usize,
    tree: &'a T,
}

impl<T: Fn(Handle) -> Option<Tree>> Condense<'_, T> {
    /// The applications as they were first met from the request on.
    fn in_order_of_asking(&self) -> Vec<KeyId> {
        let looked = self.followed.looked.iter().enumerate();
        looked.filter(|(_, looked)| looked.application.is_some()).map(|(id, _)| id).collect()
    }

    fn call(&mut self, id: KeyId) {
        let looked = &self.followed.looked[id];
        let Some(application) = &looked.application else { return };
        self.ids.insert(id, self.out.calls.len());
        self.out.calls.push(Call {
            key: application.handle,
            entries: application.tree.clone(),
            outcome: looked.outcome.clone(),
            relation: looked.relation,
            needs: Vec::new(),
        });
    }

    fn get(&self, id: KeyId) -> Ends {
        let none = || Ends { first: Rc::new([]), last: Rc::new([]) };
        self.ends.get(&id).cloned().unwrap_or_else(none)
    }

    fn all(&mut self, ids: impl IntoIterator<Item = KeyId>) -> Ends {
        let (mut first, mut last) = (Union::default(), Union::default());
        for id in ids {
            let ends = self.get(id);
            first.add(&ends.first, &mut self.room);
            last.add(&ends.last, &mut self.room);
        }
        self.out.cut |= self.room == 0;
        Ends { first: first.list.into(), last: last.list.into() }
    }

    /// Of a key whose needs have been done.
    fn ends_of(&mut self, id: KeyId) -> Ends {
        let looked = &self.followed.looked[id];
        match looked.key {
            Key::Apply(_) => {
                let call: Rc<[CallId]> = self.ids.get(&id).copied().into_iter().collect();
                Ends { first: call.clone(), last: call }
            }
            Key::Content(_) => self.all([]),
            Key::Force(_) => self.force(looked),
            Key::Eval(handle) if handle.kind() == Kind::Tree => {
                self.all(looked.stages.iter().flat_map(|stage| stage.needs.iter().copied()))
            }
            Key::Eval(_) => self.encode(looked),
        }
    }

    /// A Thunk's data, and then what was to be evaluated in it: a fork.
    fn encode(&mut self, looked: &Looked) -> Ends {
        let mut needs = looked.stages.iter().flat_map(|stage| stage.needs.iter().copied());
        let Some(force) = needs.next() else { return self.all([]) };
        let force = self.get(force);
        let forked = self.all(needs);
        if forked.last.is_empty() {
            return force;
        }
        self.called(&force.last, &forked.first);
        Ends { first: force.first, last: forked.last }
    }

    /// A chain of tail calls.
    fn force(&mut self, looked: &Looked) -> Ends {
        let mut whole: Option<Ends> = None;
        for stage in &looked.stages {
            let ends = match stage.at.kind() {
                Kind::Application => self.application(stage),
                _ => self.all(stage.needs.iter().copied()),
            };
            whole = Some(match whole {
                None => ends,
                Some(before) if ends.last.is_empty() => before,
                Some(before) => {
                    self.called(&before.last, &ends.first);
                    let first = if before.first.is_empty() { ends.first } else { before.first };
                    Ends { first, last: ends.last }
                }
            });
        }
        whole.unwrap_or_else(|| self.all([]))
    }

    fn called(&mut self, callers: &[CallId], called: &[CallId]) {
        for one in called {
            for caller in callers.iter().filter(|caller| *caller != one) {
                self.need(*one, Role::Caller, *caller);
            }
        }
    }

    fn need(&mut self, of: CallId, role: Role, call: CallId) {
        match self.room.checked_sub(1) {
            Some(room) => {
                self.room = room;
                self.out.calls[of].needs.push(Need { role, call });
            }
            None => self.out.cut = true,
        }
    }

    /// An application, with whose results its entries were made of.
    fn application(&mut self, stage: &Stage) -> Ends {
        let looked = |id: &KeyId| &self.followed.looked[*id];
        let is_apply = |id: &KeyId| matches!(looked(id).key, Key::Apply(_));
        let Some(apply) = stage.needs.iter().copied().find(is_apply) else {
            // Its entries were not all known.
            return self.all(stage.needs.iter().copied());
        };
        let call = self.ids.get(&apply).copied();
        let tree = stage.at.definition().and_then(|tree| (self.tree)(tree));
        if let (Some(call), Some(tree)) = (call, tree) {
            let count = self.out.calls[call].entries.entries().len();
            let flattened = count.saturating_sub(tree.entries().len());
            for (at, entry) in tree.entries().iter().enumerate().filter(|(_, e)| e.has_encode()) {
                let Some(id) = self.followed.ids.get(&Key::Eval(*entry)) else { continue };
                // The arguments of a closure come before those of the call.
                let role = Role::Entry(if at >= 2 { at + flattened } else { at });
                for result in self.get(*id).last.iter().filter(|result| **result != call) {
                    self.need(call, role, *result);
                }
            }
        }
        self.get(apply)
    }
}

/// A list without doubles, in order.
#[derive(Default)]
struct Union {
    list: Vec<CallId>,
    seen: HashSet<CallId>,
}

impl Union {
    fn add(&mut self, more: &[CallId], room: &mut usize) {
        for call in more {
            if *room > 0 && self.seen.insert(*call) {
                *room -= 1;
                self.list.push(*call);
            }
        }
    }
}
