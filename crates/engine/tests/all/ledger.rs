//! Handles that a module takes by itself where its instances are used again: they have the
//! same numbers, and come to the same, as if the host had been asked for each.

use proptest::prelude::*;
use weft_engine::{Applied, Config, Engine, NoAnswerKind, Outcome, Reuse, RunBounds};
use weft_object::Handle;

use crate::harness::{Case, ENGINE, REUSING, config};

/// A function that performs what a Blob says, three bytes for each call, and comes to a
/// number that all of their results are in, or to the handle that the last of them names.
const PERFORMS: &str = "
    (memory (export \"memory\") 2)
    (func (export \"weft_apply\") (param $app i32) (result i32)
      (local $at i32) (local $end i32) (local $a i32) (local $b i32) (local $r i64) (local $n i64)
      (local.set $end (call $blob_read (call $tree_get (i32.const 0) (i64.const 2)) (i64.const 0)
        (i32.const 0) (i32.const 65536)))
      (block $ended (loop $next
        (br_if $ended (i32.ge_u (local.get $at) (local.get $end)))
        (local.set $a (i32.load8_s offset=1 (local.get $at)))
        (local.set $b (i32.load8_u offset=2 (local.get $at)))
        (local.set $r (i64.const 0))
        (block $done
          (block $8 (block $7 (block $6 (block $5 (block $4 (block $3 (block $2 (block $1 (block $0
            (br_table $0 $1 $2 $3 $4 $5 $6 $7 $8 (i32.load8_u (local.get $at))))
            (local.set $r (i64.extend_i32_u
              (call $tree_get (local.get $a) (i64.extend_i32_u (local.get $b))))) (br $done))
            (local.set $r (call $blob_u64 (local.get $a))) (br $done))
            (local.set $r (i64.extend_i32_u
              (call $u64_blob (i64.mul (i64.extend_i32_u (local.get $b))
                (i64.const 0x0101010101010101))))) (br $done))
            (local.set $r (call $length (local.get $a))) (br $done))
            (local.set $r (i64.extend_i32_u (call $kind (local.get $a)))) (br $done))
            (local.set $r (i64.extend_i32_u (call $same (local.get $a) (local.get $b))))
            (br $done))
            (i32.store (i32.const 65536) (local.get $a))
            (i32.store (i32.const 65540) (local.get $b))
            (local.set $r (i64.extend_i32_u (call $tree_new (i32.const 65536) (i32.const 2))))
            (br $done))
            (local.set $r (i64.extend_i32_u (call $blob_new (i32.const 0) (local.get $b))))
            (br $done))
          (return (local.get $a)))
        (local.set $n (i64.add (i64.mul (local.get $n) (i64.const 31)) (local.get $r)))
        (local.set $at (i32.add (local.get $at) (i32.const 3)))
        (br $next)))
      (call $u64_blob (local.get $n)))";

/// Numbers for calls, and of each whether it is to be as it is: most calls that are drawn
/// at random fail, which ends the run and its instance.
fn drawn() -> impl Strategy<Value = Vec<([u8; 3], bool)>> {
    let call = prop_oneof![6 => 0..3u8, 2 => 3..8u8];
    let wild = prop::bool::weighted(0.005);
    prop::collection::vec(((call, any::<u8>(), any::<u8>()), wild), 0..120)
        .prop_map(|all| all.into_iter().map(|((c, a, b), wild)| ([c, a, b], wild)).collect())
}

/// Calls that do not fail, of an application with these entries, but for the wild ones.
fn calls(drawn: &[([u8; 3], bool)], entries: &[Handle]) -> Vec<[u8; 3]> {
    let number = Handle::of_u64(0);
    let is_number = |handle: &Handle| handle.literal_bytes().is_some_and(|it| it.len() <= 8);
    // The handles that the function has, as far as it matters.
    let mut held = vec![Handle::of_tree(entries), entries[2]];
    let mut calls = Vec::new();
    for &([call, a, b], wild) in drawn {
        if wild {
            calls.push([call, a, b]);
            continue;
        }
        let pick = |fits: &dyn Fn(&Handle) -> bool| {
            let fit: Vec<_> = (0..held.len().min(127)).filter(|&at| fits(&held[at])).collect();
            (!fit.is_empty()).then(|| fit[usize::from(a) % fit.len()] as u8)
        };
        let other = (usize::from(b) % held.len().min(127)) as u8;
        let (call, made) = match call {
            0 => {
                let at = usize::from(b) % entries.len();
                ([0, 0, at as u8], Some(entries[at]))
            }
            1 => match pick(&is_number) {
                Some(at) => ([1, at, 0], None),
                None => continue,
            },
            2 => ([2, 0, b], Some(number)),
            3 => ([3, pick(&|handle| handle.kind().is_data()).unwrap_or(0), 0], None),
            6 => ([6, pick(&|_| true).unwrap_or(0), other], Some(held[0])),
            7 if b < 9 => ([7, 0, b], Some(number)),
            7 => ([7, 0, b], Some(entries[2])),
            _ => ([call, pick(&|_| true).unwrap_or(0), other], None),
        };
        calls.push(call);
        held.extend(made);
    }
    calls
}

fn case(calls: &[[u8; 3]], more: &[Handle]) -> Case {
    let mut case = Case::module(PERFORMS);
    let blob = case.memory.put_blob(calls.as_flattened());
    case.arguments.push(blob);
    case.arguments.extend(more);
    case
}

/// Numbers of all lengths, longer Blobs, Refs and Thunks, so many in all.
fn more(count: usize) -> Vec<Handle> {
    let number = Handle::of_u64(u64::MAX - 6);
    let some = [
        number,
        Handle::of_blob(b"abc"),
        Handle::of_blob(b"123456789"),
        Handle::EMPTY,
        Handle::of_blob(&[1; 40]).lower().unwrap(),
        number.identification().unwrap(),
    ];
    some.into_iter().cycle().skip(count).take(count).collect()
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(1500))]

    #[test]
    fn whoever_takes_handles_they_are_the_same(
        drawn in drawn(),
        more_of in prop_oneof![4 => 0..8usize, 1 => 8..30usize],
        returned in prop::option::of(any::<u8>()),
    ) {
        let more = more(more_of);
        // What says the calls is taken for too long to be a number.
        let entries = case(&[[0; 3]; 20], &more).entries();
        let mut calls = calls(&drawn, entries.entries());
        calls.extend(returned.map(|index| [8, index, 0]));
        let case = case(&calls, &more);
        let expected = case.apply();
        let case = case.on(&REUSING);
        for _ in 0..2 {
            let found = case.apply();
            prop_assert_eq!(&found.outcome, &expected.outcome);
            let names = |made: &[(Handle, _)]| made.iter().map(|made| made.0).collect::<Vec<_>>();
            prop_assert_eq!(names(&found.made), names(&expected.made));
        }
    }
}

#[test]
fn more_than_a_page_has_room_for_are_asked_for() {
    let count = |number| std::iter::repeat_n([2, 0, number], 100);
    let mut calls: Vec<_> = count(1).collect();
    calls.extend((60..70).map(|at| [1, at, 0]));
    calls.extend(count(2));
    calls.extend([[1, 101, 0], [1, 127, 0]]);
    let case = case(&calls, &[]);
    let expected = case.number();
    let case = case.on(&REUSING);
    assert_eq!([case.number(), case.number()], [expected; 2]);
    // An application of more entries than there is room for, behind one of few.
    let many: Vec<_> = (0..40).map(Handle::of_u64).collect();
    let case = self::case(&[[0, 0, 30], [1, 2, 0], [3, 0, 0], [0, 0, 60]], &many);
    let expected = case.failure();
    let case = case.on(&REUSING);
    assert_eq!([case.failure(), case.failure()], [expected.clone(), expected]);
}

#[test]
fn the_bounds_of_a_run_hold_for_them_too() {
    let bounds =
        |handles_max, made_max_bytes| RunBounds { handles_max, made_max_bytes, ..config().bounds };
    let calls: Vec<_> = (0..70).map(|at| [2, 0, at]).collect();
    for (bounds, kind) in [
        (bounds(20, 1 << 20), NoAnswerKind::HandleTable),
        // Just above what a module takes by itself.
        (bounds(65, 1 << 20), NoAnswerKind::HandleTable),
        (bounds(1000, 2000), NoAnswerKind::MadeBytes),
    ] {
        let of = |reuse| Engine::new(Config { reuse, bounds, ..config() }).unwrap().into();
        for engine in [of(Reuse::Never), of(Reuse::Always)] {
            let case = case(&calls, &[]).on(&engine);
            assert_eq!([case.no_answer(), case.no_answer()], [kind, kind]);
        }
    }
}

#[test]
fn a_failure_tells_of_the_functions_that_the_module_has() {
    let fail = |engine| match case(&[[0, 0, 1], [2, 0, 5], [1, 1, 0]], &[]).on(engine).apply() {
        Applied { outcome: Outcome::Failure(failure), .. } => failure,
        other => panic!("no failure: {other:?}"),
    };
    let failure = fail(&ENGINE);
    assert!(failure.note.is_some(), "{failure:?}");
    assert_eq!(fail(&REUSING), failure);
    // Of more functions than are told.
    let deep = Case::module(
        "(func $f (export \"f\") (param $n i32) (result i64)
           (if (result i64) (local.get $n)
             (then (call $f (i32.sub (local.get $n) (i32.const 1))))
             (else (call $blob_u64 (i32.const 99)))))
         (func (export \"weft_apply\") (param i32) (result i32)
           (call $u64_blob (call $f (i32.const 30))))",
    );
    let expected = deep.apply().outcome;
    assert!(matches!(&expected, Outcome::Failure(failure)
        if failure.note.as_ref().is_some_and(|note| note.lines().count() == 20)));
    assert_eq!(deep.on(&REUSING).apply().outcome, expected);
}
