//! Programs that people use, on jobs whose results are known.
//!
//! `cargo xtask test` fetches the first few and says where they are; with
//! `--long` it fetches all. Without it nothing here runs.

#![allow(clippy::unwrap_used, clippy::print_stdout, reason = "helpers of tests")]

mod builds;
mod few;
mod long;
mod program;
mod reactors;
#[path = "../all/world.rs"]
#[allow(dead_code, reason = "helpers of another suite")]
mod world;
