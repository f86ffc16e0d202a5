//! The vocabulary of Weft: what a computation is made of, and nothing else.
//!
//! Everything is a [`Blob`] (a byte string) or a [`Tree`] (a sequence of
//! handles). A [`Handle`] is 32 bytes that name one of them and say what the
//! name is *for*:
//!
//! - an **Object** may be read by whoever holds it;
//! - a **Ref** names the same content but shows only its kind and length, and
//!   does not bring the content along;
//! - a **Thunk** is a computation nobody has asked for yet;
//! - an **Encode** asks, from among the arguments of another computation, that
//!   a Thunk be replaced by its result.
//!
//! Four things that are easily confused:
//!
//! - *Ref and Thunk.* A Ref is data without access. A Thunk is not data yet.
//! - *Thunk and Encode.* Nobody evaluates a Thunk because it lies somewhere. An
//!   Encode is evaluated wherever it can be reached through Objects.
//! - *Handle and content.* All handles over the same content share its digest,
//!   so turning an Object into a Ref hashes nothing and moves nothing.
//! - *Literal and hashed Blob.* A Blob of up to [`Handle::LITERAL_MAX`] bytes
//!   lives in its handle; a longer one is named by its digest. There is exactly
//!   one handle for each content and use.
//!
//! The layout, to the byte, is in `docs/object.md`. This crate is
//! `no_std + alloc`, does no I/O and knows no evaluation rule.

#![no_std]
#![forbid(unsafe_code)]

extern crate alloc;

pub mod directory;

mod content;
mod error;
mod facts;
mod handle;
mod prefix;
mod selection;

pub use content::{Blob, Content, Tree};
pub use error::DecodeError;
pub use facts::{Facts, FootprintEstimate};
pub use handle::{Handle, Kind};
pub use prefix::{Prefix, PrefixError};
pub use selection::Selection;
