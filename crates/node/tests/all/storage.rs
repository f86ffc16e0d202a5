use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use weft_eval::{NoAnswerKind, Outcome};
use weft_node::{Config, Event, Kept, Node, Session};
use weft_object::directory::{DirectoryError, Entry, FileKind, Name, Part, build};
use weft_object::{Handle, Selection};
use weft_store::conformance::Double;
use weft_store::disk::crash::{CrashDisk, Fault};
use weft_store::{Backend, Content, FileBackend, MemoryBackend, Options};

use crate::guests::{add, apply, fib, first, module, start};

fn with(backend: &Arc<MemoryBackend>) -> Node {
    start(Config { backend: Some(backend.clone()), ..Config::default() })
}

fn store(backend: &MemoryBackend, content: Content) -> Handle {
    let handle = content.handle();
    backend.put(&[(handle, content)]).unwrap();
    handle
}

fn blob(backend: &MemoryBackend, bytes: Vec<u8>) -> Handle {
    store(backend, Content::Blob(weft_object::Blob::new(bytes)))
}

fn tree(backend: &MemoryBackend, entries: &[Handle]) -> Handle {
    store(backend, Content::Tree(weft_object::Tree::new(entries)))
}

fn loaded(events: &[Event]) -> Vec<Handle> {
    let loaded = events.iter().filter_map(|event| match event {
        Event::Loaded { object, .. } => Some(*object),
        _ => None,
    });
    loaded.collect()
}

#[test]
fn what_was_kept_is_known_to_the_next_node() {
    let backend = Arc::new(MemoryBackend::default());
    let request = {
        let node = with(&backend);
        let session = node.session();
        let (fib, add) = (fib(&session), add(&session));
        let request = apply(&session, fib, &[add, Handle::of_u64(25)]);
        let answer = session.evaluate(request);
        assert_eq!(answer.value(), Some(Handle::of_u64(75_025)));
        let kept = node.keep(&[request]).unwrap();
        // All that ran, and the answer.
        assert_eq!(kept.relations, node.stat().applied + 1);
        // Nothing is written twice.
        assert_eq!(node.keep(&[request]).unwrap().relations, 0);
        request
    };
    let node = with(&backend);
    let answer = node.session().submit(request).wait();
    assert_eq!(answer.value(), Some(Handle::of_u64(75_025)));
    let stat = node.stat();
    assert_eq!((stat.applied, stat.hits, stat.loaded), (0, 1, 0));
}

/// Works until there is what `look` is after. Whoever ends a job leaves the
/// writing to somebody who is at it already, so one job more may not be enough.
fn work_until<T>(session: &Session, look: impl Fn() -> Option<T>) -> T {
    let add = add(session);
    for n in 0..100_000 {
        if let Some(found) = look() {
            return found;
        }
        let _ = session.submit(apply(session, add, &[Handle::of_u64(n), Handle::of_u64(1)])).wait();
    }
    panic!("100,000 jobs have ended, and there is still nothing");
}

#[test]
fn what_is_found_out_is_written_while_there_is_work() {
    let backend = Arc::new(MemoryBackend::default());
    let node = start(Config {
        backend: Some(backend.clone()),
        keep_every: Some(std::time::Duration::ZERO),
        ..Config::default()
    });
    let session = node.session();
    let (fib, add) = (fib(&session), add(&session));
    let request = apply(&session, fib, &[add, Handle::of_u64(30)]);
    let answer = session.submit(request).wait();
    let key = request.strict().unwrap();
    work_until(&session, || backend.relation(&key).unwrap());
    drop(node);
    let node = with(&backend);
    assert_eq!(node.session().submit(request).wait(), answer);
    assert_eq!(node.stat().applied, 0);
}

/// What a result was made from is written with it, also if a collection came
/// before.
#[test]
fn what_was_applied_is_kept_with_what_it_came_to() {
    let backend = Arc::new(MemoryBackend::default());
    let node = start(Config {
        backend: Some(backend.clone()),
        // Not of itself.
        keep_every: Some(std::time::Duration::from_secs(3600)),
        ..Config::default()
    });
    let session = node.session();
    let (fib, add) = (fib(&session), add(&session));
    let request = apply(&session, fib, &[add, Handle::of_u64(30)]);
    assert!(session.submit(request).wait().value().is_some());
    // What was put since the last one stays.
    node.collect();
    node.collect();
    node.keep(&[request]).unwrap();
    let mut applied = Vec::new();
    let each = backend.each_relation(&mut |key, _| {
        applied.push(*key);
        std::ops::ControlFlow::Continue(())
    });
    each.unwrap();
    applied.retain(|key| key.kind() == weft_object::Kind::Tree);
    assert!(applied.len() > 50, "{}", applied.len());
    let gone = applied.iter().filter(|key| !backend.contains(key).unwrap()).count();
    assert_eq!(gone, 0, "of {}", applied.len());
}

#[test]
fn of_a_flood_of_cheap_relations_only_the_answer_is_written() {
    let backend = Arc::new(MemoryBackend::default());
    let node = with(&backend);
    let session = node.session();
    let n = 70_000;
    let chain = crate::guests::count(&session);
    let request = apply(&session, chain, &[Handle::of_u64(n), Handle::of_u64(0)]);
    let watch = node.watch();
    assert_eq!(session.submit(request).wait().value(), Some(Handle::of_u64(n)));
    // How many are cheap is the machine's business.
    let worth = |event: &Event| matches!(event, Event::Ran { run_ns: 10_000.., .. });
    let worth = watch.drain().into_iter().filter(worth).count() as u64;
    assert_eq!(node.keep(&[request]).unwrap().relations, worth + 1);
    drop(node);
    let node = with(&backend);
    let answer = node.session().submit(request).wait();
    assert_eq!(answer.value(), Some(Handle::of_u64(n)));
    assert_eq!(node.stat().applied, 0);
}

#[test]
fn a_failure_is_kept_with_its_reason() {
    let backend = Arc::new(MemoryBackend::default());
    let (request, first) = {
        let node = with(&backend);
        let session = node.session();
        let trap = module(
            &session,
            r#"(func (export "weft_apply") (param i32) (result i32) unreachable)"#,
        );
        let request = apply(&session, trap, &[]);
        let first = session.evaluate(request);
        node.keep(&[request]).unwrap();
        (request, first)
    };
    let node = with(&backend);
    assert_eq!(node.session().evaluate(request), first);
    assert_eq!(node.stat().applied, 0);
}

#[test]
fn only_the_footprint_is_loaded() {
    let backend = Arc::new(MemoryBackend::default());
    let wanted = blob(&backend, vec![1; 10_000]);
    let beside: Vec<Handle> = (2..50).map(|byte| blob(&backend, vec![byte; 10_000])).collect();
    let large = tree(&backend, &[&[wanted][..], &beside].concat());
    let node = with(&backend);
    let session = node.session();
    // [limits, length, target]: the length of a Blob or Ref
    let length = session.put_blob(
        wat::parse_str(
            r#"(module
                 (import "weft_1" "tree_get" (func $get (param i32 i64) (result i32)))
                 (import "weft_1" "length" (func $length (param i32) (result i64)))
                 (import "weft_1" "u64_blob" (func $blob (param i64) (result i32)))
                 (func (export "weft_apply") (param $in i32) (result i32)
                   (call $blob (call $length (call $get (local.get $in) (i64.const 2))))))"#,
        )
        .unwrap(),
    );
    let first = session
        .put_tree(&Selection::Entry(0).definition(large.lower().unwrap()))
        .selection()
        .unwrap();

    // As a Ref, nothing but the Tree that is selected in.
    let watch = node.watch();
    let request = apply(&session, length, &[first.shallow().unwrap()]);
    assert_eq!(session.evaluate(request).value(), Some(Handle::of_u64(10_000)));
    assert_eq!(loaded(&watch.drain()), [large]);

    // Accessible, that one entry too.
    let request = apply(&session, length, &[first.strict().unwrap()]);
    assert_eq!(session.evaluate(request).value(), Some(Handle::of_u64(10_000)));
    assert_eq!(loaded(&watch.drain()), [wanted]);
}

#[test]
fn loaded_content_is_dropped_under_pressure_and_comes_back() {
    let backend = Arc::new(MemoryBackend::default());
    let files: Vec<Handle> = (0..64_u8).map(|byte| blob(&backend, vec![byte; 4 << 20])).collect();
    // Room for a few of the files at a time, beside the functions.
    let node = start(Config {
        backend: Some(backend.clone()),
        memory_bytes: 64 << 20,
        ..Config::default()
    });
    let session = node.session();
    let first_byte = module(
        &session,
        r#"(func (export "weft_apply") (param $in i32) (result i32)
             (drop (call $read (call $get (local.get $in) (i64.const 2)) (i64.const 9) (i32.const 0) (i32.const 1)))
             (call $blob (i64.load8_u (i32.const 0))))"#,
    );
    let limit = Handle::of_u64(1 << 20);
    for _ in 0..2 {
        for (byte, file) in (0..).zip(&files) {
            let request = session.put_tree(&[limit, first_byte, *file, Handle::of_u64(byte)]);
            let answer = session.evaluate(request.application().unwrap());
            assert_eq!(answer.value(), Some(Handle::of_u64(byte)));
            assert!(node.stat().memory_bytes < 48 << 20, "{:?}", node.stat());
        }
    }
    // All at once, too.
    let fork: Vec<Handle> = (0..)
        .zip(&files)
        .map(|(n, file)| {
            let request = session.put_tree(&[limit, first_byte, *file, Handle::of_u64(1000 + n)]);
            request.application().and_then(Handle::strict).unwrap()
        })
        .collect();
    assert!(session.evaluate(session.put_tree(&fork)).value().is_some());
}

#[test]
fn what_lacks_a_part_is_kept_once_the_part_is_there() {
    let backend = Arc::new(MemoryBackend::default());
    let node = with(&backend);
    let session = node.session();
    let child = Handle::of_blob(&[5; 100]);
    let inner = session.put_tree(&[child]);
    let outer = session.put_tree(&[inner, Handle::of_u64(1)]);
    assert_eq!(node.keep(&[outer]).unwrap().objects, 0);
    let _ = session.put_blob(vec![5; 100]);
    assert_eq!(node.keep(&[outer]).unwrap().objects, 3);
    for object in [child, inner, outer] {
        assert!(backend.contains(&object).unwrap(), "{object:?}");
    }
}

#[test]
fn a_rule_that_needs_several_objects_gets_them_all_under_pressure() {
    let backend = Arc::new(MemoryBackend::default());
    let file = blob(&backend, vec![1; 100]);
    // Levels of directories, each with an index that takes room.
    let mut directory = file;
    for level in 0..6 {
        let kind = if level == 0 { FileKind::File } else { FileKind::Directory };
        let mut entries = vec![entry("x", kind, directory)];
        entries.extend(
            (0..500)
                .map(|n| entry(&format!("a{level}-{n:0>200}"), FileKind::File, Handle::of_u64(n))),
        );
        directory = self::directory(&backend, entries);
    }
    let node = Node::start(Config {
        workers: 1,
        backend: Some(backend.clone()),
        memory_bytes: 64 << 20,
        ..Config::default()
    })
    .unwrap();
    let session = node.session();
    // More than half of the memory cannot be dropped.
    for byte in 0..10 {
        let _ = session.put_blob(vec![byte; 4 << 20]);
    }
    let path = Handle::of_blob(b"x/x/x/x/x/x");
    let definition = Selection::Path(path).definition(directory.lower().unwrap());
    let request = session.put_tree(&definition).selection().unwrap();
    assert_eq!(session.submit(request).wait().value(), Some(file));
}

/// A directory of these entries, stored in the backend.
fn directory(backend: &MemoryBackend, entries: Vec<Entry>) -> Handle {
    build(entries, |handle, part| {
        let content = match part {
            Part::Index(index) => Content::Blob(index),
            Part::Node(node) => Content::Tree(node),
        };
        backend.put(&[(handle, content)]).unwrap();
        Ok::<(), DirectoryError>(())
    })
    .unwrap()
}

fn entry(name: &str, kind: FileKind, child: Handle) -> Entry {
    Entry { name: Name::new(name.as_bytes()).unwrap(), kind, mode: 0o644, child }
}

#[test]
fn one_file_of_a_big_directory_is_had_by_reading_indexes_only() {
    let backend = Arc::new(MemoryBackend::default());
    let many = |prefix: &str| -> Vec<Entry> {
        let file = |n: u32| blob(&backend, format!("{prefix}{n:0>100}").into_bytes());
        (0..10_000).map(|n| entry(&format!("f{n}"), FileKind::File, file(n))).collect()
    };
    let mut upper = many("upper");
    upper.push(entry("sub", FileKind::Directory, directory(&backend, many("lower"))));
    let root = directory(&backend, upper);
    let wanted = Handle::of_blob(format!("lower{:0>100}", 4711).as_bytes());

    let node = with(&backend);
    let session = node.session();
    let get_file =
        session.put_blob(include_bytes!("../../../../guests/bin/get-file.wasm").to_vec());
    let path = Handle::of_blob(b"sub/f4711");
    let selection = session.put_tree(&Selection::Path(path).definition(root.lower().unwrap()));
    for request in
        [apply(&session, get_file, &[root.lower().unwrap(), path]), selection.selection().unwrap()]
    {
        let watch = node.watch();
        assert_eq!(session.evaluate(request).value(), Some(wanted));
        // Two levels of nodes in two directories: a Tree and an index each. The
        // second request finds them in memory.
        let loaded = loaded(&watch.drain());
        assert!(loaded.len() <= 8, "{loaded:?}");
        assert!(!loaded.contains(&wanted));
    }
}

pub(crate) fn on_disk(disk: &CrashDisk) -> Arc<FileBackend> {
    let options = Options { background: false, ..Options::default() };
    let place = std::path::Path::new("/store");
    Arc::new(FileBackend::create_on(Arc::new(disk.clone()), place, options).unwrap())
}

#[test]
fn a_hit_writes_nothing() {
    let disk = CrashDisk::new();
    let backend = on_disk(&disk);
    let config = || Config { backend: Some(backend.clone()), ..Config::default() };
    let node = start(config());
    let session = node.session();
    let request = apply(&session, add(&session), &[Handle::of_u64(1), Handle::of_u64(2)]);
    assert_eq!(session.submit(request).wait().value(), Some(Handle::of_u64(3)));
    let before = disk.operations();
    assert_eq!(node.keep(&[request]).unwrap().relations, 1);
    assert!(disk.operations() > before);
    drop((session, node));

    let before = disk.operations();
    let node = start(config());
    assert_eq!(node.session().submit(request).wait().value(), Some(Handle::of_u64(3)));
    assert_eq!(node.keep(&[request]).unwrap(), Kept::default());
    assert_eq!((node.stat().applied, disk.operations()), (0, before));
}

#[test]
fn what_cannot_be_written_is_told_and_kept_once_it_can() {
    let disk = CrashDisk::new();
    let backend = on_disk(&disk);
    let node = start(Config {
        backend: Some(backend.clone()),
        keep_every: Some(std::time::Duration::ZERO),
        ..Config::default()
    });
    assert_eq!(node.not_kept(), None);
    let watch = node.watch();
    let session = node.session();
    disk.fail_at(disk.operations(), Fault::Full, 7);
    let (fib, add) = (fib(&session), add(&session));
    let request = apply(&session, fib, &[add, Handle::of_u64(20)]);
    let answer = session.submit(request).wait();
    let error = work_until(&session, || {
        watch.drain().into_iter().find_map(|event| match event {
            Event::NotKept { error } => Some(error),
            _ => None,
        })
    });
    assert!(error.contains("/store"));
    assert!(node.not_kept().is_some_and(|error| error.contains("/store")));
    disk.mend();
    assert!(node.keep(&[request]).unwrap().relations > 0);
    assert_eq!(node.not_kept(), None);
    drop((session, node));
    let node = start(Config { backend: Some(backend), ..Config::default() });
    assert_eq!(node.session().submit(request).wait(), answer);
    assert_eq!(node.stat().applied, 0);
}

/// A store that another process collects or hands over may not see for a moment
/// what it has.
#[test]
fn what_is_not_seen_for_a_moment_is_asked_for_again() {
    let backend = Arc::new(MemoryBackend::default());
    let large = blob(&backend, vec![7; 500]);
    let asked = Arc::new(AtomicUsize::new(0));
    let count = asked.clone();
    let sees = move |handle: &Handle| {
        // Not before the fourth time.
        *handle != large || count.fetch_add(1, Ordering::SeqCst) >= 3
    };
    let double = Arc::new(Double::seeing(backend, sees));
    let node = start(Config { backend: Some(double), ..Config::default() });
    let session = node.session();
    let request = apply(&session, first(&session), &[large]);
    assert_eq!(session.submit(request).wait().value(), Some(Handle::of_u64(7)));
    assert_eq!(asked.load(Ordering::SeqCst), 4);
}

#[test]
fn what_is_never_seen_is_lost() {
    let double = Double::seeing(Arc::new(MemoryBackend::default()), |_| false);
    let node = start(Config { backend: Some(Arc::new(double)), ..Config::default() });
    let session = node.session();
    let gone = Handle::of_blob(&[7; 500]);
    let outcome = session.submit(apply(&session, first(&session), &[gone])).wait();
    let Outcome::NoAnswer(none) = &outcome else { panic!("{outcome:?}") };
    assert_eq!(none.kind, NoAnswerKind::Lost);
    let text = format!("the content of #{gone} is not here; add or import it, then ask again");
    assert_eq!(&*none.detail, text);
}
