//! `fold(f, g, directory)`: `f` of every file below a directory, brought to one
//! by `g`. The directory may be a Ref; each index is read once and each file
//! goes to its own `f`.

#![no_std]

use weft_guest::fold::Again;
use weft_guest::{Handle, fail};

weft_guest::apply!(fold);

fn fold(application: Handle) -> Handle {
    let again = |arguments| Again {
        limits: application.limits(),
        procedure: application.procedure(),
        arguments,
    };
    match application.length() {
        5 => {
            let [f, g, directory] = application.arguments();
            again(&[f, g]).enter(directory)
        }
        // With the index of the directory's node, as `enter` asks for it.
        6 => {
            let [f, g, directory, index] = application.arguments();
            again(&[f, g]).fold(f, g, directory, index)
        }
        _ => fail("called with another number of arguments"),
    }
}
