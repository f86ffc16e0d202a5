//! Benches at size tiny, and the documents that speak of them.

mod documents;
mod tiny;
