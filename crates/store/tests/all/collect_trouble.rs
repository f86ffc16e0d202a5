//! Collections that are cut off, that fail, and of stores that are damaged.

use std::path::{Path, PathBuf};
use std::sync::Arc;

use weft_object::Handle;
use weft_store::disk::crash::{CrashDisk, Fault};
use weft_store::{
    Backend, Budget, Collect, FileBackend, Label, Options, Repaired, StoreError, Wrong, repair,
};

use crate::collect::{
    PLACE, check_collected, has, label, open, open_with, options, sized, unlabel, worth_collecting,
};
use crate::scratch::long;

const ALL_THAT_MAY_GO: Collect = Collect { dry_run: false, budget: Budget::Bytes(0) };

/// In which packs are rewritten only if much of them goes.
fn staying() -> Options {
    Options { pack_bytes_max: 60_000, short_bytes_max: 0, ..options() }
}

fn seeds() -> u64 {
    if std::env::var_os("WEFT_LONG").is_some() { 40 } else { 4 }
}

/// The operations of a collection of what is worth collecting.
fn operations(options: Options) -> std::ops::Range<u64> {
    let disk = CrashDisk::new();
    let store = open_with(&disk, options).unwrap();
    worth_collecting(&store).unwrap();
    let first = disk.operations();
    let collected = store.collect(&ALL_THAT_MAY_GO, &|_| {}).unwrap();
    assert!(collected.dropped.objects >= 3, "{collected:?}");
    check_collected(&store, "without trouble");
    let operations = first..disk.operations();
    assert!(operations.clone().count() > 30, "{operations:?}");
    operations
}

/// A disk on which something happens at an operation of the collection; and
/// what that came to.
fn collected_with(
    options: Options,
    operation: u64,
    fault: Fault,
) -> (CrashDisk, FileBackend, Result<(), StoreError>) {
    let disk = CrashDisk::new();
    let store = open_with(&disk, options).unwrap();
    worth_collecting(&store).unwrap();
    disk.fail_at(operation, fault, operation);
    let result = store.collect(&ALL_THAT_MAY_GO, &|_| {}).map(drop);
    (disk, store, result)
}

#[test]
fn the_power_may_go_at_any_moment_of_a_collection() {
    for options in [options(), staying()] {
        for operation in operations(options) {
            let (disk, store, _) = collected_with(options, operation, Fault::PowerCut);
            drop(store);
            for seed in 0..seeds() {
                let what = format!("cut at {operation}, seed {seed}");
                let after = disk.restart(operation * 7 + seed);
                let open = |disk| {
                    open_with(disk, options).unwrap_or_else(|error| panic!("{what}: {error}"))
                };
                let store = open(&after);
                check_collected(&store, &what);
                // It can be done again, and gone on with.
                store.put(&[long(5000)]).unwrap();
                label(&store, "new", long(5000).0);
                let again = store.collect(&ALL_THAT_MAY_GO, &|_| {});
                again.unwrap_or_else(|error| panic!("{what}: {error}"));
                check_collected(&store, &what);
                assert!(has(&store, &long(5000).0), "{what}");
                assert!(options.short_bytes_max == 0 || !has(&store, &long(50).0), "{what}");
                store.sync().unwrap();
                drop(store);
                check_collected(&open(&after.restart(seed)), &what);
            }
        }
    }
}

/// The next process removes what the new list of parts does not name, and that
/// list need not be durable yet.
#[test]
fn a_process_may_be_killed_at_any_moment_of_a_collection() {
    for options in [options(), staying()] {
        for operation in operations(options) {
            let (disk, store, _) = collected_with(options, operation, Fault::PowerCut);
            drop(store);
            // With power, and with all that was written.
            let disk = disk.copy();
            drop(open_with(&disk, options).unwrap());
            for seed in 0..seeds() {
                let what = format!("killed at {operation}, then cut with seed {seed}");
                let after = open_with(&disk.copy().restart(seed), options);
                let after = after.unwrap_or_else(|error| panic!("{what}: {error}"));
                check_collected(&after, &what);
            }
        }
    }
}

#[test]
fn a_collection_that_fails_removes_nothing() {
    for fault in [Fault::NoSpace, Fault::Error] {
        for operation in operations(options()) {
            let what = format!("{fault:?} at {operation}");
            let (disk, store, _) = collected_with(options(), operation, fault);
            check_collected(&store, &what);
            drop(store);
            let store = open(&disk).unwrap_or_else(|error| panic!("{what}: {error}"));
            check_collected(&store, &what);
        }
    }
}

fn names(disk: &CrashDisk, part: &str) -> Vec<PathBuf> {
    let part = Path::new(PLACE).join(part);
    let files = disk.files().into_iter().map(|(path, _)| path);
    files.filter(|path| path.parent() == Some(&part)).collect()
}

#[test]
fn a_collection_that_fails_for_want_of_space_leaves_nothing_in_the_way() {
    let mut failed = 0;
    for fault in [Fault::NoSpace, Fault::Full] {
        for operation in operations(options()) {
            let (disk, store, result) = collected_with(options(), operation, fault);
            let Err(error) = result else { continue };
            let text = error.to_string();
            assert!(text.ends_with("the disk is full; free some space and try again"), "{text}");
            if text.contains("store.new") {
                // What the disk has is known to the next who opens it.
                continue;
            }
            failed += 1;
            let left = [names(&disk, "packs"), names(&disk, "index")];
            drop(store);
            disk.mend();
            // Which removes what nothing refers to, and writes no run.
            let opened = open_with(&disk, Options { flush_entries: 1 << 20, ..options() });
            let wanted = [names(&disk, "packs"), names(&disk, "index")];
            assert_eq!(left, wanted, "{fault:?} at {operation}");
            check_collected(&opened.unwrap(), &text);
        }
    }
    assert!(failed > 10, "{failed}");
}

fn large_path(handle: &Handle) -> PathBuf {
    let name = handle.to_string();
    Path::new(PLACE).join("large").join(&name[..2]).join(&name)
}

fn is_there(disk: &CrashDisk, path: &Path) -> bool {
    disk.files().iter().any(|(there, _)| there == path)
}

#[test]
fn large_files_stay_whatever_the_index_says() {
    let example = CrashDisk::new();
    let store = open(&example).unwrap();
    let kept: Vec<_> = (0..8).map(|number| sized(number, 7000)).collect();
    store.put(&kept).unwrap();
    for (at, (name, _)) in kept.iter().enumerate() {
        label(&store, &format!("kept/{at}"), *name);
    }
    store.put(&(0..60).map(long).collect::<Vec<_>>()).unwrap();
    // All is in a run then, and nothing more goes.
    store.collect(&Collect::default(), &|_| {}).unwrap();
    drop(store);
    let (path, run) = example
        .files()
        .into_iter()
        .find(|(path, _)| path.parent().is_some_and(|parent| parent.ends_with("index")))
        .unwrap();
    let (mut refused, mut went_well) = (0, 0);
    for at in (0..run.len()).step_by(97) {
        let disk = example.copy();
        let mut changed = run.clone();
        changed[at] ^= 1 << (at % 8);
        disk.plant(&path, &changed);
        let store = open(&disk).unwrap();
        match store.collect(&Collect::default(), &|_| {}) {
            Ok(_) => went_well += 1,
            Err(error) => {
                let text = error.to_string();
                assert!(text.contains("index/") && text.contains("weft fsck"), "{text}");
                refused += 1;
            }
        }
        for (name, _) in &kept {
            assert!(is_there(&disk, &large_path(name)), "byte {at}");
        }
    }
    assert!(refused > 10 && went_well > 10, "{refused} refused, {went_well} went well");
}

#[test]
fn large_files_without_a_record_go() {
    let disk = CrashDisk::new();
    let store = open(&disk).unwrap();
    let [kept, gone] = [sized(1, 7000), sized(2, 7000)];
    store.put(&[kept.clone(), gone.clone()]).unwrap();
    label(&store, "kept", kept.0);
    // A process ended between naming a file and its record.
    let nobodys = sized(3, 7000);
    disk.plant(&large_path(&nobodys.0), nobodys.1.blob().unwrap().bytes());
    store.collect(&Collect::default(), &|_| {}).unwrap();
    let there = [kept.0, gone.0, nobodys.0].map(|name| is_there(&disk, &large_path(&name)));
    assert_eq!(there, [true, false, false]);
    assert!(has(&store, &kept.0));
}

fn mend(disk: &CrashDisk, options: Options) -> Result<Option<Repaired>, StoreError> {
    repair(&(Arc::new(disk.clone()) as _), Path::new(PLACE), options, &|_, _| {})
}

// Its packs alone say which of them a collection has made, and what counts.
#[test]
fn a_collected_store_without_its_manifest_is_mended() {
    for options in [options(), staying()] {
        let operations = operations(options);
        for operation in operations.start..=operations.end {
            // The last one is never come to.
            let (disk, store, _) = collected_with(options, operation, Fault::PowerCut);
            drop(store);
            for seed in 0..seeds() / 2 {
                let what = format!("{options:?}, cut at {operation}, seed {seed}");
                let after = disk.restart(operation * 5 + seed);
                assert!(after.lose(&Path::new(PLACE).join("store")), "{what}");
                let mended = mend(&after, options).unwrap_or_else(|e| panic!("{what}: {e}"));
                let mended = mended.unwrap_or_else(|| panic!("{what}: nothing to mend"));
                let wrong = &mended.found.problems;
                assert!(wrong.iter().any(|problem| problem.what == Wrong::List), "{what}");
                let store = open_with(&after, options).unwrap();
                check_collected(&store, &what);
                // And a collected store it can be again.
                store.collect(&ALL_THAT_MAY_GO, &|_| {}).unwrap();
                check_collected(&store, &what);
            }
        }
    }
}

// What was copied stands before what came later.
#[test]
fn what_came_after_a_collection_counts_without_a_manifest_too() {
    for options in [options(), staying()] {
        let disk = CrashDisk::new();
        let store = open_with(&disk, options).unwrap();
        worth_collecting(&store).unwrap();
        store.collect(&ALL_THAT_MAY_GO, &|_| {}).unwrap();
        let results: Vec<_> = (0..6).map(|at| sized(100 + at, 5000 + 500 * at as usize)).collect();
        let dropped = results.iter().find(|(name, _)| !has(&store, name)).unwrap();
        store.put(&[dropped.clone(), long(5000)]).unwrap();
        label(&store, "kept", long(5000).0);
        label(&store, "new", dropped.0);
        unlabel(&store, "computed/5");
        store.sync().unwrap();
        drop(store);
        assert!(disk.lose(&Path::new(PLACE).join("store")));
        let mended = mend(&disk, options).unwrap().unwrap();
        assert_eq!((mended.lost, mended.forgotten), (vec![], vec![]));
        let store = open_with(&disk, options).unwrap();
        let labelled = |text: &str| store.label(&Label::new(text).unwrap()).unwrap();
        assert_eq!(labelled("kept"), Some(long(5000).0));
        assert_eq!(labelled("new"), Some(dropped.0));
        assert_eq!(labelled("computed/5"), None);
        assert!(has(&store, &dropped.0) && has(&store, &long(5000).0));
    }
}
