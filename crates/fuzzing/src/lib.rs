//! Fuzz targets, by name, and two ways to run them.
//!
//! An *oracle* is a function over bytes that panics where a promise is broken;
//! it stands in the crate that makes the promise. Here is what the oracles
//! share: the list of them ([`TARGETS`]), the inputs they start from, and a
//! runner that derives more inputs from those by a seed ([`Campaign`]). The
//! runner is part of the ordinary tests and needs no special compiler. Where
//! libFuzzer can be had, `cargo xtask fuzz` runs the same targets under it,
//! guided by coverage.
//!
//! # Why a crate
//! Each crate could run its own oracles in its own tests. Then generator, time
//! keeping, and the keeping of failing inputs would exist once in each crate,
//! and libFuzzer's targets would be one more list to keep in step.

#![forbid(unsafe_code)]

mod campaign;
pub mod images;
mod modules;
mod mutate;
mod random;
mod seeds;
mod storing;
mod targets;

pub use campaign::{Campaign, Failure};
pub use modules::{Fault, faulty_reuse};
pub use targets::{TARGETS, Target, run, target};
