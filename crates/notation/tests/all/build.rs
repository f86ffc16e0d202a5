//! From syntax to objects: each form makes what model and ABI say it is.

use weft_notation::{BuildError, parse};
use weft_object::{Handle, Kind, Selection};

use crate::world::World;

fn literal(text: &str) -> Handle {
    Handle::literal(text.as_bytes()).unwrap()
}

#[test]
fn values() {
    let mut world = World::default();
    let long = "x".repeat(31);
    let cases = [
        (r#""""#, Handle::of_blob(b"")),
        (r#""text\n""#, literal("text\n")),
        (r#"hex"00ff""#, Handle::of_blob(&[0, 255])),
        ("7u8", Handle::of_blob(&[7])),
        ("258u16", Handle::of_blob(&[2, 1])),
        ("7u32", Handle::of_blob(&[7, 0, 0, 0])),
        ("7u64", Handle::of_u64(7)),
        ("[]", Handle::of_tree(&[])),
        ("[7u64, []]", Handle::of_tree(&[Handle::of_u64(7), Handle::of_tree(&[])])),
        ("closure(7u64, \"x\")", Handle::of_tree(&[Handle::of_u64(7), literal("x")])),
    ];
    for (source, handle) in cases {
        assert_eq!(world.build(source), Ok(handle), "{source}");
    }
    let blob = world.build(&format!("\"{long}\"")).unwrap();
    assert_eq!(world.blobs[&blob], long.as_bytes());
}

#[test]
fn applications_and_their_limits() {
    let mut world = World::default();
    let nothing = Handle::of_blob(b"");
    let number = Handle::of_u64;
    let mut entries = |source: &str| {
        let thunk = world.build(source).unwrap();
        assert_eq!(thunk.kind(), Kind::Application, "{source}");
        let entries = world.entries(thunk.definition()).to_vec();
        let limits = world.trees.get(&entries[0]).map(|tree| tree.entries().to_vec());
        (entries, limits)
    };
    let (f, x) = (literal("f"), literal("x"));
    assert_eq!(entries(r#"apply("f", "x")"#), (vec![nothing, f, x], None));
    assert_eq!(entries(r#"apply{}("f")"#), (vec![nothing, f], None));
    let (memory, _) = entries(r#"apply{memory: 64MiB}("f", "x")"#);
    assert_eq!(memory, [number(64 << 20), f, x]);
    let (_, limits) = entries(r#"apply{fuel: 9}("f")"#);
    assert_eq!(limits.unwrap(), [nothing, nothing, nothing, nothing, number(9)]);
    let (_, limits) = entries(r#"apply{fuel: 1, fanout: 2, output: 3KiB, memory: 4}("f")"#);
    assert_eq!(limits.unwrap(), [number(4), number(3072), number(2), nothing, number(1)]);
}

#[test]
fn thunks_stay_thunks_and_encodes_are_asked_for() {
    let mut world = World::default();
    let inner = world.build("apply(\"g\")").unwrap();
    let bare = world.build("apply(\"f\", apply(\"g\"))").unwrap();
    assert_eq!(world.entries(bare.definition())[2], inner);
    let strict = world.build("apply(\"f\", strict(apply(\"g\")))").unwrap();
    assert_eq!(world.entries(strict.definition())[2], inner.strict().unwrap());
    assert_eq!(world.build("shallow(apply(\"g\"))"), Ok(inner.shallow().unwrap()));
    let data = world.build("[7u64]").unwrap();
    assert_eq!(world.build("identify([7u64])"), Ok(data.identification().unwrap()));
    assert_eq!(world.build("ref([7u64])"), Ok(data.lower().unwrap()));
    assert_eq!(world.build("ref(ref([7u64]))"), Ok(data.lower().unwrap()));
    assert_eq!(world.build("ref(7u64)"), Ok(Handle::of_u64(7)), "a literal has no ref");
    assert_eq!(world.build("application([7u64])"), Ok(data.application().unwrap()));
    assert_eq!(world.build("selection([7u64])"), Ok(data.selection().unwrap()));
}

#[test]
fn selections() {
    let mut world = World::default();
    let tree = world.build("[7u64]").unwrap();
    let long = "d/".repeat(40);
    let path = Handle::of_blob(b"path/in/it");
    let cases = [
        ("select([7u64], 3)", tree, Selection::Entry(3)),
        ("select(ref([7u64]), 0..4096)", tree.lower().unwrap(), Selection::Range(0, 4096)),
        ("select([7u64], \"path/in/it\")", tree, Selection::Path(path)),
        ("digest([7u64], 0..4)", tree, Selection::Digest(0, 4)),
    ];
    for (source, target, selection) in cases {
        let thunk = world.build(source).unwrap();
        assert_eq!(thunk.kind(), Kind::Selection, "{source}");
        let definition = world.entries(thunk.definition());
        assert_eq!(Selection::parse(definition), Some((target, selection)), "{source}");
    }
    // What is selected from may be a computation, and a path may be long.
    let thunk = world.build(&format!("select(strict(select([7u64], 0)), \"{long}\")")).unwrap();
    let (target, part) = Selection::parse(world.entries(thunk.definition())).unwrap();
    assert_eq!(target.kind(), Kind::Strict);
    let Selection::Path(path) = part else { panic!("a path") };
    assert_eq!(world.blobs[&path], long.as_bytes());
}

#[test]
fn names_are_asked_for_in_order() {
    let mut world = World::default();
    let tree = world.build("[1u64]").unwrap();
    world.labels.insert("l".into(), literal("labeled"));
    world.paths.insert(b"./p".to_vec(), literal("file"));
    world.paths.insert(b"caf\xe9".to_vec(), literal("latin"));
    let source = format!("[@l, ./p, file\"caf\\xe9\", #{}, #{tree}]", &tree.to_string()[..9]);
    let built = world.build(&source).unwrap();
    let expected = [literal("labeled"), literal("file"), literal("latin"), tree, tree];
    assert_eq!(world.entries(Some(built)), expected);
    assert_eq!(world.asked, ["label l", "path ./p", "path caf\\xe9", "prefix of 9"]);
}

/// What stands between the quotes of a span.
fn place(source: &str, error: &BuildError<String>) -> String {
    source[error.span().start..error.span().end].to_owned()
}

#[test]
fn errors_point_at_the_operand() {
    let thunk = "a thunk (`apply`, `select`, `digest` or `identify`)";
    let cases = [
        (
            "[strict(7u8)]",
            "7u8",
            format!(
                "`strict` takes {thunk}, this is a blob; `identify(...)` makes a thunk of data"
            ),
        ),
        (
            "shallow( [] )",
            "[]",
            format!(
                "`shallow` takes {thunk}, this is a tree; `identify(...)` makes a thunk of data"
            ),
        ),
        (
            "strict(strict(identify([])))",
            "strict(identify([]))",
            format!("`strict` takes {thunk}, this is a strict encode"),
        ),
        (
            "identify(apply(\"f\"))",
            "apply(\"f\")",
            "`identify` takes data, this is an application thunk".into(),
        ),
        (
            "ref(select([], 0))",
            "select([], 0)",
            "`ref` takes data, this is a selection thunk".into(),
        ),
        ("application(\"x\")", "\"x\"", "`application` takes a tree, this is a blob".into()),
        (
            "selection(ref([]))",
            "ref([])",
            "`selection` takes a tree, this is a tree ref; give the tree itself, without `ref`"
                .into(),
        ),
        ("[@here, @gone]", "@gone", "no label @gone".into()),
        ("[./gone]", "./gone", "no file at ./gone".into()),
        ("[#abcd]", "#abcd", "nothing stored begins so".into()),
    ];
    for (source, part, message) in cases {
        let mut world = World::default();
        world.labels.insert("here".into(), literal("here"));
        let error = world.build(source).unwrap_err();
        assert_eq!(place(source, &error), part, "{source}");
        assert_eq!(error.to_string(), message, "{source}");
    }
}

#[test]
fn errors_are_rendered_with_the_operand_marked() {
    let source = "[\n  strict(\"é\", )\n]";
    let error = World::default().build(source).unwrap_err();
    assert_eq!(error.line_column(source), (2, 10));
    let rendered = error.render(source);
    let lines: Vec<_> = rendered.lines().collect();
    assert_eq!(lines[2], "2 |   strict(\"é\", )");
    assert_eq!(
        lines[3],
        "  |          ^^^ expected a thunk (`apply`, `select`, `digest` or `identify`)"
    );
    let source = "@gone";
    let rendered = World::default().build(source).unwrap_err().render(source);
    assert_eq!(rendered, "line 1, column 1: no label @gone\n  |\n1 | @gone\n  | ^^^^^");
}

/// Nothing that evaluation decides is decided here.
#[test]
fn what_will_fail_can_be_written() {
    let mut world = World::default();
    for source in
        ["select(7u64, \"a\")", "select([], 9)", "select([], 4..1)", "apply([])", "application([])"]
    {
        assert!(world.build(source).is_ok(), "{source}");
    }
    assert!(parse("apply()").is_err());
}
