//! Why something is what it is.

mod earlier;
mod enters;

use std::collections::{HashMap, HashSet};

use weft_eval::{Key, Outcome};
use weft_object::{Handle, Kind};
use weft_store::{Backend, Label, Relation, Run, StoreError};

use crate::diff::Step;
use crate::makers::{Maker, Tell, holder, makers};
use crate::within::Search;
use crate::{Calls, KEYS_MAX, Role, Source, follow};

pub use earlier::{Earlier, Sight};
pub use enters::Entered;

/// What is asked.
#[derive(Clone, Debug)]
pub struct Question {
    /// About what: data, or a computation.
    pub subject: Handle,
    /// The label by which it was named, if it was.
    pub label: Option<Label>,
    /// How many computations deep.
    pub depth: usize,
    /// Of how many needs of one computation.
    pub width: usize,
}

/// The answer.
#[derive(Debug)]
pub struct Why {
    /// What was asked about.
    pub subject: Handle,
    /// The latest run that came to it, or that asked for it.
    pub run: Option<Run>,
    /// The request that was followed, or the Thunk of the application that made
    /// it; `None` if nothing is known to have made it.
    pub request: Option<Handle>,
    /// What that came to, if it is known.
    pub outcome: Option<Outcome>,
    /// Where in the outcome it is; empty if it is the outcome.
    pub within: Vec<Step>,
    /// Where to begin in `told`.
    pub roots: Vec<Handle>,
    /// Computations, by their keys.
    pub told: HashMap<Handle, Told>,
    /// Which of these made an input of another one.
    pub made: HashMap<Handle, Handle>,
    /// How many computations it is not known of what they came to.
    pub unknown: usize,
    /// Whether there is more than was looked at.
    pub cut: bool,
    /// What is different from the time before.
    pub earlier: Option<Earlier>,
}

/// A computation.
#[derive(Debug)]
pub struct Told {
    /// `[limits, procedure, argument...]` in canonical form; of a request whose
    /// applications were not kept, nothing.
    pub entries: Vec<Handle>,
    /// What is kept of it.
    pub relation: Option<Relation>,
    /// What it came to.
    pub outcome: Option<Outcome>,
    /// The computations whose results it needed.
    pub needs: Vec<(Role, Handle)>,
    /// What it was given that no computation of the same request made: the
    /// position in `entries`, and what.
    pub inputs: Vec<(usize, Handle)>,
}

/// Answers from what is known; nothing runs. `tell` is told how many relations
/// have been gone through.
///
/// # Errors
/// The backend or the source, which may know more, cannot be read.
pub fn why(
    backend: &(impl Backend + ?Sized),
    source: &(impl Source + ?Sized),
    question: &Question,
    tell: Tell<'_>,
) -> Result<Why, StoreError> {
    let runs = backend.runs()?;
    let asked = Asked { backend, source, question, tell, runs };
    let begin = asked.begin()?;
    let mut teller = Teller {
        asked: &asked,
        told: HashMap::new(),
        made: HashMap::new(),
        unknown: 0,
        cut: false,
        keys_left: KEYS_MAX,
    };
    let mut out = Why {
        subject: question.subject,
        run: begin.run,
        request: begin.request,
        outcome: None,
        within: begin.within,
        roots: Vec::new(),
        told: HashMap::new(),
        made: HashMap::new(),
        unknown: 0,
        cut: false,
        earlier: None,
    };
    if let Some(request) = out.request {
        (out.outcome, out.roots) = teller.request(request)?;
        // An application's outcome need not be what its evaluation comes to.
        if let Some(maker) = begin.maker.filter(|maker| teller.told.contains_key(maker)) {
            out.roots = vec![maker];
        }
        if question.subject.kind().is_data() && !out.within.is_empty() {
            out.roots = teller.of_part(out.roots, question.subject)?;
        }
        let roots = out.roots.clone();
        teller.upward(&roots)?;
        (out.told, out.made) = (teller.told, teller.made);
        (out.unknown, out.cut) = (teller.unknown, teller.cut);
        out.earlier = asked.earlier(&out)?;
    }
    Ok(out)
}

pub(crate) struct Asked<'a, B: ?Sized, S: ?Sized> {
    backend: &'a B,
    source: &'a S,
    question: &'a Question,
    tell: Tell<'a>,
    runs: Vec<Run>,
}

/// What to follow.
#[derive(Default)]
struct Begin {
    run: Option<Run>,
    request: Option<Handle>,
    /// The key of the relation that has it.
    maker: Option<Handle>,
    within: Vec<Step>,
}

/// A request, and the key of the relation that it was found by if it was.
#[derive(Clone, Copy)]
pub(crate) struct Asking {
    pub(crate) request: Handle,
    pub(crate) maker: Option<Handle>,
}

impl Asking {
    fn of(run: &Run) -> Self {
        Self { request: run.request, maker: None }
    }
}

impl From<Asking> for Begin {
    fn from(Asking { request, maker }: Asking) -> Self {
        Self { run: None, request: Some(request), maker, within: Vec::new() }
    }
}

impl From<Maker> for Begin {
    fn from(maker: Maker) -> Self {
        let request = Some(request_of(&maker));
        Self { run: None, request, maker: Some(maker.key), within: maker.within }
    }
}

impl<B: Backend + ?Sized, S: Source + ?Sized> Asked<'_, B, S> {
    fn begin(&self) -> Result<Begin, StoreError> {
        let subject = self.question.subject;
        if !subject.kind().is_data() || subject.has_encode() {
            let run = self.run(|run| run.request == subject);
            return Ok(Begin { run, request: Some(subject), ..Begin::default() });
        }
        let content = subject.content();
        if let Some(run) = self.run(|run| run.outcome.handle().content() == content) {
            let asking = self.asked_or_made(&run)?.unwrap_or(Asking::of(&run));
            return Ok(Begin { run: Some(run), ..asking.into() });
        }
        let wanted = HashSet::from([content]);
        if let Some(maker) = makers(self.backend, &wanted, self.tell)?.remove(&content) {
            return Ok(maker.into());
        }
        // The name of an application is the Tree that it applies.
        if self.source.known(&content)?.is_some() {
            return Ok(Begin { request: content.application(), ..Begin::default() });
        }
        self.begin_within(content)
    }

    /// Of what is part of a result.
    fn begin_within(&self, content: Handle) -> Result<Begin, StoreError> {
        if content.is_literal() {
            return Ok(Begin::default());
        }
        let mut search = Search::new(self.source, content);
        for run in self.runs.iter().filter(|run| Key::of_request(run.request).is_some()) {
            if let Some(within) = search.look_into(run.outcome.handle())?
                && let Some(asking) = self.asked_or_made(run)?
            {
                return Ok(Begin { run: Some(run.clone()), within, ..asking.into() });
            }
        }
        let maker = holder(self.backend, content, self.tell)?;
        Ok(maker.map_or(Begin::default(), Begin::from))
    }

    /// What a run asked for, if that can still be read: a collection keeps what
    /// brings a result back, and not how it was asked for. Else the application
    /// that came to the same; `None` if there is neither.
    pub(crate) fn asked_or_made(&self, run: &Run) -> Result<Option<Asking>, StoreError> {
        let name = run.request.content();
        match name.is_literal() || self.source.content(&name)?.is_some() {
            true => Ok(Some(Asking::of(run))),
            false => self.made(run),
        }
    }

    /// The application that came to what a run came to.
    pub(crate) fn made(&self, run: &Run) -> Result<Option<Asking>, StoreError> {
        let outcome = run.outcome.handle().content();
        let made = makers(self.backend, &HashSet::from([outcome]), self.tell)?.remove(&outcome);
        Ok(made.map(|maker| Asking { request: request_of(&maker), maker: Some(maker.key) }))
    }

    /// The latest run that fits, under the label by which was asked if there is
    /// such a one.
    fn run(&self, fits: impl Fn(&Run) -> bool) -> Option<Run> {
        let label = self.question.label.as_ref();
        // Data that was asked for came to itself, and nothing made it.
        let made = |run: &&Run| Key::of_request(run.request).is_some();
        let fitting = || self.runs.iter().filter(made).filter(|run| fits(run));
        let labeled = fitting().find(|run| label.is_some() && run.label.as_ref() == label);
        labeled.or_else(|| fitting().next()).cloned()
    }
}

/// The Thunk or Encode whose evaluation a relation is about.
fn request_of(maker: &Maker) -> Handle {
    maker.key.application().unwrap_or(maker.key)
}

struct Teller<'a, 'q, B: ?Sized, S: ?Sized> {
    asked: &'a Asked<'q, B, S>,
    told: HashMap<Handle, Told>,
    made: HashMap<Handle, Handle>,
    unknown: usize,
    cut: bool,
    keys_left: usize,
}

impl<B: Backend + ?Sized, S: Source + ?Sized> Teller<'_, '_, B, S> {
    /// Follows a request and remembers its computations. What it came to, and
    /// the keys of those that came to that.
    fn request(&mut self, request: Handle) -> Result<(Option<Outcome>, Vec<Handle>), StoreError> {
        let source = self.asked.source;
        let followed = follow(source, request, self.keys_left)?;
        self.keys_left = self.keys_left.saturating_sub(followed.looked.len());
        let calls = Calls::of(&followed, source);
        self.unknown += calls.unknown;
        self.cut |= calls.cut;
        let root = followed.root.map(|root| &followed.looked[root]);
        let outcome = root.and_then(|root| root.outcome.clone());
        let mut roots: Vec<Handle> =
            calls.results.iter().map(|call| calls.calls[*call].key).collect();
        if let Some(Outcome::Failure(failure)) = &outcome
            && let Some(failed) = failure.application.definition()
            && calls.calls.iter().any(|call| call.key == failed)
        {
            roots = vec![failed];
        }
        if roots.is_empty() {
            let relation = root.and_then(|root| root.relation);
            let told = Told {
                entries: Vec::new(),
                relation,
                outcome: outcome.clone(),
                needs: Vec::new(),
                inputs: Vec::new(),
            };
            self.told.entry(request).or_insert(told);
            roots.push(request);
        }
        self.remember(calls);
        Ok((outcome, roots))
    }

    fn remember(&mut self, calls: Calls) {
        let keys: Vec<Handle> = calls.calls.iter().map(|call| call.key).collect();
        for call in calls.calls {
            let needs: Vec<_> =
                call.needs.iter().map(|need| (need.role, keys[need.call])).collect();
            let entries = call.entries.entries().to_vec();
            let from_call: HashSet<usize> = needs
                .iter()
                .filter_map(|(role, _)| match role {
                    Role::Entry(at) => Some(*at),
                    Role::Caller => None,
                })
                .collect();
            let inputs = entries.iter().copied().enumerate().filter(|(at, entry)| {
                entry.kind().is_data() && !entry.is_literal() && !from_call.contains(at)
            });
            let inputs = inputs.collect();
            let (relation, outcome) = (call.relation, call.outcome);
            let told = Told { entries, relation, outcome, needs, inputs };
            self.told.entry(call.key).or_insert(told);
        }
    }

    /// Of part of a result: the computations that came to the part, if there are
    /// such, else those that came to the whole and have the part.
    fn of_part(&self, roots: Vec<Handle>, part: Handle) -> Result<Vec<Handle>, StoreError> {
        let is_part = |told: &Told| match told.outcome {
            Some(Outcome::Value(value)) => value.content() == part.content(),
            _ => false,
        };
        let mut exact: Vec<Handle> =
            self.told.iter().filter(|(_, told)| is_part(told)).map(|(key, _)| *key).collect();
        if !exact.is_empty() {
            exact.sort_unstable();
            return Ok(exact);
        }
        let mut search = Search::new(self.asked.source, part);
        let mut having = Vec::new();
        for root in &roots {
            let outcome = self.told.get(root).and_then(|told| told.outcome.as_ref()?.value());
            if let Some(outcome) = outcome
                && search.look_into(outcome)?.is_some()
            {
                having.push(*root);
            }
        }
        Ok(if having.is_empty() { roots } else { having })
    }

    /// Looks for what made the inputs, and theirs, one level of relations a pass.
    fn upward(&mut self, roots: &[Handle]) -> Result<(), StoreError> {
        let Question { depth, width, .. } = *self.asked.question;
        let mut seen = HashSet::new();
        let mut open: Vec<(Handle, usize)> = roots.iter().map(|root| (*root, 1)).collect();
        let mut looked_for = HashSet::new();
        loop {
            let mut wanted: HashMap<Handle, usize> = HashMap::new();
            while let Some((key, at)) = open.pop() {
                let Some(told) = self.told.get(&key) else { continue };
                if at >= depth || !seen.insert(key) {
                    continue;
                }
                for (_, need) in told.needs.iter().take(width) {
                    open.push((*need, at + 1));
                }
                for (_, input) in told.inputs.iter().take(width) {
                    if looked_for.insert(input.content()) {
                        wanted.insert(input.content(), at);
                    }
                }
            }
            let contents = wanted.keys().copied().collect();
            let found = makers(self.asked.backend, &contents, self.asked.tell)?;
            let mut found: Vec<(Handle, Maker)> = found.into_iter().collect();
            found.sort_unstable_by_key(|(content, _)| *content);
            if found.is_empty() {
                return Ok(());
            }
            for (content, maker) in found {
                let (_, roots) = self.request(request_of(&maker))?;
                let made_by = match self.told.contains_key(&maker.key) {
                    true => Some(maker.key),
                    false => roots.first().copied(),
                };
                if let (Some(key), Some(at)) = (made_by, wanted.get(&content)) {
                    self.made.insert(content, key);
                    open.push((key, at + 1));
                }
            }
        }
    }
}

/// Whether a request is for an application, and for which Tree.
pub(crate) fn applied(request: Handle) -> Option<Handle> {
    let thunk = request.thunk().unwrap_or(request);
    (thunk.kind() == Kind::Application).then(|| thunk.definition())?
}
