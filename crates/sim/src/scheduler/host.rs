use std::collections::{BTreeMap, BTreeSet, HashSet};
use std::sync::Arc;

use weft_eval::{
    Application, Attempt, Budget, Claim, Fork, Forking, Key, Outcome, Platform, Report, Resume,
    Ticket, evaluate, survey,
};
use weft_object::{Blob, Handle, Tree};

use super::{Logged, Settings, What};
use crate::rng::Rng;
use crate::toy;
use crate::world::{Content, World};

/// Content, relations and running applications: all that outlives a look.
#[derive(Debug)]
pub(super) struct Host {
    pub(super) world: World,
    pub(super) resident: BTreeSet<Handle>,
    pub(super) relations: BTreeMap<Handle, Outcome>,
    pub(super) derived: BTreeMap<Key, Outcome>,
    pub(super) running: BTreeMap<Handle, Running>,
    pub(super) interrupted: HashSet<Ticket>,
    /// What is needed whatever the machine says.
    pub(super) keep: Vec<Handle>,
    pub(super) log: Vec<Logged>,
    pub(super) now: u64,
    /// Objects made since garbage was collected.
    pub(super) made: usize,
    pub(super) most_content: usize,
    /// Applications that somebody else has begun to run.
    pub(super) strangers: Vec<Arc<Application>>,
    /// The forks that were told to go on here, by the depth of looks at their entries.
    forks: BTreeMap<u32, Tree>,
    settings: Settings,
    rng: Rng,
}

/// An application that runs.
#[derive(Debug)]
pub(super) struct Running {
    /// The action that it performs; none if a stranger runs it.
    pub(super) ticket: Option<Ticket>,
    /// Of the claim it runs under.
    pub(super) claimed_bytes: u64,
    /// Whether somebody was told that it runs elsewhere.
    pub(super) awaited: bool,
    pub(super) footprint: HashSet<Handle>,
}

impl Host {
    pub(super) fn new(world: &World, settings: &Settings, rng: Rng) -> Self {
        let world = world.clone();
        let mut resident = BTreeSet::new();
        if settings.resident {
            resident.extend(world.content.keys().copied());
        }
        Self {
            world,
            resident,
            relations: BTreeMap::new(),
            derived: BTreeMap::new(),
            running: BTreeMap::new(),
            interrupted: HashSet::new(),
            keep: Vec::new(),
            log: Vec::new(),
            now: 0,
            made: 0,
            most_content: 0,
            strangers: Vec::new(),
            forks: BTreeMap::new(),
            settings: settings.clone(),
            rng,
        }
    }

    pub(super) fn note(&mut self, what: What) {
        if self.settings.log {
            self.log.push(Logged { at: self.now, what });
        }
    }

    pub(super) fn budget(&mut self) -> Budget {
        let depth = self.rng.pick(&self.settings.depths);
        Budget { depth, tail_steps: self.rng.pick(&self.settings.tail_steps) }
    }

    pub(super) fn content(&self, handle: Handle) -> Option<Content> {
        // Looked for in this order: what is resident is few.
        match self.resident.contains(&handle) {
            true => self.world.content.get(&handle).cloned(),
            false => None,
        }
    }

    /// What stands between an application and its run.
    pub(super) fn look(&self, application: &Application) -> Result<Claim, Vec<Handle>> {
        let tree = |handle| self.content(handle).as_ref().and_then(Content::tree);
        let found = survey(application.handle, tree, |handle| self.resident.contains(&handle));
        if !found.missing_trees.is_empty() {
            return Err(found.missing_trees);
        }
        let bytes = found.bytes.saturating_add(application.memory_limit_bytes);
        Ok(Claim { bytes, missing: found.missing_blobs })
    }

    pub(super) fn footprint(&self, application: &Application) -> HashSet<Handle> {
        let mut footprint = HashSet::new();
        let tree = |handle| {
            let tree = self.content(handle)?.tree()?;
            Some((handle, tree))
        };
        let mut open = vec![application.handle];
        while let Some(handle) = open.pop() {
            if !handle.is_literal()
                && footprint.insert(handle)
                && let Some((_, tree)) = tree(handle)
            {
                open.extend(tree.entries().iter().filter(|entry| entry.kind().is_object()));
            }
        }
        footprint
    }

    /// Runs an application, and keeps what is to be kept of it.
    pub(super) fn run(&mut self, application: &Application) -> Outcome {
        let ran = toy::run(application, |handle| self.content(handle));
        self.note(What::Ran(application.handle));
        for (handle, content) in ran.made {
            self.add(handle, content);
        }
        if ran.outcome.is_relation() {
            self.relations.insert(application.handle, ran.outcome.clone());
        }
        ran.outcome
    }

    fn add(&mut self, handle: Handle, content: Content) {
        self.made += 1;
        self.resident.insert(handle);
        self.world.content.insert(handle, content);
        self.most_content = self.most_content.max(self.world.content.len());
    }

    fn known(&self, key: Key) -> Option<Outcome> {
        match key {
            Key::Apply(tree) => self.relations.get(&tree).cloned(),
            _ => self.derived.get(&key).cloned(),
        }
    }
}

/// The host as one look sees it.
pub(super) struct Bench<'h> {
    pub(super) host: &'h mut Host,
    /// Memory that no claim holds.
    pub(super) free_bytes: u64,
}

impl Platform for Bench<'_> {
    fn tree(&mut self, object: Handle) -> Option<Tree> {
        self.host.content(object)?.tree()
    }

    fn blob(&mut self, object: Handle) -> Option<Blob> {
        assert!(!object.is_literal(), "asked for the content of a literal");
        self.host.content(object)?.blob()
    }

    fn put_tree(&mut self, tree: Tree) -> Handle {
        let handle = tree.handle();
        self.host.add(handle, Content::Tree(tree));
        handle
    }

    fn put_blob(&mut self, blob: Blob) -> Handle {
        let handle = blob.handle();
        if !handle.is_literal() {
            self.host.add(handle, Content::Blob(blob));
        }
        handle
    }

    fn recall(&mut self, key: Key) -> Option<Outcome> {
        self.host.known(key)
    }

    fn remember(&mut self, key: Key, outcome: &Outcome) {
        assert!(!matches!(key, Key::Apply(_)), "an application's relation is the host's to keep");
        assert!(outcome.is_relation(), "no answer is remembered for {key:?}");
        self.host.derived.insert(key, outcome.clone());
    }

    fn apply(&mut self, application: &Application) -> Attempt {
        let host = &mut *self.host;
        if let Some(outcome) = host.known(application.key()) {
            return Attempt::Done(outcome);
        }
        if let Some(running) = host.running.get_mut(&application.handle) {
            running.awaited = true;
            return Attempt::Elsewhere;
        }
        let claim = match host.look(application) {
            Ok(claim) => claim,
            Err(missing) => return Attempt::Missing(missing),
        };
        let crowded = claim.bytes > self.free_bytes;
        if crowded || !claim.missing.is_empty() || host.rng.chance(host.settings.claim) {
            return Attempt::Claim(claim);
        }
        if host.rng.chance(host.settings.faults.elsewhere) {
            let footprint = host.footprint(application);
            let running = Running { ticket: None, claimed_bytes: 0, awaited: true, footprint };
            host.running.insert(application.handle, running);
            host.strangers.push(Arc::new(application.clone()));
            return Attempt::Elsewhere;
        }
        Attempt::Done(host.run(application))
    }

    fn fork(&mut self, fork: &mut Forking<'_>) -> Fork {
        let host = &mut *self.host;
        if !host.rng.chance(host.settings.wants_work) {
            host.forks.insert(fork.budget.depth, fork.tree.clone());
            return Fork::Here;
        }
        host.forks.remove(&fork.budget.depth);
        if host.rng.chance(900) {
            return Fork::Away;
        }
        // Others evaluate some of them, in any order, and get somewhere or not.
        let rest = &fork.tree.entries()[fork.at..];
        let mut found = vec![None; rest.len()];
        for _ in 0..self.host.rng.below(2 * rest.len() as u64) {
            let at = self.host.rng.below(rest.len() as u64) as usize;
            // Deep ones below deep ones would be more than ever comes to an end.
            let depth = self.host.rng.below(u64::from(fork.budget.depth.min(3)) + 1) as u32;
            let budget = Budget { depth, ..fork.budget };
            let report = evaluate(self, Key::Eval(rest[at]), None, &Resume::default(), budget);
            // What one of them found may be forgotten before it is told.
            if let Report::Done(Outcome::Value(value)) = report
                && self.host.rng.chance(900)
            {
                found[at] = Some(value);
            }
        }
        Fork::Found(found)
    }

    fn leave_fork(&mut self, fork: &Forking<'_>) {
        let left = self.host.forks.remove(&fork.budget.depth);
        assert_eq!(left.as_ref(), Some(fork.tree), "left without having been asked about");
    }
}
