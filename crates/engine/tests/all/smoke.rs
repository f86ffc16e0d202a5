use weft_object::Handle;

use crate::harness::Case;

pub(crate) const ADD: &str = r#"(module $add
  (import "weft_1" "tree_get" (func $tree_get (param i32 i64) (result i32)))
  (import "weft_1" "blob_u64" (func $blob_u64 (param i32) (result i64)))
  (import "weft_1" "u64_blob" (func $u64_blob (param i64) (result i32)))
  (func (export "weft_apply") (param $app i32) (result i32)
    (call $u64_blob
      (i64.add
        (call $blob_u64 (call $tree_get (local.get $app) (i64.const 2)))
        (call $blob_u64 (call $tree_get (local.get $app) (i64.const 3)))))))"#;

#[test]
fn adds() {
    let case = Case::text(ADD).argument(Handle::of_u64(40)).argument(Handle::of_u64(2));
    let applied = case.apply();
    assert_eq!(crate::harness::value(&applied), Handle::of_u64(42));
    assert!(applied.made.is_empty());
    assert_eq!(applied.memory_peak_bytes, 0);
    assert_eq!(case.fuel(1000).number(), 42);
}
