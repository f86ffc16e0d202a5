//! Functions for the other modules, as WebAssembly text, and ways to call them.

use weft_node::{Config, Event, Node, Session, Watch};
use weft_object::Handle;

pub(crate) fn node() -> Node {
    start(Config::default())
}

pub(crate) fn start(config: Config) -> Node {
    Node::start(Config { workers: 2, ..config }).unwrap()
}

pub(crate) fn module(session: &Session, body: &str) -> Handle {
    let text = format!(
        r#"(module
            (import "weft_1" "tree_get" (func $get (param i32 i64) (result i32)))
            (import "weft_1" "blob_u64" (func $u64 (param i32) (result i64)))
            (import "weft_1" "u64_blob" (func $blob (param i64) (result i32)))
            (import "weft_1" "tree_new" (func $tree (param i32 i32) (result i32)))
            (import "weft_1" "application" (func $apply (param i32) (result i32)))
            (import "weft_1" "strict" (func $strict (param i32) (result i32)))
            (import "weft_1" "blob_read" (func $read (param i32 i64 i32 i32) (result i32)))
            (import "weft_1" "blob_window" (func $window (param i32 i64 i32) (result i32)))
            (import "weft_1" "log" (func $log (param i32 i32)))
            (import "weft_1" "fail" (func $fail (param i32 i32)))
            (memory (export "memory") 1)
            (func $arg (param $in i32) (param $at i64) (result i64)
              (call $u64 (call $get (local.get $in) (local.get $at))))
            {body})"#
    );
    session.put_blob(wat::parse_str(text).unwrap())
}

/// `[limits, add, a, b]` -> a + b
pub(crate) fn add(session: &Session) -> Handle {
    module(
        session,
        r#"(func (export "weft_apply") (param $in i32) (result i32)
             (call $blob (i64.add
               (call $arg (local.get $in) (i64.const 2))
               (call $arg (local.get $in) (i64.const 3)))))"#,
    )
}

/// `[limits, first, blob, ...]` -> its first byte.
pub(crate) fn first(session: &Session) -> Handle {
    module(
        session,
        r#"(func (export "weft_apply") (param $in i32) (result i32)
             (drop (call $read (call $get (local.get $in) (i64.const 2))
               (i64.const 0) (i32.const 0) (i32.const 1)))
             (call $blob (i64.load8_u (i32.const 0))))"#,
    )
}

/// `[limits, echo, a, ...]` -> a
pub(crate) fn echo(session: &Session) -> Handle {
    module(
        session,
        r#"(func (export "weft_apply") (param $in i32) (result i32)
             (call $get (local.get $in) (i64.const 2)))"#,
    )
}

/// `[limits, fib, add, n]` -> the n-th Fibonacci number, by an application of
/// `add` to two Encodes of smaller ones.
pub(crate) fn fib(session: &Session) -> Handle {
    module(
        session,
        r#"(func $smaller (param $in i32) (param $less i64) (result i32)
             (i32.store (i32.const 0) (call $get (local.get $in) (i64.const 0)))
             (i32.store (i32.const 4) (call $get (local.get $in) (i64.const 1)))
             (i32.store (i32.const 8) (call $get (local.get $in) (i64.const 2)))
             (i32.store (i32.const 12) (call $blob
               (i64.sub (call $arg (local.get $in) (i64.const 3)) (local.get $less))))
             (call $strict (call $apply (call $tree (i32.const 0) (i32.const 4)))))
           (func (export "weft_apply") (param $in i32) (result i32)
             (if (i64.lt_u (call $arg (local.get $in) (i64.const 3)) (i64.const 2))
               (then (return (call $get (local.get $in) (i64.const 3)))))
             (i32.store (i32.const 24) (call $smaller (local.get $in) (i64.const 1)))
             (i32.store (i32.const 28) (call $smaller (local.get $in) (i64.const 2)))
             (i32.store (i32.const 16) (call $get (local.get $in) (i64.const 0)))
             (i32.store (i32.const 20) (call $get (local.get $in) (i64.const 2)))
             (call $apply (call $tree (i32.const 16) (i32.const 4))))"#,
    )
}

/// `[limits, count, n, total]` -> n + total, by n tail calls.
pub(crate) fn count(session: &Session) -> Handle {
    module(
        session,
        r#"(func (export "weft_apply") (param $in i32) (result i32)
             (local $n i64)
             (local.set $n (call $arg (local.get $in) (i64.const 2)))
             (if (i64.eqz (local.get $n))
               (then (return (call $get (local.get $in) (i64.const 3)))))
             (i32.store (i32.const 0) (call $get (local.get $in) (i64.const 0)))
             (i32.store (i32.const 4) (call $get (local.get $in) (i64.const 1)))
             (i32.store (i32.const 8) (call $blob (i64.sub (local.get $n) (i64.const 1))))
             (i32.store (i32.const 12) (call $blob (i64.add
               (call $arg (local.get $in) (i64.const 3)) (i64.const 1))))
             (call $apply (call $tree (i32.const 0) (i32.const 4))))"#,
    )
}

/// `[limits, spin, n]` -> n, after n rounds of a loop.
pub(crate) fn spin(session: &Session) -> Handle {
    module(
        session,
        r#"(func (export "weft_apply") (param $in i32) (result i32)
             (local $n i64)
             (local.set $n (call $arg (local.get $in) (i64.const 2)))
             (loop $again
               (local.set $n (i64.sub (local.get $n) (i64.const 1)))
               (br_if $again (i64.ne (local.get $n) (i64.const 0))))
             (call $get (local.get $in) (i64.const 2)))"#,
    )
}

/// A Thunk that applies a procedure without limits.
pub(crate) fn apply(session: &Session, procedure: Handle, arguments: &[Handle]) -> Handle {
    let entries = [&[Handle::of_blob(b""), procedure], arguments].concat();
    session.put_tree(&entries).application().unwrap()
}

pub(crate) fn strict(session: &Session, procedure: Handle, arguments: &[Handle]) -> Handle {
    apply(session, procedure, arguments).strict().unwrap()
}

/// The applications that ran, in order.
pub(crate) fn ran(watch: &Watch) -> Vec<Handle> {
    watch
        .drain()
        .into_iter()
        .filter_map(|event| match event {
            Event::Ran { application, .. } => Some(application),
            _ => None,
        })
        .collect()
}
