//! `json(blob)`: a text of JSON read into values, and these written again.

#![no_std]

use serde_json::Value;
use weft_guest::{Handle, blob, fail};

extern crate alloc;

weft_guest::apply!(json);

fn json(application: Handle) -> Handle {
    let [text] = application.arguments();
    match serde_json::from_slice::<Value>(text.bytes()) {
        Ok(value) => blob(alloc::string::ToString::to_string(&value).as_bytes()),
        Err(_) => fail("this is not JSON"),
    }
}
