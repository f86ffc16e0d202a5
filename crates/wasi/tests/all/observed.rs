//! A run need not be repeated for what it never looked at, and has to be for
//! what it did.

use std::cell::Cell;

use proptest::prelude::*;
use proptest::test_runner::{Config, RngAlgorithm, TestRng, TestRunner};
use weft_object::Handle;
use weft_object::directory::FileKind;
use weft_wasi::{
    Answer, Edit, EditKind, Errno, Finished, Invocation, Observation, Preopen, agrees, apply,
};

use crate::guest::{CREAT, Guest, READ, TRUNC, WRITE};
use crate::program::{Held, Op, contents, input, op_of_two, place_node, remove_node};
use crate::shelf::{Node, Nodes, Shelf, file, link, nodes};

/// What every run has as a second directory.
fn second() -> Nodes {
    nodes(&[("a", file(b"a")), ("d/a", file(&[7; 50])), ("d/e", Node::Directory)])
}

/// A run in a directory, with all that it answered on its standard output.
fn run(all: &Nodes, program: impl FnOnce(&mut Guest)) -> (Handle, Finished, Shelf) {
    let mut shelf = Shelf::default();
    let root = shelf.directory(all);
    let second = shelf.directory(&second());
    let preopens = vec![
        Preopen { path: b"/".to_vec(), root },
        Preopen { path: b"/second".to_vec(), root: second },
    ];
    let mut guest = Guest::new(Invocation { preopens, ..Invocation::default() }, shelf);
    program(&mut guest);
    let (finished, shelf) = guest.finish();
    (root, finished, shelf)
}

/// What replaying a run on another directory gives; `None` where it has to run
/// again. Checks that running again gives just that.
fn replayed(all: &Nodes, other: &Nodes, program: impl Fn(&mut Guest)) -> Option<Nodes> {
    let (root, first, mut shelf) = run(all, &program);
    let observations = first.observations.as_ref().unwrap();
    let second = shelf.directory(&second());
    assert!(agrees(observations, &[root, second], &mut shelf).unwrap(), "with itself");
    let again = apply(&first.edits, &[root, second], &mut shelf).unwrap().unwrap();
    assert_eq!(again.roots, first.roots, "its own edits give its own result");
    assert!(observations.is_sorted() && first.edits.is_sorted(), "in order");
    let other_root = shelf.directory(other);
    if !agrees(observations, &[other_root, second], &mut shelf).unwrap() {
        return None;
    }
    let (_, again, _) = run(other, &program);
    assert_eq!(again.stdout.bytes(), first.stdout.bytes(), "it sees the same");
    assert_eq!(again.observations, first.observations);
    assert_eq!(again.edits, first.edits);
    let applied = apply(&first.edits, &[other_root, second], &mut shelf).unwrap().unwrap();
    assert_eq!(applied.roots, again.roots, "replayed as run again");
    shelf.keep(applied.content);
    Some(shelf.read(&applied.roots[0]))
}

/// A program whose steps depend on all that it has seen before.
fn perform(guest: &mut Guest, ops: &[Op]) {
    let mut held = Held::default();
    let mut seen: u64 = 0;
    for at in 0..ops.len() {
        let op = &ops[(at + (seen % 3) as usize) % ops.len()];
        let mut answer = guest.perform(op, &mut held);
        if let Op::Stat(path) = op {
            // Also what the model cannot say.
            answer += &format!("{:?}", guest.stat(path));
        }
        for byte in answer.bytes() {
            seen = (seen ^ u64::from(byte)).wrapping_mul(0x0100_0000_01b3);
        }
        guest.write(1, answer.as_bytes()).unwrap();
    }
}

#[derive(Clone, Debug)]
enum Change {
    Place(&'static str, Node),
    Remove(&'static str),
    Mode(&'static str, u16),
}

fn change() -> impl Strategy<Value = Change> {
    let places = ["a", "b", "d", "d/a", "d/b", "d/e", "d/e/a", "d/e/s", "e", "e/a", "s", "new"];
    let place = move || prop::sample::select(places.to_vec());
    prop_oneof![
        (place(), contents()).prop_map(|(path, bytes)| Change::Place(path, file(&bytes))),
        place().prop_map(|path| Change::Place(path, Node::Directory)),
        place().prop_map(|path| Change::Place(path, link("a"))),
        place().prop_map(Change::Remove),
        (place(), prop::sample::select(vec![0o644, 0o755, 0o600]))
            .prop_map(|(path, mode)| Change::Mode(path, mode)),
    ]
}

fn changed(all: &Nodes, changes: &[Change]) -> Nodes {
    let mut all = all.clone();
    for change in changes {
        match change {
            Change::Place(path, node) => place_node(&mut all, path, node.clone()),
            Change::Remove(path) => remove_node(&mut all, path),
            Change::Mode(path, new) => {
                if let Some(Node::File(mode, _)) = all.get_mut(*path) {
                    *mode = *new;
                }
            }
        }
    }
    all
}

#[test]
fn what_agrees_is_what_running_again_gives() {
    let rng = TestRng::deterministic_rng(RngAlgorithm::ChaCha);
    let config = Config { failure_persistence: None, ..Config::with_cases(crate::cases(3000)) };
    let mut runner = TestRunner::new_with_rng(config, rng);
    let strategy =
        (input(), prop::collection::vec(op_of_two(), 1..12), prop::collection::vec(change(), 1..3));
    let (same, other) = (Cell::new(0), Cell::new(0));
    runner
        .run(&strategy, |(all, ops, changes)| {
            let changed = changed(&all, &changes);
            if changed != all {
                let count = match replayed(&all, &changed, |guest| perform(guest, &ops)) {
                    Some(_) => &same,
                    None => &other,
                };
                count.set(count.get() + 1);
            }
            Ok(())
        })
        .unwrap();
    assert!(same.get() > 300 && other.get() > 300, "{same:?} agree, {other:?} do not");
}

/// Finds the first header of a name, as a compiler does, and compiles.
fn compile(guest: &mut Guest) {
    for folder in ["near", "far", "never"] {
        if let Ok(text) = guest.load(&format!("{folder}/x.h")) {
            guest.save("out.o", &text).unwrap();
            return;
        }
    }
}

#[test]
fn a_header_that_appears_earlier_is_noticed() {
    let all =
        nodes(&[("near/y.h", file(b"y")), ("far/x.h", file(b"x")), ("never", Node::Directory)]);
    let with = |path: &str, node: Node| {
        let mut all = all.clone();
        all.insert(path.to_owned(), node);
        all
    };
    let other = |other: &Nodes| replayed(&all, other, compile);
    assert_eq!(other(&with("near/x.h", file(b"nearer"))), None);
    assert_eq!(other(&with("far/x.h", file(b"changed"))), None);
    assert_eq!(other(&with("near/z.h", file(b"z"))).unwrap()["near/z.h"], file(b"z"));
    assert_eq!(other(&with("near/y.h", file(b"changed"))).unwrap()["out.o"], file(b"x"));
    assert!(other(&with("never/x.h", file(b"too late"))).is_some());
    assert_eq!(other(&with("out.o", Node::Directory)), None);
}

#[test]
fn what_is_never_read_is_in_the_result_as_it_is_now() {
    let all = nodes(&[("d/unread", file(b"before")), ("d/a", file(b"a")), ("gone", file(b""))]);
    let program = |guest: &mut Guest| {
        guest.save("d/new", b"new").unwrap();
        guest.unlink("gone").unwrap();
    };
    let mut other = all.clone();
    other.insert("d/unread".into(), Node::File(0o600, b"after".to_vec()));
    other.insert("gone".into(), file(b"whatever was in it"));
    let result = replayed(&all, &other, program).unwrap();
    assert_eq!(result["d/unread"], other["d/unread"]);
    assert_eq!(result["d/new"], file(b"new"));
    assert!(!result.contains_key("gone"));
}

#[test]
fn what_was_only_listed_counts_by_its_name() {
    let all = nodes(&[("d/a", file(b"a")), ("d/b", file(b"b"))]);
    let program = |guest: &mut Guest| {
        let fd = guest.open("d", 0, READ).unwrap();
        let names = guest.names(fd).join(" ");
        guest.write(1, names.as_bytes()).unwrap();
    };
    let mut other = all.clone();
    other.insert("d/a".into(), file(b"changed"));
    assert!(replayed(&all, &other, program).is_some(), "what is in it was not looked at");
    other.insert("d/a".into(), link("b"));
    assert_eq!(replayed(&all, &other, program), None, "its kind was");
    other.remove("d/a");
    assert_eq!(replayed(&all, &other, program), None, "it has gone");
    other.insert("d/a".into(), file(b"a"));
    other.insert("d/c".into(), file(b"c"));
    assert_eq!(replayed(&all, &other, program), None, "there is one more");
}

#[test]
fn what_was_moved_unread_counts_as_a_whole() {
    let all = nodes(&[("d/e/a", file(b"a")), ("f", file(b"f"))]);
    let program = |guest: &mut Guest| {
        guest.rename("d", "moved").unwrap();
        guest.rename("f", "g").unwrap();
    };
    let mut other = all.clone();
    other.insert("beside".into(), file(b"new"));
    assert!(replayed(&all, &other, program).unwrap().contains_key("moved/e/a"));
    other.insert("d/e/a".into(), file(b"changed"));
    assert_eq!(replayed(&all, &other, program), None);
    let mut other = all.clone();
    other.insert("f".into(), Node::File(0o755, b"f".to_vec()));
    assert_eq!(replayed(&all, &other, program), None, "its mode moves with it");
}

#[test]
fn a_file_that_is_written_anew_keeps_the_mode_it_has() {
    let all = nodes(&[("a", file(b"before"))]);
    let program = |guest: &mut Guest| guest.save("a", b"after").unwrap();
    let other = nodes(&[("a", Node::File(0o755, b"something else".to_vec()))]);
    let result = replayed(&all, &other, program).unwrap();
    assert_eq!(result, nodes(&[("a", Node::File(0o755, b"after".to_vec()))]));
    let append = |guest: &mut Guest| {
        let fd = guest.open_with((3, 0), "a", 0, WRITE, 1).unwrap();
        guest.write(fd, b"!").unwrap();
    };
    assert_eq!(replayed(&all, &other, append), None, "here what was there matters");
}

#[test]
fn sizes_count_where_they_were_asked_for() {
    let all = nodes(&[("a", file(b"1234"))]);
    let program = |guest: &mut Guest| _ = guest.stat("a").unwrap();
    assert!(replayed(&all, &nodes(&[("a", file(b"abcd"))]), program).is_some());
    assert_eq!(replayed(&all, &nodes(&[("a", file(b"abc"))]), program), None);
    let open = |guest: &mut Guest| _ = guest.open("a", 0, READ).unwrap();
    assert!(replayed(&all, &nodes(&[("a", file(b"abc"))]), open).is_some());
}

#[test]
fn observations_and_edits_have_a_normal_form() {
    let all = nodes(&[("d/a", file(b"a")), ("d/b", file(b"b")), ("s", link("d/a"))]);
    let (_, finished, _) = run(&all, |guest| {
        guest.stat("d/a").unwrap();
        guest.load("s").unwrap();
        guest.stat("d/a").unwrap();
        guest.save("d/c", b"c").unwrap();
        guest.load("d/c").unwrap();
        guest.rename("d/c", "d/z").unwrap();
        let fd = guest.open("d/b", CREAT | TRUNC, WRITE).unwrap();
        guest.write(fd, b"B").unwrap();
    });
    let blob = |text: &[u8]| Handle::of_blob(text);
    let observed = [
        ("d", Answer::Kind(FileKind::Directory)),
        ("d/a", Answer::Content(FileKind::File, blob(b"a"))),
        ("d/b", Answer::Kind(FileKind::File)),
        ("d/c", Answer::Absent),
        ("d/z", Answer::Absent),
        ("s", Answer::Content(FileKind::Symlink, blob(b"d/a"))),
    ];
    let observed = observed.map(|(path, answer)| Observation {
        preopen: 0,
        path: path.as_bytes().into(),
        answer,
    });
    assert_eq!(finished.observations.unwrap(), observed);
    let edits = [
        ("d/b", EditKind::Write(blob(b"B"))),
        ("d/z", EditKind::Place(FileKind::File, 0o644, blob(b"c"))),
    ];
    let edits = edits.map(|(path, kind)| Edit { preopen: 0, path: path.as_bytes().into(), kind });
    assert_eq!(finished.edits, edits);
}

#[test]
fn agreement_reads_no_more_than_the_way() {
    let list: Vec<_> = (0..20).map(|n| (format!("d{n}/e/f"), file(&[n; 40]))).collect();
    let all: Nodes = list.into_iter().collect();
    let (root, finished, mut shelf) = run(&all, |guest| _ = guest.load("d7/e/f").unwrap());
    shelf.asked.clear();
    assert!(agrees(&finished.observations.unwrap(), &[root], &mut shelf).unwrap());
    // The root with its index; d7 and e have indices that are literals.
    assert_eq!(shelf.asked.len(), 4);
}

#[test]
fn edits_that_cannot_be_made_are_refused() {
    let (_, finished, mut shelf) = run(&nodes(&[("d/a", file(b"a"))]), |guest| {
        guest.unlink("d/a").unwrap();
    });
    for other in [nodes(&[]), nodes(&[("d", Node::Directory)]), nodes(&[("d", file(b""))])] {
        let root = shelf.directory(&other);
        assert!(apply(&finished.edits, &[root], &mut shelf).unwrap().is_none());
    }
}

#[test]
fn who_asks_for_too_much_is_known_by_the_exact_input() {
    let (root, finished, _) = run(&nodes(&[]), |guest| {
        let padding = "x".repeat(240);
        for number in 0..180_000 {
            assert_eq!(guest.stat(&format!("{number:06}{padding}")), Err(Errno::Noent));
        }
    });
    assert_eq!(finished.observations, None);
    assert_eq!(finished.roots[0], root);
}
