//! A million steps, a hundred thousand entries: in bounded room, and never in
//! time that grows faster than they do.

use weft_eval::{Event, NoAnswerKind, Outcome};
use weft_object::Handle;
use weft_sim::scheduler::{Scheduler, Settings, run};
use weft_sim::toy::Expr;
use weft_sim::toy::write::{arg, call, dec, if_zero, number as constant, sum};

use crate::world::{apply, case, number, value, world};

const MILLION: u64 = 1_000_000;

fn long(depth: u32) -> Settings {
    Settings { log: false, steps_max: 100 * MILLION, ..Settings::calm(depth) }
}

/// `n` tail calls, each of which adds one.
fn count_down(steps: u64) -> weft_sim::generate::Case {
    let mut world = world();
    let next = [dec(arg(0)), weft_sim::toy::write::add(arg(1), constant(1))];
    let program = if_zero(arg(0), arg(1), call(Expr::Itself, next));
    let thunk = apply(&mut world, &program, &[number(steps), number(0)]);
    case(world, &[thunk])
}

/// Everything but what the graph needs is collected every thousand objects, so
/// this also holds `roots` to its word.
#[test]
fn a_million_tail_calls_take_constant_room() {
    for (depth, steps) in [(64, MILLION), (0, 100_000)] {
        let settings = Settings { collect_every: Some(1000), ..long(depth) };
        let finished = run(&count_down(steps), 1, &settings);
        assert_eq!(value(&finished.answers[&0]), number(steps));
        assert!(finished.most_keys <= 4, "{} keys", finished.most_keys);
        assert!(finished.most_content <= 4000, "{} objects", finished.most_content);
    }
}

/// A Tree of as many Encodes.
fn fork(width: u64) -> weft_sim::generate::Case {
    let mut world = world();
    let program = weft_sim::toy::write::add(arg(0), constant(1));
    let entries: Vec<Handle> =
        (0..width).map(|at| apply(&mut world, &program, &[number(at)]).strict().unwrap()).collect();
    let row = world.put_tree(entries);
    let total = apply(&mut world, &sum(arg(0)), &[row]);
    case(world, &[total])
}

#[test]
fn a_fork_of_a_hundred_thousand_is_joined() {
    let width = 100_000;
    let case = fork(width);
    for depth in [0, 64] {
        let finished = run(&case, 1, &long(depth));
        assert_eq!(value(&finished.answers[&0]), number(width * (width + 1) / 2));
    }
    let settings = Settings { log: false, steps_max: 100 * MILLION, ..Settings::any_order() };
    let finished = run(&case, 7, &settings);
    assert_eq!(value(&finished.answers[&0]), number(width * (width + 1) / 2));
}

/// Everything waits for one argument, and then nobody wants any of it; or the
/// argument turns out to be lost.
#[test]
fn a_hundred_thousand_wait_for_one_and_leave_it() {
    let width = 100_000;
    let mut world = world();
    let blob = world.put_blob(vec![1; 100]);
    let lost = Handle::of_blob(&[2; 100]);
    let program = Expr::Length(Box::new(arg(0)));
    for (content, is_lost) in [(blob, false), (lost, true)] {
        let shared = apply(&mut world, &program, &[content]);
        let entries: Vec<Handle> = (0..width)
            .map(|at| {
                let arguments = [shared.strict().unwrap(), number(at)];
                apply(&mut world, &program, &arguments).strict().unwrap()
            })
            .collect();
        let row = world.put_tree(entries);
        let settings = Settings { resident: false, ..long(0) };
        let mut scheduler = Scheduler::new(&case(world.clone(), &[]), 1, &settings);
        scheduler.request(0, row);
        while scheduler.stat().keys <= width as usize && scheduler.step() {}
        assert!(scheduler.stat().keys > width as usize, "all of it is in the graph");
        if !is_lost {
            scheduler.tell_now(Event::Cancel { id: 0 });
        }
        let finished = scheduler.finish();
        let Outcome::NoAnswer(reason) = &finished.answers[&0] else { panic!() };
        let expected = if is_lost { NoAnswerKind::Lost } else { NoAnswerKind::Cancelled };
        assert_eq!(reason.kind, expected);
    }
}
