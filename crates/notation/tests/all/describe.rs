//! From objects back to syntax.

use proptest::prelude::*;
use weft_notation::{Budget, Nothing, build, describe, parse};
use weft_object::{Handle, Tree};

use crate::generate::expr;
use crate::world::World;

const PLENTY: Budget = Budget { depth: 64, entries: 10_000, blob_bytes: 10_000 };

fn budget() -> impl Strategy<Value = Budget> {
    let full = Just(PLENTY);
    let any = (0..6usize, 0..20usize, 0..100u64);
    let some = any.prop_map(|(depth, entries, blob_bytes)| Budget { depth, entries, blob_bytes });
    prop_oneof![full, some]
}

/// A resolver that has an answer for every name.
struct Anything(World);

impl weft_notation::Resolver for Anything {
    type Error = String;

    fn path(&mut self, path: &[u8]) -> Result<Handle, String> {
        Ok(Handle::of_blob(path).lower().unwrap())
    }

    fn label(&mut self, label: &str) -> Result<Handle, String> {
        self.0.put_tree(&[Handle::of_blob(label.as_bytes())])
    }

    fn prefix(&mut self, prefix: &weft_object::Prefix) -> Result<Handle, String> {
        let tree = self.put_tree(&[Handle::of_blob(prefix.low())])?;
        Ok(tree.application().unwrap())
    }

    fn put_blob(&mut self, bytes: &[u8]) -> Result<Handle, String> {
        self.0.put_blob(bytes)
    }

    fn put_tree(&mut self, entries: &[Handle]) -> Result<Handle, String> {
        self.0.put_tree(entries)
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(1000))]

    /// Whatever is known, and however little may be said.
    #[test]
    fn a_described_handle_is_the_handle(expr in expr(), budget in budget()) {
        let mut anything = Anything(World::default());
        // Most generated expressions are of the wrong kinds somewhere.
        let _ = build(&expr, &mut anything);
        let mut world = anything.0;
        let trees: Vec<_> = world.trees.keys().copied().collect();
        for tree in trees {
            let thunk = tree.application().unwrap();
            for handle in [Some(tree), tree.lower(), Some(thunk), thunk.strict(), tree.selection(),
                tree.identification(), tree.lower().unwrap().identification()] {
                let handle = handle.unwrap();
                let text = describe(handle, &mut world, budget).to_string();
                prop_assert_eq!(world.build(&text), Ok(handle), "{}", text);
                let short = describe(handle, &mut Nothing, budget).to_string();
                prop_assert_eq!(world.build(&short), Ok(handle), "{}", short);
            }
        }
    }

    #[test]
    fn literals_are_spelled_out(bytes in prop::collection::vec(any::<u8>(), 0..=30)) {
        let handle = Handle::of_blob(&bytes);
        let text = describe(handle, &mut Nothing, Budget::default()).to_string();
        prop_assert!(!text.contains('#') || bytes.contains(&b'#'), "{}", text);
        prop_assert_eq!(World::default().build(&text), Ok(handle));
    }
}

/// Built, and described with all that is known.
fn again(source: &str) -> String {
    let mut world = World::default();
    let handle = world.build(source).unwrap();
    describe(handle, &mut world, PLENTY).to_string()
}

#[test]
fn what_was_written_comes_back() {
    let long = "d/".repeat(40);
    let same = [
        "[]".to_owned(),
        "\"\"".into(),
        "\"two\\nlines\"".into(),
        "7u64".into(),
        "hex\"07\"".into(),
        "[\"a\", [7u64]]".into(),
        "apply(\"f\", \"x\")".into(),
        "apply{memory: 64MiB}(\"f\")".into(),
        "apply{memory: 1, output: 2KiB, fanout: 3, fuel: 4}(\"f\", [], apply(\"g\"))".into(),
        "apply{fuel: 0}(\"f\")".into(),
        "application([])".into(),
        "application([\"odd\", \"f\"])".into(),
        "application([[], \"f\"])".into(),
        "select([7u64], 3)".into(),
        "select(strict(apply(\"f\")), 0..4096)".into(),
        format!("select([7u64], \"{long}\")"),
        "digest([7u64], 0..4)".into(),
        "selection([7u64])".into(),
        "selection([7u64, \"path\", 7u64, 7u64])".into(),
        "strict(identify([7u64]))".into(),
        "shallow(identify(\"x\"))".into(),
    ];
    for source in same {
        assert_eq!(again(&source), source);
    }
}

#[test]
fn what_was_written_otherwise_comes_back_in_one_form() {
    let cases = [
        ("closure(\"f\", \"x\")", "[\"f\", \"x\"]"),
        ("7u8", "hex\"07\""),
        ("8245937412990854515u64", "\"selector\""),
        ("hex\"61\"", "\"a\""),
        ("application([\"\", \"f\"])", "apply(\"f\")"),
        // This Tree of limits is never written for a memory limit alone.
        (
            "application([[1u64, \"\", \"\", \"\", \"\"], \"f\"])",
            "application([[1u64, \"\", \"\", \"\", \"\"], \"f\"])",
        ),
        ("selection([7u64, 3u64])", "select(7u64, 3)"),
        ("selection([7u64, \"path\", \"a\"])", "select(7u64, \"a\")"),
    ];
    for (source, expected) in cases {
        assert_eq!(again(source), expected, "{source}");
    }
}

#[test]
fn a_budget_cuts_at_whole_trees() {
    let mut world = World::default();
    let inner = world.build("[1u64, 2u64, 3u64]").unwrap();
    let outer = world.build("[[1u64, 2u64, 3u64], \"b\"]").unwrap();
    let mut show = |handle, depth, entries| {
        let budget = Budget { depth, entries, blob_bytes: 0 };
        describe(handle, &mut world, budget).to_string()
    };
    assert_eq!(show(outer, 2, 5), "[[1u64, 2u64, 3u64], \"b\"]");
    assert_eq!(show(outer, 2, 4), format!("[#{inner}, \"b\"]"));
    assert_eq!(show(outer, 1, 5), format!("[#{inner}, \"b\"]"));
    assert_eq!(show(outer, 0, 5), format!("#{outer}"));
    assert_eq!(show(outer, 2, 1), format!("#{outer}"));
    let thunk = inner.application().unwrap();
    assert_eq!(show(thunk.strict().unwrap(), 0, 5), format!("strict(application(#{inner}))"));
    assert_eq!(show(inner.selection().unwrap(), 0, 5), format!("selection(#{inner})"));
}

#[test]
fn refs_and_tags_are_not_opened() {
    let mut world = World::default();
    let tree = world.build("[1u64, 2u64, 3u64]").unwrap();
    let entries = world.trees[&tree].entries().to_vec();
    let tag = Tree::new(entries);
    let handle = tag.tag_handle().unwrap();
    world.trees.insert(handle, tag);
    let mut show = |handle| describe(handle, &mut world, PLENTY).to_string();
    assert_eq!(show(tree.lower().unwrap()), format!("ref(#{tree})"));
    assert_eq!(show(handle), format!("#{handle}"));
    assert_eq!(show(handle.lower().unwrap()), format!("ref(#{handle})"));
}

#[test]
fn blobs_are_spelled_out_if_they_are_short_and_readable() {
    let mut world = World::default();
    let text = world.build(&format!("\"{}\"", "text ".repeat(10))).unwrap();
    let binary = world.build(&format!("hex\"{}\"", "00".repeat(50))).unwrap();
    let mut show = |handle, blob_bytes| {
        let budget = Budget { blob_bytes, ..PLENTY };
        describe(handle, &mut world, budget).to_string()
    };
    assert_eq!(show(text, 50), format!("\"{}\"", "text ".repeat(10)));
    assert_eq!(show(text, 49), format!("#{text}"));
    assert_eq!(show(binary, 50), format!("#{binary}"));
}

/// Far more levels than the notation has: the text still parses.
#[test]
fn deep_values_are_described_within_the_depth_of_the_notation() {
    let mut world = World::default();
    let mut handle = Handle::of_u64(0);
    for _ in 0..1000 {
        let tree = Tree::new([handle]);
        world.trees.insert(tree.handle(), tree.clone());
        handle = tree.handle().application().unwrap().strict().unwrap();
    }
    let budget = Budget { depth: usize::MAX, entries: usize::MAX, blob_bytes: 0 };
    let text = describe(handle, &mut world, budget).to_string();
    assert!(parse(&text).is_ok(), "{text}");
    assert_eq!(world.build(&text), Ok(handle));
}
