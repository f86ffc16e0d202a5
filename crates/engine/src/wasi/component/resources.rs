//! What a component holds by handles. They are public because the interfaces'
//! generated modules export them anew; nobody outside sees these.

#![allow(unreachable_pub, reason = "see above")]

use weft_wasi::{Errno, Stream};

/// A file or directory.
#[derive(Clone, Copy, Debug)]
pub struct Descriptor {
    pub(super) fd: u32,
}

/// A directory that is listed, by a descriptor of its own.
#[derive(Clone, Copy, Debug)]
pub struct Listing {
    pub(super) fd: u32,
    pub(super) at: u64,
}

/// Where a program reads from. A file's stream has a descriptor of its own.
#[derive(Clone, Copy, Debug)]
pub enum Input {
    Stdin,
    File { fd: u32, at: u64 },
}

/// Where it writes to; at the end of a file if there is no place.
#[derive(Clone, Copy, Debug)]
pub enum Output {
    Stream(Stream),
    File { fd: u32, at: Option<u64> },
}

/// Why an operation of a stream failed.
#[derive(Clone, Copy, Debug)]
pub struct Failed(pub(super) Errno);

/// What a program waits for.
#[derive(Clone, Copy, Debug)]
pub enum Pollable {
    Ready,
    /// Until this instant, in nanoseconds since 1970.
    At(u64),
}
