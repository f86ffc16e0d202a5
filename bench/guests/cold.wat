;; cold(a, b): makes sixteen numbers of two, sorts them, writes the middle one
;; in decimal, and hashes the digits. A small function in some variety, to be
;; compiled; the number at address 0 is replaced by others, which makes other
;; modules of it.
(module
  (import "weft_1" "tree_get" (func $get (param i32 i64) (result i32)))
  (import "weft_1" "blob_u64" (func $u64 (param i32) (result i64)))
  (import "weft_1" "u64_blob" (func $blob (param i64) (result i32)))
  (memory (export "memory") 1)
  (data (i32.const 0) "replaced")
  (global $numbers i32 (i32.const 1024))
  ;; Digits end here.
  (global $end i32 (i32.const 2048))
  (global $state (mut i64) (i64.const 0))

  ;; The next number of a generator (SplitMix64).
  (func $next (result i64)
    (local $word i64)
    (global.set $state (i64.add (global.get $state) (i64.const 0x9e3779b97f4a7c15)))
    (local.set $word (global.get $state))
    (local.set $word (i64.mul
      (i64.xor (local.get $word) (i64.shr_u (local.get $word) (i64.const 30)))
      (i64.const 0xbf58476d1ce4e5b9)))
    (local.set $word (i64.mul
      (i64.xor (local.get $word) (i64.shr_u (local.get $word) (i64.const 27)))
      (i64.const 0x94d049bb133111eb)))
    (i64.xor (local.get $word) (i64.shr_u (local.get $word) (i64.const 31))))

  (func $at (param $i i32) (result i32)
    (i32.add (global.get $numbers) (i32.shl (local.get $i) (i32.const 3))))

  (func $fill (param $count i32)
    (local $i i32)
    (loop $more
      (i64.store (call $at (local.get $i)) (call $next))
      (local.set $i (i32.add (local.get $i) (i32.const 1)))
      (br_if $more (i32.lt_u (local.get $i) (local.get $count)))))

  ;; By insertion.
  (func $sort (param $count i32)
    (local $i i32) (local $j i32) (local $number i64)
    (local.set $i (i32.const 1))
    (loop $more
      (local.set $number (i64.load (call $at (local.get $i))))
      (local.set $j (local.get $i))
      (block $found
        (loop $down
          (br_if $found (i32.eqz (local.get $j)))
          (br_if $found (i64.le_u
            (i64.load (call $at (i32.sub (local.get $j) (i32.const 1))))
            (local.get $number)))
          (i64.store (call $at (local.get $j))
            (i64.load (call $at (i32.sub (local.get $j) (i32.const 1)))))
          (local.set $j (i32.sub (local.get $j) (i32.const 1)))
          (br $down)))
      (i64.store (call $at (local.get $j)) (local.get $number))
      (local.set $i (i32.add (local.get $i) (i32.const 1)))
      (br_if $more (i32.lt_u (local.get $i) (local.get $count)))))

  ;; The digits of a number; where they begin.
  (func $decimal (param $number i64) (result i32)
    (local $ptr i32)
    (local.set $ptr (global.get $end))
    (loop $more
      (local.set $ptr (i32.sub (local.get $ptr) (i32.const 1)))
      (i32.store8 (local.get $ptr) (i32.add (i32.const 48)
        (i32.wrap_i64 (i64.rem_u (local.get $number) (i64.const 10)))))
      (local.set $number (i64.div_u (local.get $number) (i64.const 10)))
      (br_if $more (i64.ne (local.get $number) (i64.const 0))))
    (local.get $ptr))

  ;; FNV-1a of bytes up to the end of the digits.
  (func $hash (param $ptr i32) (result i64)
    (local $hash i64)
    (local.set $hash (i64.const 0xcbf29ce484222325))
    (loop $more
      (local.set $hash (i64.mul (i64.const 0x100000001b3)
        (i64.xor (local.get $hash) (i64.load8_u (local.get $ptr)))))
      (local.set $ptr (i32.add (local.get $ptr) (i32.const 1)))
      (br_if $more (i32.lt_u (local.get $ptr) (global.get $end))))
    (local.get $hash))

  ;; The greatest common divisor.
  (func $divisor (param $a i64) (param $b i64) (result i64)
    (local $rest i64)
    (block $done
      (loop $more
        (br_if $done (i64.eqz (local.get $b)))
        (local.set $rest (i64.rem_u (local.get $a) (local.get $b)))
        (local.set $a (local.get $b))
        (local.set $b (local.get $rest))
        (br $more)))
    (local.get $a))

  ;; The integer square root, bit by bit.
  (func $root (param $number i64) (result i64)
    (local $root i64) (local $bit i64) (local $try i64)
    (local.set $bit (i64.const 0x4000000000000000))
    (loop $more
      (local.set $try (i64.add (local.get $root) (local.get $bit)))
      (local.set $root (i64.shr_u (local.get $root) (i64.const 1)))
      (if (i64.ge_u (local.get $number) (local.get $try))
        (then
          (local.set $number (i64.sub (local.get $number) (local.get $try)))
          (local.set $root (i64.add (local.get $root) (local.get $bit)))))
      (local.set $bit (i64.shr_u (local.get $bit) (i64.const 2)))
      (br_if $more (i64.ne (local.get $bit) (i64.const 0))))
    (local.get $root))

  (func (export "weft_apply") (param $in i32) (result i32)
    (local $a i64) (local $b i64) (local $middle i64)
    (local.set $a (call $u64 (call $get (local.get $in) (i64.const 2))))
    (local.set $b (call $u64 (call $get (local.get $in) (i64.const 3))))
    (global.set $state (i64.xor (i64.load (i32.const 0))
      (i64.add (local.get $a) (i64.rotl (local.get $b) (i64.const 32)))))
    (call $fill (i32.const 16))
    (call $sort (i32.const 16))
    (local.set $middle (i64.load (call $at (i32.const 8))))
    (call $blob (i64.add
      (call $hash (call $decimal (local.get $middle)))
      (i64.add
        (call $divisor (local.get $middle) (local.get $b))
        (call $root (local.get $middle)))))))
