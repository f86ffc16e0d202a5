//! A store that version 1 made, taken over. `data/version-1.store` was written by
//! the program of that time: files and a directory, computations that came to a
//! value and to a failure, labels set, moved and removed.

use std::collections::BTreeSet;
use std::ops::ControlFlow;
use std::os::unix::fs::symlink;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use weft_object::Handle;
use weft_store::disk::crash::{CrashDisk, Fault};
use weft_store::disk::{Disk, RealDisk};
use weft_store::{
    Backend, FileBackend, Migrated, Mode, Options, Outcome, StoreError, files, migrate, version,
};

use crate::scratch::Scratch;
use crate::workload::{PLACE, options, sized};

const GOLDEN: &[u8] = include_bytes!("../data/version-1.store");

/// What is in it: objects, relations, labels.
const THERE: (u64, u64, u64) = (12, 3, 3);

fn real() -> Arc<dyn Disk> {
    Arc::new(RealDisk)
}

fn in_memory(bytes: &[u8]) -> CrashDisk {
    let disk = CrashDisk::new();
    disk.plant(&place(), bytes);
    disk
}

fn place() -> PathBuf {
    Path::new(PLACE).join("store")
}

fn migrate_on(disk: &CrashDisk) -> Result<Option<Migrated>, StoreError> {
    migrate(Arc::new(disk.clone()), Path::new(PLACE), options(), &|_, _| {})
}

fn opened(disk: &CrashDisk) -> FileBackend {
    FileBackend::open_on(Arc::new(disk.clone()), Path::new(PLACE), Mode::Read, options()).unwrap()
}

/// Everything that a store says: the content that labels and relations reach,
/// the relations, the labels.
type All = (BTreeSet<Handle>, Vec<(Handle, Outcome)>, Vec<String>);

fn all_of(store: &FileBackend) -> All {
    let mut relations = Vec::new();
    let visited = store.each_relation(&mut |key, relation| {
        relations.push((*key, relation.outcome));
        ControlFlow::Continue(())
    });
    visited.unwrap();
    relations.sort_by_key(|(key, _)| *key);
    let labels = store.labels().unwrap();
    let mut open: Vec<Handle> = labels.iter().map(|(_, handle)| *handle).collect();
    open.extend(relations.iter().flat_map(|(key, outcome)| [*key, outcome.handle()]));
    let mut content = BTreeSet::new();
    while let Some(handle) = open.pop() {
        let handle = handle.content();
        if handle.is_literal() || content.contains(&handle) {
            continue;
        }
        let Some(found) = store.get(&handle).unwrap() else { continue };
        open.extend(found.tree().iter().flat_map(|tree| tree.entries()));
        assert_eq!(found.handle(), handle);
        content.insert(handle);
    }
    let labels = labels.into_iter().map(|(label, handle)| format!("{label} {handle}")).collect();
    (content, relations, labels)
}

#[test]
fn a_store_of_version_1_becomes_one_of_this() {
    let scratch = Scratch::new();
    let path = scratch.join("store");
    std::fs::write(&path, GOLDEN).unwrap();
    assert_eq!(version(&RealDisk, scratch.path()).unwrap(), 1);
    let refused = FileBackend::open(scratch.path(), Mode::Read).unwrap_err();
    assert!(matches!(refused, StoreError::Version { found: 1, .. }), "{refused}");
    let text = refused.to_string();
    assert!(text.contains("version 1") && text.contains("weft migrate"), "{text}");
    let told = std::cell::Cell::new((0, 0));
    let migrated = migrate(real(), scratch.path(), options(), &|done, all| told.set((done, all)));
    let migrated = migrated.unwrap().unwrap();
    assert!(migrated.is_whole() && migrated.kept.is_none(), "{migrated:?}");
    assert_eq!((migrated.from, migrated.objects, migrated.relations, migrated.labels), {
        (1, THERE.0, THERE.1, THERE.2)
    });
    assert!(told.get().0 > 0 && told.get().1 == GOLDEN.len() as u64);
    assert_eq!(version(&RealDisk, scratch.path()).unwrap(), 3);
    assert!(!scratch.join("migrating").exists() && !scratch.join("store.v1").exists());

    let store = FileBackend::open(scratch.path(), Mode::Write).unwrap();
    let (content, relations, labels) = all_of(&store);
    // One file was added without a label.
    assert_eq!((content.len(), relations.len()), (THERE.0 as usize - 1, THERE.1 as usize));
    for number in [3, 42] {
        let value = Outcome::Value(Handle::of_u64(number));
        assert!(relations.iter().any(|(_, outcome)| *outcome == value), "{number}");
    }
    assert!(relations.iter().any(|(_, outcome)| matches!(outcome, Outcome::Failure(_))));
    let names: Vec<&str> = labels.iter().filter_map(|line| line.split(' ').next()).collect();
    assert_eq!(names, ["jobs/sum", "src", "src2"]);
    let src = store.labels().unwrap()[1].1;
    files::get(&|handle| store.get(handle), &src, &scratch.join("copy")).unwrap();
    let text = std::fs::read_to_string(scratch.join("copy/a.txt")).unwrap();
    assert_eq!(text, "a file of the store that version 1 made\n");
    assert!(scratch.join("copy/deep/b.txt").exists() && scratch.join("copy/link").is_symlink());
    drop(store);
    assert_eq!(migrate(real(), scratch.path(), options(), &|_, _| {}).unwrap(), None);
}

#[test]
fn an_interrupted_migration_can_be_run_again() {
    let whole = in_memory(GOLDEN);
    migrate_on(&whole).unwrap().unwrap();
    let expected = all_of(&opened(&whole));
    let mut versions = [0; 4];
    for operation in 0..whole.operations() {
        let disk = in_memory(GOLDEN);
        disk.fail_at(operation, Fault::PowerCut, 0);
        let _ = migrate_on(&disk);
        for seed in 0..4 {
            let what = format!("cut at {operation}, seed {seed}");
            let after = disk.restart(operation + seed);
            let found = version(&after, Path::new(PLACE)).unwrap();
            versions[found as usize] += 1;
            match found {
                1 => {
                    let bytes = after.files().into_iter().find(|(path, _)| *path == place());
                    assert!(bytes.unwrap().1 == GOLDEN, "{what}: the old store is changed");
                    assert!(migrate_on(&after).unwrap().unwrap().is_whole(), "{what}");
                }
                _ => {
                    assert!(all_of(&opened(&after)) == expected, "{what}");
                    assert_eq!(migrate_on(&after).unwrap(), None, "{what}");
                }
            }
            assert!(all_of(&opened(&after)) == expected, "{what}");
            let left = |(path, _): &(PathBuf, _)| path.to_string_lossy().contains("migrating");
            assert!(!after.files().iter().any(left), "{what}: something is left");
        }
    }
    assert!(versions[1] > 50 && versions[3] > 5, "{versions:?}");
}

/// Who goes on with what there is then has it for good when it has synced.
#[test]
fn a_process_may_be_killed_while_it_migrates() {
    let whole = in_memory(GOLDEN);
    migrate_on(&whole).unwrap().unwrap();
    let mut made = 0;
    for operation in 0..whole.operations() {
        let disk = in_memory(GOLDEN);
        disk.fail_at(operation, Fault::PowerCut, 0);
        let _ = migrate_on(&disk);
        // With power, and with all that was written.
        let disk = disk.copy();
        if version(&disk, Path::new(PLACE)).unwrap() == 1 {
            continue;
        }
        made += 1;
        // No list is written meanwhile, which would make the names durable.
        let options = Options { flush_entries: 1 << 20, ..options() };
        let own = Arc::new(disk.clone());
        let store = FileBackend::open_on(own, Path::new(PLACE), Mode::Write, options).unwrap();
        let new = [sized(1, 100), sized(2, 1000)];
        store.put(&new).unwrap();
        store.sync().unwrap();
        let expected = all_of(&store);
        drop(store);
        for seed in 0..6 {
            let what = format!("killed at {operation}, then cut with seed {seed}");
            let after = opened(&disk.copy().restart(seed));
            assert!(new.iter().all(|(name, _)| after.get(name).unwrap().is_some()), "{what}");
            assert!(all_of(&after) == expected, "{what}");
        }
    }
    assert!(made > 3, "{made}");
}

#[test]
fn a_full_disk_leaves_the_old_store_as_it_was() {
    let whole = in_memory(GOLDEN);
    migrate_on(&whole).unwrap().unwrap();
    let mut failed = 0;
    for operation in 0..whole.operations() {
        let disk = in_memory(GOLDEN);
        disk.fail_at(operation, Fault::Full, operation);
        if let Err(error) = migrate_on(&disk) {
            failed += 1;
            assert!(error.to_string().contains("the disk is full"), "{error}");
            assert_eq!(version(&disk, Path::new(PLACE)).unwrap(), 1);
        }
        disk.mend();
        migrate_on(&disk).unwrap();
        assert_eq!(opened(&disk).labels().unwrap().len() as u64, THERE.2);
    }
    assert!(failed > 20, "{failed}");
}

#[test]
fn what_is_sound_of_a_damaged_store_is_taken_over_and_the_old_one_is_kept() {
    let whole = in_memory(GOLDEN);
    migrate_on(&whole).unwrap().unwrap();
    let (content, relations, labels) = all_of(&opened(&whole));
    let mut whole_ones = 0;
    for at in 16..GOLDEN.len() {
        let mut flipped = GOLDEN.to_vec();
        flipped[at] ^= 1 << (at % 8);
        let disk = in_memory(&flipped);
        let migrated = migrate_on(&disk).unwrap().unwrap();
        let found = all_of(&opened(&disk));
        let lost = relations.iter().filter(|relation| !found.1.contains(relation)).count();
        assert!(found.1.len() + lost == relations.len() && lost <= 1, "byte {at}");
        // A label that was moved or removed may be where it was before.
        assert!(found.2.iter().filter(|label| !labels.contains(label)).count() <= 1, "byte {at}");
        let usable = found.0.iter().filter(|handle| content.contains(handle)).count();
        assert!(usable > 0, "byte {at}");
        if migrated.is_whole() {
            // Padding, or a commit.
            whole_ones += 1;
            assert!(found == (content.clone(), relations.clone(), labels.clone()), "byte {at}");
            continue;
        }
        let kept = migrated.kept.unwrap();
        assert_eq!(kept, Path::new(PLACE).join("store.v1"));
        let bytes = disk.files().into_iter().find(|(path, _)| *path == kept).unwrap().1;
        assert!(bytes == flipped, "byte {at}");
        assert_eq!(migrated.lost.len() + usize::from(migrated.damaged_bytes > 0), 1, "byte {at}");
    }
    assert!(whole_ones < GOLDEN.len() / 3, "{whole_ones}");
}

#[test]
fn a_file_that_was_cut_is_told_of() {
    let whole = in_memory(GOLDEN);
    let all = migrate_on(&whole).unwrap().unwrap();
    // A label that was removed later may be there.
    let counts = |found: &Migrated| (found.objects, found.relations);
    // Where one command ended and the next had not begun, nothing tells a cut.
    let mut silent = 0;
    let (mut early, mut lacking) = (0, 0);
    for length in 16..GOLDEN.len() {
        let disk = in_memory(&GOLDEN[..length]);
        let migrated = migrate_on(&disk).unwrap().unwrap();
        early += usize::from(migrated.ends_early);
        lacking += usize::from(!migrated.affected.is_empty());
        if migrated.is_whole() {
            silent += 1;
            continue;
        }
        assert!(counts(&migrated) <= counts(&all), "{length}");
        let aside = Path::new(PLACE).join("store.v1");
        assert_eq!(migrated.kept.as_ref(), Some(&aside), "{length}");
        let bytes = disk.files().into_iter().find(|(path, _)| *path == aside).unwrap().1;
        assert!(bytes == GOLDEN[..length], "{length}");
        // Bytes are missing up to the end of the file, or it ends before a commit.
        let bytes_are_told = migrated.damaged_bytes > 0 || length % 8 == 0;
        assert!(bytes_are_told, "{length}: {migrated:?}");
    }
    assert!(silent < 20, "{silent} of {}", GOLDEN.len());
    assert!(early > 500, "{early} {lacking}");
}

#[test]
fn what_is_no_older_store_is_refused_and_left_alone() {
    let mut newer = GOLDEN.to_vec();
    newer[8] = 4;
    for (bytes, says) in [
        (&newer[..], "a store of version 4"),
        (&b"#!/bin/sh\nexit 0 or so"[..], "is not a weft store"),
        (&b"weft"[..], "is not a weft store"),
    ] {
        let disk = in_memory(bytes);
        let error = migrate_on(&disk).unwrap_err().to_string();
        assert!(error.contains(says) && error.contains(&place().display().to_string()), "{error}");
        assert_eq!(disk.files(), [(place(), bytes.to_vec())]);
    }
    let nothing = CrashDisk::new();
    nothing.make_directory(Path::new(PLACE)).unwrap();
    assert!(matches!(migrate_on(&nothing), Err(StoreError::NoStore(_))));
    let disk = in_memory(GOLDEN);
    let _held = disk.lock(Path::new(PLACE)).unwrap();
    assert!(matches!(migrate_on(&disk), Err(StoreError::Locked { .. })));
}

#[test]
fn nothing_outside_of_the_store_is_touched() {
    let scratch = Scratch::new();
    let (store, precious) = (scratch.join("s"), scratch.join("precious"));
    std::fs::create_dir_all(&store).unwrap();
    std::fs::create_dir_all(&precious).unwrap();
    std::fs::write(precious.join("000001"), "mine").unwrap();
    std::fs::write(store.join("store"), GOLDEN).unwrap();
    symlink(&precious, store.join("packs")).unwrap();
    let error = migrate(real(), &store, options(), &|_, _| {}).unwrap_err();
    assert!(matches!(error, StoreError::Foreign { .. }), "{error}");
    assert_eq!(std::fs::read_to_string(precious.join("000001")).unwrap(), "mine");
    // Below, only the link goes.
    std::fs::remove_file(store.join("packs")).unwrap();
    std::fs::create_dir(store.join("packs")).unwrap();
    symlink(&precious, store.join("packs/000001")).unwrap();
    assert!(migrate(real(), &store, options(), &|_, _| {}).unwrap().is_some());
    assert_eq!(std::fs::read_to_string(precious.join("000001")).unwrap(), "mine");
}
