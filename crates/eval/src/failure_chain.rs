use weft_object::{Blob, Handle, Tree};

use crate::evaluator::{Budget, Report, Resume, evaluate};
use crate::key::KeyMap;
use crate::platform::{Attempt, Platform};
use crate::{Application, Key, Outcome};

/// How many handles of a chain are told.
const LINKS: usize = 128;

/// How many lookups the search may take before it tells what it has.
const LOOKUPS: u32 = 100_000;

/// The handles from a request down to what failed in it, found by following the
/// rules once more along what is known; nothing runs.
///
/// Long chains are cut: what is nearest to the request is kept.
pub fn failure_chain<P: Platform>(platform: &mut P, request: Handle) -> Vec<Handle> {
    let mut known =
        Known { platform, derived: KeyMap::default(), show_failures: true, lookups: LOOKUPS };
    let mut chain = Vec::new();
    let mut next = Key::of_request(request);
    while let Some(at) = next.filter(|_| chain.len() < LINKS) {
        if chain.last() != Some(&at.handle()) {
            chain.push(at.handle());
        }
        next = failed_need(&mut known, at);
    }
    chain
}

/// Which of the keys that decide this one has failed, if it was one of them.
fn failed_need<P: Platform>(known: &mut Known<'_, P>, at: Key) -> Option<Key> {
    let mut resume = Resume::default();
    loop {
        // Looked at on its own, a key asks for those that decide it, and the
        // first of them that failed is why it failed. Where all come to values
        // it goes on to ask for more, once it is told those.
        known.show_failures = false;
        let report = look(known, at, &resume, 0);
        known.show_failures = true;
        let Report::Pending(mut frames) = report else { return None };
        let frame = frames.pop()?;
        let mut moved = resume.tail != frame.tail;
        if moved {
            resume = Resume { tail: frame.tail, ..Resume::default() };
        }
        for need in frame.needs {
            match known.outcome(need.key) {
                Some(Outcome::Failure(_)) => return Some(need.key),
                Some(outcome) => moved |= resume.known.insert(need.key, outcome).is_none(),
                None => {}
            }
        }
        if !moved {
            return None;
        }
    }
}

fn look<P: Platform>(known: &mut Known<'_, P>, key: Key, resume: &Resume, depth: u32) -> Report {
    evaluate(known, key, None, resume, Budget { depth, tail_steps: 1024 })
}

/// A platform that looks up applications and runs none.
struct Known<'a, P> {
    platform: &'a mut P,
    /// What was derived during this search, so that nothing is derived twice.
    derived: KeyMap<Outcome>,
    show_failures: bool,
    /// How many are left. Without any, what was derived is still told, so that
    /// what is shared is not derived along every way to it; all else waits.
    lookups: u32,
}

impl<P: Platform> Known<'_, P> {
    fn outcome(&mut self, key: Key) -> Option<Outcome> {
        if let Some(outcome) = self.derived.get(&key) {
            return Some(outcome.clone());
        }
        if self.lookups == 0 {
            return None;
        }
        match look(self, key, &Resume::default(), LINKS as u32) {
            Report::Done(outcome) => Some(outcome),
            _ => None,
        }
    }

    /// Whether a search below a key has to end. A look at one key alone is
    /// always allowed: there are few of those.
    const fn stops(&self) -> bool {
        self.lookups == 0 && self.show_failures
    }
}

impl<P: Platform> Platform for Known<'_, P> {
    fn tree(&mut self, object: Handle) -> Option<Tree> {
        if self.stops() { None } else { self.platform.tree(object) }
    }

    fn blob(&mut self, object: Handle) -> Option<Blob> {
        if self.stops() { None } else { self.platform.blob(object) }
    }

    fn put_tree(&mut self, tree: Tree) -> Handle {
        self.platform.put_tree(tree)
    }

    fn put_blob(&mut self, blob: Blob) -> Handle {
        self.platform.put_blob(blob)
    }

    fn recall(&mut self, key: Key) -> Option<Outcome> {
        let used_up = self.lookups == 0;
        self.lookups = self.lookups.saturating_sub(1);
        match key {
            Key::Apply(_) if used_up => None,
            Key::Apply(_) => self.platform.recall(key),
            _ => {
                let outcome = self.derived.get(&key)?;
                (self.show_failures || outcome.value().is_some()).then(|| outcome.clone())
            }
        }
    }

    fn remember(&mut self, key: Key, outcome: &Outcome) {
        self.derived.insert(key, outcome.clone());
    }

    fn apply(&mut self, application: &Application) -> Attempt {
        match self.recall(application.key()) {
            Some(outcome) => Attempt::Done(outcome),
            None => Attempt::Elsewhere,
        }
    }
}
