//! The committed codelets, under the rules of evaluation as the reference has
//! them.

use std::collections::HashMap;
use std::path::Path;

use weft_engine::{FailureKind, Interrupt, Objects, Outcome as Applied, Run};
use weft_eval::reference::{Reference, World};
use weft_eval::{Application, NoAnswerKind, Outcome};
use weft_object::directory::{DirectoryError, Entry, FileKind, Name, Part, build};
use weft_object::{Blob, Content, Handle, Tree};

use crate::harness::ENGINE;

/// Everything there is, and the engine to run it.
#[derive(Default)]
struct Machine {
    blobs: HashMap<Handle, Blob>,
    trees: HashMap<Handle, Tree>,
}

impl Objects for Machine {
    fn blob(&self, handle: Handle) -> Option<Blob> {
        self.blobs.get(&handle).cloned()
    }

    fn tree(&self, handle: Handle) -> Option<Tree> {
        self.trees.get(&handle).cloned()
    }
}

impl World for Machine {
    fn tree(&mut self, object: Handle) -> Option<Tree> {
        self.trees.get(&object).cloned()
    }

    fn blob(&mut self, object: Handle) -> Option<Blob> {
        self.blobs.get(&object).cloned()
    }

    fn put_tree(&mut self, entries: &[Handle]) -> Handle {
        let tree = Tree::new(entries);
        let handle = tree.handle();
        self.trees.insert(handle, tree);
        handle
    }

    fn put_blob(&mut self, blob: Blob) -> Handle {
        let handle = blob.handle();
        self.blobs.insert(handle, blob);
        handle
    }

    fn run(&mut self, application: &Application) -> Outcome {
        let applied = ENGINE.apply(Run {
            application: application.handle,
            entries: &application.tree,
            memory_limit_bytes: application.memory_limit_bytes,
            fuel: None,
            objects: &*self,
            interrupt: &Interrupt::new(),
        });
        for (handle, content) in applied.made {
            match content {
                Content::Blob(blob) => drop(self.blobs.insert(handle, blob)),
                Content::Tree(tree) | Content::Tag(tree) => drop(self.trees.insert(handle, tree)),
            }
        }
        match applied.outcome {
            Applied::Value(value) => Outcome::Value(value),
            Applied::Failure(failure) => {
                assert_eq!(failure.kind, FailureKind::Failed, "{failure:?}");
                let thunk = application.handle.application().unwrap();
                Outcome::failure(weft_eval::FailureKind::Failed, failure.detail, thunk)
            }
            Applied::NoAnswer { kind, detail } => {
                Outcome::no_answer(NoAnswerKind::Lost, format!("{kind}: {detail}"))
            }
        }
    }
}

impl Machine {
    fn guest(&mut self, name: &str) -> Handle {
        let bin = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../guests/bin");
        self.put_blob(Blob::new(std::fs::read(bin.join(format!("{name}.wasm"))).unwrap()))
    }

    fn text(&mut self, text: &str) -> Handle {
        self.put_blob(Blob::new(text.as_bytes().to_vec()))
    }

    fn call(&mut self, procedure: Handle, arguments: &[Handle]) -> Handle {
        let entries = [&[Handle::of_blob(b""), procedure], arguments].concat();
        self.put_tree(&entries).application().unwrap()
    }

    /// A directory of (path without slashes, child).
    fn directory(&mut self, entries: &[(&str, Handle)]) -> Handle {
        let entries = entries.iter().map(|(name, child)| Entry {
            name: Name::new(name.as_bytes()).unwrap(),
            kind: match child.kind() {
                weft_object::Kind::Tree => FileKind::Directory,
                _ => FileKind::File,
            },
            mode: 0o644,
            child: *child,
        });
        let entries = entries.collect();
        build::<DirectoryError>(entries, |handle, part| {
            match part {
                Part::Index(blob) => drop(self.blobs.insert(handle, blob)),
                Part::Node(tree) => drop(self.trees.insert(handle, tree)),
            }
            Ok(())
        })
        .unwrap()
    }

    /// What a computation comes to, and the applications that ran.
    fn eval(&mut self, thunk: Handle) -> (Outcome, Vec<Handle>) {
        let mut reference = Reference::new(self);
        let outcome = reference.request(thunk);
        (outcome, reference.ran().to_vec())
    }

    fn value(&mut self, thunk: Handle) -> Handle {
        match self.eval(thunk).0 {
            Outcome::Value(value) => value,
            other => panic!("no value: {other:?}"),
        }
    }

    fn number(&mut self, thunk: Handle) -> u64 {
        self.value(thunk).literal_u64().unwrap()
    }

    fn content(&mut self, thunk: Handle) -> String {
        let value = self.value(thunk);
        let bytes = match value.literal_bytes() {
            Some(bytes) => bytes.to_vec(),
            None => self.blobs[&value].bytes().to_vec(),
        };
        String::from_utf8(bytes).unwrap()
    }
}

fn n(value: u64) -> Handle {
    Handle::of_u64(value)
}

#[test]
fn arithmetic() {
    let mut m = Machine::default();
    for name in ["add", "add-c", "sum", "adder"] {
        let guest = m.guest(name);
        let call = m.call(guest, &[n(u64::MAX), n(43)]);
        assert_eq!(m.number(call), 42, "{name}");
    }
    let sum = m.guest("sum");
    let call = m.call(sum, &[n(1), n(2), n(3), n(4)]);
    assert_eq!(m.number(call), 10);
    let add = m.guest("add");
    let call = m.call(add, &[n(1)]);
    let Outcome::Failure(failure) = m.eval(call).0 else { panic!() };
    assert_eq!(&*failure.detail, "called with another number of arguments");
}

#[test]
fn a_choice_runs_only_what_is_taken() {
    let mut m = Machine::default();
    let (choose, add) = (m.guest("if"), m.guest("add"));
    let (then, otherwise) = (m.call(add, &[n(1), n(2)]), m.call(add, &[n(5), n(6)]));
    for (condition, expected) in [(0, 11), (1, 3), (7, 3)] {
        let call = m.call(choose, &[n(condition), then, otherwise]);
        let (outcome, ran) = m.eval(call);
        assert_eq!(outcome, Outcome::Value(n(expected)));
        assert_eq!(ran.len(), 2);
    }
}

#[test]
fn a_closure_comes_from_a_function() {
    let mut m = Machine::default();
    let adder = m.guest("adder");
    let closure = m.call(adder, &[n(3)]).strict().unwrap();
    let call = m.call(closure, &[n(4)]);
    assert_eq!(m.number(call), 7);
}

#[test]
fn fibonacci_runs_each_number_once() {
    let mut m = Machine::default();
    let (fib, add) = (m.guest("fib"), m.guest("add"));
    let call = m.call(fib, &[add, n(50)]);
    let (outcome, ran) = m.eval(call);
    assert_eq!(outcome, Outcome::Value(n(12_586_269_025)));
    // 51 of fib, and a sum for each but the first two. The sums that come to
    // the same arguments are one.
    assert_eq!(ran.len(), 51 + 49);
}

#[test]
fn map_and_reduce() {
    let mut m = Machine::default();
    let [map, reduce, map_reduce, sum, adder] =
        ["map", "reduce", "map-reduce", "sum", "adder"].map(|name| m.guest(name));
    let plus_100 = m.put_tree(&[adder, n(100)]);
    let numbers: Vec<_> = (0..1000).map(n).collect();
    let numbers = m.put_tree(&numbers);

    let call = m.call(map, &[plus_100, numbers]);
    let mapped = m.value(call);
    let expected: Vec<_> = (100..1100).map(n).collect();
    assert_eq!(mapped, Handle::of_tree(&expected));

    let call = m.call(reduce, &[sum, numbers]);
    assert_eq!(m.number(call), 499_500);
    let call = m.call(map_reduce, &[plus_100, sum, numbers]);
    let (outcome, ran) = m.eval(call);
    assert_eq!(outcome, Outcome::Value(n(599_500)));
    // Itself, 1000 of f, and g of 16: 63, 4 and 1.
    assert_eq!(ran.len(), 1 + 1000 + 63 + 4 + 1);

    let empty = m.put_tree(&[]);
    let call = m.call(reduce, &[sum, empty]);
    assert_eq!(m.number(call), 0);
}

#[test]
fn needles() {
    let mut m = Machine::default();
    let hay = format!("{}ana banana {}", "x".repeat(100_000), "ana".repeat(3));
    for (needle, found) in [("ana", 5), ("x", 100_000), ("bananas", 0), (" ", 2)] {
        for name in ["needle", "needle-c"] {
            let guest = m.guest(name);
            let (needle, hay) = (m.text(needle), m.text(&hay));
            let call = m.call(guest, &[needle, hay]);
            assert_eq!(m.number(call), found, "{name}");
        }
    }
}

/// `{a, b/{c, d/{e}}, big/{0000..2999}}`, each file with some words.
fn tree(m: &mut Machine, e: &str) -> Handle {
    let (a, c, e) = (m.text("one two three"), m.text("Two, three! three."), m.text(e));
    let d = m.directory(&[("e", e)]);
    let b = m.directory(&[("c", c), ("d", d)]);
    let names: Vec<_> = (0..3000).map(|at| format!("{at:04}")).collect();
    let files: Vec<_> = names.iter().map(|name| (name.as_str(), Handle::of_blob(b"big"))).collect();
    let big = m.directory(&files);
    assert!(m.trees[&big].entries().len() < 100, "split into nodes");
    m.directory(&[("a", a), ("b", b), ("big", big)])
}

#[test]
fn a_file_is_found_by_reading_its_path_only() {
    let mut m = Machine::default();
    let directory = tree(&mut m, "the file that is looked for, longer than a literal");
    let get = m.guest("get-file");
    let reference = directory.lower().unwrap();
    for (path, expected) in
        [("b/d/e", "the file that is looked for, longer than a literal"), ("big/2345", "big")]
    {
        let path = m.text(path);
        let call = m.call(get, &[reference, path]);
        let (outcome, ran) = m.eval(call);
        assert!(matches!(outcome, Outcome::Value(_)), "{outcome:?}");
        assert_eq!(m.content(call), expected);
        // Two steps a node: enter it, read its index.
        assert_eq!(ran.len(), 2 * 3, "three nodes on either path");
        // What a step could read: its module, path and one index.
        for application in ran {
            let entries = m.trees[&application].entries().to_vec();
            assert!(entries.iter().all(|entry| entry.kind() != weft_object::Kind::Tree));
        }
    }
    for (path, detail) in [("b/x", "no such file"), ("a/x", "a path that goes on below a file")] {
        let path = m.text(path);
        let call = m.call(get, &[reference, path]);
        let Outcome::Failure(failure) = m.eval(call).0 else { panic!() };
        assert_eq!(&*failure.detail, detail);
    }
}

#[test]
fn words_of_a_directory_are_counted_file_by_file() {
    let mut m = Machine::default();
    let wordcount = m.guest("wordcount");
    let walk = |m: &mut Machine, directory: Handle| {
        let verb = Handle::of_blob(b"walk");
        m.call(wordcount, &[verb, directory.lower().unwrap()])
    };
    let before = tree(&mut m, "three incomprehensibilities");
    let table = walk(&mut m, before).strict().unwrap();
    let top = m.call(wordcount, &[Handle::of_blob(b"top"), table, n(4)]);
    assert_eq!(m.content(top), "3000 big\n4 three\n2 two\n1 incomprehensibilities\n");

    let (_, ran_before) = m.eval(top);
    let after = tree(&mut m, "three four");
    let table = walk(&mut m, after).strict().unwrap();
    let top = m.call(wordcount, &[Handle::of_blob(b"top"), table, n(3)]);
    let (_, ran_after) = m.eval(top);
    let new: Vec<_> = ran_after.iter().filter(|ran| !ran_before.contains(ran)).collect();
    // For each of the three directories above the file two steps of the walk
    // and one merge, of which the lowest has one table and is a merge too; the
    // count of the file; the top.
    assert_eq!(new.len(), 3 * 3 + 1 + 1, "{new:?}");
    assert_eq!(m.content(top), "3000 big\n4 three\n2 two\n");
    // Whichever way it is given.
    let accessible = m.call(wordcount, &[Handle::of_blob(b"walk"), after]);
    let by_ref = walk(&mut m, after);
    assert_eq!(m.value(accessible), m.value(by_ref));
}

#[test]
fn a_fold_counts_a_needle_in_every_file() {
    let mut m = Machine::default();
    let [fold, needle, sum] = ["fold", "needle", "sum"].map(|name| m.guest(name));
    let directory = tree(&mut m, "three and three").lower().unwrap();
    let word = Handle::of_blob(b"three");
    let f = m.put_tree(&[needle, word]);
    let call = m.call(fold, &[f, sum, directory]);
    assert_eq!(m.number(call), 1 + 2 + 2);
}

#[test]
fn counting_is_what_it_says() {
    let mut m = Machine::default();
    let wordcount = m.guest("wordcount");
    let verb = |word: &str| Handle::of_blob(word.as_bytes());
    let long = "Abcdefgh".repeat(40);
    let text = format!("It's 3 o'clock;IT IS \u{e9}t\u{e9} {long} {} ABCDEFGH abcdefghi", &long);
    let mut expected = HashMap::new();
    for word in text.split(|c: char| !c.is_ascii_alphabetic()).filter(|word| !word.is_empty()) {
        *expected.entry(word.to_ascii_lowercase()).or_insert(0) += 1;
    }
    let mut expected: Vec<_> = expected.into_iter().collect();
    expected.sort_by(|(a, x), (b, y)| y.cmp(x).then(a.cmp(b)));
    let expected: String =
        expected.iter().map(|(word, count)| format!("{count} {word}\n")).collect();

    // Cut anywhere, counted apart and merged: the same, but for the cut word.
    let whole = m.text(&text);
    let table = m.call(wordcount, &[verb("count"), whole]);
    let top = m.call(wordcount, &[verb("top"), table.strict().unwrap(), n(100)]);
    assert_eq!(m.content(top), expected);
    let spaces: Vec<_> = text.match_indices(' ').map(|(at, _)| at).collect();
    for at in spaces {
        let parts = [&text[..at], &text[at..]].map(|part| m.text(part));
        let tables = parts.map(|part| m.call(wordcount, &[verb("count"), part]).strict().unwrap());
        let merged = m.call(wordcount, &[verb("merge"), tables[0], tables[1]]);
        assert_eq!(m.value(merged), m.value(table));
    }
    let none = m.call(wordcount, &[verb("merge")]);
    assert_eq!(m.value(none), Handle::of_blob(b""));
    let bad = m.call(wordcount, &[verb("merge"), verb("\u{5}\u{1}ab"), verb("")]);
    let Outcome::Failure(failure) = m.eval(bad).0 else { panic!() };
    assert_eq!(&*failure.detail, "not a table of words");
}
