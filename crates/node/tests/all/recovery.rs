use std::sync::Arc;
use std::time::{Duration, Instant};

use weft_node::{Config, Event, Node, Session};
use weft_object::{Handle, Tree};
use weft_store::{Backend, Budget, Collect, Content, Expect, Label, MemoryBackend, Outcome};

use crate::guests::{add, apply, ran, start};

fn on(backend: &Arc<MemoryBackend>) -> Node {
    start(Config { backend: Some(backend.clone()), ..Config::default() })
}

/// `[limits, filled, n, data...]` -> a Blob of 50,000 bytes n; it reads what it
/// is given.
fn filled(session: &Session) -> Handle {
    let text = r#"(module
        (import "weft_1" "tree_get" (func $get (param i32 i64) (result i32)))
        (import "weft_1" "blob_u64" (func $u64 (param i32) (result i64)))
        (import "weft_1" "blob_new" (func $new (param i32 i32) (result i32)))
        (memory (export "memory") 1)
        (func (export "weft_apply") (param $in i32) (result i32)
          (memory.fill (i32.const 0)
            (i32.wrap_i64 (call $u64 (call $get (local.get $in) (i64.const 2))))
            (i32.const 50000))
          (call $new (i32.const 0) (i32.const 50000))))"#;
    session.put_blob(wat::parse_str(text).unwrap())
}

fn bytes(content: Option<Content>) -> Vec<u8> {
    content.unwrap().blob().unwrap().bytes().to_vec()
}

fn recovered(events: &[Event]) -> Vec<(Handle, Handle)> {
    let recovered = events.iter().filter_map(|event| match event {
        Event::Recovered { object, application, .. } => Some((*object, *application)),
        _ => None,
    });
    recovered.collect()
}

/// Three results, each made of the one before; all are dropped.
fn dropped() -> (Arc<MemoryBackend>, Vec<Handle>, Vec<Handle>) {
    dropped_chain(3, filled)
}

fn dropped_chain(
    length: u64,
    function: impl Fn(&Session) -> Handle,
) -> (Arc<MemoryBackend>, Vec<Handle>, Vec<Handle>) {
    let backend = Arc::new(MemoryBackend::default());
    let node = on(&backend);
    let session = node.session();
    let function = function(&session);
    let (mut values, mut keys) = (Vec::<Handle>::new(), Vec::new());
    for number in 1..=length {
        let data = values.last().copied().unwrap_or(Handle::of_u64(0));
        let thunk = apply(&session, function, &[Handle::of_u64(number), data]);
        values.push(session.submit(thunk).wait().value().unwrap());
        keys.push(thunk.definition().unwrap());
        let label = Label::new(&format!("computation/{number}")).unwrap();
        node.keep(&[thunk]).unwrap();
        backend.set_label(&label, Expect::Any, Some(thunk)).unwrap();
    }
    drop((session, node));
    let small = Collect { dry_run: false, budget: Budget::Bytes(1) };
    let collected = backend.collect(&small, &|_| {}).unwrap();
    assert_eq!(collected.dropped.objects, length, "{collected:?}");
    assert!(values.iter().all(|value| !backend.contains(value).unwrap()));
    (backend, values, keys)
}

#[test]
fn what_was_dropped_comes_back_when_somebody_looks_at_it() {
    let (backend, values, keys) = dropped();
    let node = on(&backend);
    let watch = node.watch();
    let session = node.session();
    // Each is made of the one before, so all of them are.
    assert_eq!(bytes(session.content(values[2]).unwrap()), [3; 50_000]);
    let events = watch.drain();
    let expected: Vec<_> = values.iter().copied().zip(keys.iter().copied()).collect();
    assert_eq!(recovered(&events), expected, "inputs first");
    assert_eq!((node.stat().recovered, node.stat().applied), (3, 3));
    // The store has them again.
    for value in &values {
        assert!(backend.contains(value).unwrap());
        assert_eq!(backend.recipe(value).unwrap(), None);
    }
    assert_eq!(on(&backend).session().content(values[1]).unwrap().unwrap().handle(), values[1]);
}

#[test]
fn a_function_finds_in_its_footprint_what_was_dropped() {
    let (backend, values, keys) = dropped();
    let node = on(&backend);
    let session = node.session();
    let watch = node.watch();
    let request = apply(&session, filled(&session), &[Handle::of_u64(9), values[1]]);
    let answer = session.submit(request).wait().value().unwrap();
    assert_eq!(bytes(session.content(answer).unwrap()), [9; 50_000]);
    let events = watch.drain();
    let expected = [(values[0], keys[0]), (values[1], keys[1])];
    assert_eq!(recovered(&events), expected);
    // A hit needs no content.
    let before = node.stat();
    let again = session.submit(keys[2].application().unwrap()).wait();
    assert_eq!(again.value(), Some(values[2]));
    assert_eq!((node.stat().applied, node.stat().recovered), (before.applied, before.recovered));
}

#[test]
fn many_who_ask_at_once_have_it_computed_once() {
    let (backend, values, _) = dropped();
    let node = on(&backend);
    let watch = node.watch();
    std::thread::scope(|scope| {
        for _ in 0..8 {
            scope.spawn(|| {
                let session = node.session();
                assert_eq!(bytes(session.content(values[2]).unwrap()), [3; 50_000]);
            });
        }
    });
    assert_eq!(ran(&watch).len(), 3);
}

/// A thread's stack is too much for each link.
#[test]
fn a_long_chain_comes_back_on_one_thread() {
    const LENGTH: u64 = 200;
    let (backend, values, _) = dropped_chain(LENGTH, filled);
    let node = on(&backend);
    let session = node.session();
    let most = std::thread::scope(|scope| {
        let (ended, wait) = std::sync::mpsc::channel::<()>();
        let most = scope.spawn(move || {
            let mut most = 0;
            while wait.try_recv() == Err(std::sync::mpsc::TryRecvError::Empty) {
                most = most.max(recovering_threads());
            }
            most
        });
        let last = *values.last().unwrap();
        assert_eq!(bytes(session.content(last).unwrap()), [LENGTH as u8; 50_000]);
        drop(ended);
        most.join().unwrap()
    });
    assert_eq!(node.stat().recovered, LENGTH);
    // Other tests have a few of their own.
    assert!(most < 50, "{most} threads");
}

fn recovering_threads() -> usize {
    let tasks = std::fs::read_dir("/proc/self/task").unwrap();
    let names = tasks.map(|task| std::fs::read_to_string(task.unwrap().path().join("comm")));
    names.filter(|name| matches!(name, Ok(name) if name.trim() == "weft-recover")).count()
}

/// `filled`, but it takes about a second.
fn slowly_filled(session: &Session) -> Handle {
    let text = r#"(module
        (import "weft_1" "blob_new" (func $new (param i32 i32) (result i32)))
        (memory (export "memory") 1)
        (func (export "weft_apply") (param i32) (result i32)
          (local $i i32)
          (loop $again
            (local.set $i (i32.add (local.get $i) (i32.const 1)))
            (br_if $again (i32.lt_u (local.get $i) (i32.const 1000000000))))
          (call $new (i32.const 0) (i32.const 50000))))"#;
    session.put_blob(wat::parse_str(text).unwrap())
}

#[test]
fn a_recovery_that_nobody_waits_for_ends() {
    let (backend, values, _) = dropped_chain(1, slowly_filled);
    let node = on(&backend);
    let watch = node.watch();
    let session = node.session();
    let wanted = apply(&session, filled(&session), &[Handle::of_u64(6), values[0]]);
    let outcome = session.submit(wanted).wait_until_deadline(Duration::from_millis(50));
    assert!(outcome.value().is_none(), "{outcome:?}");
    drop((session, node));
    assert_eq!(recovered(&watch.drain()), []);
}

#[test]
fn what_does_not_come_back_is_an_error_that_says_why() {
    let (backend, values, keys) = dropped();
    // Somebody claims another outcome.
    let mut known = backend.relation(&keys[0]).unwrap().unwrap();
    known.outcome = Outcome::Value(Handle::of_u64(1));
    backend.put_relations(&[(keys[0], known)]).unwrap();
    let node = on(&backend);
    let session = node.session();
    let error = session.content(values[0]).unwrap_err().to_string();
    assert!(error.contains("was dropped") && error.contains("weft replay"), "{error}");
    assert_eq!(node.stat().conflicts, 1);
}

#[test]
fn what_speaks_of_dropped_content_can_be_kept() {
    let (backend, values, _) = dropped();
    let node = on(&backend);
    let session = node.session();
    let outer = session.put_tree(&[values[2].lower().unwrap(), Handle::of_u64(4)]);
    node.keep(&[outer]).unwrap();
    assert!(backend.contains(&outer).unwrap());
    assert_eq!(node.stat().recovered, 0);
}

#[test]
fn running_requests_are_held_until_their_session_ends() {
    let backend = Arc::new(MemoryBackend::default());
    let node = on(&backend);
    let session = node.session();
    let thunk = apply(&session, filled(&session), &[Handle::of_u64(5)]);
    let value = session.submit(thunk).wait().value().unwrap();
    node.keep(&[thunk]).unwrap();
    let small = Collect { dry_run: false, budget: Budget::Bytes(1) };
    backend.collect(&small, &|_| {}).unwrap();
    assert!(backend.contains(&value).unwrap(), "the request is held, and what it came to");
    drop(session);
    eventually("it is not held any more", || {
        backend.collect(&small, &|_| {}).unwrap();
        !backend.contains(&value).unwrap()
    });
    assert!(backend.relation(&thunk.definition().unwrap()).unwrap().is_none());
    // What the node remembers of it is not there any more; then it runs again.
    let session = node.session();
    let tree = Tree::new([Handle::of_blob(b""), filled(&session), Handle::of_u64(5)]);
    assert_eq!(Some(tree.handle()), thunk.definition());
    let again = session.put_tree(tree.entries()).application().unwrap();
    assert_eq!(session.evaluate(again).value(), Some(value));
    let wanted = apply(&session, filled(&session), &[Handle::of_u64(6), value]);
    assert!(session.evaluate(wanted).value().is_some());
}

/// What is asked for without waiting, too.
#[test]
fn what_was_removed_meanwhile_is_asked_for_again() {
    let backend = Arc::new(MemoryBackend::default());
    let compute = |node: &Node| {
        let session = node.session();
        let thunk = apply(&session, filled(&session), &[Handle::of_u64(5)]);
        let value = session.submit(thunk).wait().value().unwrap();
        node.keep(&[thunk]).unwrap();
        (thunk, value)
    };
    let (thunk, value) = compute(&on(&backend));
    // Another node knows of it and has not read what it came to.
    let node = on(&backend);
    assert_eq!(compute(&node), (thunk, value));
    assert_eq!(node.stat().applied, 0);
    let key = thunk.definition().unwrap();
    eventually("its request is not held any more", || {
        let small = Collect { dry_run: false, budget: Budget::Bytes(1) };
        backend.collect(&small, &|_| {}).unwrap();
        backend.relation(&key).unwrap().is_none()
    });
    let session = node.session();
    let inner = apply(&session, filled(&session), &[Handle::of_u64(5)]);
    let outer = apply(&session, filled(&session), &[Handle::of_u64(6), inner.strict().unwrap()]);
    assert!(session.submit(outer).wait().value().is_some());
    assert_eq!(node.stat().applied, 2);
}

/// Also what follows from that, of which no store knows.
#[test]
fn what_followed_from_what_was_removed_is_asked_for_again() {
    let backend = Arc::new(MemoryBackend::default());
    // Its argument is evaluated, so that its force is remembered apart.
    let evaluated = |session: &Session| {
        let number = apply(session, add(session), &[Handle::of_u64(2), Handle::of_u64(3)]);
        apply(session, filled(session), &[number.strict().unwrap()]).strict().unwrap()
    };
    let first = on(&backend);
    let session = first.session();
    let value = session.submit(evaluated(&session)).wait().value().unwrap();
    first.keep(&[]).unwrap();
    drop((session, first));
    // Another node follows the rules to it and does not read what it came to.
    let node = on(&backend);
    let session = node.session();
    let tree = session.put_tree(&[evaluated(&session), Handle::of_u64(1)]);
    assert!(session.submit(tree).wait().value().is_some());
    assert_eq!(node.stat().applied, 0);
    drop(session);
    eventually("it is not held any more", || {
        let small = Collect { dry_run: false, budget: Budget::Bytes(1) };
        backend.collect(&small, &|_| {}).unwrap();
        !backend.contains(&value).unwrap() && backend.recipe(&value).unwrap().is_none()
    });
    let session = node.session();
    let arguments = [Handle::of_u64(6), evaluated(&session)];
    let outcome = session.submit(apply(&session, filled(&session), &arguments)).wait();
    assert!(outcome.value().is_some(), "{outcome:?}");
    assert_eq!(node.stat().applied, 3);
}

/// A worker lets go of a request just after its answer is there.
fn eventually(what: &str, mut is_so: impl FnMut() -> bool) {
    let begun = Instant::now();
    while !is_so() {
        assert!(begun.elapsed() < Duration::from_secs(60), "never: {what}");
        std::thread::sleep(Duration::from_millis(1));
    }
}
