//! Differences, and that no more is read than what differs.

use std::collections::{BTreeMap, HashSet};

use proptest::prelude::*;
use weft_explain::diff::{Bounds, Change, Diff, Step, What, diff, entry_step, place_text};
use weft_object::directory::{Entry, FileKind, Name};
use weft_object::{Handle, Kind};
use weft_store::{Backend, files};

use crate::world::World;

fn compare(world: &World, old: Handle, new: Handle) -> Diff {
    diff(world, old, new, Bounds::default()).unwrap()
}

/// One line a change.
fn lines(diff: &Diff) -> Vec<String> {
    let place = |at: &[Step]| place_text(at, |name| String::from_utf8_lossy(name).into_owned());
    let line = |change: &Change| {
        let at = place(&change.at);
        match &change.what {
            What::Changed { same_bytes, .. } => format!("{at} changed {same_bytes:?}"),
            What::Added(_) => format!("{at} added"),
            What::Removed(_) => format!("{at} removed"),
            What::Moved { from, .. } => format!("{at} moved from {}", place(from)),
            What::Mode { old, new } => format!("{at} mode {old:o} {new:o}"),
            What::Access { old, new } => format!("{at} access {} {}", old.kind(), new.kind()),
        }
    };
    diff.changes.iter().map(line).collect()
}

#[test]
fn a_directory_is_compared_by_names() {
    let world = World::default();
    let [a, b, c] = ["one".repeat(20), "two".repeat(20), "three".repeat(20)].map(|t| world.blob(t));
    let old = world.directory([("a", a), ("d/b", b), ("d/c", c), ("e/f", a), ("gone", c)]);
    let new = world.directory([("a", b), ("d/b", b), ("d/c", a), ("h/f", a), ("new", b)]);
    let diff = compare(&world, old, new);
    assert_eq!(
        lines(&diff),
        ["a changed Some(0)", "d/c changed Some(0)", "gone removed", "h moved from e", "new added"]
    );
    assert!(!diff.cut && diff.missing.is_empty());
}

/// What came or went in the middle shifts nothing.
#[test]
fn entries_and_arguments_are_paired_by_what_is_the_same() {
    let world = World::default();
    let numbers = |of: &[u64]| of.iter().map(|n| Handle::of_u64(*n)).collect::<Vec<_>>();
    let trees = [&[1, 2, 3, 4][..], &[1, 9, 2, 3, 5]].map(|of| world.tree(&numbers(of)));
    assert_eq!(
        lines(&compare(&world, trees[0], trees[1])),
        ["entry 1 added", "entry 4 changed Some(0)"]
    );
    let procedure = world.blob("a procedure of more than thirty bytes");
    let [old, new] = [&[1, 2, 3][..], &[2, 3]].map(|of| world.apply(procedure, &numbers(of)));
    assert_eq!(lines(&compare(&world, old, new)), ["argument 1 removed"]);
}

#[test]
fn what_a_program_is_given_is_called_by_what_it_is_for() {
    let world = World::default();
    let [one, two] = ["one".repeat(20), "two".repeat(20)].map(|text| world.blob(text));
    let [src, other] = [one, two].map(|file| world.directory([("lib/a.c", file)]));
    let program = world.blob("a program of more than thirty bytes");
    let run = |arguments: &[&str], directories: &[(&str, Handle)]| {
        let words: Vec<Handle> = arguments.iter().map(|word| world.blob(word)).collect();
        let empty = world.blob("");
        let mut given = vec![program, world.tree(&words), world.tree(&[]), empty];
        given.extend([Handle::of_u64(0), empty]);
        for (path, root) in directories {
            given.extend([world.blob(path), root.lower().unwrap()]);
        }
        world.apply(world.blob("wasi/1"), &given)
    };
    let old = run(&["cc", "-O2"], &[("/src", src), ("/gone", src)]);
    let new = run(&["cc", "-g", "-O2"], &[("/", src), ("/src", other)]);
    assert_eq!(
        lines(&compare(&world, old, new)),
        ["arguments > entry 1 added", "/ added", "/gone removed", "/src/lib/a.c changed Some(0)"]
    );
}

/// Images are made and go on from as programs run.
#[test]
fn what_images_are_given_is_called_by_what_it_is_for() {
    let world = World::default();
    let [one, two] = ["one".repeat(20), "two".repeat(20)].map(|text| world.blob(text));
    let [src, other] = [one, two].map(|file| world.directory([("lib/a.c", file)]));
    let empty = world.blob("");
    let given = |arguments: &[&str], seed: u64, directories: &[(&str, Handle)]| {
        let words: Vec<Handle> = arguments.iter().map(|word| world.blob(word)).collect();
        let mut given = vec![world.tree(&words), empty, empty, Handle::of_u64(seed), empty];
        for (path, root) in directories {
            given.extend([world.blob(path), root.lower().unwrap()]);
        }
        given
    };
    let calls = |names: &[&str]| {
        let names: Vec<Handle> = names.iter().map(|name| world.blob(name)).collect();
        world.tree(&names)
    };
    let make = |named: &[&str], program: Handle, given: &[Handle]| {
        world.apply(world.blob("snapshot/1"), &[&[calls(named), program], given].concat())
    };
    let long = world.blob("a program of more than thirty bytes");
    let old = make(&["start"], long, &given(&["cc"], 0, &[("/src", src), ("/gone", src)]));
    let new = make(&["start", "more"], two, &given(&["cc", "-g"], 1, &[("/src", other)]));
    let told = lines(&compare(&world, old, new));
    assert_eq!(
        told,
        [
            "arguments > entry 1 added",
            "calls > entry 1 added",
            "program changed Some(0)",
            "seed changed Some(0)",
            "/gone removed",
            "/src/lib/a.c changed Some(0)",
        ]
    );
    // Of a codelet's there is no more than a program.
    let [old, new] = [one, two].map(|codelet| make(&["start"], codelet, &[]));
    assert_eq!(lines(&compare(&world, old, new)), ["program changed Some(0)"]);

    let go_on = |image: Handle, rest: &[Handle]| {
        let image = world.tree(&[image]).lower().unwrap();
        world.apply(world.blob("image/1"), &[&[image], rest].concat())
    };
    let call = |name: &str| world.blob(name);
    let old = go_on(one, &[&[call("say")][..], &given(&["a"], 0, &[("/src", src)])].concat());
    let new = go_on(two, &[&[call("ask")][..], &given(&["b"], 0, &[("/src", other)])].concat());
    let told = lines(&compare(&world, old, new));
    assert_eq!(
        told,
        [
            "arguments > entry 0 changed Some(0)",
            "call changed Some(0)",
            "image > entry 0 changed Some(0)",
            "/src/lib/a.c changed Some(0)",
        ]
    );
    // What a codelet makes of its arguments is its own matter, however many there are.
    for more in [0, 7, 8] {
        let arguments = |first: u64| (first..=first + more).map(Handle::of_u64).collect::<Vec<_>>();
        let (mut from, mut to) = (arguments(100), arguments(100));
        (from[0], to[0]) = (one, two);
        let told = lines(&compare(&world, go_on(one, &from), go_on(two, &to)));
        assert_eq!(told, ["argument 2 changed Some(0)", "image > entry 0 changed Some(0)"]);
    }
}

/// What was in a directory that is gone, or is in a new one, is found too.
#[test]
fn moves_are_found_inside_of_what_came_and_went() {
    let world = World::default();
    let [a, b] = ["a".repeat(40), "b".repeat(40)].map(|text| world.blob(text));
    let empty = world.blob("");
    let old = world.directory([("src/x/one", a), ("src/x/two", b), ("src/x/none", empty)]);
    let new = world.directory([("lib/y/one", a), ("other", b), ("lib/y/none", empty)]);
    let diff = compare(&world, old, new);
    let expected = [
        "lib added",
        "lib/y/one moved from src/x/one",
        "other moved from src/x/two",
        "src removed",
    ];
    assert_eq!(lines(&diff), expected);
}

#[test]
fn kinds_modes_and_access_are_told() {
    let world = World::default();
    let file = world.blob("x".repeat(50));
    let entry = |name: &str, kind, mode, child| Entry {
        name: Name::new(name.as_bytes()).unwrap(),
        kind,
        mode,
        child,
    };
    let below = world.directory([("f", file)]);
    let old = world.build(vec![
        entry("dir", FileKind::Directory, 0o755, below),
        entry("file", FileKind::File, 0o644, file),
        entry("link", FileKind::File, 0o644, file),
    ]);
    let new = world.build(vec![
        entry("dir", FileKind::Directory, 0o755, below.lower().unwrap()),
        entry("file", FileKind::File, 0o755, file),
        entry("link", FileKind::Symlink, 0o777, file),
    ]);
    let diff = compare(&world, old, new);
    let expected = ["dir access tree tree ref", "file mode 644 755", "link removed", "link added"];
    assert_eq!(lines(&diff), expected);
}

#[test]
fn blobs_say_where_they_begin_to_differ() {
    let world = World::default();
    let long = "x".repeat(10_000);
    let same = |old: &str, new: &str| {
        let diff = compare(&world, world.blob(old), world.blob(new));
        let [Change { at, what: What::Changed { same_bytes, .. } }] = &diff.changes[..] else {
            panic!("{diff:?}")
        };
        assert!(at.is_empty());
        same_bytes.unwrap()
    };
    assert_eq!(same("abc", "abd"), 2);
    assert_eq!(same("abc", "ab"), 2);
    assert_eq!(same("", "ab"), 0);
    for at in [0, 1, 4095, 4096, 4097, 8192, 9999] {
        let mut other = long.clone();
        other.replace_range(at..=at, "y");
        assert_eq!(same(&long, &other), at as u64);
    }
}

#[test]
fn computations_are_compared_by_position() {
    let world = World::default();
    let [f, g, text, other] = ["f", "g", "text", "other"].map(|name| world.blob(name.repeat(40)));
    let inner = |data| world.apply(f, &[Handle::of_u64(1), data]).strict().unwrap();
    let outer = |f, entry, more: &[Handle]| {
        let tree = world.tree(&[Handle::of_u64(1), entry]);
        world.apply(f, &[&[tree], more].concat())
    };
    let old = outer(f, inner(text), &[]);
    let diff = compare(&world, old, outer(g, inner(other), &[text]));
    assert_eq!(
        lines(&diff),
        [
            "procedure changed Some(0)",
            "argument 1 > entry 1 > argument 2 changed Some(0)",
            "argument 2 added",
        ]
    );
    let limited = world.tree(&[Handle::of_u64(1 << 20), f, text]).application().unwrap();
    let diff = compare(&world, world.apply(f, &[text]), limited);
    assert_eq!(lines(&diff), ["limits changed Some(0)"]);

    let select = |from, at| world.tree(&[from, Handle::of_u64(at)]).selection().unwrap();
    let diff = compare(&world, select(old, 1), select(world.apply(f, &[]), 2));
    assert_eq!(lines(&diff), ["target > argument 1 removed", "part changed None"]);

    let identify = |data: Handle| data.identification().unwrap();
    assert_eq!(lines(&compare(&world, identify(f), identify(g))), ["data changed Some(0)"]);
    // What is of another kind is not gone into.
    assert_eq!(lines(&compare(&world, old, f)), [" changed None"]);
    let (strict, shallow) = (old.strict().unwrap(), old.shallow().unwrap());
    assert_eq!(lines(&compare(&world, strict, shallow)), [" changed None"]);
    assert_eq!(lines(&compare(&world, strict, strict)), [""; 0]);
}

#[test]
fn what_is_not_there_is_named() {
    let world = World::default();
    let here = world.directory([("a", world.blob("x".repeat(40)))]);
    let lost = Handle::of_tree(&[Handle::of_u64(7)]);
    let diff = compare(&world, here, lost);
    assert_eq!((lines(&diff), diff.missing), (vec![" changed None".to_owned()], vec![lost]));
}

/// A Tree that holds the same one twice, and so on, has as many places as no
/// machine has room for.
#[test]
fn what_is_in_many_places_is_cut() {
    let world = World::default();
    let tower = |mut handle| {
        for _ in 0..60 {
            handle = world.tree(&[handle, handle]);
        }
        handle
    };
    let (old, new) = (tower(world.blob("a")), tower(world.blob("b")));
    let bounds = Bounds { changes_max: 100, pairs_max: 10_000 };
    let diff = diff(&world, old, new, bounds).unwrap();
    assert!(diff.cut && diff.changes.len() <= 100);
}

/// Deeper than anybody looks, the handles say that it differs.
#[test]
fn depth_is_bounded() {
    let world = World::default();
    let well = |mut handle| {
        for _ in 0..5000 {
            handle = world.tree(&[handle]);
        }
        handle
    };
    let diff = compare(&world, well(world.blob("a")), well(world.blob("b")));
    let [change] = &diff.changes[..] else { panic!("{diff:?}") };
    assert_eq!(change.at.len(), 1000);
    assert!(matches!(change.what, What::Changed { same_bytes: None, .. }));
}

/// One changed file of thousands costs the nodes on its path.
#[test]
fn what_is_the_same_is_not_read() {
    let world = World::default();
    let name = |n: usize| format!("{:04}/{}", n / 3000, n);
    let make = |changed: usize| {
        let names: Vec<String> = (0..9000).map(name).collect();
        let files = names.iter().enumerate().map(|(n, name)| {
            let text = format!("the file {n}{}", if n == changed { ", changed" } else { "" });
            (name.as_str(), world.blob(text.repeat(4)))
        });
        world.directory(files)
    };
    let (old, new) = (make(9000), make(4321));
    world.reads();
    let diff = compare(&world, old, new);
    assert_eq!(lines(&diff).len(), 1);
    assert!(lines(&diff)[0].starts_with("0001/4321 changed"));
    let reads = world.reads();
    assert!(reads.len() <= 2 * (2 + 2 + 2 + 2 + 1), "{}", reads.len());
    let (in_old, in_new) = (all(&world, old), all(&world, new));
    // The index of a node is the same Blob if only content below it changed.
    let needless = reads.iter().filter(|read| in_old.contains(read) && in_new.contains(read));
    assert!(needless.clone().all(|read| read.kind() == Kind::Blob), "{needless:?}");
}

fn all(world: &World, root: Handle) -> HashSet<Handle> {
    let (mut seen, mut open) = (HashSet::new(), vec![root.content()]);
    while let Some(handle) = open.pop() {
        if seen.insert(handle)
            && let Some(content) = world.backend.get(&handle).unwrap()
            && let Some(tree) = content.tree()
        {
            open.extend(tree.entries().iter().map(|entry| entry.content()));
        }
    }
    seen
}

/// All paths that are no directories.
fn paths(world: &World, root: Handle) -> BTreeMap<Vec<u8>, Handle> {
    let mut out = BTreeMap::new();
    let mut open = vec![(Vec::new(), root)];
    while let Some((path, directory)) = open.pop() {
        let source = |handle: &Handle| world.backend.get(handle);
        for entry in files::list(&source, &directory).unwrap() {
            let path = [&path[..], entry.name.as_bytes()].concat();
            match entry.kind {
                FileKind::Directory => open.push(([&path[..], b"/"].concat(), entry.child)),
                _ => {
                    out.insert(path, entry.child);
                }
            }
        }
    }
    out
}

/// Does to the paths of the old one what the differences say.
fn applied(
    world: &World,
    mut files: BTreeMap<Vec<u8>, Handle>,
    diff: &Diff,
) -> BTreeMap<Vec<u8>, Handle> {
    let path = |at: &[Step]| {
        let names = at.iter().map(|step| match step {
            Step::Name(name) => name.clone(),
            step => panic!("{step:?}"),
        });
        names.collect::<Vec<_>>().join(&b"/"[..])
    };
    let below = |at: &[u8], item: &weft_explain::diff::Item| match item.file.unwrap().0 {
        FileKind::Directory => {
            let files = paths(world, item.handle).into_iter();
            files.map(|(name, file)| ([at, b"/", &name[..]].concat(), file)).collect()
        }
        _ => vec![(at.to_vec(), item.handle)],
    };
    let mut added = Vec::new();
    for Change { at, what } in &diff.changes {
        let at = path(at);
        match what {
            What::Removed(item) => below(&at, item).iter().for_each(|(path, _)| {
                files.remove(path);
            }),
            What::Moved { from, item } => {
                below(&path(from), item).iter().for_each(|(path, _)| {
                    files.remove(path);
                });
                added.extend(below(&at, item));
            }
            What::Added(item) => added.extend(below(&at, item)),
            What::Changed { old, new, .. } => {
                assert_eq!(files.get(&at), Some(old));
                added.push((at, *new));
            }
            What::Mode { .. } | What::Access { .. } => {}
        }
    }
    files.extend(added);
    files
}

/// Names that meet often, below each other at times.
fn files() -> impl Strategy<Value = BTreeMap<String, u8>> {
    let name = prop::sample::select(vec!["a", "b", "c"]);
    let path = prop::collection::vec(name, 1..4).prop_map(|names| names.join("/"));
    prop::collection::btree_map(path, 0u8..4, 1..8).prop_map(|mut files| {
        let directories: Vec<String> = files.keys().cloned().collect();
        files.retain(|path, _| {
            !directories.iter().any(|other| other.starts_with(&format!("{path}/")))
        });
        files
    })
}

fn make(world: &World, files: &BTreeMap<String, u8>) -> Handle {
    let content = |n: &u8| match n {
        0 => world.blob(""),
        n => world.blob([*n; 64]),
    };
    world.directory(files.iter().map(|(path, n)| (path.as_str(), content(n))))
}

proptest! {
    #[test]
    fn differences_lead_from_the_old_to_the_new(old in files(), new in files()) {
        let world = World::default();
        let (old, new) = (make(&world, &old), make(&world, &new));
        let diff = compare(&world, old, new);
        prop_assert_eq!(applied(&world, paths(&world, old), &diff), paths(&world, new));
        prop_assert_eq!(diff.changes.is_empty(), old == new);
        world.reads();
        prop_assert_eq!(compare(&world, old, old), Diff::default());
        prop_assert!(world.reads().is_empty());
    }
}

/// The same of directories that are split into nodes, of different levels too.
#[test]
fn split_directories_are_compared_by_names() {
    let world = World::default();
    let file = world.blob("x".repeat(40));
    let of = |names: &[u32]| {
        let names: Vec<String> = names.iter().map(|n| format!("{n:06}")).collect();
        world.directory(names.iter().map(|name| (name.as_str(), file)))
    };
    let many: Vec<u32> = (0..20_000).collect();
    let without: Vec<u32> = many.iter().copied().filter(|n| n % 1999 != 7).collect();
    let few: Vec<u32> = (0..20).collect();
    for (old, new) in [(&many, &without), (&without, &many), (&many, &few), (&few, &many)] {
        let (old, new) = (of(old), of(new));
        let diff = compare(&world, old, new);
        assert!(!diff.changes.is_empty());
        assert_eq!(applied(&world, paths(&world, old), &diff), paths(&world, new));
    }
}

#[test]
fn what_a_program_is_given_is_called_by_what_it_is() {
    let long = Handle::of_blob(b"/a/path/that/is/longer/than/a/literal");
    let mut entries: Vec<Handle> = (0..8).map(Handle::of_u64).collect();
    entries[1] = Handle::of_blob(b"wasi/1");
    entries.extend([Handle::of_blob(b"/src"), Handle::of_u64(9), long, Handle::of_u64(11)]);
    let words = |entries: &[Handle]| -> Vec<String> {
        let word = |at| {
            place_text(&[entry_step(entries, at)], |name| String::from_utf8(name.to_vec()).unwrap())
        };
        (0..entries.len()).map(word).collect()
    };
    assert_eq!(
        words(&entries),
        [
            "limits",
            "procedure",
            "program",
            "arguments",
            "environment",
            "stdin",
            "seed",
            "clock",
            "argument 7",
            "/src",
            "argument 9",
            "argument 10",
        ]
    );
    entries[1] = Handle::of_blob(b"other");
    assert_eq!(words(&entries)[1..4], ["procedure", "argument 1", "argument 2"]);
    // Of an image, only if it can be what a program is given.
    entries[1] = Handle::of_blob(b"image/1");
    assert_eq!(words(&entries)[1..5], ["procedure", "image", "argument 2", "argument 3"]);
    let (empty, tree) = (Handle::of_blob(b""), Handle::of_tree(&[]));
    let call = Handle::of_blob(b"say");
    let mut going = vec![empty, entries[1], tree.lower().unwrap(), call];
    going.extend([tree, empty, empty, empty, empty, Handle::of_blob(b"/src"), tree]);
    let told = ["image", "call", "arguments", "environment", "stdin", "seed", "clock"];
    assert_eq!(words(&going)[2..9], told);
    assert_eq!(words(&going)[9..], ["argument 8", "/src"]);
    for wrong in 3..9 {
        let mut going = going.clone();
        going[wrong] = Handle::of_tree(&[tree]).application().unwrap();
        // What is still to be evaluated may be that.
        assert_eq!(words(&going)[2..9], told, "{wrong}");
        going[wrong] = match wrong {
            3 => empty,
            6 => tree,
            _ => Handle::of_blob(b"words of a codelet"),
        };
        assert_eq!(words(&going)[2..5], ["image", "argument 2", "argument 3"], "{wrong}");
    }
    entries[1] = Handle::of_blob(b"snapshot/1");
    assert_eq!(words(&entries[..11])[1..5], ["procedure", "calls", "program", "arguments"]);
    assert_eq!(words(&entries[..4])[1..], ["procedure", "calls", "program"]);
}
