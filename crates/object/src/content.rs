use alloc::sync::Arc;
use alloc::vec::Vec;
use core::fmt;

use crate::{DecodeError, Handle};

/// The content of a Blob: shared, immutable bytes.
///
/// The bytes may live on the heap or in whatever an owner keeps alive, such as
/// a mapped file. Cloning copies a pointer.
#[derive(Clone)]
pub struct Blob(Arc<dyn AsRef<[u8]> + Send + Sync>);

impl Blob {
    /// Shares the bytes of an owner.
    pub fn new(owner: impl AsRef<[u8]> + Send + Sync + 'static) -> Self {
        Self(Arc::new(owner))
    }

    /// The bytes.
    #[must_use]
    pub fn bytes(&self) -> &[u8] {
        (*self.0).as_ref()
    }

    /// Names the bytes; this hashes them unless they fit a literal.
    #[must_use]
    pub fn handle(&self) -> Handle {
        Handle::of_blob(self.bytes())
    }
}

impl fmt::Debug for Blob {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Blob({} bytes)", self.bytes().len())
    }
}

/// The content of a Tree or a Tag: shared, immutable entries.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Tree(Arc<[Handle]>);

impl Tree {
    /// A Tree of these entries.
    pub fn new(entries: impl Into<Arc<[Handle]>>) -> Self {
        Self(entries.into())
    }

    /// The entries.
    #[must_use]
    pub fn entries(&self) -> &[Handle] {
        &self.0
    }

    /// Names the Tree; this hashes the entries.
    #[must_use]
    pub fn handle(&self) -> Handle {
        Handle::of_tree(&self.0)
    }

    /// Names these entries as a Tag's; `None` unless there are three.
    #[must_use]
    pub fn tag_handle(&self) -> Option<Handle> {
        Some(Handle::of_tag(self.entries().try_into().ok()?))
    }

    /// The bytes by which a Tree is hashed, stored and sent: the entries one
    /// after the other.
    #[must_use]
    pub fn encode(&self) -> Vec<u8> {
        self.0.iter().flat_map(|entry| *entry.as_bytes()).collect()
    }

    /// Reads what [`Tree::encode`] wrote. That they belong to some handle is
    /// for [`Handle::check_tree`] to say.
    ///
    /// # Errors
    /// A length that is no multiple of 32, or the first entry that is no handle.
    pub fn decode(bytes: &[u8]) -> Result<Self, DecodeError> {
        if !bytes.len().is_multiple_of(32) {
            return Err(DecodeError::TreeBytes(bytes.len()));
        }
        let entries: Result<Arc<[Handle]>, _> =
            bytes.chunks_exact(32).map(Handle::try_from).collect();
        Ok(Self(entries?))
    }
}
