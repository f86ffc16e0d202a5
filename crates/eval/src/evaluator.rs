//! The rules as they run on a worker: by direct calls as far as things are
//! resident and known, and as frames of what waits beyond that.

use std::sync::Arc;

use weft_object::{Blob, Handle, Kind, Selection, Tree};

use crate::application::{Entries, Trees, canonical};
use crate::key::KeySet;
use crate::known::Known;
use crate::outcome::{Halt, Step, settled};
use crate::platform::{Attempt, Fork, Forking, Platform};
use crate::select::{Contents, take};
use crate::tail::Tail;
use crate::{Application, Claim, Key, Outcome};

/// How far one call of [`evaluate`] goes before it hands back what it has.
#[derive(Clone, Copy, Debug)]
pub struct Budget {
    /// Nested keys that are computed by direct calls. Zero leaves everything to
    /// the graph.
    pub depth: u32,
    /// Steps of a chain of tail calls, after which the chain is handed back to
    /// go on later, so that others get a turn.
    pub tail_steps: u32,
}

/// What an earlier look at a key has found out.
#[derive(Clone, Debug, Default)]
pub struct Resume {
    /// Outcomes of what it waited for. Kept here because the cache may forget
    /// them, and because no answer is never in it.
    pub known: Known,
    /// How far its chain of tail calls has come, if it has made one.
    pub tail: Option<Box<Tail>>,
}

impl Resume {
    /// The Thunk that its chain of tail calls has come to, if it has made one.
    #[must_use]
    pub fn at(&self) -> Option<Handle> {
        self.tail.as_ref().map(|tail| tail.current())
    }

    /// Every handle that going on from here may need content under: roots for a
    /// collection while somebody does.
    pub fn roots(&self) -> impl Iterator<Item = Handle> {
        let tail = self.tail.iter().map(|tail| tail.current());
        self.known.values().filter_map(Outcome::value).chain(tail)
    }
}

/// Something that must be found out first.
#[derive(Clone, Debug)]
pub struct Need {
    /// What.
    pub key: Key,
    /// For [`Key::Apply`], what to run.
    pub application: Option<Arc<Application>>,
}

/// A key that cannot be settled yet, and what it needs, lowest index first.
///
/// Contract: `needs` stand in the order in which the rule asks. The first that
/// comes to no value decides the outcome whatever the later ones come to, and
/// the machine's cut-offs and its search for cycles rest on that.
#[derive(Clone, Debug)]
pub struct Frame {
    /// The key.
    pub key: Key,
    /// What must be found out before it is looked at again; empty if it only
    /// gave up its turn.
    pub needs: Vec<Need>,
    /// How far its chain of tail calls has come, if it has made one; what it knew
    /// from before an earlier step is then of no more use.
    pub tail: Option<Box<Tail>>,
}

/// What came of looking at a key.
#[derive(Clone, Debug)]
pub enum Report {
    /// It is settled.
    Done(Outcome),
    /// It waits; the frames are this key's own, last, and those of everything
    /// below it that was looked at on the way and waits too.
    Pending(Vec<Frame>),
    /// It is an application that can run once it is given this.
    Claim(Claim),
    /// It is an application that is running already; see
    /// [`Attempt::Elsewhere`].
    Elsewhere,
}

impl Report {
    /// Every handle that whoever is told this may need content under: roots for
    /// a collection while the report is on its way.
    pub fn roots(&self) -> Vec<Handle> {
        match self {
            Self::Done(outcome) => outcome.value().into_iter().collect(),
            Self::Pending(frames) => frames.iter().flat_map(Frame::roots).collect(),
            Self::Claim(_) | Self::Elsewhere => Vec::new(),
        }
    }
}

impl Frame {
    fn roots(&self) -> impl Iterator<Item = Handle> {
        let needs = self.needs.iter().flat_map(|need| {
            let application = need.application.iter().map(|application| application.handle);
            application.chain([need.key.handle()])
        });
        needs.chain([self.key.handle()]).chain(self.tail.iter().map(|tail| tail.current()))
    }
}

/// Looks at a key: settles it, or says what it waits for.
///
/// `application` is required for [`Key::Apply`] and ignored otherwise.
/// [`Key::Content`] is not for the rules to settle and comes back pending on
/// itself.
pub fn evaluate<P: Platform>(
    platform: &mut P,
    key: Key,
    application: Option<&Arc<Application>>,
    resume: &Resume,
    budget: Budget,
) -> Report {
    if let (Key::Apply(_), Some(application)) = (key, application) {
        return apply_alone(platform, application);
    }
    let mut evaluator = Evaluator {
        platform,
        budget,
        resume: Some((key, resume)),
        needs: Vec::new(),
        frames: Vec::new(),
        blocked: KeySet::default(),
    };
    match settled(evaluator.run(key, budget.depth)) {
        Some(outcome) => Report::Done(outcome),
        None => Report::Pending(evaluator.frames),
    }
}

fn apply_alone<P: Platform>(platform: &mut P, application: &Arc<Application>) -> Report {
    if let Some(outcome) = platform.recall(application.key()) {
        return Report::Done(outcome);
    }
    match platform.apply(application) {
        Attempt::Done(outcome) => Report::Done(outcome),
        Attempt::Claim(claim) => Report::Claim(claim),
        Attempt::Elsewhere => Report::Elsewhere,
        Attempt::Missing(trees) => {
            let needs = trees.into_iter().map(Need::content).collect();
            Report::Pending(vec![Frame { key: application.key(), needs, tail: None }])
        }
    }
}

impl Need {
    pub(crate) fn content(object: Handle) -> Self {
        Self { key: Key::Content(object), application: None }
    }
}

struct Evaluator<'a, P> {
    platform: &'a mut P,
    budget: Budget,
    /// What is known of the key that was asked for, until it is looked at.
    resume: Option<(Key, &'a Resume)>,
    /// Needs of the keys being looked at, the innermost last.
    needs: Vec<Need>,
    frames: Vec<Frame>,
    /// Keys found to wait in this call. Without it, a shared part that waits
    /// would be walked once for every way to reach it.
    blocked: KeySet,
}

/// What belongs to the look at one key.
#[derive(Clone, Copy)]
struct Look<'a> {
    known: Option<&'a Known>,
    tail: Option<Tail>,
    depth: u32,
}

impl<'a, P: Platform> Evaluator<'a, P> {
    fn run(&mut self, key: Key, depth: u32) -> Step {
        let before = self.needs.len();
        let resume = self.resume.take_if(|(asked, _)| *asked == key).map(|(_, resume)| resume);
        let mut look = Look {
            known: resume.map(|resume| &resume.known),
            tail: resume.and_then(|resume| resume.tail.as_deref().copied()),
            depth,
        };
        let step = match key {
            Key::Eval(handle) if handle.kind().is_encode() => self.eval_encode(&mut look, handle),
            Key::Eval(tree) => self.eval_tree(&mut look, tree),
            Key::Force(thunk) => self.force(&mut look, thunk, None),
            Key::Apply(_) | Key::Content(_) => {
                self.needs.push(Need { key, application: None });
                Err(Halt::Pending)
            }
        };
        if let Err(Halt::Pending) = step {
            self.wait(key, before, look.tail);
        } else {
            self.needs.truncate(before);
        }
        step
    }

    /// What another key comes to.
    fn ask(&mut self, look: &Look<'_>, key: Key) -> Step {
        if let Some(outcome) = look.known.and_then(|known| known.get(&key)) {
            return outcome.clone().into();
        }
        // The evaluation of an Encode follows from its Thunk's in one step, so
        // only the latter is kept.
        let is_encode = matches!(key, Key::Eval(handle) if handle.kind().is_encode());
        if !is_encode && let Some(outcome) = self.platform.recall(key) {
            return outcome.into();
        }
        if look.depth > 0 && !self.blocked.contains(&key) {
            match self.run(key, look.depth - 1) {
                Err(Halt::Pending) => {}
                step => return step,
            }
        }
        self.needs.push(Need { key, application: None });
        Err(Halt::Pending)
    }

    /// Evaluates the entries of a Tree in order. The first that comes to no
    /// value ends it; those that wait do not, so that all of them are known and
    /// can go on side by side.
    ///
    /// What others have evaluated of a fork are values alone, and a value is the
    /// same whoever finds it: so which entry decides does not depend on them.
    fn eval_entries(&mut self, look: &Look<'_>, tree: &Tree) -> Step<Vec<Handle>> {
        let entries = tree.entries();
        let mut values = Vec::with_capacity(entries.len());
        let mut pending = false;
        let mut depth = look.depth;
        let mut fork = Forking { tree, at: 0, budget: self.budget, pace: None };
        // What others have found, of the entries from this place on.
        let (mut found, mut found_from) = (Vec::new(), 0);
        let mut is_open = true;
        for (at, entry) in entries.iter().enumerate() {
            if !entry.has_encode() {
                values.push(*entry);
                continue;
            }
            if is_open && depth > 0 {
                (fork.at, fork.budget.depth) = (at, depth - 1);
                match self.platform.fork(&mut fork) {
                    Fork::Here => {}
                    Fork::Away => (is_open, depth) = (false, 0),
                    Fork::Found(others) => (is_open, found, found_from) = (false, others, at),
                }
            }
            if let Some(Some(value)) = found.get(at - found_from) {
                values.push(*value);
                continue;
            }
            match self.ask(&Look { depth, ..*look }, Key::Eval(*entry)) {
                Ok(value) => values.push(value),
                Err(Halt::Pending) => pending = true,
                Err(halt) => {
                    if is_open && depth > 0 {
                        self.platform.leave_fork(&fork);
                    }
                    // Whether this is *the* failure depends on those that
                    // wait before it.
                    return Err(if pending { Halt::Pending } else { halt });
                }
            }
        }
        if pending { Err(Halt::Pending) } else { Ok(values) }
    }

    fn eval_tree(&mut self, look: &mut Look<'_>, object: Handle) -> Step {
        let tree = self.tree_content(object)?;
        let values = self.eval_entries(look, &tree);
        let step = values.map(|values| self.platform.put_tree(Tree::new(values)));
        self.remember(Key::Eval(object), &step);
        step
    }

    fn eval_encode(&mut self, look: &mut Look<'_>, encode: Handle) -> Step {
        let thunk = encode.thunk().unwrap_or(encode);
        let data = match self.force_at_once(look, thunk) {
            Some(step) => step?,
            None => self.ask(look, Key::Force(thunk))?,
        };
        // A force comes to data, which can be lifted and lowered.
        if encode.kind() == Kind::Shallow {
            return Ok(data.lower().unwrap_or(data));
        }
        let object = data.lift().unwrap_or(data);
        match object.has_encode() {
            true => self.ask(look, Key::Eval(object)),
            false => Ok(object),
        }
    }

    /// What a Thunk comes to whose application has no Encodes, as [`Self::ask`] would
    /// find it, with nothing kept for a tail call that most do not make; `None` of others.
    #[inline]
    fn force_at_once(&mut self, look: &Look<'_>, thunk: Handle) -> Option<Step> {
        let key = Key::Force(thunk);
        let is_resumed = look.known.is_some_and(|known| !known.is_empty());
        if !thunk.is_plain_application()
            || look.depth == 0
            || is_resumed
            || self.blocked.contains(&key)
        {
            return None;
        }
        if let Some(outcome) = self.platform.recall(key) {
            return Some(outcome.into());
        }
        let before = self.needs.len();
        let mut own = Look { known: None, tail: None, depth: look.depth - 1 };
        let mut step = self.think_application(&own, thunk, thunk.definition()?);
        if let Ok(value) = step
            && as_thunk(value).is_some()
        {
            step = self.force(&mut own, thunk, Some(value));
        }
        if let Err(Halt::Pending) = step {
            self.wait(key, before, own.tail);
            self.needs.push(Need { key, application: None });
        } else {
            self.needs.truncate(before);
        }
        Some(step)
    }

    /// A key waits for all that is needed since there were so many needs.
    #[cold]
    fn wait(&mut self, key: Key, before: usize, tail: Option<Tail>) {
        let needs = self.needs.split_off(before);
        self.frames.push(Frame { key, needs, tail: tail.map(Box::new) });
        self.blocked.insert(key);
    }

    /// What a Thunk comes to; `first` is what its own application does, if that is known.
    fn force(&mut self, look: &mut Look<'_>, start: Handle, mut first: Option<Handle>) -> Step {
        let mut tail = look.tail.unwrap_or_else(|| Tail::new(start));
        let mut followed = look.tail.is_some();
        let mut steps = 0;
        let step = loop {
            let next = match first.take().map_or_else(|| self.think(look, tail.current()), Ok) {
                Ok(next) => next,
                Err(halt) => break Err(halt),
            };
            let Some(thunk) = as_thunk(next) else {
                break Ok(next);
            };
            followed = true;
            if let Err(lowest) = tail.advance(thunk) {
                break Err(Halt::Failure(cycle(lowest)));
            }
            // What was known was known of the step before.
            look.known = None;
            look.tail = Some(tail);
            if let Some(outcome) = self.platform.recall(Key::Force(thunk)) {
                break outcome.into();
            }
            steps += 1;
            if steps >= self.budget.tail_steps {
                return Err(Halt::Pending);
            }
        };
        // Where nothing was followed and nothing evaluated, the relation of
        // the application says all.
        if followed || !start.is_plain_application() {
            self.remember(Key::Force(start), &step);
        }
        step
    }

    fn remember(&mut self, key: Key, step: &Step) {
        let outcome = match step {
            Ok(value) => Outcome::Value(*value),
            Err(Halt::Failure(failure)) => Outcome::Failure(failure.clone()),
            Err(_) => return,
        };
        self.platform.remember(key, &outcome);
    }

    fn think(&mut self, look: &Look<'_>, thunk: Handle) -> Step {
        let definition = thunk.definition().unwrap_or(thunk);
        match thunk.kind() {
            Kind::Application => self.think_application(look, thunk, definition),
            Kind::Selection => self.think_selection(look, thunk, definition),
            _ => Ok(definition),
        }
    }

    fn think_selection(&mut self, look: &Look<'_>, thunk: Handle, definition: Handle) -> Step {
        let tree = self.tree_content(definition)?;
        let Some((target, what)) = Selection::parse(tree.entries()) else {
            return Err(ill_formed_selection(thunk));
        };
        let target = match as_thunk(target) {
            Some(target) => self.ask(look, Key::Force(target))?,
            None => target,
        };
        take(self, thunk, target, what)
    }

    fn think_application(&mut self, look: &Look<'_>, thunk: Handle, definition: Handle) -> Step {
        let entries = if definition.has_encode() {
            let tree = self.tree_content(definition)?;
            Entries::New(self.eval_entries(look, &tree)?)
        } else {
            // Only what is in canonical form has a relation under its name, so
            // where there is one the content is not needed.
            if let Some(outcome) = self.known_application(look, definition) {
                return outcome.into();
            }
            Entries::Named(definition, self.tree_content(definition)?)
        };
        let application = canonical(self, thunk, entries)?;
        if application.handle != definition
            && let Some(outcome) = self.known_application(look, application.handle)
        {
            return outcome.into();
        }
        if self.budget.depth > 0
            && let Attempt::Done(outcome) = self.platform.apply(&application)
        {
            return outcome.into();
        }
        let key = application.key();
        self.needs.push(Need { key, application: Some(Arc::new(application)) });
        Err(Halt::Pending)
    }

    fn known_application(&mut self, look: &Look<'_>, tree: Handle) -> Option<Outcome> {
        let key = Key::Apply(tree);
        let known = look.known.and_then(|known| known.get(&key)).cloned();
        known.or_else(|| self.platform.recall(key))
    }
}

impl<P: Platform> Trees for Evaluator<'_, P> {
    fn tree_content(&mut self, object: Handle) -> Step<Tree> {
        self.platform.tree(object).ok_or_else(|| {
            self.needs.push(Need::content(object));
            Halt::Pending
        })
    }

    fn put(&mut self, entries: &[Handle]) -> (Handle, Tree) {
        let tree = Tree::new(entries);
        (self.platform.put_tree(tree.clone()), tree)
    }
}

impl<P: Platform> Contents for Evaluator<'_, P> {
    fn blob_content(&mut self, object: Handle) -> Step<Blob> {
        self.platform.blob(object).ok_or_else(|| {
            self.needs.push(Need::content(object));
            Halt::Pending
        })
    }

    fn put_bytes(&mut self, blob: Blob) -> Handle {
        self.platform.put_blob(blob)
    }
}

/// The Thunk to go on with, if this is one or asks for one.
pub(crate) fn as_thunk(handle: Handle) -> Option<Handle> {
    match handle.kind().is_thunk() {
        true => Some(handle),
        false => handle.thunk(),
    }
}

pub(crate) fn cycle(lowest: Handle) -> Arc<crate::Failure> {
    Arc::new(crate::Failure {
        kind: crate::FailureKind::Cycle,
        detail: "the computation needs itself".into(),
        application: lowest,
    })
}

pub(crate) fn ill_formed_selection(thunk: Handle) -> Halt {
    let detail = "a selection is [target, index], [target, from, to], \
                  [target, \"path\", bytes] or [target, \"digest\", from, to]";
    Halt::failure(crate::FailureKind::IllFormed, detail, thunk)
}
