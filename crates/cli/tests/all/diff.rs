//! What is different, in words and as an object.

use serde_json::{Value, json};

use crate::world::World;

fn directories() -> World {
    let world = World::new();
    let text = "a text of more than thirty bytes, ";
    for name in ["same", "changed", "gone", "moved/from"] {
        world.write(format!("dir/{name}"), format!("{text}{name}"));
    }
    world.weft(["add", "--label", "old", "dir"]).ok();
    world.write("dir/changed", format!("{text}another one"));
    std::fs::remove_file(world.path("dir/gone")).unwrap();
    world.write("dir/new\n\u{1b}[31m", text);
    std::fs::rename(world.path("dir/moved/from"), world.path("dir/moved/to")).unwrap();
    world.weft(["add", "--label", "new", "dir"]).ok();
    world
}

#[test]
fn directories_are_compared_by_names() {
    let world = directories();
    let diff = world.weft(["diff", "@old", "@new"]);
    let text = diff.text();
    let lines: Vec<&str> = text.lines().collect();
    assert_eq!(lines.len(), 4, "{text}");
    assert!(lines[0].starts_with("changed changed: #"), "{text}");
    let sizes = ", blob of 41 bytes before, of 45 bytes now, the first 34 bytes are the same";
    assert!(lines[0].ends_with(sizes), "{text}");
    assert_eq!(lines[1], "gone removed: file of 38 bytes");
    assert_eq!(lines[2], "moved/to moved from moved/from: file of 44 bytes");
    // Nothing in a name drives the terminal.
    assert_eq!(lines[3], "\"new\\n\\u{1b}[31m\" added: file of 34 bytes");
    assert_eq!(world.weft(["diff", "@old", "@old"]).text(), "the same\n");
}

#[test]
fn programs_get_an_object() {
    let world = directories();
    let ran = world.weft(["diff", "-o", "json", "@old", "@new"]);
    let object: Value = serde_json::from_str(ran.text()).unwrap();
    assert_eq!((&object["missing"], &object["more"]), (&json!([]), &json!(false)));
    let differences = object["differences"].as_array().unwrap();
    let what: Vec<(&Value, &Value)> =
        differences.iter().map(|one| (&one["what"], &one["at"])).collect();
    assert_eq!(what[0], (&json!("changed"), &json!(["changed"])));
    assert_eq!(what[2], (&json!("moved"), &json!(["moved", "to"])));
    assert_eq!(differences[0]["same_bytes"], 34);
    assert_eq!(differences[1]["file"], "file");
    assert_eq!(differences[2]["from"], json!(["moved", "from"]));
}

#[test]
fn computations_are_compared_and_not_evaluated() {
    let world = World::new();
    world.guest("add.wasm");
    world.wat(
        "trap.wasm",
        "(module (func (export \"weft_apply\") (param i32) (result i32) unreachable))",
    );
    let old = "apply(./add.wasm, 1u64, strict(apply(./trap.wasm, 2u64)))";
    let new = "apply{memory: 1MiB}(./add.wasm, 1u64, strict(apply(./trap.wasm, 3u64)), \"x\")";
    let text = world.weft(["diff", old, new]).text().to_owned();
    let expected = "limits changed: \"\" -> 1048576u64\n\
                    argument 2 > argument 1 changed: 2u64 -> 3u64\n\
                    argument 3 added: \"x\"\n";
    assert_eq!(text, expected);
    let bad = world.weft(["diff", old, "[1u8]"]);
    bad.fails(1, &["an application and a tree have no parts to compare", "weft eval"]);
    world.weft(["diff", "@nowhere", "[]"]).fails(5, &["there is no label nowhere"]);
    world.weft(["diff", "[]", &format!("#{}", "ab".repeat(32))]).fails(2, &["ab"]);
}
