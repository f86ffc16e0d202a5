/// SplitMix64: tiny, and the same on every machine and in every version, which
/// is what makes an input replay from its seed.
pub(crate) struct Random(u64);

impl Random {
    /// The stream for one input of one seed.
    pub(crate) fn new(seed: u64, input: u64) -> Self {
        let mut mixed = Self(seed);
        let start = mixed.next() ^ input.wrapping_mul(0xd1b5_4a32_d192_ed03);
        Self(start)
    }

    pub(crate) fn next(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut mixed = self.0;
        mixed = (mixed ^ (mixed >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        mixed = (mixed ^ (mixed >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        mixed ^ (mixed >> 31)
    }

    /// A number below `end`; 0 where `end` is 0.
    pub(crate) fn below(&mut self, end: usize) -> usize {
        let wide = u128::from(self.next()) * (end as u128);
        (wide >> 64) as usize
    }

    pub(crate) fn byte(&mut self) -> u8 {
        self.next() as u8
    }

    /// One of these, if there are any.
    pub(crate) fn pick<'a, T>(&mut self, from: &'a [T]) -> Option<&'a T> {
        from.get(self.below(from.len()))
    }
}
