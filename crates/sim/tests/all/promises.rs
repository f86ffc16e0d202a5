//! What the model promises, one by one, through the graph and by direct calls.

use std::collections::BTreeSet;

use weft_eval::{Outcome, reference::World as _};
use weft_object::{Handle, Kind, Tree};
use weft_sim::scheduler::Finished;
use weft_sim::toy::Expr;
use weft_sim::toy::write::{add, again, arg, call, length, number as constant, strict, tree};
use weft_sim::world::{Content, World};

use crate::world::{apply, calmly, case, fuel, limited, number, value, world};

/// Evaluates one request both ways, which must run the same.
fn both_ways(world: &World, request: Handle) -> Finished {
    let case = case(world.clone(), &[request]);
    let (graph, direct) = (calmly(&case, 0), calmly(&case, 64));
    assert_eq!(graph.answers, direct.answers);
    assert_eq!(graph.ran().collect::<BTreeSet<_>>(), direct.ran().collect::<BTreeSet<_>>());
    graph
}

#[test]
fn only_what_is_asked_for_runs() {
    let mut world = world();
    let inner = apply(&mut world, &constant(5), &[]);
    // Comes to a Tree of everything that a thunk can be wrapped in.
    let row = tree([arg(0), strict(arg(0)), Expr::Identification(Box::new(constant(1)))]);
    let outer = apply(&mut world, &row, &[inner]);
    let is_inner = |ran: Handle| Some(ran) == inner.definition();

    let finished = both_ways(&world, outer.strict().unwrap());
    assert!(finished.ran().any(is_inner), "strict executes what it comes upon");
    assert_eq!(finished.ran().count(), 2);

    let finished = both_ways(&world, outer.shallow().unwrap());
    assert!(!finished.ran().any(is_inner), "shallow goes no further");
    let answer = value(&finished.answers[&0]);
    assert_eq!((answer.kind(), answer.length()), (Kind::TreeRef, Some(3)));

    // The bare Thunk stays one.
    let wrapped = world.put_tree([inner, number(2)]);
    let finished = both_ways(&world, wrapped);
    assert_eq!((value(&finished.answers[&0]), finished.ran().count()), (wrapped, 0));
}

#[test]
fn a_ref_hides_the_encodes_below_it() {
    let mut world = world();
    let inner = apply(&mut world, &constant(5), &[]);
    let hidden = world.put_tree([inner.strict().unwrap()]);
    let outer = world.put_tree([hidden.lower().unwrap(), number(1)]);
    let finished = both_ways(&world, outer);
    assert_eq!((value(&finished.answers[&0]), finished.ran().count()), (outer, 0));
    // Lifted, they are come upon.
    let lifted = hidden.lower().unwrap().identification().unwrap();
    let finished = both_ways(&world, lifted);
    assert_eq!(finished.ran().count(), 1);
    assert_eq!(value(&finished.answers[&0]), Handle::of_tree(&[number(5)]));
}

#[test]
fn a_tag_is_its_own_evaluation() {
    let mut world = world();
    let row = tree([constant(1)]);
    let program = Expr::Tag(Box::new(row), Box::new(Expr::Bytes(b"data".to_vec())));
    let thunk = apply(&mut world, &program, &[]);
    let finished = both_ways(&world, thunk);
    let tag = value(&finished.answers[&0]);
    let procedure = program.handle();
    let entries = [procedure, Handle::of_tree(&[number(1)]), Handle::of_blob(b"data")];
    assert_eq!(tag, Handle::of_tag(&entries));
    world.content.insert(tag, Content::Tree(Tree::new(entries)));
    let finished = both_ways(&world, tag);
    assert_eq!((value(&finished.answers[&0]), finished.ran().count()), (tag, 0));
    // A function reads it like a Tree.
    let get = Expr::Get(Box::new(arg(0)), Box::new(constant(2)));
    let reads = apply(&mut world, &get, &[tag]);
    world.put_tree([number(1)]);
    assert_eq!(value(&both_ways(&world, reads).answers[&0]), Handle::of_blob(b"data"));
}

#[test]
fn what_comes_to_the_same_arguments_runs_once() {
    let mut world = world();
    let sum = add(arg(0), arg(1));
    let three = apply(&mut world, &sum, &[number(1), number(2)]);
    let too = apply(&mut world, &sum, &[number(0), number(3)]);
    let left = apply(&mut world, &sum, &[crate::world::strict(three), number(9)]);
    let right = apply(&mut world, &sum, &[crate::world::strict(too), number(9)]);
    // By a closure, under other limits with the same meaning, and as it stands.
    let procedure = world.put_blob(sum.procedure());
    let closure = world.put_tree([procedure, number(3)]);
    let closed = world.application([Handle::of_blob(b""), closure, number(9)]);
    let default = Handle::of_u64(weft_eval::DEFAULT_MEMORY_LIMIT_BYTES + 1);
    let limited = limited(&mut world, default, &sum, &[number(3), number(9)]);
    let hinted = fuel(&mut world, 1_000_000);
    let hinted = world.application([hinted, procedure, number(3), number(9)]);
    let all = [left, right, closed, limited, hinted].map(crate::world::strict);
    let request = world.put_tree(all);
    let finished = both_ways(&world, request);
    assert_eq!(value(&finished.answers[&0]), Handle::of_tree(&[number(12); 5]));
    assert_eq!(finished.ran().count(), 3, "1 + 2, 0 + 3, and 3 + 9 once");
}

#[test]
fn of_a_large_directory_only_the_path_is_read() {
    use weft_object::directory::{DirectoryError, Entry, FileKind, Name, Part, build};
    let mut world = world();
    let entry = |at: u64| {
        let name = Name::new(format!("file-{at:05}").as_bytes()).unwrap();
        Entry { name, kind: FileKind::File, mode: 0o644, child: number(at) }
    };
    let mut nodes = 0;
    let root = build::<DirectoryError>((0..20_000).map(entry).collect(), |handle, part| {
        let content = match part {
            Part::Index(blob) => Content::Blob(blob),
            Part::Node(tree) => Content::Tree(tree),
        };
        nodes += 1;
        world.content.insert(handle, content);
        Ok(())
    });
    let root = root.unwrap();
    assert!(nodes > 20, "it is split: {nodes}");
    let path = [root.lower().unwrap(), Handle::of_blob(b"path"), Handle::of_blob(b"file-12345")];
    let thunk = world.selection(path);
    let case = case(world, &[thunk]);
    let settings = weft_sim::scheduler::Settings {
        resident: false,
        ..weft_sim::scheduler::Settings::calm(64)
    };
    let finished = weft_sim::scheduler::run(&case, 1, &settings);
    assert_eq!(value(&finished.answers[&0]), number(12_345));
    let is_load = |logged: &&weft_sim::scheduler::Logged| {
        matches!(logged.what, weft_sim::scheduler::What::Loaded(_))
    };
    let loads = finished.log.iter().filter(is_load).count();
    assert!(loads <= 5, "the selection, and two of each level: {loads}");
}

#[test]
fn a_function_cannot_tell_what_lies_outside_of_its_footprint() {
    let mut world = world();
    let secret = world.put_tree([number(42)]);
    let get = Expr::Get(Box::new(arg(0)), Box::new(constant(0)));
    let open = apply(&mut world, &get, &[secret]);
    assert_eq!(value(&both_ways(&world, open).answers[&0]), number(42));
    let closed = apply(&mut world, &get, &[secret.lower().unwrap()]);
    let outcome = &both_ways(&world, closed).answers[&0];
    assert!(matches!(outcome, Outcome::Failure(it) if it.kind == weft_eval::FailureKind::Trap));
    // Kind and length show.
    let measure = apply(&mut world, &length(arg(0)), &[secret.lower().unwrap()]);
    assert_eq!(value(&both_ways(&world, measure).answers[&0]), number(1));
    // What the reference lacks, nobody finds.
    world.content.remove(&secret);
    assert!(world.tree(secret).is_none());
    assert_eq!(value(&both_ways(&world, measure).answers[&0]), number(1));
}

#[test]
fn a_tail_call_through_an_encode_is_one_all_the_same() {
    let mut world = world();
    let inner = apply(&mut world, &tree([strict(call(Expr::Itself, []))]), &[]);
    let shallow = apply(&mut world, &Expr::Shallow(Box::new(arg(0))), &[inner]);
    // Its strictness does not matter any more: forced, it is the inner data.
    let finished = both_ways(&world, shallow.shallow().unwrap());
    assert_eq!(value(&finished.answers[&0]).kind(), Kind::TreeRef);
    assert_eq!(finished.ran().count(), 2);
    let forever = apply(&mut world, &again(), &[]);
    assert!(matches!(&both_ways(&world, forever).answers[&0], Outcome::Failure(_)));
}
