//! The guest ABI: its table, what is generated from it, and the functions.

pub mod generate;
pub(crate) mod link;
mod memory;
pub mod table;
pub(crate) mod window;
