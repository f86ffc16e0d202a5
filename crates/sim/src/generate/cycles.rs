//! Computations that need themselves, in every shape that the rules allow.

use weft_object::Handle;

use super::{identify, programs, strict};
use crate::rng::Rng;
use crate::toy::Expr;
use crate::toy::write::{again, arg, call, dec, if_zero, number, select, shallow, tree};
use crate::world::World;

/// How many shapes [`ring`] knows.
pub const SHAPES: u64 = 10;

/// One cyclic computation of a shape, as all the Thunks by which one can come
/// upon it.
pub fn ring(shape: u64, size: u64, world: &mut World) -> Vec<Handle> {
    let none = Handle::EMPTY;
    let add = world.put_blob(programs::add().procedure());
    let measure = world.put_blob(programs::measure().procedure());
    let apply = |world: &mut World, program: &Expr, arguments: &[Handle]| {
        let procedure = world.put_blob(program.procedure());
        let mut entries = vec![none, procedure];
        entries.extend(arguments);
        world.application(entries)
    };
    // The member before this one; before the first stands the last.
    let before = || if_zero(arg(0), number(size), dec(arg(0)));
    let member = || call(Expr::Itself, [before(), arg(1)]);
    let around = |world: &mut World, program: &Expr, other: Handle| -> Vec<Handle> {
        (0..=size).map(|at| apply(world, program, &[Handle::of_u64(at), other])).collect()
    };
    match shape {
        // A tail call of itself.
        0 => vec![apply(world, &programs::forever(), &[])],
        // A ring of tail calls.
        1 => around(world, &member(), add),
        // Two procedures that call each other.
        2 => {
            let ping = call(arg(0), [Expr::Itself]);
            let pong = if_zero(number(0), ping.clone(), Expr::Trap);
            let (p, q) = (ping.handle(), pong.handle());
            world.put_blob(ping.procedure());
            world.put_blob(pong.procedure());
            vec![apply(world, &ping, &[q]), apply(world, &pong, &[p])]
        }
        // Each needs the one before as an argument.
        3 => around(world, &call(arg(1), [crate::toy::write::strict(member()), number(1)]), add),
        // The same by Refs.
        4 => around(world, &call(arg(1), [shallow(member())]), measure),
        // Each comes to a Tree that asks for the one before.
        5 => around(world, &tree([number(1), crate::toy::write::strict(member())]), add),
        // Each comes to a Tree of a selection from itself.
        6 => {
            let own = tree([select([again(), number(0)])]);
            let own = apply(world, &own, &[]);
            vec![world.selection([own, Handle::of_u64(0)])]
        }
        // Selections from one another's Trees, and no application on the ring.
        7 => {
            let next = select([member(), number(0)]);
            let rows = around(world, &tree([next]), add);
            rows.into_iter().map(|row| world.selection([row, Handle::of_u64(0)])).collect()
        }
        // A Tree asks for a selection from it.
        8 => {
            let next = crate::toy::write::strict(select([member(), number(0)]));
            let rows = around(world, &tree([tree([next])]), add);
            rows.into_iter().map(|row| world.selection([row, Handle::of_u64(0)])).collect()
        }
        // Through an identification, evenly a tail call and an argument.
        _ => {
            let needs = call(arg(1), [crate::toy::write::strict(member()), number(1)]);
            let even = if_zero(dec(arg(0)), member(), needs);
            around(world, &even, add)
        }
    }
}

/// Some way to come upon some cycle, with or without a way in.
pub(super) fn any(rng: &mut Rng, world: &mut World) -> Handle {
    let (shape, size) = (rng.below(SHAPES), rng.below(4));
    let member = rng.pick(&ring(shape, size, world));
    let none = Handle::EMPTY;
    match rng.below(4) {
        // Tail calls that lead there.
        0 => {
            let into = if_zero(arg(0), arg(1), call(Expr::Itself, [dec(arg(0)), arg(1)]));
            let into = world.put_blob(into.procedure());
            world.application([none, into, Handle::of_u64(rng.below(20)), member])
        }
        // As an argument, beside another that does.
        1 => {
            let shape = rng.below(SHAPES);
            let other = rng.pick(&ring(shape, size, world));
            let add = world.put_blob(programs::add().procedure());
            world.application([none, add, strict(member), strict(other)])
        }
        2 => identify(world.put_tree([strict(member)])),
        _ => member,
    }
}
