//! Every row of the ABI's table: what it does, and when it traps.

use weft_engine::FailureKind::{self, BadHandle, Failed, Trap};
use weft_engine::abi::table::{CALLS, Call, Ty};
use weft_object::{Handle, Selection};

use crate::harness::{Case, imports, made_blob, value};

fn long() -> Vec<u8> {
    (0..100).collect()
}

fn seven() -> Handle {
    Handle::of_u64(7)
}

/// A case whose application holds one of everything, from entry 2 on.
fn fixture(body: &str) -> Case {
    let case = Case::body(body);
    let hello = Handle::of_blob(b"hello");
    let blob = case.memory.put_blob(&long());
    let tree = case.memory.put_tree(&[seven(), hello]);
    let thunk = tree.application().unwrap();
    let encodes = case.memory.put_tree(&[thunk.strict().unwrap()]);
    let tag = case.memory.put_tag([blob, seven(), hello]);
    [
        hello,                             // 2
        blob,                              // 3
        tree,                              // 4
        blob.lower().unwrap(),             // 5
        tree.lower().unwrap(),             // 6
        thunk,                             // 7
        thunk.strict().unwrap(),           // 8
        thunk.shallow().unwrap(),          // 9
        tag,                               // 10
        tag.lower().unwrap(),              // 11
        encodes,                           // 12
        seven(),                           // 13
        seven().identification().unwrap(), // 14
    ]
    .into_iter()
    .fold(case, Case::argument)
}

fn entry(at: usize) -> Handle {
    fixture("(i32.const 0)").entries().entries()[at]
}

fn selection(at: usize, what: Selection) -> Handle {
    Handle::of_tree(&what.definition(entry(at))).selection().unwrap()
}

/// What each call answers: a body that returns its result as a handle.
fn works() -> Vec<(&'static str, &'static str, Handle)> {
    let n = Handle::of_u64;
    let procedure = || fixture(TAG).module;
    vec![
        ("kind", "(call $num (call $kind (call $arg (i64.const 2))))", n(0)),
        ("kind", "(call $num (call $kind (i32.const 0)))", n(1)),
        ("kind", "(call $num (call $kind (call $arg (i64.const 5))))", n(2)),
        ("kind", "(call $num (call $kind (call $arg (i64.const 6))))", n(3)),
        ("kind", "(call $num (call $kind (call $arg (i64.const 7))))", n(4)),
        ("kind", "(call $num (call $kind (call $arg (i64.const 14))))", n(4)),
        ("kind", "(call $num (call $kind (call $arg (i64.const 8))))", n(5)),
        ("kind", "(call $num (call $kind (call $arg (i64.const 9))))", n(6)),
        ("kind", "(call $num (call $kind (call $arg (i64.const 10))))", n(7)),
        ("kind", "(call $num (call $kind (call $arg (i64.const 11))))", n(8)),
        ("length", "(call $u64_blob (call $length (call $arg (i64.const 3))))", n(100)),
        ("length", "(call $u64_blob (call $length (call $arg (i64.const 5))))", n(100)),
        ("length", "(call $u64_blob (call $length (call $arg (i64.const 6))))", n(2)),
        ("length", "(call $u64_blob (call $length (call $arg (i64.const 11))))", n(3)),
        (
            "same",
            "(call $num (call $same (call $arg (i64.const 13))
               (call $tree_get (call $arg (i64.const 4)) (i64.const 0))))",
            n(1),
        ),
        (
            "same",
            "(call $num (call $same (call $arg (i64.const 3)) (call $arg (i64.const 5))))",
            n(0),
        ),
        // 100 + 4 * 2^32: as much as there was, where there was some.
        (
            "blob_read",
            "(local.set $r (call $blob_read (call $arg (i64.const 3)) (i64.const 96)
               (i32.const 65528) (i32.const 8)))
             (call $u64_blob (i64.or (i64.load (i32.const 65528))
               (i64.shl (i64.extend_i32_u (local.get $r)) (i64.const 56))))",
            n(0x0400_0000_6362_6160),
        ),
        (
            "blob_read",
            "(call $num (call $blob_read (call $arg (i64.const 2)) (i64.const -1)
               (i32.const 0) (i32.const 8)))",
            n(0),
        ),
        (
            "blob_window",
            "(local.set $r (call $blob_window (call $arg (i64.const 3)) (i64.const 92)
               (i32.const 50)))
             (local.set $n (i64.load (local.get $r)))
             (call $u64_blob (i64.add (local.get $n) (i64.extend_i32_u (local.get $r))))",
            n(0x6362_6160_5f5e_5d5c + 65536),
        ),
        (
            "blob_window",
            "(local.set $r (call $blob_window (call $arg (i64.const 2)) (i64.const 9)
               (i32.const 50)))
             (call $num (i32.add (memory.size) (local.get $r)))",
            n(65536 + 1),
        ),
        ("blob_u64", "(call $u64_blob (call $blob_u64 (call $arg (i64.const 13))))", n(7)),
        (
            "blob_u64",
            "(call $u64_blob (call $blob_u64 (call $arg (i64.const 2))))",
            n(0x6f_6c6c_6568),
        ),
        ("u64_blob", "(call $u64_blob (i64.const -1))", n(u64::MAX)),
        (
            "blob_new",
            "(i32.store8 (i32.const 65535) (i32.const 33))
             (call $blob_new (i32.const 65535) (i32.const 1))",
            Handle::of_blob(b"!"),
        ),
        ("blob_new", "(call $blob_new (i32.const 65536) (i32.const 0))", Handle::of_blob(b"")),
        ("tree_get", "(call $tree_get (call $arg (i64.const 4)) (i64.const 1))", entry(2)),
        ("tree_get", "(call $tree_get (call $arg (i64.const 10)) (i64.const 0))", entry(3)),
        (
            "tree_read",
            "(local.set $r (call $tree_read (call $arg (i64.const 4)) (i64.const 1)
               (i32.const 65528) (i32.const 2)))
             (local.set $s (i32.load (i32.const 65528)))
             (i32.store (i32.const 0) (call $num (local.get $r)))
             (i32.store (i32.const 4) (local.get $s))
             (call $tree_new (i32.const 0) (i32.const 2))",
            Handle::of_tree(&[n(1), Handle::of_blob(b"hello")]),
        ),
        (
            "tree_read",
            "(call $num (call $tree_read (call $arg (i64.const 4)) (i64.const 3)
               (i32.const 0) (i32.const 9)))",
            n(0),
        ),
        ("tree_new", "(call $tree_new (i32.const 0) (i32.const 0))", Handle::of_tree(&[])),
        ("tag", TAG, Handle::of_tag(&[procedure(), entry(5), entry(7)])),
        ("application", "(call $application (call $arg (i64.const 4)))", entry(7)),
        ("identification", "(call $identification (call $arg (i64.const 13)))", entry(14)),
        (
            "identification",
            "(call $identification (call $arg (i64.const 6)))",
            entry(6).identification().unwrap(),
        ),
        (
            "selection",
            "(call $selection (call $arg (i64.const 6)) (i64.const 1))",
            selection(6, Selection::Entry(1)),
        ),
        (
            "selection_range",
            "(call $selection_range (call $arg (i64.const 5)) (i64.const 1) (i64.const 9))",
            selection(5, Selection::Range(1, 9)),
        ),
        (
            "selection_path",
            "(i32.store (i32.const 8) (i32.const 0x622f61))
             (call $selection_path (call $arg (i64.const 8)) (i32.const 8) (i32.const 3))",
            selection(8, Selection::Path(Handle::of_blob(b"a/b"))),
        ),
        (
            "selection_digest",
            "(call $selection_digest (call $arg (i64.const 7)) (i64.const 0) (i64.const 2))",
            selection(7, Selection::Digest(0, 2)),
        ),
        ("strict", "(call $strict (call $arg (i64.const 7)))", entry(8)),
        ("shallow", "(call $shallow (call $arg (i64.const 7)))", entry(9)),
    ]
}

const TAG: &str = "(call $tag (call $arg (i64.const 5)) (call $arg (i64.const 7)))";

/// Which bodies trap, for the reasons that the table gives.
fn traps() -> Vec<(&'static str, &'static str, FailureKind, &'static str)> {
    let data = "of kind application, not data";
    let blob = "not an accessible blob";
    let tree = "not an accessible tree";
    vec![
        (
            "length",
            "(drop (call $length (call $arg (i64.const 7)))) (i32.const 0)",
            BadHandle,
            data,
        ),
        (
            "length",
            "(drop (call $length (call $arg (i64.const 8)))) (i32.const 0)",
            BadHandle,
            "length: handle 1 is of kind strict, not data",
        ),
        (
            "blob_read",
            "(call $blob_read (call $arg (i64.const 5)) (i64.const 0) (i32.const 0) (i32.const 0))",
            BadHandle,
            "blob_read: handle 1 is of kind blob ref, not an accessible blob",
        ),
        (
            "blob_window",
            "(call $blob_window (call $arg (i64.const 4)) (i64.const 0) (i32.const 0))",
            BadHandle,
            blob,
        ),
        ("blob_u64", "(call $u64_blob (call $blob_u64 (i32.const 0)))", BadHandle, blob),
        (
            "blob_u64",
            "(call $u64_blob (call $blob_u64 (call $arg (i64.const 3))))",
            Trap,
            "blob_u64: the blob is longer than 8 bytes",
        ),
        ("tree_get", "(call $tree_get (call $arg (i64.const 6)) (i64.const 0))", BadHandle, tree),
        ("tree_get", "(call $arg (i64.const 15))", Trap, "tree_get: no entry 15 in a tree of 15"),
        ("tree_get", "(call $arg (i64.const -1))", Trap, "no entry 18446744073709551615"),
        (
            "tree_read",
            "(call $tree_read (call $arg (i64.const 3)) (i64.const 0) (i32.const 0) (i32.const 0))",
            BadHandle,
            tree,
        ),
        (
            "tree_new",
            "(i32.store (i32.const 4) (i32.const 77))
             (call $tree_new (i32.const 0) (i32.const 2))",
            BadHandle,
            "tree_new: 77 is no handle of this run",
        ),
        (
            "tree_new",
            "(i32.store (i32.const 400) (i32.const -1))
             (call $tree_new (i32.const 0) (i32.const 101))",
            BadHandle,
            "tree_new: -1 is no handle of this run",
        ),
        (
            "tag",
            "(call $tag (call $arg (i64.const 12)) (i32.const 0))",
            Trap,
            "tag: an encode can be reached in handle 1",
        ),
        (
            "tag",
            "(call $tag (call $arg (i64.const 2)) (call $arg (i64.const 9)))",
            Trap,
            "tag: an encode can be reached in handle 2",
        ),
        ("application", "(call $application (call $arg (i64.const 6)))", BadHandle, tree),
        ("application", "(call $application (call $arg (i64.const 10)))", BadHandle, tree),
        ("identification", "(call $identification (call $arg (i64.const 7)))", BadHandle, data),
        ("strict", "(call $strict (call $arg (i64.const 8)))", BadHandle, "not a thunk"),
        ("shallow", "(call $shallow (call $arg (i64.const 4)))", BadHandle, "not a thunk"),
        (
            "fail",
            "(i32.store (i32.const 0) (i32.const 0x6f6e)) (call $fail (i32.const 0) (i32.const 2))
             (i32.const 0)",
            Failed,
            "no",
        ),
    ]
}

#[test]
fn every_call_does_what_the_table_says() {
    for (call, body, expected) in works() {
        let applied = fixture(body).apply();
        assert_eq!(value(&applied), expected, "{call}: {body}");
    }
    let tested: Vec<_> = works().iter().map(|(call, ..)| *call).collect();
    for call in CALLS.iter().filter(|call| call.result.is_some()) {
        assert!(tested.contains(&call.name), "{} is not tested", call.name);
    }
}

#[test]
fn every_call_traps_as_the_table_says() {
    for (call, body, kind, detail) in traps() {
        let failure = fixture(body).failure();
        assert_eq!(failure.0, kind, "{call}: {body}: {}", failure.1);
        assert!(failure.1.contains(detail), "{call}: {body}: {}", failure.1);
    }
    let tested: Vec<_> = traps().iter().map(|(call, ..)| *call).collect();
    for call in CALLS.iter().filter(|call| !call.traps.is_empty()) {
        assert!(tested.contains(&call.name), "{} is not tested", call.name);
    }
}

/// A call with a value for each parameter, its result dropped.
fn call_with(call: &Call, value: impl Fn(usize, Ty) -> i64) -> String {
    let values: Vec<_> = call
        .params
        .iter()
        .enumerate()
        .map(|(at, (_, ty))| format!("({}.const {})", ty.wasm(), value(at, *ty)))
        .collect();
    let call_it = format!("(call ${} {})", call.name, values.join(" "));
    if call.result.is_some() { format!("(drop {call_it})") } else { call_it }
}

#[test]
fn a_handle_that_is_not_in_the_table_traps_in_every_call() {
    for call in CALLS {
        for at in 0..call.params.len() {
            if call.params[at].1 != Ty::Handle {
                continue;
            }
            for bad in [1, 99, -1, i64::from(i32::MIN)] {
                let body = call_with(call, |param, _| if param == at { bad } else { 0 });
                let failure = Case::body(&format!("{body} (i32.const 0)")).failure();
                let detail = format!("{}: {bad} is no handle of this run", call.name);
                assert_eq!(failure, (BadHandle, detail));
            }
        }
    }
}

#[test]
fn a_range_outside_memory_traps_in_every_call() {
    for call in CALLS {
        let is_address = |ty| matches!(ty, Ty::Address | Ty::AddressOut);
        let is_indices = |ty| matches!(ty, Ty::Indices | Ty::IndicesOut);
        let has = |is: fn(Ty) -> bool| call.params.iter().any(|(_, ty)| is(*ty));
        let scale = if has(is_address) {
            1
        } else if has(is_indices) {
            4
        } else {
            continue;
        };
        for (ptr, count) in [(65536 - scale + 1, 1i64), (65536, 1), (0, 65537), (-1, -1), (1, -1)] {
            let body = call_with(call, |_, ty| match ty {
                ty if is_address(ty) || is_indices(ty) => ptr,
                Ty::Size => count,
                _ => 0,
            });
            let (from, count) = (ptr as u32 as u64, count as u32 as u64);
            let detail = format!(
                "{}: {from}..{} is outside memory of 65536 bytes",
                call.name,
                from + count * scale as u64
            );
            assert_eq!(fixture(&format!("{body} (i32.const 0)")).failure(), (Trap, detail));
        }
    }
}

#[test]
fn a_module_without_memory_may_call_what_takes_no_address() {
    for call in CALLS {
        let takes_memory = call.name == "blob_window"
            || call.params.iter().any(|(_, ty)| {
                matches!(ty, Ty::Address | Ty::AddressOut | Ty::Indices | Ty::IndicesOut)
            });
        let body = call_with(call, |_, ty| i64::from(ty == Ty::Handle));
        let case = Case::module(&format!(
            "(memory 1) (global (export \"memory\") i32 (i32.const 0))
             (func (export \"weft_apply\") (param i32) (result i32)
               (drop (call $arg (i64.const 2))) {body} (i32.const 0))"
        ))
        .argument(seven());
        if takes_memory {
            let detail = format!("{}: the module exports no memory", call.name);
            assert_eq!(case.failure(), (Trap, detail));
        } else if let weft_engine::Outcome::Failure(failure) = case.apply().outcome {
            assert_eq!(failure.kind, BadHandle, "{failure:?}");
        }
    }
}

#[test]
fn a_start_function_may_call_nothing() {
    for call in CALLS {
        let body = call_with(call, |_, _| 0);
        let case = Case::text(&format!(
            "(module {} (memory (export \"memory\") 1)
               (func $start {body})
               (start $start)
               (func (export \"weft_apply\") (param i32) (result i32) (local.get 0)))",
            imports()
        ));
        assert_eq!(case.failure(), (Trap, format!("{}: called before weft_apply", call.name)));
    }
}

#[test]
fn a_start_function_prepares_the_module() {
    let case = Case::module(
        "(global $g (mut i32) (i32.const 1))
         (func $start (global.set $g (i32.const 5)))
         (start $start)
         (func (export \"weft_apply\") (param i32) (result i32) (call $num (global.get $g)))",
    );
    assert_eq!(case.number(), 5);
}

#[test]
fn the_result_must_be_a_handle() {
    for index in [1, -1] {
        let failure = Case::body(&format!("(i32.const {index})")).failure();
        let detail = format!("weft_apply returned {index}, which is no handle of this run");
        assert_eq!(failure, (BadHandle, detail));
    }
}

#[test]
fn a_message_of_fail_is_cut_and_made_text() {
    let fail = "(memory.fill (i32.const 0) (i32.const 97) (i32.const 8192))
         (i32.store8 (i32.const 1) (i32.const 0xff))
         (call $fail (i32.const 0) (i32.const 8192)) (i32.const 0)";
    let (kind, detail) = Case::body(fail).failure();
    assert_eq!(kind, Failed);
    assert_eq!(detail, format!("a\u{fffd}{}", "a".repeat(4094)));
}

#[test]
fn many_entries_and_long_blobs_go_through_memory() {
    let case = Case::body(
        "(drop (call $tree_read (call $arg (i64.const 2)) (i64.const 0)
           (i32.const 0) (i32.const 5000)))
         (call $tree_new (i32.const 0) (i32.const 5000))",
    );
    let entries: Vec<_> = (0..5000).map(Handle::of_u64).collect();
    let tree = case.memory.put_tree(&entries);
    let case = case.argument(tree);
    let applied = case.apply();
    assert_eq!(value(&applied), tree);

    let copy = Case::body(
        "(local.set $r (call $blob_window (call $arg (i64.const 2)) (i64.const 0)
           (i32.const 200000)))
         (call $blob_new (local.get $r) (i32.const 200000))",
    );
    let bytes: Vec<u8> = (0..200_000u32).map(|i| (i % 251) as u8).collect();
    let blob = copy.memory.put_blob(&bytes);
    let applied = copy.argument(blob).apply();
    assert_eq!(value(&applied), blob);
    assert_eq!(made_blob(&applied, blob), bytes);
    assert_eq!(applied.memory_peak_bytes, 65536 * 5);
}

#[test]
fn a_window_is_the_guests_own() {
    let case = Case::body(
        "(local.set $r (call $blob_window (call $arg (i64.const 2)) (i64.const 0) (i32.const 8)))
         (i64.store (local.get $r) (i64.const 0))
         (local.set $r (call $blob_window (call $arg (i64.const 2)) (i64.const 0) (i32.const 8)))
         (call $u64_blob (i64.load (local.get $r)))",
    );
    let blob = case.memory.put_blob(&long());
    assert_eq!(case.argument(blob).number(), 0x0706_0504_0302_0100);
}

#[test]
fn what_a_run_logs_is_kept_up_to_a_bound() {
    let line = "(i32.store (i32.const 0) (i32.const 0x6968))
         (call $log (i32.const 0) (i32.const 2)) (i32.const 0)";
    let applied = Case::body(line).apply();
    assert_eq!((applied.log.as_slice(), applied.log_truncated), (&b"hi\n"[..], false));

    let endless = "(loop $l (call $log (i32.const 0) (i32.const 300))
           (br_if $l (i32.lt_u (local.tee $s (i32.add (local.get $s) (i32.const 1)))
             (i32.const 10000)))) (i32.const 0)";
    let applied = Case::body(endless).apply();
    assert!(applied.log_truncated);
    assert_eq!(applied.log.len(), 1000);
    let again = Case::body(line).apply();
    assert_eq!((again.log.as_slice(), again.log_truncated), (&b"hi\n"[..], false));
}
