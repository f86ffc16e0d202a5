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
    let Some(mut at) = Key::of_request(request) else { return Vec::new() };
    let mut chain = vec![at.handle()];
    let mut known =
        Known { platform, derived: KeyMap::default(), show_failures: true, lookups: LOOKUPS };
    while chain.len() < LINKS {
        // Looked at on its own, a key asks for those that decide it, and the
        // first of them that failed is why it failed.
        known.show_failures = false;
        let Report::Pending(frames) = look(&mut known, at, 0) else { break };
        known.show_failures = true;
        let needs = frames.into_iter().next_back().map(|frame| frame.needs).unwrap_or_default();
        let failed = needs.iter().find(|need| {
            let report = look(&mut known, need.key, LINKS as u32);
            matches!(report, Report::Done(Outcome::Failure(_)))
        });
        let Some(need) = failed else { break };
        at = need.key;
        if chain.last() != Some(&at.handle()) {
            chain.push(at.handle());
        }
    }
    chain
}

fn look<P: Platform>(known: &mut Known<'_, P>, key: Key, depth: u32) -> Report {
    evaluate(known, key, None, &Resume::default(), Budget { depth, tail_steps: 1024 })
}

/// A platform that looks up applications and runs none.
struct Known<'a, P> {
    platform: &'a mut P,
    /// What was derived during this search, so that nothing is derived twice.
    derived: KeyMap<Outcome>,
    show_failures: bool,
    lookups: u32,
}

impl<P: Platform> Platform for Known<'_, P> {
    fn tree(&mut self, object: Handle) -> Option<Tree> {
        self.platform.tree(object)
    }

    fn blob(&mut self, object: Handle) -> Option<Blob> {
        self.platform.blob(object)
    }

    fn put_tree(&mut self, entries: &[Handle]) -> Handle {
        self.platform.put_tree(entries)
    }

    fn put_blob(&mut self, blob: Blob) -> Handle {
        self.platform.put_blob(blob)
    }

    fn recall(&mut self, key: Key) -> Option<Outcome> {
        self.lookups = self.lookups.checked_sub(1)?;
        match key {
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
