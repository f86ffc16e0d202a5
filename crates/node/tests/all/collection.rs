use std::sync::atomic::{AtomicBool, Ordering};

use weft_node::Config;
use weft_object::Handle;

use crate::guests::{add, apply, count, start};

#[test]
fn a_long_chain_of_tail_calls_leaves_bounded_memory() {
    let cache = 4 << 20;
    let node = start(Config { relation_cache_bytes: cache, ..Config::default() });
    let session = node.session();
    let n = 200_000;
    let chain = apply(&session, count(&session), &[Handle::of_u64(n), Handle::of_u64(0)]);
    assert_eq!(session.evaluate(chain).value(), Some(Handle::of_u64(n)));
    node.collect();
    node.collect();
    let stat = node.stat();
    assert_eq!(stat.applied, n + 1);
    assert!(stat.memory_bytes < 2 * cache, "{stat:?}");
}

#[test]
fn a_session_keeps_what_was_put_and_answered_until_it_ends() {
    let node = start(Config::default());
    let session = node.session();
    let blob = session.put_blob(vec![1; 1000]);
    let tree = session.put_tree(&[blob, Handle::of_u64(1)]);
    for _ in 0..4 {
        node.collect();
    }
    assert!(session.content(blob).unwrap().is_some());
    assert!(session.content(tree).unwrap().is_some());
    drop(session);
    for _ in 0..2 {
        node.collect();
    }
    assert_eq!(node.stat().objects, 0);
}

#[test]
fn collections_beside_evaluations_take_nothing_that_is_needed() {
    let node = start(Config { relation_cache_bytes: 1 << 20, ..Config::default() });
    let session = node.session();
    let (fib, add) = (crate::guests::fib(&session), add(&session));
    let count = count(&session);
    let collected = AtomicBool::new(false);
    std::thread::scope(|scope| {
        scope.spawn(|| {
            for _ in 0..300 {
                node.collect();
                std::thread::yield_now();
            }
            collected.store(true, Ordering::Relaxed);
        });
        for thread in 0..3_u64 {
            let (session, node) = (node.session(), &node);
            session.hold(fib);
            session.hold(add);
            let collected = &collected;
            scope.spawn(move || {
                let mut round = 0;
                while round < 10 || !collected.load(Ordering::Relaxed) {
                    round += 1;
                    let own = node.session();
                    let start = thread * 1_000_000 + round * 1000;
                    let chain = apply(&own, count, &[Handle::of_u64(500), Handle::of_u64(start)]);
                    assert_eq!(own.evaluate(chain).value(), Some(Handle::of_u64(start + 500)));
                    let twenty = apply(&own, fib, &[add, Handle::of_u64(20)]);
                    assert_eq!(own.evaluate(twenty).value(), Some(Handle::of_u64(6765)));
                }
            });
        }
    });
}

#[test]
fn what_two_sessions_put_stays_as_long_as_either() {
    let node = start(Config::default());
    let (one, other) = (node.session(), node.session());
    let blob = one.put_blob(vec![1; 1000]);
    assert_eq!(other.put_blob(vec![1; 1000]), blob);
    drop(one);
    for _ in 0..3 {
        node.collect();
    }
    assert!(other.content(blob).unwrap().is_some());
    assert_eq!(node.stat().objects, 1);
    drop(other);
    for _ in 0..2 {
        node.collect();
    }
    assert_eq!(node.stat().objects, 0);
}

#[test]
fn an_idle_worker_collects_for_who_makes_garbage() {
    let node = start(Config { relation_cache_bytes: 64 << 20, ..Config::default() });
    let add = add(&node.session());
    let keep = node.session();
    keep.hold(add);
    let watch = node.watch();
    let mut collected = false;
    // Far more than is kept: it ends when a collection has been seen.
    for round in 0..1_000_000 {
        let own = node.session();
        let sum = apply(&own, add, &[Handle::of_u64(round), Handle::of_u64(1)]);
        assert_eq!(own.evaluate(sum).value(), Some(Handle::of_u64(round + 1)));
        if round % 1000 == 0 {
            let is_one =
                |event: &weft_node::Event| matches!(event, weft_node::Event::Collected { .. });
            collected |= watch.drain().iter().any(is_one);
        }
        if collected {
            return;
        }
    }
    panic!("nothing was collected: {:?}", node.stat());
}
