//! From a WebAssembly module to the outcome of applying it: compiled ahead of
//! time, run in a sandbox that sees its footprint and nothing else.
//!
//! [`Engine::apply`] takes an application whose footprint is resident and
//! answers with its [`Outcome`]. It blocks on nothing but the compilation of a
//! module that it has not seen; it asks nobody and stores nothing. Three
//! answers that must not be confused:
//!
//! - a *value*, and the content made for it;
//! - a *failure*, which belongs to the computation: a trap, a module that
//!   cannot be applied, a handle of the wrong kind, a call of `fail`;
//! - *no answer*, which belongs to this machine: fuel, stack, memory, time.
//!
//! What a function can see and do is in `docs/abi.md`; the ABI itself is data,
//! in [`abi::table`].

pub mod abi;
mod apply;
mod artifact;
mod check;
mod code;
mod compiling;
mod digest;
mod effort;
mod engine;
mod error;
mod fixpoint;
#[doc(hidden)]
pub mod fuzz;
mod image;
mod interrupt;
mod ledger;
mod limits;
mod meaning;
mod modules;
mod near;
mod outcome;
mod recycle;
mod rewrite;
mod shelf;
mod state;
mod trap;
mod wasi;
mod way;
mod ways;

pub use abi::window::Mapped;
pub use apply::{Objects, Run};
pub use artifact::bound::{ARTIFACTS_MAX_BYTES, Kept, kept_in};
pub use check::{has_debug_info, is_codelet};
pub use compiling::Compiling;
pub use engine::{Config, Engine, Reuse, RunBounds, Stats};
pub use error::EngineError;
pub use interrupt::Interrupt;
pub use meaning::{
    FAIL_MESSAGE_MAX_BYTES, MEANING_VERSION, MEMORY_LIMIT_DEFAULT_BYTES, TABLE_ELEMENTS_MAX,
};
pub use near::near;
pub use outcome::{Applied, Failure, FailureKind, NoAnswerKind, Outcome, Steps};
pub use wasi::{Matching, matching};

/// The least stack of a thread that calls [`Engine::apply`]: what compiled code
/// may use, and as much again for everything below it. Rust's default of 2 MiB
/// suffices.
pub const THREAD_STACK_MIN_BYTES: usize = 2 * way::WASM_STACK_BYTES;
