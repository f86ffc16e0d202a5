//! Collections, by what is there afterwards.

use std::cell::{Cell, RefCell};
use std::collections::BTreeSet;
use std::sync::Arc;

use weft_object::{Handle, Tree};
use weft_store::disk::Disk;
use weft_store::disk::crash::CrashDisk;
use weft_store::{
    Backend, Budget, Collect, Collected, Content, Cost, Expect, FileBackend, Finder, Label,
    MemoryBackend, Mode, Options, Origin, Outcome, Phase, Pin, Relation, StoreError, Writing,
};

use crate::scratch::{Scratch, long, tree};

pub(crate) fn options() -> Options {
    Options {
        pack_bytes_max: 20_000,
        flush_entries: 40,
        large_bytes_min: 6_000,
        background: false,
        ..Options::default()
    }
}

/// Where the store is on a [`CrashDisk`].
pub(crate) const PLACE: &str = "/store";

pub(crate) fn open(disk: &CrashDisk) -> Result<FileBackend, StoreError> {
    open_with(disk, options())
}

pub(crate) fn open_with(disk: &CrashDisk, options: Options) -> Result<FileBackend, StoreError> {
    let disk: Arc<dyn Disk> = Arc::new(disk.clone());
    FileBackend::create_on(disk, std::path::Path::new(PLACE), options)
}

/// The backends, each empty.
fn each(test: impl Fn(&dyn Backend)) {
    test(&MemoryBackend::new());
    test(&open(&CrashDisk::new()).unwrap());
    let scratch = Scratch::new();
    test(&FileBackend::create(scratch.path()).unwrap());
}

pub(crate) fn sized(number: u64, bytes: usize) -> (Handle, Content) {
    let mut data = vec![7; bytes];
    data[..8].copy_from_slice(&number.to_le_bytes());
    let content = Content::Blob(weft_object::Blob::new(data));
    (content.handle(), content)
}

pub(crate) fn label(store: &dyn Backend, text: &str, to: Handle) {
    store.set_label(&Label::new(text).unwrap(), Expect::Any, Some(to)).unwrap();
}

pub(crate) fn unlabel(store: &dyn Backend, text: &str) {
    store.set_label(&Label::new(text).unwrap(), Expect::Any, None).unwrap();
}

/// A function of this number makes `outcome` of inputs that are there.
pub(crate) fn ran(
    store: &dyn Backend,
    number: u64,
    inputs: &[Handle],
    outcome: Handle,
    ns: u64,
) -> Handle {
    let mut entries = vec![Handle::of_blob(b""), Handle::of_u64(number)];
    entries.extend_from_slice(inputs);
    let (key, content) = tree(&entries);
    store.put(&[(key, content)]).unwrap();
    let finder = store.finder(&Finder { text: "test".into(), here: true }).unwrap();
    let cost = Cost { run_ns: ns, fuel: None };
    let relation = Relation {
        origin: Origin { found_at_s: 1, finder },
        ..Relation::new(Outcome::Value(outcome), cost)
    };
    store.put_relations(&[(key, relation)]).unwrap();
    key
}

fn collect(store: &dyn Backend, budget: Budget) -> Collected {
    let told = Cell::new(Phase::Reading);
    let tell = |progress: weft_store::Progress| {
        assert!(progress.phase >= told.get(), "it never goes back");
        assert!(progress.done_bytes <= progress.all_bytes);
        told.set(progress.phase);
    };
    let dry = store.collect(&Collect { dry_run: true, budget }, &|_| {}).unwrap();
    let usage = store.usage().unwrap();
    let done = store.collect(&Collect { dry_run: false, budget }, &tell).unwrap();
    assert_eq!(dry, done, "a dry run says what is done");
    assert_eq!(usage.file_bytes, done.before_bytes);
    assert!(told.get() >= Phase::Planning || store.removals() > 0);
    done
}

pub(crate) fn has(store: &dyn Backend, handle: &Handle) -> bool {
    let has = store.contains(handle).unwrap();
    let got = store.get(handle).unwrap();
    assert_eq!(got.is_some(), has);
    got.inspect(|content| assert_eq!(content.handle(), handle.content()));
    has
}

#[test]
fn what_nothing_reaches_goes_and_the_rest_stays() {
    each(|store| {
        let all: Vec<_> = (0..200).map(long).collect();
        store.put(&all).unwrap();
        let names: Vec<Handle> = all.iter().map(|(name, _)| *name).collect();
        let (inner, content) = tree(&names[..20]);
        store.put(&[(inner, content)]).unwrap();
        // By a Ref, by a Thunk: whoever has the label may ask for all of it.
        let (outer, content) = tree(&[inner.lower().unwrap(), names[30]]);
        store.put(&[(outer, content)]).unwrap();
        label(store, "kept", outer.application().unwrap());
        label(store, "moved", names[40]);
        label(store, "moved", names[41]);
        store.pin(&Pin { handle: names[50], until_s: None }).unwrap();
        store.pin(&Pin { handle: names[51], until_s: Some(u64::MAX - 1) }).unwrap();
        store.pin(&Pin { handle: names[52], until_s: Some(1) }).unwrap();
        store.hold(&names[60]);
        ran(store, 1, &[names[70]], names[71], 5);
        store.sync().unwrap();
        let collected = collect(store, Budget::AsSet);
        let kept: BTreeSet<usize> = (0..20).chain([30, 41, 50, 51, 60, 70, 71]).collect();
        for (at, name) in names.iter().enumerate() {
            assert_eq!(has(store, name), kept.contains(&at), "{at}");
        }
        assert_eq!(collected.garbage.objects, 200 - kept.len() as u64);
        assert_eq!((collected.dropped.objects, collected.relations), (0, 0));
        let pins: Vec<Handle> = store.pins().unwrap().iter().map(|pin| pin.handle).collect();
        assert!(pins.contains(&names[50]) && pins.contains(&names[51]));
        assert!(!pins.contains(&names[52]), "it had ended");
        assert_eq!(store.removals(), 1);
        // Nothing more to do.
        assert_eq!(collect(store, Budget::AsSet).garbage.objects, 0);
        assert_eq!(store.removals(), 1);
        store.release(&names[60]);
        assert_eq!(collect(store, Budget::AsSet).garbage.objects, 1);
        assert!(!has(store, &names[60]));
    });
}

#[test]
fn what_can_be_computed_again_goes_for_a_budget_and_is_remembered() {
    each(|store| {
        let input = sized(1, 5000);
        let results: Vec<_> =
            (10..20).map(|number| sized(number, 5_000 + number as usize * 100)).collect();
        store.put(std::slice::from_ref(&input)).unwrap();
        store.put(&results).unwrap();
        let names: Vec<Handle> = results.iter().map(|(name, _)| *name).collect();
        let (all, content) = tree(&names);
        store.put(&[(all, content)]).unwrap();
        label(store, "results", all);
        let keys: Vec<Handle> = names
            .iter()
            .enumerate()
            .map(|(at, name)| ran(store, at as u64, &[input.0], *name, 1000 - at as u64))
            .collect();
        let (computations, content) = tree(&keys);
        store.put(&[(computations, content)]).unwrap();
        label(store, "computations", computations);
        store.sync().unwrap();
        let before = store.usage().unwrap();
        let budget = before.file_bytes - 15_000;
        store.set_budget(Some(budget)).unwrap();
        let collected = collect(store, Budget::AsSet);
        assert!(store.usage().unwrap().file_bytes <= before.file_bytes);
        assert_eq!(collected.over_bytes(), 0);
        // The last are the cheapest and the largest.
        let dropped = collected.dropped.objects as usize;
        assert!((2..=4).contains(&dropped), "{collected:?}");
        let expected: u64 = (10 - dropped as u64..10).map(|at| 1000 - at).sum();
        assert_eq!(collected.recompute_ns, expected);
        for (at, name) in names.iter().enumerate() {
            let is_dropped = at >= 10 - dropped;
            assert_eq!(has(store, name), !is_dropped, "{at}");
            let recipe = store.recipe(name).unwrap();
            assert_eq!(recipe, is_dropped.then_some(keys[at]));
            assert!(store.relation(&keys[at]).unwrap().is_some(), "the relation stays");
        }
        assert!(has(store, &input.0) && has(store, &all));
        assert_eq!(store.usage().unwrap().dropped, dropped as u64);
        // Put again, it is as if it had always been there.
        store.put(&results[9..]).unwrap();
        assert!(has(store, &names[9]) && store.recipe(&names[9]).unwrap().is_none());
        assert_eq!(store.usage().unwrap().dropped, dropped as u64 - 1);
        store.set_budget(None).unwrap();
        assert_eq!(collect(store, Budget::AsSet).dropped.objects, 0);
        assert!(has(store, &names[9]) && store.recipe(&names[8]).unwrap().is_some());
        // Held, it stays whatever the budget.
        store.hold(&all);
        let collected = collect(store, Budget::Bytes(0));
        assert!(collected.over_bytes() > 0);
        let there = names[..10 - dropped].iter().chain([&names[9]]);
        assert!(there.clone().all(|name| has(store, name)));
        store.release(&all);
        let collected = collect(store, Budget::Bytes(0));
        assert_eq!(collected.dropped.objects as usize, 11 - dropped);
        assert!(has(store, &input.0), "a label reaches it by way of what is to be computed");
    });
}

#[test]
fn computations_without_a_root_are_forgotten_at_last() {
    each(|store| {
        let finder = Finder { text: "somebody else".into(), here: false };
        let finder = store.finder(&finder).unwrap();
        let mut keys = Vec::new();
        for number in 0..40 {
            let (outcome, content) = sized(number, 1000);
            let (key, entries) = tree(&[Handle::of_blob(b""), Handle::of_u64(number)]);
            store.put(&[(outcome, content), (key, entries)]).unwrap();
            let cost = Cost { run_ns: 1000 + number, fuel: None };
            let origin = Origin { found_at_s: 0, finder };
            let relation = Relation { origin, ..Relation::new(Outcome::Value(outcome), cost) };
            store.put_relations(&[(key, relation)]).unwrap();
            keys.push((key, outcome));
        }
        // As a computation that is named, and as a value.
        label(store, "computation", keys[0].0.application().unwrap());
        label(store, "value", keys[1].1);
        store.sync().unwrap();
        let half = store.usage().unwrap().file_bytes / 2;
        let collected = collect(store, Budget::Bytes(half));
        assert_eq!(collected.dropped.objects, 0, "nobody here has run it");
        assert!((15..30).contains(&collected.relations), "{collected:?}");
        let known = |at: usize| store.relation(&keys[at].0).unwrap().is_some();
        assert!(known(0) && has(store, &keys[0].1) && has(store, &keys[1].1));
        assert!(!known(2) && !has(store, &keys[2].1) && !has(store, &keys[2].0));
        assert!(known(39) && has(store, &keys[39].1), "what took longest is forgotten last");
        let collected = collect(store, Budget::Bytes(0));
        assert!(collected.over_bytes() > 0);
        let left: Vec<usize> = (0..40).filter(|at| known(*at)).collect();
        assert_eq!(left, [0]);
        let mut seen = 0;
        store
            .each_relation(&mut |_, _| {
                seen += 1;
                std::ops::ControlFlow::Continue(())
            })
            .unwrap();
        assert_eq!((seen, store.usage().unwrap().relations), (1, 1));
    });
}

/// What somebody does beside a collection that would remove `names`.
fn beside(phase: Phase, act: impl Fn(&dyn Backend, &[Handle])) -> (FileBackend, Vec<Handle>) {
    let store = open(&CrashDisk::new()).unwrap();
    let all: Vec<_> = (0..300).map(long).collect();
    store.put(&all).unwrap();
    let names: Vec<Handle> = all.iter().map(|(name, _)| *name).collect();
    let (inner, content) = tree(&names[..3]);
    store.put(&[(inner, content)]).unwrap();
    let mut names = names;
    names.push(inner);
    let done = RefCell::new(false);
    let collected = store
        .collect(&Collect::default(), &|progress| {
            if progress.phase == phase && !done.replace(true) {
                act(&store, &names);
            }
        })
        .unwrap();
    assert!(*done.borrow());
    assert!(collected.garbage.objects >= 297);
    assert!(!store.contains(&names[299]).unwrap(), "nobody relied on that");
    (store, names)
}

#[test]
fn what_work_relies_on_beside_a_collection_stays() {
    for phase in [Phase::Planning, Phase::Writing] {
        let check = |what: &str, act: &dyn Fn(&dyn Backend, &[Handle])| {
            let (store, names) = beside(phase, act);
            let all = [names[0], names[1], names[2], names[300]];
            assert!(all.iter().all(|name| has(&store, name)), "{what}, {phase:?}");
            assert_eq!(store.usage().unwrap().objects, store.len() as u64);
            // Nothing holds it any more.
            unlabel(&store, "x");
            store.unpin(&names[300]).unwrap();
            store.release(&names[300]);
        };
        check("asked for", &|store, names| assert!(store.contains(&names[300]).unwrap()));
        check("read", &|store, names| assert!(store.get(&names[300]).unwrap().is_some()));
        check("labelled", &|store, names| label(store, "x", names[300]));
        check("pinned", &|store, names| {
            store.pin(&Pin { handle: names[300], until_s: None }).unwrap();
        });
        check("held", &|store, names| store.hold(&names[300]));
        check("put again", &|store, names| {
            store.put(&[tree(&names[..3])]).unwrap();
        });
        check("put into something", &|store, names| {
            let (outer, content) = tree(&[names[300].lower().unwrap()]);
            store.put(&[(outer, content)]).unwrap();
        });
        check("come to", &|store, names| {
            let relation = Relation::new(Outcome::Value(names[300]), Cost::default());
            store.put_relations(&[(Handle::of_tree(&[Handle::of_u64(9)]), relation)]).unwrap();
        });
    }
}

#[test]
fn what_is_put_beside_a_collection_stays() {
    let (store, _) = beside(Phase::Writing, |store, _| {
        store.put(&(1000..1100).map(long).collect::<Vec<_>>()).unwrap();
        label(store, "new", long(1001).0);
        store.sync().unwrap();
    });
    assert!((1000..1100).all(|number| has(&store, &long(number).0)));
    assert_eq!(store.label(&Label::new("new").unwrap()).unwrap(), Some(long(1001).0));
    // The next one takes them.
    let collected = store.collect(&Collect::default(), &|_| {}).unwrap();
    assert_eq!(collected.garbage.objects, 99);
}

#[test]
fn no_collection_begins_while_somebody_writes() {
    let store = Arc::new(open(&CrashDisk::new()).unwrap());
    store.put(&(0..10).map(long).collect::<Vec<_>>()).unwrap();
    let writing = Writing::begin(&*store).unwrap();
    assert!(store.contains(&long(3).0).unwrap());
    let collecting = {
        let store = store.clone();
        std::thread::spawn(move || store.collect(&Collect::default(), &|_| {}).unwrap())
    };
    // It may come at any time; what it would have to wait for is still open.
    std::thread::yield_now();
    let (outer, content) = tree(&[long(3).0]);
    store.put(&[(outer, content)]).unwrap();
    label(&*store, "outer", outer);
    drop(writing);
    assert_eq!(collecting.join().unwrap().garbage.objects, 9);
    assert!(has(&*store, &outer) && has(&*store, &long(3).0));
}

#[test]
fn a_store_that_is_read_says_what_would_go_and_collects_nothing() {
    let scratch = Scratch::new();
    let store = FileBackend::create(scratch.path()).unwrap();
    store.put(&(0..10).map(long).collect::<Vec<_>>()).unwrap();
    store.sync().unwrap();
    let reader = FileBackend::open(scratch.path(), Mode::Read).unwrap();
    let dry = Collect { dry_run: true, ..Collect::default() };
    assert_eq!(reader.collect(&dry, &|_| {}).unwrap().garbage.objects, 10);
    let refused = reader.collect(&Collect::default(), &|_| {});
    assert!(matches!(refused, Err(StoreError::ReadOnly(_))));
    // It goes on reading what it opened when that is collected.
    assert_eq!(store.collect(&Collect::default(), &|_| {}).unwrap().garbage.objects, 10);
    assert!((0..10).all(|number| has(&reader, &long(number).0)));
    assert!((0..10).all(|number| !has(&store, &long(number).0)));
}

#[test]
fn a_damaged_store_is_not_collected() {
    let scratch = Scratch::new();
    let store = FileBackend::create(scratch.path()).unwrap();
    let (child, content) = long(1);
    let (parent, entries) = tree(&[Handle::of_u64(1), child]);
    store.put(&[(child, content), (parent, entries.clone()), long(2)]).unwrap();
    label(&store, "parent", parent);
    store.sync().unwrap();
    drop(store);
    // One bit of the Tree that says that the child is needed.
    let path = scratch.join("packs/000001");
    let mut bytes = std::fs::read(&path).unwrap();
    let payload = entries.tree().map(Tree::encode).unwrap();
    let at = bytes.windows(payload.len()).position(|window| window == payload).unwrap();
    bytes[at + 3] ^= 4;
    std::fs::write(&path, bytes).unwrap();
    let store = FileBackend::create(scratch.path()).unwrap();
    let error = store.collect(&Collect::default(), &|_| {}).unwrap_err();
    assert!(error.to_string().contains("weft fsck"), "{error}");
    assert!(has(&store, &child), "nothing is removed");
    assert!(has(&store, &long(2).0), "nothing is removed");
}

/// A store of which a collection removes garbage, drops results, and forgets
/// computations; what has to be there afterwards, and what may be dropped.
pub(crate) fn worth_collecting(store: &dyn Backend) -> Result<(), StoreError> {
    store.put(&(0..60).map(long).collect::<Vec<_>>())?;
    let inputs: Vec<_> = (0..6).map(|number| sized(number, 3000)).collect();
    store.put(&inputs)?;
    // Some of these are files of their own.
    for (at, (input, _)) in inputs.iter().enumerate() {
        let (result, content) = sized(100 + at as u64, 5000 + 500 * at);
        store.put(&[(result, content)])?;
        let key = ran(store, at as u64, &[*input], result, 10);
        label(store, &format!("computed/{at}"), key.application().unwrap());
    }
    for number in 0..30 {
        let (outcome, content) = sized(200 + number, 600);
        store.put(&[(outcome, content)])?;
        ran(store, 100 + number, &[], outcome, 1);
    }
    let (kept, content) = tree(&(0..5).map(|number| long(number).0).collect::<Vec<_>>());
    store.put(&[(kept, content)])?;
    label(store, "kept", kept);
    store.pin(&Pin { handle: long(7).0, until_s: Some(1) })?;
    store.sync()
}

pub(crate) fn check_collected(store: &FileBackend, what: &str) {
    assert!(store.damage().is_empty(), "{what}: {:?}", store.damage());
    let kept = store.label(&Label::new("kept").unwrap()).unwrap().expect(what);
    assert!(has(store, &kept), "{what}");
    assert!((0..5).all(|number| has(store, &long(number).0)), "{what}");
    for at in 0..6 {
        let (input, result) = (sized(at, 3000).0, sized(100 + at, 5000 + 500 * at as usize).0);
        assert!(has(store, &input), "{what}");
        let text = format!("computed/{at}");
        let label = store.label(&Label::new(&text).unwrap()).unwrap().expect(what);
        let key = label.definition().unwrap();
        let relation = store.relation(&key).unwrap();
        assert!(relation.is_some_and(|known| known.outcome == Outcome::Value(result)), "{what}");
        let recipe = store.recipe(&result).unwrap();
        assert!(has(store, &result) || recipe == Some(key), "{what}: {at} is lost");
        assert!(has(store, &key), "{what}");
    }
    // Whatever is here is here with all below it.
    let visit = &mut |key: &Handle, relation: &Relation| {
        for handle in [*key, relation.outcome.handle()] {
            let there = has(store, &handle) || store.recipe(&handle).unwrap().is_some();
            assert!(there, "{what}: {handle} of a relation is not there");
        }
        std::ops::ControlFlow::Continue(())
    };
    store.each_relation(visit).unwrap();
}
