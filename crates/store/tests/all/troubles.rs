//! What fails where nobody waits for it is told of.

use std::fs;
use std::path::Path;
use std::sync::{Arc, mpsc};
use std::thread;
use std::time::Duration;

use weft_store::disk::crash::{CrashDisk, Fault};
use weft_store::socket::Fact;
use weft_store::{Backend, Chore, FileBackend, Mode, Options, SharedBackend, Trouble};

use crate::scratch::{Scratch, long};
use crate::workload::{PLACE, disk, options, sized};

fn create(disk: &CrashDisk, options: Options) -> FileBackend {
    FileBackend::create_on(Arc::new(disk.clone()), Path::new(PLACE), options).unwrap()
}

/// The next that is told of; another thread may take a while.
fn next(telling: &mpsc::Receiver<Trouble>) -> Trouble {
    telling.recv_timeout(Duration::from_secs(60)).unwrap()
}

/// Goes on until nothing is amiss: what failed is tried again as there is more to
/// do, and not while the thread that failed is about to end.
fn until_all_is_well(store: &FileBackend, put: impl Fn(usize)) {
    for number in 0..6000 {
        put(number);
        store.sync().unwrap();
        if store.troubles().is_empty() {
            return;
        }
        thread::sleep(Duration::from_millis(10));
    }
    panic!("{:?}", store.troubles());
}

#[test]
fn a_collection_in_the_background_that_fails_is_told_of_once() {
    let disk = disk();
    let options = Options { flush_entries: 10_000, background: true, ..options() };
    let store = create(&disk, options);
    let put = |from: usize, to: usize| {
        store.put(&(from..to).map(|number| sized(number, 600)).collect::<Vec<_>>()).unwrap();
    };
    put(0, 90);
    store.set_budget(Some(30_000)).unwrap();
    let (told, telling) = mpsc::channel();
    store.on_trouble(move |trouble| told.send(trouble.clone()).unwrap());
    disk.fail_at(disk.operations(), Fault::Full, 0);
    store.sync().unwrap();
    let all = [next(&telling), next(&telling)];
    assert_eq!(all.each_ref().map(|trouble| trouble.chore), [Chore::NoteSync, Chore::Collect]);
    let text = all[1].to_string();
    assert!(
        text.starts_with("the store is over its budget and could not be collected: "),
        "{text}"
    );
    assert!(text.ends_with("the disk is full; free some space and try again"), "{text}");
    assert_eq!(store.troubles(), all);
    disk.mend();
    until_all_is_well(&store, |number| put(100 * number + 100, 100 * number + 190));
    assert!(telling.try_recv().is_err());
    drop(store);
    let usage = create(&disk, options).usage().unwrap();
    assert!(usage.file_bytes <= 30_000, "{usage:?}");
}

#[test]
fn an_index_that_cannot_be_written_is_told_of_once() {
    let disk = disk();
    let options = Options { pack_bytes_max: 1 << 20, background: true, ..options() };
    let store = create(&disk, options);
    let (told, telling) = mpsc::channel();
    store.on_trouble(move |trouble| told.send(trouble.clone()).unwrap());
    // What is put is written, the run for it is not.
    disk.fail_at(disk.operations() + 1, Fault::Full, 0);
    store.put(&(0..20).map(long).collect::<Vec<_>>()).unwrap();
    let all = [next(&telling), next(&telling)];
    assert_eq!(all.each_ref().map(|trouble| trouble.chore), [Chore::NoteSync, Chore::Index]);
    let text = all[1].to_string();
    assert!(text.starts_with("the index of the store could not be written, so "), "{text}");
    disk.mend();
    until_all_is_well(&store, |number| {
        let from = 20 * number + 20;
        store.put(&(from..from + 20).map(long).collect::<Vec<_>>()).unwrap();
    });
    assert!(telling.try_recv().is_err());
}

#[test]
fn a_holder_tells_its_clients_of_what_failed() {
    let scratch = Scratch::new();
    FileBackend::create(scratch.path()).unwrap();
    let open = |mode| SharedBackend::open(scratch.path(), mode).unwrap();
    let holder = open(Mode::Write);
    let (told, telling) = mpsc::channel();
    holder.on_trouble(move |trouble| told.send(trouble.clone()).unwrap());
    holder.tell(|| vec![Fact::new("running", 7)]);
    let undone = Chore::NoteSync.undone();
    let facts = || {
        let facts = open(Mode::Read).holder().unwrap().unwrap();
        let of =
            |name: &str| facts.iter().find(|fact| fact.name == name).map(|fact| fact.value.clone());
        assert_eq!(of("running").as_deref(), Some("7"));
        of(undone)
    };
    assert_eq!(facts(), None);
    // In the place of the note.
    let note = scratch.join("synced");
    fs::create_dir(&note).unwrap();
    holder.put(&[long(1)]).unwrap();
    holder.sync().unwrap();
    let trouble = telling.try_recv().unwrap();
    assert_eq!(trouble.chore, Chore::NoteSync);
    assert!(trouble.error.contains("synced"), "{trouble}");
    assert_eq!(facts(), Some(trouble.error));
    fs::remove_dir(&note).unwrap();
    holder.put(&[long(2)]).unwrap();
    holder.sync().unwrap();
    assert_eq!(facts(), None);
}
