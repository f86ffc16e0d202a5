//! A node from outside: what runs, what is kept, what is dropped, who waits.

// clippy.toml allows it in test functions, not in what they share.
#![allow(clippy::unwrap_used)]

mod collection;
mod fixpoint;
mod guests;
mod mapped;
mod outcomes;
mod programs;
mod recovery;
mod sharing;
mod stopping;
mod storage;
mod verify;
