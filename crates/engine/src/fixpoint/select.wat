;; [limits, this, target, nil, from, to]: the part of a target from one place up to
;; another, as far as it has it; without `to`, an entry, or nil if there is none.
;; The target is whatever a Shallow Encode comes to.
(module
  (import "weft_1" "length" (func $length (param i32) (result i64)))
  (import "weft_1" "tree_get" (func $get (param i32 i64) (result i32)))
  (import "weft_1" "blob_u64" (func $u64 (param i32) (result i64)))
  (import "weft_1" "selection" (func $entry (param i32 i64) (result i32)))
  (import "weft_1" "selection_range" (func $range (param i32 i64 i64) (result i32)))
  (func $least (param $a i64) (param $b i64) (result i64)
    (select (local.get $a) (local.get $b) (i64.lt_u (local.get $a) (local.get $b))))
  (func (export "weft_apply") (param $in i32) (result i32)
    (local $target i32) (local $length i64) (local $from i64) (local $to i64)
    (local.set $target (call $get (local.get $in) (i64.const 2)))
    (local.set $length (call $length (local.get $target)))
    (local.set $from (call $u64 (call $get (local.get $in) (i64.const 4))))
    (if (i64.eq (call $length (local.get $in)) (i64.const 5))
      (then
        (if (i64.lt_u (local.get $from) (local.get $length))
          (then (return (call $entry (local.get $target) (local.get $from)))))
        (return (call $get (local.get $in) (i64.const 3)))))
    (local.set $to (call $least (local.get $length)
      (call $u64 (call $get (local.get $in) (i64.const 5)))))
    (call $range (local.get $target)
      (call $least (local.get $from) (local.get $to)) (local.get $to))))
