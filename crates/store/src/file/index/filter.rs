//! A blocked Bloom filter: which prints are surely not in a run.

/// The bits of a filter for each entry.
const BITS_EACH: u64 = 12;
/// How many of them an entry sets.
const PROBES: u32 = 7;
/// One block is one line of the processor's cache.
const BLOCK: usize = 64;
const BLOCK_BITS: u64 = 8 * BLOCK as u64;

/// Says of 199 in 200 prints that were not added that they were not, for one
/// miss of the cache.
#[derive(Debug, Default)]
pub(crate) struct Filter(Vec<[u64; BLOCK / 8]>);

impl Filter {
    /// An empty filter for so many entries.
    pub(crate) fn new(entries: u64) -> Self {
        Self(vec![[0; 8]; (entries * BITS_EACH).div_ceil(BLOCK_BITS) as usize])
    }

    fn place(&self, print: u64) -> (usize, u64) {
        // Prints are those of digests: two products have bits enough.
        let block = folded(print, 0x9e37_79b9_7f4a_7c15);
        let block = (u128::from(block) * self.0.len() as u128) >> 64;
        (block as usize, folded(print, 0xd6e8_feb8_6659_fd93))
    }

    pub(crate) fn add(&mut self, print: u64) {
        let (block, mut bits) = self.place(print);
        for _ in 0..PROBES {
            self.0[block][(bits >> 6 & 7) as usize] |= 1 << (bits & 63);
            bits >>= 9;
        }
    }

    /// False only if it was not added.
    pub(crate) fn may_have(&self, print: u64) -> bool {
        let (block, mut bits) = self.place(print);
        let Some(words) = self.0.get(block) else { return false };
        (0..PROBES).all(|_| {
            let set = words[(bits >> 6 & 7) as usize] & 1 << (bits & 63) != 0;
            bits >>= 9;
            set
        })
    }

    pub(crate) fn bytes_len(entries: u64) -> u64 {
        (entries * BITS_EACH).div_ceil(BLOCK_BITS) * BLOCK as u64
    }

    pub(crate) fn encode(&self, out: &mut Vec<u8>) {
        out.reserve(self.0.len() * BLOCK);
        for word in self.0.as_flattened() {
            out.extend_from_slice(&word.to_le_bytes());
        }
    }

    pub(crate) fn decode(bytes: &[u8]) -> Self {
        let block = |raw: &[u8]| {
            let mut words = [0; 8];
            for (word, raw) in words.iter_mut().zip(raw.as_chunks().0) {
                *word = u64::from_le_bytes(*raw);
            }
            words
        };
        Self(bytes.chunks_exact(BLOCK).map(block).collect())
    }
}

fn folded(print: u64, by: u64) -> u64 {
    let wide = u128::from(print) * u128::from(by);
    (wide as u64) ^ (wide >> 64) as u64
}

#[cfg(test)]
mod tests {
    use super::*;

    // As digests are.
    fn prints(from: u64, many: u64) -> impl Iterator<Item = u64> {
        (from..from + many).map(|number| {
            let digest = blake3::hash(&number.to_le_bytes());
            u64::from_le_bytes(*digest.as_bytes().first_chunk().unwrap())
        })
    }

    #[test]
    fn what_was_added_is_found_and_little_else() {
        for many in [1, 100, 20_000] {
            let mut filter = Filter::new(many);
            prints(0, many).for_each(|print| filter.add(print));
            assert!(prints(0, many).all(|print| filter.may_have(print)));
            let wrong = prints(many, 100_000).filter(|print| filter.may_have(*print)).count();
            assert!(wrong < 1000, "{wrong} of 100,000 with {many}");
            let mut bytes = Vec::new();
            filter.encode(&mut bytes);
            assert_eq!(bytes.len() as u64, Filter::bytes_len(many));
            let read = Filter::decode(&bytes);
            assert_eq!(read.0, filter.0);
        }
        assert!(!Filter::new(0).may_have(7));
        assert!(!Filter::decode(&[]).may_have(7));
    }
}
