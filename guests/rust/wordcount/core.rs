//! Counting words, apart from where they come from: the same source runs in the
//! codelet and, natively, in the benchmark that it is compared with.
//!
//! A word is a longest run of ASCII letters, in lower case. A table is a Blob
//! of records, strictly ascending by word: the word's length, its count (both
//! LEB128, the shortest form), its bytes.

use alloc::vec;
use alloc::vec::Vec;

#[derive(Clone, Copy)]
struct Slot {
    hash: u32,
    len: u32,
    at: u32,
    count: u64,
}

const EMPTY: Slot = Slot { hash: 0, len: 0, at: 0, count: 0 };

/// Counts of words: a hash table with open addressing over one run of bytes.
pub struct Counter {
    slots: Vec<Slot>,
    used: usize,
    letters: Vec<u8>,
}

impl Default for Counter {
    fn default() -> Self {
        Self { slots: vec![EMPTY; 1 << 10], used: 0, letters: Vec::new() }
    }
}

const SEED: u32 = 0x811c_9dc5;

#[inline]
fn mix(hash: u32, letter: u8) -> u32 {
    (hash ^ u32::from(letter)).wrapping_mul(0x0100_0193)
}

#[inline]
fn letter(byte: u8) -> Option<u8> {
    let lower = byte | 0x20;
    lower.is_ascii_lowercase().then_some(lower)
}

impl Counter {
    /// Counts the words of a text.
    pub fn count(&mut self, text: &[u8]) {
        let mut at = 0;
        while at < text.len() {
            let start = at;
            let mut hash = SEED;
            while let Some(letter) = text.get(at).copied().and_then(letter) {
                hash = mix(hash, letter);
                at += 1;
            }
            if at > start {
                self.add(&text[start..at], hash, 1);
            }
            at += 1;
        }
    }

    /// Adds the counts of a table; `None` if it is none.
    pub fn merge(&mut self, table: &[u8]) -> Option<()> {
        let mut records = Records(table);
        while !records.0.is_empty() {
            let (word, count) = records.next()?;
            let hash = word.iter().fold(SEED, |hash, letter| mix(hash, *letter));
            self.add(word, hash, count);
        }
        Some(())
    }

    fn add(&mut self, word: &[u8], hash: u32, count: u64) {
        let mask = self.slots.len() - 1;
        // The upper bits are the better mixed ones.
        let mut place = (hash ^ (hash >> 15)) as usize & mask;
        loop {
            let slot = &mut self.slots[place];
            if slot.count == 0 {
                break;
            }
            if slot.hash == hash && slot.len as usize == word.len() {
                let known = &self.letters[slot.at as usize..][..word.len()];
                if known.iter().zip(word).all(|(known, byte)| *known == byte | 0x20) {
                    slot.count += count;
                    return;
                }
            }
            place = (place + 1) & mask;
        }
        let at = self.letters.len() as u32;
        self.letters.extend(word.iter().map(|byte| byte | 0x20));
        self.slots[place] = Slot { hash, len: word.len() as u32, at, count };
        self.used += 1;
        if 4 * self.used > 3 * self.slots.len() {
            self.grow();
        }
    }

    fn grow(&mut self) {
        let size = 4 * self.slots.len();
        let old = core::mem::replace(&mut self.slots, vec![EMPTY; size]);
        for slot in old.into_iter().filter(|slot| slot.count != 0) {
            let mut place = (slot.hash ^ (slot.hash >> 15)) as usize & (size - 1);
            while self.slots[place].count != 0 {
                place = (place + 1) & (size - 1);
            }
            self.slots[place] = slot;
        }
    }

    fn word(&self, slot: &Slot) -> &[u8] {
        &self.letters[slot.at as usize..][..slot.len as usize]
    }

    /// The table of what was counted.
    pub fn table(&self) -> Vec<u8> {
        let mut slots: Vec<_> = self.slots.iter().filter(|slot| slot.count != 0).collect();
        slots.sort_unstable_by(|a, b| self.word(a).cmp(self.word(b)));
        let mut table = Vec::with_capacity(self.letters.len() + 4 * slots.len());
        for slot in slots {
            leb128(&mut table, u64::from(slot.len));
            leb128(&mut table, slot.count);
            table.extend_from_slice(self.word(slot));
        }
        table
    }
}

fn leb128(out: &mut Vec<u8>, mut value: u64) {
    while value >= 0x80 {
        out.push(value as u8 | 0x80);
        value >>= 7;
    }
    out.push(value as u8);
}

/// The records of a table.
struct Records<'a>(&'a [u8]);

impl<'a> Records<'a> {
    fn number(&mut self) -> Option<u64> {
        let mut value = 0;
        for shift in (0..64).step_by(7) {
            let (&byte, rest) = self.0.split_first()?;
            self.0 = rest;
            value |= u64::from(byte & 0x7f) << shift;
            if byte < 0x80 {
                return Some(value);
            }
        }
        None
    }

    fn next(&mut self) -> Option<(&'a [u8], u64)> {
        let len = usize::try_from(self.number()?).ok()?;
        let count = self.number()?;
        let (word, rest) = self.0.split_at_checked(len)?;
        self.0 = rest;
        (count != 0).then_some((word, count))
    }
}

/// The `n` most frequent words of a table as lines `count word`; the earlier
/// word first where counts are equal. `None` if it is no table.
pub fn top(table: &[u8], n: usize) -> Option<Vec<u8>> {
    let mut records = Records(table);
    let mut words = Vec::new();
    while !records.0.is_empty() {
        words.push(records.next()?);
    }
    words.sort_by(|(a, x), (b, y)| y.cmp(x).then_with(|| a.cmp(b)));
    let mut out = Vec::new();
    for (word, count) in words.into_iter().take(n) {
        decimal(&mut out, count);
        out.push(b' ');
        out.extend_from_slice(word);
        out.push(b'\n');
    }
    Some(out)
}

fn decimal(out: &mut Vec<u8>, mut value: u64) {
    let mut digits = [0; 20];
    let mut at = digits.len();
    loop {
        at -= 1;
        digits[at] = b'0' + (value % 10) as u8;
        value /= 10;
        if value == 0 {
            break;
        }
    }
    out.extend_from_slice(&digits[at..]);
}
