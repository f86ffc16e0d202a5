use std::collections::HashMap;

use weft_eval::survey;
use weft_object::{Handle, Tree};

#[derive(Default)]
struct Trees(HashMap<Handle, Tree>);

impl Trees {
    fn put(&mut self, entries: &[Handle]) -> Handle {
        let tree = Tree::new(entries);
        let handle = tree.handle();
        self.0.insert(handle, tree);
        handle
    }
}

fn blob(seed: u8, length: usize) -> Handle {
    Handle::of_blob(&vec![seed; length])
}

#[test]
fn objects_are_walked_and_refs_thunks_and_encodes_are_not() {
    let mut trees = Trees::default();
    let below = trees.put(&[blob(1, 1000)]);
    let thunk = trees.put(&[blob(2, 1000)]).application().unwrap();
    let entries = [
        below,
        blob(3, 500).lower().unwrap(),
        trees.put(&[blob(4, 1000)]).lower().unwrap(),
        thunk,
        thunk.strict().unwrap(),
        Handle::of_blob(b"literal"),
    ];
    let root = trees.put(&entries);
    let found = survey(root, |handle| trees.0.get(&handle).cloned(), |_| true);
    assert_eq!(found.bytes, 6 * 32 + 32 + 1000);
    assert!(found.missing_trees.is_empty() && found.missing_blobs.is_empty());
}

#[test]
fn what_is_shared_counts_once() {
    let mut trees = Trees::default();
    let shared = trees.put(&[blob(1, 100), blob(1, 100)]);
    let left = trees.put(&[shared, blob(1, 100)]);
    let root = trees.put(&[left, shared, left]);
    let found = survey(root, |handle| trees.0.get(&handle).cloned(), |_| true);
    assert_eq!(found.bytes, 3 * 32 + 2 * 32 + 2 * 32 + 100);
}

#[test]
fn a_tag_is_walked_like_a_tree() {
    let mut trees = Trees::default();
    let tag = Tree::new([Handle::of_blob(b"p"), blob(1, 77), Handle::of_blob(b"d")]);
    let handle = tag.tag_handle().unwrap();
    trees.0.insert(handle, tag);
    let root = trees.put(&[handle]);
    let found = survey(root, |handle| trees.0.get(&handle).cloned(), |_| true);
    assert_eq!(found.bytes, 32 + 96 + 77);
}

#[test]
fn what_is_missing_is_told_and_blobs_count_by_their_handles() {
    let mut trees = Trees::default();
    let (gone, there) = (blob(1, 100), blob(2, 200));
    let absent = Handle::of_tree(&[gone]);
    let root = trees.put(&[gone, absent, there]);
    let found = survey(root, |handle| trees.0.get(&handle).cloned(), |blob| blob == there);
    assert_eq!(found.bytes, 3 * 32 + 300);
    assert_eq!(found.missing_trees, [absent]);
    assert_eq!(found.missing_blobs, [gone]);
    let nothing = survey(root, |_| None, |_| true);
    assert_eq!((nothing.bytes, nothing.missing_trees), (0, vec![root]));
}
