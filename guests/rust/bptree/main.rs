//! A B+-tree as data: built from a sorted file, read one node a level.
//!
//! - `bptree("build", fanout, ref(file))`: the tree of a file of lines
//!   `key<tab>value`, sorted by the bytes of their keys
//! - `bptree("get", ref(tree), key)`: the value
//! - `bptree("range", ref(tree), from)`, `bptree("range", ref(tree), from, to)`:
//!   the lines of all keys from `from` on, and below `to`
//!
//! A node is a Tree `[keys, entry...]`: below an inner node Refs to its
//! children, in a leaf the values. Each step of a look-up is an application that
//! is given the keys of one node and asks for those of the next; the platform
//! brings nothing else. `docs/bptree.md` has it to the byte.

#![no_std]

extern crate alloc;

mod find;
mod keys;
mod make;

use alloc::vec::Vec;

use weft_guest::{Handle, blob, call, fail};

weft_guest::apply!(bptree);

fn bptree(application: Handle) -> Handle {
    if application.length() < 3 {
        fail("what to do is missing: build, get or range");
    }
    let this = This { limits: application.limits(), procedure: application.procedure() };
    let arguments = application.entries_from(3);
    let arguments = &arguments[..];
    match (application.get(2).bytes(), arguments) {
        (b"build", &[fanout, file]) => make::build(&this, fanout, file),
        (b"get", &[tree, key]) => find::get(&this, tree, key),
        (b"range", &[tree, from]) => find::range(&this, tree, &[from]),
        (b"range", &[tree, from, to]) => find::range(&this, tree, &[from, to]),
        // What these call.
        (b"piece", &[fanout, start, length, last, text]) => {
            make::piece(fanout, [start, length, last], text)
        }
        (b"join", [fanout, rows @ ..]) => make::join(&this, *fanout, rows),
        (b"pack", &[fanout, level, row]) => make::pack(&this, fanout, level.number(), row),
        (b"find", &[key, node, keys]) => find::find(&this, key, node, keys),
        (b"scan", &[bounds, node, keys]) => find::scan(&this, bounds, node, keys),
        (b"lines", &[first, keys, values]) => find::lines(first, keys, values),
        (b"concat", parts) => find::concat(parts),
        (b"build" | b"get" | b"range", _) => fail("called with another number of arguments"),
        _ => fail("unknown verb; there are build, get and range"),
    }
}

/// What goes on to whatever this function calls.
struct This {
    limits: Handle,
    procedure: Handle,
}

impl This {
    /// The Thunk of one of the verbs.
    fn call(&self, verb: &[u8], arguments: &[Handle]) -> Handle {
        let mut all = Vec::with_capacity(1 + arguments.len());
        all.push(blob(verb));
        all.extend_from_slice(arguments);
        call(self.limits, self.procedure, &all)
    }
}
