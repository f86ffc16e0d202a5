//! `map(f, tree)`: the Tree of `f(entry)`, each a computation of its own.

#![no_std]

use weft_guest::{Handle, fold, tree};

weft_guest::apply!(map);

fn map(application: Handle) -> Handle {
    let [f, over] = application.arguments();
    tree(&fold::map(application.limits(), f, &over.entries_from(0)))
}
