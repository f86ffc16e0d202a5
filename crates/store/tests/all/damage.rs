//! Files that are not what they were: each byte, each end, each file gone.

use std::path::{Path, PathBuf};
use std::sync::Arc;

use weft_object::{Handle, Tree};
use weft_store::disk::Disk;
use weft_store::disk::crash::{CrashDisk, Fault};
use weft_store::{
    Backend, Checked, Content, Cost, Expect, Finder, Label, Mode, Needs, Outcome, Relation,
    Repaired, StoreError, Wrong, fsck, repair,
};

use crate::workload::{Done, PLACE, create, disk, open, options, round, sized};

fn arc(disk: &CrashDisk) -> Arc<dyn Disk> {
    Arc::new(disk.clone())
}

fn check(disk: &CrashDisk) -> Result<Checked, StoreError> {
    fsck(&arc(disk), Path::new(PLACE), options(), &|_, _| {})
}

fn mend(disk: &CrashDisk) -> Result<Option<Repaired>, StoreError> {
    repair(&arc(disk), Path::new(PLACE), options(), &|_, _| {})
}

/// A store with some packs, runs and large files, all of it synced.
fn example() -> (CrashDisk, Done) {
    let disk = disk();
    let store = create(&disk).unwrap();
    let steps: Vec<_> = (0..2).flat_map(round).collect();
    let done = Done::of(&store, &steps, false);
    store.sync().unwrap();
    drop(store);
    // With the last commit, which nobody syncs.
    (disk.restart(2), done)
}

fn files(disk: &CrashDisk) -> Vec<(PathBuf, Vec<u8>)> {
    let all = disk.files().into_iter();
    let place = Path::new(PLACE);
    // What says where the log ends may be missing.
    let not = ["damaged", "synced", "broken"].map(|name| place.join(name));
    let is_part = |path: &Path| !not.iter().any(|not| path.starts_with(not));
    all.filter(|(path, _)| path.starts_with(place) && is_part(path)).collect()
}

/// What of the example reads as it should; the rest is an error that names a
/// file, or not there. Never anything else.
fn readable(disk: &CrashDisk, done: &Done, what: &str) -> usize {
    let store = match open(disk, Mode::Read) {
        Ok(store) => store,
        Err(error) => {
            assert!(error.to_string().contains(PLACE), "{what}: {error}");
            return 0;
        }
    };
    let model = done.all();
    let mut right = 0;
    for handle in model.content.keys() {
        match store.get(handle) {
            Ok(Some(found)) => {
                assert_eq!(found.handle(), *handle, "{what}");
                right += 1;
            }
            Ok(None) => {}
            Err(error @ (StoreError::Corrupt { .. } | StoreError::Damaged { .. })) => {
                assert!(error.to_string().contains(PLACE), "{what}: {error}");
            }
            Err(error) => panic!("{what}: {error}"),
        }
    }
    for (key, relations) in done.relations_ever() {
        match store.relation(&key) {
            Ok(Some(found)) => assert!(relations.contains(&found), "{what}: {found:?}"),
            Ok(None) | Err(StoreError::Corrupt { .. } | StoreError::Damaged { .. }) => {}
            Err(error) => panic!("{what}: {error}"),
        }
    }
    for (label, handle) in store.labels().unwrap() {
        assert!(done.labels_ever().contains(&(label, handle)), "{what}");
    }
    right
}

/// What one damaged place may cost: itself, and no other.
fn is_found_and_mended(disk: &CrashDisk, done: &Done, costs_max: usize, what: &str) -> bool {
    let all = done.all();
    let before = readable(disk, done, what);
    let found = check(disk).unwrap_or_else(|error| panic!("{what}: {error}"));
    if found.is_sound() {
        // Bytes between records that nothing reads.
        let store = open(disk, Mode::Read).unwrap();
        done.check_whole(&store, what);
        assert!(mend(disk).unwrap().is_none(), "{what}");
        return false;
    }
    for problem in &found.problems {
        assert!(problem.to_string().contains(PLACE), "{what}: {problem}");
    }
    let repaired = mend(disk).unwrap_or_else(|error| panic!("{what}: {error}"));
    let repaired = repaired.unwrap_or_else(|| panic!("{what}: nothing to repair"));
    assert_eq!(repaired.found, found, "{what}");
    let after = check(disk).unwrap_or_else(|error| panic!("{what}: {error}"));
    assert!(after.problems.is_empty(), "{what}: {:?}", after.problems);
    let right = readable(disk, done, what);
    assert!(right >= before, "{what}: {right} of {before} are left");
    assert!(right + costs_max >= all.content.len(), "{what}: {right} of {}", all.content.len());
    // It is a store like any other.
    let store = open(disk, Mode::Write).unwrap_or_else(|error| panic!("{what}: {error}"));
    assert!(store.damage().is_empty(), "{what}: {:?}", store.damage());
    store.put(&[sized(77_777, 100)]).unwrap();
    for (handle, content) in &all.content {
        store.put(&[(*handle, content.clone())]).unwrap_or_else(|e| panic!("{what}: {e}"));
        assert!(store.get(handle).unwrap().is_some(), "{what}");
    }
    store.sync().unwrap();
    true
}

const COMMIT_BYTES: usize = 48;

#[test]
fn any_changed_byte_is_found_named_and_mended() {
    let (example, done) = example();
    let long = std::env::var_os("WEFT_LONG").is_some();
    let mut found = 0;
    for (path, bytes) in files(&example) {
        let name = path.strip_prefix(PLACE).unwrap().to_string_lossy().into_owned();
        let every = match () {
            () if long => 1,
            () if name.starts_with("packs") => 11,
            () if name.starts_with("store") => 7,
            // Zeros and hashes, for the most part.
            () => 401,
        };
        // All of what says what the file is.
        let at = (0..16).chain((16..bytes.len()).step_by(every));
        for at in at.take_while(|at| *at < bytes.len()) {
            let disk = example.copy();
            let mut changed = bytes.clone();
            changed[at] ^= 1 << (at % 8);
            disk.plant(&path, &changed);
            let what = format!("{name}, byte {at}");
            if name == "store" {
                // Also where it seems to be of another version, or no store's.
                let opened = open(&disk, Mode::Read);
                assert!(matches!(opened, Err(StoreError::Damaged { .. })), "{what}");
            }
            if is_found_and_mended(&disk, &done, 1, &what) {
                found += 1;
                continue;
            }
            // What nothing reads is what fills up, and the last commit, which
            // nobody syncs, might as well not be there.
            let is_last = name == "packs/000002" && at >= bytes.len() - COMMIT_BYTES;
            assert!(is_last || bytes[at] == 0 && !name.starts_with("store"), "{what}: not found");
        }
    }
    assert!(found > 300, "{found}");
}

/// A file of the store as a program would write it that knows another version:
/// its first bytes, with the check that ends them.
fn of_another_version(bytes: &[u8], start: usize) -> Vec<u8> {
    let mut other = bytes.to_vec();
    other[8] += 1;
    let check = blake3::hash(&other[..start - 8]);
    other[start - 8..start].copy_from_slice(&check.as_bytes()[..8]);
    other
}

#[test]
fn a_part_of_another_version_is_refused_by_name_and_left_alone() {
    let (example, _) = example();
    let mut refused = [0, 0];
    for (path, bytes) in files(&example) {
        let (sort, start) = match path.parent().unwrap().file_name().unwrap().to_str().unwrap() {
            "packs" => (0, 48),
            "index" => (1, 104),
            _ => continue,
        };
        let disk = example.copy();
        disk.plant(&path, &of_another_version(&bytes, start));
        let before = disk.files();
        let says = |error: StoreError| {
            assert!(matches!(error, StoreError::PartVersion { found: 4, .. }), "{error}");
            let name = path.display();
            let text = format!(
                "{name} is a part of a store, of version 4, and this program knows version 3; use \
                 the program that wrote it"
            );
            assert_eq!(error.to_string(), text);
        };
        says(open(&disk, Mode::Read).unwrap_err());
        says(open(&disk, Mode::Write).unwrap_err());
        says(check(&disk).unwrap_err());
        says(mend(&disk).unwrap_err());
        assert_eq!(disk.files(), before);
        refused[sort] += 1;
    }
    assert!(refused[0] > 1 && refused[1] > 0, "{refused:?}");
}

#[test]
fn any_file_that_ends_early_is_found_and_mended() {
    let (example, done) = example();
    let all = files(&example);
    let mut packs = all.iter().filter(|(path, _)| path.parent().unwrap().ends_with("packs"));
    let last =
        packs.next_back().unwrap().0.strip_prefix(PLACE).unwrap().to_string_lossy().into_owned();
    let mut found = 0;
    for (path, bytes) in all {
        let name = path.strip_prefix(PLACE).unwrap().to_string_lossy().into_owned();
        for at in (0..bytes.len()).step_by(bytes.len() / 9 + 1) {
            let disk = example.copy();
            disk.plant(&path, &bytes[..at]);
            let what = format!("{name}, {at} bytes of {}", bytes.len());
            // The end of the log looks like what a crash leaves, unless the index
            // knows better.
            let is_end = name == last && check(&disk).unwrap().is_sound();
            if !is_end {
                assert!(is_found_and_mended(&disk, &done, usize::MAX / 2, &what), "{what}");
            }
            found += usize::from(!is_end);
        }
    }
    assert!(found > 50, "{found}");
}

#[test]
fn any_file_that_is_gone_is_missed_and_the_rest_kept() {
    let (example, done) = example();
    let all = done.all().content.len();
    for (path, _) in files(&example) {
        let disk = example.copy();
        assert!(disk.lose(&path));
        let name = path.strip_prefix(PLACE).unwrap().to_string_lossy().into_owned();
        let costs = if name.starts_with("packs") { all } else { 1 };
        let missed = is_found_and_mended(&disk, &done, costs, &format!("without {name}"));
        assert!(missed, "{name} is not missed");
    }
}

#[test]
fn the_power_may_go_while_a_store_is_repaired() {
    let (example, done) = example();
    let packs: Vec<_> = files(&example)
        .into_iter()
        .filter(|(path, _)| path.to_string_lossy().contains("packs"))
        .collect();
    let (path, bytes) = &packs[0];
    let broken = example.copy();
    let mut changed = bytes.clone();
    changed[300] ^= 1;
    broken.plant(path, &changed);
    let whole = broken.copy();
    mend(&whole).unwrap().unwrap();
    let all = done.all().content.len();
    for operation in 0..whole.operations() {
        let disk = broken.copy();
        disk.fail_at(operation, Fault::PowerCut, 0);
        let _ = mend(&disk);
        for seed in 0..3 {
            let what = format!("cut at {operation}, seed {seed}");
            let after = disk.restart(operation + seed);
            let right = readable(&after, &done, &what);
            assert!(right + 1 >= all, "{what}: {right} of {all}");
            let _ = mend(&after).unwrap_or_else(|error| panic!("{what}: {error}"));
            assert!(check(&after).unwrap().problems.is_empty(), "{what}");
            let right = readable(&after, &done, &what);
            assert!(right + 1 >= all, "{what}: {right} of {all} after the repair");
            let left = |(path, _): &(PathBuf, _)| path.to_string_lossy().contains("repaired");
            assert!(!after.files().iter().any(left), "{what}: something is left");
        }
    }
}

/// Who goes on with what there is then has it for good when it has synced.
#[test]
fn a_process_may_be_killed_while_it_repairs() {
    let (example, _) = example();
    let (path, mut bytes) =
        files(&example).into_iter().find(|(path, _)| path.ends_with("000001")).unwrap();
    bytes[300] ^= 1;
    example.plant(&path, &bytes);
    let whole = example.copy();
    mend(&whole).unwrap().unwrap();
    for operation in 0..whole.operations() {
        let disk = example.copy();
        disk.fail_at(operation, Fault::PowerCut, 0);
        let _ = mend(&disk);
        // With power, and with all that was written.
        let disk = disk.copy();
        let store = open(&disk, Mode::Write).unwrap();
        store.put(&[sized(77_777, 100), sized(77_778, 1000)]).unwrap();
        store.sync().unwrap();
        drop(store);
        for seed in 0..6 {
            let after = open(&disk.copy().restart(seed), Mode::Read).unwrap();
            for name in [sized(77_777, 100).0, sized(77_778, 1000).0] {
                let found = after.get(&name).unwrap();
                assert!(found.is_some(), "killed at {operation}, then cut with seed {seed}");
            }
        }
    }
}

fn found_here(store: &dyn Backend, value: Handle) -> Relation {
    let finder = Finder { text: "a test".into(), here: true };
    let origin = weft_store::Origin { found_at_s: 1, finder: store.finder(&finder).unwrap() };
    let cost = Cost { run_ns: 1000, fuel: None };
    Relation { origin, ..Relation::new(Outcome::Value(value), cost) }
}

/// A computation: its key, and what it came to, put into a store.
fn computation(store: &dyn Backend, number: u64, outcome: &(Handle, Content)) -> Handle {
    let tree = Tree::new([Handle::of_u64(0), Handle::of_u64(number), Handle::of_u64(7)]);
    let key = tree.handle();
    let relation = found_here(store, outcome.0);
    store.put(&[outcome.clone(), (key, Content::Tree(tree))]).unwrap();
    store.put_relations(&[(key, relation)]).unwrap();
    key
}

fn damage_content(disk: &CrashDisk, content: &Content) {
    let bytes =
        content.blob().map_or_else(|| content.tree().unwrap().encode(), |b| b.bytes().to_vec());
    let (path, mut file) = files(disk)
        .into_iter()
        .find(|(_, file)| file.windows(bytes.len()).any(|part| part == bytes))
        .unwrap();
    let at = file.windows(bytes.len()).position(|part| part == bytes).unwrap();
    file[at] ^= 1;
    disk.plant(&path, &file);
}

#[test]
fn what_a_relation_brings_back_is_noted_and_the_rest_is_named() {
    let disk = disk();
    let store = create(&disk).unwrap();
    // A result, one made of it, a result in a large file, and mere data.
    let (result, data) = (sized(1, 100), sized(2, 120));
    let made = Content::Tree(Tree::new([result.0, data.0]));
    let made = (made.handle(), made);
    let large = sized(3, 2000);
    store.put(std::slice::from_ref(&data)).unwrap();
    let key = computation(&store, 1, &result);
    let second = {
        let tree = Tree::new([Handle::of_u64(0), Handle::of_u64(8), result.0, data.0]);
        let key = tree.handle();
        store.put(&[made.clone(), (key, Content::Tree(tree))]).unwrap();
        store.put_relations(&[(key, found_here(&store, made.0))]).unwrap();
        key
    };
    let third = computation(&store, 3, &large);
    let label = |text: &str| Label::new(text).unwrap();
    store.set_label(&label("made"), Expect::Any, Some(made.0)).unwrap();
    store.set_label(&label("large"), Expect::Any, Some(large.0)).unwrap();
    store.sync().unwrap();
    drop(store);

    // First what can be had again: two that hang on each other, and a file.
    for content in [&result.1, &made.1, &large.1] {
        damage_content(&disk, content);
    }
    let found = check(&disk).unwrap();
    let mut wrong: Vec<Handle> = found
        .problems
        .iter()
        .map(|problem| match problem.what {
            Wrong::Content(handle) => handle,
            _ => panic!("{problem}"),
        })
        .collect();
    wrong.sort();
    let mut expected = vec![result.0, made.0, large.0];
    expected.sort();
    assert_eq!(wrong, expected);
    assert_eq!(found.affected.len(), 5, "{:?}", found.affected);
    assert!(found.affected.iter().all(|affected| affected.comes_back), "{:?}", found.affected);
    let repaired = mend(&disk).unwrap().unwrap();
    assert_eq!((repaired.recoverable, repaired.lost), (expected, vec![]));
    assert!(repaired.forgotten.is_empty());
    assert_eq!(repaired.set_aside.len(), 2, "{:?}", repaired.set_aside);
    assert!(repaired.set_aside.iter().all(|path| found_on(&disk, path)));
    let after = check(&disk).unwrap();
    assert!(after.is_sound() && after.dropped == 3, "{after:?}");
    let store = open(&disk, Mode::Write).unwrap();
    for (object, recipe) in [(result.0, key), (made.0, second), (large.0, third)] {
        assert_eq!(store.recipe(&object).unwrap(), Some(recipe));
        assert!(store.get(&object).unwrap().is_none() && !store.contains(&object).unwrap());
        assert!(store.relation(&recipe).unwrap().is_some());
    }
    // They come back, as a node would bring them.
    store.put(&[result.clone(), made.clone(), large.clone()]).unwrap();
    store.sync().unwrap();
    drop(store);
    assert!(check(&disk).unwrap().is_sound());

    // Data that nothing brings back takes with it what says that it is there.
    damage_content(&disk, &data.1);
    let found = check(&disk).unwrap();
    let at_label =
        |needs: &Needs| matches!(needs, Needs::Label(name, _) if name.as_str() == "made");
    let named = found.affected.iter().find(|affected| at_label(&affected.by)).unwrap();
    assert_eq!((named.missing, named.comes_back), (data.0, false));
    let text = named.to_string();
    assert_eq!(text, format!("label made lacks #{}", data.0));
    let repaired = mend(&disk).unwrap().unwrap();
    assert_eq!((repaired.lost, repaired.forgotten), (vec![data.0], vec![second]));
    let after = check(&disk).unwrap();
    assert!(after.problems.is_empty() && !after.is_sound());
    let store = open(&disk, Mode::Write).unwrap();
    assert!(store.get(&made.0).unwrap().is_some(), "what is sound of it is there");
    assert_eq!(store.label(&label("made")).unwrap(), Some(made.0));
    // Until somebody has it.
    store.put(&[data]).unwrap();
    store.sync().unwrap();
    drop(store);
    assert!(check(&disk).unwrap().is_sound());
    assert!(mend(&disk).unwrap().is_none());
}

// What somebody else claims to have computed, or what failed, nobody evaluates
// to get content back.
#[test]
fn only_values_that_were_computed_here_are_taken_for_what_comes_back() {
    let disk = disk();
    let store = create(&disk).unwrap();
    let [here, elsewhere, failed, unfound] = [1, 2, 3, 4].map(|number| sized(number, 100));
    let mut keys = Vec::new();
    for (number, made) in [&here, &elsewhere, &failed, &unfound].into_iter().enumerate() {
        let key = computation(&store, 10 + number as u64, made);
        let mut relation = found_here(&store, made.0);
        match number {
            1 => {
                let finder = Finder { text: "a file".into(), here: false };
                relation.origin.finder = store.finder(&finder).unwrap();
            }
            2 => relation.outcome = Outcome::Failure(made.0),
            3 => relation.origin.finder = 0,
            _ => {}
        }
        store.put_relations(&[(key, relation)]).unwrap();
        keys.push(key);
    }
    store.sync().unwrap();
    drop(store);
    for made in [&here, &elsewhere, &failed, &unfound] {
        damage_content(&disk, &made.1);
    }
    let repaired = mend(&disk).unwrap().unwrap();
    assert_eq!(repaired.recoverable, [here.0]);
    let sorted = |mut handles: Vec<Handle>| {
        handles.sort_unstable();
        handles
    };
    assert_eq!(repaired.lost, sorted(vec![elsewhere.0, failed.0, unfound.0]));
    assert_eq!(repaired.forgotten, sorted(keys[1..].to_vec()));
    let store = open(&disk, Mode::Write).unwrap();
    assert_eq!(store.recipe(&here.0).unwrap(), Some(keys[0]));
    for (made, key) in [elsewhere, failed, unfound].iter().zip(&keys[1..]) {
        assert_eq!(store.recipe(&made.0).unwrap(), None);
        assert!(store.relation(key).unwrap().is_none());
    }
}

fn found_on(disk: &CrashDisk, path: &Path) -> bool {
    disk.files().iter().any(|(there, _)| there == path)
}

#[test]
fn a_store_in_use_or_of_another_version_is_not_touched() {
    let (example, _) = example();
    let held = open(&example, Mode::Write).unwrap();
    assert!(matches!(check(&example), Err(StoreError::Locked { .. })));
    assert!(matches!(mend(&example), Err(StoreError::Locked { .. })));
    drop(held);
    assert!(check(&example).unwrap().is_sound());
    let nothing = disk();
    nothing.make_directory(Path::new(PLACE)).unwrap();
    assert!(matches!(check(&nothing), Err(StoreError::NoStore(_))));
    assert!(matches!(mend(&nothing), Err(StoreError::NoStore(_))));
    assert!(nothing.lock(Path::new(PLACE)).is_ok());
}

#[test]
fn a_disk_that_cannot_be_read_is_an_error_and_no_wrong_answer() {
    let (example, done) = example();
    let whole = example.copy();
    readable(&whole, &done, "whole");
    for read in (0..whole.reads()).step_by(3) {
        let disk = example.copy();
        disk.fail_at(read, Fault::Read, 0);
        let Ok(store) = open(&disk, Mode::Read) else {
            assert!(disk.has_failed());
            continue;
        };
        for (handle, content) in &done.all().content {
            match store.get(handle) {
                Ok(found) => assert_eq!(found.unwrap().handle(), content.handle(), "read {read}"),
                Err(error) => {
                    let text = error.to_string();
                    assert!(disk.has_failed() && text.contains(PLACE), "read {read}: {text}");
                }
            }
        }
    }
}

/// A file of its own that is gone or cut short is there again when the same
/// content is put, whatever the index says.
#[test]
fn a_large_file_that_is_gone_is_taken_again() {
    let blob = sized(5, 2000);
    let name = blob.0.to_string();
    let path = Path::new(PLACE).join("large").join(&name[..2]).join(&name);
    for short in [None, Some(b"short")] {
        let disk = disk();
        let store = create(&disk).unwrap();
        store.put(std::slice::from_ref(&blob)).unwrap();
        store.sync().unwrap();
        drop(store);
        assert!(disk.lose(&path));
        if let Some(bytes) = short {
            disk.plant(&path, bytes);
        }
        let store = create(&disk).unwrap();
        store.put(std::slice::from_ref(&blob)).unwrap();
        store.sync().unwrap();
        assert_eq!(store.get(&blob.0).unwrap().map(|found| found.handle()), Some(blob.0));
        drop(store);
        let store = open(&disk.restart(1), Mode::Read).unwrap();
        assert!(store.get(&blob.0).unwrap().is_some());
        assert!(check(&disk.restart(1)).unwrap().is_sound());
    }
}
