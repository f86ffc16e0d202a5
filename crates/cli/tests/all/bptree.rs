//! The example of `docs/bptree.md`: what it answers, and what it touches.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use weft_node::{Config, Event, Node, Session};
use weft_object::{Blob, Content, Handle};
use weft_store::{Backend, MemoryBackend};

use crate::document;
use crate::world::World;

const MODULE: &[u8] = include_bytes!("../../../../guests/bin/bptree.wasm");

type Map = BTreeMap<Vec<u8>, Vec<u8>>;

/// What lasts from one node to the next.
#[derive(Default)]
struct Kept(Arc<MemoryBackend>);

impl Kept {
    fn node(&self) -> Node {
        Node::start(Config { backend: Some(self.0.clone()), ..Config::default() }).unwrap()
    }

    fn tree(&self, handle: Handle) -> Vec<Handle> {
        let content = self.0.get(&handle.content()).unwrap().unwrap();
        content.tree().unwrap().entries().to_vec()
    }

    fn bytes(&self, handle: Handle) -> Vec<u8> {
        self.0.get(&handle.content()).unwrap().unwrap().blob().unwrap().bytes().to_vec()
    }

    /// Builds the tree of a file, and keeps it with all below it.
    fn build(&self, file: &[u8], fanout: u64) -> Result<Handle, String> {
        let node = self.node();
        let session = node.session();
        let blob = Blob::new(file.to_vec());
        let handle = blob.handle();
        if !handle.is_literal() {
            self.0.put(&[(handle, Content::Blob(blob))]).unwrap();
        }
        let file = handle.lower().unwrap_or(handle);
        let root = ask(&session, "build", &[Handle::of_u64(fanout), file])?;
        session.hold(root);
        assert!(node.keep(&[reached(&session, root)]).unwrap().objects > 0);
        Ok(root)
    }
}

/// A Tree of everything below a node: `keep` itself does not follow Refs.
fn reached(session: &Session, node: Handle) -> Handle {
    let entries = session.content(node).unwrap().unwrap().tree().unwrap().entries().to_vec();
    let mut all = vec![node.lift().unwrap()];
    for entry in entries {
        if entry.kind() == weft_object::Kind::TreeRef {
            all.push(reached(session, entry));
        }
    }
    session.put_tree(&all)
}

/// What a verb comes to, or the detail of how it fails.
fn ask(session: &Session, verb: &str, arguments: &[Handle]) -> Result<Handle, String> {
    let module = session.put_blob(MODULE);
    let verb = Handle::of_blob(verb.as_bytes());
    let entries = [&[Handle::of_blob(b""), module, verb], arguments].concat();
    let outcome = session.evaluate(session.put_tree(&entries).application().unwrap());
    match outcome {
        weft_eval::Outcome::Value(value) => Ok(value),
        weft_eval::Outcome::Failure(failure) => Err(failure.detail.to_string()),
        other => panic!("{other:?}"),
    }
}

fn bytes_of(session: &Session, handle: Handle) -> Vec<u8> {
    match handle.literal_bytes() {
        Some(bytes) => bytes.to_vec(),
        None => session.content(handle).unwrap().unwrap().blob().unwrap().bytes().to_vec(),
    }
}

/// A node as the document has it, read by other code than the function's.
struct Found {
    handle: Handle,
    keys_blob: Handle,
    level: u8,
    keys: Vec<Vec<u8>>,
    children: Vec<Found>,
    values: Vec<Handle>,
}

impl Found {
    fn read(kept: &Kept, handle: Handle) -> Self {
        let entries = kept.tree(handle);
        let raw = match entries[0].literal_bytes() {
            Some(bytes) => bytes.to_vec(),
            None => kept.bytes(entries[0]),
        };
        assert_eq!((&raw[..5], &raw[6..8]), (&b"wbpt\x01"[..], &[0, 0][..]));
        let number = |at: usize| u32::from_le_bytes(raw[at..at + 4].try_into().unwrap()) as usize;
        let count = number(8);
        let ends = (0..count).map(|at| number(12 + 4 * at));
        let text = &raw[12 + 4 * count..];
        let mut start = 0;
        let keys: Vec<Vec<u8>> =
            ends.map(|end| text[std::mem::replace(&mut start, end)..end].to_vec()).collect();
        assert_eq!(start, text.len());
        let level = raw[5];
        let (mut children, mut values) = (Vec::new(), Vec::new());
        for entry in &entries[1..] {
            match level {
                0 => values.push(*entry),
                _ => {
                    assert_eq!(entry.kind(), weft_object::Kind::TreeRef);
                    children.push(Self::read(kept, *entry));
                }
            }
        }
        let keys_blob = entries[0];
        Self { handle: handle.content(), keys_blob, level, keys, children, values }
    }

    /// Panics unless it is as the document says; collects the pairs.
    fn check(&self, fanout: usize, into: &mut Vec<(Vec<u8>, Handle)>) {
        assert!(self.keys.len() <= fanout && self.keys.is_sorted_by(|a, b| a < b));
        assert_eq!(self.keys.len(), self.children.len() + self.values.len());
        for (key, child) in self.keys.iter().zip(&self.children) {
            assert_eq!((child.level, &child.keys[0]), (self.level - 1, key));
            child.check(fanout, into);
        }
        into.extend(self.keys.iter().cloned().zip(self.values.iter().copied()));
    }

    /// The nodes that hold keys, or could, from `from` up to and without `to`:
    /// what a look-up has to touch.
    fn covers<'a>(&'a self, from: &[u8], to: Option<&[u8]>, into: &mut Vec<&'a Self>) {
        into.push(self);
        for (at, child) in self.children.iter().enumerate() {
            let next = self.keys.get(at + 1);
            let before = at > 0 && to.is_some_and(|to| self.keys[at].as_slice() >= to);
            if !before && next.is_none_or(|next| next.as_slice() > from) {
                child.covers(from, to, into);
            }
        }
    }

    fn touched(&self, from: &[u8], to: Option<&[u8]>) -> BTreeSet<Handle> {
        let mut covered = Vec::new();
        self.covers(from, to, &mut covered);
        covered.iter().flat_map(|node| [node.handle, node.keys_blob]).collect()
    }
}

fn file(map: &Map) -> Vec<u8> {
    let mut file = Vec::new();
    for (key, value) in map {
        file.extend_from_slice(&[key, &b"\t"[..], value, b"\n"].concat());
    }
    file
}

fn numbered(count: u32) -> Map {
    let value = |n: u32| format!("value {n}").into_bytes();
    (0..count).map(|n| (format!("k{:07}", 2 * n).into_bytes(), value(n))).collect()
}

/// Objects loaded since the last look, without the module.
fn loaded(watch: &weft_node::Watch) -> Vec<Handle> {
    let events = watch.drain().into_iter().filter_map(|event| match event {
        Event::Loaded { object, .. } => Some(object),
        _ => None,
    });
    events.filter(|object| *object != Handle::of_blob(MODULE)).collect()
}

/// Asks nodes that have nothing in memory, and then ones that have what the
/// earlier look-ups loaded: each node of the tree is loaded once, when a
/// look-up gets to it.
fn touches_one_node_a_level(keys: u32, fanout: u64, levels: usize) {
    let kept = Kept::default();
    let map = numbered(keys);
    let root = kept.build(&file(&map), fanout).unwrap();
    let tree = Found::read(&kept, root);
    let mut pairs = Vec::new();
    tree.check(fanout as usize, &mut pairs);
    assert_eq!((pairs.len(), usize::from(tree.level) + 1), (map.len(), levels));

    let node = kept.node();
    let session = node.session();
    let root = root.lower().unwrap();
    let watch = node.watch();
    let mut seen: BTreeSet<Handle> = BTreeSet::new();
    let mut first_loads = |loaded: Vec<Handle>, touched: &BTreeSet<Handle>, what: &str| {
        let fresh: BTreeSet<Handle> = touched.difference(&seen).copied().collect();
        assert_eq!(loaded.len(), fresh.len(), "{what}: something was loaded twice");
        assert_eq!(loaded.into_iter().collect::<BTreeSet<_>>(), fresh, "{what}");
        seen.extend(&fresh);
        fresh.len()
    };
    for (at, n) in [0, keys / 3, keys - 1, keys / 2, 1].into_iter().enumerate() {
        let key = format!("k{:07}", 2 * n).into_bytes();
        let found = ask(&session, "get", &[root, Handle::of_blob(&key)]).unwrap();
        assert_eq!(found.literal_bytes().unwrap(), map[&key]);
        let touched = tree.touched(&key, Some(&[&key[..], b"\0"].concat()));
        assert_eq!(touched.len(), 2 * levels);
        let count = first_loads(loaded(&watch), &touched, &format!("get {n}"));
        // The first has to load all of it.
        assert_eq!(at == 0, count == 2 * levels);
    }
    // A key that is not there is looked for in one leaf.
    let key = format!("k{:07}", 2 * (keys / 5) + 1).into_bytes();
    let missing = ask(&session, "get", &[root, Handle::of_blob(&key)]).unwrap_err();
    assert_eq!(missing, format!("there is no key `{}`", String::from_utf8_lossy(&key)));
    first_loads(loaded(&watch), &tree.touched(&key, Some(&key)), "missing");

    let width = 5 * fanout as u32;
    let [from, to] = [keys / 4, keys / 4 + width].map(|n| format!("k{:07}", 2 * n).into_bytes());
    let bounds = [Handle::of_blob(&from), Handle::of_blob(&to)];
    let found = ask(&session, "range", &[&[root], &bounds[..]].concat()).unwrap();
    let expected: Map = map.range(from.clone()..to.clone()).map(clone).collect();
    assert_eq!(bytes_of(&session, found), file(&expected));
    let count = first_loads(loaded(&watch), &tree.touched(&from, Some(&to)), "range");
    assert!(count >= 8 && count < 2 * (levels + 10), "{count}");
}

fn clone((key, value): (&Vec<u8>, &Vec<u8>)) -> (Vec<u8>, Vec<u8>) {
    (key.clone(), value.clone())
}

#[test]
fn of_100_000_keys_one_node_a_level_is_read() {
    touches_one_node_a_level(100_000, 64, 3);
}

#[test]
fn of_1_000_000_keys_one_node_a_level_is_read() {
    touches_one_node_a_level(1_000_000, 256, 3);
}

/// Keys of all kinds, values short and long, lines across borders of pieces.
fn odd(seed: u64, count: usize) -> Map {
    let mut state = seed;
    let mut random = |below: u64| {
        state =
            state.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        (state >> 33) % below
    };
    let mut map = Map::new();
    for _ in 0..count {
        let key = (0..random(5)).map(|_| [1, b'a', b'b', 0xff, 0, b'\\', b' '][random(7) as usize]);
        let key: Vec<u8> = key.collect();
        let length = match random(40) {
            0 => 65_535 - 1 - key.len() as u64,
            1 => 10_000 + random(50_000),
            _ => random(50),
        };
        // Any bytes but the end of a line, tabs included.
        let value = (0..length).map(|_| [b'\t', b'x', 0, 0xfe, b'\r'][random(5) as usize]);
        map.insert(key, value.collect());
    }
    map
}

#[test]
fn answers_are_those_of_a_sorted_map() {
    for (seed, count, fanout) in [(1, 1, 2), (2, 2, 2), (3, 30, 2), (4, 900, 3), (5, 2000, 4096)] {
        let map = odd(seed, count);
        let kept = Kept::default();
        let mut text = file(&map);
        // Whether the last line has an end makes no difference.
        if seed % 2 == 0 {
            text.pop();
        }
        let root = kept.build(&text, fanout).unwrap();
        let mut pairs = Vec::new();
        Found::read(&kept, root).check(fanout as usize, &mut pairs);
        assert!(pairs.iter().map(|pair| &pair.0).eq(map.keys()), "{seed}");

        let node = kept.node();
        let session = node.session();
        let root = root.lower().unwrap();
        let blob = |bytes: &[u8]| session.put_blob(bytes.to_vec());
        let probes: Vec<Vec<u8>> =
            odd(seed + 100, 40).into_keys().chain([Vec::new(), vec![0xff; 5]]).collect();
        for key in map.keys().step_by(1 + map.len() / 40).chain(&probes) {
            let found = ask(&session, "get", &[root, blob(key)]);
            let found = found.map(|value| bytes_of(&session, value)).ok();
            assert_eq!(found.as_ref(), map.get(key), "{seed} {key:?}");
        }
        for (from, to) in probes.iter().zip(probes.iter().skip(3)) {
            let below = map.range(from.clone()..).take_while(|(key, _)| *key < to);
            let found = ask(&session, "range", &[root, blob(from), blob(to)]).unwrap();
            assert!(bytes_of(&session, found) == file(&below.map(clone).collect()), "{seed}");
            let found = ask(&session, "range", &[root, blob(from)]).unwrap();
            let above = map.range(from.clone()..).map(clone).collect();
            assert!(bytes_of(&session, found) == file(&above), "{seed}");
        }
    }
}

#[test]
fn a_longer_file_shares_what_its_beginning_had() {
    let kept = Kept::default();
    let map = numbered(190_000);
    let all = file(&map);
    let half: Map = map.iter().take(180_000).map(clone).collect();
    let node = kept.node();
    let session = node.session();
    let mut ran = 0;
    for (text, pieces) in [(file(&half), 4), (all, 4)] {
        assert_eq!(text.len().div_ceil(1 << 20), pieces);
        let file = session.put_blob(text).lower().unwrap();
        let before = node.stat().applied;
        ask(&session, "build", &[Handle::of_u64(64), file]).unwrap();
        ran = node.stat().applied - before;
    }
    // build, the last piece, join with the level above the leaves, the root.
    assert_eq!(ran, 4);
}

#[test]
fn what_cannot_be_built_or_found_says_why() {
    let kept = Kept::default();
    let long = [b"a\t1\n", &vec![b'b'; 70_000][..], b"\t2\n"].concat();
    let full = [b"a\t", &vec![b'b'; 65_534][..], b"\n"].concat();
    let mut later = file(&numbered(100_000));
    let unsorted = format!("key `a` at byte {} comes after `k0199998`", later.len());
    later.extend_from_slice(b"a\tafter k\n");
    for (text, fanout, words) in [
        (&b""[..], 2, "an empty file; there is no tree without a key"),
        (b"b\t1\na\t2\n", 2, "key `a` at byte 4 comes after `b`; `LC_ALL=C sort` it"),
        (b"a\t1\na\t2\n", 2, "key `a` at byte 4 comes after `a`"),
        (&later, 64, &unsorted),
        (b"a\t1\nb\n", 2, "a line without a tab between key and value, at byte 4"),
        (b"a\t1\n\n", 2, "a line without a tab between key and value, at byte 4"),
        (&long, 2, "a line longer than 65535 bytes, at byte 4"),
        (&full, 2, "a line longer than 65535 bytes, at byte 0"),
        (b"a\t1\n", 1, "the fan-out is 2 to 4096"),
        (b"a\t1\n", 4097, "the fan-out is 2 to 4096"),
    ] {
        let error = kept.build(text, fanout).unwrap_err();
        assert!(error.contains(words), "{words}: {error}");
    }
    // Sorted within each piece and not across their border.
    let piece = 1 << 20;
    let filler = |from: u8| {
        let line = |n: u32| format!("{}{n:05}\t{}\n", char::from(from), "x".repeat(1016));
        (0..1024).map(line).collect::<String>()
    };
    let crossed = filler(b'b') + &filler(b'a');
    assert_eq!(crossed.len(), 2 * piece);
    let error = kept.build(crossed.as_bytes(), 64).unwrap_err();
    assert!(error.contains("key `a00000` comes after `b01023`"), "{error}");

    let root = kept.build(b"a\t1\nb\t2\n", 2).unwrap();
    let node = kept.node();
    let session = node.session();
    let text = |text: &str| Handle::of_blob(text.as_bytes());
    let none = session.put_tree(&[text("abcdefghijklmnop")]);
    for (verb, arguments, words) in [
        ("get", &[root, text("c")][..], "there is no key `c`"),
        ("get", &[root, text("")], "there is no key ``"),
        ("get", &[root], "called with another number of arguments"),
        ("get", &[text("x"), text("c")], "not a B+-tree"),
        ("get", &[none, text("c")], "not a B+-tree of a version known here"),
        ("range", &[none, text("c")], "not a B+-tree of a version known here"),
        ("put", &[root], "unknown verb; there are build, get and range"),
    ] {
        let error = ask(&session, verb, arguments).unwrap_err();
        assert!(error.contains(words), "{verb}: {error}");
    }
}

#[test]
fn the_document_does_what_it_shows() {
    let world = World::bare();
    world.guest("bptree.wasm");
    document::performs(&world, include_str!("../../../../docs/bptree.md"), 10);
}
