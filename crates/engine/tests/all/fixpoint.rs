//! Modules for Fixpoint's interface: every call, what it does, and when it traps.

use weft_engine::FailureKind::{self, BadHandle, MemoryLimit, Trap};
use weft_engine::NoAnswerKind;
use weft_object::{Handle, Kind, Selection};

use crate::harness::{
    Case, DEBUG, ENGINE, REUSING, ROOMY, every_way, made_blob, made_tree, refused, value,
};

/// Every call by its name, with its type.
const CALLS: &[(&str, &str)] = &[
    ("attach_tree_ro_table_0", "(param externref)"),
    ("attach_tree_ro_table_1", "(param externref)"),
    ("attach_blob_ro_mem_0", "(param externref)"),
    ("attach_blob_ro_mem_1", "(param externref)"),
    ("get_attached_tree_ro_table_0", "(result externref)"),
    ("get_attached_tree_ro_table_1", "(result externref)"),
    ("get_attached_blob_ro_mem_0", "(result externref)"),
    ("size_ro_mem_0", "(result i32)"),
    ("create_blob_rw_mem_0", "(param i32) (result externref)"),
    ("create_blob_rw_mem_1", "(param i32) (result externref)"),
    ("create_tree_rw_table_0", "(param i32) (result externref)"),
    ("create_tree_rw_table_1", "(param i32) (result externref)"),
    ("create_blob_string_ro_mem_0", "(param i32 i32) (result externref)"),
    ("create_blob_string_rw_mem_0", "(param i32 i32) (result externref)"),
    ("create_blob_i32", "(param i32) (result externref)"),
    ("create_blob_i64", "(param i64) (result externref)"),
    ("nil", "(result externref)"),
    ("create_application_thunk", "(param externref) (result externref)"),
    ("create_thunk", "(param externref) (result externref)"),
    ("create_identification_thunk", "(param externref) (result externref)"),
    ("create_selection_thunk", "(param externref i32) (result externref)"),
    ("create_selection_thunk_range", "(param externref i32 i32) (result externref)"),
    ("create_strict_encode", "(param externref) (result externref)"),
    ("create_shallow_encode", "(param externref) (result externref)"),
    ("create_tag", "(param externref externref) (result externref)"),
    ("lower", "(param externref) (result externref)"),
    ("get_length", "(param externref) (result i32)"),
    ("length", "(param externref) (result i32)"),
    ("is_equal", "(param externref externref) (result i32)"),
    ("is_blob", "(param externref) (result i32)"),
    ("is_tree", "(param externref) (result i32)"),
    ("is_tag", "(param externref) (result i32)"),
    ("is_blob_ref", "(param externref) (result i32)"),
    ("is_tree_ref", "(param externref) (result i32)"),
    ("is_value", "(param externref) (result i32)"),
    ("is_object", "(param externref) (result i32)"),
    ("is_thunk", "(param externref) (result i32)"),
    ("is_encode", "(param externref) (result i32)"),
    ("is_strict", "(param externref) (result i32)"),
    ("is_shallow", "(param externref) (result i32)"),
    ("get_value_type", "(param externref) (result i32)"),
    ("value_type", "(param externref) (result i32)"),
    ("get_access", "(param externref) (result i32)"),
    ("access", "(param externref) (result i32)"),
    ("pin", "(param externref externref) (result i32)"),
    ("trace", "(param externref externref) (result i32)"),
    ("memory_unsafe_io", "(param i32 i32)"),
    ("ro_mem_0_unsafe_io", "(param i32 i32)"),
    ("rw_mem_0_unsafe_io", "(param i32 i32)"),
];

fn imports(module: &str) -> String {
    let line = |(name, ty): &(&str, &str)| {
        format!("(import \"{module}\" \"{name}\" (func ${name} {ty}))\n")
    };
    CALLS.iter().map(line).collect()
}

const STORAGE: &str = "
    (memory $ro0 (export \"ro_mem_0\") 0) (memory $ro1 (export \"ro_mem_1\") 0)
    (memory $rw0 (export \"rw_mem_0\") 1) (memory $rw1 (export \"rw_mem_1\") 0)
    (memory $own (export \"memory\") 1)
    (table $t0 (export \"ro_table_0\") 0 externref)
    (table $t1 (export \"ro_table_1\") 0 externref)
    (table $w0 (export \"rw_table_0\") 4 externref)
    (table $w1 (export \"rw_table_1\") 0 8 externref)
    (func $arg (param $i i32) (result externref) (table.get $t0 (local.get $i)))
    (func $num (param $v i32) (result externref) (call $create_blob_i32 (local.get $v)))";

/// A module with every call, whose application is attached to table 0.
fn text(module: &str, body: &str) -> String {
    format!(
        "(module {} {STORAGE}
           (func (export \"_fixpoint_apply\") (param $app externref) (result externref)
             (local $r externref) (local $n i32) (local $i i32)
             (call $attach_tree_ro_table_0 (local.get $app))
             {body}))",
        imports(module)
    )
}

/// What one run attaches over a module's data no other finds in its place.
#[test]
fn data_below_what_is_attached_is_there_again() {
    let module = r#"(module
        (import "fixpoint" "attach_tree_ro_table_0" (func $attach (param externref)))
        (import "fixpoint" "attach_blob_ro_mem_0" (func $attach_blob (param externref)))
        (import "fixpoint" "create_blob_i32" (func $num (param i32) (result externref)))
        (import "fixpoint" "get_length" (func $length (param externref) (result i32)))
        (memory $m (export "ro_mem_0") 1)
        (table $t (export "ro_table_0") 0 externref)
        (data (memory $m) (i32.const 0) "ABC")
        (func (export "_fixpoint_apply") (param $app externref) (result externref)
          (call $attach (local.get $app))
          (if (call $length (table.get $t (i32.const 2)))
            (then (call $attach_blob (table.get $t (i32.const 2)))))
          (call $num (i32.load8_u $m (i32.const 0)))))"#;
    for engine in [&ENGINE, &REUSING, &ROOMY] {
        let with = |blob: &[u8]| Case::text(module).on(engine).argument(Handle::of_blob(blob));
        for blob in [&b"x"[..], b"", b"y", b"", b"x", b""] {
            let expected = blob.first().copied().unwrap_or(b'A');
            let found = with(blob).value();
            assert_eq!(found.literal_bytes(), Some(&[expected, 0, 0, 0][..]), "{blob:?}");
        }
    }
}

fn long() -> Vec<u8> {
    (0..100).collect()
}

/// A case whose application holds one of everything, from entry 2 on.
fn fixture(body: &str) -> Case {
    of(Case::text(&text("fixpoint", body)))
}

fn of(case: Case) -> Case {
    let (seven, hello) = (Handle::of_u64(7), Handle::of_blob(b"hello"));
    let blob = case.memory.put_blob(&long());
    let tree = case.memory.put_tree(&[seven, hello]);
    let thunk = tree.application().unwrap();
    let encodes = case.memory.put_tree(&[thunk.strict().unwrap()]);
    let tag = case.memory.put_tag([blob, seven, hello]);
    let lazy = case.memory.put_tree(&[hello, thunk]);
    [
        hello,                           // 2
        blob,                            // 3
        tree,                            // 4
        blob.lower().unwrap(),           // 5
        tree.lower().unwrap(),           // 6
        thunk,                           // 7
        thunk.strict().unwrap(),         // 8
        thunk.shallow().unwrap(),        // 9
        tag,                             // 10
        tag.lower().unwrap(),            // 11
        encodes,                         // 12
        seven,                           // 13
        seven.identification().unwrap(), // 14
        lazy,                            // 15
        Handle::of_blob(b""),            // 16
        case.memory.put_tree(&[lazy]),   // 17
    ]
    .into_iter()
    .fold(case, Case::argument)
}

fn entry(at: usize) -> Handle {
    fixture("(unreachable)").entries().entries()[at]
}

fn n(number: u32) -> Handle {
    Handle::of_blob(&number.to_le_bytes())
}

fn selection(at: usize, what: Selection) -> Handle {
    Handle::of_tree(&what.definition(entry(at))).selection().unwrap()
}

/// What each call gives, as a body that returns it.
fn works() -> Vec<(&'static str, &'static str, Handle)> {
    let nil = Handle::of_blob(b"");
    let w = Selection::Range;
    vec![
        ("attach_tree_ro_table_0", "(call $arg (i32.const 13))", Handle::of_u64(7)),
        ("attach_tree_ro_table_0", "(call $num (table.size $t0))", n(18)),
        (
            "attach_tree_ro_table_1",
            "(call $attach_tree_ro_table_1 (local.get $app))
             (call $attach_tree_ro_table_1 (call $arg (i32.const 4)))
             (call $num (i32.add (i32.mul (table.size $t1) (i32.const 100))
               (ref.is_null (table.get $t1 (i32.const 1)))))",
            n(200),
        ),
        (
            "attach_tree_ro_table_1",
            "(call $attach_tree_ro_table_1 (call $arg (i32.const 10))) (table.get $t1 (i32.const 0))",
            entry(3),
        ),
        (
            "attach_blob_ro_mem_0",
            "(call $attach_blob_ro_mem_0 (call $arg (i32.const 3)))
             (call $num (i32.add (i32.load $ro0 (i32.const 96)) (memory.size $ro0)))",
            n(0x6362_6161),
        ),
        // What was longer leaves nothing.
        (
            "attach_blob_ro_mem_1",
            "(call $attach_blob_ro_mem_1 (call $arg (i32.const 3)))
             (call $attach_blob_ro_mem_1 (call $arg (i32.const 2)))
             (call $create_blob_i64 (i64.load $ro1 (i32.const 0)))",
            Handle::of_u64(0x6f_6c6c_6568),
        ),
        (
            "attach_blob_ro_mem_0",
            "(call $attach_blob_ro_mem_0 (call $arg (i32.const 3)))
             (call $attach_blob_ro_mem_0 (call $nil))
             (call $num (i32.add (i32.load $ro0 (i32.const 40)) (memory.size $ro0)))",
            n(0),
        ),
        (
            "get_attached_tree_ro_table_0",
            "(call $attach_tree_ro_table_1 (call $get_attached_tree_ro_table_0))
             (call $num (i32.add (table.size $t1)
               (call $is_equal (call $get_attached_tree_ro_table_1) (local.get $app))))",
            n(19),
        ),
        ("get_attached_tree_ro_table_1", "(call $get_attached_tree_ro_table_1)", nil),
        (
            "get_attached_blob_ro_mem_0",
            "(call $attach_blob_ro_mem_0 (call $arg (i32.const 3)))
             (call $get_attached_blob_ro_mem_0)",
            entry(3),
        ),
        ("size_ro_mem_0", "(call $num (call $size_ro_mem_0))", n(0)),
        (
            "size_ro_mem_0",
            "(call $attach_blob_ro_mem_0 (call $arg (i32.const 3))) (call $num (call $size_ro_mem_0))",
            n(100),
        ),
        (
            "create_blob_rw_mem_0",
            "(i64.store $rw0 (i32.const 32) (i64.const 1)) (call $create_blob_rw_mem_0 (i32.const 40))",
            Handle::of_blob(&[&[0; 32][..], &[1], &[0; 7]].concat()),
        ),
        ("create_blob_rw_mem_0", "(call $create_blob_rw_mem_0 (i32.const 0))", nil),
        // A memory that was detached has no page, and grows from none.
        (
            "create_blob_rw_mem_0",
            "(i64.store $rw0 (i32.const 0) (i64.const 1)) (drop (call $create_blob_rw_mem_0 (i32.const 8)))
             (local.set $n (i32.mul (memory.size $rw0) (i32.const 100)))
             (local.set $n (i32.add (local.get $n) (memory.grow $rw0 (i32.const 2))))
             (call $num (i32.add (i32.add (i32.mul (local.get $n) (i32.const 100)) (memory.size $rw0))
               (i32.load $rw0 (i32.const 0))))",
            n(2),
        ),
        (
            "create_blob_rw_mem_1",
            "(local.set $n (memory.grow $rw1 (i32.const 1)))
             (i32.store8 $rw1 (i32.const 65535) (i32.const 9))
             (drop (call $create_blob_rw_mem_1 (i32.const 65536)))
             (call $num (i32.add (memory.size $rw1) (local.get $n)))",
            n(0),
        ),
        (
            "create_tree_rw_table_0",
            "(table.set $w0 (i32.const 1) (call $arg (i32.const 3)))
             (call $create_tree_rw_table_0 (i32.const 3))",
            Handle::of_tree(&[nil, entry(3), nil]),
        ),
        (
            "create_tree_rw_table_0",
            "(drop (call $create_tree_rw_table_0 (i32.const 4)))
             (call $num (i32.add (i32.mul (table.size $w0) (i32.const 10))
               (table.grow $w0 (call $nil) (i32.const 2))))",
            n(0),
        ),
        (
            "create_tree_rw_table_1",
            "(local.set $n (table.grow $w1 (call $arg (i32.const 2)) (i32.const 3)))
             (table.fill $w1 (i32.const 1) (call $arg (i32.const 13)) (i32.const 1))
             (table.copy $w1 $t0 (i32.const 0) (i32.const 3) (i32.const 1))
             (local.set $n (table.grow $w1 (call $nil) (i32.const 6)))
             (call $create_tree_rw_table_1 (i32.add (table.size $w1) (i32.add (i32.const 1) (local.get $n))))",
            Handle::of_tree(&[entry(3), Handle::of_u64(7), entry(2)]),
        ),
        (
            "create_blob_string_ro_mem_0",
            "(call $attach_blob_ro_mem_0 (call $arg (i32.const 2)))
             (call $create_blob_string_ro_mem_0 (i32.const 1) (i32.const 4))",
            Handle::of_blob(b"ello"),
        ),
        (
            "create_blob_string_rw_mem_0",
            "(i32.store8 $rw0 (i32.const 65535) (i32.const 33))
             (local.set $r (call $create_blob_string_rw_mem_0 (i32.const 65535) (i32.const 1)))
             (if (i32.ne (memory.size $rw0) (i32.const 1)) (then (unreachable)))
             (local.get $r)",
            Handle::of_blob(b"!"),
        ),
        ("create_blob_i32", "(call $create_blob_i32 (i32.const -2))", n(u32::MAX - 1)),
        ("create_blob_i64", "(call $create_blob_i64 (i64.const -2))", Handle::of_u64(u64::MAX - 1)),
        ("nil", "(call $nil)", nil),
        ("nil", "(ref.null extern)", nil),
        ("nil", "(call $num (ref.is_null (call $arg (i32.const 16))))", n(1)),
        ("create_application_thunk", "(call $create_application_thunk (call $arg (i32.const 4)))", entry(7)),
        (
            "create_thunk",
            "(call $create_thunk (call $arg (i32.const 15)))",
            Handle::of_tree(&[entry(2), entry(8)]).application().unwrap(),
        ),
        ("create_identification_thunk", "(call $create_identification_thunk (call $arg (i32.const 13)))", entry(14)),
        (
            "create_selection_thunk",
            "(call $create_selection_thunk (call $arg (i32.const 4)) (i32.const 1))",
            selection(4, Selection::Entry(1)),
        ),
        (
            "create_selection_thunk",
            "(call $create_selection_thunk (call $arg (i32.const 6)) (i32.const 0))",
            selection(6, Selection::Entry(0)),
        ),
        (
            "create_selection_thunk",
            "(call $create_selection_thunk (call $arg (i32.const 4)) (i32.const 2))",
            nil.identification().unwrap(),
        ),
        (
            "create_selection_thunk_range",
            "(call $create_selection_thunk_range (call $arg (i32.const 3)) (i32.const 10) (i32.const 20))",
            selection(3, w(10, 20)),
        ),
        (
            "create_selection_thunk_range",
            "(call $create_selection_thunk_range (call $arg (i32.const 3)) (i32.const 90) (i32.const -1))",
            selection(3, w(90, 100)),
        ),
        (
            "create_selection_thunk_range",
            "(call $create_selection_thunk_range (call $arg (i32.const 6)) (i32.const 9) (i32.const 1))",
            selection(6, w(1, 1)),
        ),
        ("create_strict_encode", "(call $create_strict_encode (call $arg (i32.const 7)))", entry(8)),
        ("create_shallow_encode", "(call $create_shallow_encode (call $arg (i32.const 7)))", entry(9)),
        (
            "create_tag",
            TAG,
            Handle::of_tag(&[fixture(TAG).module, entry(3), Handle::of_u64(7)]),
        ),
        ("lower", "(call $lower (call $arg (i32.const 3)))", entry(5)),
        ("lower", "(call $lower (call $arg (i32.const 6)))", entry(6)),
        ("lower", "(call $lower (call $arg (i32.const 2)))", entry(2)),
        ("get_length", "(call $num (call $get_length (call $arg (i32.const 5))))", n(100)),
        ("get_length", "(call $num (call $get_length (call $arg (i32.const 11))))", n(3)),
        ("get_length", "(call $num (call $get_length (call $nil)))", n(0)),
        ("length", "(call $num (call $length (call $arg (i32.const 4))))", n(2)),
        ("is_equal", "(call $num (call $is_equal (call $arg (i32.const 3)) (call $arg (i32.const 5))))", n(0)),
        (
            "is_equal",
            "(call $num (call $is_equal (call $create_blob_i64 (i64.const 7)) (call $arg (i32.const 13))))",
            n(1),
        ),
        ("pin", "(call $num (call $pin (local.get $app) (call $nil)))", n(1)),
        ("trace", "(call $num (call $trace (local.get $app) (call $nil)))", n(1)),
    ]
}

const TAG: &str = "(call $create_tag (call $arg (i32.const 3)) (call $arg (i32.const 13)))";

#[test]
fn every_call_does_what_is_documented_in_every_way() {
    for (call, body, expected) in works() {
        for case in every_way(fixture(body)) {
            let found = case.apply();
            assert_eq!(value(&found), expected, "{call}: {body}");
        }
    }
}

/// Of the entries from 2 on, for each question, those of which the answer is 1.
const ANSWERS: &[(&str, &[usize])] = &[
    ("is_blob", &[2, 3, 13, 16]),
    ("is_tree", &[4, 10, 12, 15, 17]),
    ("is_tag", &[10]),
    ("is_blob_ref", &[5]),
    ("is_tree_ref", &[6, 11]),
    ("is_value", &[2, 3, 4, 5, 6, 10, 11, 13, 16]),
    ("is_object", &[7, 14, 15, 17]),
    ("is_thunk", &[7, 14]),
    ("is_encode", &[8, 9]),
    ("is_strict", &[8]),
    ("is_shallow", &[9]),
];

#[test]
fn questions_are_answered_for_all_kinds() {
    for (call, yes) in ANSWERS {
        let body = format!(
            "(local.set $i (i32.const 17))
             (loop $next
               (local.set $n (i32.or (i32.shl (local.get $n) (i32.const 1))
                 (call ${call} (call $arg (local.get $i)))))
               (local.set $i (i32.sub (local.get $i) (i32.const 1)))
               (br_if $next (i32.gt_u (local.get $i) (i32.const 1))))
             (call $num (local.get $n))"
        );
        let expected = yes.iter().fold(0, |bits, at| bits | 1 << (at - 2));
        assert_eq!(fixture(&body).value(), n(expected), "{call}");
    }
    for (call, answers) in [
        ("get_value_type", [2, 2, 0, 2, 0, 1, 1, 1, 3, 3]),
        ("value_type", [2, 2, 0, 2, 0, 1, 1, 1, 3, 3]),
        ("get_access", [0, 0, 0, 1, 1, 2, 2, 2, 0, 1]),
        ("access", [0, 0, 0, 1, 1, 2, 2, 2, 0, 1]),
    ] {
        for (at, answer) in answers.into_iter().enumerate() {
            let body = format!("(call $num (call ${call} (call $arg (i32.const {}))))", at + 2);
            assert_eq!(fixture(&body).value(), n(answer), "{call} of {}", at + 2);
        }
    }
}

fn arg(at: usize) -> String {
    format!("(call $arg (i32.const {at}))")
}

#[test]
fn a_handle_of_the_wrong_kind_is_a_failure() {
    // By call, what is given it beside the handle, and the entries it does not take.
    let drops: &[(&str, &str, &[usize])] = &[
        ("create_application_thunk", "", &[2, 3, 5, 6, 7, 8, 10, 11, 16]),
        ("create_thunk", "", &[2, 3, 5, 6, 7, 8, 10, 11, 16]),
        ("create_identification_thunk", "", &[7, 8, 9, 14]),
        ("create_selection_thunk", "(i32.const 0)", &[8, 9]),
        ("create_selection_thunk_range", "(i32.const 0) (i32.const 1)", &[8, 9]),
        ("create_strict_encode", "", &[2, 3, 4, 5, 6, 8, 9, 10, 11, 16]),
        ("create_shallow_encode", "", &[2, 3, 4, 5, 6, 8, 9, 10, 11, 16]),
        ("get_length", "", &[7, 8, 9, 14]),
        ("is_equal", "(call $nil)", &[7, 8, 9, 14]),
    ];
    for (call, more, entries) in drops {
        for at in *entries {
            let body = format!("(drop (call ${call} {} {more})) (call $nil)", arg(*at));
            let (kind, detail) = fixture(&body).failure();
            assert_eq!(kind, BadHandle, "{call} of {at}: {detail}");
            assert!(detail.starts_with(call) && detail.contains("of kind"), "{detail}");
        }
    }
    for (call, entries) in [
        ("attach_tree_ro_table_1", [2, 3, 5, 6, 7, 8, 9, 11, 16]),
        ("attach_blob_ro_mem_0", [4, 5, 6, 7, 8, 9, 10, 11, 12]),
    ] {
        for at in entries {
            let body = format!("(call ${call} {}) (call $nil)", arg(at));
            assert_eq!(fixture(&body).failure().0, BadHandle, "{call} of {at}");
        }
    }
}

#[test]
fn what_is_out_of_range_is_a_failure() {
    let table = "table access out of bounds";
    let cases: &[(&str, FailureKind, &str)] = &[
        ("(table.get $t0 (i32.const 18))", Trap, table),
        ("(table.get $t1 (i32.const 0))", Trap, table),
        (
            "(call $attach_tree_ro_table_1 (local.get $app))
             (call $attach_tree_ro_table_1 (call $arg (i32.const 4))) (table.get $t1 (i32.const 2))",
            Trap,
            table,
        ),
        ("(table.set $w0 (i32.const 4) (call $nil)) (call $nil)", Trap, table),
        (
            "(drop (call $create_tree_rw_table_0 (i32.const 0))) (table.get $w0 (i32.const 0))",
            Trap,
            table,
        ),
        ("(table.fill $w0 (i32.const 3) (call $nil) (i32.const 2)) (call $nil)", Trap, table),
        ("(table.fill $w0 (i32.const -1) (call $nil) (i32.const 2)) (call $nil)", Trap, table),
        (
            "(table.copy $w0 $t0 (i32.const 0) (i32.const 17) (i32.const 2)) (call $nil)",
            Trap,
            table,
        ),
        (
            "(call $create_tree_rw_table_0 (i32.const 5))",
            Trap,
            "create_tree_rw_table_0: 5 entries of a table of 4",
        ),
        (
            "(call $create_blob_rw_mem_0 (i32.const 65537))",
            Trap,
            "create_blob_rw_mem_0: 0..65537 is outside memory of 65536 bytes",
        ),
        (
            "(drop (call $create_blob_rw_mem_0 (i32.const 1))) (call $create_blob_rw_mem_0 (i32.const 1))",
            Trap,
            "create_blob_rw_mem_0: 0..1 is outside memory of 0 bytes",
        ),
        (
            "(call $create_blob_string_rw_mem_0 (i32.const 65535) (i32.const 2))",
            Trap,
            "create_blob_string_rw_mem_0: 65535..65537 is outside memory of 65536 bytes",
        ),
        (
            "(call $attach_blob_ro_mem_0 (call $arg (i32.const 2)))
             (call $create_blob_string_ro_mem_0 (i32.const 1) (i32.const 5))",
            Trap,
            "create_blob_string_ro_mem_0: 1..6 is outside memory of 5 bytes",
        ),
        (
            "(call $memory_unsafe_io (i32.const 65536) (i32.const 1)) (call $nil)",
            Trap,
            "memory_unsafe_io: 65536..65537 is outside memory of 65536 bytes",
        ),
        ("(i32.store $rw1 (i32.const 0) (i32.const 0)) (call $nil)", Trap, "memory access out of bounds"),
        (
            "(call $attach_blob_ro_mem_0 (call $arg (i32.const 3))) (drop (i32.load $ro0 (i32.const 65536)))
             (call $nil)",
            Trap,
            "memory access out of bounds",
        ),
        (
            "(call $create_tag (call $arg (i32.const 12)) (call $nil))",
            Trap,
            "create_tag: an encode can be reached in the target or the data",
        ),
        ("(unreachable)", Trap, "unreachable"),
    ];
    for (body, kind, detail) in cases {
        for case in every_way(fixture(body)) {
            assert_eq!(case.failure(), (*kind, (*detail).to_owned()), "{body}");
        }
    }
}

#[test]
fn both_names_of_the_module_are_one_interface() {
    let body = "(call $num (call $get_length (call $arg (i32.const 3))))";
    assert_eq!(of(Case::text(&text("fix", body))).value(), n(100));
    // By its definition, as it was called once.
    let module = "(module
       (import \"fixpoint\" \"create_selection_thunk\" (func $select (param externref) (result externref)))
       (import \"fixpoint\" \"attach_tree_ro_table_7\" (func $attach (param externref)))
       (table $t (export \"ro_table_7\") 0 externref)
       (func (export \"_fixpoint_apply\") (param $app externref) (result externref)
         (call $attach (local.get $app))
         (call $select (table.get $t (i32.const 2)))))";
    let case = Case::text(module);
    let definition = case.memory.put_tree(&Selection::Entry(0).definition(entry(4)));
    assert_eq!(case.argument(definition).value(), definition.selection().unwrap());
}

#[test]
fn what_is_printed_is_logged() {
    let body = "(call $attach_blob_ro_mem_0 (call $arg (i32.const 2)))
       (call $ro_mem_0_unsafe_io (i32.const 0) (i32.const 5))
       (i32.store8 $rw0 (i32.const 3) (i32.const 33)) (i32.store8 $own (i32.const 3) (i32.const 63))
       (call $rw_mem_0_unsafe_io (i32.const 3) (i32.const 1))
       (call $memory_unsafe_io (i32.const 3) (i32.const 1)) (call $nil)";
    assert_eq!(fixture(body).apply().log, b"hello\n!\n?\n");
}

#[test]
fn what_is_absent_in_what_a_thunk_comes_to_is_nil() {
    // Decided when that is known, by a function that comes with it.
    for (body, length) in [
        ("(call $create_selection_thunk (call $arg (i32.const 7)) (i32.const 3))", 5),
        (
            "(call $create_selection_thunk_range (call $arg (i32.const 7)) (i32.const 1) (i32.const 9))",
            6,
        ),
    ] {
        let applied = fixture(body).apply();
        let thunk = value(&applied);
        assert_eq!(thunk.kind(), Kind::Application);
        let entries = made_tree(&applied, thunk.content());
        assert_eq!((entries.len(), entries[2]), (length, entry(9)));
        let module = made_blob(&applied, entries[1]);
        assert_eq!(module, wat::parse_str(include_str!("../../src/fixpoint/select.wat")).unwrap());
        let select = |target: Handle, numbers: &[u64]| {
            let case = Case::binary(&module).argument(target).argument(Handle::of_blob(b""));
            numbers.iter().map(|number| Handle::of_u64(*number)).fold(case, Case::argument).value()
        };
        let tree = entry(6);
        let of = |what: Selection| Handle::of_tree(&what.definition(tree)).selection().unwrap();
        assert_eq!(select(tree, &[1]), of(Selection::Entry(1)));
        assert_eq!(select(tree, &[2]), Handle::of_blob(b""));
        assert_eq!(select(tree, &[1, 9]), of(Selection::Range(1, 2)));
        assert_eq!(select(tree, &[9, 1]), of(Selection::Range(1, 1)));
    }
}

#[test]
fn trees_that_are_returned_ask_for_their_thunks() {
    let applied = fixture(
        "(table.set $w0 (i32.const 0) (call $arg (i32.const 7)))
         (table.set $w0 (i32.const 1) (call $arg (i32.const 17)))
         (table.set $w0 (i32.const 2) (call $arg (i32.const 9)))
         (call $create_tree_rw_table_0 (i32.const 3))",
    )
    .apply();
    let below = Handle::of_tree(&[Handle::of_tree(&[entry(2), entry(8)])]);
    assert_eq!(value(&applied), Handle::of_tree(&[entry(8), below, entry(9)]));
    assert_eq!(made_tree(&applied, below)[0], Handle::of_tree(&[entry(2), entry(8)]));
    // An argument that is passed on is not.
    let thunk = fixture("(call $create_application_thunk (call $arg (i32.const 15)))").value();
    assert_eq!(thunk, entry(15).application().unwrap());
    let mut deep = fixture("(call $arg (i32.const 18))");
    let tree = (0..10_000).fold(entry(15), |below, _| deep.memory.put_tree(&[below]));
    deep.arguments.push(tree);
    assert!(deep.value().has_encode());
}

#[test]
fn a_closure_is_seen_nested_at_index_1() {
    let body = "(call $attach_tree_ro_table_1 (call $arg (i32.const 1)))
       (table.set $w0 (i32.const 0) (table.get $t1 (i32.const 2)))
       (table.set $w0 (i32.const 1) (call $arg (i32.const 2)))
       (table.set $w0 (i32.const 2) (call $create_tag (call $nil) (call $nil)))
       (call $create_tree_rw_table_0 (i32.const 3))";
    let mut case = Case::text(&text("fixpoint", body));
    let (module, nil) = (case.module, Handle::of_blob(b""));
    let closure = case.memory.put_tree(&[nil, module, Handle::of_u64(1)]);
    case.module = Handle::of_blob(b"fixpoint/1");
    case.arguments = vec![closure, Handle::of_u64(2)];
    let expected = [Handle::of_u64(1), Handle::of_u64(2), Handle::of_tag(&[module, nil, nil])];
    assert_eq!(case.value(), Handle::of_tree(&expected));
    // One that a module makes is applied by the built-in, in whichever depth.
    let nested = "(table.set $w0 (i32.const 1) (call $arg (i32.const 2)))
       (table.set $w0 (i32.const 2) (call $arg (i32.const 3)))
       (call $create_application_thunk (call $create_tree_rw_table_0 (i32.const 3)))";
    let outer = case.memory.put_tree(&[nil, closure]);
    let mut maker = Case::text(&text("fixpoint", nested));
    maker.memory = case.memory.clone();
    let maker_module = maker.memory.put_blob(&wat::parse_str(text("fixpoint", nested)).unwrap());
    maker.module = maker_module;
    maker.arguments = vec![outer, Handle::of_u64(2)];
    let by_name = [nil, Handle::of_blob(b"fixpoint/1"), outer, Handle::of_u64(2)];
    assert_eq!(maker.value(), Handle::of_tree(&by_name).application().unwrap());
    // One of ours has its procedure at the front, and is left to be taken apart.
    let ours = maker.memory.put_tree(&[module, Handle::of_u64(1)]);
    maker.arguments = vec![ours, Handle::of_u64(2)];
    assert_eq!(
        maker.value(),
        Handle::of_tree(&[nil, ours, Handle::of_u64(2)]).application().unwrap()
    );
    // What it was given it may return, with its content.
    let whole = Case::text(&text("fixpoint", "(local.get $app)"));
    let whole_module =
        case.memory.put_blob(&wat::parse_str(text("fixpoint", "(local.get $app)")).unwrap());
    assert_eq!(whole.value(), whole.entries().handle());
    let closed = case.memory.put_tree(&[nil, whole_module]);
    case.arguments = vec![closed];
    let applied = case.apply();
    let limits = case.entries().entries()[0];
    assert_eq!(made_tree(&applied, value(&applied)), [limits, closed]);
    case.arguments = vec![case.memory.put_tree(&[nil])];
    assert_eq!(
        refused(&case).detail,
        "a closure of fixpoint/1 has limits and a procedure, at least"
    );
    case.arguments = Vec::new();
    assert_eq!(refused(&case).detail, "fixpoint/1 needs a procedure as its first argument");
}

#[test]
fn what_does_not_fit_is_refused_by_name() {
    let refused = |text: &str| refused(&Case::text(text));
    let failure = refused(
        "(module (import \"fixpoint\" \"create_blob_i23\" (func (param i32) (result externref)))
           (func (export \"_fixpoint_apply\") (param externref) (result externref) (local.get 0)))",
    );
    assert_eq!(failure.detail, "unknown imports: fixpoint.create_blob_i23");
    let note = failure.note.unwrap();
    assert!(note.contains("the nearest known is fixpoint.create_blob_i32"), "{note}");
    let failure = refused(
        "(module (import \"fix\" \"get_length\" (func (param externref) (result i64)))
           (func (export \"_fixpoint_apply\") (param externref) (result externref) (local.get 0)))",
    );
    assert_eq!(
        failure.detail,
        "unknown imports: fix.get_length as (externref) -> i64, which is (externref) -> i32"
    );
    let failure = refused(
        "(module (import \"weft_1\" \"kind\" (func (param i32) (result i32)))
           (func (export \"_fixpoint_apply\") (param externref) (result externref) (local.get 0)))",
    );
    assert_eq!(failure.detail, "unknown imports: weft_1.kind");
    let failure = refused(
        "(module (func (export \"_fixpoint_apply\") (param i32) (result i32) (local.get 0)))",
    );
    assert_eq!(failure.detail, "_fixpoint_apply is (i32) -> i32, not (externref) -> externref");
    let failure = refused("(module (import \"fixpoint\" \"nil\" (func (result externref))))");
    assert_eq!(failure.detail, "no export _fixpoint_apply");
    // What is a codelet stays one, and has no such type.
    let failure = refused(
        "(module (func (export \"weft_apply\") (param i32) (result i32) (local.get 0))
           (func (export \"_fixpoint_apply\") (param externref) (result externref) (local.get 0)))",
    );
    assert!(failure.detail.starts_with("malformed"), "{failure:?}");
    // A number of a memory that is not there is told when it is asked for.
    let case = Case::text(
        "(module (import \"fixpoint\" \"size_ro_mem_3\" (func $size (result i32)))
           (func (export \"_fixpoint_apply\") (param externref) (result externref)
             (drop (call $size)) (local.get 0)))",
    );
    let detail = "size_ro_mem_3: the module exports no memory or table of this number";
    assert_eq!(case.failure(), (Trap, detail.to_owned()));
}

#[test]
fn a_number_is_no_handle_and_no_handle_is_a_number() {
    // Types that differ in `externref` alone are as different as they were.
    let case = Case::text(
        "(module (type $number (func (param i32) (result i32)))
           (type $handle (func (param externref) (result externref)))
           (table $t 1 funcref) (elem (i32.const 0) $same)
           (func $same (type $handle) (local.get 0))
           (func (export \"_fixpoint_apply\") (param externref) (result externref)
             (drop (call_indirect $t (type $number) (i32.const 1) (i32.const 0))) (local.get 0)))",
    );
    assert_eq!(case.failure(), (Trap, "indirect call of another type".to_owned()));
    // With the types that a handle is turned into, a module is not valid.
    for module in [
        "(module (func (export \"_fixpoint_apply\") (param externref) (result externref) (local.get 0))
           (func (drop (ref.i31 (i32.const 1)))))",
        "(module (func (export \"_fixpoint_apply\") (param externref) (result externref)
           (extern.convert_any (ref.i31 (i32.const 1)))))",
    ] {
        assert!(refused(&Case::text(module)).detail.starts_with("malformed"));
    }
}

#[test]
fn handles_go_wherever_references_may() {
    let case = Case::text(
        "(module (import \"fixpoint\" \"create_blob_i32\" (func $num (param i32) (result externref)))
           (table $mine 2 externref) (global $kept (mut externref) (ref.null extern))
           (table $other (export \"rw_table_0\") 3 externref)
           (elem declare externref (ref.null extern))
           (elem (table $mine) (i32.const 1) externref (ref.null extern))
           (func $two (param externref) (result externref externref) (local.get 0) (local.get 0))
           (func (export \"_fixpoint_apply\") (param $app externref) (result externref)
             (local $a externref) (local $n i32)
             (global.set $kept (call $num (i32.const 5)))
             (table.set $mine (i32.const 0) (global.get $kept))
             (table.set $mine (i32.const 1) (local.get $app))
             (local.set $a (block (result externref) (table.get $mine (i32.const 0))))
             (local.set $a (if (result externref) (i32.const 1) (then (local.get $a)) (else (ref.null extern))))
             (local.set $a (select (result externref) (local.get $a) (local.get $app) (i32.const 1)))
             (call $two (local.get $a)) (drop)))",
    );
    for case in every_way(case) {
        assert_eq!(case.value(), n(5));
        assert_eq!(case.value(), n(5));
    }
}

#[test]
fn a_run_leaves_nothing_to_the_next() {
    // What each finds, it changes.
    let body = "(local.set $n (i32.add (i32.add (i32.load $rw0 (i32.const 8)) (i32.load $own (i32.const 60000)))
         (i32.add (call $size_ro_mem_0) (i32.add (table.size $t1) (i32.load $ro0 (i32.const 0))))))
       (if (i32.eqz (ref.is_null (table.get $w0 (i32.const 3)))) (then (unreachable)))
       (if (i32.ne (table.size $w0) (i32.const 4)) (then (unreachable)))
       (if (i32.ne (memory.size $rw0) (i32.const 1)) (then (unreachable)))
       (if (i32.ne (memory.size $ro0) (i32.const 0)) (then (unreachable)))
       (i32.store $rw0 (i32.const 8) (i32.const 1)) (i32.store $own (i32.const 60000) (i32.const 1))
       (call $attach_tree_ro_table_1 (local.get $app))
       (call $attach_blob_ro_mem_0 (call $arg (i32.const 3)))
       (table.set $w0 (i32.const 3) (local.get $app))
       (drop (call $create_blob_rw_mem_0 (i32.const 40))) (drop (call $create_tree_rw_table_0 (i32.const 4)))
       (call $num (local.get $n))";
    for engine in [&*ENGINE, &*REUSING, &*ROOMY, &*DEBUG] {
        let case = fixture(body).on(engine);
        for _ in 0..20 {
            assert_eq!(case.value(), n(0));
        }
    }
}

#[test]
fn limits_hold() {
    // Memory that is attached counts, but for a page; what is detached is used again.
    let big = |bytes: usize, body: &str| {
        let mut case = Case::text(&text("fixpoint", body));
        case.arguments = vec![case.memory.put_blob(&vec![1; bytes])];
        case.limit(5 << 16)
    };
    let attach = "(call $attach_blob_ro_mem_0 (call $arg (i32.const 2)))
       (call $num (i32.add (memory.size $ro0) (memory.grow $rw0 (i32.const 9))))";
    for case in every_way(big(4 << 16, attach)) {
        assert_eq!(case.value(), n(3));
    }
    let (kind, detail) = big(9 << 16, attach).failure();
    assert_eq!(kind, MemoryLimit);
    assert!(
        detail.starts_with("attach_blob_ro_mem_0: 589824 bytes of memory are above"),
        "{detail}"
    );
    let detaching = "(loop $next
         (drop (call $create_blob_rw_mem_0 (i32.const 8)))
         (if (i32.eq (memory.grow $rw0 (i32.const 2)) (i32.const -1)) (then (unreachable)))
         (local.set $i (i32.add (local.get $i) (i32.const 1)))
         (br_if $next (i32.lt_u (local.get $i) (i32.const 1000))))
       (call $num (memory.size $rw0))";
    assert_eq!(big(1, detaching).value(), n(2));
    // A declared maximum, and the bound of all tables.
    let growing = "(call $num (i32.add (table.grow $w1 (call $nil) (i32.const 9))
         (i32.mul (i32.const 10) (table.grow $w0 (call $nil) (i32.const 0x100000)))))";
    assert_eq!(fixture(growing).value(), n(-11i32 as u32));
    let more = "(drop (table.grow $w0 (local.get $app) (i32.const 50000)))
       (if (i32.ne (call $get_length (table.get $w0 (i32.const 50003))) (i32.const 18)) (then (unreachable)))
       (call $num (table.size $w0))";
    for case in every_way(fixture(more)) {
        assert_eq!(case.value(), n(50004));
    }
    let handles =
        "(loop $next (call $attach_tree_ro_table_1 (local.get $app)) (br $next)) (unreachable)";
    assert_eq!(fixture(handles).no_answer(), NoAnswerKind::HandleTable);
    assert_eq!(
        fixture("(loop $next (br $next)) (unreachable)").fuel(100_000).no_answer(),
        NoAnswerKind::Fuel
    );
    let case = fixture("(loop $next (br $next)) (unreachable)");
    let interrupt = case.interrupt.clone();
    let stopper = std::thread::spawn(move || {
        std::thread::sleep(std::time::Duration::from_millis(50));
        interrupt.interrupt();
    });
    assert_eq!(case.no_answer(), NoAnswerKind::Interrupted);
    stopper.join().unwrap();
}

#[test]
fn a_start_function_may_prepare_and_ask_nothing() {
    let module = |start: &str| {
        format!(
            "(module (import \"fixpoint\" \"create_blob_i32\" (func $num (param i32) (result externref)))
               (global $n (mut i32) (i32.const 0))
               (func $start {start}) (start $start)
               (func (export \"_fixpoint_apply\") (param externref) (result externref)
                 (call $num (global.get $n))))"
        )
    };
    assert_eq!(Case::text(&module("(global.set $n (i32.const 3))")).value(), n(3));
    let asking = Case::text(&module("(drop (call $num (i32.const 3)))"));
    let detail = "create_blob_i32: called before _fixpoint_apply".to_owned();
    assert_eq!(asking.failure(), (Trap, detail));
}
