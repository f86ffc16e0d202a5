//! Images of codelets: `snapshot/1` makes one, `image/1` goes on from it.

use std::sync::{Arc, LazyLock};

use proptest::prelude::*;
use weft_engine::{Config, Engine, FailureKind, NoAnswerKind, Outcome};
use weft_object::Handle;

use crate::harness::{
    Case, DEBUG, ENGINE, REUSING, ROOMY, config, made_blob, made_tree, refused, value,
};
use crate::images::{case, keep, made, snapshot};

/// Applies an image to arguments.
fn applied(of: &Case, image: Handle, arguments: &[Handle]) -> Case {
    case(of, b"image/1", [&[image.lower().unwrap()], arguments].concat())
}

/// `init` counts and grows; the function adds its argument to what was counted, and
/// leaves another count behind.
const COUNTER: &str = r#"
    (memory (export "memory") 2)
    (global $n (mut i32) (i32.const 5))
    (data (i32.const 70000) "data")
    (func $start (i32.store (i32.const 500) (i32.const 1000)))
    (start $start)
    (func (export "malloc") (param i32) (result i32) (i32.const 90000))
    (func (export "take") (param $at i32) (param $bytes i32)
      (global.set $n (i32.add (global.get $n) (i32.load8_u (local.get $at)))))
    (func (export "init")
      (global.set $n (i32.add (global.get $n) (i32.const 2)))
      (i32.store (i32.const 1000) (i32.const 30))
      (drop (memory.grow (i32.const 1))))
    (func (export "calls") (drop (call $kind (i32.const 0))))
    (func (export "fails") (result i32) (i32.const 9))
    (func (export "weft_apply") (param i32) (result i32) (local $sum i32)
      (local.set $sum (i32.add (i32.add (global.get $n) (i32.load (i32.const 500)))
        (i32.add (i32.load (i32.const 1000)) (memory.size))))
      (global.set $n (i32.const 77))
      (i32.store (i32.const 1000) (i32.const 77))
      (i32.store8 (i32.const 130000) (i32.const 77))
      (call $num (i32.add (local.get $sum)
        (i32.wrap_i64 (call $blob_u64 (call $arg (i64.const 2)))))))"#;

#[test]
fn a_function_goes_on_where_it_was() {
    for engine in [&ENGINE, &REUSING, &ROOMY, &DEBUG] {
        let function = Case::module(COUNTER).on(engine);
        let image = made(&snapshot(&function, &["init"], &[]));
        for argument in [4, 6] {
            let run = applied(&function, image, &[Handle::of_u64(argument)]);
            assert_eq!(run.number(), 5 + 2 + 1000 + 30 + 3 + argument, "nothing is left of a run");
        }
        let bytes = function.memory.put_blob(b"\x01");
        let names = [b"take", &b"malloc"[..]].map(|name| function.memory.put_blob(name));
        let call = function.memory.put_tree(&[names[0], names[1], bytes]);
        let calls = function.memory.put_tree(&[call]);
        let image = made(&case(&function, b"snapshot/1", vec![calls, function.module]));
        let run = applied(&function, image, &[Handle::of_u64(0)]);
        assert_eq!(run.number(), 5 + 1 + 1000 + 2);
    }
}

/// What it finds is where it would be without an image, and can be applied again.
#[test]
fn it_sees_the_closure_of_its_image() {
    let function = Case::module(
        r#"(memory (export "memory") 1)
           (func (export "init"))
           (func (export "weft_apply") (param i32) (result i32)
             (i32.store (i32.const 0) (call $num (i32.wrap_i64 (call $length (i32.const 0)))))
             (i32.store (i32.const 4) (call $arg (i64.const 1)))
             (i32.store (i32.const 8) (call $tree_get (call $arg (i64.const 1)) (i64.const 0)))
             (i32.store (i32.const 12) (call $tree_get (call $arg (i64.const 1)) (i64.const 1)))
             (i32.store (i32.const 16) (call $arg (i64.const 2)))
             (i32.store (i32.const 20) (call $tag (i32.const 0) (i32.const 0)))
             (i32.store (i32.const 24) (call $application (i32.const 0)))
             (call $tree_new (i32.const 0) (i32.const 7)))"#,
    );
    let image = made(&snapshot(&function, &["init"], &[]));
    let argument = Handle::of_u64(9);
    let run = applied(&function, image, &[argument]);
    let done = run.apply();
    let seen = made_tree(&done, value(&done));
    let closure = [Handle::of_blob(b"image/1"), image.lower().unwrap()];
    let closure = (Handle::of_tree(&closure), closure.to_vec());
    assert_eq!(seen[0], Handle::of_u64(3), "limits, procedure and an argument");
    assert_eq!(seen[1], closure.0);
    assert_eq!(seen[2..4], closure.1);
    assert_eq!(seen[4], argument);
    // Whoever takes what it made has all of it.
    assert_eq!(made_tree(&done, closure.0), closure.1);
    let application = [run.entries().entries()[0], closure.0, argument];
    let application = (Handle::of_tree(&application), application.to_vec());
    assert_eq!(made_tree(&done, application.0), application.1);
    assert_eq!(seen[6], application.0.application().unwrap());
    // Of one module anybody makes images.
    assert_eq!(made_tree(&done, seen[5]), [closure.0, application.0, application.0]);
}

#[test]
fn what_is_no_image_of_a_function_is_told_so() {
    let function = Case::module(COUNTER);
    let failed = |case: &Case, words: &str| {
        let (_, detail) = case.failure();
        assert!(detail.contains(words), "{detail}");
    };
    failed(&snapshot(&function, &["calls"], &[]), "kind: called before weft_apply");
    failed(&snapshot(&function, &["fails"], &[]), "fails returned 9, not 0");
    failed(&snapshot(&function, &["gone"], &[]), "the program exports no gone; there is");
    failed(&snapshot(&function, &["init"], &[Handle::of_u64(0)]), "begins with nothing beside");
    failed(&snapshot(&function, &[], &[]), "no function is named that begins the program");
    let with = |module| {
        let memory = Arc::clone(&function.memory);
        Case { module, memory, ..Case::module("") }
    };
    let stubs = ["env", "f"].map(|name| function.memory.put_blob(name.as_bytes()));
    let entries = [function.module, Handle::of_blob(b""), stubs[0], stubs[1], Handle::of_u64(1)];
    let program = function.memory.put_tree(&entries);
    failed(&snapshot(&with(program), &["init"], &[]), "has no stubs");
    let image = made(&snapshot(&function, &["init"], &[]));
    failed(&snapshot(&with(image), &["init"], &[]), "the program is an image; name that of which");
    let table = Case::module(
        r#"(table 1 funcref)
           (func (export "init") (table.set (i32.const 0) (ref.null func)))
           (func (export "weft_apply") (param i32) (result i32) (local.get 0))"#,
    );
    let refusal = refused(&snapshot(&table, &["init"], &[]));
    assert!(refusal.detail.contains("changes a table"), "{refusal:?}");
    let nothing = refused(&snapshot(&Case::module(r#"(func (export "init"))"#), &["init"], &[]));
    assert!(nothing.detail.contains("no export weft_apply"), "{nothing:?}");
    let endless = Case::module(
        r#"(func (export "init") (loop $l (br $l)))
           (func (export "weft_apply") (param i32) (result i32) (local.get 0))"#,
    );
    snapshot(&endless, &["init"], &[]).is_interrupted();
}

/// Nothing of a run is there for the next one on the same thread, however it ended.
#[test]
fn nothing_is_left_for_the_next_run() {
    let engine = Arc::new(Engine::new(Config { compare_reused: true, ..config() }).unwrap());
    let function = Case::module(
        r#"(memory (export "memory") 1)
           (global $n (mut i64) (i64.const 1))
           (func (export "init") (global.set $n (i64.const 3)))
           (func (export "weft_apply") (param i32) (result i32) (local $how i64) (local $was i64)
             (local.set $how (call $blob_u64 (call $arg (i64.const 2))))
             (local.set $was (i64.add (global.get $n) (i64.load (i32.const 8192))))
             (global.set $n (i64.const 100))
             (i64.store (i32.const 8192) (i64.const 100))
             (call $log (i32.const 0) (i32.const 4))
             (if (i64.eq (local.get $how) (i64.const 1)) (then (unreachable)))
             (if (i64.eq (local.get $how) (i64.const 2)) (then
               (drop (memory.grow (i32.const 1)))
               (i64.store (i32.const 65536) (i64.const 7))))
             (if (i64.eq (local.get $how) (i64.const 3)) (then
               (drop (call $blob_window (call $arg (i64.const 3)) (i64.const 0) (i32.const 100000)))
               (i64.store (i32.const 65536) (i64.const 7))))
             (if (i64.eq (local.get $how) (i64.const 4)) (then
               (call $fail (i32.const 0) (i32.const 4))))
             (if (i64.eq (local.get $how) (i64.const 5)) (then (return (i32.const 99))))
             (call $num (i32.wrap_i64 (i64.add (local.get $was)
               (i64.extend_i32_u (memory.size)))))
           )"#,
    )
    .on(&engine);
    let image = made(&snapshot(&function, &["init"], &[]));
    let large = function.memory.put_blob(&[5; 100_000]);
    for how in [0, 1, 0, 2, 0, 3, 0, 4, 0, 5, 0, 0] {
        let done = applied(&function, image, &[Handle::of_u64(how), large]).apply();
        assert!(done.log.len() == 5 || how == 1, "one line: {:?}", done.log);
        match (how, done.outcome) {
            (0, Outcome::Value(value)) => assert_eq!(value.literal_u64(), Some(3 + 1)),
            (2, Outcome::Value(value)) => assert_eq!(value.literal_u64(), Some(3 + 2)),
            (3, Outcome::Value(value)) => assert_eq!(value.literal_u64(), Some(3 + 3)),
            (1 | 4 | 5, Outcome::Failure(_)) => {}
            (_, other) => panic!("{how}: {other:?}"),
        }
    }
}

#[test]
fn limits_and_fuel_hold() {
    let function = Case::module(COUNTER);
    let image = made(&snapshot(&function, &["init"], &[]));
    let run = |limit| applied(&function, image, &[Handle::of_u64(0)]).limit(limit);
    let (kind, detail) = run(2 << 16).failure();
    assert_eq!(kind, FailureKind::MemoryLimit, "{detail}");
    assert_eq!(run(3 << 16).number(), 1040);
    assert_eq!(run(3 << 16).fuel(10).no_answer(), NoAnswerKind::Fuel);
    assert!(run(3 << 16).fuel(10_000).apply().fuel_used.is_some_and(|used| used > 10));
}

/// An engine that makes more than tests need otherwise.
static LARGE: LazyLock<Arc<Engine>> =
    LazyLock::new(|| Arc::new(Engine::new(Config::default()).unwrap()));

/// One step of a function, in text form.
fn step() -> impl Strategy<Value = String> {
    let address = prop_oneof![0..131_000u32, 0..64u32, 65_500..65_600u32];
    prop_oneof![
        (address.clone(), any::<i32>())
            .prop_map(|(at, v)| format!("(i32.store (i32.const {at}) (i32.const {v}))")),
        (address.clone(), any::<u8>(), 0..9000u32).prop_map(|(at, v, n)| format!(
            "(memory.fill (i32.const {}) (i32.const {v}) (i32.const {n}))",
            at.min(120_000)
        )),
        any::<i64>()
            .prop_map(|v| format!("(global.set $i (i64.xor (global.get $i) (i64.const {v})))")),
        (0..3u32).prop_map(|n| format!("(drop (memory.grow (i32.const {n})))")),
        (address.clone(), address).prop_map(|(to, from)| format!(
            "(i64.store (i32.const {to}) (i64.add (global.get $i) (i64.load (i32.const {from}))))"
        )),
    ]
}

/// A function of which `begin` says whether it does what `first` does itself.
fn function_of(first: &[String], second: &[String], begin: bool, pages: u32) -> Case {
    let (first, second) = (first.join("\n"), second.join("\n"));
    let begin = if begin { "(call $first)" } else { "" };
    Case::module(&format!(
        r#"(memory (export "memory") {pages} 28)
           (global $i (mut i64) (i64.const 1))
           (data (i32.const 65530) "some text over the end of a page")
           (func $first (export "first") {first})
           (func (export "weft_apply") (param i32) (result i32)
             {begin}
             {second}
             (i64.store (i32.const 8) (global.get $i))
             (call $blob_new (i32.const 0) (i32.mul (memory.size) (i32.const 65536))))"#
    ))
    .limit(2 << 20)
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 48, ..ProptestConfig::default() })]

    /// With an image and without, a function comes to the same, with all of its
    /// memory and globals in what it makes.
    #[test]
    fn an_image_changes_no_outcome(
        first in prop::collection::vec(step(), 0..12),
        second in prop::collection::vec(step(), 0..12),
        pooled in any::<bool>(),
        // The pages of the larger one arrive as its first run touches them.
        pages in prop_oneof![Just(2), Just(18)],
    ) {
        let engine = if pooled { Arc::clone(&LARGE) } else { Arc::clone(&ROOMY) };
        let whole = function_of(&first, &second, true, pages).on(&engine).apply();
        let function = function_of(&first, &second, false, pages).on(&engine);
        let begun = snapshot(&function, &["first"], &[]).apply();
        keep(&function, &begun);
        match begun.outcome {
            Outcome::Value(image) => for _ in 0..3 {
                let gone_on = applied(&function, image, &[]).apply();
                prop_assert_eq!(&gone_on.outcome, &whole.outcome);
                if let Outcome::Value(blob) = gone_on.outcome {
                    prop_assert_eq!(made_blob(&gone_on, blob), made_blob(&whole, blob));
                }
            },
            Outcome::Failure(failure) => {
                let Outcome::Failure(expected) = whole.outcome else {
                    return Err(TestCaseError::fail(format!("{failure:?}")));
                };
                prop_assert_eq!(failure.detail, expected.detail);
            }
            other => return Err(TestCaseError::fail(format!("{other:?}"))),
        }
    }
}
