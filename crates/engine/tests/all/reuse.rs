//! Instances that are used again: each thing that a run may leave behind, and
//! whether the next run finds it. The engine of the tests compares all of an
//! instance with a new one whenever it is put back, so a test that only runs
//! something says that nothing was left behind.

use proptest::prelude::*;
use weft_engine::{Config, Engine, Interrupt, NoAnswerKind, Outcome, Reuse};
use weft_object::Handle;

use crate::harness::{Case, REUSING, config, every_way};

const PAGE: u64 = 1 << 16;

/// Runs a body of a function that gives a number, three times on one thread, and
/// expects the same of each.
fn same_each_time(rest: &str, body: &str) -> u64 {
    let case = reused(&module(rest, body)).limit(16 * PAGE);
    let numbers: Vec<_> = (0..3).map(|_| case.number()).collect();
    assert!(numbers.iter().all(|number| *number == numbers[0]), "{numbers:?} of {body}");
    numbers[0]
}

fn reused(module: &str) -> Case {
    Case::module(module).on(&REUSING)
}

fn module(rest: &str, body: &str) -> String {
    format!(
        "(memory (export \"memory\") 2 8)
         {rest}
         (func (export \"weft_apply\") (param $app i32) (result i32)
           (local $n i64) (local $i i32)
           {body}
           (call $u64_blob (local.get $n)))"
    )
}

#[test]
fn a_store_across_the_border_of_a_card_is_put_back_on_both_sides() {
    for (at, store, load) in [
        (4095, "i32.store16 {at} (i32.const -1)", "i64.load16_u"),
        (4093, "i32.store {at} (i32.const -1)", "i64.load32_u"),
        (4089, "i64.store {at} (i64.const -1)", "i64.load"),
        (4089, "f64.store {at} (f64.const 1.5)", "i64.load"),
        (4094, "f32.store {at} (f32.const 1.5)", "i64.load32_u"),
    ] {
        let place = format!("(i32.const {at})");
        let store = store.replace("{at}", &place);
        let body = format!("(local.set $n ({load} {place})) ({store})");
        assert_eq!(same_each_time("", &body), 0, "{store}");
    }
    let vector = "(local.set $n (i64.load (i32.const 4096)))
         (v128.store (i32.const 4081) (v128.const i64x2 -1 -1))
         (v128.store64_lane 1 (i32.const 8190) (v128.const i64x2 -1 -1))";
    assert_eq!(same_each_time("", vector), 0);
}

#[test]
fn the_offset_of_a_store_counts() {
    let body = "(local.set $n (i64.load offset=70000 (i32.const 4)))
         (i64.store offset=70000 (i32.const 4) (i64.const 9))
         (i64.store8 offset=4095 (i32.const 1) (i64.const 9))";
    assert_eq!(same_each_time("", body), 0);
}

#[test]
fn what_memory_began_with_comes_back_and_not_only_zeros() {
    let data = "(data (i32.const 4090) \"abcdefghijkl\") (data (i32.const 4092) \"XY\")
         (data (i32.const 9000) \"z\")";
    let body = "(local.set $n (i64.load (i32.const 4090)))
         (i64.store (i32.const 4090) (i64.const 0))
         (i64.store (i32.const 4098) (i64.const 0))
         (i32.store8 (i32.const 9000) (i32.const 0))
         (i32.store8 (i32.const 0) (i32.const 1))";
    assert_eq!(same_each_time(data, body), u64::from_le_bytes(*b"abXYefgh"));
}

#[test]
fn bulk_operations_are_put_back_overlapping_empty_and_at_the_end() {
    let data = "(data $passive \"0123456789\") (data (i32.const 100) \"abcdef\")";
    let body = "(local.set $n (i64.add (i64.load (i32.const 102)) (i64.load (i32.const 20000))))
         (memory.copy (i32.const 102) (i32.const 100) (i32.const 5000))
         (memory.copy (i32.const 100) (i32.const 4000) (i32.const 5000))
         (memory.fill (i32.const 19990) (i32.const 7) (i32.const 20))
         (memory.init $passive (i32.const 8188) (i32.const 1) (i32.const 9))
         (memory.fill (i32.const 131072) (i32.const 1) (i32.const 0))
         (memory.copy (i32.const 131072) (i32.const 0) (i32.const 0))
         (memory.fill (i32.const 131071) (i32.const 1) (i32.const 1))";
    same_each_time(data, body);
    let outside = "(memory.fill (i32.const 131071) (i32.const 1) (i32.const 2))";
    let case = reused(&module("", outside)).limit(16 * PAGE);
    assert_eq!(case.failure(), case.failure());
}

#[test]
fn globals_come_back_with_what_they_began() {
    let globals = "(global $a (mut i32) (i32.const -3))
         (global $b (mut i64) (i64.add (i64.const 5) (i64.const 6)))
         (global $c (mut f64) (f64.const nan:0x8000000000001))
         (global $d (mut v128) (v128.const i64x2 1 2))
         (global $f (mut funcref) (ref.func $arg))
         (global $n (mut funcref) (ref.null func))
         (elem declare func $num)";
    let body = "(local.set $n (i64.add (global.get $b)
             (i64.extend_i32_u (i32.add (global.get $a) (ref.is_null (global.get $n))))))
         (global.set $a (i32.const 100)) (global.set $b (i64.const 100))
         (global.set $c (f64.const 0)) (global.set $d (v128.const i64x2 0 0))
         (global.set $f (ref.null func)) (global.set $n (ref.func $num))";
    assert_eq!(same_each_time(globals, body), 11 + u64::from(u32::MAX - 1));
}

#[test]
fn memory_that_grew_is_small_again() {
    let body = "(local.set $n (i64.extend_i32_u (memory.size)))
         (drop (memory.grow (i32.const 3)))
         (i32.store (i32.const 200000) (i32.const 1))";
    assert_eq!(same_each_time("", body), 2);
    let by_nothing = "(local.set $n (i64.extend_i32_u (memory.grow (i32.const 0))))";
    assert_eq!(same_each_time("", by_nothing), 2);
    let refused = "(local.set $n (i64.extend_i32_u (memory.grow (i32.const 7))))";
    assert_eq!(same_each_time("", refused), u64::from(u32::MAX));
}

#[test]
fn tables_that_were_written_are_as_before() {
    let table = "(table $t 4 8 funcref) (elem (i32.const 0) func $arg $num)
         (elem $passive func $num $arg)";
    for change in [
        "(table.set $t (i32.const 3) (ref.func $arg))",
        "(table.fill $t (i32.const 2) (ref.func $arg) (i32.const 2))",
        "(table.copy $t $t (i32.const 2) (i32.const 0) (i32.const 2))",
        "(table.init $t $passive (i32.const 2) (i32.const 0) (i32.const 2))",
        "(drop (table.grow $t (ref.null func) (i32.const 2)))",
    ] {
        let body = format!(
            "(local.set $n (i64.extend_i32_u (i32.add (table.size $t)
                 (ref.is_null (table.get $t (i32.const 3))))))
             {change}"
        );
        assert_eq!(same_each_time(table, &body), 5, "{change}");
    }
}

#[test]
fn segments_that_were_dropped_are_there_again() {
    let segments = "(data $d \"abc\") (elem $e func $arg) (table $t 1 funcref)";
    let data = "(memory.init $d (i32.const 8) (i32.const 0) (i32.const 3)) (data.drop $d)
         (local.set $n (i64.load (i32.const 8)))";
    assert_eq!(same_each_time(segments, data), u64::from_le_bytes(*b"abc\0\0\0\0\0"));
    let elements = "(table.init $t $e (i32.const 0) (i32.const 0) (i32.const 1)) (elem.drop $e)
         (local.set $n (i64.const 1))";
    assert_eq!(same_each_time(segments, elements), 1);
}

#[test]
fn a_start_function_has_run_before_each_run_and_once() {
    let start = "(global $g (mut i32) (i32.const 1))
         (func $start (global.set $g (i32.add (global.get $g) (i32.const 1)))
           (i32.store (i32.const 16) (i32.const 5)))
         (start $start)";
    let body = "(local.set $n (i64.extend_i32_u
             (i32.add (global.get $g) (i32.load (i32.const 16)))))
         (global.set $g (i32.const 50)) (i32.store (i32.const 16) (i32.const 60))";
    assert_eq!(same_each_time(start, body), 7);
}

#[test]
fn a_start_function_without_end_can_be_interrupted() {
    for case in every_way(Case::module(&module("(func $start (loop (br 0))) (start $start)", ""))) {
        let interrupt = case.interrupt.clone();
        let ended = std::thread::scope(|scope| {
            let run = scope.spawn(|| case.apply().outcome);
            std::thread::sleep(std::time::Duration::from_millis(50));
            interrupt.interrupt();
            run.join().unwrap()
        });
        let ended = matches!(ended, Outcome::NoAnswer { kind: NoAnswerKind::Interrupted, .. });
        assert!(ended || case.fuel.is_some());
    }
}

#[test]
fn what_the_host_writes_is_put_back() {
    let blob = [7u8; 9000];
    let body = "(local.set $n (i64.load (i32.const 4090)))
         (drop (call $blob_read (call $arg (i64.const 2)) (i64.const 0) (i32.const 4090)
           (i32.const 9000)))
         (drop (call $tree_read (i32.const 0) (i64.const 0) (i32.const 65532) (i32.const 3)))
         (drop (call $blob_read (call $arg (i64.const 2)) (i64.const 9000) (i32.const 131072)
           (i32.const 0)))";
    let case = reused(&module("", body)).limit(16 * PAGE);
    let blob = case.memory.put_blob(&blob);
    let case = case.argument(blob);
    assert_eq!([case.number(), case.number(), case.number()], [0, 0, 0]);
}

#[test]
fn after_a_trap_or_a_failure_in_the_middle_all_is_new() {
    let begin = "(local.set $n (i64.load (i32.const 16)))
         (i64.store (i32.const 16) (i64.const 3))
         (i64.store (i32.const 70000) (i64.const 3))";
    for (end, trapping) in [
        (
            "(if (i64.eq (call $blob_u64 (call $arg (i64.const 2))) (i64.const 1))
            (then (unreachable)))",
            1,
        ),
        (
            "(if (i64.eq (call $blob_u64 (call $arg (i64.const 2))) (i64.const 1))
            (then (call $fail (i32.const 0) (i32.const 4))))",
            1,
        ),
        (
            "(if (i64.eq (call $blob_u64 (call $arg (i64.const 2))) (i64.const 1))
            (then (i32.store (i32.const 131072) (i32.const 0))))",
            1,
        ),
    ] {
        let mut case = reused(&module("", &format!("{begin} {end}"))).limit(16 * PAGE);
        case.arguments = vec![Handle::of_u64(0)];
        assert_eq!(case.number(), 0);
        case.arguments = vec![Handle::of_u64(trapping)];
        let _ = case.failure();
        case.arguments = vec![Handle::of_u64(0)];
        assert_eq!([case.number(), case.number()], [0, 0], "{end}");
    }
}

#[test]
fn after_an_interruption_in_the_middle_all_is_new() {
    let body = "(local.set $n (i64.load (i32.const 16)))
         (i64.store (i32.const 16) (i64.const 3))
         (local.set $i (i32.wrap_i64 (call $blob_u64 (call $arg (i64.const 2)))))
         (loop $l (br_if $l (local.get $i)))";
    let mut case = reused(&module("", body)).limit(16 * PAGE);
    case.arguments = vec![Handle::of_u64(0)];
    assert_eq!([case.number(), case.number()], [0, 0]);
    for _ in 0..5 {
        case.interrupt = Interrupt::new();
        case.arguments = vec![Handle::of_u64(1)];
        let interrupt = case.interrupt.clone();
        // On this thread, which has kept an instance.
        let ended = std::thread::scope(|scope| {
            scope.spawn(move || {
                std::thread::sleep(std::time::Duration::from_millis(20));
                interrupt.interrupt();
            });
            case.no_answer()
        });
        assert_eq!(ended, NoAnswerKind::Interrupted);
        case.interrupt = Interrupt::new();
        case.arguments = vec![Handle::of_u64(0)];
        assert_eq!([case.number(), case.number()], [0, 0]);
    }
}

#[test]
fn a_smaller_limit_on_reuse_is_the_limit() {
    let body = "(local.set $n (i64.extend_i32_u (memory.grow (i32.const 2))))";
    let mut case = reused(&module("", body));
    for (pages, grown) in [(8, 2), (3, u64::from(u32::MAX)), (4, 2), (2, u64::from(u32::MAX))] {
        case.limit_bytes = pages * PAGE;
        assert_eq!(case.number(), grown, "of {pages} pages");
    }
    let still = reused(&module("", "(local.set $n (i64.extend_i32_u (memory.size)))"));
    let mut still = still.limit(2 * PAGE);
    assert_eq!([still.number(), still.number()], [2, 2]);
    still.limit_bytes = 2 * PAGE - 1;
    assert_eq!(still.failure().0.words(), "memory limit");
}

#[test]
fn threads_and_engines_have_instances_of_their_own() {
    let body = "(local.set $n (i64.load (i32.const 16)))
         (i64.store (i32.const 16) (i64.const 3))";
    let case = reused(&module("", body)).limit(16 * PAGE);
    std::thread::scope(|scope| {
        for _ in 0..4 {
            scope.spawn(|| assert!((0..200).all(|_| case.number() == 0)));
        }
    });
    let other =
        std::sync::Arc::new(Engine::new(Config { reuse: Reuse::Always, ..config() }).unwrap());
    let case = case.on(&other);
    assert_eq!([case.number(), case.number()], [0, 0]);
    drop((case, other));
    let case = reused(&module("", body)).limit(16 * PAGE);
    assert_eq!([case.number(), case.number()], [0, 0]);
}

#[test]
fn more_functions_than_a_thread_keeps_have_their_turns() {
    let cases: Vec<_> = (0..20)
        .map(|number| {
            let body = format!(
                "(local.set $n (i64.add (i64.const {number}) (i64.load (i32.const 16))))
                 (i64.store (i32.const 16) (i64.const 3))"
            );
            reused(&module("", &body)).limit(16 * PAGE)
        })
        .collect();
    for _ in 0..3 {
        for (number, case) in cases.iter().enumerate() {
            assert_eq!(case.number(), number as u64);
        }
    }
}

#[test]
fn handles_log_and_what_was_made_are_of_one_run() {
    let body = "(i32.store (i32.const 0) (i32.const 2))
         (drop (call $tree_new (i32.const 0) (i32.const 1)))
         (call $log (i32.const 0) (i32.const 1))
         (local.set $n (i64.extend_i32_u (call $arg (i64.const 0))))";
    let case = reused(&module("", body)).limit(16 * PAGE).argument(Handle::of_u64(1));
    // Handle 2 is there only once something else has put it there.
    let (first, second) = (case.apply(), case.apply());
    assert_eq!((&first.outcome, &first.log), (&second.outcome, &second.log));
    assert!(matches!(first.outcome, Outcome::Failure(_)), "{first:?}");
}

#[test]
fn what_is_stored_beside_a_marked_card_is_put_back_however_far_it_is() {
    // Each pair has cards of its own; the second store is over the border.
    let mut stores = String::new();
    for (pair, distance) in (200..=272).enumerate() {
        let (low, high) = (4096 * (6 * pair + 2), 4096 * (6 * pair + 5));
        for (first, second) in [(low - 1, low - 1 + distance), (high, high - distance)] {
            stores += &format!(
                "(i32.store8 (i32.const {first}) (i32.const 1))
                 (v128.store (i32.const {second}) (v128.const i64x2 -1 -1))"
            );
        }
    }
    let body = format!("(local.set $n (i64.extend_i32_u (memory.size))) {stores}");
    let module = module("", &body).replace("2 8)", "32 32)");
    let case = reused(&module).limit(64 * PAGE);
    assert_eq!([case.number(), case.number(), case.number()], [32; 3]);
}

/// Statements that store near the borders of cards, under addresses that are made of
/// each other, on ways that the argument chooses.
fn statements(depth: u32) -> impl Strategy<Value = String> {
    let local = prop::sample::select(&["$a", "$b", "$c"][..]);
    let near = -300..300i32;
    let place = (0..28i32, near.clone()).prop_map(|(card, near)| 4096 * card + 1000 + near);
    let stored = prop::sample::select(
        &[
            ("i32.store8", "(i32.const -1)"),
            ("i64.store", "(i64.const -1)"),
            ("v128.store", "(v128.const i64x2 -1 -1)"),
        ][..],
    );
    let store = (local.clone(), 0..600u32, stored).prop_map(|(local, offset, (store, value))| {
        format!("({store} offset={} (local.get {local}) {value})", 2600 + offset)
    });
    let set = (local.clone(), place)
        .prop_map(|(local, place)| format!("(local.set {local} (i32.const {place}))"));
    let read = local.clone().prop_map(|local| {
        format!("(local.set {local} (i32.add (local.get {local}) (call $read (i32.const 0))))")
    });
    let made = (local.clone(), local, near).prop_map(|(to, from, near)| {
        format!("(local.set {to} (i32.add (local.get {from}) (i32.const {near})))")
    });
    let leaf = prop_oneof![4 => store, 1 => set, 1 => read, 2 => made].boxed();
    leaf.prop_recursive(depth, 24, 4, |inner| {
        let chosen = |bit: u32| format!("(i32.and (local.get $i) (i32.const {}))", 1u32 << bit);
        let some = prop::collection::vec(inner, 1..4).prop_map(|all| all.join(" "));
        let choice = (0..3u32, some.clone(), some.clone()).prop_map(move |(bit, one, other)| {
            format!("(if {} (then {one}) (else {other}))", chosen(bit))
        });
        let left = (0..3u32, some.clone(), some.clone()).prop_map(move |(bit, one, other)| {
            format!("(block {one} (br_if 0 {}) {other})", chosen(bit))
        });
        let turns = some.prop_map(|some| {
            format!(
                "(loop {some} (br_if 0 (i32.gt_s (i32.const 0) (local.tee $turns
                   (i32.add (local.get $turns) (i32.const 1))))))"
            )
        });
        prop_oneof![choice, left, turns]
    })
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(256))]

    // The engine compares: a store whose card nobody has marked is found by that.
    #[test]
    fn whichever_way_stores_go_all_is_put_back(
        all in prop::collection::vec(statements(3), 1..6),
    ) {
        let body = format!(
            "(local $a i32) (local $b i32) (local $c i32) (local $turns i32)
             (local.set $i (i32.wrap_i64 (call $blob_u64 (call $arg (i64.const 2)))))
             (local.set $a (i32.const 20000)) (local.set $b (i32.const 40000))
             (local.set $c (i32.const 60000)) (local.set $turns (i32.const -9))
             {}",
            all.join("\n")
        );
        let rest = "(func $read (param i32) (result i32) (i32.load (local.get 0)))";
        let module = module(rest, "").replace("(local $i i32)", &format!("(local $i i32) {body}"));
        let mut case = reused(&module).limit(16 * PAGE);
        for ways in 0..8 {
            case.arguments = vec![Handle::of_u64(ways)];
            // A store outside of memory ends the instance, too.
            let outcome = case.apply().outcome;
            prop_assert!(!matches!(outcome, Outcome::NoAnswer { .. }), "{outcome:?}");
        }
    }
}
