//! Where content, relations and labels are kept.
//!
//! Two tiers, which are easily confused:
//!
//! - The **memory tier**, [`Memory`] for content and [`Relations`] for what has
//!   been found out. Fast, shared by all threads of a node, bounded by a
//!   collector that its owner drives: [`Memory::marking`].
//! - A **backend**, behind the trait [`Backend`]: what outlives the process.
//!   [`FileBackend`] is a log of records in files, [`MemoryBackend`] stands in
//!   for it where nothing has to last. Both pass [`conformance`].
//!
//! A datum is *durable* when a backend holds it and has synced: the memory tier
//! may then drop its copy at any time. Neither tier moves anything by itself;
//! whoever owns both decides.
//!
//! Everything is kept under [`Handle::content`](weft_object::Handle::content),
//! so a Ref and an Object find the same bytes, and a literal is never stored.
//! [`files`] brings files and directories in and out, [`locate`] finds the
//! store that a command is about. The file is described in `docs/store.md`.

// But for one module, `map`, which says why.
#![deny(unsafe_code)]

mod backend;
mod by_handle;
mod collect;
pub mod conformance;
pub mod disk;
mod error;
pub mod export;
mod file;
pub mod files;
mod hash;
mod label;
pub mod locate;
pub mod map;
mod mark;
mod memory;
mod memory_backend;
mod migrate;
mod moving;
mod open;
mod pin;
mod relation;
mod relations;
mod run;
mod shared;
mod slab;
pub mod socket;
mod sync;
mod under_way;

pub use backend::{Backend, Expect, Resolved, Usage, Writing};
pub use collect::{Budget, Collect, Collected, Phase, Progress, Share};
pub use error::StoreError;
pub use file::{
    Affected, Checked, Chore, Damage, FileBackend, Mode, Needs, Options, Problem, Repaired,
    Trouble, Wrong, fsck, repair,
};
pub use hash::HandleHash;
pub use label::{Label, LabelError};
pub use mark::Marks;
pub use memory::{Before, Epoch, Holder, Marking, Memory, Swept};
pub use memory_backend::MemoryBackend;
pub use migrate::{Migrated, migrate, version};
pub use pin::Pin;
pub use relation::{Cost, Finder, Origin, Outcome, Relation, is_step};
pub use relations::{Begun, Inserted, Relations};
pub use run::Run;
pub use shared::SharedBackend;
pub use weft_object::Content;
