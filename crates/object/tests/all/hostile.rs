//! Bytes from someone who means no good.

use proptest::prelude::*;
use weft_object::{DecodeError, Handle, Prefix, PrefixError, Tree};

use crate::generate::nearly_a_handle;

fn change(handle: Handle, at: usize, byte: u8) -> [u8; 32] {
    let mut raw = *handle.as_bytes();
    raw[at] = byte;
    raw
}

/// Each reason to refuse, reached by what it is there for.
#[test]
fn each_rule_refuses() {
    let blob = Handle::of_blob(&[7; 31]);
    let tree = Handle::of_tree(&[blob]);
    let tag = Handle::of_tag(&[blob, tree, blob]);
    let literal = Handle::of_blob(b"text");
    let cases = [
        // Bits 7, both Encode bits, an Encode without a Thunk, a literal's Ref,
        // an application and a selection of something else than a Tree Object.
        (change(blob, 31, 0x81), DecodeError::UnknownType(0x81)),
        (change(tree, 31, 0x6a), DecodeError::UnknownType(0x6a)),
        (change(tree, 31, 0x22), DecodeError::UnknownType(0x22)),
        (change(tree, 31, 0x42), DecodeError::UnknownType(0x42)),
        (change(literal, 31, 0x04), DecodeError::UnknownType(0x04)),
        (change(literal, 31, 0x14), DecodeError::UnknownType(0x14)),
        (change(literal, 31, 0x08), DecodeError::UnknownType(0x08)),
        (change(blob, 31, 0x09), DecodeError::UnknownType(0x09)),
        (change(tree, 31, 0x0e), DecodeError::UnknownType(0x0e)),
        (change(tag, 31, 0x0b), DecodeError::UnknownType(0x0b)),
        (change(blob, 31, 0x19), DecodeError::UnknownType(0x19)),
        (change(tree, 31, 0x1e), DecodeError::UnknownType(0x1e)),
        (change(literal, 30, 31), DecodeError::LiteralLength(31)),
        (change(literal, 30, 3), DecodeError::LiteralPadding),
        (change(literal, 29, 1), DecodeError::LiteralPadding),
        (change(blob, 24, 30), DecodeError::NotLiteral(30)),
        (change(blob, 30, 1), DecodeError::BlobFacts(1)),
        (change(tag, 24, 2), DecodeError::TagLength(2)),
        (change(tag, 24, 4), DecodeError::TagLength(4)),
        (change(tag, 29, 1), DecodeError::TagLength(3 + (1 << 40))),
        (change(tag, 30, 0x80), DecodeError::TagEncode),
    ];
    for (raw, error) in cases {
        assert_eq!(Handle::decode(&raw), Err(error), "{error}");
    }
    assert_eq!(Handle::try_from(&[0; 31][..]), Err(DecodeError::Length(31)));
    assert_eq!(Handle::try_from(&[0; 33][..]), Err(DecodeError::Length(33)));
    assert_eq!(Tree::decode(&[0; 33]), Err(DecodeError::TreeBytes(33)));
    let bad_entry = change(blob, 31, 0x80);
    let bytes = [*blob.as_bytes(), bad_entry].concat();
    assert_eq!(Tree::decode(&bytes), Err(DecodeError::UnknownType(0x80)));
    assert_eq!(blob.check_blob(&[8; 31]), Err(DecodeError::Mismatch));
    assert_eq!(blob.check_blob(&[7; 32]), Err(DecodeError::Mismatch));
    assert_eq!(tree.check_tree(&[]), Err(DecodeError::Mismatch));
}

/// The content of one sort is never accepted under the name of another.
#[test]
fn sorts_do_not_pass_for_one_another() {
    let entries = [1, 2, 3].map(Handle::of_u64);
    let bytes = Tree::new(entries).encode();
    let (tree, tag) = (Handle::of_tree(&entries), Handle::of_tag(&entries));
    let blob = Handle::of_blob(&bytes);
    let digests = [tree, tag, blob].map(|handle| handle.as_bytes()[..24].to_vec());
    assert!(digests[0] != digests[1] && digests[1] != digests[2] && digests[0] != digests[2]);
    // A forger takes the digest that anyone can compute and relabels it.
    let forged_tag = Handle::decode(&change(tree, 31, tag.as_bytes()[31])).unwrap();
    assert_eq!(forged_tag.check_tree(&bytes), Err(DecodeError::Mismatch));
    let mut raw = change(blob, 31, tree.as_bytes()[31]);
    raw[24..31].copy_from_slice(&tree.as_bytes()[24..31]);
    let forged_tree = Handle::decode(&raw).unwrap();
    assert_eq!(forged_tree.check_tree(&bytes), Err(DecodeError::Mismatch));
    assert_eq!(tree.check_blob(&bytes), Err(DecodeError::Mismatch));
    assert_eq!(blob.check_tree(&bytes), Err(DecodeError::Mismatch));
}

#[test]
fn text_that_is_no_handle() {
    let good = Handle::of_u64(1).to_string();
    let parse = |text: &str| text.parse::<Handle>();
    assert_eq!(parse(""), Err(DecodeError::Length(0)));
    assert_eq!(parse(&good[1..]), Err(DecodeError::Length(63)));
    assert_eq!(parse(&format!("{good}0")), Err(DecodeError::Length(65)));
    assert_eq!(parse(&good.replacen('0', "A", 1)), Err(DecodeError::Digit(0)));
    assert_eq!(parse(&format!("0x{}", &good[2..])), Err(DecodeError::Digit(1)));
    // 64 bytes, but not 64 characters: no slicing inside one.
    assert_eq!(parse(&format!("{}é", &good[2..])), Err(DecodeError::Digit(62)));
    assert_eq!(parse(&format!("{}99", &good[2..])), Err(DecodeError::UnknownType(0x99)));
}

#[test]
fn text_that_is_no_prefix() {
    assert_eq!(Prefix::parse("1f3"), Err(PrefixError::TooShort(3)));
    assert_eq!(Prefix::parse(""), Err(PrefixError::TooShort(0)));
    assert_eq!(Prefix::parse(&"0".repeat(65)), Err(PrefixError::TooLong(65)));
    assert_eq!(Prefix::parse("1f3A"), Err(PrefixError::Digit(3)));
    assert_eq!(Prefix::parse("é123"), Err(PrefixError::Digit(0)));
}

proptest! {
    /// Questions about bytes that decoded never panic and never contradict one
    /// another, whatever the fields say.
    #[test]
    fn any_decoded_handle_answers(raw in nearly_a_handle()) {
        let Ok(handle) = Handle::decode(&raw) else { return Ok(()) };
        prop_assert_eq!(handle.length().is_some(), handle.kind().is_data());
        prop_assert!(handle.length().unwrap_or(0) <= Handle::LENGTH_MAX);
        prop_assert!(handle.literal_bytes().is_none() || handle.is_literal());
        prop_assert!(handle.footprint_estimate().bytes() <= 192 << 30);
        let shown = format!("{handle:?} {handle}");
        prop_assert!(shown.ends_with(&handle.to_string()));
    }

    #[test]
    fn trees_of_any_bytes(bytes in prop::collection::vec(any::<u8>(), 0..200)) {
        if let Ok(tree) = Tree::decode(&bytes) {
            prop_assert_eq!(tree.encode(), bytes);
        }
    }
}
