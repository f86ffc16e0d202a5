//! The power goes, at every operation in turn.

use weft_store::Mode;
use weft_store::disk::crash::{CrashDisk, Fault};

use crate::workload::{Done, Step, create, disk, open, round};

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
