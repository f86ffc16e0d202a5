;; blob(a, b): a Blob of 128 words, the one at i with a + b * i.
(module
  (import "weft_1" "tree_get" (func $get (param i32 i64) (result i32)))
  (import "weft_1" "blob_u64" (func $u64 (param i32) (result i64)))
  (import "weft_1" "blob_new" (func $blob (param i32 i32) (result i32)))
  (memory (export "memory") 1)
  (func (export "weft_apply") (param $in i32) (result i32)
    (local $next i64) (local $b i64) (local $ptr i32)
    (local.set $next (call $u64 (call $get (local.get $in) (i64.const 2))))
    (local.set $b (call $u64 (call $get (local.get $in) (i64.const 3))))
    (loop $turn
      (i64.store (local.get $ptr) (local.get $next))
      (local.set $next (i64.add (local.get $next) (local.get $b)))
      (local.set $ptr (i32.add (local.get $ptr) (i32.const 8)))
      (br_if $turn (i32.lt_u (local.get $ptr) (i32.const 1024))))
    (call $blob (i32.const 0) (i32.const 1024))))
