//! How fast, how much: what `weft bench` runs.
//!
//! [`run`] performs the benches of [`NAMES`] one after the other and writes one
//! line for each: a JSON object, or a row of a table. The subcommand is nothing
//! but its flags:
//!
//! ```no_run
//! # fn main() -> Result<(), weft_bench::BenchError> {
//! let options = weft_bench::Options { json: true, ..weft_bench::Options::of_this_program()? };
//! let good = weft_bench::run(&options, &mut std::io::stdout())?;
//! # drop(good);
//! # Ok(())
//! # }
//! ```
//!
//! What makes a number worth something:
//!
//! - *Arguments are new.* They follow from [`Options::seed`], so nothing is
//!   answered by what an earlier call has left, except where that is measured.
//! - *Everything is included*: naming, evaluating, keeping the relation, and the
//!   collections that fall due meanwhile.
//! - *What was measured was right.* Afterwards the reference evaluator computes
//!   the same requests, with the functions written natively. Each relation is
//!   looked up by the handle that it names, outcomes are compared, and the node
//!   must have run exactly as many functions; else the bench is an error.
//! - *A baseline from the same run*, taking turns with what is measured, since
//!   machines and their neighbors differ. `ratio` is our time by its time.
//!
//! A `p50_ns` is the median over batches of 100 calls, so the clock costs
//! nothing; a `p99_ns` is of single calls, each timed alone, or of whole runs
//! where one run is all there is to time. Memory is measured in child processes,
//! which begin with none.
//!
//! The promises that [`Options::check`] compares with are in [`PROMISES`], and
//! `SPECIFICATION.md` lists them.

// But for one module, `plain`, which says why.
#![deny(unsafe_code)]

// Named by the source that guests and `native` share.
extern crate alloc;

mod benches;
mod child;
mod error;
mod expect;
mod guests;
mod measure;
mod memory;
mod native;
mod options;
mod plain;
mod promise;
mod random;
mod report;
mod run;
mod scratch;
mod spawn;
mod stall;
mod stock;

pub use benches::NAMES;
pub use error::BenchError;
pub use options::{Options, Size};
pub use promise::{Measure, PROMISES, Promise};
pub use report::Unit;
pub use run::run;
