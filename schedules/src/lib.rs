//! The code that threads share without much of a lock, under every schedule.
//!
//! Nothing but tests is here: files of `node` and `store` that name only what is
//! in their `sync`, compiled once more with the locks of a schedule checker. In
//! a workspace of its own, because with what loom needs the whole of wasmtime
//! would be built with other features.

#![cfg(test)]
// clippy.toml allows it in test functions, not in what they share.
#![allow(clippy::unwrap_used)]

#[path = "../../crates/node/src/pinned.rs"]
mod pinned;
#[path = "../../crates/node/src/ranges.rs"]
mod ranges;
mod sync;
mod tests;
#[path = "../../crates/store/src/under_way.rs"]
mod under_way;
