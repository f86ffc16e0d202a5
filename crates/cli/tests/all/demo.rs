//! The demo says what happened, and leaves nothing.

use std::fs;
use std::process::{Command, Stdio};
use std::time::{Duration, Instant};

use crate::world::{Ran, World, ran};

/// The number before some words in what was printed.
fn number(ran: &Ran, words: &str) -> Vec<u64> {
    let text = ran.text().replace(',', "");
    let found = text.split(words).collect::<Vec<_>>();
    let before = found[..found.len() - 1].iter().map(|part| part.trim_end());
    before.map(|part| part.rsplit([' ', '\n']).next().unwrap().parse().unwrap()).collect()
}

fn tree(world: &World) {
    for directory in 0..5 {
        for file in 0..8 {
            let text = format!("common words and number{directory} ").repeat(50 + file);
            world.write(format!("t/d{directory}/f{file}.txt"), text);
        }
    }
    // Not only text.
    let bytes: Vec<u8> = (0..=255).cycle().take(5000).collect();
    world.write("t/d0/binary", bytes);
    world.write("t/d1/empty", "");
}

#[test]
fn it_counts_then_runs_nothing_then_little() {
    let world = World::bare();
    tree(&world);
    let before = world.weft(["demo", "t"]);
    let [first, third] = number(&before, " applications ran")[..] else { panic!("{before:?}") };
    assert!(third > 0 && third * 3 < first, "{third} of {first}");
    assert!(before.text().contains("nothing ran"), "{before:?}");
    // 40 files with 50 to 57 lines of each word; the rest of the bytes make
    // few words.
    let each: u64 = 5 * (50..58).sum::<u64>();
    assert_eq!(number(&before, " common\n"), [each]);
    let words = number(&before, " words ");
    assert_eq!(words[1], words[0] + 6, "{before:?}");
    // The user's files are as they were, and nothing is left.
    assert!(fs::read_to_string(world.path("t/d0/f0.txt")).unwrap().ends_with("number0 "));
    let left: Vec<_> = fs::read_dir(world.path("home/.cache/weft")).unwrap().collect();
    assert!(left.is_empty(), "{left:?}");
    assert!(!world.path(".weft").exists());
}

#[test]
fn what_a_killed_demo_left_is_removed() {
    let world = World::bare();
    tree(&world);
    let left = world.path("home/.cache/weft/demo-left");
    fs::create_dir_all(&left).unwrap();
    let mut command = world.command(crate::world::WEFT);
    crate::world::ran(command.env("WEFT_DIR", &left).arg("init").output().unwrap()).ok();
    assert!(left.join("store").exists());
    world.weft(["demo", "t"]).ok();
    assert!(!left.exists());
}

#[test]
fn it_takes_the_sources_that_cargo_fetched() {
    let world = World::bare();
    world.weft(["demo"]).fails(1, &["there is no", "home/.cargo/registry/src", "weft demo DIR"]);
    world.write("home/.cargo/registry/src/index/crate-1.0.0/lib.rs", "fn main() {}\n".repeat(100));
    let ran = world.weft(["demo"]);
    assert_eq!(number(&ran, " fn\n"), [100]);
    let mut command = world.command(crate::world::WEFT);
    world.write("cargo/registry/src/index/crate-1.0.0/lib.rs", "struct Two;\n".repeat(200));
    let ran = command.env("CARGO_HOME", world.path("cargo")).arg("demo").output().unwrap();
    assert_eq!(number(&crate::world::ran(ran), " struct\n"), [200]);
}

#[test]
fn what_cannot_be_counted_is_an_error() {
    let world = World::bare();
    world.write("file", "text");
    world.weft(["demo", "file"]).fails(1, &["file is no directory"]);
    world.weft(["demo", "nowhere"]).fails(1, &["nowhere is no directory"]);
    fs::create_dir(world.path("empty")).unwrap();
    let empty = world.weft(["demo", "empty"]);
    assert!(empty.text().contains("there is no file to change"), "{empty:?}");
}

/// What another demo has begun is not taken for what a killed one left.
#[test]
fn many_at_once_do_not_disturb_each_other() {
    let world = World::bare();
    world.write("t/a", "a few words ".repeat(200));
    for _ in 0..3 {
        let demos: Vec<_> = (0..4).map(|_| world.start(&["demo", "t"], Stdio::null())).collect();
        for demo in demos {
            ran(demo.wait_with_output().unwrap()).ok();
        }
    }
    assert_eq!(fs::read_dir(world.path("home/.cache/weft")).unwrap().count(), 0);
}

/// Whenever it comes, nothing is left.
#[test]
fn ctrl_c_removes_what_was_begun() {
    let world = World::bare();
    // Enough that it takes longer than to send a signal.
    world.write("t/long", "so many words ".repeat(2 << 20));
    let child = world.start(&["demo", "t"], Stdio::null());
    let homes = || fs::read_dir(world.path("home/.cache/weft")).map_or(0, |homes| homes.count());
    let start = Instant::now();
    while homes() == 0 && start.elapsed() < Duration::from_secs(60) {}
    let id = child.id().to_string();
    assert!(Command::new("kill").args(["-INT", &id]).status().unwrap().success());
    let ended = ran(child.wait_with_output().unwrap());
    assert!(ended.code == Some(130) && ended.stderr.contains("interrupted"), "{ended:?}");
    assert_eq!(homes(), 0);
}
