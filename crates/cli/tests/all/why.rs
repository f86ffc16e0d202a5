//! Where something comes from, asked of the program.

use serde_json::Value;

use crate::world::World;

const TOP: &str = "apply(./wordcount.wasm, \"top\", \
                   strict(apply(./wordcount.wasm, \"walk\", ref(@src))), 3u64)";

/// A store in which the words of two files were counted under a label.
fn counted() -> World {
    let world = World::new();
    world.guest("wordcount.wasm");
    world.write("src/a.txt", "hello, hello: a text of more than thirty bytes");
    world.write("src/deep/b.txt", "deep down, another text of more than thirty bytes");
    count(&world);
    world
}

fn count(world: &World) {
    world.weft(["add", "--label", "src", "src"]).ok();
    world.weft(["eval", "-q", "--label", "counts", TOP]).ok();
}

fn json(world: &World, arguments: &[&str]) -> Value {
    let arguments = [&["why", "-q", "-o", "json"][..], arguments].concat();
    serde_json::from_str(world.weft(arguments).text()).unwrap()
}

#[test]
fn a_result_says_what_made_it() {
    let world = counted();
    let why = world.weft(["why", "-q", "--run", "--depth", "9", "@counts"]);
    let text = why.text();
    assert!(
        text.starts_with('#') && text.contains(", @counts\n  asked for as @counts, 2"),
        "{text}"
    );
    for words in [
        "    apply(#",
        ", \"top\", strict(apply(#",
        "  made by apply(#",
        ", weft ",
        "    argument 2 from apply(#",
        "  inputs\n",
        ", a.txt in @src\n",
        ", deep/b.txt in @src\n",
    ] {
        assert!(text.contains(words), "{words}: {text}");
    }
    assert!(!text.contains("different"), "{text}");
    assert!(!text.contains("not kept"), "{text}");
}

#[test]
fn what_is_different_this_time_is_told_to_the_file() {
    let world = counted();
    world.write("src/a.txt", "hello, hello: a text of more than thirty words");
    count(&world);
    // Asked once more, nothing new is noted.
    count(&world);
    let why = world.weft(["why", "-q", "--run", "@counts"]);
    let text = why.text();
    assert!(text.contains("\ndifferent from the time before as @counts, 2"), "{text}");
    let place = "\n  argument 2 > argument 2 > a.txt changed: #";
    assert!(text.contains(place), "{text}");
    assert!(text.contains(", blob of 46 bytes, the first 41 bytes are the same\n"), "{text}");
    assert!(text.contains("\n  it enters in apply(#"), "{text}");
    let object = json(&world, &["--run", "@counts"]);
    let earlier = &object["earlier"];
    assert_eq!(earlier["run"]["label"], "counts");
    let differences = earlier["differences"].as_array().unwrap();
    assert_eq!(differences.len(), 1);
    let at = ["argument 2", "argument 2", "a.txt"].map(Value::from);
    assert_eq!(differences[0]["at"].as_array().unwrap()[..], at);
    // The computation in which it enters has the file as an argument.
    let new = differences[0]["new"].as_str().unwrap();
    let entered = earlier["enters"].as_array().unwrap();
    let keys: Vec<&str> = entered.iter().map(|one| one["new"].as_str().unwrap()).collect();
    let entries = |key: &&str| world.weft(["ls", key]).text().to_owned();
    assert!(keys.iter().map(entries).any(|entries| entries.contains(&new[1..49])), "{keys:?}");
}

#[test]
fn a_computation_says_what_it_came_to() {
    let world = World::new();
    world.guest("add.wasm");
    let sum = "apply(./add.wasm, 1u64, 2u64)";
    let why = world.weft(["why", "-q", sum]);
    assert!(why.text().contains("what it comes to is not known; `--run` evaluates it"), "{why:?}");
    let object = json(&world, &["--run", sum]);
    assert_eq!(object["outcome"]["value"].as_str().unwrap().len(), 65);
    let roots = object["made_by"].as_array().unwrap();
    let one = &object["computations"][roots[0].as_str().unwrap()];
    assert!(one["run_ns"].as_u64().unwrap() > 0, "{one}");
    assert_eq!(one["finder"]["here"], true, "{one}");
    let text = world.weft(["why", "-q", "--run", sum]);
    assert!(text.text().contains("\n  came to 3u64\n  by apply(#"), "{text:?}");
    let failing = "apply(./add.wasm, 1u64)";
    let why = world.weft(["why", "-q", "--run", failing]);
    let failed = "\n  failed: called with another number of arguments\n";
    assert!(why.text().contains(failed), "{why:?}");
}

#[test]
fn an_input_is_said_to_be_one() {
    let world = counted();
    let why = world.weft(["why", "@src", "deep/b.txt"]);
    let text = why.text();
    assert!(text.contains(" blob of 49 bytes, deep/b.txt in @src\n  an input: "), "{text}");
    world.weft(["why", "@src", "deep/c.txt"]).fails(5, &["there is no deep/c.txt in #"]);
    world.weft(["why", "7u64", "x"]).fails(1, &["is a blob and has no paths in it"]);
    let literal = world.weft(["why", "77u64"]);
    assert!(literal.text().contains("no computation is known that came to it"), "{literal:?}");
}

/// What is in a result was made by what made the result.
#[test]
fn part_of_a_result_is_found() {
    let world = World::new();
    world.wat("wrap.wasm", WRAP);
    world.write("part", "part of a result, of more than thirty bytes");
    world.weft(["eval", "-q", "apply(./wrap.wasm, ./part)"]).ok();
    let why = world.weft(["why", "-q", "./part"]);
    let text = why.text();
    assert!(text.contains("\n  it is entry 2 in the result ["), "{text}");
    assert!(text.contains("\n  made by apply(#"), "{text}");
}

/// Returns its own application, as data.
const WRAP: &str =
    r#"(module (func (export "weft_apply") (param i32) (result i32) (local.get 0)))"#;

#[test]
fn a_label_of_a_result_is_checked_before_it_is_computed() {
    let world = World::new();
    world.weft(["eval", "--label", "a b", "1u64"]).fails(2, &["not a label at offset 1"]);
    // A failure moves no label.
    world.guest("add.wasm");
    world.weft(["eval", "-q", "--label", "sum", "apply(./add.wasm, 1u64, 2u64)"]).ok();
    let failed = world.weft(["eval", "-q", "--label", "sum", "apply(./add.wasm, 1u64)"]);
    assert_eq!(failed.code, Some(3));
    assert_eq!(world.weft(["eval", "-q", "@sum"]).text(), "3u64\n");
}
