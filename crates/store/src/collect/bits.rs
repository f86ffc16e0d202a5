//! Sets of small numbers.

/// A set of numbers below a bound, one bit each.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct Bits(Vec<u64>);

impl Bits {
    pub(crate) fn new(bound: usize) -> Self {
        Self(vec![0; bound.div_ceil(64)])
    }

    pub(crate) fn has(&self, number: u32) -> bool {
        self.0[number as usize / 64] >> (number % 64) & 1 != 0
    }

    /// The same of any number: one beyond the bound is not in it.
    pub(crate) fn has_some(&self, number: u32) -> bool {
        (number as usize) < 64 * self.0.len() && self.has(number)
    }

    /// Adds a number; whether it was not there.
    pub(crate) fn add(&mut self, number: u32) -> bool {
        let word = &mut self.0[number as usize / 64];
        let before = *word;
        *word |= 1 << (number % 64);
        *word != before
    }

    /// Adds any number: the bound grows.
    pub(crate) fn add_some(&mut self, number: u32) {
        let words = number as usize / 64 + 1;
        if self.0.len() < words {
            self.0.resize(words, 0);
        }
        self.add(number);
    }

    pub(crate) fn remove(&mut self, number: u32) {
        self.0[number as usize / 64] &= !(1 << (number % 64));
    }
}
