//! Building: the file in pieces, which run apart, then level by level.
//!
//! What a piece comes to, and what a level is before it is packed into nodes of
//! the next, is a *row*: a Tree `[keys, last key, node...]` of Refs, with the
//! first key below each node. (A node that this run makes becomes a Ref by
//! being evaluated, so each level is a run of its own.)

use alloc::vec::Vec;

use weft_guest::{Handle, blob, fail, fail_bytes, number, tree};

use crate::This;
use crate::keys::{self, Keys};

/// Bytes of the file that one run reads.
const PIECE: u64 = 1 << 20;
/// The longest line, with its end. A piece sees so much beyond its own end.
const LINE_MAX: u64 = 1 << 16;
const FANOUT_MAX: u64 = 4096;

fn fanout(handle: Handle) -> usize {
    match handle.number() {
        fanout @ 2..=FANOUT_MAX => fanout as usize,
        _ => fail("the fan-out is 2 to 4096"),
    }
}

pub(crate) fn build(this: &This, fanout: Handle, file: Handle) -> Handle {
    self::fanout(fanout);
    let length = file.length();
    if length == 0 {
        fail("an empty file; there is no tree without a key");
    }
    let mut arguments = Vec::with_capacity(2 + (length / PIECE) as usize);
    arguments.push(fanout);
    for start in (0..length).step_by(PIECE as usize) {
        let end = length.min(start + PIECE);
        // With the byte before it, which says whether a line begins here.
        let (from, to) = (start.saturating_sub(1), length.min(end + LINE_MAX));
        let text = file.select_range(from, to).strict();
        let last = number((to == length).into());
        let piece = [fanout, number(start), number(end - start), last, text];
        arguments.push(this.call(b"piece", &piece).strict());
    }
    this.call(b"join", &arguments)
}

/// The leaves of the lines that begin in a piece.
pub(crate) fn piece(fanout: Handle, place: [Handle; 3], text: Handle) -> Handle {
    let fanout = self::fanout(fanout);
    let [start, length, last] = place.map(Handle::number);
    let lines = Lines { text: text.bytes(), start, length, last: last != 0 };
    let mut keys: Vec<&[u8]> = Vec::new();
    let mut values = Vec::new();
    lines.each(|at, key, value| {
        if let Some(before) = keys.last().filter(|before| **before >= key) {
            unsorted(key, before, Some(at));
        }
        keys.push(key);
        values.push(blob(value));
    });
    let mut row = Row::default();
    for (from, to) in deal(keys.len(), fanout) {
        let mut leaf = Vec::with_capacity(1 + to - from);
        leaf.push(keys::write(0, &keys[from..to]));
        leaf.extend_from_slice(&values[from..to]);
        row.push(keys[from], tree(&leaf).lowered());
    }
    row.write(keys.last().copied().unwrap_or_default())
}

/// The tree of what the pieces came to.
pub(crate) fn join(this: &This, fanout: Handle, rows: &[Handle]) -> Handle {
    let mut all = Row::default();
    let mut last: Option<&[u8]> = None;
    for row in rows {
        let keys = Keys::parse(row.get(0).bytes());
        if keys.len() == 0 {
            continue;
        }
        if let Some(before) = last.filter(|before| *before >= keys.get(0)) {
            unsorted(keys.get(0), before, None);
        }
        last = Some(row.get(1).bytes());
        for (at, node) in row.entries_from(2).into_iter().enumerate() {
            all.push(keys.get(at), node);
        }
    }
    all.pack(this, fanout, 1)
}

/// One more level.
pub(crate) fn pack(this: &This, fanout: Handle, level: u64, row: Handle) -> Handle {
    let keys = Keys::parse(row.get(0).bytes());
    let mut all = Row::default();
    for (at, node) in row.entries_from(2).into_iter().enumerate() {
        all.push(keys.get(at), node);
    }
    all.pack(this, fanout, level)
}

#[derive(Default)]
struct Row<'a> {
    keys: Vec<&'a [u8]>,
    nodes: Vec<Handle>,
}

impl<'a> Row<'a> {
    fn push(&mut self, key: &'a [u8], node: Handle) {
        self.keys.push(key);
        self.nodes.push(node);
    }

    fn write(&self, last: &[u8]) -> Handle {
        let mut entries = Vec::with_capacity(2 + self.nodes.len());
        entries.extend([keys::write(0, &self.keys), blob(last)]);
        entries.extend_from_slice(&self.nodes);
        tree(&entries)
    }

    /// The root, or the computation that goes on with the next level.
    fn pack(&self, this: &This, fanout: Handle, level: u64) -> Handle {
        if let [only] = self.nodes[..] {
            return only;
        }
        let mut above = Row::default();
        for (from, to) in deal(self.nodes.len(), self::fanout(fanout)) {
            let mut node = Vec::with_capacity(1 + to - from);
            node.push(keys::write(level as u8, &self.keys[from..to]));
            node.extend_from_slice(&self.nodes[from..to]);
            above.push(self.keys[from], tree(&node));
        }
        if let [root] = above.nodes[..] {
            return root;
        }
        for node in &mut above.nodes {
            *node = node.lowered();
        }
        this.call(b"pack", &[fanout, number(level + 1), above.write(b"")])
    }
}

/// Deals so many in groups of nearly the same size, of at most `most` each.
fn deal(count: usize, most: usize) -> impl Iterator<Item = (usize, usize)> {
    let groups = count.div_ceil(most);
    (0..groups).map(move |at| {
        let border = |at: usize| (count as u64 * at as u64 / groups as u64) as usize;
        (border(at), border(at + 1))
    })
}

struct Lines<'a> {
    // From the byte before the piece on, if there is one.
    text: &'a [u8],
    start: u64,
    length: u64,
    // Whether the text ends where the file does.
    last: bool,
}

impl<'a> Lines<'a> {
    fn each(&self, mut line: impl FnMut(u64, &'a [u8], &'a [u8])) {
        let newline = |from: usize| {
            let rest = self.text.get(from..)?;
            rest.iter().position(|&byte| byte == b'\n').map(|at| from + at)
        };
        let before = self.start.min(1);
        let offset = |at: usize| self.start - before + at as u64;
        let mut at = match before {
            0 => 0,
            // A line that began in an earlier piece, and ends here or later.
            _ => match newline(0) {
                Some(end) => end + 1,
                None => return,
            },
        };
        while at < self.text.len() && offset(at) < self.start + self.length {
            let end = match newline(at) {
                Some(end) => end,
                None if self.last => self.text.len(),
                None => self.text.len() + LINE_MAX as usize,
            };
            if end - at >= LINE_MAX as usize {
                fail_at("longer than 65535 bytes", offset(at));
            }
            let text = &self.text[at..end];
            match text.iter().position(|&byte| byte == b'\t') {
                Some(tab) => line(offset(at), &text[..tab], &text[tab + 1..]),
                None => fail_at("without a tab between key and value", offset(at)),
            }
            at = end + 1;
        }
    }
}

fn fail_at(what: &str, offset: u64) -> ! {
    fail_bytes(&[b"a line ", what.as_bytes(), b", at byte ", &decimal(offset)].concat())
}

fn unsorted(key: &[u8], before: &[u8], at: Option<u64>) -> ! {
    let mut message = Vec::new();
    message.extend_from_slice(b"the file is not sorted: key `");
    message.extend_from_slice(shown(key));
    if let Some(at) = at {
        message.extend_from_slice(b"` at byte ");
        message.extend_from_slice(&decimal(at));
        message.extend_from_slice(b" comes after `");
    } else {
        message.extend_from_slice(b"` comes after `");
    }
    message.extend_from_slice(shown(before));
    message.extend_from_slice(b"`; `LC_ALL=C sort` it, one line for a key");
    fail_bytes(&message)
}

/// As much of a key as a message has room for.
pub(crate) fn shown(key: &[u8]) -> &[u8] {
    &key[..key.len().min(64)]
}

fn decimal(mut value: u64) -> Vec<u8> {
    let mut digits = Vec::new();
    loop {
        digits.push(b'0' + (value % 10) as u8);
        value /= 10;
        if value == 0 {
            digits.reverse();
            return digits;
        }
    }
}
