//! Large Blobs, whose files somebody changes while they are mapped.

use std::fs::{self, File};
use std::os::unix::fs::{FileExt, PermissionsExt};
use std::path::PathBuf;

use weft_object::Handle;
use weft_store::{Backend, Content, FileBackend, Mode, StoreError, map};

use crate::scratch::{Scratch, long};
use crate::workload::sized;

/// A store with a large Blob and a small one, and the large one's file.
fn example(scratch: &Scratch) -> (FileBackend, (Handle, Content), PathBuf) {
    let store = FileBackend::create(scratch.path()).unwrap();
    let large = sized(1, 3 << 20);
    store.put(&[large.clone(), long(1)]).unwrap();
    store.sync().unwrap();
    let name = large.0.to_string();
    let path = scratch.path().join("large").join(&name[..2]).join(name);
    (store, large, path)
}

fn writable(path: &PathBuf) -> File {
    let mode = fs::metadata(path).unwrap().permissions().mode();
    assert_eq!(mode & 0o222, 0, "nobody is to write to it");
    fs::set_permissions(path, fs::Permissions::from_mode(0o644)).unwrap();
    File::options().write(true).open(path).unwrap()
}

fn bytes(content: &Content) -> &[u8] {
    content.blob().unwrap().bytes()
}

#[test]
fn a_file_cut_under_a_mapping_is_an_error_and_no_end() {
    let scratch = Scratch::new();
    let (store, large, path) = example(&scratch);
    let held = store.get(&large.0).unwrap().unwrap();
    assert!(bytes(&held) == bytes(&large.1));
    let before = map::poisoned();
    writable(&path).set_len(10_000).unwrap();
    // Read to its end: zeros, a count, and the process goes on.
    assert!(bytes(&held)[2 << 20..].iter().all(|byte| *byte == 0));
    assert!(map::poisoned() > before);
    assert!(map::poisoned_blobs().contains(&(large.0, path.clone())));
    let error = store.get(&large.0).unwrap_err();
    assert!(matches!(&error, StoreError::Corrupt { path: named, .. } if *named == path), "{error}");
    let text = error.to_string();
    assert!(text.contains("damaged") && text.contains(&large.0.to_string()), "{text}");
    assert!(store.get(&long(1).0).unwrap().is_some(), "the rest is there");
    // Whoever has it puts it again.
    assert!(!store.contains(&large.0).unwrap());
    store.put(std::slice::from_ref(&large)).unwrap();
    store.sync().unwrap();
    assert!(bytes(&store.get(&large.0).unwrap().unwrap()) == bytes(&large.1));
}

#[test]
fn a_file_written_to_under_a_mapping_is_found() {
    let scratch = Scratch::new();
    let (store, large, path) = example(&scratch);
    std::thread::sleep(std::time::Duration::from_millis(50));
    let held = store.get(&large.0).unwrap().unwrap();
    let before = map::look_again();
    writable(&path).write_all_at(b"!", 1 << 20).unwrap();
    assert!(map::look_again() > before, "by looking");
    assert!(matches!(store.get(&large.0), Err(StoreError::Corrupt { .. })), "by the next read");
    drop(held);
    drop(store);
    // And by another process, which knows nothing.
    let store = FileBackend::open(scratch.path(), Mode::Read).unwrap();
    assert!(matches!(store.get(&large.0), Err(StoreError::Corrupt { .. })));
}

#[test]
fn another_file_in_the_place_of_one_is_looked_at() {
    let scratch = Scratch::new();
    let (store, large, path) = example(&scratch);
    let held = store.get(&large.0).unwrap().unwrap();
    let other = sized(2, 3 << 20);
    fs::write(scratch.join("other"), bytes(&other.1)).unwrap();
    fs::rename(scratch.join("other"), &path).unwrap();
    assert!(matches!(store.get(&large.0), Err(StoreError::Corrupt { .. })));
    assert!(bytes(&held) == bytes(&large.1), "what is mapped stays");
    fs::remove_file(&path).unwrap();
    let error = store.get(&large.0).unwrap_err();
    assert!(matches!(error, StoreError::Corrupt { .. }), "{error}");
    // A symlink to the right bytes is not followed: it leads out of the store.
    fs::write(scratch.join("right"), bytes(&large.1)).unwrap();
    std::os::unix::fs::symlink(scratch.join("right"), &path).unwrap();
    assert!(store.get(&large.0).is_err());
}
