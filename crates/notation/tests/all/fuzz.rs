//! The fuzz targets on seeded inputs, and on those that are likely to matter.

use proptest::prelude::*;
use weft_notation::fuzz::{fuzz_handle, fuzz_notation};
use weft_object::Handle;

use crate::generate::{expr, nearly_an_expression};

proptest! {
    #![proptest_config(ProptestConfig::with_cases(2000))]

    #[test]
    fn notation_of_any_bytes(data in prop::collection::vec(any::<u8>(), 0..200)) {
        fuzz_notation(&data);
    }

    #[test]
    fn notation_of_likely_text(text in nearly_an_expression()) {
        fuzz_notation(text.as_bytes());
    }

    #[test]
    fn notation_of_expressions(expr in expr()) {
        fuzz_notation(expr.to_string().as_bytes());
    }

    #[test]
    fn handles_of_any_bytes(data in prop::collection::vec(any::<u8>(), 0..200)) {
        fuzz_handle(&data);
    }

    /// Random digests, but fields that can be right.
    #[test]
    fn handles_of_likely_bytes(digest: [u8; 24], length in 0..64u64, facts: u8, kind in 0..0x60u8) {
        let mut raw = [0; 32];
        raw[..24].copy_from_slice(&digest);
        raw[24..30].copy_from_slice(&length.to_le_bytes()[..6]);
        (raw[30], raw[31]) = (facts, kind);
        fuzz_handle(&raw);
        raw[30] = 0;
        fuzz_handle(&raw);
        raw[..30].fill(0);
        fuzz_handle(&raw);
    }
}

#[test]
fn handles_as_content_and_as_text() {
    let handles = [Handle::of_u64(1), Handle::of_blob(&[1; 40]), Handle::of_tree(&[])];
    let bytes: Vec<u8> = handles.iter().flat_map(|handle| *handle.as_bytes()).collect();
    fuzz_handle(&bytes);
    fuzz_handle(handles[1].to_string().as_bytes());
    fuzz_notation(format!("[#{}, #{}]", handles[1], handles[2]).as_bytes());
}
