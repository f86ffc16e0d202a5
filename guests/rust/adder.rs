//! `adder(x)` is a closure, `adder(x, y)` a sum: what the closure comes to when
//! it is applied to `y`.

#![no_std]

use weft_guest::{Handle, fail, number, tree};

weft_guest::apply!(adder);

fn adder(application: Handle) -> Handle {
    match application.length() {
        3 => tree(&[application.procedure(), application.get(2)]),
        4 => {
            let [x, y] = application.arguments();
            number(x.number().wrapping_add(y.number()))
        }
        _ => fail("called with another number of arguments"),
    }
}
