use std::collections::{BTreeMap, HashMap};
use std::io::Read;
use std::ops::ControlFlow;

use weft_object::{Blob, Content, Handle, Kind, Prefix};

use crate::collect::gate::{Gate, Held};
use crate::collect::graph::Graph;
use crate::collect::plan::{Aim, Plan, plan};
use crate::hash::HandleHash;
use crate::sync::RwLock;
use crate::{
    Backend, Budget, Collect, Collected, Expect, Finder, Label, Phase, Pin, Progress, Relation,
    Resolved, Run, StoreError, Usage,
};

/// A backend that lasts as long as the process: for tests, for evaluating
/// without a store, and as what the file is compared with.
#[derive(Debug, Default)]
pub struct MemoryBackend {
    tables: RwLock<Tables>,
    held: Held,
    gate: Gate,
}

#[derive(Debug, Default)]
struct Tables {
    content: HashMap<Handle, Content, HandleHash>,
    relations: HashMap<Handle, (u64, Relation), HandleHash>,
    labels: BTreeMap<Label, Handle>,
    finders: Vec<Finder>,
    runs: Vec<Run>,
    pins: BTreeMap<Handle, Option<u64>>,
    /// What was dropped, and the keys of the relations that bring it back.
    dropped: HashMap<Handle, Handle, HandleHash>,
    budget_bytes: Option<u64>,
    /// How often something was removed.
    removals: u64,
    /// How many relations were put so far.
    put: u64,
}

impl MemoryBackend {
    /// An empty backend.
    #[must_use]
    pub fn new() -> Self {
        Self::default()
    }
}

impl Backend for MemoryBackend {
    fn get(&self, handle: &Handle) -> Result<Option<Content>, StoreError> {
        let handle = handle.content();
        if let Some(bytes) = handle.literal_bytes() {
            return Ok(Some(Content::Blob(Blob::new(bytes.to_vec()))));
        }
        Ok(self.tables.read().content.get(&handle).cloned())
    }

    fn contains(&self, handle: &Handle) -> Result<bool, StoreError> {
        Ok(handle.is_literal() || self.tables.read().content.contains_key(&handle.content()))
    }

    fn put(&self, batch: &[(Handle, Content)]) -> Result<(), StoreError> {
        if let Some((handle, _)) = batch.iter().find(|(handle, content)| !content.fits(handle)) {
            return Err(StoreError::Content(*handle));
        }
        let mut tables = self.tables.write();
        for (handle, content) in batch.iter().filter(|(handle, _)| !handle.is_literal()) {
            tables.content.entry(handle.content()).or_insert_with(|| content.clone());
            tables.dropped.remove(&handle.content());
        }
        Ok(())
    }

    fn put_stream(&self, handle: &Handle, bytes: &mut dyn Read) -> Result<bool, StoreError> {
        if handle.content().kind() != Kind::Blob {
            return Err(StoreError::Content(*handle));
        }
        let mut all = Vec::new();
        bytes.read_to_end(&mut all).map_err(StoreError::io("read", "the stream"))?;
        if handle.check_blob(&all).is_err() {
            return Ok(false);
        }
        self.put(&[(*handle, Content::Blob(Blob::new(all)))])?;
        Ok(true)
    }

    fn relation(&self, key: &Handle) -> Result<Option<Relation>, StoreError> {
        Ok(self.tables.read().relations.get(key).map(|(_, relation)| *relation))
    }

    fn put_relations(&self, batch: &[(Handle, Relation)]) -> Result<(), StoreError> {
        let mut tables = self.tables.write();
        for (key, relation) in batch {
            tables.put += 1;
            let numbered = (tables.put, Relation { durable: true, ..*relation });
            tables.relations.insert(*key, numbered);
        }
        Ok(())
    }

    fn label(&self, label: &Label) -> Result<Option<Handle>, StoreError> {
        Ok(self.tables.read().labels.get(label).copied())
    }

    fn set_label(
        &self,
        label: &Label,
        expect: Expect,
        to: Option<Handle>,
    ) -> Result<(), StoreError> {
        let mut tables = self.tables.write();
        let found = tables.labels.get(label).copied();
        if !expect.holds(found) {
            return Err(StoreError::LabelMoved { label: label.clone(), found });
        }
        match to {
            Some(handle) => tables.labels.insert(label.clone(), handle),
            None => tables.labels.remove(label),
        };
        Ok(())
    }

    fn labels(&self) -> Result<Vec<(Label, Handle)>, StoreError> {
        Ok(self
            .tables
            .read()
            .labels
            .iter()
            .map(|(label, handle)| (label.clone(), *handle))
            .collect())
    }

    fn resolve_prefix(&self, prefix: &Prefix) -> Result<Resolved, StoreError> {
        Ok(Resolved::of(prefix, self.tables.read().content.keys()))
    }

    fn each_relation(
        &self,
        visit: &mut dyn FnMut(&Handle, &Relation) -> ControlFlow<()>,
    ) -> Result<(), StoreError> {
        let known = self.tables.read().relations.clone();
        let mut known: Vec<_> = known.into_iter().collect();
        known.sort_unstable_by_key(|(_, (number, _))| std::cmp::Reverse(*number));
        let _ = known.iter().try_for_each(|(key, (_, relation))| visit(key, relation));
        Ok(())
    }

    fn finder(&self, finder: &Finder) -> Result<u16, StoreError> {
        let finders = &mut self.tables.write().finders;
        let finder = finder.shortened();
        if let Some(number) = finder.number_in(finders)? {
            return Ok(number);
        }
        finders.push(finder);
        Ok(finders.len() as u16)
    }

    fn finders(&self) -> Result<Vec<Finder>, StoreError> {
        Ok(self.tables.read().finders.clone())
    }

    fn put_run(&self, run: &Run) -> Result<(), StoreError> {
        let runs = &mut self.tables.write().runs;
        runs.insert(0, run.clone());
        crate::run::forget_old(runs);
        Ok(())
    }

    fn runs(&self) -> Result<Vec<Run>, StoreError> {
        Ok(self.tables.read().runs.clone())
    }

    fn pin(&self, pin: &Pin) -> Result<(), StoreError> {
        let pins = &mut self.tables.write().pins;
        let until = pins.entry(pin.handle).or_insert(pin.until_s);
        *until = Pin::later(*until, pin.until_s);
        Ok(())
    }

    fn unpin(&self, handle: &Handle) -> Result<bool, StoreError> {
        Ok(self.tables.write().pins.remove(handle).is_some())
    }

    fn pins(&self) -> Result<Vec<Pin>, StoreError> {
        let tables = self.tables.read();
        Ok(tables
            .pins
            .iter()
            .map(|(handle, until)| Pin { handle: *handle, until_s: *until })
            .collect())
    }

    fn recipe(&self, handle: &Handle) -> Result<Option<Handle>, StoreError> {
        Ok(self.tables.read().dropped.get(&handle.content()).copied())
    }

    fn hold(&self, handle: &Handle) {
        self.held.hold(handle);
    }

    fn release(&self, handle: &Handle) {
        self.held.release(handle);
    }

    fn begin_writing(&self) -> Result<(), StoreError> {
        self.gate.begin_writing();
        Ok(())
    }

    fn end_writing(&self) {
        self.gate.end_writing();
    }

    fn set_budget(&self, bytes: Option<u64>) -> Result<(), StoreError> {
        self.tables.write().budget_bytes = bytes;
        Ok(())
    }

    // Nobody can write meanwhile, so what was put since it began is nothing.
    fn collect(&self, options: &Collect, tell: &dyn Fn(Progress)) -> Result<Collected, StoreError> {
        let closed = self.gate.close();
        let mut tables = self.tables.write();
        tell(Progress { phase: Phase::Planning, done_bytes: 0, all_bytes: 0 });
        let graph = tables.graph()?;
        let (plan, collected) = tables.plan(&graph, &self.held.handles(), options.budget);
        if !options.dry_run {
            tables.apply(&graph, &plan);
        }
        drop((tables, closed));
        Ok(collected)
    }

    fn removals(&self) -> u64 {
        self.tables.read().removals
    }

    fn usage(&self) -> Result<Usage, StoreError> {
        let tables = self.tables.read();
        Ok(Usage {
            objects: tables.content.len() as u64,
            relations: tables.relations.len() as u64,
            dropped: tables.dropped.len() as u64,
            file_bytes: tables.bytes(),
            budget_bytes: tables.budget_bytes,
            ..Usage::default()
        })
    }

    fn sync(&self) -> Result<(), StoreError> {
        Ok(())
    }
}

// What things are taken to need here, in bytes, so that a budget has a meaning.
const RECORD_BYTES: u64 = 64;

fn bytes_of(content: &Content) -> u64 {
    RECORD_BYTES + content.bytes_len()
}

impl Tables {
    fn bytes(&self) -> u64 {
        let content: u64 = self.content.values().map(bytes_of).sum();
        content + RECORD_BYTES * (self.relations.len() + self.dropped.len()) as u64
    }

    fn graph(&self) -> Result<Graph, StoreError> {
        let mut graph = Graph::default();
        for (name, content) in &self.content {
            let entries = content.tree().map_or(&[][..], |tree| tree.entries());
            graph.object(name, bytes_of(content), entries.iter());
        }
        for (key, (number, relation)) in &self.relations {
            let finder = usize::from(relation.origin.finder).checked_sub(1);
            let finder = finder.and_then(|at| self.finders.get(at));
            let here = finder.is_some_and(|finder| finder.here);
            graph.relation(key, relation, here, RECORD_BYTES, *number);
        }
        for (name, recipe) in &self.dropped {
            graph.gone(name, recipe);
        }
        if graph.is_full() { Err(StoreError::TooManyObjects) } else { Ok(graph) }
    }

    fn plan(&mut self, graph: &Graph, held: &[Handle], budget: Budget) -> (Plan, Collected) {
        let now_s = crate::pin::now_s();
        let pins =
            self.pins.iter().map(|(handle, until_s)| Pin { handle: *handle, until_s: *until_s });
        let pins = pins.filter(|pin| pin.holds_at(now_s)).map(|pin| pin.handle);
        let roots: Vec<Handle> = self.labels.values().copied().chain(pins).collect();
        let aim = Aim {
            fixed_bytes: 0,
            budget_bytes: budget.bytes(self.budget_bytes),
            record_bytes: RECORD_BYTES,
            worth_bytes: 4 * RECORD_BYTES,
        };
        let plan = plan(graph, &roots, held, &aim);
        let collected = Collected { before_bytes: self.bytes(), ..plan.collected(graph, &aim) };
        (plan, collected)
    }

    fn apply(&mut self, graph: &Graph, plan: &Plan) {
        let stays = |name: &Handle| graph.find(name).is_some_and(|at| plan.objects.has(at));
        let known =
            |key: &Handle| graph.find_relation(key).is_some_and(|at| plan.relations.has(at));
        let keys: HashMap<u32, Handle> = self
            .relations
            .keys()
            .filter_map(|key| Some((graph.find_relation(key)?, *key)))
            .collect();
        let before = (self.content.len(), self.relations.len());
        let recipes = self.content.keys().filter_map(|name| {
            let recipe = plan.dropped.get(&graph.find(name)?)?;
            Some((*name, *keys.get(recipe)?))
        });
        self.dropped.retain(|_, recipe| known(recipe));
        self.dropped.extend(recipes);
        self.content.retain(|name, _| stays(name));
        self.relations.retain(|key, _| known(key));
        let now_s = crate::pin::now_s();
        self.pins
            .retain(|handle, until_s| Pin { handle: *handle, until_s: *until_s }.holds_at(now_s));
        self.removals += u64::from(before != (self.content.len(), self.relations.len()));
    }
}
