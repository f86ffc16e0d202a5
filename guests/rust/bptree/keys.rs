//! The keys of a node: its first entry, a Blob.

use alloc::vec::Vec;

use weft_guest::{Handle, blob, fail};

/// The keys of a node where they lie.
#[derive(Clone, Copy)]
pub(crate) struct Keys<'a> {
    /// 0 is a leaf: its keys are those of the values. Above, a key is the lowest
    /// one below a child.
    pub(crate) level: u8,
    // Where each key ends in the text.
    ends: &'a [u8],
    text: &'a [u8],
}

impl<'a> Keys<'a> {
    pub(crate) fn parse(bytes: &'a [u8]) -> Self {
        let [b'w', b'b', b'p', b't', 1, level, 0, 0, n0, n1, n2, n3, rest @ ..] = bytes else {
            fail("not a B+-tree of a version known here");
        };
        let count = u32::from_le_bytes([*n0, *n1, *n2, *n3]) as usize;
        match count.checked_mul(4).and_then(|ends| rest.split_at_checked(ends)) {
            Some((ends, text)) => Self { level: *level, ends, text },
            None => fail("keys of a B+-tree that end early"),
        }
    }

    pub(crate) fn len(&self) -> usize {
        self.ends.len() / 4
    }

    fn end(&self, at: usize) -> usize {
        let raw = &self.ends[4 * at..][..4];
        u32::from_le_bytes([raw[0], raw[1], raw[2], raw[3]]) as usize
    }

    pub(crate) fn get(&self, at: usize) -> &'a [u8] {
        let start = at.checked_sub(1).map_or(0, |before| self.end(before));
        match self.text.get(start..self.end(at)) {
            Some(key) => key,
            None => fail("keys of a B+-tree that end early"),
        }
    }

    /// How many keys are below this one.
    pub(crate) fn below(&self, key: &[u8]) -> usize {
        let (mut low, mut high) = (0, self.len());
        while low < high {
            let middle = low + (high - low) / 2;
            if self.get(middle) < key {
                low = middle + 1;
            } else {
                high = middle;
            }
        }
        low
    }

    /// The child to look below for a key; none if all keys are above.
    pub(crate) fn child(&self, key: &[u8]) -> Option<usize> {
        let at = self.below(key);
        if at < self.len() && self.get(at) == key { Some(at) } else { at.checked_sub(1) }
    }
}

/// The Blob of these keys, which ascend.
pub(crate) fn write(level: u8, keys: &[&[u8]]) -> Handle {
    let text: usize = keys.iter().map(|key| key.len()).sum();
    let mut bytes = Vec::with_capacity(12 + 4 * keys.len() + text);
    bytes.extend_from_slice(&[b'w', b'b', b'p', b't', 1, level, 0, 0]);
    bytes.extend_from_slice(&(keys.len() as u32).to_le_bytes());
    let mut end = 0;
    for key in keys {
        end += key.len() as u32;
        bytes.extend_from_slice(&end.to_le_bytes());
    }
    for key in keys {
        bytes.extend_from_slice(key);
    }
    blob(&bytes)
}
