//! Counting words, apart from where they come from: the same source runs in the
//! codelet and, natively, in the benchmark that it is compared with.
//!
//! A word is a longest run of ASCII letters, in lower case. A table is a Blob
//! of records, strictly ascending by word: the word's length, its count (both
//! LEB128, the shortest form), its bytes.
//!
//! Text is read eight bytes at a time, so that a loop turns twice for most
//! words: once for the word, once for what follows it.

use alloc::vec;
use alloc::vec::Vec;

#[derive(Clone, Copy)]
struct Slot {
    /// The first eight letters, little-endian, filled up with zeros.
    head: u64,
    /// Where the others begin in `tails`.
    tail_at: u32,
    len: u32,
    count: u64,
}

const EMPTY: Slot = Slot { head: 0, tail_at: 0, len: 0, count: 0 };

/// Counts of words: a hash table with open addressing.
pub struct Counter {
    slots: Vec<Slot>,
    /// The hash's upper bits, as many as number the slots, remain after this.
    shift: u32,
    used: usize,
    tails: Vec<u8>,
}

impl Default for Counter {
    fn default() -> Self {
        const BITS: u32 = 10;
        Self { slots: vec![EMPTY; 1 << BITS], shift: 64 - BITS, used: 0, tails: Vec::new() }
    }
}

const HEAD: usize = 8;
const ONES: u64 = 0x0101_0101_0101_0101;

/// Eight bytes from a place on, filled up with zeros past the end.
#[inline]
fn load(bytes: &[u8], at: usize) -> u64 {
    match bytes.get(at..at.wrapping_add(8)).and_then(|chunk| chunk.try_into().ok()) {
        Some(chunk) => u64::from_le_bytes(chunk),
        None => load_end(bytes, at),
    }
}

#[cold]
fn load_end(bytes: &[u8], at: usize) -> u64 {
    let mut chunk = [0; 8];
    for (slot, byte) in chunk.iter_mut().zip(bytes.get(at..).unwrap_or_default()) {
        *slot = *byte;
    }
    u64::from_le_bytes(chunk)
}

/// The highest bit of each byte that is a letter, given in lower case.
#[inline]
fn letters(lower: u64) -> u64 {
    // No sum carries into the next byte: the highest bits are masked out first.
    let low = lower & (0x7f * ONES);
    let from_a = low + (0x80 - b'a' as u64) * ONES;
    let past_z = low + (0x7f - b'z' as u64) * ONES;
    from_a & !past_z & !lower & (0x80 * ONES)
}

#[inline]
fn mix(hash: u64, chunk: u64) -> u64 {
    (hash.rotate_left(23) ^ chunk).wrapping_mul(0x9e37_79b9_7f4a_7c15)
}

impl Counter {
    /// Counts the words of a text.
    pub fn count(&mut self, text: &[u8]) {
        let mut at = 0;
        while at < text.len() {
            let lower = load(text, at) | (0x20 * ONES);
            let letters_here = letters(lower);
            // What comes before the next word.
            let skip = letters_here.trailing_zeros() / 8;
            if skip > 0 {
                at += skip as usize;
                continue;
            }
            let (start, mut hash, mut head) = (at, 0, 0);
            let (mut lower, mut letters_here) = (lower, letters_here);
            loop {
                let others = !letters_here & (0x80 * ONES);
                let bits = others.trailing_zeros() & !7;
                let chunk = match bits {
                    64 => lower,
                    _ => lower & ((1 << bits) - 1),
                };
                if bits > 0 {
                    hash = mix(hash, chunk);
                }
                if at == start {
                    head = chunk;
                }
                at += bits as usize / 8;
                if bits < 64 {
                    break;
                }
                lower = load(text, at) | (0x20 * ONES);
                letters_here = letters(lower);
            }
            let tail = match at - start > HEAD {
                true => &text[start + HEAD..at],
                false => &[],
            };
            self.add(head, tail, (at - start) as u32, hash, 1);
        }
    }

    /// Adds the counts of a table; `None` if it is none.
    pub fn merge(&mut self, table: &[u8]) -> Option<()> {
        let mut records = Records(table);
        while !records.0.is_empty() {
            let (word, count) = records.next()?;
            let mut hash = 0;
            for at in (0..word.len()).step_by(8) {
                hash = mix(hash, load(word, at));
            }
            let tail = word.get(HEAD..).unwrap_or_default();
            self.add(load(word, 0), tail, word.len() as u32, hash, count);
        }
        Some(())
    }

    #[inline]
    fn add(&mut self, head: u64, tail: &[u8], len: u32, hash: u64, count: u64) {
        let mask = self.slots.len() - 1;
        let mut place = (hash >> self.shift) as usize;
        while let Some(slot) = self.slots.get_mut(place) {
            if slot.count == 0 {
                break;
            }
            if slot.head == head && slot.len == len {
                if tail.is_empty() || is_tail(&self.tails, slot.tail_at, tail) {
                    slot.count += count;
                    return;
                }
            }
            place = (place + 1) & mask;
        }
        self.insert(place, head, tail, len, count);
    }

    #[cold]
    fn insert(&mut self, place: usize, head: u64, tail: &[u8], len: u32, count: u64) {
        let tail_at = self.tails.len() as u32;
        self.tails.extend(tail.iter().map(|byte| byte | 0x20));
        self.slots[place] = Slot { head, tail_at, len, count };
        self.used += 1;
        if 4 * self.used > 3 * self.slots.len() {
            self.grow();
        }
    }

    fn grow(&mut self) {
        self.shift -= 2;
        let size = 4 * self.slots.len();
        let old = core::mem::replace(&mut self.slots, vec![EMPTY; size]);
        for slot in old.into_iter().filter(|slot| slot.count != 0) {
            let tail = self.tail(&slot);
            let mut hash = mix(0, slot.head);
            for at in (0..tail.len()).step_by(8) {
                hash = mix(hash, load(tail, at));
            }
            let mut place = (hash >> self.shift) as usize;
            while self.slots[place].count != 0 {
                place = (place + 1) & (size - 1);
            }
            self.slots[place] = slot;
        }
    }

    fn tail(&self, slot: &Slot) -> &[u8] {
        &self.tails[slot.tail_at as usize..][..(slot.len as usize).saturating_sub(HEAD)]
    }

    /// The table of what was counted.
    pub fn table(&self) -> Vec<u8> {
        let mut slots: Vec<_> = self.slots.iter().filter(|slot| slot.count != 0).collect();
        slots.sort_unstable_by(|a, b| {
            let heads = a.head.swap_bytes().cmp(&b.head.swap_bytes());
            heads.then_with(|| self.tail(a).cmp(self.tail(b)))
        });
        let mut table = Vec::with_capacity(12 * slots.len() + self.tails.len());
        for slot in slots {
            leb128(&mut table, u64::from(slot.len));
            leb128(&mut table, slot.count);
            table.extend_from_slice(&slot.head.to_le_bytes()[..HEAD.min(slot.len as usize)]);
            table.extend_from_slice(self.tail(slot));
        }
        table
    }
}

fn is_tail(tails: &[u8], at: u32, tail: &[u8]) -> bool {
    let known = &tails[at as usize..][..tail.len()];
    known.iter().zip(tail).all(|(known, byte)| *known == byte | 0x20)
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
        (count != 0 && len != 0).then_some((word, count))
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
    words.sort_unstable_by(|(a, x), (b, y)| y.cmp(x).then_with(|| a.cmp(b)));
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
