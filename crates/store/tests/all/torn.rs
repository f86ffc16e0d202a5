//! Files that were cut, flipped, or never ours.

use std::fs;
use std::path::Path;

use proptest::prelude::*;
use weft_object::{Blob, Handle};
use weft_store::{
    Backend, Content, Cost, Expect, FileBackend, Label, Mode, Outcome, Relation, StoreError,
};

use crate::scratch::{Scratch, long, tree};

fn relation(number: usize) -> Relation {
    Relation::new(Outcome::Value(long(number).0), Cost { run_ns: number as u64, fuel: None })
}

/// Where the first record is.
const START: usize = 48;

/// The files of a store that has but one pack.
#[derive(Clone)]
struct Image {
    manifest: Vec<u8>,
    pack: Vec<u8>,
}

impl Image {
    fn read(directory: &Path) -> Self {
        let read = |name: &str| fs::read(directory.join(name)).unwrap();
        Self { manifest: read("store"), pack: read(PACK) }
    }

    fn with(&self, pack: &[u8]) -> Self {
        Self { pack: pack.to_vec(), ..self.clone() }
    }

    fn write(&self, directory: &Path) {
        let _ = fs::remove_dir_all(directory);
        fs::create_dir_all(directory.join("packs")).unwrap();
        fs::write(directory.join("store"), &self.manifest).unwrap();
        fs::write(directory.join(PACK), &self.pack).unwrap();
    }
}

const PACK: &str = "packs/000001";

/// A store of which the first part is synced and the second only written.
/// Returns its files, and how many bytes of the pack were synced.
fn example(scratch: &Scratch) -> (Image, usize) {
    let store = FileBackend::create(&scratch.join("example")).unwrap();
    let label = Label::new("label").unwrap();
    store.put(&[long(1), tree(&[long(1).0])]).unwrap();
    store.put_relations(&[(long(1).0, relation(1))]).unwrap();
    store.set_label(&label, Expect::Absent, Some(long(1).0)).unwrap();
    store.sync().unwrap();
    let synced = store.bytes() as usize;
    store.put(&[long(2), tree(&[long(2).0]), long(3)]).unwrap();
    store.put_relations(&[(long(1).0, relation(2)), (long(2).0, relation(2))]).unwrap();
    store.set_label(&label, Expect::Any, Some(long(2).0)).unwrap();
    drop(store);
    (Image::read(&scratch.join("example")), synced)
}

/// Makes a store of its own of these files and opens it.
fn open(scratch: &Scratch, image: &Image, mode: Mode) -> Result<FileBackend, StoreError> {
    let directory = scratch.join("other");
    image.write(&directory);
    FileBackend::open(&directory, mode)
}

/// What the synced part promises.
fn first_part_is_there(store: &FileBackend) {
    for name in [long(1).0, tree(&[long(1).0]).0] {
        assert_eq!(store.get(&name).unwrap().unwrap().handle(), name);
    }
    let found = store.relation(&long(1).0).unwrap().unwrap();
    assert!([relation(1).outcome, relation(2).outcome].contains(&found.outcome));
    let at = store.label(&Label::new("label").unwrap()).unwrap().unwrap();
    assert!([long(1).0, long(2).0].contains(&at));
}

/// What came later is there in the order in which it was written, or not.
fn second_part_is_a_beginning(store: &FileBackend) -> usize {
    let label = store.label(&Label::new("label").unwrap()).unwrap();
    let steps = [
        store.get(&long(2).0).unwrap().is_some(),
        store.get(&tree(&[long(2).0]).0).unwrap().is_some(),
        store.get(&long(3).0).unwrap().is_some(),
        store.relation(&long(1).0).unwrap().map(|r| r.outcome) == Some(relation(2).outcome),
        store.relation(&long(2).0).unwrap().is_some(),
        label == Some(long(2).0),
    ];
    assert!(steps.is_sorted_by(|before, after| before >= after), "{steps:?}");
    steps.iter().filter(|step| **step).count()
}

#[test]
fn a_file_cut_at_any_byte_opens_and_goes_on() {
    let scratch = Scratch::new();
    let (image, synced) = example(&scratch);
    let bytes = &image.pack;
    let mut kept = Vec::new();
    for length in 0..=bytes.len() {
        let cut = image.with(&bytes[..length]);
        let reader = open(&scratch, &cut, Mode::Read).unwrap();
        // The pack's own beginning was there before the manifest named it.
        assert_eq!(reader.damage().is_empty(), length >= START);
        if length >= synced {
            first_part_is_there(&reader);
            kept.push(second_part_is_a_beginning(&reader));
        }
        drop(reader);
        let writer = open(&scratch, &cut, Mode::Write).unwrap();
        writer.put(&[long(9)]).unwrap();
        writer.sync().unwrap();
        drop(writer);
        let again = FileBackend::open(&scratch.join("other"), Mode::Read).unwrap();
        assert!(again.get(&long(9).0).unwrap().is_some());
        assert_eq!(again.damage().is_empty(), length >= START);
        if length >= synced {
            first_part_is_there(&again);
        }
    }
    assert!(kept.is_sorted() && kept[0] == 0 && kept[kept.len() - 1] == 6);
}

#[test]
fn a_tail_that_never_reached_the_disk_is_cut() {
    // After a loss of power the length may be right and the bytes zero, from
    // any place on, or in one block only.
    let scratch = Scratch::new();
    let (image, synced) = example(&scratch);
    let bytes = &image.pack;
    for from in synced..bytes.len() {
        for to in [(from + 64).min(bytes.len()), bytes.len()] {
            let mut torn = bytes.clone();
            torn[from..to].fill(0);
            let writer = open(&scratch, &image.with(&torn), Mode::Write).unwrap();
            assert!(writer.damage().is_empty());
            first_part_is_there(&writer);
            second_part_is_a_beginning(&writer);
            writer.put(&[long(9)]).unwrap();
            drop(writer);
            let again = FileBackend::open(&scratch.join("other"), Mode::Read).unwrap();
            first_part_is_there(&again);
            assert!(again.get(&long(9).0).unwrap().is_some());
        }
    }
}

#[test]
fn a_flipped_bit_costs_its_record_and_no_other() {
    let scratch = Scratch::new();
    let store = FileBackend::create(scratch.path()).unwrap();
    let label = Label::new("label").unwrap();
    store.put(&[long(1), tree(&[long(1).0]), long(2)]).unwrap();
    store.put_relations(&[(long(1).0, relation(1)), (long(2).0, relation(2))]).unwrap();
    store.set_label(&label, Expect::Absent, Some(long(1).0)).unwrap();
    store.put(&[long(3)]).unwrap();
    store.sync().unwrap();
    drop(store);
    let image = Image::read(scratch.path());
    let mut corrupt = 0;
    let mut damaged = 0;
    for at in 0..image.pack.len() {
        let mut flipped = image.clone();
        flipped.pack[at] ^= 1 << (at % 8);
        let store = open(&scratch, &flipped, Mode::Read).unwrap();
        let mut lost = 0;
        for name in [long(1).0, tree(&[long(1).0]).0, long(2).0, long(3).0] {
            match store.get(&name) {
                Ok(Some(content)) => assert_eq!(content.handle(), name),
                Ok(None) => lost += 1,
                Err(StoreError::Corrupt { path, handle, offset }) => {
                    assert_eq!((path, handle), (scratch.join("other").join(PACK), name));
                    assert!((offset..offset + 160).contains(&(at as u64)));
                    corrupt += 1;
                    lost += 1;
                }
                Err(error) => panic!("{error}"),
            }
        }
        for number in [1, 2] {
            match store.relation(&long(number).0) {
                Ok(Some(found)) => assert_eq!(found.outcome, relation(number).outcome),
                Ok(None) => lost += 1,
                Err(StoreError::Corrupt { handle, .. }) => {
                    assert_eq!(handle, long(number).0);
                    corrupt += 1;
                    lost += 1;
                }
                Err(error) => panic!("{error}"),
            }
        }
        match store.label(&label).unwrap() {
            Some(found) => assert_eq!(found, long(1).0),
            None => lost += 1,
        }
        assert!(lost <= usize::from(at >= START), "a bit at {at} cost {lost} records");
        damaged += usize::from(!store.damage().is_empty());
        // The rest of the file is known and can be built upon.
        drop(store);
        let writer = FileBackend::open(&scratch.join("other"), Mode::Write).unwrap();
        writer.put(&[long(8)]).unwrap();
        drop(writer);
        let again = FileBackend::open(&scratch.join("other"), Mode::Read).unwrap();
        assert!(again.get(&long(8).0).unwrap().is_some());
    }
    assert!(corrupt > 100 && damaged > 100, "{corrupt} in payloads, {damaged} in headers");
}

#[test]
fn records_inside_of_content_are_not_mistaken_for_records() {
    let scratch = Scratch::new();
    let directory = scratch.join("store");
    // Even of this very store, and one of them where it would stand.
    let store = FileBackend::create(&directory).unwrap();
    store.put(&[long(4)]).unwrap();
    let inner = Image::read(&directory).pack;
    let record = &inner[START..];
    let content = Content::Blob(Blob::new([record, record, &inner].concat()));
    let outer = content.handle();
    store.put(&[(outer, content), long(5)]).unwrap();
    store.sync().unwrap();
    drop(store);
    let mut image = Image::read(&directory);
    image.pack[inner.len() + 3] ^= 1;
    let damaged = open(&scratch, &image, Mode::Read).unwrap();
    assert_eq!(damaged.len(), 2);
    assert!(damaged.get(&long(4).0).unwrap().is_some());
    assert!(damaged.get(&long(5).0).unwrap().is_some());
    let [damage] = damaged.damage() else { panic!("{:?}", damaged.damage()) };
    assert_eq!(
        (&damage.path, damage.offset),
        (&scratch.join("other").join(PACK), inner.len() as u64)
    );
}

#[test]
fn what_is_no_store_of_ours_is_refused_by_name() {
    let scratch = Scratch::new();
    let (image, _) = example(&scratch);
    let path = scratch.join("other").join("store");
    for (version, remedy) in [
        (1, "and this program knows version 3; make it one of that with `weft migrate`"),
        (4, "and this program knows version 3; use the program that wrote it"),
    ] {
        let mut other = image.clone();
        other.manifest[8] = version;
        let end = other.manifest.len() - 32;
        let digest = blake3::hash(&other.manifest[..end]);
        other.manifest[end..].copy_from_slice(digest.as_bytes());
        let error = open(&scratch, &other, Mode::Write).unwrap_err();
        assert!(matches!(error, StoreError::Version { found, .. } if found == u32::from(version)));
        let text = format!("{} is a store of version {version}, {remedy}", path.display());
        assert_eq!(error.to_string(), text);
        assert_eq!(fs::read(&path).unwrap(), other.manifest, "and left as it is");
        assert_eq!(fs::read(scratch.join("other").join(PACK)).unwrap(), other.pack);
        assert!(!scratch.join("other").join("lock").exists());
    }
    for other in [&b"#!/bin/sh\nexit 0 or something\n"[..], b"x", b"", &image.manifest[1..]] {
        let other = Image { manifest: other.to_vec(), ..image.clone() };
        let error = open(&scratch, &other, Mode::Write).unwrap_err();
        assert!(matches!(error, StoreError::NotAStore(_)));
        assert_eq!(fs::read(&path).unwrap(), other.manifest);
    }
    let absent = FileBackend::open(&scratch.join("absent"), Mode::Write);
    assert!(matches!(absent, Err(StoreError::NoStore(_))));
    assert!(!scratch.join("absent").exists());
    fs::create_dir_all(scratch.join("odd").join("store")).unwrap();
    assert!(FileBackend::open(&scratch.join("odd"), Mode::Read).is_err());
}

#[test]
fn a_store_without_its_manifest_is_not_made_anew() {
    let scratch = Scratch::new();
    let (image, _) = example(&scratch);
    let other = scratch.join("other");
    let says = |error: StoreError| {
        let start = format!("{} is damaged, ", other.join("store").display());
        assert!(error.to_string().starts_with(&start), "{error}");
        assert!(error.to_string().ends_with("`weft fsck --repair`"), "{error}");
        assert_eq!(fs::read(other.join(PACK)).unwrap(), image.pack);
    };
    image.write(&other);
    fs::remove_file(other.join("store")).unwrap();
    says(FileBackend::create(&other).unwrap_err());
    for at in (16..image.manifest.len()).step_by(7) {
        let mut damaged = image.clone();
        damaged.manifest[at] ^= 1;
        for mode in [Mode::Read, Mode::Write] {
            says(open(&scratch, &damaged, mode).unwrap_err());
        }
        says(FileBackend::create(&other).unwrap_err());
    }
    // What was there before any manifest was is made again.
    let _ = fs::remove_dir_all(&other);
    fs::create_dir_all(other.join("packs")).unwrap();
    fs::write(other.join(PACK), &image.pack[..20]).unwrap();
    FileBackend::create(&other).unwrap().put(&[long(9)]).unwrap();
    assert!(FileBackend::open(&other, Mode::Read).unwrap().contains(&long(9).0).unwrap());
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(200))]

    #[test]
    fn any_bytes_open_or_are_refused(
        mut tail in prop::collection::vec(any::<u8>(), 0..400),
        edits in prop::collection::vec((any::<prop::sample::Index>(), any::<u8>()), 0..8),
        real in any::<bool>(),
    ) {
        let scratch = Scratch::new();
        let (mut image, _) = example(&scratch);
        let bytes = &mut image.pack;
        if real {
            for (at, byte) in edits {
                let at = at.index(bytes.len());
                bytes[at] = byte;
            }
        } else {
            bytes.truncate(START);
        }
        bytes.append(&mut tail);
        let store = open(&scratch, &image, Mode::Write).unwrap();
        for name in [long(1).0, long(2).0, long(3).0] {
            if let Ok(Some(content)) = store.get(&name) {
                prop_assert_eq!(content.handle(), name);
            }
        }
        let absent = Handle::of_blob(b"a name that nothing here was ever given");
        prop_assert!(store.get(&absent).unwrap().is_none());
        store.put(&[long(9)]).unwrap();
        prop_assert!(store.get(&long(9).0).unwrap().is_some());
    }
}
