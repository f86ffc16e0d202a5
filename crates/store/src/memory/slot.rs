//! What the memory tier knows of one object.

use weft_object::{Blob, Content, Handle, Tree};

use super::Epoch;
use crate::by_handle::Named;
use crate::map;

/// Content and what is known of it. With ten million of these every byte is
/// ten megabytes, so the sort of content and the head share a word.
pub(super) enum Slot {
    Blob(Head, Blob),
    Tree(Head, Tree),
    Tag(Head, Tree),
}

const _: () = assert!(size_of::<Slot>() == 64);

pub(super) struct Head {
    pub(super) handle: Handle,
    /// The epoch in which it was last touched; past four billion, for ever.
    touched: u32,
    /// The number of the last marking that came by here, and above it whether
    /// the content is durable, and whether it is mapped. A set of what is marked
    /// would take as much memory as the collection is to save.
    marked: u32,
    /// Who holds it; 0 for nobody.
    pub(super) holder: u32,
}

/// All numbers that markings can have.
pub(super) const MARK: u32 = MAPPED - 1;
const DURABLE: u32 = 1 << 31;
const MAPPED: u32 = 1 << 30;
const FOR_EVER: u32 = u32::MAX;
// Smaller ones are not worth the look.
const MAPPED_MIN_BYTES: usize = 64 << 10;

// What an allocation costs beside its bytes: the counts of an `Arc`, for a Blob
// also the owner's pointer, length and capacity, and the allocator's own words.
const TREE_OVERHEAD_BYTES: u64 = 16 + 16;
const BLOB_OVERHEAD_BYTES: u64 = 16 + 24 + 2 * 16;

impl Named for Slot {
    fn handle(&self) -> &Handle {
        &self.head().handle
    }
}

impl Slot {
    #[inline]
    pub(super) fn new(handle: Handle, content: Content, epoch: Epoch, durable: bool) -> Self {
        let mut marked = if durable { DURABLE } else { 0 };
        if let Content::Blob(blob) = &content
            && blob.bytes().len() >= MAPPED_MIN_BYTES
            && map::is_mapped(blob.bytes())
        {
            marked |= MAPPED;
        }
        let head = Head { handle, touched: short(epoch), marked, holder: 0 };
        match content {
            Content::Blob(blob) => Self::Blob(head, blob),
            Content::Tree(tree) => Self::Tree(head, tree),
            Content::Tag(tree) => Self::Tag(head, tree),
        }
    }

    #[inline]
    pub(super) fn head(&self) -> &Head {
        match self {
            Self::Blob(head, _) | Self::Tree(head, _) | Self::Tag(head, _) => head,
        }
    }

    #[inline]
    pub(super) fn head_mut(&mut self) -> &mut Head {
        match self {
            Self::Blob(head, _) | Self::Tree(head, _) | Self::Tag(head, _) => head,
        }
    }

    #[inline]
    pub(super) fn content(&self) -> Content {
        match self {
            Self::Blob(_, blob) => Content::Blob(blob.clone()),
            Self::Tree(_, tree) => Content::Tree(tree.clone()),
            Self::Tag(_, tree) => Content::Tag(tree.clone()),
        }
    }

    #[inline]
    pub(super) fn tree(&self) -> Option<&Tree> {
        match self {
            Self::Blob(..) => None,
            Self::Tree(_, tree) | Self::Tag(_, tree) => Some(tree),
        }
    }

    #[inline]
    pub(super) fn touch(&mut self, epoch: Epoch) {
        let head = self.head_mut();
        head.touched = head.touched.max(short(epoch));
    }

    pub(super) fn is_older_than(&self, epoch: Epoch) -> bool {
        let touched = self.head().touched;
        touched != FOR_EVER && u64::from(touched) < epoch.0
    }

    #[inline]
    pub(super) fn is_durable(&self) -> bool {
        self.head().marked & DURABLE != 0
    }

    /// Whether it was not before.
    pub(super) fn make_durable(&mut self) -> bool {
        let was = self.is_durable();
        self.head_mut().marked |= DURABLE;
        !was
    }

    /// Whether this marking came by here for the first time.
    pub(super) fn mark(&mut self, number: u32) -> bool {
        let first = !self.is_marked(number);
        let head = self.head_mut();
        head.marked = head.marked & !MARK | number;
        first
    }

    pub(super) fn is_marked(&self, number: u32) -> bool {
        self.head().marked & MARK == number
    }

    /// Whether it is a Blob that the system has mapped, and that so takes no
    /// memory which anybody has to find room for.
    #[inline]
    pub(super) fn is_mapped(&self) -> bool {
        self.head().marked & MAPPED != 0
    }

    /// What the tier counts for its content.
    #[inline]
    pub(super) fn bytes(&self) -> u64 {
        match self {
            Self::Blob(..) if self.is_mapped() => BLOB_OVERHEAD_BYTES,
            Self::Blob(_, blob) => blob.bytes().len() as u64 + BLOB_OVERHEAD_BYTES,
            Self::Tree(_, tree) | Self::Tag(_, tree) => {
                32 * tree.entries().len() as u64 + TREE_OVERHEAD_BYTES
            }
        }
    }

    /// What it counts while that is durable.
    #[inline]
    pub(super) fn durable_bytes(&self) -> u64 {
        if self.is_durable() { self.bytes() } else { 0 }
    }
}

fn short(epoch: Epoch) -> u32 {
    u32::try_from(epoch.0).unwrap_or(FOR_EVER)
}
