//! Evaluation against the oracle, by seed, and one by one what it promises.

// In helpers of tests too, a surprise should end the test where it happens.
#![allow(clippy::unwrap_used)]

mod bounds;
mod cycles;
mod oracle;
mod promises;
mod toy;
mod wide;
mod world;
