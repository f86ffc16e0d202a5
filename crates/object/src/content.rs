use alloc::sync::Arc;
use alloc::vec::Vec;
use core::fmt;

use crate::{DecodeError, Handle, Kind};

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
    #[inline]
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

/// What a handle of an Object names. Cloning shares it.
#[derive(Clone, Debug)]
pub enum Content {
    /// The bytes of a Blob.
    Blob(Blob),
    /// The entries of a Tree.
    Tree(Tree),
    /// The three entries of a Tag.
    Tag(Tree),
}

impl Content {
    /// Names the content; this hashes it.
    #[must_use]
    pub fn handle(&self) -> Handle {
        match self {
            Self::Blob(blob) => blob.handle(),
            Self::Tree(tree) => tree.handle(),
            // What has not three entries cannot be a Tag and is named as what
            // it is.
            Self::Tag(tree) => tree.tag_handle().unwrap_or_else(|| tree.handle()),
        }
    }

    /// Decodes the content of `handle` and checks that it is that.
    ///
    /// # Errors
    /// What does not fit.
    pub fn check(handle: &Handle, bytes: Vec<u8>) -> Result<Self, DecodeError> {
        match handle.content().kind() {
            Kind::Tree => handle.check_tree(&bytes).map(Self::Tree),
            Kind::Tag => handle.check_tree(&bytes).map(Self::Tag),
            _ => handle.check_blob(&bytes).map(|()| Self::Blob(Blob::new(bytes))),
        }
    }

    /// The bytes of a Blob.
    #[inline]
    #[must_use]
    pub fn blob(&self) -> Option<&Blob> {
        match self {
            Self::Blob(blob) => Some(blob),
            Self::Tree(_) | Self::Tag(_) => None,
        }
    }

    /// The entries of a Tree or a Tag.
    #[inline]
    #[must_use]
    pub fn tree(&self) -> Option<&Tree> {
        match self {
            Self::Blob(_) => None,
            Self::Tree(tree) | Self::Tag(tree) => Some(tree),
        }
    }

    /// Bytes of a Blob, 32 for each entry of a Tree.
    #[inline]
    #[must_use]
    pub fn bytes_len(&self) -> u64 {
        match self {
            Self::Blob(blob) => blob.bytes().len() as u64,
            Self::Tree(tree) | Self::Tag(tree) => 32 * tree.entries().len() as u64,
        }
    }

    /// Whether this is the sort of content that a handle names, as far as can
    /// be told without hashing.
    #[must_use]
    pub fn fits(&self, handle: &Handle) -> bool {
        let object = handle.content();
        let length = match (self, object.kind()) {
            (Self::Blob(blob), Kind::Blob) => blob.bytes().len(),
            (Self::Tree(tree), Kind::Tree) | (Self::Tag(tree), Kind::Tag) => tree.entries().len(),
            _ => return false,
        };
        object.length() == Some(length as u64)
    }
}
