//! What evaluation is, as pure code.
//!
//! Three readings of one set of rules live here:
//!
//! - [`reference`](mod@reference): plain recursion, slow and obvious. The oracle.
//! - [`evaluate`]: the rules as they run on a worker. What is resident and known
//!   is computed by direct calls; what must wait comes back as [`Frame`]s.
//! - [`Machine`]: the dependency graph of what waits. It is told what happened
//!   ([`Event`]) and answers what to do ([`Action`]); it performs nothing.
//!
//! Words that are easily confused:
//!
//! - *force* a Thunk: think until the outcome is data, following tail calls.
//! - *evaluate* a handle: replace every Encode reachable through Objects.
//! - *apply* a canonical Tree: run the function. Only this is a fact worth
//!   keeping; the other two follow from it and are cached.
//! - A **failure** belongs to the computation and is an outcome like a value. **No
//!   answer** belongs to the machine and is never remembered. *Pending* is
//!   neither: it never leaves this crate as an outcome.
//!
//! Nothing in this crate names a thread, a clock, a path, a socket or an async
//! runtime, and CI checks that. The same events in the same order give the same
//! actions.

#![forbid(unsafe_code)]

mod application;
mod evaluator;
mod failure_chain;
mod failure_content;
mod key;
mod known;
mod machine;
mod outcome;
mod platform;
mod policy;
pub mod reference;
mod select;
mod staging;
mod survey;
mod tail;

pub use application::{Application, DEFAULT_MEMORY_LIMIT_BYTES, Hints, MEANING, PAGE_BYTES};
pub use evaluator::{Budget, Frame, Need, Report, Resume, evaluate};
pub use failure_chain::failure_chain;
pub use key::Key;
pub use known::Known;
pub use machine::{Action, Event, Machine, MachineStat, RequestId, Ticket};
pub use outcome::{Failure, FailureKind, NoAnswer, NoAnswerKind, Outcome};
pub use platform::{Attempt, Fork, Forking, Pace, Platform};
pub use policy::{Helper, Policy, Progress, Rest};
pub use staging::{Claim, Staging};
pub use survey::{Survey, survey};
