//! The text form of computations, for people, command lines, HTTP and tests.
//!
//! ```text
//! apply{memory: 64MiB}(./count.wasm, select(@corpus, "en/a.txt"), strict(apply(@table, 7u64)))
//! ```
//!
//! Text and objects are three steps apart, so that each can be had alone:
//!
//! - [`parse`] makes an [`Expr`]: syntax, in which paths, labels and handle
//!   prefixes are nothing but what was written;
//! - [`build`] makes a [`Handle`](weft_object::Handle), asking a [`Resolver`]
//!   for what only the caller can know: files, labels and a store;
//! - [`describe`] goes back, from a handle to an `Expr` as large as a
//!   [`Budget`] allows, reading content through a [`Lookup`].
//!
//! An `Expr` prints itself (`to_string`), and what is printed parses to an
//! equal one. Where something is wrong, [`SyntaxError`] and [`BuildError`] know
//! the place and can [`render`](SyntaxError::render) it.
//!
//! The language and its reasons are in `docs/notation.md`. This crate does no
//! I/O and evaluates nothing.

#![forbid(unsafe_code)]

mod build;
mod describe;
mod error;
mod expr;
#[doc(hidden)]
pub mod fuzz;
mod number;
mod parse;
mod print;
mod quote;
mod scan;

pub use build::{BuildError, Resolver, build};
pub use describe::{Budget, Lookup, Nothing, describe};
pub use error::SyntaxError;
pub use expr::{Expr, Form, Limits, Number, Part, Span};
pub use parse::parse;

/// How many levels an expression may have: `x` has one, `[x]` has two.
///
/// More is a syntax error, so that text from anyone can be parsed on any
/// thread's stack. Deeper values exist; they are written by handle.
pub const DEPTH_MAX: usize = 200;
