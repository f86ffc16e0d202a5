//! From inputs that are nearly right to inputs that are nearly right otherwise.

use crate::random::Random;

/// The longest input that is made.
const LENGTH_MAX: usize = 64 << 10;

/// Numbers at which code tends to turn wrong, of every width.
const EDGES: [u64; 12] = [
    0,
    1,
    0x7f,
    0x80,
    0xff,
    0x7fff,
    0xffff,
    0x7fff_ffff,
    0x8000_0000,
    0xffff_ffff,
    0xffff_ffff_ffff,
    u64::MAX,
];

/// Input number `input` of this seed: one of `seeds` changed in a few places,
/// or now and then bytes without any sense. `words` are what inputs of this
/// sort are made of.
pub(crate) fn input(seed: u64, input: u64, seeds: &[Vec<u8>], words: &[&[u8]]) -> Vec<u8> {
    let mut random = Random::new(seed, input);
    let mut bytes = match random.below(16) {
        0 => noise(&mut random, words),
        _ => random.pick(seeds).cloned().unwrap_or_default(),
    };
    // Mostly few changes: what changed much is refused early.
    let most = 1 << random.below(5);
    let changes = 1 + random.below(most);
    for _ in 0..changes {
        change(&mut random, &mut bytes, seeds, words);
    }
    bytes.truncate(LENGTH_MAX);
    bytes
}

fn noise(random: &mut Random, words: &[&[u8]]) -> Vec<u8> {
    let mut bytes = Vec::new();
    for _ in 0..random.below(64) {
        match random.pick(words) {
            Some(word) if random.below(4) > 0 => bytes.extend_from_slice(word),
            _ => bytes.push(random.byte()),
        }
    }
    bytes
}

fn change(random: &mut Random, bytes: &mut Vec<u8>, seeds: &[Vec<u8>], words: &[&[u8]]) {
    let at = random.below(bytes.len() + 1);
    let longest = (bytes.len() - at).min(1 << random.below(8));
    let range = at..at + random.below(longest + 1);
    match random.below(10) {
        0 => {
            if let Some(byte) = bytes.get_mut(at) {
                *byte ^= 1 << random.below(8);
            }
        }
        1 => {
            if let Some(byte) = bytes.get_mut(at) {
                *byte = random.byte();
            }
        }
        2 => drop(bytes.drain(range)),
        3 => bytes.truncate(at),
        4 => {
            let copy = bytes[range].to_vec();
            let to = random.below(bytes.len() + 1);
            bytes.splice(to..to, copy);
        }
        5 => {
            let added: Vec<u8> = (0..random.below(9)).map(|_| random.byte()).collect();
            bytes.splice(at..at, added);
        }
        6 => {
            let edge = random.pick(&EDGES).copied().unwrap_or(0).to_le_bytes();
            let width = 1 << random.below(4);
            let end = (at + width).min(bytes.len());
            bytes.splice(at..end, edge[..width].iter().copied());
        }
        7 | 8 => {
            if let Some(word) = random.pick(words) {
                // In place of something, or between.
                let end = if random.below(2) == 0 { at } else { range.end };
                bytes.splice(at..end, word.iter().copied());
            }
        }
        _ => {
            if let Some(other) = random.pick(seeds) {
                let from = random.below(other.len() + 1);
                bytes.truncate(at);
                bytes.extend_from_slice(&other[from..]);
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_seed_repeats_and_inputs_differ() {
        let seeds = [b"apply(f, x)".to_vec(), vec![0; 40]];
        let words: [&[u8]; 2] = [b"strict(", b")"];
        let made: Vec<Vec<u8>> = (0..200).map(|at| input(7, at, &seeds, &words)).collect();
        let again: Vec<Vec<u8>> = (0..200).map(|at| input(7, at, &seeds, &words)).collect();
        assert_eq!(made, again);
        let mut different = made.clone();
        different.sort();
        different.dedup();
        assert!(different.len() > 150, "only {} different inputs", different.len());
        assert_ne!(made[0], input(8, 0, &seeds, &words));
        assert!(made.iter().any(|m| m.windows(7).any(|w| w == b"strict(")), "words are used");
    }

    #[test]
    fn nothing_to_start_from_is_no_obstacle() {
        assert!((0..500).any(|at| !input(1, at, &[], &[]).is_empty()));
    }
}
