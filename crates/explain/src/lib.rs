//! Where a result comes from, and what is different from another one.
//!
//! Nothing here runs anything: all is read from what a store knows. A relation
//! says what one application came to, under the canonical Tree of that
//! application. From there one goes two ways:
//!
//! - *down* from a request to what it needed: [`follow`] takes the rules along
//!   what is known, so that nobody has to record who called whom, and
//!   [`Calls`] is what is left when only applications count;
//! - *up* from a result to what made it: [`makers`] looks for the relation that
//!   has it as outcome, or within its outcome.
//!
//! [`why`] goes both, [`diff`](mod@diff) compares two Trees or two computations
//! and reads only where they differ, [`graph`] draws a computation.
//!
//! Easily confused: a *call* is an application in canonical form, of which there
//! is one however often it is asked for; a *request* is what somebody wrote.

#![forbid(unsafe_code)]

mod calls;
pub mod diff;
mod follow;
pub mod graph;
mod makers;
mod names;
mod program;
mod rules;
mod source;
mod why;
mod within;

pub use calls::{Call, CallId, Calls, Need, Role};
pub use follow::{Followed, KEYS_MAX, KeyId, Looked, Open, Stage, follow};
pub use makers::{Alike, Maker, Tell, alike, holder, makers};
pub use names::{DIGITS, Names};
pub use program::{Footprint, Seen, footprint, seen_otherwise};
pub use source::Source;
pub use why::{Earlier, Entered, Question, Sight, Told, Why, why};
