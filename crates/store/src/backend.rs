use std::io::Read;
use std::ops::ControlFlow;

use weft_object::{Content, Handle, Prefix};

use crate::{Collect, Collected, Finder, Label, Pin, Progress, Relation, Run, StoreError};

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

    /// Calls `visit` with each relation, the latest first, until it breaks. What
    /// is put meanwhile may be left out.
    ///
    /// # Errors
    /// They cannot be read.
    fn each_relation(
        &self,
        visit: &mut dyn FnMut(&Handle, &Relation) -> ControlFlow<()>,
    ) -> Result<(), StoreError>;

    /// The number of a finder, for [`Origin`](crate::Origin); it is noted if it
    /// was not known.
    ///
    /// # Errors
    /// It cannot be written, or there are 65,535 others.
    fn finder(&self, finder: &Finder) -> Result<u16, StoreError>;

    /// All finders; the first has number 1.
    ///
    /// # Errors
    /// They cannot be read.
    fn finders(&self) -> Result<Vec<Finder>, StoreError>;

    /// Notes a run.
    ///
    /// # Errors
    /// It cannot be written.
    fn put_run(&self, run: &Run) -> Result<(), StoreError>;

    /// The runs that are remembered, see [`Run::KEPT`], the latest first.
    ///
    /// # Errors
    /// They cannot be read.
    fn runs(&self) -> Result<Vec<Run>, StoreError>;

    /// Keeps what a handle reaches from being collected: until a time, or until
    /// it is unpinned. One handle has one pin; the longer time counts.
    ///
    /// # Errors
    /// It cannot be written.
    fn pin(&self, pin: &Pin) -> Result<(), StoreError>;

    /// Takes a pin away; whether there was one.
    ///
    /// # Errors
    /// It cannot be written.
    fn unpin(&self, handle: &Handle) -> Result<bool, StoreError>;

    /// All pins, those that have ended included until the next collection.
    ///
    /// # Errors
    /// They cannot be read.
    fn pins(&self) -> Result<Vec<Pin>, StoreError>;

    /// Of content that a collection dropped because it can be computed again:
    /// the key of the relation whose outcome reaches it.
    ///
    /// # Errors
    /// That cannot be found out.
    fn recipe(&self, handle: &Handle) -> Result<Option<Handle>, StoreError>;

    /// Keeps a handle, what it reaches, and what is known about computations in
    /// it from being collected while this process works on it. Counted: as
    /// often as held it has to be released. Nothing of this is written.
    fn hold(&self, handle: &Handle);

    /// The opposite of [`Backend::hold`].
    fn release(&self, handle: &Handle);

    /// Begins a stretch of writing in which an answer of
    /// [`contains`](Backend::contains) stays true, so that what refers to the
    /// content can be put after it; no collection begins before its end. Use
    /// [`Writing`].
    ///
    /// # Errors
    /// The backend is not there any more.
    fn begin_writing(&self) -> Result<(), StoreError>;

    /// Ends what [`Backend::begin_writing`] began.
    fn end_writing(&self);

    /// How many bytes the store may take, of all its files; `None` for any. It
    /// is kept while work goes on: what is more is collected when it was synced.
    ///
    /// # Errors
    /// It cannot be written.
    fn set_budget(&self, bytes: Option<u64>) -> Result<(), StoreError>;

    /// Removes what nobody needs, or says what would go: see [`Collect`]. One at
    /// a time; work goes on meanwhile. `tell` is called now and then.
    ///
    /// What was put, asked for, labelled, pinned or held since it began stays.
    /// When it returns, pins that had ended are gone too.
    ///
    /// # Errors
    /// Something cannot be read or written; then all that was there still is.
    fn collect(&self, options: &Collect, tell: &dyn Fn(Progress)) -> Result<Collected, StoreError>;

    /// How often a collection has removed something since the backend was
    /// opened. Whoever remembers what a backend has asks again after that.
    fn removals(&self) -> u64;

    /// What there is, and what it takes.
    ///
    /// # Errors
    /// That cannot be found out.
    fn usage(&self) -> Result<Usage, StoreError>;

    /// Returns when all that was put before is durable.
    ///
    /// # Errors
    /// It may not be; whatever was synced before is.
    fn sync(&self) -> Result<(), StoreError>;
}

/// A stretch of writing: see [`Backend::begin_writing`].
pub struct Writing<'a>(&'a dyn Backend);

impl<'a> Writing<'a> {
    /// Begins one, which ends when this is dropped.
    ///
    /// # Errors
    /// As of [`Backend::begin_writing`].
    pub fn begin(backend: &'a dyn Backend) -> Result<Self, StoreError> {
        backend.begin_writing().map(|()| Self(backend))
    }
}

impl Drop for Writing<'_> {
    fn drop(&mut self) {
        self.0.end_writing();
    }
}

impl std::fmt::Debug for Writing<'_> {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "Writing")
    }
}

/// What a backend holds and takes.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
#[non_exhaustive]
pub struct Usage {
    /// Objects: Blobs that are no literals, Trees, Tags.
    pub objects: u64,
    /// Relations.
    pub relations: u64,
    /// Content that was dropped and can be computed again.
    pub dropped: u64,
    /// Of all files together.
    pub file_bytes: u64,
    /// Of that, what nothing can read any more, until a collection.
    pub dead_bytes: u64,
    /// What a collection is to stay under, if somebody said.
    pub budget_bytes: Option<u64>,
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
