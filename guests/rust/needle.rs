//! `needle(needle, blob)`: how often a byte string occurs, not counting
//! overlaps. The needle comes first, so that `closure(needle, "word")` counts
//! it in whatever it is given.

#![no_std]

use weft_guest::{Handle, fail, number};

weft_guest::apply!(count);

fn count(application: Handle) -> Handle {
    let [needle, hay] = application.arguments();
    let (needle, hay) = (needle.bytes(), hay.bytes());
    let Some((&first, rest)) = needle.split_first() else { fail("an empty needle") };
    let (mut found, mut at) = (0, 0);
    while let Some(&byte) = hay.get(at) {
        if byte == first && hay[at + 1..].starts_with(rest) {
            found += 1;
            at += needle.len();
        } else {
            at += 1;
        }
    }
    number(found)
}
