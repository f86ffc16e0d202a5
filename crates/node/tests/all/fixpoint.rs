//! Modules for Fixpoint's interface under the rules: what they return goes on.

use weft_node::Session;
use weft_object::Handle;

use crate::guests::node;

const ADD: &str = include_str!("../../../../bench/guests/fixpoint_add.wat");
const FIB: &str = include_str!("../../../../bench/guests/fixpoint_fib.wat");

fn nil() -> Handle {
    Handle::of_blob(b"")
}

fn put(session: &Session, text: &str) -> Handle {
    session.put_blob(wat::parse_str(text).unwrap())
}

/// A module whose function has the application attached to table 0, and a table of
/// four to write to.
fn module(session: &Session, body: &str) -> Handle {
    let text = format!(
        r#"(module
            (import "fixpoint" "attach_tree_ro_table_0" (func $attach (param externref)))
            (import "fixpoint" "attach_tree_ro_table_1" (func $attach_1 (param externref)))
            (import "fixpoint" "attach_blob_ro_mem_0" (func $blob (param externref)))
            (import "fixpoint" "create_blob_i64" (func $i64 (param i64) (result externref)))
            (import "fixpoint" "create_tree_rw_table_0" (func $tree (param i32) (result externref)))
            (import "fixpoint" "create_tree_rw_table_1" (func $tree_1 (param i32) (result externref)))
            (import "fixpoint" "create_application_thunk" (func $apply (param externref) (result externref)))
            (import "fixpoint" "create_selection_thunk" (func $select (param externref i32) (result externref)))
            (import "fixpoint" "create_selection_thunk_range"
              (func $range (param externref i32 i32) (result externref)))
            (import "fixpoint" "is_tree" (func $is_tree (param externref) (result i32)))
            (table $t0 (export "ro_table_0") 0 externref) (table $t1 (export "ro_table_1") 0 externref)
            (table $w (export "rw_table_0") 4 externref) (table $w1 (export "rw_table_1") 4 externref)
            (memory $m (export "ro_mem_0") 0)
            (func $arg (param $i i32) (result externref) (table.get $t0 (local.get $i)))
            (func $number (param externref) (result i64)
              (call $blob (local.get 0)) (i64.load $m (i32.const 0)))
            (func (export "_fixpoint_apply") (param $app externref) (result externref)
              (call $attach (local.get $app))
              {body}))"#
    );
    put(session, &text)
}

fn apply(session: &Session, entries: &[Handle]) -> Handle {
    let thunk = session.put_tree(entries).application().unwrap();
    session.evaluate(thunk).value().unwrap()
}

#[test]
fn tail_calls_and_what_they_ask_for_come_to_a_number() {
    let node = node();
    let session = node.session();
    let (add, fib) = (put(&session, ADD), put(&session, FIB));
    let n = Handle::of_u64;
    assert_eq!(apply(&session, &[nil(), add, n(20), n(22)]), n(42));
    assert_eq!(apply(&session, &[nil(), fib, n(15), n(0), add]), n(610));
}

#[test]
fn a_tree_of_bare_thunks_is_a_fork() {
    let node = node();
    let session = node.session();
    let add = put(&session, ADD);
    let both = module(
        &session,
        "(table.set $w (i32.const 1) (call $arg (i32.const 2)))
         (table.set $w (i32.const 2) (call $arg (i32.const 3)))
         (table.set $w (i32.const 3) (call $arg (i32.const 3)))
         (table.set $w1 (i32.const 0) (call $apply (call $tree (i32.const 4))))
         (table.set $w1 (i32.const 1) (call $arg (i32.const 3)))
         (call $tree_1 (i32.const 2))",
    );
    let n = Handle::of_u64;
    let found = apply(&session, &[nil(), both, add, n(4)]);
    assert_eq!(found, Handle::of_tree(&[n(8), n(4)]));
}

#[test]
fn what_is_selected_of_a_thunk_is_clamped() {
    let node = node();
    let session = node.session();
    let n = Handle::of_u64;
    let tree = session.put_tree(&[n(1), n(2), n(3)]).identification().unwrap();
    let entry = module(&session, "(call $select (call $arg (i32.const 2)) (i32.const 1))");
    assert_eq!(apply(&session, &[nil(), entry, tree]), n(2));
    let absent = module(&session, "(call $select (call $arg (i32.const 2)) (i32.const 3))");
    assert_eq!(apply(&session, &[nil(), absent, tree]), nil());
    let range =
        module(&session, "(call $range (call $arg (i32.const 2)) (i32.const 1) (i32.const 10))");
    assert_eq!(apply(&session, &[nil(), range, tree]), Handle::of_tree(&[n(2), n(3)]));
    // And one of the other.
    let chain = module(
        &session,
        "(call $select (call $range (call $arg (i32.const 2)) (i32.const 2) (i32.const 9)) (i32.const 0))",
    );
    assert_eq!(apply(&session, &[nil(), chain, tree]), n(3));
}

#[test]
fn a_closure_that_a_module_makes_is_nested_when_it_is_applied() {
    let node = node();
    let session = node.session();
    // Alone it makes a closure of itself and its argument, and applies that to 5; as
    // one it adds both.
    let curried = module(
        &session,
        "(if (call $is_tree (call $arg (i32.const 1)))
           (then
             (call $attach_1 (call $arg (i32.const 1)))
             (return (call $i64 (i64.add (call $number (table.get $t1 (i32.const 2)))
               (call $number (call $arg (i32.const 2))))))))
         (table.set $w1 (i32.const 0) (call $arg (i32.const 0)))
         (table.set $w1 (i32.const 1) (call $arg (i32.const 1)))
         (table.set $w1 (i32.const 2) (call $arg (i32.const 2)))
         (table.set $w (i32.const 0) (call $arg (i32.const 0)))
         (table.set $w (i32.const 1) (call $tree_1 (i32.const 3)))
         (table.set $w (i32.const 2) (call $i64 (i64.const 5)))
         (call $apply (call $tree (i32.const 3)))",
    );
    let n = Handle::of_u64;
    assert_eq!(apply(&session, &[nil(), curried, n(37)]), n(42));
    // From outside, by the name of the built-in.
    let closure = session.put_tree(&[nil(), curried, n(30)]);
    let name = Handle::of_blob(b"fixpoint/1");
    assert_eq!(apply(&session, &[nil(), name, closure, n(12)]), n(42));
}
