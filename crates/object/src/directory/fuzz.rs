use alloc::vec::Vec;

use super::index::encode;
use super::{DirectoryError, Entry, FileKind, Index, List, Lookup, Name, Node, Part, build};
use crate::{Blob, Handle, Tree};

/// The fuzz target for directories: takes any bytes, panics on a broken promise.
///
/// The bytes are read as an index, as a node whose children follow the index,
/// and as a list of names of which a directory is built and listed again.
pub fn fuzz_directory(data: &[u8]) {
    if let Ok(index) = Index::parse(data) {
        assert_eq!(encode(index.level(), index.iter()), data, "an index has one form");
        for (at, record) in index.iter().enumerate() {
            assert_eq!(index.position(record.name), Some(at), "a listed name is found");
        }
    }
    fuzz_node(data);
    fuzz_build(data);
}

fn fuzz_node(data: &[u8]) {
    let Some((&split, rest)) = data.split_first() else { return };
    let (index, children) = rest.split_at(usize::from(split).min(rest.len()));
    let entries: Vec<Handle> = [Handle::of_blob(index)]
        .into_iter()
        .chain(children.chunks_exact(32).filter_map(|raw| Handle::try_from(raw).ok()))
        .collect();
    if let Ok(node) = Node::parse(index, &entries) {
        assert_eq!(node.children().len(), node.index().len(), "each name has a child");
    }
    let mut list = List::new(Handle::of_tree(&entries));
    if list.step(index, &entries).is_ok() && list.wants().is_none() {
        let listed = list.finish().unwrap_or_default();
        if !listed.is_empty() {
            let made = build(listed, |_, _| Ok::<_, DirectoryError>(()));
            assert_eq!(made, Ok(Handle::of_tree(&entries)), "a directory has one form");
        }
    }
    if let Ok(mut lookup) = Lookup::new(children) {
        let _ = lookup.step(index, &entries);
    }
}

fn fuzz_build(data: &[u8]) {
    let entries: Vec<Entry> = data
        .split(|&byte| byte == 0)
        .filter_map(|bytes| Name::new(bytes).ok())
        .map(|name| {
            let mode = u16::from(name.as_bytes()[0]);
            let child = Handle::of_blob(name.as_bytes());
            Entry { name, kind: FileKind::File, mode, child }
        })
        .collect();
    let mut parts: Vec<(Handle, Part)> = Vec::new();
    let root = build(entries, |handle, part| {
        parts.push((handle, part));
        Ok::<_, DirectoryError>(())
    });
    let Ok(root) = root else { return };
    let tree = |handle: &Handle| {
        parts.iter().find_map(|(name, part)| match part {
            Part::Node(tree) if name == handle => Some(tree.clone()),
            _ => None,
        })
    };
    let blob = |handle: &Handle| match handle.literal_bytes() {
        Some(bytes) => Some(Blob::new(bytes.to_vec())),
        None => parts.iter().find_map(|(name, part)| match part {
            Part::Index(blob) if name == handle => Some(blob.clone()),
            _ => None,
        }),
    };
    let mut list = List::new(root);
    while let Some(wanted) = list.wants() {
        let node = tree(&wanted).unwrap_or_else(|| Tree::new([]));
        let index = List::index(node.entries()).ok().and_then(|index| blob(&index));
        let Some(index) = index else { panic!("a part of a built directory is missing") };
        let stepped = list.step(index.bytes(), node.entries());
        assert_eq!(stepped, Ok(()), "what was built can be listed");
    }
    assert!(list.finish().is_ok(), "what was built has the right shape");
}
