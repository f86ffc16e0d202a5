;; add_memory(a, b): writes 4 KiB of its memory, the word at i with a + b * i,
;; and returns the one at (a xor b) mod 512. What stood there before, which is
;; zero in a memory that nobody has used, is added.
(module
  (import "weft_1" "tree_get" (func $get (param i32 i64) (result i32)))
  (import "weft_1" "blob_u64" (func $u64 (param i32) (result i64)))
  (import "weft_1" "u64_blob" (func $blob (param i64) (result i32)))
  (memory (export "memory") 1)
  ;; Where a stack would be: neither the first page nor the beginning of one.
  (global $words i32 (i32.const 0x2040))
  (func (export "weft_apply") (param $in i32) (result i32)
    (local $a i64) (local $b i64) (local $next i64)
    (local $ptr i32) (local $end i32) (local $chosen i32) (local $before i64)
    (local.set $a (call $u64 (call $get (local.get $in) (i64.const 2))))
    (local.set $b (call $u64 (call $get (local.get $in) (i64.const 3))))
    (local.set $chosen (i32.add (global.get $words) (i32.shl
      (i32.and (i32.wrap_i64 (i64.xor (local.get $a) (local.get $b))) (i32.const 511))
      (i32.const 3))))
    (local.set $before (i64.load (local.get $chosen)))
    (local.set $next (local.get $a))
    (local.set $ptr (global.get $words))
    (local.set $end (i32.add (local.get $ptr) (i32.const 4096)))
    ;; Eight words a turn, as a compiler unrolls it.
    (loop $turn
      (i64.store offset=0 (local.get $ptr) (local.get $next))
      (i64.store offset=8 (local.get $ptr)
        (local.tee $next (i64.add (local.get $next) (local.get $b))))
      (i64.store offset=16 (local.get $ptr)
        (local.tee $next (i64.add (local.get $next) (local.get $b))))
      (i64.store offset=24 (local.get $ptr)
        (local.tee $next (i64.add (local.get $next) (local.get $b))))
      (i64.store offset=32 (local.get $ptr)
        (local.tee $next (i64.add (local.get $next) (local.get $b))))
      (i64.store offset=40 (local.get $ptr)
        (local.tee $next (i64.add (local.get $next) (local.get $b))))
      (i64.store offset=48 (local.get $ptr)
        (local.tee $next (i64.add (local.get $next) (local.get $b))))
      (i64.store offset=56 (local.get $ptr)
        (local.tee $next (i64.add (local.get $next) (local.get $b))))
      (local.set $next (i64.add (local.get $next) (local.get $b)))
      (local.set $ptr (i32.add (local.get $ptr) (i32.const 64)))
      (br_if $turn (i32.lt_u (local.get $ptr) (local.get $end))))
    (call $blob (i64.add (local.get $before) (i64.load (local.get $chosen))))))
