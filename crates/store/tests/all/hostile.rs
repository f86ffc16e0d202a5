//! Stores that somebody made to do harm, and trees.

use std::fs::{self, File};
use std::os::unix::fs::{MetadataExt, symlink};
use std::path::Path;
use std::process::Command;

use weft_object::directory::{Entry, FileKind, Name, Part, build};
use weft_object::{Blob, Handle};
use weft_store::files::{GetOptions, get, get_with};
use weft_store::{Backend, Content, FileBackend, MemoryBackend, Mode, StoreError};

use crate::scratch::{Scratch, long};

fn fifo(path: &Path) {
    assert!(Command::new("mkfifo").arg(path).status().unwrap().success());
}

fn refused(result: Result<FileBackend, StoreError>, name: &str) {
    match result {
        Err(StoreError::Foreign { path, .. }) => assert!(path.ends_with(name)),
        other => panic!("{other:?}"),
    }
}

#[test]
fn no_file_is_written_through_the_lock() {
    let scratch = Scratch::new();
    let (store, lock) = (scratch.join(".weft"), scratch.join(".weft/lock"));
    drop(FileBackend::create(&store).unwrap());
    let victim = scratch.join("victim");
    fs::write(&victim, "precious").unwrap();
    let absent = scratch.join("absent");
    let makes: [&dyn Fn(); 4] = [
        &|| symlink(&victim, &lock).unwrap(),
        &|| symlink(&absent, &lock).unwrap(),
        &|| fs::hard_link(&victim, &lock).unwrap(),
        &|| fifo(&lock),
    ];
    for make in makes {
        fs::remove_file(&lock).unwrap();
        make();
        refused(FileBackend::open(&store, Mode::Write), "lock");
        refused(FileBackend::create(&store), "lock");
        assert_eq!(fs::read(&victim).unwrap(), b"precious");
        assert!(!absent.exists());
        assert!(FileBackend::open(&store, Mode::Read).is_ok(), "locks nothing");
    }
    fs::remove_file(&lock).unwrap();
    assert!(FileBackend::open(&store, Mode::Write).is_ok());
}

#[test]
fn no_file_is_written_that_only_looks_like_the_store() {
    let scratch = Scratch::new();
    let (other, file) = (scratch.join("other"), scratch.join("other/store"));
    fs::create_dir(&other).unwrap();
    // Something that passes for the first file of a store.
    drop(FileBackend::create(&scratch.join("real")).unwrap());
    let victim = scratch.join("real/store");
    let before = fs::read(&victim).unwrap();
    let writes = |file: &str| {
        refused(FileBackend::open(&other, Mode::Write), file);
        refused(FileBackend::create(&other), file);
        assert_eq!(fs::read(&victim).unwrap(), before);
    };
    symlink(&victim, &file).unwrap();
    writes("store");
    refused(FileBackend::open(&other, Mode::Read), "store");
    fs::remove_file(&file).unwrap();
    fs::hard_link(&victim, &file).unwrap();
    writes("store");
    assert!(FileBackend::open(&other, Mode::Read).is_ok(), "a second name does no harm");
    fs::remove_file(&file).unwrap();
    // Nobody will ever open its other end.
    fifo(&file);
    writes("store");
    refused(FileBackend::open(&other, Mode::Read), "store");
    // A dangling one is no store, and does not become one elsewhere.
    fs::remove_file(&file).unwrap();
    symlink(scratch.join("absent"), &file).unwrap();
    writes("store");
    assert!(!scratch.join("absent").exists());
}

#[test]
fn no_file_is_written_that_only_looks_like_a_note() {
    let scratch = Scratch::new();
    let (store, victim) = (scratch.join(".weft"), scratch.join("victim"));
    let made = FileBackend::create(&store).unwrap();
    made.put(&[long(1)]).unwrap();
    made.sync().unwrap();
    drop(made);
    let pack = store.join("packs/000001");
    let sound = fs::read(&pack).unwrap();
    fs::write(&victim, "precious").unwrap();
    for name in ["synced", "broken"] {
        let note = store.join(name);
        let makes: [&dyn Fn(); 3] = [
            &|| symlink(&victim, &note).unwrap(),
            &|| fs::hard_link(&victim, &note).unwrap(),
            &|| fifo(&note),
        ];
        for (way, make) in makes.iter().enumerate() {
            let _ = fs::remove_file(&note);
            make();
            refused(FileBackend::open(&store, Mode::Write), name);
            match FileBackend::open(&store, Mode::Read) {
                // It has what a reader would note, and nobody does.
                Ok(reader) if way == 1 => {
                    let mut damaged = sound.clone();
                    let at = damaged.len() - 60;
                    damaged[at] ^= 1;
                    fs::write(&pack, damaged).unwrap();
                    assert!(reader.get(&long(1).0).is_err());
                    fs::write(&pack, &sound).unwrap();
                }
                read => refused(read, name),
            }
            assert_eq!(fs::read(&victim).unwrap(), b"precious");
        }
        fs::remove_file(&note).unwrap();
    }
    assert!(FileBackend::open(&store, Mode::Write).unwrap().contains(&long(1).0).unwrap());
}

#[test]
fn no_file_is_written_that_only_looks_like_a_pack() {
    let scratch = Scratch::new();
    let (store, elsewhere) = (scratch.join("store"), scratch.join("elsewhere"));
    drop(FileBackend::create(&store).unwrap());
    let pack = store.join("packs/000001");
    let victim = scratch.join("victim");
    fs::rename(&pack, &victim).unwrap();
    let before = fs::read(&victim).unwrap();
    let makes: [&dyn Fn(); 3] =
        [&|| symlink(&victim, &pack).unwrap(), &|| fs::hard_link(&victim, &pack).unwrap(), &|| {
            fifo(&pack)
        }];
    for make in makes {
        make();
        refused(FileBackend::open(&store, Mode::Write), "packs/000001");
        assert_eq!(fs::read(&victim).unwrap(), before);
        fs::remove_file(&pack).unwrap();
    }
    fs::rename(&victim, &pack).unwrap();
    // Nor in a directory that is another's.
    fs::create_dir(&elsewhere).unwrap();
    for part in ["packs", "index", "large"] {
        fs::rename(store.join(part), scratch.join("aside")).unwrap();
        symlink(&elsewhere, store.join(part)).unwrap();
        refused(FileBackend::open(&store, Mode::Write), part);
        assert_eq!(fs::read_dir(&elsewhere).unwrap().count(), 0);
        fs::remove_file(store.join(part)).unwrap();
        fs::rename(scratch.join("aside"), store.join(part)).unwrap();
    }
    let opened = FileBackend::open(&store, Mode::Write).unwrap();
    let big = Content::Blob(Blob::new(vec![7; 2 << 20]));
    let first = format!("{:.2}", big.handle().to_string());
    symlink(&elsewhere, store.join("large").join(&first)).unwrap();
    let error = opened.put(&[(big.handle(), big.clone())]).unwrap_err();
    assert!(matches!(error, StoreError::Foreign { .. }), "{error}");
    assert_eq!(fs::read_dir(&elsewhere).unwrap().count(), 0);
    assert!(!opened.contains(&big.handle()).unwrap());
    fs::remove_file(store.join("large").join(&first)).unwrap();
    opened.put(&[(big.handle(), big.clone())]).unwrap();
    assert_eq!(opened.get(&big.handle()).unwrap().map(|found| found.handle()), Some(big.handle()));
}

fn directory(store: &MemoryBackend, entries: Vec<Entry>) -> Handle {
    build(entries, |handle, part| {
        let content = match part {
            Part::Index(blob) => Content::Blob(blob),
            Part::Node(tree) => Content::Tree(tree),
        };
        store.put(&[(handle, content)]).unwrap();
        Ok::<_, weft_object::directory::DirectoryError>(())
    })
    .unwrap()
}

fn entry(name: &str, kind: FileKind, mode: u16, child: Handle) -> Entry {
    Entry { name: Name::new(name.as_bytes()).unwrap(), kind, mode, child }
}

/// Directories of ten names for one and the same, so many levels deep.
fn tenfold(store: &MemoryBackend, levels: usize, content: Handle) -> Handle {
    let (mut inside, mut kind) = (content, FileKind::File);
    for _ in 0..levels {
        let entries = (0..10).map(|at| entry(&at.to_string(), kind, 0o755, inside)).collect();
        (inside, kind) = (directory(store, entries), FileKind::Directory);
    }
    inside
}

#[test]
fn a_small_store_does_not_fill_the_disk() {
    let scratch = Scratch::new();
    let store = MemoryBackend::new();
    let source = |handle: &Handle| store.get(handle);
    let bomb = tenfold(&store, 12, Handle::of_blob(b"1234"));
    let few = GetOptions { entries_max: 300, ..GetOptions::default() };
    let out = scratch.join("bomb");
    let error = get_with(&source, &bomb, &out, &few).unwrap_err();
    assert!(matches!(error, StoreError::TooMuch { what: "entries", max: 300, .. }));
    assert!(error.to_string().contains("raise the limit entries_max"), "{error}");
    // Just as many as there are is no error, one less is: 10 + 100 entries.
    let small = tenfold(&store, 2, Handle::of_blob(b"1234"));
    let exact = GetOptions { entries_max: 110, bytes_max: 400 };
    get_with(&source, &small, &scratch.join("exact"), &exact).unwrap();
    for (name, options) in [
        ("entries", GetOptions { entries_max: 109, ..exact }),
        ("bytes", GetOptions { bytes_max: 399, ..exact }),
    ] {
        let error = get_with(&source, &small, &scratch.join(name), &options).unwrap_err();
        assert!(matches!(error, StoreError::TooMuch { what, .. } if what == name), "{error}");
    }
    // Nor one file, of which nothing is loaded then.
    let (name, _) = long(1);
    let tiny = GetOptions { bytes_max: 10, ..exact };
    let error = get_with(&source, &name, &scratch.join("file"), &tiny).unwrap_err();
    assert!(matches!(error, StoreError::TooMuch { what: "bytes", .. }), "{error}");
}

#[test]
fn what_gets_a_mode_is_closed_until_then() {
    let scratch = Scratch::new();
    let store = MemoryBackend::new();
    let secret = Blob::new(b"a secret of more than thirty bytes".to_vec());
    let last = Blob::new(b"something else of that length, too".to_vec());
    let (secret, last) = (Content::Blob(secret), Content::Blob(last));
    store.put(&[(secret.handle(), secret.clone()), (last.handle(), last.clone())]).unwrap();
    let inner = directory(
        &store,
        vec![
            entry("a", FileKind::File, 0o644, secret.handle()),
            entry("b", FileKind::File, 0o640, last.handle()),
        ],
    );
    let root = directory(&store, vec![entry("in", FileKind::Directory, 0o755, inner)]);
    let out = scratch.join("out");
    let mode = |path: &str| fs::metadata(out.join(path)).unwrap().mode() & 0o777;
    let looked = std::cell::Cell::new(false);
    let source = |handle: &Handle| {
        if *handle == last.handle() {
            assert_eq!((mode("in"), mode("in/a")), (0o700, 0o644));
            looked.set(true);
        }
        store.get(handle)
    };
    get(&source, &root, &out).unwrap();
    assert!(looked.get());
    assert_eq!((mode("in"), mode("in/a"), mode("in/b")), (0o755, 0o644, 0o640));
    // A file that nobody gave a mode is like any other new one.
    get(&source, &secret.handle(), &out.join("alone")).unwrap();
    File::create(out.join("plain")).unwrap();
    assert_eq!(mode("alone"), mode("plain"));
}
