//! What ends a run without an answer, and that nothing else does.

use std::sync::Arc;
use std::thread;
use std::time::Duration;

use weft_engine::NoAnswerKind::{
    Fuel, HandleTable, Interrupted, MadeBytes, Missing, NativeStack, Unsupported,
};
use weft_engine::{Interrupt, Outcome};
use weft_object::Handle;

use crate::harness::{Case, ENGINE, every_way, value};

const ENDLESS: &str = "(loop $l (br $l)) (i32.const 0)";

#[test]
fn fuel_runs_out_where_it_is_counted() {
    let case = Case::body(ENDLESS).fuel(10_000);
    let applied = case.apply();
    assert!(matches!(applied.outcome, Outcome::NoAnswer { kind: Fuel, .. }), "{applied:?}");
    assert_eq!(applied.fuel_used, Some(10_000));

    let applied = Case::body("(i32.const 0)").fuel(10_000).apply();
    value(&applied);
    assert!(applied.fuel_used.is_some_and(|used| used < 100), "{applied:?}");
    assert_eq!(Case::body("(i32.const 0)").apply().fuel_used, None);
}

/// Interrupts a case once it runs, or a little before.
fn interrupted(case: Case) {
    let interrupt = case.interrupt.clone();
    let (done, wait) = std::sync::mpsc::channel();
    let run = thread::spawn(move || {
        let kind = case.no_answer();
        done.send(()).unwrap();
        kind
    });
    // It does not end by itself.
    assert!(wait.recv_timeout(Duration::from_millis(50)).is_err());
    interrupt.interrupt();
    assert_eq!(run.join().unwrap(), Interrupted);
}

#[test]
fn a_loop_is_interrupted_from_another_thread() {
    for case in every_way(Case::body(ENDLESS)) {
        interrupted(case);
    }
}

#[test]
fn a_recursion_of_tail_calls_is_interrupted() {
    interrupted(Case::module(
        "(func $f (export \"weft_apply\") (param i32) (result i32)
           (return_call $f (local.get 0)))",
    ));
}

#[test]
fn a_start_function_is_interrupted() {
    interrupted(Case::module(
        "(func $start (loop $l (br $l))) (start $start)
         (func (export \"weft_apply\") (param i32) (result i32) (local.get 0))",
    ));
}

#[test]
fn an_interrupt_ends_its_own_runs_only() {
    // Counts to a number that takes a while and returns it.
    let count = "(loop $l (br_if $l (i64.lt_u
           (local.tee $n (i64.add (local.get $n) (i64.const 1))) (i64.const 100000000))))
         (call $u64_blob (local.get $n))";
    let other = thread::spawn(move || Case::body(count).number());
    for _ in 0..20 {
        Interrupt::new().interrupt();
        thread::sleep(Duration::from_millis(1));
    }
    assert_eq!(other.join().unwrap(), 100_000_000);
}

#[test]
fn an_interrupt_before_the_run_counts() {
    let case = Case::body("(i32.const 0)");
    case.interrupt.interrupt();
    assert_eq!(case.no_answer(), Interrupted);
}

/// Recurses to a depth with a frame that cannot be optimised away.
fn recursion(depth: u32) -> Case {
    Case::module(&format!(
        "(func $f (param $d i32) (result i64)
           (if (result i64) (i32.eqz (local.get $d))
             (then (i64.const 1))
             (else (i64.add (i64.const 1)
               (call $f (i32.sub (local.get $d) (i32.const 1)))))))
         (func (export \"weft_apply\") (param i32) (result i32)
           (call $u64_blob (call $f (i32.const {depth}))))"
    ))
}

#[test]
fn recursion_has_a_value_or_no_answer_in_every_way() {
    for case in every_way(recursion(1000)) {
        assert_eq!(case.number(), 1001);
    }
    for case in every_way(recursion(10_000_000)) {
        assert_eq!(case.no_answer(), NativeStack);
    }
    // Near the limit the ways may differ in whether they answer, not in what.
    for depth in [5_000, 10_000, 20_000, 40_000, 80_000] {
        for case in every_way(recursion(depth)) {
            match case.apply().outcome {
                Outcome::Value(value) => assert_eq!(value, Handle::of_u64(u64::from(depth) + 1)),
                Outcome::NoAnswer { kind: NativeStack, .. } => {}
                other => panic!("{other:?}"),
            }
        }
    }
}

#[test]
fn a_full_stack_leaves_the_thread_as_it_was() {
    for _ in 0..50 {
        assert_eq!(recursion(10_000_000).no_answer(), NativeStack);
        assert_eq!(recursion(10).number(), 11);
    }
}

#[test]
fn calls_to_the_host_at_the_end_of_the_stack_are_safe() {
    let case = Case::module(
        "(func $f (param $d i32) (result i32)
           (drop (call $tree_get (i32.const 0) (i64.const 1)))
           (i32.add (call $f (local.get $d)) (i32.const 1)))
         (func (export \"weft_apply\") (param i32) (result i32) (call $f (i32.const 0)))",
    );
    for case in every_way(case) {
        let kind = case.no_answer();
        assert!(matches!(kind, NativeStack | HandleTable), "{kind:?}");
    }
}

#[test]
fn making_handles_without_end_fills_the_table() {
    for make in [
        "(drop (call $u64_blob (i64.const 1)))",
        "(drop (call $arg (i64.const 1)))",
        "(drop (call $identification (i32.const 0)))",
        "(drop (call $tree_read (i32.const 0) (i64.const 0) (i32.const 0) (i32.const 2)))",
    ] {
        let case = Case::body(&format!("(loop $l {make} (br $l)) (i32.const 0)"));
        assert_eq!(case.no_answer(), HandleTable, "{make}");
    }
}

#[test]
fn making_content_without_end_is_bounded() {
    for make in [
        "(drop (call $blob_new (i32.const 0) (i32.const 60000)))",
        "(drop (call $selection (i32.const 0) (i64.const 1)))",
        "(drop (call $selection_path (i32.const 0) (i32.const 0) (i32.const 60000)))",
        "(drop (call $tag (i32.const 0) (i32.const 0)))",
    ] {
        let case = Case::body(&format!("(loop $l {make} (br $l)) (i32.const 0)"));
        assert_eq!(case.no_answer(), MadeBytes, "{make}");
    }
}

#[test]
fn content_that_is_not_there_is_no_answer() {
    let elsewhere = Handle::of_blob(&[1; 1000]);
    let read = "(call $blob_read (call $arg (i64.const 2)) (i64.const 0) (i32.const 0)
         (i32.const 8))";
    assert_eq!(Case::body(read).argument(elsewhere).no_answer(), Missing);
    let tree = Handle::of_tree(&[elsewhere]);
    let get = "(call $tree_get (call $arg (i64.const 2)) (i64.const 0))";
    assert_eq!(Case::body(get).argument(tree).no_answer(), Missing);
    let mut absent = Case::body(get);
    absent.module = elsewhere;
    assert_eq!(absent.no_answer(), Missing);
}

#[test]
fn an_unknown_builtin_is_no_answer() {
    for name in [&b"wasi/9"[..], b"", b"\0asn"] {
        let mut case = Case::body("(i32.const 0)");
        case.module = Handle::of_blob(name);
        assert_eq!(case.no_answer(), Unsupported);
    }
}

#[test]
fn threads_with_the_least_stack_suffice() {
    let run = || {
        assert_eq!(recursion(10_000_000).no_answer(), NativeStack);
        assert_eq!(recursion(1000).number(), 1001);
    };
    let stack = weft_engine::THREAD_STACK_MIN_BYTES;
    thread::Builder::new().stack_size(stack).spawn(run).unwrap().join().unwrap();
}

#[test]
fn more_runs_at_a_time_than_the_pool_has_places() {
    let engine = Arc::new(
        weft_engine::Engine::new(weft_engine::Config { instances: 1, ..crate::harness::config() })
            .unwrap(),
    );
    let count = "(loop $l (br_if $l (i64.lt_u
           (local.tee $n (i64.add (local.get $n) (i64.const 1))) (i64.const 1000000))))
         (i64.store (i32.const 0) (local.get $n))
         (call $u64_blob (i64.load (i32.const 0)))";
    let runs: Vec<_> = (0..8)
        .map(|_| {
            let engine = Arc::clone(&engine);
            thread::spawn(move || Case::body(count).on(&engine).number())
        })
        .collect();
    for run in runs {
        assert_eq!(run.join().unwrap(), 1_000_000);
    }
    assert!(ENGINE.pool_refused().is_none());
}
