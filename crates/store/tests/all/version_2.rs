//! A store that version 2 made, in which nothing is compressed. The files in
//! `data/version-2` were written by the last program of that version: three
//! pages, thirty relations, labels, a pin, a large Blob; 37 objects.

use std::path::{Path, PathBuf};
use std::sync::Arc;

use weft_object::{Handle, Tree};
use weft_store::disk::Disk;
use weft_store::disk::crash::{CrashDisk, Fault};
use weft_store::{
    Backend, Collect, Content, FileBackend, Mode, StoreError, fsck, migrate, version,
};

use crate::collect::{PLACE, has, open, options};
use crate::pages::page;
use crate::scratch::long;

const FILES: [(&str, &[u8]); 6] = [
    ("store", include_bytes!("../data/version-2/store")),
    ("synced", include_bytes!("../data/version-2/synced")),
    ("packs/000001", include_bytes!("../data/version-2/packs/000001")),
    ("packs/000002", include_bytes!("../data/version-2/packs/000002")),
    ("index/000002", include_bytes!("../data/version-2/index/000002")),
    (
        LARGE,
        include_bytes!(
            "../data/version-2/large/88/88098ea09269e6413b0c36692cbed5c06a291d17ed5cbab7581b000000000001"
        ),
    ),
];

const LARGE: &str = "large/88/88098ea09269e6413b0c36692cbed5c06a291d17ed5cbab7581b000000000001";

fn path(name: &str) -> PathBuf {
    Path::new(PLACE).join(name)
}

fn golden() -> CrashDisk {
    let disk = CrashDisk::new();
    FILES.iter().for_each(|(name, bytes)| disk.plant(&path(name), bytes));
    disk
}

fn bytes(disk: &CrashDisk, name: &str) -> Option<Vec<u8>> {
    disk.files().into_iter().find(|(found, _)| *found == path(name)).map(|(_, bytes)| bytes)
}

fn read(disk: &CrashDisk) -> FileBackend {
    FileBackend::open_on(Arc::new(disk.clone()), Path::new(PLACE), Mode::Read, options()).unwrap()
}

fn is_sound(disk: &CrashDisk) -> bool {
    let disk: Arc<dyn Disk> = Arc::new(disk.clone());
    fsck(&disk, Path::new(PLACE), options(), &|_, _| {}).unwrap().is_sound()
}

fn version_of(disk: &CrashDisk) -> u32 {
    version(disk, Path::new(PLACE)).unwrap()
}

/// The number that each pack begins with.
fn pack_versions(disk: &CrashDisk) -> Vec<u8> {
    let is_pack = |found: &Path| found.starts_with(path("packs"));
    disk.files().into_iter().filter(|(found, _)| is_pack(found)).map(|(_, raw)| raw[8]).collect()
}

/// Everything that version 2 had put there.
fn is_whole(store: &FileBackend, what: &str) {
    assert_eq!(store.damage(), [], "{what}");
    for number in 0..30 {
        let relation = store.relation(&long(number).0).unwrap().unwrap();
        assert_eq!(relation.outcome.handle(), long(number).0, "{what}");
        assert!(has(store, &long(number).0), "{what}");
    }
    assert!(has(store, &long(1000).0) && has(store, &LARGE[9..].parse().unwrap()), "{what}");
    let labels = store.labels().unwrap();
    let names: Vec<String> = labels.iter().map(|(label, _)| label.to_string()).collect();
    assert_eq!(names, ["pages", "team/big"], "{what}");
    let image = store.get(&labels[0].1).unwrap().unwrap();
    let pages = image.tree().unwrap().entries().to_vec();
    assert!(pages.len() == 3 && pages.iter().all(|page| has(store, page)), "{what}");
    assert_eq!((store.pins().unwrap().len(), store.finders().unwrap().len()), (1, 1), "{what}");
    assert_eq!(store.usage().unwrap().budget_bytes, Some(1 << 40), "{what}");
}

#[test]
fn it_is_read_as_it_is() {
    let disk = golden();
    let before = disk.files();
    is_whole(&read(&disk), "read");
    assert!(is_sound(&disk));
    assert_eq!((read(&disk).len(), version_of(&disk)), (37, 2));
    assert!(disk.files() == before, "nothing is written");
}

#[test]
fn the_first_that_opens_it_for_writing_makes_it_one_of_this_version() {
    let disk = golden();
    let reader = read(&disk);
    let store = open(&disk).unwrap();
    is_whole(&store, "opened");
    assert_eq!((version_of(&disk), pack_versions(&disk)), (3, vec![2, 2]));
    // What was written stays, and nothing is added to it.
    store.put(&[page(77)]).unwrap();
    store.sync().unwrap();
    assert_eq!(pack_versions(&disk), [2, 2, 3]);
    for (name, old) in FILES.iter().filter(|(name, _)| name.starts_with("packs")) {
        assert!(bytes(&disk, name).unwrap() == *old, "{name}");
    }
    is_whole(&store, "written to");
    is_whole(&reader, "who had it open before");
    drop(store);
    assert!(is_sound(&disk));
    let disk = disk.restart(3);
    let store = open(&disk).unwrap();
    is_whole(&store, "opened again");
    assert!(has(&store, &page(77).0) && store.len() == 38);
    // Once is enough.
    let third = bytes(&disk, "packs/000003").unwrap();
    assert!(third.len() < 2000, "{}", third.len());
    assert_eq!(pack_versions(&disk).len(), 3);
    drop(store);
    assert_eq!(migrate(Arc::new(disk), Path::new(PLACE), options(), &|_, _| {}).unwrap(), None);
}

#[test]
fn migrating_it_is_no_more_than_that() {
    let disk = golden();
    let own = Arc::new(disk.clone());
    assert_eq!(migrate(own, Path::new(PLACE), options(), &|_, _| {}).unwrap(), None);
    assert_eq!(version_of(&disk), 3);
    is_whole(&read(&disk), "migrated");
}

#[test]
fn the_power_may_go_at_any_operation_of_that() {
    let go_on = |store: &FileBackend| -> Result<(), StoreError> {
        store.put(&[page(77), page(78)])?;
        store.sync()
    };
    let whole = golden();
    go_on(&open(&whole).unwrap()).unwrap();
    let mut versions = [0; 4];
    for operation in 0..whole.operations() {
        for seed in 0..6 {
            let disk = golden();
            disk.fail_at(operation, Fault::PowerCut, seed);
            let synced = open(&disk).is_ok_and(|store| go_on(&store).is_ok());
            let disk = disk.restart(operation + seed);
            let what = format!("cut at {operation}, seed {seed}");
            let found = version_of(&disk);
            versions[found as usize] += 1;
            // Who knows version 2 only is refused before it meets what it cannot
            // read.
            assert!(found == 3 || !pack_versions(&disk).contains(&3), "{what}");
            is_whole(&read(&disk), &what);
            assert!(is_sound(&disk), "{what}");
            let store = open(&disk).unwrap();
            is_whole(&store, &what);
            assert!(!synced || has(&store, &page(77).0), "{what}");
            go_on(&store).unwrap();
            assert!(has(&store, &page(78).0), "{what}");
        }
    }
    assert!(versions[2] > 10 && versions[3] > 10, "{versions:?}");
}

#[test]
fn a_full_disk_leaves_it_as_it_was() {
    let whole = golden();
    open(&whole).unwrap();
    for operation in 0..whole.operations() {
        let disk = golden();
        disk.fail_at(operation, Fault::Full, operation);
        if let Err(error) = open(&disk) {
            assert!(error.to_string().contains("the disk is full"), "{error}");
        }
        disk.mend();
        is_whole(&read(&disk), &format!("full at {operation}"));
        is_whole(&open(&disk).unwrap(), &format!("full at {operation}"));
    }
}

#[test]
fn a_collection_takes_old_packs_and_new_ones() {
    let disk = golden();
    let store = open(&disk).unwrap();
    store.put(&[page(77), page(78)]).unwrap();
    let image = Content::Tree(Tree::new([page(77).0]));
    store.put(&[(image.handle(), image.clone())]).unwrap();
    crate::collect::label(&store, "a/new", image.handle());
    store.collect(&Collect::default(), &|_| {}).unwrap();
    assert!(has(&store, &page(77).0) && !has(&store, &page(78).0) && !has(&store, &long(1000).0));
    drop(store);
    // The first has nothing in it that goes.
    assert!(is_sound(&disk));
    let versions = pack_versions(&disk);
    assert!(versions.starts_with(&[2, 3]) && !versions[1..].contains(&2), "{versions:?}");
}

#[test]
fn without_the_list_packs_of_both_are_one_store() {
    let disk = golden();
    let store = open(&disk).unwrap();
    store.put(&[page(77)]).unwrap();
    store.sync().unwrap();
    drop(store);
    disk.lose(&path("store"));
    let own: Arc<dyn Disk> = Arc::new(disk.clone());
    let repaired = weft_store::repair(&own, Path::new(PLACE), options(), &|_, _| {});
    assert!(repaired.unwrap().unwrap().is_whole());
    let store = open(&disk).unwrap();
    is_whole(&store, "repaired");
    assert!(has(&store, &page(77).0));
    drop(store);
    assert!(is_sound(&disk));
}

#[test]
fn damage_of_it_is_found_as_ever() {
    let (_, list) = FILES[0];
    for at in 0..list.len() {
        let disk = golden();
        let mut changed = list.to_vec();
        changed[at] ^= 1;
        disk.plant(&path("store"), &changed);
        let opened = open(&disk);
        assert!(matches!(opened, Err(StoreError::Damaged { .. })), "byte {at}");
        assert_eq!(bytes(&disk, "store").unwrap(), changed, "byte {at}");
    }
    // The end of the log, which the old note knows of.
    let disk = golden();
    let (name, pack) = FILES[3];
    disk.plant(&path(name), &pack[..pack.len() - 200]);
    assert_eq!(open(&disk).unwrap().damage().len(), 1);
}

#[test]
fn what_was_noted_as_damaged_is_taken_again() {
    let disk = golden();
    let id = &FILES[0].1[16..32];
    let check = |bytes: &[u8]| blake3::hash(bytes).as_bytes()[..8].to_vec();
    let mut noted = [&b"weftlost"[..], &[2, 0, 0, 0, 0, 0, 0, 0], id].concat();
    noted.extend(check(&noted));
    let name: Handle = long(3).0;
    noted.extend([&name.as_bytes()[..], &check(&[id, name.as_bytes()].concat())].concat());
    disk.plant(&path("broken"), &noted);
    let (pack, raw) = FILES
        .iter()
        .skip(2)
        .find_map(|(file, raw)| {
            let (_, content) = long(3);
            let Content::Blob(blob) = content else { return None };
            let at = raw.windows(blob.bytes().len()).position(|part| part == blob.bytes())?;
            let mut raw = raw.to_vec();
            raw[at] ^= 1;
            Some((file, raw))
        })
        .unwrap();
    disk.plant(&path(pack), &raw);
    let store = open(&disk).unwrap();
    assert!(!store.contains(&name).unwrap());
    store.put(&[long(3)]).unwrap();
    store.sync().unwrap();
    assert!(bytes(&disk, "broken").is_none());
    is_whole(&store, "mended");
}
