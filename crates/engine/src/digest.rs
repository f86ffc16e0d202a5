use std::hash::{BuildHasher, Hasher};
use std::sync::LazyLock;

/// Hashes handles by mixing what is already a digest with a secret of the
/// process, so that nobody can prepare contents that collide.
#[derive(Clone, Copy, Default)]
pub(crate) struct ByDigest;

static SECRET: LazyLock<[u64; 2]> = LazyLock::new(|| {
    let random = std::hash::RandomState::new();
    [random.hash_one(0), random.hash_one(1) | 1]
});

impl BuildHasher for ByDigest {
    type Hasher = Mix;

    fn build_hasher(&self) -> Mix {
        Mix(0)
    }
}

pub(crate) struct Mix(u64);

impl Hasher for Mix {
    fn finish(&self) -> u64 {
        self.0
    }

    fn write(&mut self, bytes: &[u8]) {
        let [first, second] = *SECRET;
        let mut words = [0; 2];
        for (word, chunk) in words.iter_mut().zip(bytes.chunks_exact(8)) {
            *word = u64::from_le_bytes(chunk.try_into().unwrap_or_default());
        }
        let wide = u128::from(words[0] ^ first ^ self.0) * u128::from(words[1] ^ second);
        self.0 = (wide ^ (wide >> 64)) as u64;
    }

    // The length of the array, which is always 32.
    fn write_usize(&mut self, _: usize) {}
}
