//! The facts byte: what it says is true, and everyone computes the same.

use std::collections::HashMap;

use proptest::prelude::*;
use weft_object::{DecodeError, FootprintEstimate, Handle, Kind, Tree};

use crate::generate::world;

/// Looks for an Encode by reading everything, the way the bit spares us.
fn walk(handle: Handle, trees: &HashMap<Handle, Tree>) -> bool {
    match handle.kind() {
        Kind::Strict | Kind::Shallow => true,
        Kind::Tree | Kind::Tag => trees[&handle].entries().iter().any(|entry| walk(*entry, trees)),
        _ => false,
    }
}

/// The code by itself, whether or not it is ever written.
fn estimate(code: u8) -> FootprintEstimate {
    let mut raw = *Handle::of_tree(&[]).as_bytes();
    raw[30] = code;
    Handle::decode(&raw).unwrap().footprint_estimate()
}

/// With one or two units the quarters of an octave fall together.
const UNWRITTEN: [u8; 5] = [2, 3, 4, 6, 8];

#[test]
fn each_code_stands_for_itself() {
    for code in 0..=127u8 {
        let step = estimate(code);
        let nearest = FootprintEstimate::of_bytes(step.bytes());
        assert_eq!(nearest == step, !UNWRITTEN.contains(&code), "code {code}");
        assert_eq!(nearest.bytes(), step.bytes(), "code {code}");
    }
    assert_eq!(estimate(1).bytes(), 64);
    assert_eq!(estimate(127).bytes(), 192 << 30);
    assert_eq!(FootprintEstimate::of_bytes(0), FootprintEstimate::ZERO);
    assert_eq!(FootprintEstimate::of_bytes(u64::MAX), estimate(127));
}

/// An amount of bytes of any magnitude.
fn bytes() -> impl Strategy<Value = u64> {
    (any::<u64>(), 0..64u32).prop_map(|(value, shift)| value >> shift)
}

proptest! {
    #[test]
    fn estimates_are_near(bytes in bytes()) {
        let estimate = FootprintEstimate::of_bytes(bytes).bytes();
        let exact = bytes.div_ceil(64).saturating_mul(64);
        if exact <= 192 << 30 {
            prop_assert!(estimate.abs_diff(exact) * 8 <= exact, "{} for {}", estimate, bytes);
        } else {
            prop_assert_eq!(estimate, 192 << 30);
        }
    }

    #[test]
    fn estimates_are_monotone(a in bytes(), b in bytes()) {
        let (low, high) = (a.min(b), a.max(b));
        let (low, high) = (FootprintEstimate::of_bytes(low), FootprintEstimate::of_bytes(high));
        prop_assert!(low <= high && low.bytes() <= high.bytes());
    }

    #[test]
    fn estimates_do_not_drop_between_neighbors(bytes in bytes()) {
        let next = FootprintEstimate::of_bytes(bytes.saturating_add(64));
        prop_assert!(FootprintEstimate::of_bytes(bytes) <= next);
    }

    #[test]
    fn the_bit_is_what_a_walk_finds(world in world()) {
        for handle in &world.handles {
            prop_assert_eq!(handle.has_encode(), walk(*handle, &world.trees), "{:?}", handle);
        }
    }

    /// Nothing but the entries' handles goes into the facts.
    #[test]
    fn facts_follow_from_the_entries(world in world()) {
        for tree in world.trees.values() {
            let again: Vec<_> = tree.entries().iter()
                .map(|entry| Handle::decode(entry.as_bytes()).unwrap()).collect();
            let handle = Handle::of_tree(&again);
            prop_assert_eq!(handle.facts(), tree.handle().facts());
            let known: u64 = again.iter().map(|e| e.footprint_estimate().bytes()).sum();
            let expected = FootprintEstimate::of_bytes(known + 32 * again.len() as u64);
            prop_assert_eq!(handle.footprint_estimate(), expected);
        }
    }

    /// What brings nothing along weighs nothing.
    #[test]
    fn only_objects_have_a_footprint(world in world()) {
        for handle in &world.handles {
            if !handle.kind().is_object() || handle.is_literal() {
                prop_assert_eq!(handle.footprint_estimate(), FootprintEstimate::ZERO);
            }
        }
    }

    /// A handle with other facts is another name, and the content denies it.
    #[test]
    fn false_facts_are_found_out(world in world(), lie in 1..=255u8) {
        for (handle, tree) in &world.trees {
            let mut raw = *handle.as_bytes();
            raw[30] ^= lie;
            let found_out = match Handle::decode(&raw) {
                Ok(liar) => liar.check_tree(&tree.encode()).is_err(),
                // That a Tag has an Encode below it is a lie on its face.
                Err(error) => error == DecodeError::TagEncode && handle.kind() == Kind::Tag,
            };
            prop_assert!(found_out);
        }
    }
}
