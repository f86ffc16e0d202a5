//! `if(condition, then, else)`: one of two, unevaluated. Where they are Thunks,
//! only the one that is taken ever runs.

#![no_std]

use weft_guest::Handle;

weft_guest::apply!(choose);

fn choose(application: Handle) -> Handle {
    let [condition, then, otherwise] = application.arguments();
    if condition.number() != 0 { then } else { otherwise }
}
