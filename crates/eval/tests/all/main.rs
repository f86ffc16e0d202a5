//! The graph, step by step, and the small parts it is made of. Whether it all
//! comes to what the rules say is for `weft-sim` to find out.

// In helpers of tests too, a surprise should end the test where it happens.
#![allow(clippy::unwrap_used)]

mod bounds;
mod chains;
mod failure_chain;
mod forks;
mod machine;
mod memory;
mod script;
mod staging;
mod survey;
