//! One machine: what `eval` asks for, done.
//!
//! A [`Node`] owns a memory tier, a backend, an engine and worker threads. Those
//! who use it open a [`Session`], put content, and evaluate:
//!
//! ```
//! use weft_node::{Config, Node};
//! use weft_object::Handle;
//!
//! # fn main() -> Result<(), Box<dyn std::error::Error>> {
//! let node = Node::start(Config::default())?;
//! let session = node.session();
//!
//! // A function that adds two numbers.
//! let module = wat::parse_str(r#"
//!     (module
//!       (import "weft_1" "tree_get" (func $get (param i32 i64) (result i32)))
//!       (import "weft_1" "blob_u64" (func $u64 (param i32) (result i64)))
//!       (import "weft_1" "u64_blob" (func $blob (param i64) (result i32)))
//!       (func (export "weft_apply") (param $in i32) (result i32)
//!         (call $blob (i64.add
//!           (call $u64 (call $get (local.get $in) (i64.const 2)))
//!           (call $u64 (call $get (local.get $in) (i64.const 3)))))))
//! "#)?;
//! let add = session.put_blob(module);
//!
//! // Nothing limits it, and it gets 2 and 3.
//! let entries = [Handle::EMPTY, add, Handle::of_u64(2), Handle::of_u64(3)];
//! let sum = session.put_tree(&entries).application().expect("a tree can be applied");
//! let answer = session.evaluate(sum);
//! assert_eq!(answer.value().and_then(|sum| sum.literal_u64()), Some(5));
//!
//! // What was found out once is not run again.
//! let before = node.stat();
//! session.evaluate(sum);
//! assert_eq!(node.stat().applied, before.applied);
//! # Ok(())
//! # }
//! ```
//!
//! Who holds what:
//!
//! - The *graph* ([`weft_eval::Machine`]) knows what waits, behind one lock. It
//!   is entered only by what cannot go on.
//! - *Workers*, one a core, take jobs from each other. An asking thread first
//!   does what it can of its own request, and then waits.
//! - The *collector* drops what nobody needs from memory; see
//!   [`Session`] for what keeps content alive.

#![forbid(unsafe_code)]

mod again;
mod collect;
mod direct;
mod error;
mod failure;
mod forks;
mod graph;
mod keep;
mod loading;
mod matching;
mod node;
mod pinned;
mod platform;
mod poison;
mod ranges;
mod recover;
mod run;
mod running;
mod session;
mod slot;
mod spread;
mod stack;
mod sync;
mod verify;
mod watch;
mod worker;

pub use again::Again;
pub use error::NodeError;
pub use keep::Kept;
pub use node::{Config, Node, Stat};
pub use session::{Request, Session};
pub use verify::{Disagreement, Sample, Unchecked, Verified};
pub use watch::{Event, Watch};
pub use weft_engine::{Interrupt, has_debug_info};
