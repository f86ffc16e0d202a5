use std::hash::{BuildHasher, Hasher, RandomState};

use weft_object::Handle;

/// Hashes handles for tables: they begin with a digest, so little is left to do.
///
/// The multiplier is drawn anew for each table. A handle's digest can be chosen
/// by trial, and a tenant must not be able to fill one bucket of all.
#[derive(Clone, Debug)]
pub struct HandleHash {
    multiplier: u64,
}

impl Default for HandleHash {
    fn default() -> Self {
        Self { multiplier: RandomState::new().hash_one(0_u8) | 1 }
    }
}

impl HandleHash {
    /// The hash of a handle, good in all its bits.
    #[inline]
    #[must_use]
    pub fn of(&self, handle: &Handle) -> u64 {
        self.mix(handle.as_bytes())
    }

    pub(crate) fn of_bytes(&self, bytes: &[u8; 32]) -> u64 {
        self.mix(bytes)
    }

    #[inline]
    fn mix(&self, bytes: &[u8; 32]) -> u64 {
        let word = |at: usize| {
            let mut raw = [0; 8];
            raw.copy_from_slice(&bytes[8 * at..8 * at + 8]);
            u64::from_le_bytes(raw)
        };
        // All four words count: the kinds of handle over one content differ in
        // the last only, literals in any.
        let folded = word(0)
            ^ word(1).rotate_left(17)
            ^ word(2).rotate_left(31)
            ^ word(3).rotate_left(47).wrapping_mul(0x9e37_79b9_7f4a_7c15);
        let wide = u128::from(folded) * u128::from(self.multiplier);
        (wide as u64) ^ (wide >> 64) as u64
    }
}

/// For the maps of the standard library.
impl BuildHasher for HandleHash {
    type Hasher = HandleHasher;

    fn build_hasher(&self) -> HandleHasher {
        HandleHasher { hash: self.clone(), value: 0 }
    }
}

/// The [`Hasher`] of [`HandleHash`]; right for handles only.
#[derive(Debug)]
pub struct HandleHasher {
    hash: HandleHash,
    value: u64,
}

impl Hasher for HandleHasher {
    fn write(&mut self, bytes: &[u8]) {
        match bytes.try_into() {
            Ok(raw) => self.value ^= self.hash.mix(raw),
            // Something else than a handle: slow, but a hash.
            Err(_) => {
                for &byte in bytes {
                    self.value = (self.value.rotate_left(5) ^ u64::from(byte))
                        .wrapping_mul(self.hash.multiplier);
                }
            }
        }
    }

    // The length that the derived `Hash` writes before the 32 bytes.
    fn write_usize(&mut self, _: usize) {}

    fn finish(&self) -> u64 {
        self.value
    }
}
