//! What a run has looked at, and what it has changed: so that it need not be
//! run again for a Tree that differs elsewhere.
//!
//! A run is recorded as what it asked, one question after the other, each with
//! its answer ([`Observation`]), and what it did then ([`Edit`]). From that come
//! relations ([`Steps`]), which a [`Walk`] follows on other directories.

mod answer;
mod apply;
mod edit;
mod form;
mod look;
mod record;
mod steps;
mod walk;

pub use answer::{Answer, Asked, Observation, Question, listing_digest};
pub use apply::{Applied, apply};
pub use edit::{Edit, EditKind};
pub use look::Directories;
pub(crate) use record::Observed;
pub use steps::{End, Start, Steps};
pub use walk::{Step, Walk};
