//! `reduce(g, tree)`: all entries of a Tree brought to one, by `g` of up to 16
//! at a time. `g` takes any number of arguments and must be associative.

#![no_std]

use weft_guest::{Handle, fold};

weft_guest::apply!(reduce);

fn reduce(application: Handle) -> Handle {
    let [g, over] = application.arguments();
    fold::reduce(application.limits(), g, over.entries_from(0))
}
