//! One process holds the store, and others work through it.
//!
//! The process that has the lock listens on the Unix socket `socket` in the
//! store's directory: the [`Server`]. Others connect to it: the [`Client`] is a
//! [`Backend`](crate::Backend) whose every call is one request and its answer.
//! Which of the two a process is, and what becomes of it when the other one
//! ends, is the matter of [`SharedBackend`](crate::SharedBackend).
//!
//! Both sides belong to the same user, who may kill either at any byte. So the
//! server believes nothing and owes nothing: content is hashed before it is
//! kept, buffers grow by what has come and not by what was announced, what does
//! not go on is cut off, and all that stands for a client ends with its
//! connection. The bytes are described in `docs/socket.md`.

mod address;
mod bytes;
mod client;
mod connection;
mod frame;
mod fuzz;
mod hello;
mod link;
mod request;
mod server;
mod spool;
mod trouble;
mod value;

pub use client::Client;
pub use fuzz::fuzz_frames;
pub(crate) use hello::VERSION;
pub use server::{Facts, Limits, Server};
pub(crate) use spool::Spool;
use spool::sweep;

/// The socket's name in the store's directory.
pub const NAME: &str = "socket";

/// The end of an answer.
const DONE: u8 = 0;
/// A part of it; more follow.
const PART: u8 = 1;
/// The end of an answer: it went wrong.
const ERROR: u8 = 2;

/// About how much is sent in one frame. Content that is longer takes several on
/// its way to a client, and a file on its way from there.
const PART_BYTES: usize = 1 << 20;

/// Something that a process tells of itself: a name and a number or a word, for
/// people and for programs. There may always be more of them.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Fact {
    /// Lower-case letters and `_`, with the unit last.
    pub name: String,
    /// One line.
    pub value: String,
}

impl Fact {
    /// A fact of this name.
    #[must_use]
    pub fn new(name: &str, value: impl std::fmt::Display) -> Self {
        Self { name: name.into(), value: value.to_string() }
    }
}
