/// Numbers that look random and are the same for the same seed.
#[derive(Clone, Debug, Default)]
pub(super) struct Dice {
    state: u64,
    // Of 8, how many changes last.
    kept: u64,
}

impl Dice {
    /// Some seeds keep all that was not synced, some nothing, most a part.
    pub(super) fn new(seed: u64) -> Self {
        let mut dice = Self { state: seed, kept: 0 };
        // Seeds that follow each other are to differ in the first numbers too.
        dice.next();
        dice.kept = [0, 4, 8, 4, 7, 1][(seed % 6) as usize];
        dice
    }

    // SplitMix64.
    fn next(&mut self) -> u64 {
        self.state = self.state.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut mixed = self.state;
        mixed = (mixed ^ (mixed >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        mixed = (mixed ^ (mixed >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        mixed ^ (mixed >> 31)
    }

    /// Whether something that was not synced has lasted.
    pub(super) fn lasts(&mut self) -> bool {
        self.next() % 8 < self.kept
    }

    /// A number below another, which is not 0.
    pub(super) fn below(&mut self, end: u64) -> u64 {
        self.next() % end
    }
}
