//! Benches at size tiny, and the documents that speak of them.

// clippy.toml allows it in test functions, not in what they share.
#![allow(clippy::unwrap_used)]

mod documents;
mod tiny;
