use weft_object::{Blob, DecodeError, Handle, Kind, Tree};

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
    #[must_use]
    pub fn blob(&self) -> Option<&Blob> {
        match self {
            Self::Blob(blob) => Some(blob),
            Self::Tree(_) | Self::Tag(_) => None,
        }
    }

    /// The entries of a Tree or a Tag.
    #[must_use]
    pub fn tree(&self) -> Option<&Tree> {
        match self {
            Self::Blob(_) => None,
            Self::Tree(tree) | Self::Tag(tree) => Some(tree),
        }
    }

    /// Bytes of a Blob, 32 for each entry of a Tree.
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
