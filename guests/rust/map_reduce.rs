//! `map-reduce(f, g, tree)`: `f` of every entry, brought to one by `g` of up to
//! 16 at a time.

#![no_std]

use weft_guest::{Handle, fold};

weft_guest::apply!(map_reduce);

fn map_reduce(application: Handle) -> Handle {
    let [f, g, over] = application.arguments();
    let limits = application.limits();
    fold::reduce(limits, g, fold::map(limits, f, &over.entries_from(0)))
}
