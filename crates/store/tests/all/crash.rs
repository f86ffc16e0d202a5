//! The power goes, at every operation in turn.

use std::path::Path;
use std::sync::Arc;

use weft_object::Handle;
use weft_store::disk::crash::{CrashDisk, Fault};
use weft_store::{Backend, Cost, Expect, FileBackend, Label, Mode, Options, Outcome, Relation};

use crate::workload::{Done, PLACE, Step, create, disk, open, options, round, sized};

fn steps() -> Vec<Step> {
    (0..4).flat_map(round).collect()
}

/// A disk on which the steps are taken until the operation of this number.
fn cut_at(operation: u64, steps: &[Step]) -> (CrashDisk, Done) {
    let disk = disk();
    disk.fail_at(operation, Fault::PowerCut, operation);
    let done = create(&disk).map(|store| Done::of(&store, steps, false)).unwrap_or_default();
    (disk, done)
}

/// What was found goes on: new content is kept, seen by the next one, and lasts
/// as what there was before. The power goes once more at the end.
fn goes_on(disk: &CrashDisk, done: &Done, seed: u64, what: &str) {
    let store = create(disk).unwrap_or_else(|error| panic!("{what}: {error}"));
    let mut found = done.check_after_crash(&store, what);
    let steps = round(50);
    // Not all of it is synced.
    found.take(&store, &steps, false);
    drop(store);
    let again = open(disk, Mode::Read).unwrap();
    found.check_whole(&again, what);
    let after = disk.restart(seed);
    let again = open(&after, Mode::Read).unwrap();
    found.check_after_crash(&again, &format!("{what}, and after that"));
    assert!(again.damage().is_empty(), "{what}: {:?}", again.damage());
}

#[test]
fn nothing_acknowledged_is_lost_wherever_the_power_goes() {
    let steps = steps();
    let (disk, done) = cut_at(u64::MAX, &steps);
    let operations = disk.operations();
    assert!(operations > 150, "{operations}");
    done.check_whole(&open(&disk, Mode::Read).unwrap(), "without a crash");
    let seeds = if std::env::var_os("WEFT_LONG").is_some() { 60 } else { 6 };
    for operation in 0..operations {
        let (disk, done) = cut_at(operation, &steps);
        for seed in 0..seeds {
            let what = format!("cut at {operation}, seed {seed}");
            let after = disk.restart(operation * 6 + seed);
            // A reader first: it changes nothing.
            if let Ok(reader) = open(&after, Mode::Read) {
                done.check_after_crash(&reader, &what);
                assert!(reader.damage().is_empty(), "{what}: {:?}", reader.damage());
            }
            assert_eq!(after.operations(), 0, "a reader writes nothing");
            goes_on(&after, &done, seed + operation, &what);
        }
    }
}

#[test]
fn the_power_may_go_again_while_a_store_recovers() {
    let steps = steps();
    let (disk, _) = cut_at(u64::MAX, &steps);
    let mut cuts = 0;
    // Every seventh, from another one each run of the loop within.
    for operation in (0..disk.operations()).step_by(7) {
        let (disk, done) = cut_at(operation, &steps);
        for seed in 0..3 {
            let first = disk.restart(100 + seed);
            let whole = first.copy();
            drop(create(&whole));
            for second in 0..whole.operations() {
                let what = format!("cut at {operation}, seed {seed}, again at {second}");
                let again = first.copy();
                again.fail_at(second, Fault::PowerCut, second);
                let _ = create(&again);
                goes_on(&again.restart(seed + second), &done, second, &what);
                cuts += 1;
            }
        }
    }
    assert!(cuts > 50, "{cuts}");
}

/// A process is killed, and nothing is lost by that. The next one takes what it
/// finds for kept, whoever wrote it, and so it is when that one has synced.
#[test]
fn what_a_killed_process_left_lasts_when_the_next_has_synced() {
    let steps = steps();
    let operations = cut_at(u64::MAX, &steps).0.operations();
    let seeds = if std::env::var_os("WEFT_LONG").is_some() { 40 } else { 6 };
    for operation in 0..operations {
        let what = format!("killed at {operation}");
        let (disk, done) = cut_at(operation, &steps);
        // With power, and with all that was written.
        let disk = disk.copy();
        let store = create(&disk).unwrap_or_else(|error| panic!("{what}: {error}"));
        let mut found = done.check_after_crash(&store, &what);
        found.take(&store, &[Step::Sync], false);
        assert!(!found.has_failed(), "{what}");
        drop(store);
        for seed in 0..seeds {
            let what = format!("{what}, then cut with seed {seed}");
            let after = open(&disk.copy().restart(seed), Mode::Read);
            let after = after.unwrap_or_else(|error| panic!("{what}: {error}"));
            found.check_after_crash(&after, &what);
        }
    }
}

/// So many Blobs and a label at the last, at the same places in the log for
/// any number of four digits.
fn put_and_label(store: &FileBackend, number: usize, count: usize) -> Handle {
    let blobs: Vec<_> = (0..count).map(|at| sized(number + at, 500)).collect();
    let last = blobs[count - 1].0;
    store.put(&blobs).unwrap();
    store.set_label(&Label::new("l").unwrap(), Expect::Any, Some(last)).unwrap();
    last
}

/// What was cut off may be on the disk again after the next crash, unless that
/// it is gone was synced. Where the log grows as it did before, with other
/// content, nothing else tells it from what belongs there.
#[test]
fn what_was_cut_off_does_not_come_back() {
    let mut cuts = (0, 0);
    // Of five the label is in the next pack.
    for count in 1..6 {
        for seed in 0..60 {
            let disk = disk();
            let store = create(&disk).unwrap();
            put_and_label(&store, 1000, 1);
            store.sync().unwrap();
            let stale = put_and_label(&store, 2000, count);
            let disk = disk.restart(seed);
            let packs = pack_lengths(&disk);
            let store = create(&disk).unwrap();
            let is_cut = pack_lengths(&disk);
            if is_cut == packs {
                continue;
            }
            cuts.0 += usize::from(is_cut.len() < packs.len());
            cuts.1 += usize::from(is_cut.len() == packs.len());
            put_and_label(&store, 3000, count);
            for again in 0..60 {
                let store = open(&disk.copy().restart(again), Mode::Read).unwrap();
                let label = Label::new("l").unwrap();
                let found = store.label(&label).unwrap();
                assert_ne!(found, Some(stale), "{count} Blobs, seed {seed}, then {again}");
            }
        }
    }
    assert!(cuts.0 > 10 && cuts.1 > 10, "{cuts:?}");
}

fn pack_lengths(disk: &CrashDisk) -> Vec<usize> {
    let files = disk.files().into_iter();
    let packs = files.filter(|(path, _)| path.to_string_lossy().contains("/packs/"));
    packs.map(|(_, bytes)| bytes.len()).collect()
}

/// Of what failed, what had been written is cut off; nor does that come back
/// behind what was written in its place.
#[test]
fn what_failed_does_not_come_back() {
    // More than two packs of them, at the same places each time.
    let batch = |outcome: u64| -> Vec<(Handle, Relation)> {
        let outcome = Outcome::Value(Handle::of_u64(outcome));
        let relation = |key| (Handle::of_tree(&[key]), Relation::new(outcome, Cost::default()));
        (0..60).map(Handle::of_u64).map(relation).collect()
    };
    let (failed, taken) = (batch(1), batch(2));
    let mut failures = 0;
    for (operation, cut) in (0..7).flat_map(|operation| (1..16).map(move |cut| (operation, cut))) {
        let disk = disk();
        let store = create(&disk).unwrap();
        store.put(&[sized(1, 400)]).unwrap();
        store.sync().unwrap();
        disk.fail_at(disk.operations() + operation, Fault::NoSpace, 0);
        failures += u32::from(store.put_relations(&failed).is_err());
        disk.fail_at(disk.operations() + cut, Fault::PowerCut, cut);
        let _ = store.put_relations(&taken);
        for seed in 0..400 {
            let store = open(&disk.restart(seed), Mode::Read).unwrap();
            let found = taken.iter().filter_map(|(key, _)| store.relation(key).unwrap());
            let first: Vec<_> =
                found.map(|relation| relation.outcome == failed[0].1.outcome).collect();
            let mixed = first.contains(&true) && first.contains(&false);
            assert!(!mixed, "no space at {operation}, cut at {cut}, seed {seed}: {first:?}");
        }
    }
    assert!(failures > 90, "{failures}");
}

/// More than are left open for the sync to come: those before have been synced
/// by then, and are not left out.
#[test]
fn many_large_blobs_at_once_last() {
    let disk = disk();
    // No run is written meanwhile, for which they would be synced.
    let options = Options { flush_entries: 1000, ..options() };
    let store = FileBackend::create_on(Arc::new(disk.clone()), Path::new(PLACE), options).unwrap();
    let blobs: Vec<_> = (0..80).map(|number| sized(number, 900)).collect();
    blobs.iter().for_each(|blob| store.put(std::slice::from_ref(blob)).unwrap());
    store.sync().unwrap();
    for seed in 0..6 {
        let store = open(&disk.restart(seed), Mode::Read).unwrap();
        for (handle, _) in &blobs {
            assert!(store.get(handle).unwrap().is_some(), "seed {seed}: #{handle}");
        }
    }
}
