//! Tests of the engine, as its callers see it.

#![allow(clippy::unwrap_used)] // in helpers, which are no #[test]

mod abi;
mod arriving;
mod artifacts;
mod codelet_images;
mod components;
mod determinism;
mod fixpoint;
mod generated;
mod guests;
mod harness;
mod images;
mod ledger;
mod limits;
mod made;
mod modules;
mod programs;
mod reuse;
mod scarce;
mod stop;
mod windows;
