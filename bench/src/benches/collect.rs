//! A collection of ten million objects, with work beside it.

use std::fs::{self, File};
use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::time::{Duration, Instant};

use weft_node::{Config, Node};
use weft_object::{Blob, Content, Handle, Tree};
use weft_store::{Backend, Collect, Expect, FileBackend, Label, Mode};

use super::store::Additions;
use super::value;
use crate::guests::{self, ADD};
use crate::measure::ns;
use crate::random::Random;
use crate::report::{Baseline, Compared, Report, Unit};
use crate::scratch::{Scratch, file};
use crate::{BenchError, Options};

const NAME: &str = "gc_10m";

/// Collecting a store in which half of the objects are the Trees of relations,
/// a quarter is under a label, and a quarter is garbage, spread over all files;
/// beside it copying the store's files and syncing the copy. What the work
/// beside does: additions that nobody has seen, each of which asks the store,
/// and which are written to it every second.
pub(crate) fn gc(options: &Options) -> Result<Report, BenchError> {
    let count = options.size.pick_long(8_000, 1_000_000, 10_000_000);
    let scratch = Scratch::new(options)?;
    let path = scratch.join("store");
    let filling = Filling::write(options.seed, count, &path)?;
    let copied = Instant::now();
    copy(&path, &scratch.join("copy"))?;
    let copied = copied.elapsed();
    let beside = Beside::default();
    let store = Arc::new(FileBackend::open(&path, Mode::Write)?);
    let (took, calls) = std::thread::scope(|scope| {
        let work = scope.spawn(|| beside.work(options, store.clone()));
        let alone_ms = options.size.pick(50, 5_000);
        let collected = beside.collect(&*store, alone_ms, filling.garbage());
        beside.end.store(true, Ordering::Relaxed);
        let panicked = || wrong("the work beside it panicked".to_owned());
        let calls = work.join().map_err(|_| panicked())??;
        collected.map(|took| (took, calls))
    })?;
    let [before, during, after] = calls;
    // What was found out meanwhile makes a call a little slower by itself.
    let alone = f64::midpoint(before, after);
    drop(store);
    let checked = filling.check(&path)?;
    let report = Report {
        name: NAME,
        per: "collection",
        p50_ns: Some(ns(took)),
        baseline: Some(Baseline {
            name: "copying the files, with a sync",
            value: Compared::P50Ns(ns(copied)),
        }),
        checked,
        ..Report::default()
    };
    Ok(report
        .and("work beside it, slowed", Unit::Ratio, during / alone)
        .and("a call before it", Unit::Ns, before)
        .and("a call after it", Unit::Ns, after)
        .and("a call during it", Unit::Ns, during))
}

fn wrong(detail: String) -> BenchError {
    BenchError::Wrong { bench: NAME, detail }
}

/// Blobs in Trees of a thousand, of which every other is garbage, among the
/// Trees of additions.
struct Filling {
    additions: Additions,
    seed: u64,
    trees: u64,
}

const TREE: usize = 1000;

impl Filling {
    fn write(seed: u64, count: u64, path: &Path) -> Result<Self, BenchError> {
        let additions = Additions { seed, count: count / 2 };
        let this = Self { additions, seed, trees: count / 2 / TREE as u64 };
        let store = FileBackend::create(path)?;
        let mut additions = this.additions.each();
        let mut kept = Vec::new();
        for (at, blobs) in this.each() {
            let (mut trees, mut relations) = (Vec::new(), Vec::new());
            for (handle, tree, relation) in additions.by_ref().take(TREE) {
                trees.push((handle, Content::Tree(tree)));
                relations.push((handle, relation));
            }
            let tree = Tree::new(blobs.iter().map(|blob| blob.0).collect::<Vec<_>>());
            if at % 2 == 0 {
                kept.push(tree.handle());
            }
            store.put(&blobs)?;
            trees.push((tree.handle(), Content::Tree(tree)));
            store.put(&trees)?;
            store.put_relations(&relations)?;
        }
        let root = Tree::new(kept);
        let handle = root.handle();
        store.put(&[(handle, Content::Tree(root))])?;
        store.set_label(&label()?, Expect::Any, Some(handle))?;
        store.sync()?;
        drop(additions);
        Ok(this)
    }

    fn each(&self) -> impl Iterator<Item = (u64, Vec<(Handle, Content)>)> {
        let mut random = Random::new(self.seed, NAME);
        (0..self.trees).map(move |at| {
            let blob = |_| {
                let bytes: Vec<u8> = (0..6).flat_map(|_| random.next().to_le_bytes()).collect();
                (Handle::of_blob(&bytes), Content::Blob(Blob::new(bytes)))
            };
            (at, (0..TREE).map(blob).collect())
        })
    }

    /// How many objects nothing reaches: every other Tree with its Blobs.
    fn garbage(&self) -> u64 {
        self.trees / 2 * (TREE as u64 + 1)
    }

    /// What is labelled or reached by a relation is there, all else is not.
    fn check(&self, path: &Path) -> Result<usize, BenchError> {
        let store = FileBackend::open(path, Mode::Read)?;
        let mut checked = self.additions.check_in(NAME, &store)?;
        if store.label(&label()?)?.is_none() {
            return Err(wrong("the label is gone".to_owned()));
        }
        for (at, blobs) in self.each() {
            for (handle, _) in blobs.iter().step_by(97) {
                if store.get(handle)?.is_some() != (at % 2 == 0) {
                    return Err(wrong(format!(
                        "#{handle} of tree {at} is gone, or is still there"
                    )));
                }
                checked += 1;
            }
        }
        Ok(checked)
    }
}

fn label() -> Result<Label, BenchError> {
    Label::new("kept").map_err(|error| wrong(error.to_string()))
}

const COLLECTING: usize = 1;
const AFTER: usize = 2;
const PHASES: usize = 3;

/// What the collection and the work beside it tell each other.
#[derive(Default)]
struct Beside {
    /// The work has warmed up.
    ready: AtomicBool,
    /// Before, during or after the collection.
    phase: AtomicUsize,
    end: AtomicBool,
}

impl Beside {
    /// Lets the work go on alone for a while, collects, and lets it go on again.
    fn collect(
        &self,
        store: &dyn Backend,
        alone_ms: u64,
        garbage: u64,
    ) -> Result<Duration, BenchError> {
        while !self.ready.load(Ordering::Relaxed) && !self.end.load(Ordering::Relaxed) {
            std::thread::sleep(Duration::from_millis(1));
        }
        std::thread::sleep(Duration::from_millis(alone_ms));
        self.phase.store(COLLECTING, Ordering::Relaxed);
        let start = Instant::now();
        let collected = store.collect(&Collect::default(), &|_| ());
        let took = start.elapsed();
        self.phase.store(AFTER, Ordering::Relaxed);
        std::thread::sleep(Duration::from_millis(alone_ms));
        match collected?.garbage.objects {
            found if found == garbage => Ok(took),
            found => Err(wrong(format!("{found} objects were garbage instead of {garbage}"))),
        }
    }

    /// The mean time of a call in each phase, in nanoseconds.
    fn work(
        &self,
        options: &Options,
        store: Arc<FileBackend>,
    ) -> Result<[f64; PHASES], BenchError> {
        let done = self.calls(options, store);
        // Nobody waits for work that has failed.
        self.end.store(true, Ordering::Relaxed);
        Ok(done?.map(|(time, calls)| ns(time) / f64::from(calls)))
    }

    fn calls(
        &self,
        options: &Options,
        store: Arc<FileBackend>,
    ) -> Result<[(Duration, u32); PHASES], BenchError> {
        const WARM_UP: u32 = 2_000;
        let node = Node::start(Config {
            workers: 1,
            backend: Some(store),
            keep_every: Some(Duration::from_secs(1)),
            ..Config::default()
        })?;
        let session = node.session();
        let module = session.put_blob(ADD);
        let mut random = Random::new(options.seed, "beside");
        let mut done = [(Duration::ZERO, 0); PHASES];
        let mut batches = 0;
        while !self.end.load(Ordering::Relaxed) {
            let phase = self.phase.load(Ordering::Relaxed);
            let start = Instant::now();
            for _ in 0..100 {
                let (a, b) = random.pair();
                let mut put = |entries: &[_]| session.put_tree(entries);
                let sum = value(NAME, &session, guests::of_two(&mut put, module, (a, b)))?;
                if sum != Handle::of_u64(a.wrapping_add(b)) {
                    return Err(wrong(format!("{a} + {b}")));
                }
            }
            batches += 1;
            if batches * 100 > options.size.pick(200, WARM_UP) {
                self.ready.store(true, Ordering::Relaxed);
                let (time, calls) = &mut done[phase];
                *time += start.elapsed();
                *calls += 100;
            }
        }
        Ok(done)
    }
}

/// Copies all files below a directory, and syncs each.
fn copy(from: &Path, to: &Path) -> Result<(), BenchError> {
    fs::create_dir_all(to).map_err(file(to))?;
    for entry in fs::read_dir(from).map_err(file(from))? {
        let path = entry.map_err(file(from))?.path();
        let target = to.join(path.file_name().unwrap_or_default());
        let metadata = fs::symlink_metadata(&path).map_err(file(&path))?;
        if metadata.is_dir() {
            copy(&path, &target)?;
        } else if metadata.is_file() {
            fs::copy(&path, &target)
                .and_then(|_| File::options().write(true).open(&target)?.sync_data())
                .map_err(file(&path))?;
        }
    }
    Ok(())
}
