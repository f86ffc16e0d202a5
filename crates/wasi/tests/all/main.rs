//! Everything that `weft-wasi` promises, from outside.

// In helpers of tests too, a surprise should end the test where it happens.
#![allow(clippy::unwrap_used)]

mod directories;
mod files;
mod finish;
mod guest;
mod lazy;
mod model;
mod paths;
mod program;
mod shelf;
mod streams;
