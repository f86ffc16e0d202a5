//! Tests of the engine, as its callers see it.

mod harness;
mod smoke;
