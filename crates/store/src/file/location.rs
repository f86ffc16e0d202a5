use std::fmt;

/// A place in the log: which pack, and where in it.
///
/// Ordered by number of the pack, then offset: the order of writing, except
/// for packs that a collection made.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub(crate) struct Location(u64);

const OFFSET_BITS: u32 = 40;

impl Location {
    /// The largest number of a pack.
    pub(crate) const PACK_MAX: u32 = (1 << (64 - OFFSET_BITS)) - 1;
    /// The most bytes of a pack.
    pub(crate) const OFFSET_MAX: u64 = (1 << OFFSET_BITS) - 1;

    pub(crate) const fn new(pack: u32, offset: u64) -> Self {
        debug_assert!(pack <= Self::PACK_MAX && offset <= Self::OFFSET_MAX);
        Self((pack as u64) << OFFSET_BITS | offset)
    }

    pub(crate) const fn pack(self) -> u32 {
        (self.0 >> OFFSET_BITS) as u32
    }

    pub(crate) const fn offset(self) -> u64 {
        self.0 & Self::OFFSET_MAX
    }

    /// As it is written: the pack in the upper 24 bits.
    pub(crate) const fn raw(self) -> u64 {
        self.0
    }

    pub(crate) const fn from_raw(raw: u64) -> Self {
        Self(raw)
    }
}

impl fmt::Display for Location {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{:06}:{}", self.pack(), self.offset())
    }
}
