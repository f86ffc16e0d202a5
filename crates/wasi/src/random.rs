use weft_object::Handle;

/// Bytes that depend on the seed and on how many were taken before.
///
/// BLAKE3 in counter mode: block `i` is the first 24 bytes of the digest of
/// `weft/1 wasi random`, the seed's 32 bytes and `i` as eight little-endian
/// bytes, which is the digest part of that Blob's handle.
#[derive(Clone, Debug)]
pub(crate) struct Random {
    input: [u8; INPUT],
    counter: u64,
    block: [u8; BLOCK],
    used: usize,
}

const BLOCK: usize = 24;
const LABEL: &[u8; 18] = b"weft/1 wasi random";
const INPUT: usize = LABEL.len() + 32 + 8;

impl Random {
    pub(crate) fn new(seed: &[u8; 32]) -> Self {
        let mut input = [0; INPUT];
        input[..LABEL.len()].copy_from_slice(LABEL);
        input[LABEL.len()..INPUT - 8].copy_from_slice(seed);
        Self { input, counter: 0, block: [0; BLOCK], used: BLOCK }
    }

    pub(crate) fn fill(&mut self, mut out: &mut [u8]) {
        while !out.is_empty() {
            if self.used == BLOCK {
                self.next_block();
            }
            let count = out.len().min(BLOCK - self.used);
            let (here, rest) = out.split_at_mut(count);
            here.copy_from_slice(&self.block[self.used..self.used + count]);
            self.used += count;
            out = rest;
        }
    }

    /// How many bytes were taken.
    pub(crate) const fn taken(&self) -> u64 {
        self.counter.saturating_mul(BLOCK as u64).saturating_sub((BLOCK - self.used) as u64)
    }

    /// Goes on behind so many bytes.
    pub(crate) fn go_on(&mut self, taken: u64) {
        self.counter = taken / BLOCK as u64;
        self.used = BLOCK;
        let rest = (taken % BLOCK as u64) as usize;
        if rest > 0 {
            self.next_block();
            self.used = rest;
        }
    }

    fn next_block(&mut self) {
        self.input[INPUT - 8..].copy_from_slice(&self.counter.to_le_bytes());
        self.counter = self.counter.wrapping_add(1);
        self.block.copy_from_slice(&Handle::of_blob(&self.input).as_bytes()[..BLOCK]);
        self.used = 0;
    }
}
