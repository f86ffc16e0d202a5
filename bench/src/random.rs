/// Numbers that follow from a seed: `SplitMix64`.
#[derive(Clone, Debug)]
pub(crate) struct Random(u64);

impl Random {
    /// Each bench has a sequence of its own, so that one more of them does not
    /// change the arguments of the others.
    pub(crate) fn new(seed: u64, bench: &str) -> Self {
        let of_name = blake3::hash(bench.as_bytes());
        let mut word = [0; 8];
        word.copy_from_slice(&of_name.as_bytes()[..8]);
        Self(seed.wrapping_mul(0x9e37_79b9_7f4a_7c15) ^ u64::from_le_bytes(word))
    }

    /// The numbers that follow a state.
    pub(crate) const fn of_state(state: u64) -> Self {
        Self(state)
    }

    pub(crate) fn next(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut word = self.0;
        word = (word ^ (word >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        word = (word ^ (word >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        word ^ (word >> 31)
    }

    /// Below `bound`, which is small beside 2^64.
    pub(crate) fn below(&mut self, bound: u64) -> u64 {
        ((u128::from(self.next()) * u128::from(bound)) >> 64) as u64
    }

    pub(crate) fn pair(&mut self) -> (u64, u64) {
        (self.next(), self.next())
    }
}
