//! What ends a run without an answer, and that nothing else does.

use std::sync::Arc;
use std::thread;
use std::time::Duration;

use weft_engine::NoAnswerKind::{
    Fuel, HandleTable, Interrupted, MadeBytes, Missing, NativeStack, Unsupported,
};
use weft_engine::{Config, Engine, FailureKind, Interrupt, Objects, Outcome, Run, RunBounds};
use weft_object::{Blob, Handle, Tree};

use crate::harness::{Case, ENGINE, Memory, config, every_way, value};

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

/// Each function calls the next one twice: no loop, and no end in this century.
#[test]
fn a_row_of_calls_that_doubles_is_interrupted() {
    let row: String = (0..60)
        .map(|at| format!("(func $f{at} (call $f{next}) (call $f{next}))", next = at + 1))
        .collect();
    interrupted(Case::module(&format!(
        "{row} (func $f60)
         (func (export \"weft_apply\") (param i32) (result i32) (call $f0) (local.get 0))"
    )));
}

#[test]
fn a_recursion_through_a_table_is_interrupted() {
    interrupted(Case::module(
        "(type $t (func)) (table 1 funcref) (elem (i32.const 0) $f)
         (func $f (return_call_indirect (type $t) (i32.const 0)))
         (func (export \"weft_apply\") (param i32) (result i32) (call $f) (local.get 0))",
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

/// An engine whose runs may hold this much beside their memories.
fn holding(made_max_bytes: u64) -> Arc<Engine> {
    let bounds = RunBounds { made_max_bytes, ..RunBounds::default() };
    Arc::new(Engine::new(Config { bounds, instances: 1, ..config() }).unwrap())
}

#[test]
fn what_a_run_holds_is_counted_before_it_is_allocated() {
    // 64 Mi times handle 0, which would be 2 GiB; and 1 GiB of zeros.
    for make in [
        "(call $tree_new (i32.const 0) (i32.const 0x4000000))",
        "(call $blob_new (i32.const 0) (i32.const 0x40000000))",
        "(call $selection_path (i32.const 0) (i32.const 0) (i32.const 0x40000000))",
    ] {
        let case = Case::body(&format!("(drop (memory.grow (i32.const 16383))) {make}"));
        assert_eq!(case.limit(1 << 30).no_answer(), MadeBytes, "{make}");
    }
}

#[test]
fn a_run_that_may_hold_nothing_still_has_a_value() {
    let engine = holding(0);
    let case = Case::body("(i32.const 0)").on(&engine);
    assert_eq!(case.value(), case.entries().handle());
    for make in [
        "(call $u64_blob (i64.const 1))",
        "(call $arg (i64.const 1))",
        "(call $blob_new (i32.const 0) (i32.const 100))",
        "(call $tree_new (i32.const 0) (i32.const 0))",
        "(call $identification (i32.const 0))",
        "(call $selection (i32.const 0) (i64.const 0))",
        "(call $tag (i32.const 0) (i32.const 0))",
    ] {
        assert_eq!(Case::body(make).on(&engine).no_answer(), MadeBytes, "{make}");
    }
}

#[test]
fn the_bound_is_met_exactly() {
    // A Blob of 100 bytes (+ 256), its handle and two more handles (64 each).
    let body = "(drop (call $u64_blob (i64.const 1))) (drop (call $u64_blob (i64.const 1)))
        (call $blob_new (i32.const 0) (i32.const 100))";
    let needed = 100 + 256 + 3 * 64;
    Case::body(body).on(&holding(needed)).value();
    assert_eq!(Case::body(body).on(&holding(needed - 1)).no_answer(), MadeBytes);
}

#[test]
fn handles_and_what_is_read_count_too() {
    let read = "(drop (call $arg (i64.const 2)))
        (drop (call $blob_u64 (call $arg (i64.const 2)))) (i32.const 0)";
    let small = |engine: Arc<Engine>| Case::body(read).argument(Handle::of_u64(1)).on(&engine);
    small(holding(128)).value();
    assert_eq!(small(holding(127)).no_answer(), MadeBytes);
    let get = "(drop (call $tree_get (call $arg (i64.const 2)) (i64.const 0))) (i32.const 0)";
    let tree = |engine: Arc<Engine>| {
        let case = Case::body(get).on(&engine);
        let tree = case.memory.put_tree(&[Handle::of_u64(1)]);
        case.argument(tree)
    };
    tree(holding(3 * 64)).value();
    assert_eq!(tree(holding(3 * 64 - 1)).no_answer(), MadeBytes);
}

/// A footprint that interrupts the run when a Tree is read.
struct Interrupting<'a>(&'a Memory, &'a Interrupt);

impl Objects for Interrupting<'_> {
    fn blob(&self, handle: Handle) -> Option<Blob> {
        self.0.blob(handle)
    }

    fn tree(&self, handle: Handle) -> Option<Tree> {
        self.1.interrupt();
        self.0.tree(handle)
    }
}

#[test]
fn long_calls_look_at_the_flag() {
    let engine = holding(1 << 30);
    // Between the read that sets the flag and `fail` stands one call, and no
    // function entry or loop at which compiled code would look.
    let ends = |call: &str| {
        let case = Case::body(&format!(
            "(drop (memory.grow (i32.const 255)))
             (local.set $r (call $arg (i64.const 2)))
             (local.set $s (call $arg (i64.const 3)))
             (drop (call $tree_get (local.get $r) (i64.const 0)))
             (drop {call}) (call $fail (i32.const 0) (i32.const 0)) (i32.const 0)"
        ));
        let tree = case.memory.put_tree(&vec![Handle::of_u64(1); 1 << 17]);
        let blob = case.memory.put_blob(&[7; 9 << 20]);
        let case = case.argument(tree).argument(blob).limit(64 << 20);
        let entries = case.entries();
        let applied = engine.apply(Run {
            application: entries.handle(),
            entries: &entries,
            memory_limit_bytes: case.limit_bytes,
            fuel: None,
            objects: &Interrupting(&case.memory, &case.interrupt),
            interrupt: &case.interrupt,
        });
        match applied.outcome {
            Outcome::NoAnswer { kind, .. } => Some(kind),
            Outcome::Failure(failure) if failure.kind == FailureKind::Failed => None,
            other => panic!("{other:?}"),
        }
    };
    for (call, long, short) in [
        ("(call $blob_new (i32.const 0)", 9 << 20, 1000),
        ("(call $tree_new (i32.const 0)", 1 << 18, 1000),
        ("(call $blob_read (local.get $s) (i64.const 0) (i32.const 0)", 9 << 20, 1000),
        ("(call $blob_window (local.get $s) (i64.const 0)", 9 << 20, 1000),
        ("(call $tree_read (local.get $r) (i64.const 0) (i32.const 0)", 1 << 17, 1000),
    ] {
        assert_eq!(ends(&format!("{call} (i32.const {long}))")), Some(Interrupted), "{call}");
        assert_eq!(ends(&format!("{call} (i32.const {short}))")), None, "{call}");
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
    for name in ["wasi/9", "image/2", "mpi2/10"] {
        let mut case = Case::body("(i32.const 0)");
        case.module = Handle::of_blob(name.as_bytes());
        assert_eq!(case.no_answer(), Unsupported, "{name}");
    }
}

/// Nor will any version ever know it.
#[test]
fn what_cannot_name_a_builtin_is_a_bad_module() {
    for name in ["", "\0asn", "./add.wasm", "add", "a/b", "/1", "a/", "a/1/2", "Wasi/1"] {
        let mut case = Case::body("(i32.const 0)");
        case.module = Handle::of_blob(name.as_bytes());
        assert_eq!(case.failure().0, weft_engine::FailureKind::BadModule, "{name}");
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
