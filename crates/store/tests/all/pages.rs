//! Pages, which are compressed at rest: what is put is what is there, and what
//! is damaged is found.

use std::path::{Path, PathBuf};
use std::sync::Arc;

use proptest::prelude::*;
use proptest::test_runner::Config;
use weft_object::{Blob, Handle, Tree};
use weft_store::disk::Disk;
use weft_store::disk::crash::{CrashDisk, Fault};
use weft_store::export::{Import, export, import};
use weft_store::{
    Backend, Budget, Collect, Content, FileBackend, MemoryBackend, Mode, StoreError, Wrong, fsck,
    repair,
};

use crate::collect::{PLACE, has, label, open, options, ran, unlabel};
use crate::scratch::{Scratch, long};

const PAGE: usize = 4096;
const HEADER: usize = 48;

fn blob(bytes: Vec<u8>) -> (Handle, Content) {
    let content = Content::Blob(Blob::new(bytes));
    (content.handle(), content)
}

/// Of so many bytes that nobody can make shorter.
fn random(seed: u64, length: usize) -> Vec<u8> {
    let mut bytes = vec![0; length];
    blake3::Hasher::new().update(&seed.to_le_bytes()).finalize_xof().fill(&mut bytes);
    bytes
}

/// A page of numbers, as memory is full of them.
pub(crate) fn page(number: u64) -> (Handle, Content) {
    let words = (0..PAGE as u64 / 8).map(|at| (number << 20) + at % 9 * at);
    blob(words.flat_map(u64::to_le_bytes).collect())
}

fn bytes(content: &Content) -> &[u8] {
    let Content::Blob(blob) = content else { panic!("a blob") };
    blob.bytes()
}

/// The packs, in order of their names.
fn packs(disk: &CrashDisk) -> Vec<(PathBuf, Vec<u8>)> {
    let packs = Path::new(PLACE).join("packs");
    disk.files().into_iter().filter(|(path, _)| path.starts_with(&packs)).collect()
}

/// Where the records of a Blob are: the pack, the offset, the type and the
/// payload.
fn records(disk: &CrashDisk, name: &Handle) -> Vec<(PathBuf, usize, u8, Vec<u8>)> {
    let mut found = Vec::new();
    for (path, raw) in packs(disk) {
        for at in (HEADER..raw.len().saturating_sub(HEADER)).step_by(8) {
            let is_blob = [1, 14].contains(&raw[at]) && raw[at + 8..at + 40] == *name.as_bytes();
            if is_blob {
                let mut length = [0; 8];
                length[..6].copy_from_slice(&raw[at + 2..at + 8]);
                let from = at + HEADER;
                let payload = raw[from..from + u64::from_le_bytes(length) as usize].to_vec();
                found.push((path.clone(), at, raw[at], payload));
            }
        }
    }
    found
}

fn fsck_of(disk: &CrashDisk) -> weft_store::Checked {
    let disk: Arc<dyn Disk> = Arc::new(disk.clone());
    fsck(&disk, Path::new(PLACE), options(), &|_, _| {}).unwrap()
}

fn read(disk: &CrashDisk) -> FileBackend {
    FileBackend::open_on(Arc::new(disk.clone()), Path::new(PLACE), Mode::Read, options()).unwrap()
}

/// A store with one page between other things, all synced.
fn with_one() -> (CrashDisk, Handle) {
    let disk = CrashDisk::new();
    let store = open(&disk).unwrap();
    let (name, content) = page(1);
    store.put(&[long(1), (name, content), long(2)]).unwrap();
    store.sync().unwrap();
    store.put(&[long(3)]).unwrap();
    store.sync().unwrap();
    (disk, name)
}

proptest! {
    #![proptest_config(Config { cases: 48, ..Config::default() })]
    #[test]
    fn any_content_of_any_length_comes_back(
        all in prop::collection::vec(
            (any::<u64>(), 0..=4_usize, prop_oneof![
                3 => Just(PAGE), 1 => 0..200_usize, 1 => 4000..4200_usize, 1 => 5000..9000_usize
            ]),
            1..12,
        ),
        at_once in any::<bool>(),
    ) {
        let all: Vec<_> = all
            .into_iter()
            .map(|(seed, share, length)| {
                // From random to a single value.
                let mut data = random(seed, length);
                data[share * length / 4..].fill(seed as u8);
                blob(data)
            })
            .collect();
        let disk = CrashDisk::new();
        let store = open(&disk).unwrap();
        match at_once {
            true => store.put(&all).unwrap(),
            false => all.iter().for_each(|one| store.put(std::slice::from_ref(one)).unwrap()),
        }
        store.put(&all).unwrap();
        let same = |store: &FileBackend| {
            for (name, content) in &all {
                let found = store.get(name).unwrap().unwrap();
                assert!(bytes(&found) == bytes(content), "{name}");
            }
        };
        same(&store);
        store.sync().unwrap();
        drop(store);
        same(&read(&disk));
        let disk = disk.restart(1);
        same(&open(&disk).unwrap());
        assert!(fsck_of(&disk).is_sound());
        for (name, content) in all.iter().filter(|(name, _)| !name.is_literal()) {
            for (_, _, sort, payload) in records(&disk, name) {
                let length = bytes(content).len();
                assert_eq!(payload.len() < length, sort == 14);
                assert!(sort == 1 || length == PAGE && payload.len() <= PAGE - PAGE / 8);
            }
        }
    }
}

#[test]
fn what_is_said_of_bytes_is_what_the_files_have() {
    let scratch = Scratch::new();
    let store = FileBackend::create(scratch.path()).unwrap();
    let before = store.usage().unwrap().file_bytes;
    store.put(&(0..500).map(page).collect::<Vec<_>>()).unwrap();
    store.sync().unwrap();
    let compressed = store.usage().unwrap().file_bytes - before;
    assert!(compressed < 500 * PAGE as u64 / 3, "{compressed}");
    // What does not get shorter is not made longer either.
    store.put(&(0..500).map(|seed| blob(random(seed, PAGE))).collect::<Vec<_>>()).unwrap();
    store.sync().unwrap();
    let random = store.usage().unwrap().file_bytes - before - compressed;
    assert_eq!(random, 500 * (HEADER + PAGE) as u64 + HEADER as u64);
    // What is there already takes nothing, compressed or not.
    let usage = store.usage().unwrap();
    store.put(&(0..500).map(page).collect::<Vec<_>>()).unwrap();
    store.put_stream(&page(7).0, &mut bytes(&page(7).1)).unwrap();
    assert_eq!(store.usage().unwrap(), usage);
    assert!(store.put_stream(&page(999).0, &mut bytes(&page(999).1)).unwrap());
    assert!(store.usage().unwrap().file_bytes < usage.file_bytes + PAGE as u64 / 3);
    drop(store);
    let length = |name: &str| std::fs::metadata(scratch.join(name)).unwrap().len();
    let runs = std::fs::read_dir(scratch.join("index")).unwrap();
    let runs: u64 = runs.map(|run| run.unwrap().metadata().unwrap().len()).sum();
    let said = FileBackend::open(scratch.path(), Mode::Read).unwrap().usage().unwrap().file_bytes;
    assert_eq!(said, length("packs/000001") + length("store") + runs);
}

#[test]
fn each_flipped_bit_of_a_record_is_found_and_mended_by_a_put() {
    let (disk, name) = with_one();
    let [(path, at, 14, payload)] = &records(&disk, &name)[..] else { panic!("one record") };
    let (at, end) = (*at, at + HEADER + payload.len());
    let file = packs(&disk).into_iter().find(|(pack, _)| pack == path).unwrap().1;
    for byte in at..end {
        let disk = disk.copy();
        let mut flipped = file.clone();
        flipped[byte] ^= 1 << (byte % 8);
        disk.plant(path, &flipped);
        let what = format!("byte {} of the record", byte - at);
        let (in_header, problems) = (byte < at + HEADER, fsck_of(&disk).problems);
        let [problem] = &problems[..] else { panic!("{what}: {problems:?}") };
        assert_eq!((&problem.path, problem.offset), (path, at as u64), "{what}");
        match problem.what {
            Wrong::Records(bytes) => assert!(in_header && bytes as usize >= end - at, "{what}"),
            Wrong::Content(found) => assert!(!in_header && found == name, "{what}"),
            _ => panic!("{what}: {problem:?}"),
        }
        let store = open(&disk).unwrap();
        match store.get(&name) {
            Ok(None) if in_header => assert_eq!(store.damage().len(), 1, "{what}"),
            Err(StoreError::Corrupt { path: found, handle, offset }) if !in_header => {
                assert_eq!((&found, handle, offset), (path, name, at as u64), "{what}");
                assert!(!store.contains(&name).unwrap(), "{what}");
            }
            other => panic!("{what}: {other:?}"),
        }
        store.put(&[page(1)]).unwrap();
        store.sync().unwrap();
        drop(store);
        let found = open(&disk).unwrap().get(&name).unwrap().unwrap();
        assert!(found.handle() == name && bytes(&found) == bytes(&page(1).1), "{what}");
    }
}

/// What somebody made so, with checks that are right.
#[test]
fn a_frame_of_other_bytes_or_of_too_many_is_damage() {
    let (disk, name) = with_one();
    let [(path, at, _, payload)] = &records(&disk, &name)[..] else { panic!("one record") };
    let file = packs(&disk).remove(0).1;
    let mut many = zstd::bulk::compress(&vec![1; 64 << 20], 1).unwrap();
    many.truncate(payload.len() - 8);
    let too_few = zstd::bulk::compress(&[1; PAGE - 1], 1).unwrap();
    let other = zstd::bulk::compress(&[1; PAGE], 1).unwrap();
    for frame in [many, too_few, other] {
        // A frame that is skipped fills up.
        let fill = payload.len() - 8 - frame.len();
        let mut forged = frame;
        if fill >= 8 {
            forged.extend(0x184d_2a50_u32.to_le_bytes());
            forged.extend((fill as u32 - 8).to_le_bytes());
        }
        forged.resize(payload.len() - 8, 0);
        let check = blake3::hash(&forged);
        let forged = [&check.as_bytes()[..8], &forged].concat();
        let mut changed = file.clone();
        changed[at + HEADER..at + HEADER + payload.len()].copy_from_slice(&forged);
        let disk = disk.copy();
        disk.plant(path, &changed);
        let problems = fsck_of(&disk).problems;
        assert!(matches!(problems[..], [ref one] if one.what == Wrong::Content(name)));
        let store = open(&disk).unwrap();
        assert!(matches!(store.get(&name), Err(StoreError::Corrupt { .. })));
        store.put(&[page(1)]).unwrap();
        assert!(has(&store, &name));
    }
}

#[test]
fn a_put_finds_what_is_damaged_of_a_page_that_is_there() {
    let (disk, name) = with_one();
    let [(path, at, ..)] = &records(&disk, &name)[..] else { panic!("one record") };
    let mut file = packs(&disk).remove(0).1;
    file[at + HEADER + 20] ^= 4;
    disk.plant(path, &file);
    let store = open(&disk).unwrap();
    // Nobody has read it before.
    store.put(&[page(1)]).unwrap();
    assert!(store.get(&name).unwrap().is_some());
    let usage = store.usage().unwrap();
    store.put(&[page(1)]).unwrap();
    assert_eq!(store.usage().unwrap(), usage);
    let sorts: Vec<u8> = records(&disk, &name).iter().map(|record| record.2).collect();
    assert_eq!(sorts, [14, 14]);
}

#[test]
fn a_repair_keeps_the_others_as_they_were() {
    let disk = CrashDisk::new();
    let store = open(&disk).unwrap();
    let pages: Vec<_> = (0..20).map(page).collect();
    store.put(&pages).unwrap();
    store.sync().unwrap();
    drop(store);
    let [(path, at, ..)] = &records(&disk, &pages[5].0)[..] else { panic!("one record") };
    let mut file = packs(&disk).into_iter().find(|(pack, _)| pack == path).unwrap().1;
    file[at + HEADER + 30] ^= 1;
    disk.plant(path, &file);
    let payloads = |disk: &CrashDisk, name: &Handle| records(disk, name).remove(0).3;
    let before: Vec<Vec<u8>> = pages.iter().map(|(name, _)| payloads(&disk, name)).collect();
    let own: Arc<dyn Disk> = Arc::new(disk.clone());
    let repaired = repair(&own, Path::new(PLACE), options(), &|_, _| {}).unwrap().unwrap();
    assert!(matches!(repaired.found.problems[..], [ref one] if one.offset == *at as u64));
    assert!(fsck_of(&disk).is_sound());
    for (number, (name, _)) in pages.iter().enumerate() {
        assert_eq!(has(&read(&disk), name), number != 5, "{number}");
        if number != 5 {
            assert!(payloads(&disk, name) == before[number], "{number}");
        }
    }
}

#[test]
fn a_log_that_ends_in_a_page_is_cut_or_told_of() {
    let (disk, name) = with_one();
    let [(path, at, _, payload)] = &records(&disk, &name)[..] else { panic!("one record") };
    let file = packs(&disk).remove(0).1;
    let end = at + HEADER + payload.len();
    for length in (*at..end).step_by(5) {
        // It was synced once, and the note says so; or nobody says so.
        for noted in [true, false] {
            let disk = disk.copy();
            disk.plant(path, &file[..length]);
            if !noted {
                disk.lose(&Path::new(PLACE).join("synced"));
            }
            let store = open(&disk).unwrap();
            assert_eq!(store.damage().is_empty(), !noted, "{length}");
            assert!(has(&store, &long(1).0) && !has(&store, &name), "{length}");
            store.put(&[page(1)]).unwrap();
            assert!(has(&store, &name), "{length}");
        }
    }
}

#[test]
fn a_power_cut_at_any_operation_loses_no_page_that_was_synced() {
    let put = |store: &FileBackend, synced: &mut Vec<Handle>| -> Result<(), StoreError> {
        for round in 0..6 {
            let pages: Vec<_> = (8 * round..8 * round + 8).map(page).collect();
            store.put(&pages)?;
            store.sync()?;
            synced.extend(pages.iter().map(|(name, _)| *name));
        }
        Ok(())
    };
    let whole = CrashDisk::new();
    put(&open(&whole).unwrap(), &mut Vec::new()).unwrap();
    for operation in 0..whole.operations() {
        let disk = CrashDisk::new();
        disk.fail_at(operation, Fault::PowerCut, operation);
        let mut synced = Vec::new();
        if let Ok(store) = open(&disk) {
            let _ = put(&store, &mut synced);
        }
        let disk = disk.restart(operation);
        let store = open(&disk).unwrap();
        assert_eq!(store.damage(), []);
        assert!(synced.iter().all(|name| has(&store, name)), "cut at {operation}");
        put(&store, &mut Vec::new()).unwrap();
        drop(store);
        assert!(fsck_of(&disk).is_sound(), "cut at {operation}");
    }
}

#[test]
fn a_collection_copies_pages_as_they_are_and_removes_others() {
    let disk = CrashDisk::new();
    let store = open(&disk).unwrap();
    let pages: Vec<_> = (0..60).map(page).collect();
    store.put(&pages).unwrap();
    let names: Vec<Handle> = pages.iter().map(|(name, _)| *name).collect();
    let kept: Vec<Handle> = names.iter().copied().step_by(3).collect();
    let image = Content::Tree(Tree::new(kept.clone()));
    store.put(&[(image.handle(), image.clone())]).unwrap();
    label(&store, "image", image.handle());
    store.sync().unwrap();
    let before: Vec<_> = kept.iter().map(|name| records(&disk, name)).collect();
    let collected = store.collect(&Collect::default(), &|_| {}).unwrap();
    assert_eq!(collected.after_bytes.max(1) / 4096, store.usage().unwrap().file_bytes / 4096);
    for (number, name) in names.iter().enumerate() {
        assert_eq!(has(&store, name), number % 3 == 0, "{number}");
    }
    for (name, before) in kept.iter().zip(before) {
        let after = records(&disk, name);
        let ([before], [after]) = (&before[..], &after[..]) else { panic!("one record each") };
        assert!(before.0 != after.0 && before.3 == after.3 && after.2 == 14, "{name}");
    }
    drop(store);
    let store = open(&disk.restart(1)).unwrap();
    assert!(kept.iter().all(|name| has(&store, name)));
    unlabel(&store, "image");
    store.collect(&Collect::default(), &|_| {}).unwrap();
    assert!(store.is_empty());
}

#[test]
fn pages_that_can_be_computed_again_go_under_a_budget() {
    let disk = CrashDisk::new();
    let store = open(&disk).unwrap();
    let pages: Vec<_> = (0..60).map(page).collect();
    // One that takes so little that a note of it would be as long.
    let easy = blob(vec![9; PAGE]);
    let names: Vec<Handle> = pages.iter().map(|(name, _)| *name).chain([easy.0]).collect();
    let image = Content::Tree(Tree::new(names.clone()));
    store.put(&pages).unwrap();
    store.put(&[easy.clone(), (image.handle(), image.clone())]).unwrap();
    let key = ran(&store, 1, &[], image.handle(), 50);
    label(&store, "image", image.handle());
    label(&store, "by", key);
    let before = store.usage().unwrap();
    let collected =
        store.collect(&Collect { dry_run: false, budget: Budget::Bytes(0) }, &|_| {}).unwrap();
    assert!(
        collected.before_bytes == before.file_bytes && collected.after_bytes < before.file_bytes
    );
    assert!(has(&store, &image.handle()) && has(&store, &easy.0));
    for (name, _) in &pages {
        assert!(!has(&store, name));
        assert_eq!(store.recipe(name).unwrap(), Some(key));
    }
    store.put(&pages).unwrap();
    assert!(names.iter().all(|name| has(&store, name)));
    assert_eq!(store.usage().unwrap().dropped, 0);
}

#[test]
fn an_export_has_pages_as_they_are_named() {
    let (from, to, plain) = (CrashDisk::new(), CrashDisk::new(), MemoryBackend::new());
    let from = open(&from).unwrap();
    let pages: Vec<_> = (0..10).map(page).chain([blob(random(1, PAGE))]).collect();
    let image = Content::Tree(Tree::new(pages.iter().map(|(name, _)| *name).collect::<Vec<_>>()));
    let (root, image) = (image.handle(), (image.handle(), image));
    from.put(&pages).unwrap();
    from.put(std::slice::from_ref(&image)).unwrap();
    plain.put(&pages).unwrap();
    plain.put(&[image]).unwrap();
    let write = |backend: &dyn Backend| {
        let mut file = Vec::new();
        export(&|wanted: &Handle| backend.get(wanted), &root, &[], &mut file, &|_| {}).unwrap();
        file
    };
    let file = write(&from);
    assert!(file == write(&plain) && file.len() > pages.len() * PAGE);
    let to = open(&to).unwrap();
    import(&to, &mut &file[..], &Import { trust: None }, &|_| {}).unwrap();
    assert!(pages.iter().all(|(name, _)| has(&to, name)));
    assert!(to.bytes() < file.len() as u64 / 2);
}
