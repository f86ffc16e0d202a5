//! Everything that `weft-notation` promises, from outside.

// In helpers of tests too, a surprise should end the test where it happens.
#![allow(clippy::unwrap_used)]

mod build;
mod describe;
mod document;
mod errors;
mod fuzz;
mod generate;
mod round_trip;
mod world;
