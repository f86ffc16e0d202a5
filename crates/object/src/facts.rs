//! The facts byte of a Tree: what its handle says about what lies below.

use crate::Handle;

/// What a Tree's handle tells without its content.
///
/// Computed from the handles of the entries alone, so whoever has the content
/// can check it and whoever has only the handle can rely on it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Default)]
pub struct Facts(u8);

const HAS_ENCODE: u8 = 0x80;

impl Facts {
    #[inline]
    pub(crate) const fn from_byte(byte: u8) -> Self {
        Self(byte)
    }

    #[inline]
    pub(crate) const fn byte(self) -> u8 {
        self.0
    }

    /// The facts of a Tree with these entries.
    #[inline]
    pub(crate) fn of_entries(entries: &[Handle]) -> Self {
        let mut has_encode = false;
        let mut bytes = 32 * entries.len() as u64;
        for entry in entries {
            has_encode |= entry.has_encode();
            bytes = bytes.saturating_add(entry.footprint_estimate().bytes());
        }
        let flag = if has_encode { HAS_ENCODE } else { 0 };
        Self(flag | FootprintEstimate::of_bytes(bytes).0)
    }

    /// Whether an Encode can be reached from the Tree through Objects. Where
    /// this is false the Tree is its own evaluation, however large it is.
    #[inline]
    #[must_use]
    pub const fn has_encode(self) -> bool {
        self.0 & HAS_ENCODE != 0
    }

    /// The estimated footprint.
    #[inline]
    #[must_use]
    pub const fn footprint_estimate(self) -> FootprintEstimate {
        FootprintEstimate(self.0 & !HAS_ENCODE)
    }
}

/// An estimate of the bytes reachable through Objects, on a logarithmic scale.
///
/// Seven bits: zero, or four steps to the octave from 64 bytes to 192 GiB,
/// where it saturates. What is shared counts once for each way to reach it, and
/// each level rounds to the nearest step, so the estimate steers (placement,
/// order of loading) and decides nothing.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Default)]
pub struct FootprintEstimate(u8);

const UNIT_BYTES: u64 = 64;
const MAX_CODE: u8 = 0x7f;

impl FootprintEstimate {
    /// Nothing but the handle itself.
    pub const ZERO: Self = Self(0);

    /// The nearest step to a number of bytes.
    #[inline]
    #[must_use]
    pub fn of_bytes(bytes: u64) -> Self {
        let units = bytes.div_ceil(UNIT_BYTES);
        if units == 0 {
            return Self::ZERO;
        }
        let octave = units.ilog2();
        // Two bits below the leading one, rounded; 8 carries into the octave.
        let mantissa = match octave {
            0 | 1 => units << (2 - octave),
            _ => (units + (1 << (octave - 2) >> 1)) >> (octave - 2),
        };
        let code = 1 + 4 * u64::from(octave) + (mantissa - 4);
        Self(u8::try_from(code).unwrap_or(MAX_CODE).min(MAX_CODE))
    }

    /// The bytes that this step stands for.
    #[inline]
    #[must_use]
    pub const fn bytes(self) -> u64 {
        if self.0 == 0 {
            return 0;
        }
        let code = (self.0 - 1) as u64;
        ((4 + code % 4) << (code / 4)) / 4 * UNIT_BYTES
    }
}
