//! Explanations of computations made by hand and by seed.

#![allow(clippy::unwrap_used, reason = "helpers of tests")]

mod diff;
mod follow;
mod why;
mod world;
