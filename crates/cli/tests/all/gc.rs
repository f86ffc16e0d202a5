//! What goes from a store, what stays, and what comes back.

use serde_json::Value;

use crate::world::World;

fn json(text: &str) -> Value {
    serde_json::from_str(text).unwrap()
}

fn stat(world: &World) -> Value {
    json(world.weft(["stat", "--output", "json"]).ok().text())
}

/// `[limits, filled, n]` -> a Blob of 50,000 bytes n.
fn with_filled(world: &World) {
    world.wat(
        "filled.wasm",
        r#"(module
            (import "weft_1" "tree_get" (func $get (param i32 i64) (result i32)))
            (import "weft_1" "blob_u64" (func $u64 (param i32) (result i64)))
            (import "weft_1" "blob_new" (func $new (param i32 i32) (result i32)))
            (memory (export "memory") 1)
            (func (export "weft_apply") (param $in i32) (result i32)
              (memory.fill (i32.const 0)
                (i32.wrap_i64 (call $u64 (call $get (local.get $in) (i64.const 2))))
                (i32.const 50000))
              (call $new (i32.const 0) (i32.const 50000))))"#,
    );
}

#[test]
fn what_nothing_names_goes_when_its_day_is_over() {
    let world = World::new();
    world.write("a", "1".repeat(1000));
    let first = world.weft(["add", "--label", "a", "a"]).handle().to_owned();
    world.write("a", "2".repeat(1000));
    let second = world.weft(["add", "--label", "a", "a"]).handle().to_owned();
    let pins = world.weft(["pins"]).text().to_owned();
    assert!(
        pins.contains(&format!("{first} for 23 hours")) || pins.contains("for 24 hours"),
        "{pins}"
    );
    // Pinned for a day, it stays.
    assert!(world.weft(["gc"]).ok().text().contains("unreached  0 objects"));
    assert_eq!(world.weft(["cat", &first]).ok().text().len(), 1000);
    world.weft(["unpin", &first]).ok();
    world.weft(["unpin", &first]).fails(5, &["is not pinned", "weft pins"]);
    let dry = json(world.weft(["gc", "--dry-run", "-o", "json"]).ok().text());
    assert_eq!(dry["garbage"]["objects"], 1);
    assert_eq!(world.weft(["cat", &first]).ok().text().len(), 1000);
    let done = json(world.weft(["gc", "-o", "json"]).ok().text());
    assert_eq!(done["garbage"], dry["garbage"]);
    world.weft(["cat", &first]).fails(5, &["not in the store"]);
    assert_eq!(world.weft(["cat", &second]).ok().text().len(), 1000);
    assert_eq!(world.weft(["cat", "@a"]).ok().text().len(), 1000);
}

#[test]
fn a_dropped_result_comes_back_when_it_is_asked_for() {
    let world = World::new();
    with_filled(&world);
    let expression = "apply(./filled.wasm, 7u64)";
    world.weft(["label", "job", expression]).ok();
    let value = world.json(expression)["handle"].as_str().unwrap().to_owned();
    let dry = json(world.weft(["gc", "-n", "--budget", "1", "-o", "json"]).ok().text());
    assert_eq!(dry["dropped"]["objects"], 1, "{dry}");
    assert!(dry["recompute_ns"].as_u64().unwrap() > 0);
    let text = world.weft(["gc", "--budget", "1"]).ok().text().to_owned();
    assert!(text.contains("to be computed again in"), "{text}");
    assert!(text.contains("over its budget") && text.contains("`weft pins`"), "{text}");
    assert!(world.weft(["stat"]).ok().text().contains(" over; see `weft gc --dry-run`"));
    let after = stat(&world);
    assert_eq!((&after["dropped"], &after["budget_bytes"]), (&1.into(), &1.into()));
    // Known, without the content.
    let answer = world.json(expression);
    assert_eq!((&answer["handle"], &answer["cost"]["applied"]), (&value.clone().into(), &0.into()));
    world.weft(["gc", "--no-budget"]).ok();
    assert_eq!(world.weft(["cat", &value]).ok().text(), "\u{7}".repeat(50_000));
    let after = stat(&world);
    assert_eq!((&after["dropped"], &after["budget_bytes"]), (&0.into(), &Value::Null));
    world.weft(["gc", "--budget", "1"]).ok();
    world.weft(["get", &value, "copy"]).ok();
    assert_eq!(std::fs::read(world.path("copy")).unwrap(), [7; 50_000]);
}

#[test]
fn a_dropped_result_goes_along_with_an_export() {
    let world = World::new();
    with_filled(&world);
    let expression = "apply(./filled.wasm, 7u64)";
    world.weft(["label", "job", expression]).ok();
    let value = world.json(expression)["handle"].as_str().unwrap().to_owned();
    world.weft(["gc", "--budget", "1"]).ok();
    assert_eq!(stat(&world)["dropped"], 1);
    world.weft(["export", "--results", "@job", "job.weft"]).ok();
    let other = World::new();
    std::fs::copy(world.path("job.weft"), other.path("job.weft")).unwrap();
    other.weft(["import", "--trust", "job.weft"]).ok();
    assert_eq!(other.weft(["cat", &value]).ok().text(), "\u{7}".repeat(50_000));
}

/// Two results of 50,000 bytes that a collection has dropped, under labels.
fn two_dropped() -> World {
    let world = World::new();
    with_filled(&world);
    world.guest("add.wasm");
    for (label, number) in [("seven", 4), ("eight", 5)] {
        let sum = format!("strict(apply(./add.wasm, 3u64, {number}u64))");
        let job = format!("apply(./filled.wasm, {sum})");
        world.weft(["eval", "-q", "-o", "json", "--label", label, &job]).ok();
    }
    world.weft(["gc", "--budget", "1"]).ok();
    assert_eq!(stat(&world)["dropped"], 2);
    world
}

#[test]
fn dropped_results_can_be_compared_and_named() {
    let world = two_dropped();
    world.weft(["label", "also", "@seven"]).ok();
    world.weft(["pin", "@eight"]).ok();
    let diff = world.weft(["diff", "-q", "@seven", "@eight"]);
    assert!(diff.text().starts_with("all changed: @also -> @eight, "), "{diff:?}");
    assert!(diff.text().ends_with(", blob of 50,000 bytes\n"), "{diff:?}");
    // They are back by that.
    world.weft(["gc", "--no-budget"]).ok();
    assert_eq!(stat(&world)["dropped"], 0);
    let object = json(world.weft(["diff", "-o", "json", "@seven", "@eight"]).ok().text());
    assert_eq!(object["differences"][0]["same_bytes"], 0, "{object}");
    assert_eq!(object["missing"], Value::Array(Vec::new()));
}

/// The request has no name of its own, and goes when its day is over; what brings
/// the result back stays.
#[test]
fn what_made_a_result_is_known_when_the_request_is_gone() {
    let world = two_dropped();
    let pins = world.weft(["pins"]).text().to_owned();
    for pin in pins.lines() {
        world.weft(["unpin", pin.split(' ').next().unwrap()]).ok();
    }
    world.weft(["gc"]).ok();
    for run in [&["why", "-q", "@eight"][..], &["why", "-q", "--run", "@eight"]] {
        let why = world.weft(run);
        let text = why.text();
        assert!(text.contains("which is not in the store any more\n  made by apply(#"), "{text}");
        assert!(text.contains(", 8u64); "), "{text}");
        assert!(!text.contains("not kept"), "{text}");
        assert!(text.contains("\n  argument 1 changed: 7u64 -> 8u64\n"), "{text}");
    }
    // The first one has nothing before it.
    let why = world.weft(["why", "-q", "@seven"]);
    let later = "\nthe first of this function; different in the last one after it:\n  \
                 argument 1 changed: 7u64 -> 8u64\n";
    assert!(why.text().contains(later), "{why:?}");
}

#[test]
fn a_budget_is_kept_while_work_runs() {
    let world = World::new();
    world.remember();
    with_filled(&world);
    world.weft(["gc", "--budget", "300KiB"]).ok();
    for number in 1..40 {
        let expression = format!("apply(./filled.wasm, {number}u64)");
        let value = world.json(&expression)["handle"].as_str().unwrap().to_owned();
        // Whoever made it can read it, and whoever comes later.
        if number % 10 == 0 {
            assert_eq!(world.weft(["cat", &value]).ok().text().len(), 50_000);
        }
    }
    let after = stat(&world);
    let bytes = after["file_bytes"].as_u64().unwrap();
    assert!(bytes < 450 * 1024, "{after}");
    assert!(after["dropped"].as_u64().unwrap() > 20, "{after}");
    world.is_intact();
}

#[test]
fn pins_and_sizes_are_what_people_write() {
    let world = World::new();
    world.remember();
    world.weft(["pin", "--for", "7d", "@kept"]).ok();
    assert!(
        world.weft(["pins"]).ok().text().contains("for 7 days")
            || world.weft(["pins"]).ok().text().contains("for 6 days")
    );
    world.weft(["pin", "@kept"]).ok();
    assert!(world.weft(["pins"]).ok().text().contains("for good"));
    world.weft(["pin", "--for", "7w", "@kept"]).fails(2, &["30m, 12h, 7d"]);
    world.weft(["pin", "@nowhere"]).fails(5, &["no label nowhere"]);
    world.weft(["gc", "--budget", "lots"]).fails(2, &["a size is a number"]);
    world.weft(["gc", "--budget", "1GiB", "--no-budget"]).fails(2, &["cannot be used with"]);
}

#[test]
fn what_a_store_holds_and_who_holds_it_can_be_asked() {
    let world = World::bare();
    world.weft(["stat"]).fails(5, &["weft init"]);
    world.weft(["gc"]).fails(5, &["weft init"]);
    world.weft(["init"]).ok();
    let empty = stat(&world);
    assert_eq!((&empty["objects"], &empty["relations"]), (&0.into(), &0.into()));
    assert_eq!(empty["holder"], Value::Null);
    world.write("a", "1".repeat(1000));
    world.weft(["add", "--label", "a", "a"]).ok();
    let after = stat(&world);
    assert_eq!(
        (&after["objects"], &after["labels"], &after["pins"]),
        (&1.into(), &1.into(), &1.into())
    );
    let text = world.weft(["stat"]).ok().text().to_owned();
    assert!(
        text.contains("objects      1, 0 dropped") && text.contains("budget       none"),
        "{text}"
    );
    // One that holds it says so.
    let mut holder = world.start(&["add", "-"], std::process::Stdio::piped());
    let asked = (0..600).find_map(|_| {
        std::thread::sleep(std::time::Duration::from_millis(50));
        let asked = stat(&world);
        (!asked["holder"].is_null()).then_some(asked)
    });
    let asked = asked.expect("nobody says that he holds the store");
    assert_eq!(asked["holder"]["process"], holder.id());
    drop(holder.stdin.take());
    assert!(holder.wait().unwrap().success());
}
