use std::io::Read;

use weft_object::{Content, Handle, Prefix};

use crate::{Label, Relation, StoreError};

/// What keeps content, relations and labels beyond the memory tier.
///
/// # Contract
/// Checked by [`crate::conformance`]; a caller relies on all of it.
///
/// - Content is kept under [`Handle::content`]; a literal always exists and is
///   never stored. What `get` returns has been verified against its handle.
/// - What is put is seen at once by every reader of the same backend, and lasts
///   once a later `sync` has returned. What was there before a put that fails
///   is there after it.
/// - `put` takes handles that the caller has computed; a content of another
///   sort or length than its handle is refused, its digest is not checked again.
/// - All methods may be called from any thread.
pub trait Backend: Send + Sync {
    /// The content of a handle; `None` if it is not here. Of a literal, its
    /// bytes.
    ///
    /// # Errors
    /// It cannot be read, or is not what it was.
    fn get(&self, handle: &Handle) -> Result<Option<Content>, StoreError>;

    /// Whether the content of a handle is here.
    ///
    /// # Errors
    /// That cannot be found out.
    fn contains(&self, handle: &Handle) -> Result<bool, StoreError>;

    /// Keeps content, in this order, what is here already left out.
    ///
    /// # Errors
    /// It cannot be written; then none of it is kept.
    fn put(&self, batch: &[(Handle, Content)]) -> Result<(), StoreError>;

    /// Keeps a Blob of known name and of any length without holding it in
    /// memory; `bytes` are read to their end. Whether they were the Blob's; if
    /// not, nothing is kept.
    ///
    /// Nobody else may be able to write until they are read: give it what is at
    /// hand, a file say, not a connection or anything that waits for this
    /// backend.
    ///
    /// # Errors
    /// It cannot be read or written.
    fn put_stream(&self, handle: &Handle, bytes: &mut dyn Read) -> Result<bool, StoreError>;

    /// What is known under a key.
    ///
    /// # Errors
    /// It cannot be read, or is not what it was.
    fn relation(&self, key: &Handle) -> Result<Option<Relation>, StoreError>;

    /// Keeps relations, in the place of those known under the same keys.
    ///
    /// # Errors
    /// They cannot be written; then none of them is kept.
    fn put_relations(&self, batch: &[(Handle, Relation)]) -> Result<(), StoreError>;

    /// Where a label stands.
    ///
    /// # Errors
    /// It cannot be read.
    fn label(&self, label: &Label) -> Result<Option<Handle>, StoreError>;

    /// Moves a label, or with `None` removes it, provided that it stands where
    /// it is expected.
    ///
    /// # Errors
    /// [`StoreError::LabelMoved`] if not, or it cannot be written.
    fn set_label(
        &self,
        label: &Label,
        expect: Expect,
        to: Option<Handle>,
    ) -> Result<(), StoreError>;

    /// All labels, in order.
    ///
    /// # Errors
    /// They cannot be read.
    fn labels(&self) -> Result<Vec<(Label, Handle)>, StoreError>;

    /// The stored content whose handle begins with these digits.
    ///
    /// # Errors
    /// That cannot be found out.
    fn resolve_prefix(&self, prefix: &Prefix) -> Result<Resolved, StoreError>;

    /// Returns when all that was put before is durable.
    ///
    /// # Errors
    /// It may not be; whatever was synced before is.
    fn sync(&self) -> Result<(), StoreError>;
}

/// Where a label has to stand for a change to happen.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Expect {
    /// Anywhere or nowhere.
    Any,
    /// Nowhere.
    Absent,
    /// At this handle.
    At(Handle),
}

impl Expect {
    /// Whether that is so.
    #[must_use]
    pub fn holds(&self, found: Option<Handle>) -> bool {
        match self {
            Self::Any => true,
            Self::Absent => found.is_none(),
            Self::At(handle) => found == Some(*handle),
        }
    }
}

/// What a prefix stands for in one store.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Resolved {
    /// Nothing here.
    None,
    /// This alone.
    One(Handle),
    /// Any of these, in order; the first [`Resolved::MANY_MAX`].
    Many(Vec<Handle>),
}

impl Resolved {
    /// The most candidates that are named.
    pub const MANY_MAX: usize = 20;

    pub(crate) fn of<'a>(prefix: &Prefix, names: impl Iterator<Item = &'a Handle>) -> Self {
        let mut found: Vec<Handle> = names.filter(|name| prefix.matches(name)).copied().collect();
        found.sort_unstable();
        found.truncate(Self::MANY_MAX);
        match found[..] {
            [] => Self::None,
            [one] => Self::One(one),
            _ => Self::Many(found),
        }
    }
}
