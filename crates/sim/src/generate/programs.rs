//! The programs that generated computations apply.

use crate::toy::Expr;
use crate::toy::write::{again, arg, call, dec, if_zero, length, number, strict, sum, tree};

/// A program, written down.
pub(super) type Program = Expr;

/// `a + b`.
pub(super) fn add() -> Program {
    crate::toy::write::add(arg(0), arg(1))
}

/// The sum of a Tree.
pub(super) fn sum_tree() -> Program {
    sum(arg(0))
}

/// Bytes or entries, of an Object or Ref.
pub(super) fn measure() -> Program {
    length(arg(0))
}

/// `f(x, y)` by a tail call.
pub(super) fn call_two() -> Program {
    call(arg(0), [arg(1), arg(2)])
}

/// The same, as an Encode: its strictness does not matter any more.
pub(super) fn call_encode() -> Program {
    strict(call_two())
}

/// `b` after `a` tail calls, each adding one.
pub(super) fn count_down() -> Program {
    let next = [dec(arg(0)), crate::toy::write::add(arg(1), number(1))];
    if_zero(arg(0), arg(1), call(Expr::Itself, next))
}

/// Fibonacci by recursion in Thunks; the second argument adds.
pub(super) fn fibonacci() -> Program {
    let one = dec(arg(0));
    let part = |n: Expr| strict(call(Expr::Itself, [n, arg(1)]));
    let parts = call(arg(1), [part(one.clone()), part(dec(one.clone()))]);
    if_zero(arg(0), number(0), if_zero(one, number(1), parts))
}

/// A Tree of three Encodes that add: a fork.
pub(super) fn fork() -> Program {
    let branch = |n| strict(call(arg(0), [arg(1), number(n)]));
    tree([branch(1), branch(2), branch(1), Expr::Number(9)])
}

/// A fork as wide as it is deep: `[strict(self(n-1)), strict(self(n-1))]`.
pub(super) fn bush() -> Program {
    let below = || strict(call(Expr::Itself, [dec(arg(0))]));
    if_zero(arg(0), number(1), tree([below(), number(1), below()]))
}

/// An entry of what it was given only as a Ref, by a selection it returns.
pub(super) fn take() -> Program {
    crate::toy::write::select([arg(0), arg(1)])
}

/// A Tree with everything in it that nobody asked for: it stays as it is.
pub(super) fn lazy() -> Program {
    let thunk = call(Expr::Itself, [number(0)]);
    let identity = Expr::Identification(Box::new(arg(0)));
    tree([thunk, Expr::Lower(Box::new(tree([arg(0)]))), identity, Expr::Bytes(vec![b'x'; 40])])
}

/// The length of a Tag it makes, and one entry of it.
pub(super) fn tag() -> Program {
    let tag = Expr::Tag(Box::new(arg(0)), Box::new(tree([arg(0), arg(0)])));
    tree([Expr::Get(Box::new(tag.clone()), Box::new(number(1))), tag])
}

/// `a`, if given the fuel for it.
pub(super) fn burn(fuel: u64) -> Program {
    Expr::Fuel(fuel, Box::new(arg(0)))
}

/// A tail call of itself as it stands.
pub(super) fn forever() -> Program {
    again()
}
