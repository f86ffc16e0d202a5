//! Everything that `weft-wasi` promises, from outside.

// In helpers of tests too, a surprise should end the test where it happens.
#![allow(clippy::unwrap_used)]

mod directories;
mod files;
mod finish;
mod guest;
mod hostile;
mod lazy;
mod model;
mod observed;
mod paths;
mod program;
mod shelf;
mod streams;
mod table;
