//! From tables in memory to runs on disk.
//!
//! A run is written in one go from frozen tables and from those runs before
//! them that are no longer than twice what has come together; so their lengths
//! grow by powers of two, and of ten million entries there are few. Then the
//! manifest says that it is there, and where the log begins that no run covers.

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
const FROZEN_MAX: u64 = 8;

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
        let _ = flush(store);
        return;
    }
    let flushing = &store.flushing;
    let mut wanted = flushing.wanted.lock();
    wanted.frozen += 1;
    flushing.changed.notify_all();
    start(store);
    let many = |wanted: &mut Wanted| wanted.frozen - wanted.done > FROZEN_MAX && !wanted.failed;
    drop(flushing.changed.wait_while(wanted, many));
}

fn start(store: &Arc<Store>) {
    let mut thread = store.flushing.thread.lock();
    if thread.is_none() {
        let store = store.clone();
        let spawned = thread::Builder::new().name("weft-index".into()).spawn(move || work(&store));
        // Without a thread, tables wait for the next attempt.
        *thread = spawned.ok();
    }
    if thread.is_none() {
        store.flushing.wanted.lock().failed = true;
    }
}

fn work(store: &Store) {
    let flushing = &store.flushing;
    loop {
        let idle = |wanted: &mut Wanted| {
            wanted.frozen == wanted.done && !flushing.stop.load(Ordering::Relaxed)
        };
        let frozen = flushing.changed.wait_while(flushing.wanted.lock(), idle).frozen;
        if flushing.stop.load(Ordering::Relaxed) {
            return;
        }
        let failed = flush(store).is_err();
        let mut wanted = flushing.wanted.lock();
        wanted.done = frozen;
        wanted.failed = failed;
        flushing.changed.notify_all();
    }
}

/// Ends the thread that writes runs; one that it is writing is given up.
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

/// Writes what is frozen to a run.
///
/// # Errors
/// It could not be done; all is as it was.
pub(crate) fn flush(store: &Store) -> Result<(), StoreError> {
    flush_in(store, &mut store.flushing.begin())
}

pub(crate) fn flush_in(store: &Store, indexed: &mut Indexed) -> Result<(), StoreError> {
    let parts = store.index.parts();
    let Some(last) = parts.frozen.last().cloned() else { return Ok(()) };
    // Nothing is in a run that might not be in the log tomorrow.
    store.sync()?;
    let from = merged_from(&parts, indexed.fixed_runs);
    let Some(run) = write_run(store, &parts, from)? else { return Ok(()) };
    let mut runs = parts.runs[..from].to_vec();
    runs.extend(run);
    let old = &parts.runs[from..];
    commit(store, indexed, &parts, &runs, &last)?;
    store.index.change(|parts| {
        parts.runs = runs;
        parts.frozen.retain(|frozen| frozen.end > last.end);
    });
    for run in old {
        // What stays is removed by the next who opens the store.
        let _ = store.home.disk.remove(&run.path);
    }
    Ok(())
}

// The first run that is merged with what is frozen.
fn merged_from(parts: &Parts, fixed: usize) -> usize {
    let mut entries: u64 = parts.frozen.iter().map(|frozen| frozen.table.len() as u64).sum();
    let mut from = parts.runs.len();
    while from > fixed && parts.runs[from - 1].len() <= 2 * entries {
        from -= 1;
        entries += parts.runs[from].len();
    }
    from
}

/// `None` if it was given up; the run itself is not there if it would be empty.
#[expect(clippy::option_option, reason = "two different things")]
fn write_run(
    store: &Store,
    parts: &Parts,
    from: usize,
) -> Result<Option<Option<Arc<SortedRun>>>, StoreError> {
    let frozen = || parts.frozen.iter().rev();
    let old = || parts.runs[from..].iter().rev();
    let room = Kind::ALL.map(|kind| {
        let frozen: u64 = frozen().map(|frozen| frozen.table.entries(kind) as u64).sum();
        frozen + old().map(|run| run.entries(kind)).sum::<u64>()
    });
    if room == [0; 2] {
        return Ok(Some(None));
    }
    let number = store.next_run.fetch_add(1, Ordering::Relaxed);
    let mut writer = RunWriter::create(&store.home, number, room)?;
    for kind in Kind::ALL {
        let tables = frozen().map(|frozen| Source::table(&frozen.table, kind));
        let sources = tables.chain(old().map(|run| Source::run(run, kind))).collect();
        let same = |one, other| store.index.same(parts, kind, one, other);
        let mut merge = Merge::new(sources, &same)?;
        let mut many = 0_u32;
        while let Some(entry) = merge.next()? {
            writer.push(kind, entry)?;
            many = many.wrapping_add(1);
            if many.is_multiple_of(1 << 16) && store.flushing.stop.load(Ordering::Relaxed) {
                return Ok(None);
            }
        }
    }
    writer.finish()?;
    store.home.disk.sync_directory(&store.home.index())?;
    let path = store.home.run(number);
    let run = SortedRun::open(&store.home, number)?;
    let run = run.ok_or(StoreError::Damaged { path, what: "a part of the index" })?;
    Ok(Some(Some(Arc::new(run))))
}

fn commit(
    store: &Store,
    indexed: &mut Indexed,
    parts: &Parts,
    runs: &[Arc<SortedRun>],
    last: &Frozen,
) -> Result<(), StoreError> {
    let manifest = Manifest {
        indexed: last.end,
        packs: packs_until(parts, last.end),
        runs: runs.iter().map(|run| run.number).collect(),
        counters: *last.counters.lock(),
        state: last.state.clone(),
    };
    store.flushing.note_manifest(manifest.write(&store.home)?);
    indexed.end = last.end;
    indexed.state = last.state.clone();
    indexed.counters = manifest.counters;
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
