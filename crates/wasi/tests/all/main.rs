//! Everything that `weft-wasi` promises, from outside.

// In helpers of tests too, a surprise should end the test where it happens.
#![allow(clippy::unwrap_used)]

/// How many random inputs; thirty times as many with `WEFT_LONG`.
fn cases(few: u32) -> u32 {
    if std::env::var_os("WEFT_LONG").is_some() { 30 * few } else { few }
}

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
