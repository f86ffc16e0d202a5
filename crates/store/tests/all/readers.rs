//! Reading a store that somebody else collects meanwhile.

use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use weft_object::Handle;
use weft_store::disk::crash::CrashDisk;
use weft_store::{
    Backend, Budget, Collect, Content, FileBackend, Label, Mode, Options, StoreError,
};

use crate::collect::{
    PLACE, check_collected, has, label, open, open_with, options, ran, sized, worth_collecting,
};
use crate::hooked::Hooked;
use crate::scratch::long;

const ALL_THAT_MAY_GO: Collect = Collect { dry_run: false, budget: Budget::Bytes(0) };

fn reader(disk: &CrashDisk) -> FileBackend {
    FileBackend::open_on(Arc::new(disk.clone()), Path::new(PLACE), Mode::Read, options()).unwrap()
}

#[test]
fn who_opens_while_somebody_collects_sees_the_store_before_or_after() {
    for moment in 0.. {
        let disk = CrashDisk::new();
        let writer = open(&disk).unwrap();
        worth_collecting(&writer).unwrap();
        let seen = Arc::new(AtomicUsize::new(0));
        let so_far = seen.clone();
        let hooked = Hooked::on(&disk, move |_, _| {
            if so_far.fetch_add(1, Ordering::SeqCst) == moment {
                writer.collect(&ALL_THAT_MAY_GO, &|_| {}).unwrap();
                // Acknowledged before the last try begins.
                label(&writer, "later", long(3).0);
                writer.sync().unwrap();
            }
        });
        let reader = FileBackend::open_on(hooked, Path::new(PLACE), Mode::Read, options());
        let what = format!("collected at {moment}");
        let reader = reader.unwrap_or_else(|error| panic!("{what}: {error}"));
        // Only while it opens.
        let before = seen.fetch_add(1_000_000, Ordering::SeqCst);
        check_collected(&reader, &what);
        if before <= moment {
            assert!(moment > 8, "{moment} moments");
            return;
        }
    }
}

#[test]
fn who_opens_between_two_packs_of_the_log_sees_all_that_was_synced() {
    // The list of packs is old: the log went on in others, of which some are
    // collected at once.
    let options = Options { flush_entries: 1 << 20, short_bytes_max: 0, ..options() };
    for moment in 0.. {
        let disk = CrashDisk::new();
        let writer = open_with(&disk, options).unwrap();
        let kept: Vec<_> = (0..5).map(|number| sized(number, 5000)).collect();
        let gone: Vec<_> = (10..15).map(|number| sized(number, 5900)).collect();
        for batch in [&kept[..], &gone, &[sized(99, 5000)]] {
            writer.put(batch).unwrap();
        }
        for (at, (name, _)) in kept.iter().chain([&sized(99, 5000)]).enumerate() {
            label(&writer, &format!("kept/{at}"), *name);
        }
        writer.sync().unwrap();
        let seen = Arc::new(AtomicUsize::new(0));
        let so_far = seen.clone();
        let hooked = Hooked::on(&disk, move |_, _| {
            if so_far.fetch_add(1, Ordering::SeqCst) == moment {
                writer.collect(&Collect::default(), &|_| {}).unwrap();
            }
        });
        let reader = FileBackend::open_on(hooked, Path::new(PLACE), Mode::Read, options).unwrap();
        assert_eq!(reader.damage(), [], "collected at {moment}");
        assert_eq!(reader.labels().unwrap().len(), 6, "collected at {moment}");
        assert!(has(&reader, &sized(99, 5000).0), "collected at {moment}");
        if seen.load(Ordering::SeqCst) <= moment {
            return;
        }
    }
}

/// A store with large Blobs: that goes, that is dropped, that comes back in a
/// pack, and that stays; and the key of what brings the second back.
fn with_large(disk: &CrashDisk) -> (FileBackend, [(Handle, Content); 4], Handle) {
    let store = open(disk).unwrap();
    let all = [1, 2, 3, 4].map(|number| sized(number, 7000));
    store.put(&all).unwrap();
    let key = ran(&store, 1, &[], all[1].0, 10);
    label(&store, "computed", key.application().unwrap());
    label(&store, "kept", all[3].0);
    store.sync().unwrap();
    (store, all, key)
}

#[test]
fn what_is_collected_while_somebody_reads_is_gone_and_not_damaged() {
    for first in 0..4 {
        let disk = CrashDisk::new();
        let (store, all, key) = with_large(&disk);
        let reader = reader(&disk);
        store.collect(&ALL_THAT_MAY_GO, &|_| {}).unwrap();
        drop(store);
        let small = Options { large_bytes_min: 1 << 20, ..options() };
        let store = open_with(&disk, small).unwrap();
        store.put(&[all[2].clone(), long(1)]).unwrap();
        store.sync().unwrap();
        let [gone, dropped, moved, kept] = all.each_ref().map(|(name, _)| *name);
        let there = [false, false, true, true];
        let get = |at: usize| {
            let found = reader.get(&all[at].0).unwrap_or_else(|error| panic!("{at}: {error}"));
            assert_eq!(found.map(|found| found.handle()), there[at].then_some(all[at].0), "{at}");
        };
        for at in (0..4).map(|at| (at + first) % 4) {
            get(at);
        }
        // All else is as it is now, too.
        assert!(!has(&reader, &gone) && !has(&reader, &dropped));
        assert!(has(&reader, &moved) && has(&reader, &kept) && has(&reader, &long(1).0));
        assert_eq!(reader.recipe(&dropped).unwrap(), Some(key));
        assert_eq!(reader.usage().unwrap().objects, store.usage().unwrap().objects);
    }
}

#[test]
fn many_threads_that_find_something_gone_read_on() {
    let disk = CrashDisk::new();
    let (store, all, _) = with_large(&disk);
    let reader = reader(&disk);
    store.collect(&ALL_THAT_MAY_GO, &|_| {}).unwrap();
    std::thread::scope(|scope| {
        for (name, _) in [&all[0], &all[1], &all[2]].into_iter().cycle().take(12) {
            scope.spawn(|| assert!(reader.get(name).unwrap().is_none()));
        }
    });
}

#[test]
fn what_is_damaged_is_that_for_a_reader_also_after_a_collection() {
    let disk = CrashDisk::new();
    let (store, all, _) = with_large(&disk);
    let reader = reader(&disk);
    store.collect(&ALL_THAT_MAY_GO, &|_| {}).unwrap();
    let name = all[3].0.to_string();
    let path = Path::new(PLACE).join("large").join(&name[..2]).join(&name);
    assert!(disk.lose(&path));
    for _ in 0..2 {
        let error = reader.get(&all[3].0).unwrap_err();
        let StoreError::Corrupt { path: named, handle, .. } = &error else { panic!("{error}") };
        assert_eq!((named, *handle), (&path, all[3].0));
    }
    assert_eq!(reader.label(&Label::new("kept").unwrap()).unwrap(), Some(all[3].0));
}
