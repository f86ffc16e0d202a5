;; fixpoint_add(a, b): a + b, for the interface of Fixpoint.
(module
  (import "fixpoint" "attach_tree_ro_table_0" (func $tree (param externref)))
  (import "fixpoint" "attach_blob_ro_mem_0" (func $first (param externref)))
  (import "fixpoint" "attach_blob_ro_mem_1" (func $second (param externref)))
  (import "fixpoint" "create_blob_i64" (func $blob (param i64) (result externref)))
  (table $in (export "ro_table_0") 0 externref)
  (memory $a (export "ro_mem_0") 0)
  (memory $b (export "ro_mem_1") 0)
  (func (export "_fixpoint_apply") (param $app externref) (result externref)
    (call $tree (local.get $app))
    (call $first (table.get $in (i32.const 2)))
    (call $second (table.get $in (i32.const 3)))
    (call $blob (i64.add (i64.load $a (i32.const 0)) (i64.load $b (i32.const 0))))))
