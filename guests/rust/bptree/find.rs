//! Reading: from the root down, a step for each level.

use alloc::vec::Vec;

use weft_guest::{Handle, Kind, blob, fail, fail_bytes, fold, number, tree};

use crate::This;
use crate::keys::Keys;
use crate::make::shown;

/// The root as a Ref, whatever it was given as, and the request for its keys.
fn enter(root: Handle) -> [Handle; 2] {
    let node = match root.kind() {
        Kind::Tree => root.lowered(),
        Kind::TreeRef => root,
        _ => fail("not a B+-tree"),
    };
    [node, node.select(0).strict()]
}

/// A child as a Ref, and the request for its keys.
fn descend(node: Handle, at: usize) -> [Handle; 2] {
    let child = node.select(1 + at as u64);
    [child.shallow(), child.select(0).strict()]
}

pub(crate) fn get(this: &This, tree: Handle, key: Handle) -> Handle {
    let [node, keys] = enter(tree);
    this.call(b"find", &[key, node, keys])
}

pub(crate) fn find(this: &This, key: Handle, node: Handle, keys: Handle) -> Handle {
    let wanted = key.bytes();
    let keys = Keys::parse(keys.bytes());
    match keys.child(wanted) {
        Some(at) if keys.level > 0 => {
            let [child, keys] = descend(node, at);
            this.call(b"find", &[key, child, keys])
        }
        Some(at) if keys.get(at) == wanted => node.select(1 + at as u64),
        _ => fail_bytes(&[b"there is no key `", shown(wanted), b"`"].concat()),
    }
}

pub(crate) fn range(this: &This, root: Handle, bounds: &[Handle]) -> Handle {
    let [node, keys] = enter(root);
    this.call(b"scan", &[tree(bounds), node, keys])
}

/// The lines below a node, of keys from the first bound on and below the second.
pub(crate) fn scan(this: &This, bounds: Handle, node: Handle, keys_blob: Handle) -> Handle {
    let keys = Keys::parse(keys_blob.bytes());
    let from = bounds.get(0).bytes();
    let end = match bounds.length() {
        1 => keys.len(),
        _ => keys.below(bounds.get(1).bytes()),
    };
    if keys.level == 0 {
        let first = keys.below(from);
        if first >= end {
            return blob(b"");
        }
        let values = node.select_range(1 + first as u64, 1 + end as u64).strict();
        return this.call(b"lines", &[number(first as u64), keys_blob, values]);
    }
    let first = keys.child(from).unwrap_or(0);
    let below = |at| {
        let [child, keys] = descend(node, at);
        this.call(b"scan", &[bounds, child, keys])
    };
    if first >= end {
        return blob(b"");
    }
    // One child goes on in place of this; several are brought to one.
    if first + 1 == end {
        return below(first);
    }
    let parts: Vec<Handle> = (first..end).map(|at| below(at).strict()).collect();
    fold::reduce(this.limits, tree(&[this.procedure, blob(b"concat")]), parts)
}

/// Keys from `first` on with these values, as they stood in the file.
pub(crate) fn lines(first: Handle, keys: Handle, values: Handle) -> Handle {
    let first = first.number() as usize;
    let keys = Keys::parse(keys.bytes());
    let mut text = Vec::new();
    for (at, value) in values.entries_from(0).into_iter().enumerate() {
        text.extend_from_slice(keys.get(first + at));
        text.push(b'\t');
        append(&mut text, value);
        text.push(b'\n');
    }
    blob(&text)
}

pub(crate) fn concat(parts: &[Handle]) -> Handle {
    if let [only] = *parts {
        return only;
    }
    let mut text = Vec::with_capacity(parts.iter().map(|part| part.length() as usize).sum());
    for part in parts {
        append(&mut text, *part);
    }
    blob(&text)
}

fn append(text: &mut Vec<u8>, part: Handle) {
    let start = text.len();
    text.resize(start + part.length() as usize, 0);
    part.read(0, &mut text[start..]);
}
