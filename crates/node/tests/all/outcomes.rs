use std::collections::HashSet;

use weft_engine::{Engine, Interrupt, Objects, Run};
use weft_eval::reference::{Reference, World};
use weft_eval::{Application, FailureKind, NoAnswerKind, Outcome, Policy};
use weft_node::{Config, Node, Session};
use weft_object::{Blob, Handle, Tree};

use crate::guests::{add, apply, count, fib, module, node, ran, spin, start, strict};

fn number(outcome: &Outcome) -> Option<u64> {
    outcome.value()?.literal_u64()
}

#[test]
fn recursion_in_thunks_runs_each_application_once() {
    let node = node();
    let session = node.session();
    let watch = node.watch();
    let (fib, add) = (fib(&session), add(&session));
    let answer = session.evaluate(apply(&session, fib, &[add, Handle::of_u64(30)]));
    assert_eq!(number(&answer), Some(832_040));
    let ran = ran(&watch);
    // fib(30) .. fib(0), and an addition for each but the last two.
    assert_eq!(ran.len(), 31 + 29);
    assert_eq!(ran.iter().collect::<HashSet<_>>().len(), ran.len());
}

#[test]
fn every_way_to_run_comes_to_what_the_reference_does() {
    for direct_depth in [0, 1, 7, 256] {
        let policy = Policy { direct_depth, ..Policy::default() };
        let node = start(Config { policy, ..Config::default() });
        let session = node.session();
        let (fib, add, count) = (fib(&session), add(&session), count(&session));
        let two = session.put_tree(&[
            strict(&session, fib, &[add, Handle::of_u64(17)]),
            strict(&session, count, &[Handle::of_u64(1000), Handle::of_u64(5)]),
            apply(&session, fib, &[add, Handle::of_u64(9)]),
            strict(&session, add, &[Handle::of_u64(1)]),
        ]);
        let good = session.put_tree(&[
            strict(&session, fib, &[add, Handle::of_u64(12)]),
            apply(&session, fib, &[add, Handle::of_u64(9)]),
            strict(&session, fib, &[add, Handle::of_u64(14)]).thunk().unwrap().shallow().unwrap(),
        ]);
        for request in [two, good] {
            let watch = node.watch();
            let outcome = session.evaluate(request);
            let mut world = EngineWorld::new(&session);
            let mut reference = Reference::new(&mut world);
            assert_eq!(reference.request(request), outcome, "at depth {direct_depth}");
            if outcome.value().is_some() {
                let expected: HashSet<Handle> = reference.ran().iter().copied().collect();
                let known: HashSet<Handle> = ran(&watch).into_iter().collect();
                // What the failing request before it found out is not run again.
                assert!(known.is_subset(&expected));
                for tree in expected {
                    assert!(session.relation(tree).unwrap().is_some(), "{tree:?}");
                }
            }
        }
    }
}

/// The reference evaluator's world, with the engine for its functions.
struct EngineWorld<'a> {
    session: &'a Session,
    engine: Engine,
}

impl<'a> EngineWorld<'a> {
    fn new(session: &'a Session) -> Self {
        Self { session, engine: Engine::new(weft_engine::Config::default()).unwrap() }
    }
}

struct Everything<'a>(&'a Session);

impl Objects for Everything<'_> {
    fn blob(&self, handle: Handle) -> Option<Blob> {
        self.0.content(handle).unwrap()?.blob().cloned()
    }

    fn tree(&self, handle: Handle) -> Option<Tree> {
        self.0.content(handle).unwrap()?.tree().cloned()
    }
}

impl World for EngineWorld<'_> {
    fn tree(&mut self, object: Handle) -> Option<Tree> {
        Everything(self.session).tree(object)
    }

    fn blob(&mut self, object: Handle) -> Option<Blob> {
        Everything(self.session).blob(object)
    }

    fn put_tree(&mut self, entries: &[Handle]) -> Handle {
        self.session.put_tree(entries)
    }

    fn put_blob(&mut self, blob: Blob) -> Handle {
        self.session.put_blob(blob.bytes().to_vec())
    }

    fn run(&mut self, application: &Application) -> Outcome {
        let applied = self.engine.apply(Run {
            application: application.handle,
            entries: &application.tree,
            memory_limit_bytes: application.memory_limit_bytes,
            fuel: application.hints.fuel,
            objects: &Everything(self.session),
            interrupt: &Interrupt::new(),
        });
        for (_, content) in &applied.made {
            if let Some(tree) = content.tree() {
                let _ = self.session.put_tree(tree.entries());
            }
        }
        match applied.outcome {
            weft_engine::Outcome::Value(value) => Outcome::Value(value),
            weft_engine::Outcome::Failure(failure) => {
                assert_eq!(failure.kind, weft_engine::FailureKind::Trap);
                let thunk = application.handle.application().unwrap();
                Outcome::failure(FailureKind::Trap, failure.detail, thunk)
            }
            other => panic!("{other:?}"),
        }
    }
}

#[test]
fn nested_calls_far_deeper_than_any_stack() {
    let node = node();
    let session = node.session();
    let add = add(&session);
    let mut nested = Handle::of_u64(0);
    for _ in 0..20_000 {
        nested = strict(&session, add, &[nested, Handle::of_u64(1)]);
    }
    assert_eq!(number(&session.evaluate(nested)), Some(20_000));
}

#[test]
fn a_failure_is_the_same_when_asked_again_and_does_not_run_again() {
    let node = node();
    let session = node.session();
    let bad = module(
        &session,
        r#"(data (i32.const 0) "no such thing")
           (func $inner (call $log (i32.const 0) (i32.const 2)) (call $fail (i32.const 0) (i32.const 13)))
           (func (export "weft_apply") (param i32) (result i32) (call $inner) (unreachable))"#,
    );
    let add = add(&session);
    let inner = strict(&session, bad, &[]);
    let outer = apply(&session, add, &[inner, Handle::of_u64(1)]);
    let first = session.evaluate(outer);
    let Outcome::Failure(failure) = &first else { panic!("{first:?}") };
    assert_eq!((failure.kind, &*failure.detail), (FailureKind::Failed, "no such thing"));
    assert_eq!(Some(failure.application), inner.thunk());
    let before = node.stat().applied;
    assert_eq!(session.evaluate(outer), first);
    assert_eq!(node.stat().applied, before);
    // Asked for itself, it is known at once, and told of once.
    let hits = node.stat().hits;
    assert_eq!(session.evaluate(failure.application), first);
    assert_eq!(node.stat().hits, hits + 1);

    let chain = session.failure_chain(outer);
    assert_eq!(chain.first(), outer.strict().as_ref());
    assert_eq!(chain.last(), Some(&failure.application));

    let relation = session.relation(failure.application.definition().unwrap()).unwrap().unwrap();
    let notes = session.content(relation.notes.unwrap()).unwrap().unwrap();
    let notes = String::from_utf8(notes.blob().unwrap().bytes().to_vec()).unwrap();
    assert!(notes.contains("log:\nno\n"), "{notes}");
}

#[test]
fn no_answer_is_not_remembered() {
    let node = node();
    let session = node.session();
    let spin = spin(&session);
    let limits = |fuel| {
        let empty = Handle::of_blob(b"");
        session.put_tree(&[empty, empty, empty, empty, Handle::of_u64(fuel)])
    };
    let with_fuel = |fuel| {
        let entries = [limits(fuel), spin, Handle::of_u64(100_000)];
        session.put_tree(&entries).application().unwrap()
    };
    let starved = session.evaluate(with_fuel(1000));
    let Outcome::NoAnswer(no_answer) = starved else { panic!("{starved:?}") };
    assert_eq!(no_answer.kind, NoAnswerKind::OutOfFuel);
    assert_eq!(number(&session.evaluate(with_fuel(10_000_000))), Some(100_000));
    // Now it is known, whatever fuel the next one brings.
    assert_eq!(number(&session.evaluate(with_fuel(1000))), Some(100_000));
}

#[test]
fn what_exceeds_the_machine_is_answered_at_once() {
    let node = start(Config { memory_bytes: 1 << 30, ..Config::default() });
    let session = node.session();
    let add = add(&session);
    let entries = [Handle::of_u64(1 << 40), add, Handle::of_u64(1), Handle::of_u64(2)];
    let outcome = session.evaluate(session.put_tree(&entries).application().unwrap());
    let Outcome::NoAnswer(no_answer) = outcome else { panic!("{outcome:?}") };
    assert_eq!(no_answer.kind, NoAnswerKind::TooLarge);
}

#[test]
fn what_nobody_has_is_lost_and_said_so() {
    let node = node();
    let session = node.session();
    let add = add(&session);
    let absent = Handle::of_blob(&[7; 100]);
    let outcome = session.evaluate(apply(&session, add, &[absent, Handle::of_u64(1)]));
    let Outcome::NoAnswer(no_answer) = outcome else { panic!("{outcome:?}") };
    assert_eq!(no_answer.kind, NoAnswerKind::Lost);
    assert!(no_answer.detail.contains(&absent.to_string()), "{}", no_answer.detail);
    // It is not held against the computation.
    let _ = session.put_blob(vec![7; 100]);
    let outcome = session.evaluate(apply(&session, add, &[absent, Handle::of_u64(1)]));
    assert!(matches!(outcome, Outcome::Failure(_)), "{outcome:?}");
}

#[test]
fn what_needs_itself_fails_as_a_cycle_also_beside_a_long_run() {
    let node = node();
    let session = node.session();
    // Returns [strict of this very application].
    let itself = module(
        &session,
        r#"(func (export "weft_apply") (param $in i32) (result i32)
             (i32.store (i32.const 0) (call $strict (call $apply (local.get $in))))
             (call $tree (i32.const 0) (i32.const 1)))"#,
    );
    let long = session.submit(apply(&session, spin(&session), &[Handle::of_u64(1 << 40)]));
    let thunk = apply(&session, itself, &[]);
    let outcome = session.submit(thunk).wait();
    let Outcome::Failure(failure) = &outcome else { panic!("{outcome:?}") };
    assert_eq!((failure.kind, failure.application), (FailureKind::Cycle, thunk));
    assert!(long.poll().is_none());
}

#[test]
fn a_computation_that_never_ends_growing_is_exhausted_not_the_machine() {
    let node = start(Config { memory_bytes: 64 << 20, ..Config::default() });
    let session = node.session();
    // [limits, deeper, n] -> [strict of the same with n + 1]
    let deeper = module(
        &session,
        r#"(func (export "weft_apply") (param $in i32) (result i32)
             (i32.store (i32.const 0) (call $get (local.get $in) (i64.const 0)))
             (i32.store (i32.const 4) (call $get (local.get $in) (i64.const 1)))
             (i32.store (i32.const 8) (call $blob
               (i64.add (call $arg (local.get $in) (i64.const 2)) (i64.const 1))))
             (i32.store (i32.const 0) (call $strict (call $apply (call $tree (i32.const 0) (i32.const 3)))))
             (call $tree (i32.const 0) (i32.const 1)))"#,
    );
    let limit = Handle::of_u64(1 << 20);
    let entries = [limit, deeper, Handle::of_u64(0)];
    let outcome = session.evaluate(session.put_tree(&entries).application().unwrap());
    let Outcome::NoAnswer(no_answer) = outcome else { panic!("{outcome:?}") };
    assert_eq!(no_answer.kind, NoAnswerKind::Exhausted);
    assert_eq!(node.stat().waiting, 0);
    // The node is as good as before.
    let sum = [limit, add(&session), Handle::of_u64(1), Handle::of_u64(2)];
    let sum = session.evaluate(session.put_tree(&sum).application().unwrap());
    assert_eq!(number(&sum), Some(3));
}

#[test]
fn a_thread_with_a_small_stack_can_ask() {
    let node = node();
    let session = node.session();
    let deep = module(
        &session,
        r#"(func $down (param $n i64) (result i64)
             (if (i64.eqz (local.get $n)) (then (return (i64.const 0))))
             (i64.add (i64.const 1) (call $down (i64.sub (local.get $n) (i64.const 1)))))
           (func (export "weft_apply") (param $in i32) (result i32)
             (call $blob (call $down (call $arg (local.get $in) (i64.const 2)))))"#,
    );
    for stack_bytes in [128 << 10, 512 << 10, 2 << 20] {
        let thread = std::thread::Builder::new().stack_size(stack_bytes);
        let (session, request) = (&session, apply(&session, deep, &[Handle::of_u64(4000)]));
        let endless = apply(session, deep, &[Handle::of_u64(stack_bytes as u64 * 1000)]);
        std::thread::scope(|scope| {
            let asker = thread.spawn_scoped(scope, move || {
                assert_eq!(number(&session.evaluate(request)), Some(4000));
                let outcome = session.evaluate(endless);
                let Outcome::NoAnswer(no_answer) = outcome else { panic!("{outcome:?}") };
                assert_eq!(no_answer.kind, NoAnswerKind::Exhausted);
            });
            asker.unwrap().join().unwrap();
        });
    }
}

fn _is_send_and_sync(node: &Node, session: &Session) {
    fn check<T: Send + Sync>(_: &T) {}
    check(node);
    check(session);
}
