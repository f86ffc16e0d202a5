//! `add(a, b)`: the sum of two numbers, modulo 2^64.

#![no_std]

use weft_guest::{Handle, number};

weft_guest::apply!(add);

fn add(application: Handle) -> Handle {
    let [a, b] = application.arguments();
    number(a.number().wrapping_add(b.number()))
}
