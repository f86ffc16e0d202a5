//! What one shard of the memory tier holds.

use hashbrown::HashTable;
use weft_object::{Blob, Content, Handle, Tree};

use super::Epoch;
use crate::hash::HandleHash;
use crate::map;
use crate::slab::Slab;

/// Content, found by its handle.
#[derive(Default)]
pub(super) struct Table {
    // Places in `slots`, by hash of the handle: 5 bytes where a slot would be
    // 64, so that what is free in it, up to half, costs little.
    index: HashTable<u32>,
    pub(super) slots: Slab<Slot>,
}

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

impl Slot {
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

    pub(super) fn head(&self) -> &Head {
        match self {
            Self::Blob(head, _) | Self::Tree(head, _) | Self::Tag(head, _) => head,
        }
    }

    pub(super) fn head_mut(&mut self) -> &mut Head {
        match self {
            Self::Blob(head, _) | Self::Tree(head, _) | Self::Tag(head, _) => head,
        }
    }

    pub(super) fn content(&self) -> Content {
        match self {
            Self::Blob(_, blob) => Content::Blob(blob.clone()),
            Self::Tree(_, tree) => Content::Tree(tree.clone()),
            Self::Tag(_, tree) => Content::Tag(tree.clone()),
        }
    }

    pub(super) fn tree(&self) -> Option<&Tree> {
        match self {
            Self::Blob(..) => None,
            Self::Tree(_, tree) | Self::Tag(_, tree) => Some(tree),
        }
    }

    pub(super) fn touch(&mut self, epoch: Epoch) {
        let head = self.head_mut();
        head.touched = head.touched.max(short(epoch));
    }

    pub(super) fn is_older_than(&self, epoch: Epoch) -> bool {
        let touched = self.head().touched;
        touched != FOR_EVER && u64::from(touched) < epoch.0
    }

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
    pub(super) fn is_mapped(&self) -> bool {
        self.head().marked & MAPPED != 0
    }

    /// What the tier counts for its content.
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
    pub(super) fn durable_bytes(&self) -> u64 {
        if self.is_durable() { self.bytes() } else { 0 }
    }
}

fn short(epoch: Epoch) -> u32 {
    u32::try_from(epoch.0).unwrap_or(FOR_EVER)
}

impl Table {
    pub(super) fn find(&mut self, hash: u64, handle: &Handle) -> Option<&mut Slot> {
        let slots = &self.slots;
        let is_it = |at: &u32| slots.get(*at as usize).head().handle == *handle;
        let at = *self.index.find(hash, is_it)?;
        Some(self.slots.get_mut(at as usize))
    }

    /// Puts in what is not there.
    pub(super) fn insert(&mut self, hash: &HandleHash, slot: Slot) {
        let of = hash.of(&slot.head().handle);
        let at = self.slots.push(slot) as u32;
        let slots = &self.slots;
        // On growth only.
        let again = |at: &u32| hash.of(&slots.get(*at as usize).head().handle);
        self.index.insert_unique(of, at, again);
    }

    /// Takes out what `wanted` says.
    pub(super) fn take(&mut self, hash: &HandleHash, wanted: impl Fn(&Slot) -> bool) -> Vec<Slot> {
        let count = self.slots.iter().filter(|slot| wanted(slot)).count();
        if count == 0 {
            return Vec::new();
        }
        let mut taken = Vec::with_capacity(count);
        if count > self.slots.len() / 8 {
            let all = std::mem::take(self);
            self.index.reserve(all.slots.len() - count, |_| 0);
            for slot in all.slots.into_iter() {
                match wanted(&slot) {
                    true => taken.push(slot),
                    false => self.insert(hash, slot),
                }
            }
            return taken;
        }
        let mut at = 0;
        while at < self.slots.len() {
            match wanted(self.slots.get(at)) {
                true => taken.extend(self.remove(hash, at)),
                false => at += 1,
            }
        }
        if self.slots.len() < self.index.capacity() / 4 {
            let slots = &self.slots;
            let again = |at: &u32| hash.of(&slots.get(*at as usize).head().handle);
            self.index.shrink_to(2 * slots.len(), again);
        }
        taken
    }

    /// Takes one out; the last takes its place.
    fn remove(&mut self, hash: &HandleHash, at: usize) -> Option<Slot> {
        let last = self.slots.len() - 1;
        let of = hash.of(&self.slots.get(at).head().handle);
        if let Ok(found) = self.index.find_entry(of, |place| *place as usize == at) {
            found.remove();
        }
        if at != last {
            let of = hash.of(&self.slots.get(last).head().handle);
            if let Some(place) = self.index.find_mut(of, |place| *place as usize == last) {
                *place = at as u32;
            }
        }
        self.slots.swap_remove(at)
    }

    /// What is allocated beside the content.
    pub(super) fn bytes(&self) -> usize {
        self.slots.bytes() + self.index.allocation_size()
    }
}
