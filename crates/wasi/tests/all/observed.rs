//! A run need not be repeated for what it never looked at, and has to be for
//! what it did.

use std::cell::Cell;
use std::collections::BTreeMap;

use proptest::prelude::*;
use proptest::test_runner::{Config, RngAlgorithm, TestRng, TestRunner};
use weft_object::directory::FileKind;
use weft_object::{Content, Handle};
use weft_wasi::{
    Answer, Asked, Edit, EditKind, End, Errno, Finished, Invocation, Observation, Preopen,
    Question, Start, Step, Steps, Walk, apply,
};

use crate::guest::{CREAT, Guest, READ, TRUNC, WRITE};
use crate::program::{Held, Op, contents, input, op_of_two, place_node, remove_node};
use crate::shelf::{Node, Nodes, Shelf, file, link, nodes};

/// What every run has as a second directory.
fn second() -> Nodes {
    nodes(&[("a", file(b"a")), ("d/a", file(&[7; 50])), ("d/e", Node::Directory)])
}

/// Whether a run gets its directory as a Ref.
#[derive(Clone, Copy, Debug, PartialEq)]
enum As {
    Object,
    Ref,
}

/// The directories of a run; the shelf has them.
fn roots(shelf: &mut Shelf, all: &Nodes, as_what: As) -> [Handle; 2] {
    let root = shelf.directory(all);
    let root = if as_what == As::Ref { root.lower().unwrap() } else { root };
    [root, shelf.directory(&second())]
}

/// A run in a directory, with all that it answered on its standard output.
fn run(
    all: &Nodes,
    as_what: As,
    program: impl FnOnce(&mut Guest),
) -> ([Handle; 2], Finished, Shelf) {
    let mut shelf = Shelf::default();
    let roots = roots(&mut shelf, all, as_what);
    let paths = [&b"/"[..], b"/second"];
    let preopens =
        paths.iter().zip(roots).map(|(path, root)| Preopen { path: path.to_vec(), root });
    let invocation = Invocation { preopens: preopens.collect(), ..Invocation::default() };
    let mut guest = Guest::new(invocation, shelf);
    program(&mut guest);
    let (finished, shelf) = guest.finish();
    (roots, finished, shelf)
}

/// Where the steps of such a run begin.
fn start(roots: [Handle; 2]) -> Start {
    let empty = Handle::of_blob(b"");
    let mut entries = vec![empty, Handle::of_blob(b"wasi/1"), Handle::of_blob(b"program")];
    entries.extend([empty; 5]);
    for (path, root) in ["/", "/second"].iter().zip(roots) {
        entries.extend([Handle::of_blob(path.as_bytes()), root]);
    }
    Start::of(&entries).unwrap()
}

/// What is known of a program, as a store keeps it.
#[derive(Default)]
struct Known {
    relations: BTreeMap<Handle, Handle>,
    shelf: Shelf,
}

impl Known {
    /// What a run has found out. No two runs may say different things.
    fn learn(&mut self, roots: [Handle; 2], finished: &Finished) -> End {
        let mut keep = |blob: &weft_object::Blob| {
            let content = Content::Blob(blob.clone());
            self.shelf.keep([(content.handle(), content)]);
            blob.handle()
        };
        let (stdout, stderr) = (keep(&finished.stdout), keep(&finished.stderr));
        let end = End { code: 7, stdout, stderr, edits: finished.edits.clone() };
        let observations = finished.observations.as_ref().unwrap();
        let steps = Steps::new(start(roots).place, observations, &end);
        assert_eq!(steps.relations.len(), observations.len() + 1);
        for (place, outcome) in steps.relations {
            let known = *self.relations.entry(place).or_insert(outcome);
            assert_eq!(known, outcome, "a place has one outcome");
        }
        self.shelf.keep(steps.content);
        self.shelf.keep(finished.content.clone());
        end
    }

    /// Goes as far as is known. What was seen, and the end if it came to one.
    fn walk(&mut self, roots: [Handle; 2]) -> (Vec<Observation>, Option<End>) {
        let start = start(roots);
        let mut walk = Walk::new(&start);
        let mut seen = Vec::new();
        let mut known = |place: &Handle| self.relations.get(place).copied();
        loop {
            match walk.step(&mut self.shelf, &mut known).unwrap() {
                Some(Step::Looked(observation)) => seen.push(observation),
                Some(Step::Ended(end)) => return (seen, Some(end)),
                None => return (seen, None),
            }
        }
    }
}

/// What the steps of a run give on another directory; `None` where it has to
/// run again. Checks that running again gives just that, and that it has to run
/// again only where it sees something else.
fn replayed(all: &Nodes, other: &Nodes, program: impl Fn(&mut Guest)) -> Option<Nodes> {
    replayed_as((all, As::Object), (other, As::Object), program)
}

fn replayed_as(
    (all, first_as): (&Nodes, As),
    (other, other_as): (&Nodes, As),
    program: impl Fn(&mut Guest),
) -> Option<Nodes> {
    let mut known = Known::default();
    let (first_roots, first, _) = run(all, first_as, &program);
    let (other_roots, again, _) = run(other, other_as, &program);
    roots(&mut known.shelf, all, first_as);
    roots(&mut known.shelf, other, other_as);
    let end = known.learn(first_roots, &first);
    let observed = |finished: &Finished| finished.observations.clone().unwrap();
    assert_eq!(known.walk(first_roots), (observed(&first), Some(end.clone())), "as it was");
    let itself = apply(&first.edits, &first_roots, &mut known.shelf).unwrap().unwrap();
    assert_eq!(itself.roots, first.roots, "its own edits give its own result");
    assert!(first.edits.is_sorted(), "in order");
    let (seen, ended) = known.walk(other_roots);
    assert!(observed(&again).starts_with(&seen), "running again sees the same");
    assert_eq!(ended.is_some(), observed(&again) == observed(&first), "found if it can be");
    // Now both are known, and agree on all that both have seen.
    let other_end = known.learn(other_roots, &again);
    assert_eq!(known.walk(other_roots), (observed(&again), Some(other_end.clone())));
    assert!(ended.as_ref().is_none_or(|ended| *ended == other_end), "the same end");
    let applied = apply(&ended?.edits, &other_roots, &mut known.shelf).unwrap().unwrap();
    assert_eq!(applied.roots, again.roots, "replayed as run again");
    known.shelf.keep(applied.content);
    Some(known.shelf.read(&applied.roots[0]))
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
fn what_steps_give_is_what_running_again_gives() {
    let rng = TestRng::deterministic_rng(RngAlgorithm::ChaCha);
    let config = Config { failure_persistence: None, ..Config::with_cases(crate::cases(3000)) };
    let mut runner = TestRunner::new_with_rng(config, rng);
    let as_what = || prop::sample::select(vec![As::Object, As::Ref]);
    let ops = prop::collection::vec(op_of_two(), 1..12);
    let changes = prop::collection::vec(change(), 1..3);
    let strategy = (input(), ops, changes, as_what(), as_what());
    let (same, other) = (Cell::new(0), Cell::new(0));
    runner
        .run(&strategy, |(all, ops, changes, first_as, other_as)| {
            let changed = changed(&all, &changes);
            if changed != all {
                let program = |guest: &mut Guest| perform(guest, &ops);
                let count = match replayed_as((&all, first_as), (&changed, other_as), program) {
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
            let _ = guest.save("out.o", &text);
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
fn what_is_written_as_it_was_leaves_the_directory_as_it_is() {
    let list = [("d", Node::Directory), ("d/a", file(b"same")), ("beside", file(b"before"))];
    let all = nodes(&list);
    let mut other = all.clone();
    other.insert("beside".into(), file(b"after"));
    let same = |guest: &mut Guest| guest.save("d/a", b"same").unwrap();
    let anew = |guest: &mut Guest| {
        guest.unlink("d/a").unwrap();
        guest.save("d/a", b"same").unwrap();
    };
    for as_what in [As::Object, As::Ref] {
        let (roots, finished, _) = run(&all, as_what, same);
        assert_eq!(finished.roots, roots);
        let again =
            |program: fn(&mut Guest)| replayed_as((&all, As::Object), (&other, as_what), program);
        assert_eq!(again(same).as_ref(), Some(&other));
        assert_eq!(again(anew).as_ref(), Some(&other));
    }
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
fn a_run_asks_in_order_and_only_for_news() {
    let all = nodes(&[("d/a", file(b"a")), ("d/b", file(b"b")), ("s", link("d/a"))]);
    let (_, finished, _) = run(&all, As::Object, |guest| {
        guest.stat("d/a").unwrap();
        guest.load("s").unwrap();
        guest.stat("d/a").unwrap();
        guest.save("d/c", b"c").unwrap();
        guest.load("d/c").unwrap();
        guest.rename("d/c", "d/z").unwrap();
        let fd = guest.open("d/b", CREAT | TRUNC, WRITE).unwrap();
        guest.write(fd, b"B").unwrap();
        let fd = guest.open("d", 0, READ).unwrap();
        guest.names(fd);
        guest.names(fd);
    });
    let blob = |text: &[u8]| Handle::of_blob(text);
    let file = |path, question, answer| (path, question, answer);
    let names = b"\x00\x01a\x00\x01b";
    let observed = [
        file("d", Question::Kind, Answer::Kind(FileKind::Directory)),
        file("d/a", Question::Kind, Answer::Kind(FileKind::File)),
        file("d/a", Question::Size, Answer::Size(FileKind::File, 1)),
        file("s", Question::Kind, Answer::Kind(FileKind::Symlink)),
        file("s", Question::Content, Answer::Content(FileKind::Symlink, blob(b"d/a"))),
        file("d/a", Question::Content, Answer::Content(FileKind::File, blob(b"a"))),
        file("d/c", Question::Kind, Answer::Absent),
        file("d/z", Question::Kind, Answer::Absent),
        file("d/b", Question::Kind, Answer::Kind(FileKind::File)),
        file("d", Question::Listing, Answer::Listing(blob(names))),
    ];
    let observed = observed.map(|(path, question, answer)| {
        let asked = Asked { preopen: 0, path: path.as_bytes().into(), question };
        Observation { asked, answer }
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
fn a_walk_reads_no_more_than_the_way() {
    let list: Vec<_> = (0..20).map(|n| (format!("d{n}/e/f"), file(&[n; 40]))).collect();
    let all: Nodes = list.into_iter().collect();
    let mut known = Known::default();
    let program = |guest: &mut Guest| _ = guest.load("d7/e/f").unwrap();
    let (roots_of_run, finished, _) = run(&all, As::Object, program);
    roots(&mut known.shelf, &all, As::Object);
    known.learn(roots_of_run, &finished);
    known.shelf.asked.clear();
    assert!(known.walk(roots_of_run).1.is_some());
    // The root with its index; d7 and e have indices that are literals; and the
    // end. The file itself is compared by its name.
    assert_eq!(known.shelf.asked.len(), 4 + 1);
}

#[test]
fn edits_that_cannot_be_made_are_refused() {
    let (_, finished, mut shelf) = run(&nodes(&[("d/a", file(b"a"))]), As::Object, |guest| {
        guest.unlink("d/a").unwrap();
    });
    for other in [nodes(&[]), nodes(&[("d", Node::Directory)]), nodes(&[("d", file(b""))])] {
        let root = shelf.directory(&other);
        assert!(apply(&finished.edits, &[root], &mut shelf).unwrap().is_none());
    }
}

#[test]
fn who_asks_for_too_much_is_known_by_the_exact_input() {
    let (roots, finished, _) = run(&nodes(&[]), As::Object, |guest| {
        for number in 0..65_537 {
            assert_eq!(guest.stat(&format!("{number}")), Err(Errno::Noent));
        }
    });
    assert_eq!(finished.observations, None);
    assert_eq!(finished.roots, roots);
}

/// As docs/wasi.md has it.
#[test]
fn steps_have_these_bytes() {
    let (child, long) = (Handle::of_blob(&[7; 50]), Handle::of_blob(&[8; 50]));
    let observed = |preopen, path: &str, question, answer| {
        let asked = Asked { preopen, path: path.as_bytes().into(), question };
        Observation { asked, answer }
    };
    let directory = Handle::of_tree(&[long]);
    let path = "a/path/of/more/than/27/bytes";
    let observations = [
        observed(0, "no", Question::Kind, Answer::Absent),
        observed(258, path, Question::Kind, Answer::Kind(FileKind::Symlink)),
        observed(0, "a", Question::Size, Answer::Size(FileKind::File, 513)),
        observed(0, "a", Question::Content, Answer::Content(FileKind::File, child)),
        observed(1, "d", Question::Exact, Answer::Exact(FileKind::Directory, 0o755, directory)),
        observed(1, "", Question::Listing, Answer::Listing(long)),
    ];
    let edits = [
        ("a", EditKind::Write(child)),
        ("b", EditKind::Remove),
        ("l", EditKind::Place(FileKind::Symlink, 0o777, Handle::of_blob(b"a"))),
    ];
    let edits = edits.map(|(path, kind)| Edit { preopen: 258, path: path.as_bytes().into(), kind });
    let end = End { code: 1, stdout: child, stderr: Handle::of_blob(b""), edits: edits.to_vec() };
    let blob = Handle::of_blob;
    let entries = ["", "wasi/1", "p", "", "", "", "", ""].map(|text| blob(text.as_bytes()));
    let application: Vec<_> = entries.into_iter().chain([blob(b"/"), directory]).collect();
    let start = Start::of(&application).unwrap();

    let form = blob(b"wasi-step/1");
    let place = |entries: &[Handle]| Handle::of_tree(entries).lower().unwrap();
    let first = place(&[form, Handle::of_tree(&[&entries[..], &[blob(b"/")]].concat())]);
    assert_eq!((start.place, start.roots.as_slice()), (first, &[directory][..]));
    let asked: [&[u8]; 6] = [
        b"\x00\x00\x00no",
        b"\x00\x02\x01a/path/of/more/than/27/bytes",
        b"\x01\x00\x00a",
        b"\x02\x00\x00a",
        b"\x03\x01\x00d",
        b"\x04\x01\x00",
    ];
    let answers = [
        vec![blob(b"")],
        vec![blob(&[2])],
        vec![blob(&[0, 1, 2, 0, 0, 0, 0, 0, 0])],
        vec![blob(&[0]), child.lower().unwrap()],
        vec![blob(&[1, 0xed, 0x01]), directory],
        vec![blob(&[3]), long.lower().unwrap()],
    ];
    let mut expected = vec![(first, blob(asked[0]))];
    for (asked, answer) in asked[1..].iter().map(|asked| blob(asked)).zip(&answers) {
        let before = expected.last().unwrap().0;
        expected.push((place(&[&[form, before], &answer[..]].concat()), asked));
    }
    let last = place(&[&[form, expected[5].0], &answers[5][..]].concat());
    let edits = b"\x01\0\0\x02\x01\0\0\x01\0\0\0a\0\0\0\x02\x01\0\0\x01\0\0\0b\
        \x04\xff\x01\x02\x01\0\0\x01\0\0\0l";
    let tree = [Handle::of_u64(1), child, blob(b""), blob(edits), child, blob(b"a")];
    expected.push((last, Handle::of_tree(&tree)));

    let steps = Steps::new(start.place, &observations, &end);
    assert_eq!(steps.relations, expected);
    let content: Vec<_> = steps.content.iter().map(|(handle, _)| *handle).collect();
    assert_eq!(content, [blob(asked[1]), blob(edits), Handle::of_tree(&tree)], "no literals");
}

#[test]
fn what_is_no_program_with_directories_has_no_steps() {
    let blob = |text: &str| Handle::of_blob(text.as_bytes());
    let root = Handle::of_tree(&[]);
    let with = |name: &str, more: &[Handle]| {
        let entries = ["", name, "p", "", "", "", "", ""].map(blob);
        Start::of(&[&entries[..], more].concat()).is_some()
    };
    assert!(with("wasi/1", &[blob("/"), root]));
    assert!(!with("wasi/2", &[blob("/"), root]));
    assert!(!with("wasi/1", &[]), "nothing to ask");
    assert!(!with("wasi/1", &[blob("/")]), "ill-formed");
    assert!(!with("wasi/1", &[blob("/"), blob("/")]), "ill-formed");
    assert!(Start::of(&[blob(""), blob("wasi/1"), blob("p")]).is_none());
}
