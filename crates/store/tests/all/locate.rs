use std::ffi::OsStr;
use std::fs;

use weft_store::locate::{init, locate_from, place_for};
use weft_store::{FileBackend, StoreError};

use crate::scratch::Scratch;

#[test]
fn the_nearest_store_at_or_above_is_found() {
    let scratch = Scratch::new();
    let outer = scratch.join(".weft");
    let deep = scratch.join("a/b/c");
    fs::create_dir_all(&deep).unwrap();
    // Without a store in it, the directory does not count.
    fs::create_dir(scratch.join("a/b/.weft")).unwrap();
    assert!(matches!(locate_from(&deep, None), Err(StoreError::NoStore(path)) if path == deep));
    assert!(init(&outer).unwrap());
    assert_eq!(locate_from(&deep, None).unwrap(), outer);
    let inner = place_for(&scratch.join("a"), None);
    assert!(init(&inner).unwrap());
    assert_eq!(locate_from(&deep, None).unwrap(), inner);
    assert_eq!(locate_from(scratch.path(), None).unwrap(), outer);
}

#[test]
fn the_variable_goes_first() {
    let scratch = Scratch::new();
    init(&scratch.join(".weft")).unwrap();
    let named = scratch.join("elsewhere");
    let text = Some(named.as_os_str());
    assert!(
        matches!(locate_from(scratch.path(), text), Err(StoreError::NoStore(path)) if path == named)
    );
    assert_eq!(place_for(scratch.path(), text), named);
    assert!(init(&named).unwrap());
    assert_eq!(locate_from(scratch.path(), text).unwrap(), named);
    // Relative to the working directory; empty as if unset.
    assert_eq!(locate_from(scratch.path(), Some(OsStr::new("elsewhere"))).unwrap(), named);
    assert_eq!(locate_from(scratch.path(), Some(OsStr::new(""))).unwrap(), scratch.join(".weft"));
}

#[test]
fn init_twice_is_no_error_and_changes_nothing() {
    let scratch = Scratch::new();
    let directory = scratch.join(".weft");
    assert!(init(&directory).unwrap());
    let before = fs::read(directory.join("store")).unwrap();
    let _writer = FileBackend::create(&directory).unwrap();
    assert!(!init(&directory).unwrap());
    assert_eq!(fs::read(directory.join("store")).unwrap(), before);
    fs::write(directory.join("store"), "something else entirely").unwrap();
    assert!(matches!(init(&directory), Err(StoreError::NotAStore(_))));
}
