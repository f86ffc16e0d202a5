//! Content that was found damaged is taken again, also by a later process.

use std::path::{Path, PathBuf};
use std::sync::{Arc, mpsc};

use weft_object::{Handle, Tree};
use weft_store::disk::Disk;
use weft_store::disk::crash::{CrashDisk, Fault};
use weft_store::{
    Backend, Chore, Collect, Content, Expect, Label, Mode, StoreError, Trouble, fsck,
};

use crate::workload::{PLACE, create, disk, open, options, sized};

fn notes() -> PathBuf {
    Path::new(PLACE).join("broken")
}

fn is_noted(disk: &CrashDisk) -> bool {
    disk.files().iter().any(|(path, _)| *path == notes())
}

fn is_sound(disk: &CrashDisk) -> bool {
    let disk: Arc<dyn Disk> = Arc::new(disk.clone());
    fsck(&disk, Path::new(PLACE), options(), &|_, _| {}).unwrap().is_sound()
}

/// A small Blob, a Tree, and a Blob in a file of its own.
fn all() -> [(Handle, Content); 3] {
    let blob = sized(1, 100);
    let tree = Content::Tree(Tree::new([blob.0, sized(2, 100).0]));
    [blob, (tree.handle(), tree), sized(3, 2000)]
}

fn bytes_of(content: &Content) -> Vec<u8> {
    match content {
        Content::Blob(blob) => blob.bytes().to_vec(),
        Content::Tree(tree) | Content::Tag(tree) => tree.encode(),
    }
}

/// A store with all of that, in which this has a wrong byte.
fn damaged(content: &Content) -> CrashDisk {
    let disk = disk();
    let store = create(&disk).unwrap();
    // Something that a collection removes, in each pack.
    store.put(&[sized(2, 100), sized(60, 100)]).unwrap();
    store.put(&all()).unwrap();
    store.put(&[sized(61, 100)]).unwrap();
    for (number, (name, _)) in all().iter().enumerate() {
        let label = Label::new(&format!("n/{number}")).unwrap();
        store.set_label(&label, Expect::Any, Some(*name)).unwrap();
    }
    store.sync().unwrap();
    drop(store);
    let bytes = bytes_of(content);
    let holds = |file: &[u8]| file.windows(bytes.len()).position(|part| part == bytes);
    let found = disk.files().into_iter().find_map(|(path, file)| Some((path, holds(&file)?, file)));
    let (path, at, mut file) = found.unwrap();
    file[at + 8] ^= 1;
    disk.plant(&path, &file);
    disk
}

type Find<'a> = &'a dyn Fn(&CrashDisk, &Handle);

#[test]
fn what_a_read_or_a_check_has_found_is_mended_by_a_put() {
    let finders: [(&str, Find<'_>); 3] = [
        ("a reader", &|disk, name| {
            let error = open(disk, Mode::Read).unwrap().get(name).unwrap_err();
            assert!(matches!(error, StoreError::Corrupt { .. }), "{error}");
            assert!(error.to_string().contains("add or compute this again to mend it"), "{error}");
        }),
        ("a writer", &|disk, name| {
            let store = open(disk, Mode::Write).unwrap();
            assert!(store.get(name).is_err() && store.get(name).is_err());
        }),
        ("fsck", &|disk, _| assert!(!is_sound(disk))),
    ];
    for (name, content) in all() {
        for (who, find) in finders {
            let what = format!("{who}, {}", name.kind());
            let disk = damaged(&content);
            // Nobody reads all that there is each time that it is asked for.
            assert!(create(&disk).unwrap().contains(&name).unwrap(), "{what}");
            find(&disk, &name);
            let notes = disk.files().into_iter().find(|(path, _)| *path == notes()).unwrap().1;
            assert_eq!((notes.len(), &notes[40..72]), (80, &name.as_bytes()[..]), "{what}");

            let store = create(&disk).unwrap();
            assert!(!store.contains(&name).unwrap(), "{what}");
            store.put(&[(name, content.clone())]).unwrap();
            assert!(store.contains(&name).unwrap(), "{what}");
            assert!(is_noted(&disk), "{what}: before it is durable");
            store.sync().unwrap();
            assert!(!is_noted(&disk), "{what}");
            drop(store);
            let disk = disk.restart(1);
            let store = create(&disk).unwrap();
            assert_eq!(store.get(&name).unwrap().map(|found| found.handle()), Some(name));
            // It is a store like any other.
            store.put(&[sized(62, 100)]).unwrap();
            let collected = store.collect(&Collect::default(), &|_| {}).unwrap();
            assert_eq!(collected.garbage.objects, 3, "{what}");
            assert_eq!(store.usage().unwrap().objects, 4, "{what}");
            store.sync().unwrap();
            for (name, _) in all() {
                assert!(store.get(&name).unwrap().is_some(), "{what}");
            }
            drop(store);
            assert!(is_sound(&disk), "{what}");
        }
    }
}

#[test]
fn a_note_is_not_believed_before_it_is_looked_into() {
    for (name, content) in all() {
        let broken = damaged(&content);
        assert!(open(&broken, Mode::Read).unwrap().get(&name).is_err());
        let note = broken.files().into_iter().find(|(path, _)| *path == notes()).unwrap().1;
        // Somebody has put the file back as it was.
        let mended = broken.copy();
        for (path, bytes) in before_damage(&mended, &content) {
            mended.plant(&path, &bytes);
        }
        assert!(is_noted(&mended));
        let store = create(&mended).unwrap();
        assert!(store.contains(&name).unwrap());
        let before = store.bytes();
        store.put(&[(name, content.clone())]).unwrap();
        assert_eq!(store.bytes(), before, "it is there");
        store.sync().unwrap();
        assert!(!is_noted(&mended));
        drop(store);
        // A note with a wrong byte, cut, or of another store or version is none.
        for at in 0..note.len() {
            let mut other = note.clone();
            other[at] ^= 1;
            for bytes in [&other[..], &note[..at]] {
                broken.plant(&notes(), bytes);
                let store = open(&broken, Mode::Read).unwrap();
                assert!(store.contains(&name).unwrap(), "{at}");
            }
        }
    }
}

#[test]
fn what_could_not_be_noted_is_told_of_and_noted_later() {
    for (name, content) in all() {
        let disk = damaged(&content);
        let store = create(&disk).unwrap();
        disk.fail_at(disk.operations(), Fault::Full, 0);
        assert!(store.get(&name).is_err());
        let troubles = store.troubles();
        let [Trouble { chore: Chore::NoteDamage, error }] = &troubles[..] else {
            panic!("{troubles:?}")
        };
        assert!(error.contains("/broken: the disk is full"), "{error}");
        let (told, telling) = mpsc::channel();
        store.on_trouble(move |trouble| told.send(trouble.clone()).unwrap());
        assert_eq!(telling.try_iter().collect::<Vec<_>>(), troubles);
        disk.mend();
        store.put(&[sized(4, 100)]).unwrap();
        store.sync().unwrap();
        assert_eq!((store.troubles(), is_noted(&disk)), (vec![], true));
        drop(store);
        assert!(!create(&disk).unwrap().contains(&name).unwrap());
    }
}

/// The files as they were before the damage.
fn before_damage(of: &CrashDisk, content: &Content) -> Vec<(PathBuf, Vec<u8>)> {
    let bytes = bytes_of(content);
    let mut wrong = bytes.clone();
    wrong[8] ^= 1;
    let files = of.files().into_iter();
    files
        .filter_map(|(path, mut file)| {
            let at = file.windows(wrong.len()).position(|part| part == wrong)?;
            file[at..at + bytes.len()].copy_from_slice(&bytes);
            Some((path, file))
        })
        .collect()
}

#[test]
fn what_is_put_is_compared_if_it_is_short() {
    for (name, content) in all() {
        let disk = damaged(&content);
        let store = create(&disk).unwrap();
        store.put(&[(name, content.clone())]).unwrap();
        store.sync().unwrap();
        let is_short =
            content.bytes_len() <= 4096 && content.bytes_len() < options().large_bytes_min;
        assert_eq!(store.get(&name).is_ok(), is_short, "{}", name.kind());
        drop(store);
        assert_eq!(is_sound(&disk), is_short);
    }
    // What is as it should be is not written again.
    let disk = disk();
    let store = create(&disk).unwrap();
    store.put(&all()).unwrap();
    let before = store.bytes();
    store.put(&all()).unwrap();
    assert_eq!(store.bytes(), before);
}
