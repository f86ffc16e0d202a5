//! Everything that `weft-object` promises, from outside.

// In helpers of tests too, a surprise should end the test where it happens.
#![allow(clippy::unwrap_used)]

mod directory;
mod facts;
mod generate;
mod golden;
mod hostile;
mod laws;
mod layout;
mod text;
