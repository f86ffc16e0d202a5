//! What would grow without end gets no answer, and takes nobody along.

use weft_eval::{NoAnswerKind, Outcome};
use weft_object::Handle;
use weft_sim::scheduler::{Settings, run};
use weft_sim::toy::Expr;
use weft_sim::toy::write::{add, arg, call, number as constant, strict, tree};
use weft_sim::world::World;

use crate::world::{apply, case, number, value, world};

const MIB: u64 = 1 << 20;

/// f(x) = [strict f([x, 1])], or as many of them.
fn endless(world: &mut World, branches: u64) -> Handle {
    let next = |branch| strict(call(Expr::Itself, [tree([arg(0), constant(branch)])]));
    let program = tree((1..=branches).map(next).collect::<Vec<_>>());
    apply(world, &program, &[number(0)])
}

fn assert_exhausted(outcome: &Outcome) {
    let Outcome::NoAnswer(reason) = outcome else { panic!("{outcome:?}") };
    assert_eq!(reason.kind, NoAnswerKind::Exhausted);
    assert!(reason.detail.contains("too many parts waiting at once"), "{reason}");
}

#[test]
fn what_recurses_or_forks_without_end_gets_no_answer() {
    for branches in [1, 2] {
        for depth in [0, 64] {
            let mut world = world();
            let endless = endless(&mut world, branches);
            let fine = apply(&mut world, &add(arg(0), constant(1)), &[number(1)]);
            let case = case(world, &[fine, endless]);
            // What forks by direct calls must sometimes leave some to the graph.
            let wants_work = if branches == 1 { 0 } else { 500 };
            let calm = Settings { wants_work, log: false, ..Settings::calm(depth) };
            let settings = Settings { graph_bytes_max: MIB / 2, ..calm };
            let finished = run(&case, 1, &settings);
            assert_eq!(value(&finished.answers[&0]), number(2));
            assert_exhausted(&finished.answers[&1]);
            assert_eq!(run(&case, 1, &settings).answers, finished.answers, "not by chance");
        }
    }
}

/// A tenth of a million entries in a tenth of the default: so a million fit.
#[test]
fn a_wide_fork_is_within_the_default() {
    let mut world = world();
    let program = add(arg(0), constant(1));
    let width = 100_000;
    let thunks: Vec<Handle> =
        (0..width).map(|at| apply(&mut world, &program, &[number(at)]).strict().unwrap()).collect();
    let row = world.put_tree(thunks);
    let settings = Settings { log: false, graph_bytes_max: 400 * MIB, ..Settings::calm(0) };
    let finished = run(&case(world, &[row]), 1, &settings);
    assert_eq!(value(&finished.answers[&0]).length(), Some(width));
    assert!(finished.most_keys as u64 > width);
}
