;; spin(turns, seed): the number that so many steps of a linear generator lead
;; to from a seed. Takes time in proportion, and no memory.
(module
  (import "weft_1" "tree_get" (func $get (param i32 i64) (result i32)))
  (import "weft_1" "blob_u64" (func $u64 (param i32) (result i64)))
  (import "weft_1" "u64_blob" (func $blob (param i64) (result i32)))
  (func (export "weft_apply") (param $in i32) (result i32)
    (local $turns i64) (local $state i64)
    (local.set $turns (call $u64 (call $get (local.get $in) (i64.const 2))))
    (local.set $state (call $u64 (call $get (local.get $in) (i64.const 3))))
    (block $done
      (loop $turn
        (br_if $done (i64.eqz (local.get $turns)))
        (local.set $state (i64.add
          (i64.mul (local.get $state) (i64.const 6364136223846793005))
          (i64.const 1442695040888963407)))
        (local.set $turns (i64.sub (local.get $turns) (i64.const 1)))
        (br $turn)))
    (call $blob (local.get $state))))
