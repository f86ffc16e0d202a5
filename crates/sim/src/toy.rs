//! A function language whose programs are a few bytes.
//!
//! A procedure is a Blob that begins with [`MAGIC`] and goes on with one
//! expression. Applying it evaluates the expression, top down, to a handle: that
//! is its result. There are no loops; what repeats does so by tail calls, which
//! is what is to be tested.
//!
//! Like a guest, a program begins with the handle of its application Tree and
//! has no others but those it reads from there or makes. It reads what is
//! accessible; to read anything else is a trap, and content outside of the
//! footprint does not exist for it.

mod code;
mod run;

pub use code::MAGIC;
pub use run::{Ran, run};

use weft_object::Handle;

/// An expression: comes to a handle.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Expr {
    /// The limits as the function sees them.
    Limits,
    /// This procedure.
    Itself,
    /// The canonical application Tree.
    Whole,
    /// An argument.
    Arg(u8),
    /// A literal number of eight bytes.
    Number(u64),
    /// A Blob of these bytes.
    Bytes(Vec<u8>),
    /// A Tree.
    Tree(Vec<Expr>),
    /// The Thunk that applies a Tree.
    Application(Box<Expr>),
    /// The Thunk that evaluates to data.
    Identification(Box<Expr>),
    /// The Thunk that selects as a Tree says.
    Selection(Box<Expr>),
    /// The Encode that asks for all of a Thunk's result.
    Strict(Box<Expr>),
    /// The Encode that asks for a Ref to a Thunk's result.
    Shallow(Box<Expr>),
    /// A Ref to data.
    Lower(Box<Expr>),
    /// An entry of an accessible Tree or Tag.
    Get(Box<Expr>, Box<Expr>),
    /// Bytes or entries, as a number.
    Length(Box<Expr>),
    /// The sum of an accessible Tree of numbers.
    Sum(Box<Expr>),
    /// The sum of two numbers, wrapping around.
    Add(Box<Expr>, Box<Expr>),
    /// One less, down to zero.
    Dec(Box<Expr>),
    /// The second if the first is zero, the third if not; the other one is not
    /// looked at.
    IfZero(Box<Expr>, Box<Expr>, Box<Expr>),
    /// Fails with this message.
    Fail(Vec<u8>),
    /// Traps.
    Trap,
    /// Uses that much fuel, then goes on.
    Fuel(u64, Box<Expr>),
    /// Uses up the machine: no answer.
    Exhaust,
    /// A Tag of a target and data.
    Tag(Box<Expr>, Box<Expr>),
}

impl Expr {
    /// The bytes of a procedure that does this.
    #[must_use]
    pub fn procedure(&self) -> Vec<u8> {
        let mut bytes = MAGIC.to_vec();
        code::encode(self, &mut bytes);
        bytes
    }

    /// The handle of that Blob.
    #[must_use]
    pub fn handle(&self) -> Handle {
        Handle::of_blob(&self.procedure())
    }
}

/// Short ways to write expressions.
pub mod write {
    use super::Expr;

    /// An argument.
    #[must_use]
    pub const fn arg(index: u8) -> Expr {
        Expr::Arg(index)
    }

    /// A number.
    #[must_use]
    pub const fn number(value: u64) -> Expr {
        Expr::Number(value)
    }

    /// A Tree.
    #[must_use]
    pub fn tree(parts: impl Into<Vec<Expr>>) -> Expr {
        Expr::Tree(parts.into())
    }

    /// The Thunk that applies a procedure, under the same limits, to arguments.
    #[must_use]
    pub fn call(procedure: Expr, arguments: impl IntoIterator<Item = Expr>) -> Expr {
        let mut parts = vec![Expr::Limits, procedure];
        parts.extend(arguments);
        Expr::Application(Box::new(Expr::Tree(parts)))
    }

    /// The Thunk of this very application.
    #[must_use]
    pub fn again() -> Expr {
        Expr::Application(Box::new(Expr::Whole))
    }

    /// The Encode that asks for all of a Thunk's result.
    #[must_use]
    pub fn strict(thunk: Expr) -> Expr {
        Expr::Strict(Box::new(thunk))
    }

    /// The Encode that asks for a Ref to a Thunk's result.
    #[must_use]
    pub fn shallow(thunk: Expr) -> Expr {
        Expr::Shallow(Box::new(thunk))
    }

    /// The Thunk that selects so.
    #[must_use]
    pub fn select(definition: impl Into<Vec<Expr>>) -> Expr {
        Expr::Selection(Box::new(Expr::Tree(definition.into())))
    }

    /// The sum of two numbers.
    #[must_use]
    pub fn add(left: Expr, right: Expr) -> Expr {
        Expr::Add(Box::new(left), Box::new(right))
    }

    /// One less.
    #[must_use]
    pub fn dec(value: Expr) -> Expr {
        Expr::Dec(Box::new(value))
    }

    /// The sum of a Tree of numbers.
    #[must_use]
    pub fn sum(tree: Expr) -> Expr {
        Expr::Sum(Box::new(tree))
    }

    /// Bytes or entries.
    #[must_use]
    pub fn length(data: Expr) -> Expr {
        Expr::Length(Box::new(data))
    }

    /// One or the other.
    #[must_use]
    pub fn if_zero(value: Expr, then: Expr, otherwise: Expr) -> Expr {
        Expr::IfZero(Box::new(value), Box::new(then), Box::new(otherwise))
    }
}
