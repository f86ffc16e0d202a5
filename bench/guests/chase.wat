;; chase(n, path, node): what is found n steps below a node that is given as a
;; Ref. The lowest three bits of the path say which entry to take, and the
;; others where to go from there.
(module
  (import "weft_1" "tree_get" (func $get (param i32 i64) (result i32)))
  (import "weft_1" "blob_u64" (func $u64 (param i32) (result i64)))
  (import "weft_1" "u64_blob" (func $blob (param i64) (result i32)))
  (import "weft_1" "tree_new" (func $tree (param i32 i32) (result i32)))
  (import "weft_1" "application" (func $apply (param i32) (result i32)))
  (import "weft_1" "selection" (func $select (param i32 i64) (result i32)))
  (import "weft_1" "shallow" (func $shallow (param i32) (result i32)))
  (memory (export "memory") 1)
  (func (export "weft_apply") (param $in i32) (result i32)
    (local $n i64) (local $path i64) (local $entry i32)
    (local.set $n (call $u64 (call $get (local.get $in) (i64.const 2))))
    (local.set $path (call $u64 (call $get (local.get $in) (i64.const 3))))
    (local.set $entry (call $select
      (call $get (local.get $in) (i64.const 4))
      (i64.and (local.get $path) (i64.const 7))))
    (if (i64.eq (local.get $n) (i64.const 1)) (then (return (local.get $entry))))
    (i32.store (i32.const 0) (call $get (local.get $in) (i64.const 0)))
    (i32.store (i32.const 4) (call $get (local.get $in) (i64.const 1)))
    (i32.store (i32.const 8) (call $blob (i64.sub (local.get $n) (i64.const 1))))
    (i32.store (i32.const 12) (call $blob (i64.shr_u (local.get $path) (i64.const 3))))
    (i32.store (i32.const 16) (call $shallow (local.get $entry)))
    (call $apply (call $tree (i32.const 0) (i32.const 5)))))
