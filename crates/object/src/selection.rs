use alloc::vec;
use alloc::vec::Vec;

use crate::Handle;

/// What a selection takes of its target: the entries after the first of the
/// Tree `[target, ...]` that defines it.
///
/// Numbers are literals of exactly eight bytes and the two words are shorter,
/// so the forms cannot be mistaken for one another.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Selection {
    /// `[target, index]`: one entry of a Tree, one byte of a Blob.
    Entry(u64),
    /// `[target, from, to]`: a Tree of the entries, or a Blob of the bytes,
    /// from `from` up to and without `to`.
    Range(u64, u64),
    /// `[target, "path", bytes]`: what a directory holds under a path; the
    /// handle is the Blob of the path's bytes.
    Path(Handle),
    /// `[target, "digest", from, to]`: a Blob of eight bytes for each entry of
    /// a Tree, its kind and length and nothing of its content.
    Digest(u64, u64),
}

const PATH: &[u8] = b"path";
const DIGEST: &[u8] = b"digest";

impl Selection {
    /// Reads the definition of a selection: its target and what is taken.
    /// `None` if it is ill-formed.
    #[must_use]
    pub fn parse(definition: &[Handle]) -> Option<(Handle, Self)> {
        let (target, rest) = definition.split_first()?;
        let selection = match rest {
            [index] => Self::Entry(index.literal_u64()?),
            [word, path] if word.literal_bytes() == Some(PATH) => {
                (path.kind() == crate::Kind::Blob).then_some(Self::Path(*path))?
            }
            [word, from, to] if word.literal_bytes() == Some(DIGEST) => {
                Self::Digest(from.literal_u64()?, to.literal_u64()?)
            }
            [from, to] => Self::Range(from.literal_u64()?, to.literal_u64()?),
            _ => return None,
        };
        Some((*target, selection))
    }

    /// The entries of the Tree that defines this selection of `target`.
    #[must_use]
    pub fn definition(&self, target: Handle) -> Vec<Handle> {
        // Both words fit a literal, so this is how a Blob of them is named.
        let word = Handle::of_blob;
        match *self {
            Self::Entry(index) => vec![target, Handle::of_u64(index)],
            Self::Range(from, to) => vec![target, Handle::of_u64(from), Handle::of_u64(to)],
            Self::Path(path) => vec![target, word(PATH), path],
            Self::Digest(from, to) => {
                vec![target, word(DIGEST), Handle::of_u64(from), Handle::of_u64(to)]
            }
        }
    }
}
