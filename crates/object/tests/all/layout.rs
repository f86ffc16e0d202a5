//! The bytes of a handle, built here from what `docs/object.md` says and not
//! from the crate.

use proptest::prelude::*;
use weft_object::{Handle, Kind};

use crate::generate::world;

const DOCUMENT: &str = include_str!("../../../../docs/object.md");

fn layout(digest: blake3::Hash, length: u64, facts: u8, kind: u8) -> [u8; 32] {
    let mut raw = [0; 32];
    raw[..24].copy_from_slice(&digest.as_bytes()[..24]);
    raw[24..30].copy_from_slice(&length.to_le_bytes()[..6]);
    raw[30] = facts;
    raw[31] = kind;
    raw
}

fn key(text: &str) -> [u8; 32] {
    let mut key = [0; 32];
    key[..text.len()].copy_from_slice(text.as_bytes());
    key
}

/// The nearest step of the scale, by trying all of them.
fn footprint_code(bytes: u64) -> u8 {
    let units = bytes.div_ceil(64);
    if units == 0 {
        return 0;
    }
    let steps = (0..32u32).flat_map(|octave| (0..4u64).map(move |part| (octave, part)));
    let size = |octave: u32, part: u64| f64::from(octave).exp2() * (4 + part) as f64 / 4.0;
    let (octave, part) = steps
        // Halves are rounded up, hence the last of the equally near.
        .min_by(|&(a, b), &(c, d)| {
            let near = |octave, part| (size(octave, part) - units as f64).abs();
            near(a, b).total_cmp(&near(c, d)).then((c, d).cmp(&(a, b)))
        })
        .unwrap();
    (1 + 4 * u64::from(octave) + part).min(127) as u8
}

fn entries_facts(entries: &[Handle]) -> u8 {
    let mut bytes = 32 * entries.len() as u64;
    let mut has_encode = false;
    for entry in entries {
        let raw = entry.as_bytes();
        let length = raw[24..30].iter().rev().fold(0, |n, &byte| n << 8 | u64::from(byte));
        let code = match raw[31] {
            0x01 => footprint_code(length),
            0x02 | 0x03 => raw[30] & 0x7f,
            _ => 0,
        };
        bytes += match code.checked_sub(1) {
            None => 0,
            Some(code) => ((4 + u64::from(code % 4)) << (code / 4)) / 4 * 64,
        };
        has_encode |= raw[31] & 0x60 != 0 || (matches!(raw[31], 2 | 3) && raw[30] & 0x80 != 0);
    }
    footprint_code(bytes) | if has_encode { 0x80 } else { 0 }
}

proptest! {
    #[test]
    fn blobs(bytes in prop::collection::vec(any::<u8>(), 0..3000)) {
        let expected = if bytes.len() <= 30 {
            let mut raw = [0; 32];
            raw[..bytes.len()].copy_from_slice(&bytes);
            raw[30] = bytes.len() as u8;
            raw
        } else {
            layout(blake3::hash(&bytes), bytes.len() as u64, 0, 1)
        };
        prop_assert_eq!(*Handle::of_blob(&bytes).as_bytes(), expected);
    }

    #[test]
    fn trees_and_tags(world in world()) {
        for (handle, tree) in &world.trees {
            let entries = tree.entries();
            let bytes: Vec<u8> = entries.iter().flat_map(|e| *e.as_bytes()).collect();
            let (text, base) = match handle.kind() {
                Kind::Tag => ("weft/1 tag", 3),
                _ => ("weft/1 tree", 2),
            };
            let digest = blake3::keyed_hash(&key(text), &bytes);
            let expected = layout(digest, entries.len() as u64, entries_facts(entries), base);
            prop_assert_eq!(*handle.as_bytes(), expected);
        }
    }

    /// Many entries are hashed in groups; the borders must not show.
    #[test]
    fn wide_trees(count in prop_oneof![0..20usize, 120..140usize, 250..260usize]) {
        let entries: Vec<_> = (0..count as u64).map(Handle::of_u64).collect();
        let bytes: Vec<u8> = entries.iter().flat_map(|e| *e.as_bytes()).collect();
        let digest = blake3::keyed_hash(&key("weft/1 tree"), &bytes);
        let expected = layout(digest, count as u64, entries_facts(&entries), 2);
        prop_assert_eq!(*Handle::of_tree(&entries).as_bytes(), expected);
    }
}

/// The rows of the table of type bytes: `| 0x1a | selection | tree |`.
fn documented_types() -> Vec<(u8, String)> {
    let row = |line: &str| {
        let mut cells = line.trim_matches('|').split('|').map(str::trim);
        let byte = cells.next()?.trim_matches('`').strip_prefix("0x")?;
        Some((u8::from_str_radix(byte, 16).ok()?, cells.next()?.to_owned()))
    };
    DOCUMENT.lines().filter_map(row).collect()
}

/// The document lists every type byte that decodes, and says what it is.
#[test]
fn the_table_of_type_bytes_is_complete() {
    let documented = documented_types();
    let mut decoded = Vec::new();
    for byte in 0..=255u8 {
        // Three entries and no facts, or a literal of no bytes, or a long Blob.
        let forms = [layout([0; 32].into(), 3, 0, byte), layout([0; 32].into(), 0, 0, byte)];
        let blob = layout([0; 32].into(), 31, 0, byte);
        let handle = forms.iter().chain([&blob]).find_map(|raw| Handle::decode(raw).ok());
        decoded.extend(handle.map(|handle| (byte, handle.kind().name().to_owned())));
    }
    assert_eq!(documented, decoded);
    assert_eq!(decoded.len(), 34);
}
