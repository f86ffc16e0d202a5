//! Files that were cut, flipped, or never ours.

use std::fs;

use proptest::prelude::*;
use weft_object::{Blob, Handle};
use weft_store::{
    Backend, Content, Cost, Expect, FileBackend, Label, Mode, Outcome, Relation, StoreError,
};

use crate::scratch::{Scratch, long, tree};

fn relation(number: usize) -> Relation {
    Relation::new(Outcome::Value(long(number).0), Cost { run_ns: number as u64, fuel: None })
}

/// A store of which the first part is synced and the second only written.
/// Returns the bytes of the file, and how many of them were synced.
fn example(scratch: &Scratch) -> (Vec<u8>, usize) {
    let store = FileBackend::create(scratch.path()).unwrap();
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
    (fs::read(scratch.join("store")).unwrap(), synced)
}

/// Writes the bytes as a store of its own and opens it.
fn open(scratch: &Scratch, bytes: &[u8], mode: Mode) -> Result<FileBackend, StoreError> {
    let directory = scratch.join("other");
    let _ = fs::create_dir(&directory);
    fs::write(directory.join("store"), bytes).unwrap();
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
    let (bytes, synced) = example(&scratch);
    let mut kept = Vec::new();
    for length in 0..=bytes.len() {
        let reader = open(&scratch, &bytes[..length], Mode::Read).unwrap();
        assert!(reader.damage().is_empty());
        if length >= synced {
            first_part_is_there(&reader);
            kept.push(second_part_is_a_beginning(&reader));
        }
        drop(reader);
        let writer = open(&scratch, &bytes[..length], Mode::Write).unwrap();
        writer.put(&[long(9)]).unwrap();
        writer.sync().unwrap();
        drop(writer);
        let again = FileBackend::open(&scratch.join("other"), Mode::Read).unwrap();
        assert!(again.get(&long(9).0).unwrap().is_some() && again.damage().is_empty());
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
    let (bytes, synced) = example(&scratch);
    for from in synced..bytes.len() {
        for to in [(from + 64).min(bytes.len()), bytes.len()] {
            let mut torn = bytes.clone();
            torn[from..to].fill(0);
            let writer = open(&scratch, &torn, Mode::Write).unwrap();
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
    let bytes = fs::read(scratch.join("store")).unwrap();
    let mut corrupt = 0;
    let mut damaged = 0;
    for at in 16..bytes.len() {
        let mut flipped = bytes.clone();
        flipped[at] ^= 1 << (at % 8);
        let store = open(&scratch, &flipped, Mode::Read).unwrap();
        let mut lost = 0;
        for name in [long(1).0, tree(&[long(1).0]).0, long(2).0, long(3).0] {
            match store.get(&name) {
                Ok(Some(content)) => assert_eq!(content.handle(), name),
                Ok(None) => lost += 1,
                Err(StoreError::Corrupt { path, handle, offset }) => {
                    assert_eq!((path, handle), (scratch.join("other").join("store"), name));
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
        assert!(lost <= 1, "a bit at {at} cost {lost} records");
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
    let (inner, _) = example(&scratch);
    let store = FileBackend::create(&scratch.join("outer")).unwrap();
    let content = Content::Blob(Blob::new(inner));
    let outer = content.handle();
    store.put(&[(outer, content), long(5)]).unwrap();
    store.sync().unwrap();
    drop(store);
    let mut bytes = fs::read(scratch.join("outer").join("store")).unwrap();
    bytes[16 + 3] ^= 1;
    let damaged = open(&scratch, &bytes, Mode::Read).unwrap();
    assert_eq!(damaged.len(), 1);
    assert!(damaged.get(&long(5).0).unwrap().is_some());
    assert_eq!((damaged.damage().len(), damaged.damage()[0].offset), (1, 16));
}

#[test]
fn what_is_no_store_of_ours_is_refused_by_name() {
    let scratch = Scratch::new();
    let (bytes, _) = example(&scratch);
    let mut newer = bytes.clone();
    newer[8] = 2;
    let error = open(&scratch, &newer, Mode::Write).unwrap_err();
    assert!(matches!(error, StoreError::Version { found: 2, .. }));
    let path = scratch.join("other").join("store");
    let text = error.to_string();
    assert!(text.starts_with(&format!("{} is a store of version 2", path.display())), "{text}");
    assert_eq!(fs::read(&path).unwrap(), newer, "and left as it is");
    for other in [&b"#!/bin/sh\nexit 0 or something\n"[..], b"x", &bytes[1..]] {
        let error = open(&scratch, other, Mode::Write).unwrap_err();
        assert!(matches!(error, StoreError::NotAStore(_)));
        assert_eq!(fs::read(&path).unwrap(), other);
    }
    let absent = FileBackend::open(&scratch.join("absent"), Mode::Write);
    assert!(matches!(absent, Err(StoreError::NoStore(_))));
    assert!(!scratch.join("absent").exists());
    fs::create_dir_all(scratch.join("odd").join("store")).unwrap();
    assert!(FileBackend::open(&scratch.join("odd"), Mode::Read).is_err());
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
        let (mut bytes, _) = example(&scratch);
        if real {
            for (at, byte) in edits {
                let at = 16 + at.index(bytes.len() - 16);
                bytes[at] = byte;
            }
        } else {
            bytes.truncate(16);
        }
        bytes.append(&mut tail);
        let store = open(&scratch, &bytes, Mode::Write).unwrap();
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
