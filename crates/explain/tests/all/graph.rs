//! Pictures: what is in them, that they are bounded, and that nothing in them is
//! markup that should be text.

use std::collections::HashSet;
use std::path::Path;

use weft_explain::graph::{Drawing, Options, Sort, dot, svg};
use weft_explain::{Calls, KEYS_MAX, Names, follow};
use weft_object::Handle;
use weft_store::{Backend, Expect, Label};

use crate::count::{Count, OLD};
use crate::world::World;

fn drawn(world: &World, request: Handle, options: &Options) -> Drawing {
    let calls = Calls::of(&follow(world, request, KEYS_MAX).unwrap(), world);
    let names = Names::read(&world.backend).unwrap();
    Drawing::of(&calls, world, &names, options)
}

fn label(world: &World, label: &str, handle: Handle) {
    let label = Label::new(label).unwrap();
    world.backend.set_label(&label, Expect::Any, Some(handle)).unwrap();
}

/// Compares with a file beside the tests; with `WEFT_BLESS` it is written.
fn golden(name: &str, text: &str) {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/golden").join(name);
    if std::env::var_os("WEFT_BLESS").is_some() {
        std::fs::create_dir_all(path.parent().unwrap()).unwrap();
        std::fs::write(&path, text).unwrap();
    }
    let expected = std::fs::read_to_string(&path).unwrap();
    assert_eq!(text, expected, "{}; WEFT_BLESS=1 writes it anew", path.display());
}

fn count_job() -> (Count, Handle) {
    let job = Count::new();
    let (request, _) = job.done(&OLD);
    let names = [("top", job.top), ("walk", job.walk), ("count", job.count), ("sum", job.sum)];
    for (name, handle) in names {
        label(&job.world, name, handle);
    }
    (job, request)
}

#[test]
fn a_small_computation_is_drawn_whole() {
    let (job, request) = count_job();
    let ran = HashSet::from([job.world.apply(job.count, &[]).definition().unwrap()]);
    let options =
        Options { title: "top(<words> & \"more\")".into(), ran: Some(ran), nodes_max: 120 };
    let drawing = drawn(&job.world, request, &options);
    assert_eq!(drawing.total.calls, 6);
    assert_eq!((drawing.total.run_ns, drawing.total.critical_ns), (3160, 1060));
    let titles: Vec<(&str, Sort, bool)> =
        drawing.nodes.iter().map(|n| (n.title.as_str(), n.sort, n.critical)).collect();
    let functions = titles.iter().filter(|(_, sort, _)| *sort == Sort::Value);
    let named: Vec<&str> = functions.clone().map(|(title, ..)| *title).collect();
    assert_eq!(named, ["@walk", "@count", "@count", "@count", "@sum", "@top"]);
    // The directory and its files.
    assert_eq!(drawing.nodes.len(), 6 + 4);
    golden("count.svg", &svg(&drawing));
    golden("count.dot", &dot(&drawing));
}

/// A fork of thousands, below each of some others.
fn wide(world: &World, width: u64) -> Handle {
    let (f, g) = (world.blob([b'f'; 40]), world.blob([b'g'; 40]));
    label(world, "piece", f);
    label(world, "whole", g);
    let number = Handle::of_u64;
    let part = |of: u64| {
        let pieces = (0..width).map(|n| {
            let input = world.blob(format!("an input of more than thirty bytes: {of} {n}"));
            let piece = world.apply(f, &[input]);
            world.relate(piece, number(of * width + n), 1000 + n);
            piece.strict().unwrap()
        });
        let pieces: Vec<Handle> = pieces.collect();
        let values: Vec<Handle> = (0..width).map(|n| number(of * width + n)).collect();
        world.relate(world.apply(g, &values), number(of), 5000);
        world.apply(g, &pieces)
    };
    let parts: Vec<Handle> = (0..5).map(part).collect();
    let asked: Vec<Handle> = parts.iter().map(|part| part.strict().unwrap()).collect();
    let values: Vec<Handle> = (0..5).map(number).collect();
    world.relate(world.apply(g, &values), number(77), 7000);
    world.apply(g, &asked)
}

#[test]
fn thousands_fold_by_those_who_need_them() {
    let world = World::default();
    let request = wide(&world, 1000);
    let options = Options::default();
    let drawing = drawn(&world, request, &options);
    assert_eq!(drawing.total.calls, 5006);
    assert!(drawing.nodes.len() <= 2 * options.nodes_max, "{}", drawing.nodes.len());
    let pieces: Vec<_> = drawing.nodes.iter().filter(|n| n.title == "@piece").collect();
    assert_eq!(pieces.iter().map(|n| n.count).collect::<Vec<_>>(), [1000; 5]);
    assert_eq!(pieces[0].detail, "\u{d7} 1,000");
    assert_eq!(pieces[0].run_ns, (1000..2000).sum::<u64>());
    assert_eq!(drawing.total.critical_ns, 1999 + 5000 + 7000);
    let inputs: u64 = drawing.nodes.iter().filter(|n| n.sort == Sort::Input).map(|n| n.count).sum();
    assert_eq!(inputs, 5000);
    assert!(svg(&drawing).len() < 200_000 && dot(&drawing).len() < 100_000);
}

/// A chain of thousands, each by a tail call: folded by depth.
#[test]
fn a_long_chain_folds_by_depth() {
    let world = World::default();
    let f = world.blob([b'f'; 40]);
    let step = |n: u64| world.apply(f, &[Handle::of_u64(n)]);
    for n in 1..5000 {
        world.relate(step(n), step(n - 1), 10);
    }
    world.relate(step(0), Handle::of_u64(0), 10);
    let drawing = drawn(&world, step(4999), &Options::default());
    assert_eq!((drawing.total.calls, drawing.total.critical_ns), (5000, 50_000));
    assert!(drawing.nodes.len() <= 120, "{}", drawing.nodes.len());
    assert_eq!(drawing.nodes.iter().map(|node| node.count).sum::<u64>(), 5000);
    assert_eq!(drawing.edges.len(), drawing.nodes.len() - 1);
}

/// As many functions as there are calls.
#[test]
fn many_functions_are_bounded_too() {
    let world = World::default();
    let calls: Vec<Handle> = (0..2000u64)
        .map(|n| {
            let f = world.blob(format!("the function of number {n}, an unusual one"));
            let thunk =
                world.apply(f, &[world.blob(format!("the input of the number {n}, it is"))]);
            world.relate(thunk, Handle::of_u64(n), n);
            thunk.strict().unwrap()
        })
        .collect();
    let drawing = drawn(&world, world.tree(&calls), &Options::default());
    assert!(drawing.nodes.len() <= 200, "{}", drawing.nodes.len());
    assert_eq!(drawing.total.calls, 2000);
    let others = drawing.nodes.iter().find(|node| node.title == "other functions").unwrap();
    assert_eq!(others.count, 2000 - 119);
}

#[test]
fn what_was_not_kept_and_what_failed_is_marked() {
    let world = World::default();
    let f = world.blob([b'f'; 40]);
    let inner = world.apply(f, &[Handle::of_blob(b"<b>&\"'\x07")]);
    let drawing = drawn(&world, inner, &Options::default());
    assert_eq!(drawing.total.unknown, 1);
    assert_eq!(drawing.nodes[0].sort, Sort::Unknown);
    let picture = svg(&drawing);
    assert!(picture.contains("not kept") && picture.contains("hex&quot;3c623e262227"), "{picture}");
    let failure = weft_eval::Failure {
        kind: weft_eval::FailureKind::Trap,
        detail: "oh".into(),
        application: inner,
    };
    let (handle, contents) = failure.contents();
    world.backend.put(&contents).unwrap();
    let cost = weft_store::Cost::default();
    let relation = weft_store::Relation::new(weft_store::Outcome::Failure(handle), cost);
    world.backend.put_relations(&[(inner.definition().unwrap(), relation)]).unwrap();
    let drawing = drawn(&world, inner, &Options::default());
    assert_eq!(drawing.nodes[0].sort, Sort::Failed);
}

/// Whatever a title or a path is made of, it stays text.
#[test]
fn hostile_text_is_escaped() {
    let world = World::default();
    let f = world.blob([b'f'; 40]);
    let text = "</text><script>alert(1)</script> ]]> \u{202e} \\N \" & \u{1} \n</svg>";
    let input = world.blob("x".repeat(40));
    label(&world, "d", world.directory([("\"><script>\\", input)]));
    let request = world.apply(f, &[input]);
    world.relate(request, Handle::of_blob(text.as_bytes().get(..20).unwrap()), 1);
    let calls = Calls::of(&follow(&world, request, KEYS_MAX).unwrap(), &world);
    let mut names = Names::read(&world.backend).unwrap();
    names.find(&world, [input]).unwrap();
    let options = Options { title: text.into(), ..Options::default() };
    let drawing = Drawing::of(&calls, &world, &names, &options);
    let picture = svg(&drawing);
    assert!(!picture.contains("<script") && picture.matches("</svg>").count() == 1, "{picture}");
    assert!(!picture.contains('\u{1}') && picture.contains("&lt;/text&gt;"), "{picture}");
    let plain = dot(&drawing);
    // Between quotes no quote stands unescaped: the quotes that are left pair up.
    let unescaped = plain.replace("\\\\", "").replace("\\\"", "");
    for line in unescaped.lines() {
        assert_eq!(line.matches('"').count() % 2, 0, "{line}");
    }
    assert!(plain.contains("><script>\\\\"), "{plain}");
}

#[test]
fn pictures_can_be_looked_at() {
    let Some(directory) = std::env::var_os("WEFT_DRAW") else { return };
    let write = |name: &str, drawing: &Drawing| {
        std::fs::write(Path::new(&directory).join(name), svg(drawing)).unwrap();
    };
    let (job, request) = count_job();
    let title = "apply(@top, strict(apply(@walk, ref(@src))))".to_owned();
    let options = Options { title, ..Options::default() };
    write("small.svg", &drawn(&job.world, request, &options));
    let world = World::default();
    write("middle.svg", &drawn(&world, wide(&world, 9), &options));
    write("large.svg", &drawn(&world, wide(&world, 1000), &options));
}
