use wasmparser::{Parser, Payload};

use super::*;

/// For each store of a function, in the order of its text, whether it marks: `m`, or
/// `-` if something before it has.
fn marking(body: &str) -> String {
    let module = format!(
        "(module (memory 2) (func $f (param $p i32) (param $q i32) (result i32)
           (local $r i32) {body} (i32.const 0)))"
    );
    let module = wat::parse_str(&module).unwrap();
    let survey = Survey::of(&module).unwrap();
    let mut marking = String::new();
    for payload in Parser::new(0).parse_all(&module) {
        let Payload::CodeSectionEntry(body) = payload.unwrap() else { continue };
        let (mut marked, mut reader) = (Marked::new(&survey), body.get_operators_reader().unwrap());
        while !reader.eof() {
            let operator = reader.read().unwrap();
            let is_marked = marked.next(&operator);
            if stored(&operator).is_some() {
                marking.push(if is_marked { '-' } else { 'm' });
            }
        }
    }
    marking
}

fn store(address: &str, offset: u32) -> String {
    format!("(i32.store offset={offset} {address} (i32.const 1))")
}

fn p(offset: u32) -> String {
    store("(local.get $p)", offset)
}

#[test]
fn the_first_of_those_near_to_each_other_marks() {
    assert_eq!(marking(&[p(8), p(0), p(12), p(8 + NEAR)].concat()), "m---");
    // What is far marks anew, and is what is looked at from then on.
    assert_eq!(marking(&[p(8), p(9 + NEAR), p(8)].concat()), "mmm");
    assert_eq!(marking(&[p(8), store("(local.get $q)", 8), p(12)].concat()), "mm-");
}

#[test]
fn what_is_added_counts_and_not_the_local_it_is_in() {
    let plus = |number: i32| format!("(i32.add (local.get $p) (i32.const {number}))");
    assert_eq!(marking(&[p(8), store(&plus(16), 0), store(&plus(-16), 20)].concat()), "m--");
    assert_eq!(marking(&[p(8), store(&plus(4096), 0), store(&plus(-300), 0)].concat()), "mmm");
    let copied = "(local.set $r (i32.sub (local.get $p) (i32.const 8)))";
    assert_eq!(marking(&[&p(0), copied, &store("(local.get $r)", 8)].concat()), "m-");
    // Written to, it is the same local and another value.
    let next = "(local.set $p (i32.add (local.get $p) (i32.const 16)))";
    let read = "(local.set $p (i32.load (local.get $p)))";
    assert_eq!(marking(&[&p(0), next, &p(0), read, &p(0), &p(4)].concat()), "m-m-");
    let tee = store("(local.tee $r (i32.add (local.get $p) (i32.const 4)))", 0);
    assert_eq!(marking(&[&tee, &p(0), &*store("(local.get $r)", 0)].concat()), "m--");
    let constant = |number: i64| store(&format!("(i32.const {number})"), 0);
    assert_eq!(marking(&[constant(8), constant(16), constant(5000)].concat()), "m-m");
}

#[test]
fn what_one_way_has_marked_is_not_marked_on_another() {
    let either =
        |one: &str, other: &str| format!("(if (local.get $q) (then {one}) (else {other}))");
    assert_eq!(marking(&[either(&p(0), &p(0)), p(0)].concat()), "mmm");
    // What was marked before is on all of them.
    assert_eq!(marking(&[p(0), either(&p(0), &p(4)), p(8)].concat()), "m---");
    let left = format!("(block (br_if 0 (local.get $q)) {})", p(0));
    assert_eq!(marking(&[left, p(0)].concat()), "mm");
    let far = format!("(block (br_if 0 (local.get $q)) {})", p(5000));
    assert_eq!(marking(&[p(0), far, p(0), p(5000)].concat()), "mm-m");
    assert_eq!(marking(&format!("(block (br 0) {}) {}", p(0), p(0))), "mm");
}

#[test]
fn a_local_that_one_way_writes_to_is_another_value_after_it() {
    let changed = "(if (local.get $q) (then (local.set $p (local.get $q))))";
    assert_eq!(marking(&[&p(0), changed, &p(0)].concat()), "mm");
    let inner = format!("(block (br_if 0 (local.get $q)) {changed})");
    assert_eq!(marking(&[&p(0), &*inner, &p(0)].concat()), "mm");
    let many = "(local.set $q (i32.const 1))".repeat(SETS_MAX);
    let many = format!("(block (block (local.set $p (local.get $q)) {many}))");
    assert_eq!(marking(&[p(0), many, p(0)].concat()), "mm");
}

#[test]
fn a_loop_begins_with_nothing_known_of_locals() {
    let step = "(local.set $p (i32.add (local.get $p) (i32.const 4)))
         (br_if 0 (local.get $q))";
    assert_eq!(marking(&format!("{} (loop {} {} {step})", p(0), p(0), p(4))), "mm-");
    assert_eq!(marking(&format!("{} (loop {step}) {}", p(0), p(0))), "mm");
}

#[test]
fn what_is_not_understood_is_no_address_known() {
    // The address stands below what a block gives.
    let block = "(local.get $p) (block (result i32) (i32.const 1)) (i32.store)";
    assert_eq!(marking(&[&p(0), block, &p(0)].concat()), "mm-");
    let call = "(local.get $p) (call $f (local.get $p) (local.get $p)) (i32.store)";
    assert_eq!(marking(&[&p(0), call].concat()), "m-");
    let drop = "(local.get $p) (local.get $q) (drop) (i32.const 1) (i32.store)";
    assert_eq!(marking(&[&p(0), drop].concat()), "m-");
}
