//! What every [`Backend`] promises, as a test that each of them runs; and a
//! [`Double`] of one, to test who uses it.

mod double;
mod state;

use weft_object::{Blob, Content, Handle, Prefix, Tree};

pub use double::Double;

use crate::{Backend, Cost, Expect, Label, Origin, Outcome, Relation, Resolved, StoreError};

/// Runs the whole suite, each part on a backend of its own.
///
/// # Panics
/// Where the backend breaks a promise.
pub fn run<B: Backend>(mut make: impl FnMut() -> B) {
    content_comes_back(&make());
    literals_are_everywhere(&make());
    wrong_content_is_refused(&make());
    streams_are_checked(&make());
    relations_come_back(&make());
    labels_move_as_expected(&make());
    prefixes_resolve(&make());
    threads_agree(&make());
    state::run(&mut make);
}

fn blob(text: &str) -> (Handle, Content) {
    let content = Content::Blob(Blob::new(text.as_bytes().to_vec()));
    (content.handle(), content)
}

fn long(number: usize) -> (Handle, Content) {
    blob(&format!("{number}: more than thirty bytes, so not a literal"))
}

fn ok<T>(result: Result<T, StoreError>) -> T {
    result.unwrap_or_else(|error| panic!("the backend failed: {error}"))
}

fn bytes(content: Option<Content>) -> Option<Vec<u8>> {
    content.and_then(|content| content.blob().map(|blob| blob.bytes().to_vec()))
}

fn content_comes_back(backend: &impl Backend) {
    let (name, content) = long(1);
    let tree = Content::Tree(Tree::new([name, Handle::of_u64(2)]));
    let tag = Content::Tag(Tree::new([name, name, Handle::of_u64(3)]));
    let empty = Content::Tree(Tree::new([]));
    let batch = [
        (name, content),
        (tree.handle(), tree.clone()),
        (tag.handle(), tag.clone()),
        (empty.handle(), empty.clone()),
        long(1),
    ];
    assert!(ok(backend.get(&name)).is_none(), "nothing is there before it is put");
    assert!(!ok(backend.contains(&name)));
    ok(backend.put(&batch));
    ok(backend.put(&batch));
    ok(backend.sync());
    assert_eq!(bytes(ok(backend.get(&name))), long(1).1.blob().map(|blob| blob.bytes().to_vec()));
    for put in [tree, tag, empty] {
        let got = ok(backend.get(&put.handle()));
        assert_eq!(got.as_ref().map(Content::handle), Some(put.handle()));
        // Whatever is over the content finds it.
        let lower = put.handle().lower();
        assert!(lower.is_some_and(|lower| ok(backend.contains(&lower))));
        if let Some(thunk) = put.handle().application() {
            assert!(ok(backend.get(&thunk)).is_some());
        }
    }
    assert!(ok(backend.get(&long(2).0)).is_none());
}

fn literals_are_everywhere(backend: &impl Backend) {
    let (name, content) = blob("short");
    assert!(ok(backend.contains(&name)));
    ok(backend.put(&[(name, content)]));
    assert_eq!(bytes(ok(backend.get(&name))).as_deref(), Some(&b"short"[..]));
    assert!(ok(backend.put_stream(&name, &mut &b"short"[..])));
}

fn wrong_content_is_refused(backend: &impl Backend) {
    let (name, content) = long(1);
    let tree = Tree::new([name]);
    let wrong = [
        (name, Content::Tree(tree.clone())),
        (tree.handle(), content.clone()),
        (tree.handle(), Content::Tag(tree)),
        (long(10).0, content.clone()),
    ];
    for (name, content) in wrong {
        // Nothing of the batch is kept.
        let batch = [long(3), (name, content)];
        let refused = backend.put(&batch);
        assert!(matches!(refused, Err(StoreError::Content(found)) if found == name));
        assert!(!ok(backend.contains(&long(3).0)));
    }
}

fn streams_are_checked(backend: &impl Backend) {
    let data: Vec<u8> = (0..3_000_000_u32).map(|i| (i / 7) as u8).collect();
    let name = Handle::of_blob(&data);
    assert!(!ok(backend.put_stream(&name, &mut &data[1..])), "one byte short");
    assert!(!ok(backend.put_stream(&name, &mut std::io::Read::chain(&data[..], &b"x"[..]))));
    let mut other = data.clone();
    other[1_234_567] ^= 1;
    assert!(!ok(backend.put_stream(&name, &mut &other[..])), "other bytes");
    assert!(!ok(backend.contains(&name)), "nothing of those is kept");
    ok(backend.put(&[long(1)]));
    assert!(ok(backend.put_stream(&name, &mut &data[..])));
    assert!(ok(backend.put_stream(&name, &mut &data[..])));
    ok(backend.put(&[long(2)]));
    assert!(bytes(ok(backend.get(&name))) == Some(data));
    assert!(ok(backend.get(&long(1).0)).is_some() && ok(backend.get(&long(2).0)).is_some());
    let tree = Handle::of_tree(&[]);
    let refused = backend.put_stream(&tree, &mut &b""[..]);
    assert!(matches!(refused, Err(StoreError::Content(found)) if found == tree));
}

fn relations_come_back(backend: &impl Backend) {
    let key = Handle::of_tree(&[Handle::of_u64(1)]);
    let value = Outcome::Value(Handle::of_u64(2));
    let plain = Relation::new(value, Cost { run_ns: 12, fuel: None });
    let full = Relation {
        outcome: Outcome::Failure(long(1).0),
        notes: Some(long(2).0),
        cost: Cost { run_ns: u64::from(u32::MAX) + 7, fuel: Some(99) },
        origin: Origin { found_at_s: 77, finder: 1 },
        durable: false,
    };
    assert_eq!(ok(backend.relation(&key)), None);
    let thunk = key.application().unwrap_or(key);
    ok(backend.put_relations(&[(key, plain), (thunk, full)]));
    ok(backend.sync());
    assert_eq!(ok(backend.relation(&key)), Some(Relation { durable: true, ..plain }));
    assert_eq!(ok(backend.relation(&thunk)), Some(Relation { durable: true, ..full }));
    ok(backend.put_relations(&[(key, full)]));
    assert_eq!(ok(backend.relation(&key)), Some(Relation { durable: true, ..full }));
    assert!(!ok(backend.contains(&key)), "a key is no content");
}

fn labels_move_as_expected(backend: &impl Backend) {
    let name = |text: &str| Label::new(text).unwrap_or_else(|error| panic!("{error}"));
    let (main, other) = (name("main"), name("a/b-1.x"));
    let (one, two) = (Handle::of_u64(1), long(2).0);
    assert_eq!(ok(backend.label(&main)), None);
    ok(backend.set_label(&main, Expect::Absent, Some(one)));
    let moved = backend.set_label(&main, Expect::Absent, Some(two));
    assert!(
        matches!(moved, Err(StoreError::LabelMoved { found: Some(found), .. }) if found == one)
    );
    let moved = backend.set_label(&main, Expect::At(two), Some(two));
    assert!(matches!(moved, Err(StoreError::LabelMoved { .. })));
    ok(backend.set_label(&main, Expect::At(one), Some(two)));
    ok(backend.set_label(&other, Expect::Any, Some(one)));
    assert_eq!(ok(backend.labels()), [(other.clone(), one), (main.clone(), two)]);
    ok(backend.set_label(&main, Expect::At(two), None));
    let gone = backend.set_label(&main, Expect::At(two), None);
    assert!(matches!(gone, Err(StoreError::LabelMoved { found: None, .. })));
    assert_eq!(ok(backend.label(&main)), None);
    assert_eq!(ok(backend.labels()), [(other, one)]);
}

fn prefixes_resolve(backend: &impl Backend) {
    let batch: Vec<_> = (0..3000).map(long).collect();
    ok(backend.put(&batch));
    let mut names: Vec<Handle> = batch.iter().map(|(name, _)| *name).collect();
    names.sort_unstable();
    let parse = |text: &str| Prefix::parse(text).unwrap_or_else(|error| panic!("{error}"));
    // Four digits name one of 65,536, so among 3,000 some are shared.
    let same = |pair: &[Handle]| pair[0].as_bytes()[..2] == pair[1].as_bytes()[..2];
    let shared = names.windows(2).find(|pair| same(pair)).unwrap_or(&[]);
    assert_eq!(shared.len(), 2);
    for name in names.iter().step_by(100).chain(shared) {
        for digits in [4, 5, 12, 64] {
            let prefix = parse(&name.to_string()[..digits]);
            let matching: Vec<Handle> =
                names.iter().filter(|name| prefix.matches(name)).copied().collect();
            let expected = match matching[..] {
                [one] => Resolved::One(one),
                _ => Resolved::Many(matching),
            };
            assert_eq!(ok(backend.resolve_prefix(&prefix)), expected);
        }
    }
    let absent = (0..=0xffff_u32).map(|n| format!("{n:04x}")).find(|text| {
        let prefix = parse(text);
        !batch.iter().any(|(name, _)| prefix.matches(name))
    });
    assert!(absent.is_some_and(|text| ok(backend.resolve_prefix(&parse(&text))) == Resolved::None));
}

fn threads_agree(backend: &impl Backend) {
    std::thread::scope(|scope| {
        for thread in 0..4 {
            scope.spawn(move || {
                for i in 0..100 {
                    // Half of it is also put by the next thread.
                    let number = thread * 50 + i;
                    ok(backend.put(&[long(number)]));
                    let relation = Relation::new(Outcome::Value(long(i).0), Cost::default());
                    ok(backend.put_relations(&[(long(number).0, relation)]));
                    assert!(ok(backend.get(&long(number).0)).is_some(), "seen at once");
                    if i % 25 == 0 {
                        ok(backend.sync());
                    }
                }
            });
        }
    });
    for number in 0..250 {
        let got = ok(backend.get(&long(number).0));
        assert_eq!(got.map(|content| content.handle()), Some(long(number).0));
        assert!(ok(backend.relation(&long(number).0)).is_some());
    }
}
