//! Modules that write much and trap little: modules made of any instructions trap
//! before they have changed anything.
//!
//! Stores are near the borders of cards of 4 KiB, under addresses that are made of each
//! other, on ways that the argument chooses.

use std::fmt::Write as _;

use arbitrary::{Result, Unstructured};

/// How deep statements stand in each other.
const DEPTH: u32 = 4;

/// Cards of the memory whose borders are stored to.
const CARDS: i32 = 28;

const STORES: [(&str, &str); 6] = [
    ("i32.store8", "(i32.const -1)"),
    ("i64.store", "(i64.const -1)"),
    ("f32.store", "(f32.const 1.5)"),
    ("f64.store", "(f64.const nan)"),
    ("v128.store", "(v128.const i64x2 -1 -1)"),
    ("v128.store64_lane", "(v128.const i64x2 -1 -1)"),
];

const GLOBALS: [(&str, &str); 5] = [
    ("i32", "(local.get $a)"),
    ("i64", "(i64.extend_i32_u (local.get $b))"),
    ("f64", "(f64.const 2.5)"),
    ("v128", "(v128.const i64x2 3 4)"),
    ("funcref", "(ref.func $read)"),
];

/// What ends an instance: of all that a module may do, the least of it.
const SPOILING: [&str; 4] = [
    "(table.set (i32.const 1) (ref.func $read))",
    "(data.drop $data)",
    "(drop (memory.grow (i32.const 1)))",
    "(unreachable)",
];

/// The text of a module.
pub(crate) fn module(bytes: &mut Unstructured<'_>) -> Result<String> {
    let mut body = String::new();
    for _ in 0..bytes.int_in_range(1..=6)? {
        statement(bytes, DEPTH, &mut body)?;
    }
    Ok(format!(
        r#"(module
          (import "weft_1" "tree_get" (func $tree_get (param i32 i64) (result i32)))
          (import "weft_1" "blob_u64" (func $blob_u64 (param i32) (result i64)))
          (import "weft_1" "u64_blob" (func $u64_blob (param i64) (result i32)))
          (memory (export "memory") 2 8)
          (data (i32.const 4090) "across a border")
          (data (i32.const 40000) "in the middle")
          (data $data "passive, and copied from")
          (table 2 4 funcref)
          (elem declare func $read)
          (global $i32 (mut i32) (i32.const 7))
          (global $i64 (mut i64) (i64.const -7))
          (global $f64 (mut f64) (f64.const nan:0x8000000000001))
          (global $v128 (mut v128) (v128.const i64x2 1 2))
          (global $funcref (mut funcref) (ref.null func))
          (func $read (param i32) (result i32) (i32.load (local.get 0)))
          (func (export "weft_apply") (param $application i32) (result i32)
            (local $ways i64) (local $turns i32)
            (local $a i32) (local $b i32) (local $c i32)
            (local.set $ways
              (call $blob_u64 (call $tree_get (local.get $application) (i64.const 2))))
            (local.set $turns (i32.const -9))
            (local.set $a (i32.const 20000))
            (local.set $b (i32.const 40000))
            (local.set $c (i32.const 60000))
            {body}
            (call $u64_blob (i64.add (global.get $i64) (i64.extend_i32_u
              (i32.add (global.get $i32) (i32.xor (local.get $c) (call $read (i32.const 4090)))))))))"#
    ))
}

fn near(bytes: &mut Unstructured<'_>) -> Result<i32> {
    bytes.int_in_range(-300..=300)
}

fn statement(bytes: &mut Unstructured<'_>, depth: u32, out: &mut String) -> Result<()> {
    let local = *bytes.choose(&["$a", "$b", "$c"])?;
    let other = *bytes.choose(&["$a", "$b", "$c"])?;
    // Writing to a string cannot fail.
    let _ = match bytes.int_in_range(0..=if depth > 0 { 15 } else { 11 })? {
        0..=3 => {
            let (store, value) = bytes.choose(&STORES)?;
            let (offset, lane) = (bytes.int_in_range(0..=600)?, store.ends_with("lane"));
            let lane = if lane { "1" } else { "" };
            writeln!(out, "({store} offset={offset} {lane} (local.get {local}) {value})")
        }
        4 => {
            let place = 4096 * bytes.int_in_range(0..=CARDS)? + near(bytes)?.max(-4096);
            writeln!(out, "(local.set {local} (i32.const {}))", place.max(0))
        }
        5 => {
            let read = format!("(call $read (i32.and (local.get {other}) (i32.const 0xffff)))");
            writeln!(out, "(local.set {local} (i32.add (local.get {local}) {read}))")
        }
        6 | 7 => {
            let near = near(bytes)?;
            writeln!(out, "(local.set {local} (i32.add (local.get {other}) (i32.const {near})))")
        }
        8 => {
            let (ty, value) = bytes.choose(&GLOBALS)?;
            writeln!(out, "(global.set ${ty} {value})")
        }
        9 => {
            let length = bytes.int_in_range(0..=9000)?;
            let to = format!("(local.get {local})");
            match bytes.arbitrary::<bool>()? {
                true => writeln!(out, "(memory.fill {to} (i32.const 5) (i32.const {length}))"),
                false => {
                    let from = format!("(local.get {other})");
                    writeln!(out, "(memory.copy {to} {from} (i32.const {length}))")
                }
            }
        }
        10 => {
            let length = bytes.int_in_range(0..=20)?;
            let range = format!("(i32.const 2) (i32.const {length})");
            writeln!(out, "(memory.init $data (local.get {local}) {range})")
        }
        11 => match bytes.ratio(1u8, 8u8)? {
            true => writeln!(out, "{}", bytes.choose(&SPOILING)?),
            false => Ok(()),
        },
        kind => {
            let way = 1u32 << bytes.int_in_range(0..=3)?;
            let way = format!("(i32.and (i32.wrap_i64 (local.get $ways)) (i32.const {way}))");
            let (one, two) = (several(bytes, depth - 1)?, several(bytes, depth - 1)?);
            match kind {
                12 => writeln!(out, "(if {way} (then {one}) (else {two}))"),
                13 => writeln!(out, "(block {one} (br_if 0 {way}) {two})"),
                14 => writeln!(out, "(block (block {one} (br_if 1 {way})) {two})"),
                _ => writeln!(
                    out,
                    "(loop {one} (br_if 0 (i32.gt_s (i32.const 0) (local.tee $turns
                       (i32.add (local.get $turns) (i32.const 1))))))"
                ),
            }
        }
    };
    Ok(())
}

fn several(bytes: &mut Unstructured<'_>, depth: u32) -> Result<String> {
    let mut all = String::new();
    for _ in 0..bytes.int_in_range(1..=3)? {
        statement(bytes, depth, &mut all)?;
    }
    Ok(all)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_made_are_modules() {
        let made = crate::seeds::random().into_iter().map(|seed| {
            let text = module(&mut Unstructured::new(&seed)).unwrap();
            assert!(wat::parse_str(&text).is_ok(), "{text}");
            text
        });
        let all = made.collect::<String>();
        for (name, _) in STORES.into_iter().chain(GLOBALS) {
            assert!(all.contains(name), "no {name}");
        }
    }
}
