//! Work beside a collection, at moments that are hard to meet.

use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::sync::{Arc, Condvar, Mutex, OnceLock, Weak, mpsc};
use std::thread;
use std::time::Duration;

use weft_object::Handle;
use weft_store::disk::Access;
use weft_store::disk::crash::CrashDisk;
use weft_store::{Backend, Budget, Collect, FileBackend, Options, Phase, Writing, fsck, repair};

use crate::collect::{PLACE, has, label, open_with, options, ran, sized};
use crate::hooked::Hooked;
use crate::scratch::{long, tree};

const ALL_THAT_MAY_GO: Collect = Collect { dry_run: false, budget: Budget::Bytes(0) };

/// One pack, which is not worth rewriting for a few results.
fn long_packs() -> Options {
    Options { pack_bytes_max: 1 << 20, short_bytes_max: 0, ..options() }
}

fn is_new_run(path: &Path, access: Option<Access>) -> bool {
    access == Some(Access::New) && path.parent() == Some(&Path::new(PLACE).join("index"))
}

#[derive(Clone, Copy, Debug, PartialEq)]
enum Moment {
    Planned,
    Copying,
    /// All is written but the index.
    Last,
}

/// A store in which two results may be dropped from a pack that stays, of which
/// one is relied on; the names of both, and the key of the other.
fn relied_on(moment: Moment, rely: Rely) -> (CrashDisk, FileBackendOnce, [Handle; 2], Handle) {
    let disk = CrashDisk::new();
    let shared: FileBackendOnce = Arc::default();
    let (armed, acted) = (Arc::new(AtomicBool::new(false)), Arc::new(AtomicBool::new(false)));
    let results = [sized(100, 5000), sized(101, 5500)];
    let name = results[0].0;
    let act = {
        let (shared, acted) = (shared.clone(), acted.clone());
        move || {
            if !acted.swap(true, Ordering::SeqCst) {
                rely(shared.get().unwrap(), name);
            }
        }
    };
    let (last, is_armed) = (act.clone(), armed.clone());
    let hooked = Hooked::on(&disk, move |path, access| {
        if is_new_run(path, access) && is_armed.load(Ordering::SeqCst) {
            last();
        }
    });
    let store = FileBackend::create_on(hooked, Path::new(PLACE), long_packs()).unwrap();
    let kept: Vec<_> = (0..60).map(|number| sized(number, 5000)).collect();
    store.put(&kept).unwrap();
    let (all, content) = tree(&kept.iter().map(|(name, _)| *name).collect::<Vec<_>>());
    store.put(&[(all, content)]).unwrap();
    label(&store, "kept", all);
    store.put(&results).unwrap();
    let keys = [0, 1].map(|at| ran(&store, at as u64, &[], results[at].0, 10));
    let (computations, content) = tree(&keys);
    store.put(&[(computations, content)]).unwrap();
    label(&store, "computations", computations);
    store.sync().unwrap();
    shared.set(store).unwrap();
    let store = shared.get().unwrap();
    let collected = store
        .collect(&ALL_THAT_MAY_GO, &|progress| match (moment, progress.phase) {
            (Moment::Planned, Phase::Planning) | (Moment::Copying, Phase::Writing) => act(),
            (Moment::Last, Phase::Writing) => armed.store(true, Ordering::SeqCst),
            _ => {}
        })
        .unwrap();
    assert!(acted.load(Ordering::SeqCst), "{moment:?}");
    assert_eq!(collected.garbage.objects, 0);
    assert_eq!(packs(&disk)[0], Path::new(PLACE).join("packs/000001"), "the pack stays");
    (disk, shared, [name, results[1].0], keys[1])
}

type Rely = fn(&FileBackend, Handle);
type FileBackendOnce = Arc<OnceLock<FileBackend>>;

fn packs(disk: &CrashDisk) -> Vec<PathBuf> {
    let files = disk.files().into_iter().map(|(path, _)| path);
    files.filter(|path| path.parent().is_some_and(|parent| parent.ends_with("packs"))).collect()
}

#[test]
fn what_is_relied_on_at_the_last_moment_stays_in_packs_that_stay() {
    let ways: [(&str, Rely); 3] = [
        ("read", |store, name| assert!(store.get(&name).unwrap().is_some())),
        ("put into something", |store, name| store.put(&[tree(&[name, name])]).unwrap()),
        ("labelled", |store, name| label(store, "relied", name)),
    ];
    for moment in [Moment::Planned, Moment::Copying, Moment::Last] {
        for (way, rely) in ways {
            let what = format!("{way}, {moment:?}");
            let (disk, shared, [relied, dropped], key) = relied_on(moment, rely);
            let store = shared.get().unwrap();
            store.sync().unwrap();
            let check = |store: &FileBackend, what: &str| {
                assert!(has(store, &relied), "{what}");
                assert_eq!(store.recipe(&relied).unwrap(), None, "{what}");
                assert!(!has(store, &dropped), "{what}");
                assert_eq!(store.recipe(&dropped).unwrap(), Some(key), "{what}");
                assert!((0..60).all(|number| has(store, &sized(number, 5000).0)), "{what}");
                let usage = store.usage().unwrap();
                assert_eq!((usage.dropped, usage.relations), (1, 2), "{what}");
                usage.objects
            };
            let objects = check(store, &what);
            let of_files = disk.copy();
            let found = fsck(
                &(Arc::new(of_files.clone()) as _),
                Path::new(PLACE),
                long_packs(),
                &|_, _| {},
            );
            let found = found.unwrap();
            assert!(found.is_sound(), "{what}: {:?}", found.problems);
            assert_eq!((found.objects, found.dropped), (objects, 1), "{what}");
            let check_opened = |disk: &CrashDisk, what: &str| {
                let opened = open_with(disk, long_packs()).unwrap();
                assert_eq!(opened.damage(), [], "{what}");
                assert_eq!(check(&opened, what), objects, "{what}");
            };
            check_opened(&disk.copy(), &format!("{what}, opened again"));
            // From the log alone.
            let unindexed = disk.copy();
            for (path, _) in disk.files() {
                if path.parent().is_some_and(|parent| parent.ends_with("index")) {
                    unindexed.lose(&path);
                }
            }
            check_opened(&unindexed, &format!("{what}, without an index"));
            let bare = disk.copy();
            assert!(bare.lose(&Path::new(PLACE).join("store")));
            let mended =
                repair(&(Arc::new(bare.clone()) as _), Path::new(PLACE), long_packs(), &|_, _| {});
            assert!(mended.unwrap().is_some_and(|mended| mended.lost.is_empty()), "{what}");
            assert!(has(&open_with(&bare, long_packs()).unwrap(), &relied), "{what}, repaired");
            // The next one may take it, and forgets nothing.
            unlabel_if_there(store);
            store.collect(&ALL_THAT_MAY_GO, &|_| {}).unwrap();
            for name in [relied, dropped] {
                assert!(has(store, &name) || store.recipe(&name).unwrap().is_some(), "{what}");
            }
        }
    }
}

fn unlabel_if_there(store: &FileBackend) {
    let label = weft_store::Label::new("relied").unwrap();
    store.set_label(&label, weft_store::Expect::Any, None).unwrap();
}

/// Lets nobody by while it is shut, and says when somebody is there.
#[derive(Default)]
struct Barrier {
    /// Whether it is shut, and whether somebody waits.
    state: Mutex<(bool, bool)>,
    changed: Condvar,
}

impl Barrier {
    fn shut(&self, shut: bool) {
        self.state.lock().unwrap().0 = shut;
        self.changed.notify_all();
    }

    fn pass(&self) {
        let mut state = self.state.lock().unwrap();
        while state.0 {
            state.1 = true;
            self.changed.notify_all();
            state = self.changed.wait(state).unwrap();
        }
    }

    fn until_somebody_waits(&self) {
        let state = self.state.lock().unwrap();
        drop(self.changed.wait_while(state, |state| !state.1).unwrap());
    }
}

// A merge of runs stands still while the collection wants to end: it has the
// lock of the runs, and may have it for seconds.
#[test]
fn work_goes_on_while_a_collection_waits_for_a_merge() {
    let disk = CrashDisk::new();
    let barrier = Arc::new(Barrier::default());
    let at_barrier = barrier.clone();
    let (at_end, end) = mpsc::channel();
    let (at_end, copied) = (Mutex::new(at_end), Arc::new(AtomicBool::new(false)));
    let is_copied = copied.clone();
    let hooked = Hooked::on(&disk, move |path, access| {
        if !is_new_run(path, access) || !is_copied.load(Ordering::SeqCst) {
            return;
        }
        match thread::current().name() {
            Some("weft-index") => at_barrier.pass(),
            _ => drop(at_end.lock().unwrap().send(())),
        }
    });
    let options = Options { flush_entries: 1000, background: true, ..options() };
    let store = FileBackend::create_on(hooked, Path::new(PLACE), options).unwrap();
    let names = |range: std::ops::Range<usize>| range.map(long).collect::<Vec<_>>();
    store.put(&names(0..100)).unwrap();
    label(&store, "kept", long(1).0);
    store.sync().unwrap();
    thread::scope(|scope| {
        let collecting = scope.spawn(|| {
            let collected = store.collect(&Collect::default(), &|progress| {
                if progress.phase == Phase::Writing && !copied.swap(true, Ordering::SeqCst) {
                    barrier.shut(true);
                    store.put(&names(1000..2100)).unwrap();
                    barrier.until_somebody_waits();
                }
            });
            collected.unwrap()
        });
        // What follows would stand still with it.
        let (done, worked) = mpsc::channel();
        let store = &store;
        scope.spawn(move || {
            end.recv().unwrap();
            for number in 5000..5100 {
                let writing = Writing::begin(store).unwrap();
                store.put(&[long(number)]).unwrap();
                assert!(store.get(&long(number).0).unwrap().is_some());
                assert!(store.get(&long(1).0).unwrap().is_some());
                drop(writing);
                // So that the collection gets to its end beside this.
                thread::sleep(Duration::from_millis(1));
            }
            done.send(()).unwrap();
        });
        let goes_on = worked.recv_timeout(Duration::from_secs(20)).is_ok();
        barrier.shut(false);
        assert_eq!(collecting.join().unwrap().garbage.objects, 99);
        assert!(goes_on, "who writes waits for a merge");
    });
    assert!((5000..5100).chain(1000..2100).all(|number| has(&store, &long(number).0)));
    assert!(has(&store, &long(1).0) && !has(&store, &long(2).0));
}

/// What is synced while there is a collection is not left for the next one who
/// opens the store.
#[test]
fn a_budget_is_kept_for_what_came_during_a_collection_too() {
    const BUDGET: u64 = 60_000;
    let disk = CrashDisk::new();
    let garbage =
        |from: u64| (from..from + 90).map(|number| sized(number, 1000)).collect::<Vec<_>>();
    let slot: Arc<OnceLock<Weak<FileBackend>>> = Arc::default();
    let (at_store, runs) = (slot.clone(), AtomicUsize::new(0));
    let (sender, worked) = mpsc::channel();
    let sender = Mutex::new(sender);
    let hooked = Hooked::on(&disk, move |path, access| {
        let Some(store) = at_store.get().filter(|_| is_new_run(path, access)) else { return };
        // The second is that of what stays, when it is known what that is.
        if runs.fetch_add(1, Ordering::SeqCst) == 1 {
            let store = store.upgrade().unwrap();
            store.put(&garbage(1000)).unwrap();
            store.sync().unwrap();
            drop(store);
            sender.lock().unwrap().send(()).unwrap();
        }
    });
    let options = Options { flush_entries: 10_000, background: true, ..options() };
    let store = FileBackend::create_on(hooked, Path::new(PLACE), options).unwrap();
    let store = Arc::new(store);
    store.put(&garbage(1)).unwrap();
    label(&*store, "kept", sized(1, 1000).0);
    store.set_budget(Some(BUDGET)).unwrap();
    slot.set(Arc::downgrade(&store)).unwrap();
    store.sync().unwrap();
    worked.recv().unwrap();
    // It waits for the collection.
    drop(store);
    let usage = open_with(&disk, options).unwrap().usage().unwrap();
    assert!(usage.file_bytes <= BUDGET, "{usage:?}");
}
