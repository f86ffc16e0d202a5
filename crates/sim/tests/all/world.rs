//! Short ways to make computations.

use weft_eval::{Failure, Outcome};
use weft_object::Handle;
use weft_sim::generate::Case;
use weft_sim::scheduler::{Finished, Settings, run};
use weft_sim::toy::Expr;
use weft_sim::world::World;

pub(crate) fn world() -> World {
    World::new(1 << 40)
}

pub(crate) fn number(value: u64) -> Handle {
    Handle::of_u64(value)
}

// No closure: rustc 1.95 lets one that is inlined change the caller's variable,
// where it hands a large argument on to what takes it as `mut`
// (rust-lang/rust#155241).
pub(crate) fn strict(thunk: Handle) -> Handle {
    thunk.strict().unwrap()
}

/// The Thunk that applies a program under default limits.
pub(crate) fn apply(world: &mut World, program: &Expr, arguments: &[Handle]) -> Handle {
    limited(world, Handle::of_blob(b""), program, arguments)
}

/// The same under some limits.
pub(crate) fn limited(
    world: &mut World,
    limits: Handle,
    program: &Expr,
    arguments: &[Handle],
) -> Handle {
    let procedure = world.put_blob(program.procedure());
    let mut entries = vec![limits, procedure];
    entries.extend(arguments);
    world.application(entries)
}

/// Limits of so much fuel and nothing else.
pub(crate) fn fuel(world: &mut World, fuel: u64) -> Handle {
    let none = Handle::of_blob(b"");
    world.put_tree([none, none, none, none, number(fuel)])
}

pub(crate) fn case(world: World, requests: &[Handle]) -> Case {
    Case { world, requests: requests.to_vec(), fuel: false }
}

/// The answers of a calm run by a depth of direct calls.
pub(crate) fn calmly(case: &Case, depth: u32) -> Finished {
    run(case, 1, &Settings::calm(depth))
}

pub(crate) fn value(outcome: &Outcome) -> Handle {
    outcome.value().unwrap_or_else(|| panic!("{outcome:?}"))
}

pub(crate) fn failure(outcome: &Outcome) -> &Failure {
    match outcome {
        Outcome::Failure(failure) => failure,
        _ => panic!("{outcome:?}"),
    }
}
