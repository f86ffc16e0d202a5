//! Evaluation under every order, delay and loss that a seed can think of.
//!
//! Four parts, each usable alone:
//!
//! - [`toy`]: a function language small enough that a procedure is a few bytes,
//!   so that evaluation is tested without a Wasm engine;
//! - [`generate`]: computations by seed: sharing, tails, forks, Refs, selections,
//!   failures, cycles;
//! - [`scheduler`]: a virtual clock and a host without manners around
//!   [`weft_eval::Machine`];
//! - [`oracle`]: the same requests put to [`weft_eval::reference`], and what must
//!   agree.
//!
//! Nothing here has a clock or a source of randomness other than a seed: a seed
//! that fails once fails always, with the same log.

#![forbid(unsafe_code)]

pub mod generate;
pub mod oracle;
pub mod rng;
pub mod scheduler;
pub mod toy;
pub mod world;
