//! `sum(a, b, ...)`: the sum of any number of numbers, modulo 2^64.

#![no_std]

use weft_guest::{Handle, fold};

weft_guest::apply!(sum);

fn sum(application: Handle) -> Handle {
    fold::sum(&application.entries_from(2))
}
