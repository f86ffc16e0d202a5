//! What is kept of a run: the content that its value reaches, and no more.

use weft_object::{Content, Handle, Tree};

use crate::harness::{Case, every_way, made_blob, made_tree, value};

/// Fills 4 x 100 bytes with letters.
const TEXT: &str = "(memory.fill (i32.const 0) (i32.const 97) (i32.const 100))
     (memory.fill (i32.const 100) (i32.const 98) (i32.const 100))
     (memory.fill (i32.const 200) (i32.const 99) (i32.const 100))";

fn text(letter: u8) -> Handle {
    Handle::of_blob(&[letter; 100])
}

#[test]
fn garbage_is_not_kept() {
    let applied = Case::body(&format!(
        "{TEXT}
         (drop (call $blob_new (i32.const 0) (i32.const 100)))
         (i32.store (i32.const 400) (call $blob_new (i32.const 100) (i32.const 100)))
         (drop (call $tree_new (i32.const 400) (i32.const 1)))
         (drop (call $blob_new (i32.const 50) (i32.const 100)))
         (i32.load (i32.const 400))"
    ))
    .apply();
    assert_eq!(value(&applied), text(b'b'));
    assert_eq!(applied.made.len(), 1);
    assert_eq!(made_blob(&applied, text(b'b')), [b'b'; 100]);
}

#[test]
fn a_failure_keeps_nothing() {
    let applied = Case::body(&format!(
        "{TEXT} (drop (call $blob_new (i32.const 0) (i32.const 100)))
             unreachable"
    ))
    .apply();
    assert!(applied.made.is_empty());
}

#[test]
fn what_the_value_reaches_is_kept_through_thunks_encodes_and_trees() {
    let case = Case::body(&format!(
        "{TEXT}
         ;; [a, b] as an application, strict, in a tree beside the selection of c.
         (i32.store (i32.const 400) (call $blob_new (i32.const 0) (i32.const 100)))
         (i32.store (i32.const 404) (call $blob_new (i32.const 100) (i32.const 100)))
         (i32.store (i32.const 500)
           (call $strict (call $application (call $tree_new (i32.const 400) (i32.const 2)))))
         (i32.store (i32.const 504)
           (call $selection (call $blob_new (i32.const 200) (i32.const 100)) (i64.const 4)))
         (i32.store (i32.const 508)
           (call $shallow (call $identification (call $blob_new (i32.const 10) (i32.const 100)))))
         (i32.store (i32.const 512) (call $arg (i64.const 2)))
         (call $tree_new (i32.const 500) (i32.const 4))"
    ));
    let given = case.memory.put_blob(&[9; 500]);
    for case in every_way(case.argument(given)) {
        let applied = case.apply();
        let [call, selection, shallow, last] = made_tree(&applied, value(&applied))[..] else {
            panic!("four entries")
        };
        assert_eq!(last, given);
        let arguments = made_tree(&applied, call.content());
        assert_eq!(arguments, [text(b'a'), text(b'b')]);
        assert_eq!(made_blob(&applied, text(b'a')), [b'a'; 100]);
        assert_eq!(made_blob(&applied, text(b'b')), [b'b'; 100]);
        let target = made_tree(&applied, selection.content());
        assert_eq!(target, [text(b'c'), Handle::of_u64(4)]);
        assert_eq!(made_blob(&applied, text(b'c')), [b'c'; 100]);
        assert_eq!(made_blob(&applied, shallow.content()).len(), 100);
        // The outer tree, three blobs and the mixed one, two trees; not what
        // was given.
        assert_eq!(applied.made.len(), 7);
        for (handle, content) in &applied.made {
            match content {
                Content::Blob(blob) => assert_eq!(blob.handle(), *handle),
                Content::Tree(tree) => assert_eq!(tree.handle(), *handle),
                Content::Tag(tree) => assert_eq!(tree.tag_handle(), Some(*handle)),
            }
        }
    }
}

#[test]
fn what_is_made_can_be_read_back() {
    // More objects than are searched one by one, each read through a tree.
    let applied = Case::body(
        "(loop $l
           (i32.store (i32.const 100) (local.get $s))
           (i32.store (i32.add (i32.const 1000) (i32.mul (local.get $s) (i32.const 4)))
             (call $blob_new (i32.const 100) (i32.const 64)))
           (br_if $l (i32.lt_u (local.tee $s (i32.add (local.get $s) (i32.const 1)))
             (i32.const 300))))
         (local.set $r (call $tree_new (i32.const 1000) (i32.const 300)))
         (local.set $s (i32.const 0))
         (loop $l
           (drop (call $blob_read
             (call $tree_get (local.get $r) (i64.extend_i32_u (local.get $s)))
             (i64.const 0) (i32.const 0) (i32.const 4)))
           (local.set $n (i64.add (local.get $n) (i64.load32_u (i32.const 0))))
           (br_if $l (i32.lt_u (local.tee $s (i32.add (local.get $s) (i32.const 1)))
             (i32.const 300))))
         (call $u64_blob (local.get $n))",
    )
    .apply();
    assert_eq!(value(&applied), Handle::of_u64(299 * 300 / 2));
    assert!(applied.made.is_empty());
}

#[test]
fn equal_content_is_kept_once() {
    let applied = Case::body(
        "(i32.store (i32.const 400) (call $blob_new (i32.const 0) (i32.const 100)))
         (i32.store (i32.const 404) (call $blob_new (i32.const 100) (i32.const 100)))
         (call $tree_new (i32.const 400) (i32.const 2))",
    )
    .apply();
    assert_eq!(applied.made.len(), 2);
}

#[test]
fn a_tag_names_the_procedure_and_can_be_read() {
    let case = Case::body(
        "(local.set $r (call $tag (call $arg (i64.const 2)) (call $arg (i64.const 3))))
         (if (i32.eqz (call $same (call $tree_get (local.get $r) (i64.const 0))
             (call $arg (i64.const 1)))) (then unreachable))
         (local.get $r)",
    )
    .argument(Handle::of_blob(b"target"))
    .argument(Handle::of_blob(b"data"));
    let applied = case.apply();
    let entries = [case.module, Handle::of_blob(b"target"), Handle::of_blob(b"data")];
    assert_eq!(value(&applied), Handle::of_tag(&entries));
    let [(_, Content::Tag(tree))] = &applied.made[..] else { panic!("{:?}", applied.made) };
    assert_eq!(*tree, Tree::new(&entries[..]));
}
