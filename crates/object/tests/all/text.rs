//! Handles as text and as a person shortens them.

use proptest::prelude::*;
use weft_object::{Handle, Prefix};

use crate::generate::handle;

proptest! {
    #[test]
    fn a_prefix_matches_the_hex_text(a in handle(), b in handle(), digits in 4..=64usize) {
        let text = a.to_string();
        let prefix = Prefix::parse(&text[..digits]).unwrap();
        prop_assert_eq!(prefix.digits(), digits);
        prop_assert!(prefix.matches(&a));
        prop_assert_eq!(prefix.matches(&b), b.to_string().starts_with(&text[..digits]));
        prop_assert!(prefix.low() <= a.as_bytes());
    }

    /// Also where only the last digit differs, which unrelated handles never show.
    #[test]
    fn the_last_digit_counts(a in handle(), digits in 4..=48usize, other in 0..16u32) {
        let text = a.to_string();
        let mut wanted = text[..digits - 1].to_owned();
        wanted.push(char::from_digit(other, 16).unwrap());
        let prefix = Prefix::parse(&wanted).unwrap();
        prop_assert_eq!(prefix.matches(&a), text.starts_with(&wanted));
    }

    /// Sorted names: everything with a prefix stands together from `low` on.
    #[test]
    fn low_is_where_a_search_begins(a in handle(), b in handle(), digits in 4..=64usize) {
        let prefix = Prefix::parse(&a.to_string()[..digits]).unwrap();
        if b.as_bytes() < prefix.low() {
            prop_assert!(!prefix.matches(&b));
        }
    }
}

#[test]
fn text_is_64_lower_case_digits() {
    let text = Handle::of_u64(0x1f).to_string();
    assert_eq!(text, format!("1f{}0800", "0".repeat(58)));
    assert_eq!(format!("{:?}", Handle::of_blob(b"hi\n")), r#"blob("hi\\n")"#);
}

/// The digests that the BLAKE3 authors publish for their test input.
#[test]
fn b3sum_shows_the_same_digits() {
    let input: Vec<u8> = (0..1024u32).map(|i| (i % 251) as u8).collect();
    let published = "42214739f095a406f3fc83deb889744ac00df831c10daa55189b5d121c855af7";
    assert_eq!(Handle::of_blob(&input).to_string()[..48], published[..48]);
}
