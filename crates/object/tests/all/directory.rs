//! Directories: one form, found by the indexes on the path only.

// clippy.toml allows it in test functions, not in what they share.
#![allow(clippy::unwrap_used)]

use std::cell::RefCell;
use std::collections::{BTreeMap, HashMap, HashSet};

use proptest::prelude::*;
use weft_object::directory::{
    DirectoryError, Entry, FileKind, Index, List, Lookup, Name, NameError, Part, Path, PathError,
    Step, build, fuzz_directory,
};
use weft_object::{Blob, Handle, Tree};

/// Everything that was built, and what was read of it.
#[derive(Default)]
struct Store {
    trees: HashMap<Handle, Tree>,
    blobs: HashMap<Handle, Blob>,
    trees_read: RefCell<Vec<Handle>>,
    blobs_read: RefCell<Vec<Handle>>,
}

impl Store {
    fn build(&mut self, entries: Vec<Entry>) -> Result<Handle, DirectoryError> {
        build(entries, |handle, part| {
            match part {
                Part::Index(blob) => {
                    assert_eq!(blob.handle(), handle);
                    self.blobs.insert(handle, blob);
                }
                Part::Node(tree) => {
                    assert_eq!(tree.handle(), handle);
                    self.trees.insert(handle, tree);
                }
            }
            Ok(())
        })
    }

    fn tree(&self, handle: Handle) -> Tree {
        self.trees_read.borrow_mut().push(handle);
        self.trees[&handle.content()].clone()
    }

    fn blob(&self, handle: Handle) -> Vec<u8> {
        match handle.literal_bytes() {
            Some(bytes) => bytes.to_vec(),
            None => {
                self.blobs_read.borrow_mut().push(handle);
                self.blobs[&handle].bytes().to_vec()
            }
        }
    }

    fn find(&self, root: Handle, path: &[u8]) -> Result<Option<Handle>, DirectoryError> {
        let mut lookup = Lookup::new(path).unwrap();
        let mut node = root;
        loop {
            let tree = self.tree(node);
            let index = self.blob(Lookup::index(tree.entries())?);
            match lookup.step(&index, tree.entries())? {
                Step::Descend(next) => node = next,
                Step::Found(handle) => return Ok(Some(handle)),
                Step::NotFound => return Ok(None),
            }
        }
    }

    fn list(&self, root: Handle) -> Result<Vec<Entry>, DirectoryError> {
        let mut list = List::new(root);
        while let Some(node) = list.wants() {
            let tree = self.tree(node);
            let index = self.blob(List::index(tree.entries())?);
            list.step(&index, tree.entries())?;
        }
        list.finish()
    }
}

fn file(name: &[u8], content: &[u8]) -> Entry {
    Entry {
        name: Name::new(name).unwrap(),
        kind: FileKind::File,
        mode: 0o644,
        child: Handle::of_blob(content),
    }
}

fn numbered(count: usize) -> Vec<Entry> {
    (0..count)
        .map(|i| file(format!("name-{i:06}").as_bytes(), format!("content {i}").as_bytes()))
        .collect()
}

#[test]
fn the_documented_example() {
    let mut store = Store::default();
    let empty = store.build(vec![]).unwrap();
    assert_eq!(
        empty.to_string(),
        "fbe070729408121f4e00cf0ae3c694a27a2577c6aaf0a61b0100000000000102"
    );
    let root = store
        .build(vec![
            Entry {
                name: Name::new(b"to").unwrap(),
                kind: FileKind::Symlink,
                mode: 0o777,
                child: Handle::of_blob(b"a"),
            },
            file(b"a", b"hello"),
            Entry {
                name: Name::new(b"b").unwrap(),
                kind: FileKind::Directory,
                mode: 0o755,
                child: empty,
            },
        ])
        .unwrap();
    let tree = store.tree(root);
    let index = store.blob(tree.entries()[0]);
    let hex: String = index.iter().map(|byte| format!("{byte:02x}")).collect();
    assert_eq!(
        hex,
        concat!(
            "7764697201000300",
            "01000000a481050000000000",
            "02000000ed41010000000000",
            "04000000ffa1010000000000",
            "6162746f"
        )
    );
    assert_eq!(
        root.to_string(),
        "f82af5130d8db553d4e3226d41228f790d8596c55326e63a0400000000000902"
    );
}

#[test]
#[cfg_attr(miri, ignore = "hours of an interpreter, on code that smaller ones run, too")]
fn one_name_of_100_000_is_found_by_two_indexes() {
    let mut store = Store::default();
    let entries = numbered(100_000);
    let root = store.build(entries.clone()).unwrap();
    for entry in [&entries[0], &entries[31_415], &entries[99_999]] {
        store.trees_read.borrow_mut().clear();
        store.blobs_read.borrow_mut().clear();
        assert_eq!(store.find(root, entry.name.as_bytes()).unwrap(), Some(entry.child));
        assert_eq!(store.blobs_read.borrow().len(), 2);
        assert_eq!(store.trees_read.borrow().len(), 2);
    }
    assert_eq!(store.find(root, b"name-").unwrap(), None);
    assert_eq!(store.find(root, b"zzz").unwrap(), None);
    assert_eq!(store.list(root).unwrap(), entries);
}

#[test]
#[cfg_attr(miri, ignore = "hours of an interpreter, on code that smaller ones run, too")]
fn one_name_more_shares_all_but_the_nodes_on_its_path() {
    let mut before = Store::default();
    before.build(numbered(50_000)).unwrap();
    let mut after = Store::default();
    let mut entries = numbered(50_000);
    entries.push(file(b"name-025000-and-a-half", b"new"));
    after.build(entries).unwrap();
    let nodes = |store: &Store| store.trees.keys().copied().collect::<HashSet<_>>();
    let new = nodes(&after).difference(&nodes(&before)).count();
    // The leaf and the root; a border that had to move would touch one more.
    assert!((2..=3).contains(&new), "{new} nodes are new");
    assert!(after.trees.len() > 12);
}

/// A name of over 30 bytes, so that its digest can be read off a handle, with
/// some bits of that digest zero: it begins a node at the levels they are for.
fn border(prefix: &str, zero_bits: u32) -> String {
    (0_u64..)
        .map(|salt| format!("{prefix}-{salt:030}"))
        .find(|name| {
            let handle = Handle::of_blob(name.as_bytes());
            let low = u64::from_le_bytes(*handle.as_bytes().first_chunk().unwrap());
            low.trailing_zeros() >= zero_bits
        })
        .unwrap()
}

#[test]
#[cfg_attr(miri, ignore = "hours of an interpreter, on code that smaller ones run, too")]
fn three_levels_where_the_names_are_very_many() {
    let mut names = Vec::new();
    for leaf in 0..1100 {
        // Leaf 1024 also begins a second node of level 1.
        let zero_bits = if leaf == 1024 { 20 } else { 10 };
        names.push(border(&format!("{leaf:04x}"), zero_bits));
        names.extend((1..1024).map(|i| format!("{leaf:04x}~{i:04}")));
    }
    let entries: Vec<Entry> = names.iter().map(|name| file(name.as_bytes(), b"")).collect();
    let mut store = Store::default();
    let root = store.build(entries.clone()).unwrap();
    assert_eq!(root.length(), Some(3));
    assert!(store.list(root).unwrap() == entries);
    for name in [&names[0], &names[1024 * 1024 - 1], &names[1024 * 1024], &names[1_100_000]] {
        store.blobs_read.borrow_mut().clear();
        assert_eq!(store.find(root, name.as_bytes()).unwrap(), Handle::literal(b""));
        assert_eq!(store.blobs_read.borrow().len(), 3);
    }
}

#[test]
fn paths_stay_inside_and_have_one_form() {
    let parse = |text: &str| Path::parse(text.as_bytes());
    assert_eq!(parse("a/b").unwrap().names().len(), 2);
    assert_eq!(parse(""), Err(PathError::Empty));
    assert_eq!(parse("/a"), Err(PathError::Absolute));
    assert_eq!(parse("a/../b"), Err(PathError::Component(2, NameError::Dots)));
    assert_eq!(parse("./a"), Err(PathError::Component(0, NameError::Dots)));
    assert_eq!(parse("a//b"), Err(PathError::Component(2, NameError::Empty)));
    assert_eq!(parse("a/"), Err(PathError::Component(2, NameError::Empty)));
    assert_eq!(parse("a\0"), Err(PathError::Component(0, NameError::Byte(0))));
    let long = "x".repeat(256);
    assert_eq!(parse(&long), Err(PathError::Component(0, NameError::TooLong(256))));
    assert!(parse("...").is_ok() && Path::parse(b"\xff/..a").is_ok());
}

#[test]
fn a_path_goes_through_directories_and_refs_but_not_through_links_and_files() {
    let mut store = Store::default();
    let inner = store.build(vec![file(b"c", b"found")]).unwrap();
    let directory = |name: &[u8], child: Handle| Entry {
        name: Name::new(name).unwrap(),
        kind: FileKind::Directory,
        mode: 0o755,
        child,
    };
    let link = Entry { kind: FileKind::Symlink, mode: 0o777, ..file(b"link", b"b") };
    let root = store
        .build(vec![
            directory(b"b", inner),
            directory(b"hidden", inner.lower().unwrap()),
            link,
            file(b"plain", b"text"),
        ])
        .unwrap();
    let found = Some(Handle::of_blob(b"found"));
    assert_eq!(store.find(root, b"b/c").unwrap(), found);
    assert_eq!(store.find(root.lower().unwrap(), b"hidden/c").unwrap(), found);
    assert_eq!(store.find(root, b"hidden").unwrap(), inner.lower());
    assert_eq!(store.find(root, b"link").unwrap(), Some(Handle::of_blob(b"b")));
    assert_eq!(store.find(root, b"b/d").unwrap(), None);
    assert_eq!(store.find(root, b"x/d").unwrap(), None);
    let name = |text: &[u8]| Name::new(text).unwrap();
    assert_eq!(
        store.find(root, b"link/c"),
        Err(DirectoryError::NotDirectory(name(b"link"), FileKind::Symlink))
    );
    assert_eq!(
        store.find(root, b"plain/c"),
        Err(DirectoryError::NotDirectory(name(b"plain"), FileKind::File))
    );
}

#[test]
fn what_cannot_be_an_entry_is_refused() {
    let mut store = Store::default();
    let twice = vec![file(b"a", b"1"), file(b"a", b"2")];
    let name = Name::new(b"a").unwrap();
    assert_eq!(store.build(twice), Err(DirectoryError::Duplicate(name)));
    let setuid = Entry { mode: 0o4755, ..file(b"a", b"") };
    assert_eq!(store.build(vec![setuid]), Err(DirectoryError::BadMode(0, 0o4755)));
    let link = Entry { kind: FileKind::Symlink, mode: 0o644, ..file(b"a", b"") };
    assert_eq!(store.build(vec![link]), Err(DirectoryError::BadMode(0, 0o644)));
    let wrong = Entry { kind: FileKind::Directory, ..file(b"a", b"") };
    assert_eq!(store.build(vec![wrong]), Err(DirectoryError::BadChild(0)));
    let thunk = Handle::of_tree(&[]).application().unwrap();
    let lazy = Entry { child: thunk, ..file(b"a", b"") };
    assert_eq!(store.build(vec![lazy]), Err(DirectoryError::BadChild(0)));
}

#[test]
fn every_changed_byte_of_an_index_is_refused_or_says_something_else() {
    let mut store = Store::default();
    let root = store.build(vec![file(b"a", b"1"), file(b"bb", b"22"), file(b"c", b"")]).unwrap();
    let tree = store.tree(root);
    let index = store.blob(tree.entries()[0]);
    let records =
        |bytes: &[u8]| Index::parse(bytes).map(|i| format!("{:?}", i.iter().collect::<Vec<_>>()));
    let original = records(&index).unwrap();
    for at in 0..index.len() {
        for bit in 0..8 {
            let mut other = index.clone();
            other[at] ^= 1 << bit;
            assert_ne!(records(&other), Ok(original.clone()), "byte {at}, bit {bit}");
        }
    }
    for length in 0..index.len() {
        assert!(Index::parse(&index[..length]).is_err());
    }
    let padded = [&index[..], &[0]].concat();
    assert!(matches!(Index::parse(&padded), Err(DirectoryError::IndexLength { .. })));
    let newer = [&b"wdir\x02"[..], &index[5..]].concat();
    assert!(matches!(Index::parse(&newer), Err(DirectoryError::Version(2))));
}

#[test]
fn a_node_split_in_another_place_is_not_listed() {
    // The same names in two leaves of our own choosing under an inner node.
    let mut store = Store::default();
    let entries = numbered(10);
    let halves: Vec<Handle> =
        entries.chunks(5).map(|half| store.build(half.to_vec()).unwrap()).collect();
    let mut index = b"wdir\x01\x01\x02\x00".to_vec();
    for end in [11_u32, 22] {
        index.extend_from_slice(&end.to_le_bytes());
        index.extend_from_slice(&[0, 0, 5, 0, 0, 0, 0, 0]);
    }
    index.extend_from_slice(entries[0].name.as_bytes());
    index.extend_from_slice(entries[5].name.as_bytes());
    let blob = Blob::new(index);
    let root = Tree::new(vec![blob.handle(), halves[0], halves[1]]);
    store.blobs.insert(blob.handle(), blob);
    store.trees.insert(root.handle(), root.clone());
    assert_eq!(store.list(root.handle()), Err(DirectoryError::BadShape));
}

/// Each costs Miri a second.
const ENTRIES_MAX: usize = if cfg!(miri) { 6 } else { 40 };

fn any_name() -> impl Strategy<Value = Vec<u8>> {
    prop_oneof![
        "[a-c]{1,3}".prop_map(String::into_bytes),
        prop::collection::vec(1..=255_u8, 1..20),
    ]
    .prop_filter("a name", |bytes| Name::check(bytes).is_ok())
}

fn any_entry() -> impl Strategy<Value = Entry> {
    let content = prop::collection::vec(any::<u8>(), 0..64);
    (any_name(), 0..3, 0..=0o777_u16, content, any::<bool>()).prop_map(
        |(name, kind, mode, content, lower)| {
            let blob = Handle::of_blob(&content);
            let (kind, mode, child) = match kind {
                0 => (FileKind::File, mode, blob),
                1 => (FileKind::Directory, mode, Handle::of_tree(&[blob])),
                _ => (FileKind::Symlink, 0o777, blob),
            };
            let child = if lower { child.lower().unwrap() } else { child };
            Entry { name: Name::new(&name).unwrap(), kind, mode, child }
        },
    )
}

proptest! {
    #[test]
    fn round_trip_and_order_independence(
        entries in prop::collection::vec(any_entry(), 0..ENTRIES_MAX),
        absent in any_name(),
    ) {
        let set: BTreeMap<Name, Entry> =
            entries.into_iter().map(|entry| (entry.name.clone(), entry)).collect();
        let sorted: Vec<Entry> = set.values().cloned().collect();
        let mut store = Store::default();
        let root = store.build(sorted.clone()).unwrap();
        let mut reversed = sorted.clone();
        reversed.reverse();
        prop_assert_eq!(store.build(reversed).unwrap(), root);
        prop_assert_eq!(&store.list(root).unwrap(), &sorted);
        for entry in &sorted {
            prop_assert_eq!(store.find(root, entry.name.as_bytes()).unwrap(), Some(entry.child));
        }
        let naive = set.get(&Name::new(&absent).unwrap()).map(|entry| entry.child);
        prop_assert_eq!(store.find(root, &absent).unwrap(), naive);
    }

    #[test]
    #[cfg_attr(miri, ignore = "hours of an interpreter, on code that smaller ones run, too")]
    fn shuffled_large_directories_are_one(seed in any::<u64>(), count in 2000..9000_usize) {
        let mut entries = numbered(count);
        let mut shuffled = Store::default();
        let mut state = seed | 1;
        for at in (1..entries.len()).rev() {
            state = state.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1);
            entries.swap(at, (state >> 33) as usize % (at + 1));
        }
        let root = shuffled.build(entries).unwrap();
        prop_assert_eq!(Store::default().build(numbered(count)).unwrap(), root);
        prop_assert_eq!(shuffled.list(root).unwrap(), numbered(count));
    }

    #[test]
    fn hostile_bytes_never_panic(data in prop::collection::vec(any::<u8>(), 0..300)) {
        fuzz_directory(&data);
    }

    #[test]
    fn hostile_indexes_never_panic(
        entries in prop::collection::vec(any_entry(), 0..6),
        at in any::<prop::sample::Index>(),
        byte in any::<u8>(),
    ) {
        let set: BTreeMap<Name, Entry> =
            entries.into_iter().map(|entry| (entry.name.clone(), entry)).collect();
        let mut store = Store::default();
        let root = store.build(set.into_values().collect()).unwrap();
        let tree = store.tree(root);
        let mut index = store.blob(tree.entries()[0]);
        fuzz_directory(&index);
        let place = at.index(index.len());
        index[place] = byte;
        fuzz_directory(&index);
        let mut node = vec![index.len() as u8];
        node.extend_from_slice(&index);
        for child in &tree.entries()[1..] {
            node.extend_from_slice(child.as_bytes());
        }
        fuzz_directory(&node);
    }
}
