//! Equal inputs, equal outcomes: fresh state, canonical NaNs, one answer.

use weft_object::Handle;

use crate::harness::{Case, every_way};

/// Changes everything that it can change and answers what it found.
const SCRIBBLER: &str = r#"
    (memory (export "memory") 1 100)
    (global $g (mut i64) (i64.const 3))
    (table $t 4 funcref)
    (elem $e func $one)
    (data $d "\05")
    (func $one)
    (func (export "weft_apply") (param i32) (result i32)
      (local $found i64)
      (local.set $found (i64.add (global.get $g) (i64.load (i32.const 40000))))
      (local.set $found (i64.add (local.get $found)
        (i64.extend_i32_u (i32.mul (i32.const 1000) (i32.add (memory.size) (table.size $t))))))
      (local.set $found (i64.add (local.get $found)
        (i64.extend_i32_u (ref.is_null (table.get $t (i32.const 1))))))
      ;; From segments that are dropped below.
      (memory.init $d (i32.const 40000) (i32.const 0) (i32.const 1))
      (table.init $t $e (i32.const 1) (i32.const 0) (i32.const 1))
      (data.drop $d) (elem.drop $e)
      (global.set $g (i64.const 77))
      (drop (memory.grow (i32.const 3)))
      (i64.store (i32.const 200000) (i64.const -1))
      (memory.fill (i32.const 8) (i32.const 255) (i32.const 30000))
      (drop (table.grow $t (ref.func $one) (i32.const 5)))
      (if (i64.eq (call $blob_u64 (call $arg (i64.const 2))) (i64.const 1)) (then unreachable))
      (call $u64_blob (local.get $found)))"#;

#[test]
fn every_application_begins_with_the_pristine_module() {
    for mut case in every_way(Case::module(SCRIBBLER).argument(Handle::of_u64(0))) {
        for round in 0..200 {
            let traps = round % 3 == 1;
            case.arguments[0] = Handle::of_u64(u64::from(traps));
            match traps {
                true => assert_eq!(case.failure().1, "unreachable"),
                false => assert_eq!(case.number(), 3 + 5000 + 1),
            }
        }
    }
}

#[test]
fn a_memory_grown_by_one_run_is_zero_in_the_next() {
    let case = Case::body(
        "(drop (memory.grow (i32.const 2)))
         (local.set $n (i64.or (i64.load (i32.const 70000)) (i64.load (i32.const 190000))))
         (i64.store (i32.const 70000) (i64.const -1))
         (i64.store (i32.const 190000) (i64.const -1))
         (call $u64_blob (local.get $n))",
    );
    for case in every_way(case) {
        for _ in 0..20 {
            assert_eq!(case.number(), 0);
        }
    }
}

/// A body whose value of 64 bits is the same in every way.
fn bits(body: &str) -> u64 {
    let found =
        every_way(Case::body(&format!("(call $u64_blob {body})"))).map(|case| case.number());
    assert!(found.iter().all(|bits| *bits == found[0]), "{body}: {found:?}");
    found[0]
}

#[test]
fn every_nan_that_arithmetic_makes_is_canonical() {
    const NAN32: u64 = 0x7fc0_0000;
    const NAN64: u64 = 0x7ff8_0000_0000_0000;
    // Through memory, so that nothing is folded at compile time.
    let f32 = |bits: u32| {
        format!(
            "(block (result f32) (i32.store (i32.const 0) (i32.const {bits})) (f32.load (i32.const 0)))"
        )
    };
    let f64 = |bits: u64| {
        format!(
            "(block (result f64) (i64.store (i32.const 0) (i64.const {bits})) (f64.load (i32.const 0)))"
        )
    };
    let nan32 = f32(0xffa1_2345);
    let nan64 = f64(0xfff4_0000_0000_0001);
    for op in [
        format!("(f32.add {nan32} (f32.const 1))"),
        format!("(f32.mul (f32.const 0) {})", f32(0x7f80_0000)),
        format!("(f32.div {0} {0})", f32(0)),
        format!("(f32.sqrt {})", f32(0xbf80_0000)),
        format!("(f32.min {nan32} (f32.const 1))"),
        format!("(f32.nearest {nan32})"),
        format!("(f32.demote_f64 {nan64})"),
    ] {
        assert_eq!(bits(&format!("(i64.extend_i32_u (i32.reinterpret_f32 {op}))")), NAN32, "{op}");
    }
    for op in [
        format!("(f64.sub {nan64} (f64.const 1))"),
        format!("(f64.div {0} {0})", f64(0)),
        format!("(f64.max (f64.const 1) {nan64})"),
        format!("(f64.promote_f32 {nan32})"),
    ] {
        assert_eq!(bits(&format!("(i64.reinterpret_f64 {op})")), NAN64, "{op}");
    }
    // Moving one about is no arithmetic.
    let moved = bits(&format!("(i64.extend_i32_u (i32.reinterpret_f32 (f32.abs {nan32})))"));
    assert_eq!(moved, 0x7fa1_2345);
    let lanes = format!(
        "(i64x2.extract_lane 0 (f32x4.add (f32x4.splat {nan32}) (v128.const f32x4 1 1 1 1)))"
    );
    assert_eq!(bits(&lanes), 0x7fc0_0000_7fc0_0000);
}

#[test]
fn relaxed_simd_is_deterministic() {
    // Out of range: the deterministic choice saturates, and NaN is 0.
    let trunc = "(i64x2.extract_lane 0 (i32x4.relaxed_trunc_f32x4_s
         (v128.const f32x4 1e30 nan 1 1)))";
    assert_eq!(bits(trunc), 0x0000_0000_7fff_ffff);
    // Fused: (1 + e)^2 - (1 + 2e) is e^2, and 0 if the product is rounded.
    let madd = "(i64x2.extract_lane 0 (f64x2.relaxed_madd
         (v128.const f64x2 0x1.0000000000001p0 0) (v128.const f64x2 0x1.0000000000001p0 0)
         (v128.const f64x2 -0x1.0000000000002p0 0)))";
    assert_eq!(f64::from_bits(bits(madd)), 2f64.powi(-104));
    let swizzle = "(i64x2.extract_lane 0 (i8x16.relaxed_swizzle
         (v128.const i8x16 9 8 7 6 5 4 3 2 1 1 1 1 1 1 1 1)
         (v128.const i8x16 0 16 17 127 128 255 1 2 0 0 0 0 0 0 0 0)))";
    assert_eq!(bits(swizzle).to_le_bytes(), [9, 0, 0, 0, 0, 0, 8, 7]);
}
