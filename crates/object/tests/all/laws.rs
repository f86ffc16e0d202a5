//! What the operations on handles do to one another.

use proptest::prelude::*;
use weft_object::{Blob, Handle, Kind, Selection, Tree};

use crate::generate::{handle, nearly_a_handle, world};

const KINDS: [Kind; 11] = [
    Kind::Blob,
    Kind::Tree,
    Kind::Tag,
    Kind::BlobRef,
    Kind::TreeRef,
    Kind::TagRef,
    Kind::Application,
    Kind::Identification,
    Kind::Selection,
    Kind::Strict,
    Kind::Shallow,
];

#[test]
fn each_kind_is_one_sort_of_thing() {
    for kind in KINDS {
        let sorts = [kind.is_object(), kind.is_ref(), kind.is_thunk(), kind.is_encode()];
        assert_eq!(sorts.iter().filter(|&&is| is).count(), 1, "{kind}");
        assert_eq!(kind.is_data(), kind.is_object() || kind.is_ref(), "{kind}");
    }
}

/// Every kind is met, so the properties below speak of all of them.
#[test]
fn the_generator_reaches_every_kind() {
    use proptest::strategy::ValueTree;
    let mut runner = proptest::test_runner::TestRunner::deterministic();
    let mut missing = KINDS.to_vec();
    for _ in 0..200 {
        let world = world().new_tree(&mut runner).unwrap().current();
        missing.retain(|kind| world.handles.iter().all(|handle| handle.kind() != *kind));
        if missing.is_empty() {
            return;
        }
    }
    panic!("never generated: {missing:?}");
}

proptest! {
    #[test]
    fn decoding_gives_back_what_was_encoded(handle in handle()) {
        prop_assert_eq!(Handle::decode(handle.as_bytes()), Ok(handle));
        prop_assert_eq!(Handle::try_from(&handle.as_bytes()[..]), Ok(handle));
        prop_assert_eq!(handle.to_string().parse(), Ok(handle));
    }

    /// No second form of anything is accepted.
    #[test]
    fn whatever_decodes_encodes_to_the_same_bytes(raw in nearly_a_handle()) {
        if let Ok(handle) = Handle::decode(&raw) {
            prop_assert_eq!(handle.as_bytes(), &raw);
            if let Some(bytes) = handle.content().literal_bytes() {
                prop_assert_eq!(Handle::of_blob(bytes), handle.content());
            }
        }
    }

    /// Nothing that can be made from a handle is refused elsewhere.
    #[test]
    fn every_derived_handle_decodes(raw in nearly_a_handle()) {
        let Ok(handle) = Handle::decode(&raw) else { return Ok(()) };
        let derived = [
            handle.lift(), handle.lower(), Some(handle.content()), handle.application(),
            handle.identification(), handle.selection(), handle.strict(), handle.shallow(),
            handle.thunk(), handle.definition(),
        ];
        for made in derived.into_iter().flatten() {
            prop_assert_eq!(Handle::decode(made.as_bytes()), Ok(made));
            prop_assert_eq!(made.content(), handle.content());
        }
    }

    #[test]
    fn lift_and_lower_are_projections_of_data(handle in handle()) {
        let kind = handle.kind();
        prop_assert_eq!(handle.lift().is_some(), kind.is_data());
        prop_assert_eq!(handle.lower().is_some(), kind.is_data());
        if let (Some(lifted), Some(lowered)) = (handle.lift(), handle.lower()) {
            prop_assert!(lifted.kind().is_object());
            prop_assert_eq!(lowered.kind().is_ref(), !handle.is_literal());
            prop_assert_eq!(lifted, handle.content());
            prop_assert_eq!(lifted.lift(), Some(lifted));
            prop_assert_eq!(lowered.lower(), Some(lowered));
            prop_assert_eq!(lowered.lift(), Some(lifted));
            prop_assert_eq!(lifted.lower(), Some(lowered));
            prop_assert_eq!(lifted.length(), lowered.length());
            prop_assert!(handle == lifted || handle == lowered);
        }
    }

    #[test]
    fn thunks_wrap_and_unwrap(handle in handle()) {
        let kind = handle.kind();
        prop_assert_eq!(handle.application().is_some(), kind == Kind::Tree);
        prop_assert_eq!(handle.selection().is_some(), kind == Kind::Tree);
        prop_assert_eq!(handle.identification().is_some(), kind.is_data());
        let made = [
            (handle.application(), Kind::Application),
            (handle.selection(), Kind::Selection),
            (handle.identification(), Kind::Identification),
        ];
        for (thunk, as_kind) in made {
            if let Some(thunk) = thunk {
                prop_assert_eq!(thunk.kind(), as_kind);
                prop_assert_eq!(thunk.definition(), Some(handle));
                prop_assert_eq!(thunk.length(), None);
            }
        }
        prop_assert_eq!(handle.definition().is_some(), kind.is_thunk());
    }

    #[test]
    fn encodes_wrap_and_unwrap(handle in handle()) {
        let kind = handle.kind();
        prop_assert_eq!(handle.strict().is_some(), kind.is_thunk());
        prop_assert_eq!(handle.shallow().is_some(), kind.is_thunk());
        for (encode, as_kind) in
            [(handle.strict(), Kind::Strict), (handle.shallow(), Kind::Shallow)]
        {
            if let Some(encode) = encode {
                prop_assert_eq!(encode.kind(), as_kind);
                prop_assert_eq!(encode.thunk(), Some(handle));
                prop_assert_eq!(encode.strict(), None, "nothing asks for a request");
                prop_assert_eq!(encode.length(), None);
                prop_assert!(encode.has_encode());
            }
        }
        prop_assert_eq!(handle.thunk().is_some(), kind.is_encode());
    }

    #[test]
    fn a_blob_is_its_bytes(bytes in prop::collection::vec(any::<u8>(), 0..100)) {
        let handle = Blob::new(bytes.clone()).handle();
        prop_assert_eq!(handle.kind(), Kind::Blob);
        prop_assert_eq!(handle.length(), Some(bytes.len() as u64));
        prop_assert_eq!(handle.is_literal(), bytes.len() <= Handle::LITERAL_MAX);
        prop_assert_eq!(handle.literal_bytes(), handle.is_literal().then_some(&bytes[..]));
        prop_assert_eq!(handle.check_blob(&bytes), Ok(()));
        let digest = blake3::hash(&bytes);
        let streamed = Handle::of_blob_digest(digest.as_bytes(), bytes.len() as u64);
        prop_assert_eq!(streamed, (!handle.is_literal()).then_some(handle));
    }

    #[test]
    fn eight_bytes_are_a_number(value: u64) {
        let handle = Handle::of_u64(value);
        prop_assert_eq!(handle, Handle::of_blob(&value.to_le_bytes()));
        prop_assert_eq!(handle.literal_u64(), Some(value));
        prop_assert_eq!(Handle::of_blob(&value.to_le_bytes()[..7]).literal_u64(), None);
    }

    #[test]
    fn a_tree_is_its_entries(world in world()) {
        for (handle, tree) in &world.trees {
            let bytes = tree.encode();
            prop_assert_eq!(Tree::decode(&bytes), Ok(tree.clone()));
            prop_assert_eq!(handle.check_tree(&bytes), Ok(tree.clone()));
            prop_assert_eq!(handle.length(), Some(tree.entries().len() as u64));
            // The same bytes in the three uses have three names.
            prop_assert_ne!(tree.tag_handle(), Some(tree.handle()));
            prop_assert_ne!(Handle::of_blob(&bytes).as_bytes()[..24].to_vec(),
                tree.handle().as_bytes()[..24].to_vec());
        }
    }

    #[test]
    fn a_selection_reads_back(target in handle(), from: u64, to: u64,
        path in prop::collection::vec(any::<u8>(), 0..60)) {
        let path = Handle::of_blob(&path);
        for selection in [Selection::Entry(from), Selection::Range(from, to),
            Selection::Path(path), Selection::Digest(from, to)] {
            let definition = selection.definition(target);
            prop_assert_eq!(Selection::parse(&definition), Some((target, selection)));
        }
    }

    /// And nothing reads as a selection that is not written as one.
    #[test]
    fn only_definitions_parse(entries in prop::collection::vec(
        prop_oneof![
            handle(),
            any::<u64>().prop_map(Handle::of_u64),
            prop::sample::select(vec!["path", "digest"]).prop_map(|w| Handle::of_blob(w.as_bytes())),
        ], 0..5)) {
        if let Some((target, selection)) = Selection::parse(&entries) {
            prop_assert_eq!(selection.definition(target), entries);
        }
    }
}
