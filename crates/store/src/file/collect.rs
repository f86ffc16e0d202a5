//! Collection of a [`FileBackend`](super::FileBackend).
//!
//! All is read once, from the first record to the last, and becomes a graph in
//! memory; the plan is made on that; what stays of packs that hold much that
//! goes is written to new packs. Work goes on meanwhile, in packs that the
//! collection does not look at. What it relies on is noted ([`Touched`]
//! (super::touched::Touched)) and kept.
//!
//! A pack that is not worth rewriting stays with all that is in it and with
//! whatever that reaches, wherever it is: so what the log holds is always whole,
//! also for one who has nothing but the log.

mod budget;
mod copy;
mod records;
mod survey;

use std::cell::Cell;
use std::sync::Arc;
use std::time::{Duration, Instant};

use rustix::time::{ClockId, clock_gettime};
use weft_object::Handle;

use super::Mode;
use super::flush::{Indexed, flush_in};
use super::index::Kind;
use super::pack::{Pack, START};
use super::record::{Header, Sort};
use super::rewrite::{Replacement, Snapshot, large_files};
use super::state::State;
use super::store::Store;
use crate::collect::gate::{Closed, Gate, Held};
use crate::collect::graph::NONE;
use crate::collect::plan::{Aim, Kept, Plan, plan};
use crate::collect::{Collect, Collected, Phase, Progress};
use crate::sync::{Mutex, MutexGuard};
use crate::{Pin, StoreError};
pub(super) use budget::Budgeting;
use copy::Copy;
use survey::{ENTRY_BYTES, Part, Survey};

/// What collections and those who work beside them agree by.
#[derive(Debug, Default)]
pub(crate) struct Collecting {
    pub(crate) held: Held,
    pub(crate) gate: Gate,
    one: Mutex<()>,
}

/// Noting that one object was dropped: record, key and entry.
const DROPPED_BYTES: u64 = 48 + 32 + ENTRY_BYTES;

/// Dropping less than this is not worth that.
const WORTH_BYTES: u64 = 4096;

/// What has this length only when it is not compressed is worth it as long as a
/// good part goes: a program's image is many such pages.
const COMPRESSED_WORTH_BYTES: u64 = 4 * DROPPED_BYTES;

/// A longer pack than [`short_bytes_max`](super::Options::short_bytes_max) is
/// rewritten for a sixteenth of it.
const DEAD_SHARE: u64 = 16;

/// Tells how far it is, now and then.
pub(super) struct Watch<'a> {
    tell: &'a dyn Fn(Progress),
    calls: Cell<u32>,
    told: Cell<Instant>,
    rested: Cell<Duration>,
}

const TELL_EVERY: Duration = Duration::from_millis(100);

/// A collection reads and copies faster than the machine can without others
/// feeling it: of ten million objects it took 31 s and slowed a thread beside it
/// by 1.33. With these rests, 42 to 44 s and 1.00 to 1.17 in three runs.
///
/// What counts is the processor time of the thread, since whoever waits for a disk
/// rests already: counted by the clock it took 43 s on a fast disk and 57 to 63 s on
/// a slow one, where it now takes 42.
const REST: Duration = Duration::from_millis(2);
const REST_EVERY: Duration = Duration::from_millis(3);

impl<'a> Watch<'a> {
    fn new(tell: &'a dyn Fn(Progress)) -> Self {
        let now = Instant::now();
        Self { tell, calls: Cell::new(0), told: Cell::new(now), rested: Cell::new(worked()) }
    }

    fn tell(&self, phase: Phase, done_bytes: u64, all_bytes: u64) {
        self.calls.set(self.calls.get().wrapping_add(1));
        if !self.calls.get().is_multiple_of(256) {
            return;
        }
        let now = worked();
        if now.saturating_sub(self.rested.get()) >= REST_EVERY {
            std::thread::sleep(REST);
            self.rested.set(now);
        }
        if self.told.get().elapsed() >= TELL_EVERY {
            self.now(phase, done_bytes, all_bytes);
        }
    }

    fn now(&self, phase: Phase, done_bytes: u64, all_bytes: u64) {
        self.told.set(Instant::now());
        (self.tell)(Progress { phase, done_bytes, all_bytes });
    }
}

/// The processor time of this thread: while it waits for the disk, it rests.
fn worked() -> Duration {
    let now = clock_gettime(ClockId::ThreadCPUTime);
    now.try_into().unwrap_or_default()
}

/// Collects, or says what would go.
pub(super) fn collect(
    store: &Store,
    with: &Collecting,
    options: &Collect,
    tell: &dyn Fn(Progress),
) -> Result<Collected, StoreError> {
    let watch = Watch::new(tell);
    let _one = with.one.lock();
    let before_bytes = store.usage().file_bytes;
    if options.dry_run {
        let state = store.tail.lock().state.clone();
        let parts = parts_now(store);
        let decision = Decision::make(store, with, &parts, &state, options, &watch)?;
        return Ok(Collected { before_bytes, ..decision.collected });
    }
    if store.mode == Mode::Read {
        return Err(StoreError::ReadOnly(store.home.manifest()));
    }
    unpin_ended(store)?;
    freeze(store)?;
    let _touching = Touching::begin(store);
    let _fixed = FixedRuns(store);
    let snapshot = {
        let (_closed, mut indexed) = alone(store, with);
        // The flush is short: nearly all is in runs already.
        store.snapshot(&mut indexed)?
    };
    let parts = parts_of(&snapshot);
    let decision = Decision::make(store, with, &parts, &snapshot.state, options, &watch)?;
    let collected = Collected { before_bytes, ..decision.collected };
    if decision.goes.contains(&true) || !decision.plan.dropped.is_empty() {
        carry_out(store, with, &snapshot, &parts, decision, &watch)?;
    }
    remove_large(store)?;
    Ok(collected)
}

/// The right to change runs, while nobody is in the middle of writing.
///
/// Never waits for the one with the other: who has the right may have it for
/// seconds, for a merge, and with the gate closed all work would wait for that;
/// who writes may wait for tables to be written, which needs the right.
fn alone<'a>(store: &'a Store, with: &'a Collecting) -> (Closed<'a>, MutexGuard<'a, Indexed>) {
    loop {
        let closed = with.gate.close();
        if let Some(indexed) = store.flushing.try_begin() {
            return (closed, indexed);
        }
        drop(closed);
        let indexed = store.flushing.begin();
        if let Some(closed) = with.gate.try_close() {
            return (closed, indexed);
        }
    }
}

/// Notes what is relied on, as long as it lives.
struct Touching<'a>(&'a Store);

impl<'a> Touching<'a> {
    fn begin(store: &'a Store) -> Self {
        store.touched.begin();
        Self(store)
    }
}

impl Drop for Touching<'_> {
    fn drop(&mut self) {
        self.0.touched.end();
    }
}

/// Lets the runs of the snapshot be merged again, however a collection ends.
struct FixedRuns<'a>(&'a Store);

impl Drop for FixedRuns<'_> {
    fn drop(&mut self) {
        self.0.flushing.begin().fixed_runs = 0;
    }
}

fn unpin_ended(store: &Store) -> Result<(), StoreError> {
    let now_s = crate::pin::now_s();
    let mut tail = store.writable()?;
    let ended: Vec<_> = tail
        .state
        .pins()
        .into_iter()
        .filter(|pin| !pin.holds_at(now_s))
        .map(|pin| (Sort::Unpin(pin.handle), Vec::new()))
        .collect();
    if !ended.is_empty() {
        store.change(&mut tail, &ended)?;
    }
    Ok(())
}

/// Has what is in the table written to a run, before anybody has to wait.
fn freeze(store: &Store) -> Result<(), StoreError> {
    let mut indexed = store.flushing.begin();
    {
        let mut tail = store.writable()?;
        if store.is_as_indexed(&tail, &indexed) {
            return Ok(());
        }
        store.index.freeze(tail.place(), tail.state.clone(), tail.counters);
        tail.unfrozen_bytes = 0;
    }
    flush_in(store, &mut indexed)
}

fn parts_of(snapshot: &Snapshot) -> Vec<Part> {
    let part = |pack: &Arc<Pack>| Part {
        pack: pack.clone(),
        end: pack.sealed.get().copied().unwrap_or(START),
    };
    snapshot.packs.iter().map(part).collect()
}

fn parts_now(store: &Store) -> Vec<Part> {
    let tail = store.tail.lock();
    let parts = store.index.parts();
    let end = |pack: &Arc<Pack>| match pack.number == tail.pack.number {
        true => tail.end,
        false => pack.sealed.get().copied().unwrap_or(START),
    };
    let packs = parts.packs.iter();
    packs.map(|pack| Part { pack: pack.clone(), end: end(pack) }).collect()
}

/// What is to be done, known before anything is.
struct Decision {
    survey: Survey,
    plan: Plan,
    /// By part, whether it goes.
    goes: Vec<bool>,
    collected: Collected,
}

impl Decision {
    fn make(
        store: &Store,
        with: &Collecting,
        parts: &[Part],
        state: &State,
        options: &Collect,
        watch: &Watch<'_>,
    ) -> Result<Self, StoreError> {
        let survey = Survey::read(&store.home, parts, &state.finders, watch)?;
        watch.now(Phase::Planning, 0, 0);
        let now_s = crate::pin::now_s();
        let pins: Vec<Pin> = state.pins().into_iter().filter(|pin| pin.holds_at(now_s)).collect();
        let roots: Vec<Handle> =
            state.labels.values().copied().chain(pins.iter().map(|pin| pin.handle)).collect();
        let aim = Aim {
            fixed_bytes: fixed_bytes(state, pins.len()),
            budget_bytes: options.budget.bytes(state.budget_bytes),
            record_bytes: DROPPED_BYTES,
            worth_bytes: WORTH_BYTES,
        };
        let mut plan = plan(&survey.graph, &roots, &with.held.handles(), &aim);
        // Before it is decided which packs go.
        copy::keep(&mut plan, &survey, &store.touched.take());
        let before = plan.collected(&survey.graph, &aim);
        let short_bytes_max = store.home.options.short_bytes_max;
        let idle = plan.is_idle(&before);
        let goes = going(&survey, &plan, parts, if idle { 0 } else { short_bytes_max });
        keep_staying(&survey, &mut plan, &goes);
        let collected = plan.collected(&survey.graph, &aim);
        Ok(Self { survey, plan, goes, collected })
    }
}

/// What the store takes beside objects and relations: the state, in the log and
/// in its first file, and the beginnings of files.
fn fixed_bytes(state: &State, pins: usize) -> u64 {
    let changes = state.changes();
    let ended = state.pins.len() - pins;
    let bytes: u64 = changes.iter().map(|(sort, payload)| Header::new(*sort, payload).size()).sum();
    let pin = Header::new(Sort::Reset, &[]).size() + 8;
    2 * (bytes - pin * ended as u64) + 8192
}

/// Which packs have so much in them that goes that they are worth rewriting;
/// for those up to some length, anything is.
fn going(survey: &Survey, plan: &Plan, parts: &[Part], short_bytes_max: u64) -> Vec<bool> {
    let graph = &survey.graph;
    let mut live = vec![0; parts.len()];
    let mut goes = vec![false; parts.len()];
    for object in (0..graph.objects_len() as u32).filter(|object| graph.is_here(*object)) {
        let part = usize::from(survey.part_of[object as usize]);
        let large = survey.large_bytes.get(&object).copied().unwrap_or(0);
        match plan.objects.has(object) {
            true => live[part] += graph.bytes(object) - large - ENTRY_BYTES,
            false => goes[part] = true,
        }
    }
    for (number, known) in graph.known().iter().enumerate() {
        let part = (known.place >> 40) as usize;
        match plan.relations.has(number as u32) {
            true => live[part] += known.bytes() - ENTRY_BYTES,
            false => goes[part] = true,
        }
    }
    for (part, object) in &survey.others {
        goes[usize::from(*part)] |= !is_said(survey, plan, *object);
    }
    for (part, relation) in &survey.earlier {
        goes[usize::from(*part)] |= !plan.relations.has(*relation);
    }
    for ((part, goes), live) in parts.iter().zip(&mut goes).zip(live) {
        let dead = (part.end - START).saturating_sub(live);
        let much = dead * DEAD_SHARE >= part.end && dead > 4096;
        *goes = much || (*goes && part.end <= short_bytes_max);
    }
    for (part, object) in &survey.others {
        // Nothing that could be kept would take its place.
        goes[usize::from(*part)] |= !is_said(survey, plan, *object)
            && graph.gone_object(*object).is_some_and(|gone| gone.recipe == NONE);
    }
    goes
}

/// Whether a record about an object stays that is later than all others. If not,
/// one who has nothing but the log would take an earlier one for the truth.
fn is_said(survey: &Survey, plan: &Plan, object: u32) -> bool {
    let gone = survey.graph.gone_object(object).map(|gone| gone.recipe);
    plan.objects.has(object)
        || plan.dropped.contains_key(&object)
        || gone.is_some_and(|recipe| plan.relations.has_some(recipe))
}

/// Keeps everything in packs that stay, and what is known by now of anything
/// that an earlier record in them is about.
fn keep_staying(survey: &Survey, plan: &mut Plan, goes: &[bool]) {
    let graph = &survey.graph;
    let mut kept = Kept::default();
    for object in 0..graph.objects_len() as u32 {
        let stays = graph.is_here(object) && !goes[usize::from(survey.part_of[object as usize])];
        if stays && !plan.dropped.contains_key(&object) {
            plan.keep(graph, object, &mut kept);
        }
    }
    for (number, known) in graph.known().iter().enumerate() {
        if !goes[(known.place >> 40) as usize] {
            plan.keep_relation(graph, number as u32, &mut kept);
        }
    }
    for (part, relation) in &survey.earlier {
        if !goes[usize::from(*part)] {
            plan.keep_relation(graph, *relation, &mut kept);
        }
    }
    for (part, object) in &survey.others {
        if !goes[usize::from(*part)] && !is_said(survey, plan, *object) {
            plan.keep(graph, *object, &mut kept);
        }
    }
}

fn write(copy: &mut Copy<'_>, all_bytes: u64, watch: &Watch<'_>) -> Result<(), StoreError> {
    copy.all(watch)?;
    watch.now(Phase::Writing, all_bytes, all_bytes);
    while copy.keep(&copy.store.touched.take(), watch)? {}
    copy.end()
}

fn carry_out(
    store: &Store,
    with: &Collecting,
    snapshot: &Snapshot,
    parts: &[Part],
    decision: Decision,
    watch: &Watch<'_>,
) -> Result<(), StoreError> {
    let Decision { survey, plan, goes, .. } = decision;
    let mut copy = Copy::new(store, snapshot, (parts, &goes), &survey, plan);
    let all_bytes = parts.iter().map(|part| part.end).sum();
    watch.now(Phase::Writing, 0, all_bytes);
    let mut relied = Vec::new();
    let mut written = write(&mut copy, all_bytes, watch);
    // What is found to be kept at the last moment has to be copied first.
    loop {
        let run = match written.and_then(|()| copy.run()) {
            Ok(run) => run,
            Err(error) => {
                // Nothing refers to them; on a full disk they would stay in the
                // way until the store is opened again.
                store.remove(&copy.packs, &[]);
                return Err(error);
            }
        };
        let unused = run.clone();
        let mut packs: Vec<Arc<Pack>> = parts
            .iter()
            .zip(&goes)
            .filter(|(_, goes)| !**goes)
            .map(|(part, _)| part.pack.clone())
            .collect();
        packs.extend(copy.packs.iter().cloned());
        let by = Replacement { packs, run, gone: snapshot.counters, come: copy.counters };
        let done = {
            // Who is in the middle of writing may rely on what is noted only
            // there.
            let (_closed, mut indexed) = alone(store, with);
            store.replace(&mut indexed, snapshot, by, || {
                relied = store.touched.take();
                Ok(copy.stays(&relied))
            })?
        };
        if done {
            break;
        }
        store.remove(&[], unused.as_slice());
        written = copy.keep(&relied, watch).map(|_| ());
    }
    watch.now(Phase::Removing, 0, 0);
    let gone: Vec<Arc<Pack>> = parts
        .iter()
        .zip(&goes)
        .filter(|(_, goes)| **goes)
        .map(|(part, _)| part.pack.clone())
        .collect();
    store.remove(&gone, &snapshot.runs);
    Ok(())
}

/// Removes files of large content that no record speaks of.
fn remove_large(store: &Store) -> Result<(), StoreError> {
    for (handle, path) in large_files(&store.home)? {
        // With the right to append, so that nobody puts it at this moment. An
        // index that cannot be read says nothing about the file.
        let tail = store.writable()?;
        let record = store.index.find(Kind::Content, &handle)?;
        if record.is_none_or(|found| matches!(found.header.sort, Sort::Dropped(_))) {
            let _ = store.home.disk.remove(&path);
            store.large.forget(&handle);
        }
        drop(tail);
    }
    Ok(())
}
