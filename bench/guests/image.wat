;; A reactor with 32 MiB of memory: `init` writes all of it, `touch` three pages,
;; and `hold` the same and then opens a file, which who runs it may keep waiting.
(module
  (import "wasi_snapshot_preview1" "path_open"
    (func $open (param i32 i32 i32 i32 i32 i64 i64 i32 i32) (result i32)))
  (memory (export "memory") 512)
  (func (export "init") (local $at i32)
    (loop $more
      (i64.store (local.get $at)
        (i64.mul (i64.extend_i32_u (i32.add (local.get $at) (i32.const 1)))
          (i64.const 6364136223846793005)))
      (local.set $at (i32.add (local.get $at) (i32.const 8)))
      (br_if $more (i32.lt_u (local.get $at) (i32.const 33554432)))))
  (func $touch (export "touch") (result i32)
    (i32.store (i32.const 0x100000) (i32.const 1))
    (i32.store (i32.const 0x1000000) (i32.const 2))
    (i32.store (i32.const 0x1f00000) (i32.const 3))
    ;; What `init` has left in the first: of its own address.
    (i32.load (i32.const 0x100008)))
  (func (export "hold") (result i32)
    (drop (call $touch))
    (i32.store8 (i32.const 0x100010) (i32.const 0x78))
    (call $open (i32.const 3) (i32.const 0) (i32.const 0x100010) (i32.const 1)
      (i32.const 0) (i64.const 2) (i64.const 0) (i32.const 0) (i32.const 0x100020))))
