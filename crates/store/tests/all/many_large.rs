//! More large Blobs than a process may have files open.

use std::process::Command;
use std::sync::Arc;

use weft_store::disk::RealDisk;
use weft_store::{Backend, Content, FileBackend, Mode, Options};

use crate::scratch::{Scratch, long};

const PLACE: &str = "WEFT_TEST_FEW_FILES";
const MANY: usize = 3000;

#[test]
fn more_large_blobs_than_open_files_are_kept_and_read() {
    let scratch = Scratch::new();
    let program = std::env::current_exe().unwrap();
    let script = "ulimit -n 256 && exec \"$0\" --exact many_large::only_with_few_files --nocapture";
    let output =
        Command::new("sh").args(["-c", script]).arg(program).env(PLACE, scratch.path()).output();
    let output = output.unwrap();
    let text = String::from_utf8_lossy(&output.stdout).into_owned();
    let errors = String::from_utf8_lossy(&output.stderr);
    assert!(output.status.success() && text.contains("all were read"), "{text}{errors}");
}

/// Only of use to [`more_large_blobs_than_open_files_are_kept_and_read`], in a
/// process of its own.
#[test]
fn only_with_few_files() {
    let Some(place) = std::env::var_os(PLACE) else { return };
    let place = std::path::Path::new(&place).join("store");
    let options = Options { large_bytes_min: 40, ..Options::default() };
    let store = FileBackend::create_on(Arc::new(RealDisk), &place, options).unwrap();
    let all: Vec<_> = (0..MANY).map(long).collect();
    // At once, and one after the other.
    let (first, second) = all.split_at(MANY / 2);
    store.put(first).unwrap();
    second.iter().for_each(|one| store.put(std::slice::from_ref(one)).unwrap());
    store.sync().unwrap();
    let read = |store: &FileBackend| -> Vec<Content> {
        all.iter().map(|(name, _)| store.get(name).unwrap().unwrap()).collect()
    };
    // All of them are in use at once.
    let held = read(&store);
    assert!(held.iter().zip(&all).all(|(held, (name, _))| held.handle() == *name));
    drop(store);
    let reader = FileBackend::open_on(Arc::new(RealDisk), &place, Mode::Read, options).unwrap();
    assert_eq!((reader.len(), reader.damage()), (MANY, &[][..]));
    assert_eq!(read(&reader).len(), MANY);
    assert_eq!(held.len(), MANY);
    println!("all were read");
}
