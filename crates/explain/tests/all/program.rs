//! What programs looked at, read from steps that nobody ran for.

use weft_explain::{Question as Asking, Why, footprint, holder, makers, seen_otherwise, why};
use weft_object::Handle;
use weft_object::directory::FileKind;
use weft_store::{Backend, Cost, Outcome, Relation};
use weft_wasi::{
    Answer, Asked, Directories, End, Observation, Question, Source, Start, Steps, Stop,
};

use crate::world::World;

/// The directories of a world, for who looks into them.
struct Reading<'a>(&'a World);

impl Source for Reading<'_> {
    fn content(&mut self, handle: &Handle) -> Result<weft_object::Content, Stop> {
        self.0.backend.get(handle).unwrap().ok_or(Stop::Missing(*handle))
    }
}

const ASKED: [(&str, Question); 7] = [
    ("near", Question::Kind),
    ("near/x.h", Question::Kind),
    ("far", Question::Kind),
    ("far/x.h", Question::Kind),
    ("far/x.h", Question::Size),
    ("far/x.h", Question::Content),
    ("near", Question::Listing),
];

fn application(world: &World, program: &str, path: &str, root: Handle) -> Vec<Handle> {
    let blob = |text: &str| world.blob(text);
    let mut entries = vec![blob(""), blob("wasi/1"), blob(program)];
    entries.extend([blob(""); 5]);
    entries.extend([blob(path), root.lower().unwrap()]);
    world.tree(&entries);
    entries
}

fn thunk(entries: &[Handle]) -> Handle {
    Handle::of_tree(entries).application().unwrap()
}

fn end(world: &World) -> End {
    let stdout = world.blob("what it said, which is no literal");
    End { code: 0, stdout, stderr: world.blob(""), edits: Vec::new() }
}

/// Has a world know what such a program asked, and that it came to something.
fn ran(world: &World, entries: &[Handle]) -> Handle {
    let start = Start::of(entries).unwrap();
    let mut directories = Directories::new(&start.roots);
    let observations = ASKED.map(|(path, question)| {
        let asked = Asked { preopen: 0, path: path.as_bytes().into(), question };
        let answer = directories.ask(&mut Reading(world), &asked).unwrap();
        Observation { asked, answer }
    });
    let end = end(world);
    let steps = Steps::new(start.place, &observations, &end);
    world.backend.put(&steps.content).unwrap();
    let relation = |outcome| Relation::new(Outcome::Value(outcome), Cost::default());
    let relations: Vec<_> =
        steps.relations.iter().map(|(place, outcome)| (*place, relation(*outcome))).collect();
    world.backend.put_relations(&relations).unwrap();
    let value = world.tree(&[Handle::of_u64(0), end.stdout, end.stderr, start.roots[0]]);
    world.relate(thunk(entries), value, 5);
    value
}

fn directory(world: &World, files: &[(&str, &str)]) -> Handle {
    world.directory(files.iter().map(|(path, text)| (*path, world.blob(text))))
}

const FILES: [(&str, &str); 3] = [("near/y.h", "y"), ("far/x.h", "far"), ("beside", "b")];

fn with<'a>(path: &'a str, text: Option<&'a str>) -> Vec<(&'a str, &'a str)> {
    let mut files: Vec<_> = FILES.into_iter().filter(|(other, _)| *other != path).collect();
    files.extend(text.map(|text| (path, text)));
    files
}

#[test]
fn a_footprint_is_what_was_asked() {
    let world = World::default();
    let entries = application(&world, "program", "/src", directory(&world, &FILES));
    assert!(footprint(&world, &entries).unwrap().is_none(), "nothing is known");
    ran(&world, &entries);
    let found = footprint(&world, &entries).unwrap().unwrap();
    assert_eq!((found.observations.len(), found.end.clone()), (ASKED.len(), end(&world)));
    let places = found.places();
    let paths: Vec<_> =
        places.iter().map(|seen| String::from_utf8(found.path(&seen.asked)).unwrap()).collect();
    assert_eq!(paths, ["/src/near", "/src/near/x.h", "/src/far", "/src/far/x.h", "/src/near"]);
    let content = Answer::Content(FileKind::File, Handle::of_blob(b"far"));
    assert_eq!((places[1].answer, places[3].answer), (Answer::Absent, content));
    assert_eq!(places[4].asked.question, Question::Listing);
    // On a directory in which it does not get to the end.
    let other = directory(&world, &with("far/x.h", Some("farther")));
    assert!(footprint(&world, &application(&world, "program", "/src", other)).unwrap().is_none());
    for (path, shown) in [("/", "/near"), (".", "near"), ("/src/", "/src/near")] {
        let entries = application(&world, "program", path, directory(&world, &FILES));
        ran(&world, &entries);
        let found = footprint(&world, &entries).unwrap().unwrap();
        assert_eq!(found.path(&found.observations[0].asked), shown.as_bytes());
    }
}

#[test]
fn what_is_seen_otherwise_is_told_once_and_in_order() {
    let world = World::default();
    let entries = application(&world, "program", "/", directory(&world, &FILES));
    ran(&world, &entries);
    let seen = |files: &[(&str, &str)]| -> Vec<(String, Answer)> {
        let other = application(&world, "program", "/", directory(&world, files));
        let seen = seen_otherwise(&world, &entries, &other).unwrap().unwrap();
        seen.into_iter().map(|seen| (String::from_utf8(seen.path).unwrap(), seen.now)).collect()
    };
    let none: Vec<(String, Answer)> = Vec::new();
    assert_eq!(seen(&FILES), none);
    assert_eq!(seen(&with("beside", Some("another"))), none);
    assert_eq!(seen(&with("near/y.h", Some("another"))), none, "only its name was listed");
    let file = Answer::Kind(FileKind::File);
    let appeared = seen(&with("near/x.h", Some("x")));
    assert_eq!(appeared[0], ("/near/x.h".to_owned(), file));
    assert_eq!((appeared[1].0.as_str(), appeared.len()), ("/near", 2), "and is listed");
    let size = Answer::Size(FileKind::File, 4);
    assert_eq!(seen(&with("far/x.h", Some("four"))), [("/far/x.h".to_owned(), size)]);
    let gone = seen(&with("far/x.h", None));
    let gone: Vec<_> = gone.iter().map(|(path, now)| (path.as_str(), *now)).collect();
    assert_eq!(gone, [("/far", Answer::Absent), ("/far/x.h", Answer::Absent)]);
    let other = application(&world, "another", "/", directory(&world, &FILES));
    assert!(seen_otherwise(&world, &entries, &other).unwrap().is_none(), "another program");
}

#[test]
fn why_tells_what_the_program_saw_and_takes_no_step_for_a_maker() {
    let world = World::default();
    let old = application(&world, "program", "/", directory(&world, &FILES));
    ran(&world, &old);
    let root = directory(&world, &with("far/x.h", Some("farther")));
    let new = application(&world, "program", "/", root);
    let value = ran(&world, &new);
    let ask = |subject| -> Why {
        let question = Asking { subject, label: None, depth: 4, width: 8 };
        why(&world.backend, &world, &question, &|_| {}).unwrap()
    };
    let answer = ask(value);
    assert_eq!(answer.request, Some(thunk(&new)));
    let earlier = answer.earlier.unwrap();
    assert_eq!(earlier.old, thunk(&old));
    let [sight] = &earlier.sights[..] else { panic!("{:?}", earlier.sights) };
    assert_eq!((sight.old, sight.new), (Handle::of_tree(&old), Handle::of_tree(&new)));
    assert_eq!(sight.seen.len(), 1);
    // Its output is in the end, too, which is no application.
    let stdout = end(&world).stdout;
    assert_eq!(ask(stdout).request, Some(thunk(&new)));
    let maker = holder(&world.backend, stdout, &|_| {}).unwrap().unwrap();
    assert_eq!(maker.key, Handle::of_tree(&new));
    let steps = footprint(&world, &new).unwrap().unwrap();
    let asked = Handle::of_blob(b"\x00\x00\x00near/x.h");
    assert_eq!(steps.observations.len(), ASKED.len());
    assert!(makers(&world.backend, &[asked].into(), &|_| {}).unwrap().is_empty());
}

/// A later run of another program with as many arguments is not what one is
/// compared with.
#[test]
fn programs_are_told_apart() {
    let world = World::default();
    let run = |program, text| {
        let root = directory(&world, &with("beside", Some(text)));
        let entries = application(&world, program, "/", root);
        ran(&world, &entries);
        entries
    };
    let old = run("program", "one");
    run("another", "two");
    let new = run("program", "three");
    let question = Asking { subject: thunk(&new), label: None, depth: 4, width: 8 };
    let answer = why(&world.backend, &world, &question, &|_| {}).unwrap();
    let earlier = answer.earlier.unwrap();
    assert_eq!(earlier.old, thunk(&old));
    assert_eq!(earlier.sights[0].seen, []);
}
