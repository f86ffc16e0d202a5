//! Why something is what it is.

use std::collections::HashSet;

use weft_eval::{Key, Outcome};
use weft_explain::diff::{Step, What};
use weft_explain::{Alike, Names, Question, Role, Why, alike, holder, makers, why};
use weft_notation::Budget;
use weft_object::{Handle, Tree};
use weft_sim::generate::case;
use weft_sim::oracle::with_deep_stack;
use weft_store::{Backend, Cost, Expect, Label, Origin, Outcome as Stored, Relation, Run};

use crate::count::{Count, OLD, changed};
use crate::world::{World, record};

fn ask(world: &World, subject: Handle, label: Option<&str>) -> Why {
    let label = label.map(|label| Label::new(label).unwrap());
    let question = Question { subject, label, depth: 4, width: 8 };
    why(&world.backend, world, &question, &|_| {}).unwrap()
}

fn run(world: &World, request: Handle, outcome: Handle, label: Option<&str>, at_ms: u64) {
    let label = label.map(|label| Label::new(label).unwrap());
    let outcome = Stored::Value(outcome);
    let run = Run { request, outcome, label, at_ms, took_ns: 5, applied: 1 };
    world.backend.put_run(&run).unwrap();
}

/// All data below a handle, itself included.
fn reached(world: &World, root: Handle) -> HashSet<Handle> {
    let (mut seen, mut open) = (HashSet::new(), vec![root]);
    while let Some(handle) = open.pop() {
        if handle.kind().is_data()
            && seen.insert(handle.content())
            && let Some(content) = world.backend.get(&handle.content()).unwrap()
            && let Some(tree) = content.tree()
        {
            open.extend(tree.entries());
        }
    }
    seen
}

/// Of everything in the result of a random computation, what is named as having
/// made it has it in its outcome.
#[test]
fn what_is_named_reaches_it() {
    with_deep_stack(|| {
        let mut asked = 0;
        for seed in 0..400 {
            let case = case(seed);
            let (world, outcomes, ran) = record(case.world.clone(), &case.requests);
            for (request, outcome) in case.requests.iter().zip(&outcomes) {
                let Some(value) = outcome.value() else { continue };
                if Key::of_request(*request).is_none() {
                    continue;
                }
                let with_runs = seed % 2 == 0;
                match request.strict().unwrap_or(*request) {
                    encode if encode.kind().is_encode() && !with_runs => {
                        world.relate(encode, value, 0);
                    }
                    _ => run(&world, *request, value, None, 7),
                }
                for part in reached(&world, value) {
                    if part.is_literal() {
                        continue;
                    }
                    // A Tree with an Encode below it would be a request.
                    let why = ask(&world, part.lower().unwrap(), None);
                    assert!(why.request.is_some(), "seed {seed}: nothing made {part:?}");
                    let whole = why.outcome.as_ref().and_then(Outcome::value);
                    let made = why.roots.iter().filter_map(|root| {
                        let told = &why.told[root];
                        told.outcome.as_ref().and_then(Outcome::value)
                    });
                    let reaches = |value: Handle| reached(&world, value).contains(&part);
                    assert!(whole.into_iter().chain(made).any(reaches), "seed {seed}: {part:?}");
                    let told = why.told.iter().filter(|(_, told)| !told.entries.is_empty());
                    for (key, _) in told.filter(|(_, told)| told.outcome.is_some()) {
                        assert!(ran.contains(key), "seed {seed}: {key:?} never ran");
                    }
                    asked += 1;
                }
            }
        }
        assert!(asked > 200, "{asked}");
    });
}

#[test]
fn a_result_says_what_made_it_down_to_its_inputs() {
    let job = Count::new();
    let (request, best) = job.done(&OLD);
    run(&job.world, request, best, Some("best"), 1);
    let why = ask(&job.world, best, Some("best"));
    assert_eq!((why.request, why.within.len(), why.unknown), (Some(request), 0, 0));
    let [root] = why.roots[..] else { panic!("{:?}", why.roots) };
    let top = &why.told[&root];
    assert_eq!((top.entries[1], top.relation.unwrap().cost.run_ns), (job.top, 10));
    assert_eq!(top.inputs, [(1, job.top)]);
    let [(Role::Entry(2), sum)] = top.needs[..] else { panic!("{:?}", top.needs) };
    let sum = &why.told[&sum];
    assert_eq!(sum.entries[1], job.sum);
    let roles: Vec<Role> = sum.needs.iter().map(|(role, _)| *role).collect();
    assert_eq!(roles, [Role::Caller, Role::Entry(2), Role::Entry(3), Role::Entry(4)]);
    let (walk, counts) = (&why.told[&sum.needs[0].1], &why.told[&sum.needs[1].1]);
    assert_eq!((walk.entries[1], counts.entries[1]), (job.walk, job.count));
    assert_eq!(counts.inputs, [(1, job.count), (2, job.world.blob(OLD[0].1))]);
}

/// What an earlier request made is found by the relation that has it.
#[test]
fn inputs_are_followed_upward_from_one_request_to_another() {
    let job = Count::new();
    let (_, best) = job.done(&OLD);
    let world = &job.world;
    let next = world.apply(job.sum, &[best, Handle::of_u64(1)]);
    let last = world.blob("what the last function made of it");
    world.relate(next, last, 3);
    let why = ask(world, last, None);
    assert_eq!(why.request, Some(next));
    let made = why.made[&best];
    assert_eq!(why.told[&made].entries[1], job.top);
    // No deeper than asked.
    let question = Question { subject: last, label: None, depth: 1, width: 8 };
    let why = weft_explain::why(&world.backend, world, &question, &|_| {}).unwrap();
    assert!(why.made.is_empty());
}

#[test]
fn part_of_a_result_is_found_with_its_place() {
    let job = Count::new();
    let world = &job.world;
    let object = world.blob("an object file, as compilers make them");
    let out = world.directory([("out/a.o", object), ("log", world.blob("x".repeat(40)))]);
    let build = world.apply(job.top, &[job.sum]);
    world.relate(build, out, 9);
    // Later and without it.
    world.relate(world.apply(job.top, &[]), world.directory([("b", job.top)]), 9);
    let why = ask(world, object, None);
    assert_eq!(why.request, Some(build));
    assert_eq!(why.within, [Step::Name(b"out".into()), Step::Name(b"a.o".into())]);
    assert_eq!(why.roots, [build.definition().unwrap()]);
    let holder = holder(&world.backend, object, &|_| {}).unwrap().unwrap();
    assert_eq!((holder.key, holder.within), (why.roots[0], why.within));
    // What nobody made.
    let why = ask(world, world.blob("an input, of more than thirty bytes"), None);
    assert!(why.request.is_none() && why.told.is_empty());
}

#[test]
fn what_differs_is_told_down_to_the_file_and_the_computation() {
    let job = Count::new();
    let (first, best) = job.done(&OLD);
    run(&job.world, first, best, Some("best"), 1);
    // Another label, and a request that says the same once more, do not count.
    run(&job.world, job.world.apply(job.sum, &[]), best, Some("other"), 2);
    let (second, better) = job.done(&changed());
    run(&job.world, second, better, Some("best"), 3);
    run(&job.world, second, better, Some("best"), 4);
    let earlier = ask(&job.world, better, Some("best")).earlier.unwrap();
    assert_eq!((earlier.old, earlier.new), (first, second));
    assert_eq!(earlier.run.unwrap().at_ms, 1);
    let [change] = &earlier.diff.changes[..] else { panic!("{:?}", earlier.diff) };
    let names = [b"lib".to_vec(), b"b".to_vec()].map(Step::Name);
    let place = [&[Step::Argument(0), Step::Argument(0)][..], &names].concat();
    assert_eq!(change.at, place);
    let file = |text| job.world.blob(text);
    let expected = What::Changed {
        old: file(OLD[1].1),
        new: file(changed()[1].1),
        same_bytes: Some("the second text, ".len() as u64),
    };
    assert_eq!(change.what, expected);
    // Only the count of that file needs nothing else that differs.
    let count = |text| job.world.apply(job.count, &[file(text)]).definition().unwrap();
    let entered: Vec<_> = earlier.entered.iter().map(|one| (one.old, one.new)).collect();
    assert_eq!(entered, [(count(OLD[1].1), count(changed()[1].1))]);
}

/// Without runs, the latest relation of the same function is compared with.
#[test]
fn without_a_run_the_same_function_is_compared() {
    let job = Count::new();
    let world = &job.world;
    let (word, other) = (Handle::of_blob(b"word"), Handle::of_blob(b"other"));
    let apply = |word, n| world.apply(job.count, &[word, Handle::of_u64(n)]);
    let result = world.blob("a result of more than thirty bytes");
    world.relate(apply(word, 1), Handle::of_u64(1), 1);
    world.relate(apply(word, 2), Handle::of_u64(1), 1);
    world.relate(apply(other, 3), Handle::of_u64(1), 1);
    world.relate(apply(word, 4), result, 1);
    world.relate(apply(word, 5), Handle::of_u64(1), 1);
    let key = |thunk: Handle| thunk.definition().unwrap();
    let like = |thunk| alike(&world.backend, key(thunk), &|_| {}).unwrap();
    let alike = |thunk, later| Some(Alike { key: key(thunk), later });
    assert_eq!(like(apply(word, 4)), alike(apply(word, 2), false));
    assert_eq!(like(apply(word, 1)), alike(apply(word, 5), true));
    assert_eq!(like(apply(other, 3)), None);
    let earlier = ask(world, result, None).earlier.unwrap();
    assert_eq!((earlier.old, earlier.new), (apply(word, 2), apply(word, 4)));
    assert!(!earlier.later);
    assert_eq!(earlier.diff.changes[0].at, [Step::Argument(1)]);
}

/// Where nothing was before it, it is the old one.
#[test]
fn the_first_of_a_function_is_compared_with_what_came_after_it() {
    let job = Count::new();
    let world = &job.world;
    let apply = |n| world.apply(job.count, &[Handle::of_u64(n)]);
    let [one, two] = ["one", "two"].map(|word| world.blob(format!("{word} result").repeat(5)));
    world.relate(apply(1), one, 1);
    world.relate(apply(2), two, 1);
    let earlier = ask(world, one, None).earlier.unwrap();
    assert_eq!((earlier.old, earlier.new, earlier.later), (apply(1), apply(2), true));
    let expected =
        What::Changed { old: Handle::of_u64(1), new: Handle::of_u64(2), same_bytes: Some(0) };
    assert_eq!(earlier.diff.changes[0].what, expected);
}

/// A collection writes relations again, in another order.
#[test]
fn what_was_first_is_said_by_the_time_that_is_noted() {
    let job = Count::new();
    let world = &job.world;
    let apply = |n| world.apply(job.count, &[Handle::of_u64(n)]);
    let result = |n: u64| world.blob(format!("result {n} ").repeat(5));
    for (n, found_at_s) in [(3, 300), (1, 100), (2, 200)] {
        let origin = Origin { found_at_s, finder: 0 };
        let relation = Relation::new(Stored::Value(result(n)), Cost::default());
        let key = apply(n).definition().unwrap();
        world.backend.put_relations(&[(key, Relation { origin, ..relation })]).unwrap();
    }
    let earlier = |n| {
        let earlier = ask(world, result(n), None).earlier.unwrap();
        (earlier.old, earlier.new, earlier.later)
    };
    assert_eq!(earlier(3), (apply(2), apply(3), false));
    assert_eq!(earlier(2), (apply(1), apply(2), false));
    assert_eq!(earlier(1), (apply(1), apply(3), true));
}

/// A collection keeps the relation, with which a result comes back, and not the
/// request for it, which nothing names.
#[test]
fn a_result_whose_request_is_gone_says_what_made_it() {
    let job = Count::new();
    let world = &job.world;
    let results = [1, 2].map(|n| {
        let argument = world.apply(job.sum, &[Handle::of_u64(n)]);
        let made = world.blob(format!("what the inner one made of {n}, of some length"));
        let result = world.blob(format!("the result of that for {n}, of some length"));
        world.relate(argument, made, 1);
        let application = world.apply(job.top, &[made]);
        world.relate(application, result, 1);
        // Its Tree was never put, as if it had gone.
        let asked = [Handle::of_blob(b""), job.top, argument.strict().unwrap()];
        let request = Tree::new(asked).handle().application().unwrap();
        run(world, request, result, Some("job"), n);
        (application, result)
    });
    let [(old, _), (new, result)] = results;
    let why = ask(world, result, Some("job"));
    assert_eq!(why.run.as_ref().map(|run| run.at_ms), Some(2));
    assert_eq!((why.request, why.unknown), (Some(new), 0));
    assert_eq!(why.roots, [new.definition().unwrap()]);
    let earlier = why.earlier.unwrap();
    assert_eq!((earlier.old, earlier.new, earlier.run.unwrap().at_ms), (old, new, 1));
}

/// A file that came or went moves the computations of all others.
#[test]
fn computations_that_stand_for_each_other_are_told_by_what_they_are_of() {
    let job = Count::new();
    let text = |name: &str| format!("the text of {name}, of more than thirty bytes");
    let texts = |names: &[(&'static str, &str)]| -> Vec<(&'static str, String)> {
        names.iter().map(|(name, of)| (*name, text(of))).collect()
    };
    let done = |texts: &[(&'static str, String)]| {
        let texts: Vec<(&str, &str)> = texts.iter().map(|(name, of)| (*name, &**of)).collect();
        job.done(&texts)
    };
    let old = texts(&[("a", "a"), ("b", "b"), ("c", "c"), ("d", "d")]);
    let (first, best) = done(&old);
    run(&job.world, first, best, Some("best"), 1);
    // One is gone, one came, and c is another.
    let new = texts(&[("_", "came"), ("b", "b"), ("c", "another c"), ("d", "d"), ("e", "e")]);
    let (second, better) = done(&new);
    run(&job.world, second, better, Some("best"), 2);
    let earlier = ask(&job.world, better, Some("best")).earlier.unwrap();
    let count = |of: &str| {
        let file = job.world.blob(text(of));
        job.world.apply(job.count, &[file]).definition().unwrap()
    };
    let entered: Vec<_> = earlier.entered.iter().map(|one| (one.old, one.new)).collect();
    // Where the others come in, nothing was before them.
    let a = (count("a"), count("came"));
    assert_eq!(entered, [a, (count("c"), count("another c"))]);
}

#[test]
fn the_latest_application_is_the_maker() {
    let job = Count::new();
    let world = &job.world;
    let value = world.blob("found out by several, one after another");
    let [one, two] = [1, 2].map(|n| world.apply(job.top, &[Handle::of_u64(n)]));
    world.relate(one, value, 1);
    world.relate(two, value, 1);
    world.relate(two.strict().unwrap(), value, 0);
    let find = || makers(&world.backend, &HashSet::from([value]), &|_| {}).unwrap()[&value].key;
    assert_eq!(find(), two.definition().unwrap());
    world.relate(one, value, 2);
    assert_eq!(find(), one.definition().unwrap());
}

#[test]
fn names_are_labels_and_paths_below_them() {
    let job = Count::new();
    let world = &job.world;
    let files = OLD.map(|(name, text)| (name, world.blob(text)));
    let directory = world.directory(files);
    let set = |label: &str, handle| {
        let label = Label::new(label).unwrap();
        world.backend.set_label(&label, Expect::Any, Some(handle)).unwrap();
    };
    set("src", directory);
    set("count", job.count);
    let mut names = Names::read(&world.backend).unwrap();
    let thunk = world.apply(job.count, &[files[0].1, directory.lower().unwrap()]);
    names.find(world, [files[0].1, files[2].1]).unwrap();
    let digits = &files[0].1.to_string()[..12];
    let budget = Budget { depth: 2, entries: 8, blob_bytes: 40 };
    let expected = format!("apply(@count, #{digits}, ref(@src))");
    assert_eq!(names.brief(world, thunk, budget), expected);
    let (label, path) = names.file(&files[0].1).unwrap();
    let names_of = ["lib", "a"].map(|name| Step::Name(name.into()));
    assert_eq!((label, path), ("src", &names_of[..]));
    assert_eq!(names.label(&directory.lower().unwrap()), Some("src"));
    assert!(names.file(&files[1].1).is_none() && names.label(&files[0].1).is_none());
}
