//! Explanations of computations made by hand and by seed.

#![allow(clippy::unwrap_used, reason = "helpers of tests")]

mod count;
mod diff;
mod follow;
mod graph;
mod program;
mod why;
mod world;
