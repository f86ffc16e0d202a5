//! Counts the words below a directory.
//!
//! - `wordcount("walk", directory)`: the table of all files below; a Ref will
//!   do. Each file is one `count`, each directory a few `merge`s.
//! - `wordcount("count", blob)`: the table of one text
//! - `wordcount("merge", table...)`: the table of all of them
//! - `wordcount("top", table, n)`: the n most frequent, as lines `count word`
//!
//! What a word is and how a table is laid out stands in `core.rs`.

#![no_std]

extern crate alloc;

mod core;

use alloc::vec::Vec;

use crate::core::Counter;
use weft_guest::fold::Again;
use weft_guest::{Handle, blob, fail, tree};

weft_guest::apply!(wordcount);

fn wordcount(application: Handle) -> Handle {
    if application.length() < 3 {
        fail("what to do is missing: walk, count, merge or top");
    }
    let verb = application.get(2);
    let (limits, procedure) = (application.limits(), application.procedure());
    match verb.bytes() {
        b"walk" => {
            let arguments = [verb];
            let again = Again { limits, procedure, arguments: &arguments };
            match application.length() {
                4 => again.enter(application.get(3)),
                // With the index of the directory's node, as `enter` asks for it.
                5 => {
                    let closure = |verb: &[u8]| tree(&[procedure, blob(verb)]);
                    let (count, merge) = (closure(b"count"), closure(b"merge"));
                    again.fold(count, merge, application.get(3), application.get(4))
                }
                _ => fail("wordcount(\"walk\", directory)"),
            }
        }
        b"count" => {
            let [_, text] = application.arguments();
            let mut counter = Counter::default();
            counter.count(text.bytes());
            blob(&counter.table())
        }
        b"merge" => {
            let tables: Vec<_> = application.entries_from(3);
            if let [only] = tables[..] {
                return only;
            }
            let mut counter = Counter::default();
            for table in tables {
                if counter.merge(table.bytes()).is_none() {
                    fail("not a table of words");
                }
            }
            blob(&counter.table())
        }
        b"top" => {
            let [_, table, n] = application.arguments();
            let n = usize::try_from(n.number()).unwrap_or(usize::MAX);
            match crate::core::top(table.bytes(), n) {
                Some(lines) => blob(&lines),
                None => fail("not a table of words"),
            }
        }
        _ => fail("unknown verb; there are walk, count, merge and top"),
    }
}
