//! Memory and tables: -1 exactly when the meaning says so.

use weft_engine::FailureKind::{BadModule, MemoryLimit};
use weft_engine::{Outcome, TABLE_ELEMENTS_MAX};
use weft_object::Handle;

use crate::harness::{Case, every_way, value};

const PAGE: u64 = 65536;

/// Grows memories one after the other by (memory, pages) and returns the Tree
/// of the answers.
fn grows(memories: &str, steps: &[(u32, i64)], is64: bool) -> Case {
    let steps: String = steps
        .iter()
        .enumerate()
        .map(|(at, (memory, pages))| {
            let answer = match is64 {
                true => format!("(memory.grow {memory} (i64.const {pages}))"),
                false => format!("(i64.extend_i32_s (memory.grow {memory} (i32.const {pages})))"),
            };
            format!("(i32.store $out (i32.const {}) (call $u64_blob {answer}))\n", 4 * at)
        })
        .collect();
    let count = steps.lines().count();
    Case::module(&format!(
        "{memories}
         (memory $out (export \"memory\") 1)
         (func (export \"weft_apply\") (param i32) (result i32)
           {steps}
           (call $tree_new (i32.const 0) (i32.const {count})))"
    ))
}

fn answers(case: &Case) -> Vec<i64> {
    let applied = case.apply();
    let tree = value(&applied);
    crate::harness::made_tree(&applied, tree)
        .iter()
        .map(|answer| answer.literal_u64().unwrap() as i64)
        .collect()
}

#[test]
fn memory_grows_up_to_the_limit_and_not_beyond() {
    // One page of the ten is `$out`'s.
    let case = grows("(memory 2)", &[(0, 5), (0, 3), (0, 2), (0, 1), (0, 0)], false);
    for case in every_way(case.limit(10 * PAGE)) {
        assert_eq!(answers(&case), [2, -1, 7, -1, 9]);
    }
}

#[test]
fn the_limit_is_on_the_sum_of_all_memories() {
    let case = grows("(memory 1) (memory 1)", &[(0, 3), (1, 4), (1, 3), (0, 1), (2, 1)], false);
    for case in every_way(case.limit(9 * PAGE)) {
        assert_eq!(answers(&case), [1, -1, 1, -1, -1]);
    }
}

#[test]
fn a_limit_within_a_page_counts_whole_pages() {
    let case = grows("(memory 1)", &[(0, 2), (0, 1)], false);
    for case in every_way(case.limit(4 * PAGE - 1)) {
        assert_eq!(answers(&case), [-1, 1]);
    }
}

#[test]
fn the_declared_maximum_counts_too_and_a_refusal_costs_nothing() {
    let case =
        grows("(memory 1 3)", &[(0, 3), (0, 100_000), (0, 2), (0, 1), (1, 6), (1, 1)], false);
    for case in every_way(case.limit(10 * PAGE)) {
        assert_eq!(answers(&case), [-1, -1, 1, -1, 1, -1]);
    }
}

#[test]
fn a_memory_of_64_bits_grows_alike() {
    let case = grows("(memory i64 1)", &[(0, 1 << 60), (0, -1), (0, 7), (0, 1), (0, 2)], true);
    for case in every_way(case.limit(10 * PAGE)) {
        assert_eq!(answers(&case), [-1, -1, 1, 8, -1]);
    }
}

#[test]
fn a_memory_above_4_gib_is_the_limits_business() {
    // 4 GiB and a page, of which one page is touched.
    let case = Case::module(
        "(memory i64 1) (memory $out (export \"memory\") 1)
         (func (export \"weft_apply\") (param i32) (result i32)
           (drop (memory.grow 0 (i64.const 65536)))
           (i64.store 0 (i64.const 0x100000000) (i64.const 42))
           (call $u64_blob (i64.load 0 (i64.const 0x100000000))))",
    );
    assert_eq!(case.limit(5 << 30).number(), 42);
}

#[test]
fn more_memories_than_the_pool_has_places_for() {
    let case = grows(&"(memory 1)".repeat(40), &[(39, 4), (7, 5), (7, 1)], false);
    for case in every_way(case.limit(46 * PAGE)) {
        assert_eq!(answers(&case), [1, -1, 1]);
    }
}

#[test]
fn initial_memories_above_the_limit_fail() {
    let module = "(memory (export \"memory\") 3) (memory 4)
        (func (export \"weft_apply\") (param i32) (result i32) (i32.const 0))";
    for case in every_way(Case::module(module).limit(7 * PAGE)) {
        assert_eq!(case.value(), case.entries().handle());
    }
    for case in every_way(Case::module(module).limit(7 * PAGE - 1)) {
        let detail = "the module begins with 458752 bytes of memory and the limit is 458751";
        assert_eq!(case.failure(), (MemoryLimit, detail.to_owned()));
    }
}

#[test]
fn a_window_counts_as_growth() {
    let case = Case::body(
        "(local.set $r (call $blob_window (call $arg (i64.const 2)) (i64.const 0)
           (i32.const 65537)))
         (local.set $s (call $blob_window (call $arg (i64.const 2)) (i64.const 0)
           (i32.const 65537)))
         (call $u64_blob (i64.or (i64.shl (i64.extend_i32_u (local.get $r)) (i64.const 32))
           (i64.extend_i32_u (local.get $s))))",
    );
    let blob = case.memory.put_blob(&[7; 70_000]);
    let case = case.argument(blob).limit(4 * PAGE);
    for case in every_way(case) {
        assert_eq!(case.number(), 0x0001_0000_ffff_ffff);
    }
}

#[test]
fn tables_grow_up_to_a_number_that_the_meaning_fixes() {
    let max = TABLE_ELEMENTS_MAX;
    let case = Case::module(&format!(
        "(table $a 10 funcref) (table $b 1 5 funcref)
         (memory (export \"memory\") 1)
         (func $put (param $at i32) (param $answer i32)
           (i32.store (local.get $at) (call $num (local.get $answer))))
         (func (export \"weft_apply\") (param i32) (result i32)
           (call $put (i32.const 0) (table.grow $b (ref.null func) (i32.const 5)))
           (call $put (i32.const 4) (table.grow $b (ref.null func) (i32.const 4)))
           (call $put (i32.const 8) (table.grow $a (ref.null func) (i32.const {})))
           (call $put (i32.const 12) (table.grow $a (ref.null func) (i32.const {})))
           (call $put (i32.const 16) (table.grow $a (ref.null func) (i32.const 1)))
           (call $tree_new (i32.const 0) (i32.const 5)))",
        max - 14,
        max - 15,
    ));
    for case in every_way(case) {
        let minus_one = i64::from(u32::MAX);
        assert_eq!(answers(&case), [minus_one, 1, minus_one, 10, minus_one]);
    }
}

#[test]
fn initial_tables_above_that_number_are_refused() {
    let module = |elements: u64| {
        Case::module(&format!(
            "(table {elements} funcref) (table 5 funcref)
             (func (export \"weft_apply\") (param i32) (result i32) (i32.const 0))"
        ))
    };
    let fits = module(TABLE_ELEMENTS_MAX - 5);
    assert_eq!(fits.value(), fits.entries().handle());
    let (kind, detail) = module(TABLE_ELEMENTS_MAX - 4).failure();
    assert_eq!((kind, detail.as_str()), (BadModule, "tables of 1048577 elements, above 1048576"));
}

#[test]
fn the_peak_is_reported() {
    let case = grows("(memory 2)", &[(0, 5)], false);
    let applied = case.limit(10 * PAGE).apply();
    assert!(matches!(applied.outcome, Outcome::Value(_)));
    assert_eq!(applied.memory_peak_bytes, 8 * PAGE);
    assert_eq!(
        Case::body("(i32.const 0)").argument(Handle::of_u64(1)).apply().memory_peak_bytes,
        PAGE
    );
}
