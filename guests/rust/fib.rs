//! `fib(add, n)`: the nth Fibonacci number by recursion in Thunks. It never
//! waits: it returns the sum of two requests. `fib(add, k)` is one computation
//! wherever it is wanted, so there are n of them, not 2^n.

#![no_std]

use weft_guest::{Handle, call, number};

weft_guest::apply!(fib);

fn fib(application: Handle) -> Handle {
    let [add, n] = application.arguments();
    let value = n.number();
    if value < 2 {
        return number(value);
    }
    let (limits, fib) = (application.limits(), application.procedure());
    let before = |less| call(limits, fib, &[add, number(value - less)]).strict();
    call(limits, add, &[before(1), before(2)])
}
