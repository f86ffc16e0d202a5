//! A node from outside: what runs, what is kept, what is dropped, who waits.

mod collection;
mod guests;
mod outcomes;
mod sharing;
mod stopping;
mod storage;
