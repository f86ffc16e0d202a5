//! From tables in memory to runs on disk.
//!
//! What is frozen is written to a new run soon, together with runs before it as
//! long as that is little, so that few tables wait and the next one who opens
//! the store has little to read. Then neighbors are merged while the newer is at
//! least half as long as the older: lengths grow by powers of two, and of ten
//! million entries there are few. A merge may take seconds; what is frozen
//! meanwhile is written in between.

use std::ops::ControlFlow;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::thread::{self, JoinHandle};

use super::index::{Frozen, Kind, Merge, Parts, RunWriter, SortedRun, Source};
use super::location::Location;
use super::log::Counters;
use super::manifest::Manifest;
use super::state::State;
use super::store::Store;
use super::trouble::Chore;
use super::version::VERSION;
use crate::StoreError;
use crate::sync::{Condvar, Mutex, MutexGuard};

/// Who writes runs, and how far they go.
#[derive(Debug)]
pub(crate) struct Flushing {
    /// Held by whoever changes runs and manifest.
    indexed: Mutex<Indexed>,
    // Apart, since who holds the above may do so for long.
    manifest_bytes: AtomicU64,
    wanted: Mutex<Wanted>,
    changed: Condvar,
    stop: AtomicBool,
    thread: Mutex<Option<JoinHandle<()>>>,
}

/// What runs and manifest cover.
#[derive(Debug)]
pub(crate) struct Indexed {
    pub(crate) end: Location,
    pub(crate) state: Arc<State>,
    pub(crate) counters: Counters,
    /// So many of the oldest runs stay as they are: somebody works on them.
    pub(crate) fixed_runs: usize,
}

#[derive(Debug, Default)]
struct Wanted {
    /// How often a table was frozen, and how many of those were looked at.
    frozen: u64,
    done: u64,
    /// The last attempt failed: nobody waits for the next.
    failed: bool,
}

/// Whoever puts more waits when so many tables are not in runs yet.
const FROZEN_MAX: usize = 6;
/// A merge is interrupted when so many wait.
const FROZEN_WAITING: usize = 2;
/// As long as what they hold is no more than so many tables, runs are merged
/// right when a table is written.
const AT_ONCE: u64 = 4;

impl Flushing {
    pub(crate) fn new(manifest: &Manifest, manifest_bytes: u64) -> Self {
        let indexed = Indexed {
            end: manifest.indexed,
            state: manifest.state.clone(),
            counters: manifest.counters,
            fixed_runs: 0,
        };
        Self {
            indexed: Mutex::new(indexed),
            manifest_bytes: AtomicU64::new(manifest_bytes),
            wanted: Mutex::default(),
            changed: Condvar::default(),
            stop: AtomicBool::new(false),
            thread: Mutex::default(),
        }
    }

    /// The right to change runs and manifest.
    pub(crate) fn begin(&self) -> MutexGuard<'_, Indexed> {
        self.indexed.lock()
    }

    /// The same if nobody has it: a merge takes seconds.
    pub(crate) fn try_begin(&self) -> Option<MutexGuard<'_, Indexed>> {
        self.indexed.try_lock()
    }

    // Whoever waits to put more need not wait for a merge.
    fn note_flushed(&self) {
        let _wanted = self.wanted.lock();
        self.changed.notify_all();
    }

    pub(crate) fn note_manifest(&self, bytes: u64) {
        self.manifest_bytes.store(bytes, Ordering::Relaxed);
    }

    /// The bytes of the file `store`.
    pub(crate) fn manifest_bytes(&self) -> u64 {
        self.manifest_bytes.load(Ordering::Relaxed)
    }
}

/// Freezes the table if it is full, and has runs written. That these cannot be
/// written is no error of whoever put something: all is in the log.
pub(crate) fn settle(store: &Arc<Store>) {
    {
        let mut tail = store.tail.lock();
        let options = &store.home.options;
        let full = store.index.active_len() >= options.flush_entries
            || tail.unfrozen_bytes >= options.flush_bytes;
        if !full || tail.failed {
            return;
        }
        store.index.freeze(tail.place(), tail.state.clone(), tail.counters);
        tail.unfrozen_bytes = 0;
    }
    if !store.home.options.background {
        store.troubles.note(Chore::Index, &tidy_up(store));
        return;
    }
    let flushing = &store.flushing;
    let mut wanted = flushing.wanted.lock();
    wanted.frozen += 1;
    flushing.changed.notify_all();
    if !start(store) {
        wanted.failed = true;
    }
    let many =
        |wanted: &mut Wanted| store.index.parts().frozen.len() > FROZEN_MAX && !wanted.failed;
    drop(flushing.changed.wait_while(wanted, many));
}

/// Has a thread write runs; whether there is one. Without, tables wait for the
/// next attempt.
fn start(store: &Arc<Store>) -> bool {
    let mut thread = store.flushing.thread.lock();
    if thread.is_none() {
        let own = store.clone();
        let spawned = thread::Builder::new().name("weft-index".into()).spawn(move || work(&own));
        let spawned = spawned.map_err(StoreError::io("start a thread for", &store.home.directory));
        store.troubles.note(Chore::Index, &spawned);
        *thread = spawned.ok();
    }
    thread.is_some()
}

fn work(store: &Store) {
    let flushing = &store.flushing;
    loop {
        let idle = |wanted: &mut Wanted| {
            wanted.frozen == wanted.done && !flushing.stop.load(Ordering::Relaxed)
        };
        let frozen = flushing.changed.wait_while(flushing.wanted.lock(), idle).frozen;
        if flushing.stop.load(Ordering::Relaxed) {
            // So that the next one who opens the store has little to read.
            store.troubles.note(Chore::Index, &flush_in(store, &mut flushing.begin()));
            return;
        }
        let done = tidy_up(store);
        store.troubles.note(Chore::Index, &done);
        let failed = done.is_err();
        let mut wanted = flushing.wanted.lock();
        wanted.done = frozen;
        wanted.failed = failed;
        flushing.changed.notify_all();
    }
}

/// Ends the thread that writes runs; a merge is given up.
pub(crate) fn stop(store: &Store) {
    let flushing = &store.flushing;
    let thread = flushing.thread.lock().take();
    {
        // With the lock, so that the thread does not miss it.
        let _wanted = flushing.wanted.lock();
        flushing.stop.store(true, Ordering::Relaxed);
        flushing.changed.notify_all();
    }
    if let Some(thread) = thread {
        let _ = thread.join();
    }
}

fn tidy_up(store: &Store) -> Result<(), StoreError> {
    let mut indexed = store.flushing.begin();
    flush_in(store, &mut indexed)?;
    store.flushing.note_flushed();
    merge_in(store, &mut indexed)
}

/// Writes what is frozen to a run.
///
/// # Errors
/// It could not be done; all is as it was.
pub(crate) fn flush_in(store: &Store, indexed: &mut Indexed) -> Result<(), StoreError> {
    let parts = store.index.parts();
    let Some(last) = parts.frozen.last().cloned() else { return Ok(()) };
    // Nothing is in a run that might not be in the log tomorrow.
    store.sync()?;
    let entries: u64 = parts.frozen.iter().map(|frozen| frozen.table.len() as u64).sum();
    let most = AT_ONCE * store.home.options.flush_entries as u64;
    let from = merged_from(&parts.runs, entries, most, indexed.fixed_runs);
    let run = write_run(store, &parts, &parts.frozen, &parts.runs[from..], &mut || Ok(true))?;
    let mut runs = parts.runs[..from].to_vec();
    runs.extend(run);
    let covers = Indexed {
        end: last.end,
        state: last.state.clone(),
        counters: *last.counters.lock(),
        fixed_runs: indexed.fixed_runs,
    };
    commit(store, &covers, &parts, &runs)?;
    *indexed = covers;
    store.index.change(|parts| {
        parts.runs = runs;
        parts.frozen.retain(|frozen| frozen.end > last.end);
    });
    store.remove(&[], &parts.runs[from..]);
    Ok(())
}

/// Merges runs until each is more than twice as long as the one after it.
fn merge_in(store: &Store, indexed: &mut Indexed) -> Result<(), StoreError> {
    loop {
        let parts = store.index.parts();
        let Some((last, before)) = parts.runs.split_last() else { return Ok(()) };
        let from = merged_from(before, last.len(), u64::MAX, indexed.fixed_runs);
        if from >= before.len() || !merge_from(store, indexed, &parts, from)? {
            return Ok(());
        }
    }
}

// Whether it was not given up.
fn merge_from(
    store: &Store,
    indexed: &mut Indexed,
    parts: &Parts,
    from: usize,
) -> Result<bool, StoreError> {
    // What is written in between comes after these and leaves them alone.
    let until = parts.runs.len();
    let fixed = std::mem::replace(&mut indexed.fixed_runs, until);
    let mut go_on = || {
        if store.index.parts().frozen.len() >= FROZEN_WAITING {
            flush_in(store, indexed)?;
            store.flushing.note_flushed();
        }
        Ok(!store.flushing.stop.load(Ordering::Relaxed))
    };
    let merged = write_run(store, parts, &[], &parts.runs[from..], &mut go_on);
    indexed.fixed_runs = fixed;
    let Some(merged) = merged? else { return Ok(false) };
    let now = store.index.parts();
    let mut runs = now.runs[..from].to_vec();
    runs.push(merged);
    runs.extend_from_slice(&now.runs[until..]);
    commit(store, indexed, &now, &runs)?;
    store.index.change(|parts| parts.runs = runs);
    store.remove(&[], &parts.runs[from..]);
    Ok(true)
}

// The first run that is merged with entries that come after all of them, of
// which there are at most so many then.
fn merged_from(runs: &[Arc<SortedRun>], mut entries: u64, most: u64, fixed: usize) -> usize {
    let mut from = runs.len();
    while from > fixed
        && runs[from - 1].len() <= 2 * entries
        && runs[from - 1].len() + entries <= most
    {
        from -= 1;
        entries += runs[from].len();
    }
    from
}

// How many entries are written before it is asked whether to go on.
const STRETCH: u32 = 1 << 16;

/// Tables and runs, the latest last, as one run; `None` if there is nothing in
/// them, or `go_on` said no.
fn write_run(
    store: &Store,
    parts: &Parts,
    frozen: &[Arc<Frozen>],
    runs: &[Arc<SortedRun>],
    go_on: &mut dyn FnMut() -> Result<bool, StoreError>,
) -> Result<Option<Arc<SortedRun>>, StoreError> {
    let room = Kind::ALL.map(|kind| {
        let frozen: u64 = frozen.iter().map(|frozen| frozen.table.entries(kind) as u64).sum();
        frozen + runs.iter().map(|run| run.entries(kind)).sum::<u64>()
    });
    if room == [0; 2] {
        return Ok(None);
    }
    let number = store.new_run();
    let mut write = || {
        let mut writer = RunWriter::create(&store.home, number, room)?;
        for kind in Kind::ALL {
            let tables = frozen.iter().rev().map(|frozen| Source::table(&frozen.table, kind));
            let runs = runs.iter().rev().map(|run| Source::run(run, kind));
            let same = |one, other| store.index.same(parts, kind, one, other);
            let mut merge = Merge::new(tables.chain(runs).collect(), &same)?;
            let mut many = 0_u32;
            while let Some(entry) = merge.next()? {
                writer.push(kind, entry)?;
                many += 1;
                if many == STRETCH {
                    many = 0;
                    if !go_on()? {
                        return Ok(None);
                    }
                }
            }
        }
        writer.finish()?;
        store.home.disk.sync_directory(&store.home.index())?;
        let path = store.home.run(number);
        let run = SortedRun::open(&store.home, number)?;
        run.map(Some).ok_or(StoreError::Damaged { path, what: "a part of the index" })
    };
    let written = write();
    if !matches!(written, Ok(Some(_))) {
        // On a full disk, part of one would only be in the way.
        let _ = store.home.disk.remove(&store.home.run(number));
    }
    Ok(written?.map(Arc::new))
}

fn commit(
    store: &Store,
    covers: &Indexed,
    parts: &Parts,
    runs: &[Arc<SortedRun>],
) -> Result<(), StoreError> {
    let manifest = Manifest {
        version: VERSION,
        indexed: covers.end,
        packs: packs_until(parts, covers.end),
        runs: runs.iter().map(|run| run.number).collect(),
        counters: covers.counters,
        state: covers.state.clone(),
    };
    store.flushing.note_manifest(manifest.write(&store.home)?);
    Ok(())
}

/// Those packs that are needed for what is before a place. Others may not be
/// durable yet, and are found by what they follow.
pub(crate) fn packs_until(parts: &Parts, end: Location) -> Vec<(u32, Option<u64>)> {
    let mut listed = Vec::new();
    let _ = parts.packs.iter().try_for_each(|pack| {
        let last = pack.number == end.pack();
        let length = if last { None } else { pack.sealed.get().copied() };
        listed.push((pack.number, length));
        if last { ControlFlow::Break(()) } else { ControlFlow::Continue(()) }
    });
    listed
}
