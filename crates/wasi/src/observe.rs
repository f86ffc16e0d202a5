//! What a run has looked at, and what it has changed: so that it need not be
//! run again for a Tree that differs elsewhere.

mod agree;
mod answer;
mod apply;
mod edit;
mod record;

pub use agree::agrees;
pub use answer::{Answer, Observation, listing_digest};
pub use apply::{Applied, apply};
pub use edit::{Edit, EditKind};
pub(crate) use record::Observed;
