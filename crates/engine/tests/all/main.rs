//! Tests of the engine, as its callers see it.

mod generated;
mod harness;
mod smoke;
