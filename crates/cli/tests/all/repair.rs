//! Stores that were damaged, and stores of older programs.

use std::fs;
use std::path::{Path, PathBuf};

use crate::world::{Ran, World};

const VERSION_1: &str = "../store/tests/data/version-1.store";

/// The one file in a directory of the store.
fn only(world: &World, directory: &str) -> PathBuf {
    let mut found = fs::read_dir(world.path(directory)).unwrap();
    let path = found.next().unwrap().unwrap().path();
    assert!(found.next().is_none(), "{directory}");
    path
}

/// A command told what it found, and ended with the store's code.
fn found(ran: &Ran, words: &[&str]) {
    assert_eq!(ran.code, Some(5), "{ran:?}");
    for word in words {
        assert!(ran.stderr.contains(word), "{word}: {}", ran.stderr);
    }
}

/// What a command printed that did not go well.
fn shown(ran: &Ran) -> String {
    String::from_utf8(ran.stdout.clone()).unwrap()
}

/// Flips a bit of some text in a file.
fn damage(path: &Path, text: &[u8]) {
    let mut bytes = fs::read(path).unwrap();
    let at = bytes.windows(text.len()).position(|part| part == text).unwrap();
    bytes[at] ^= 1;
    fs::write(path, bytes).unwrap();
}

#[test]
fn what_is_damaged_is_named_and_the_rest_is_kept() {
    let world = World::new();
    world.write("one/text", "some text that is longer than a literal");
    world.write("two", "other text that is longer than a literal");
    for name in ["one", "two"] {
        world.weft(["add", "--label", name, name]).ok();
    }
    let text = world.weft(["fsck"]).ok().text().to_owned();
    assert!(text.starts_with("the store is sound\n") && text.contains("2 labels"), "{text}");
    world.weft(["fsck", "--repair"]).ok();

    let pack = only(&world, ".weft/packs");
    damage(&pack, b"some text");
    let ran = world.weft(["fsck"]);
    let pack_name = pack.display().to_string();
    found(&ran, &["the store is damaged", "weft fsck --repair"]);
    let text = shown(&ran);
    assert!(text.contains(&pack_name) && text.contains("label one lacks #"), "{text}");
    assert!(!text.contains("label two"), "{text}");
    world.weft(["cat", "@one", "text"]).fails(5, &["damaged", &pack_name]);
    assert_eq!(world.weft(["cat", "@two"]).text(), "other text that is longer than a literal");

    let ran = world.weft(["fsck", "--repair"]);
    found(&ran, &["content is missing"]);
    let text = shown(&ran);
    assert!(text.contains("lost:\n  #") && text.contains(".weft/damaged"), "{text}");
    let aside = world.path(".weft/damaged").join(pack.file_name().unwrap());
    assert!(aside.exists() && !pack.exists());
    assert_eq!(world.weft(["cat", "@two"]).text(), "other text that is longer than a literal");
    let json = world.weft(["fsck", "--output", "json"]);
    assert_eq!(json.code, Some(5));
    for part in [r#""sound":false"#, r#""problems":[]"#, r#""name":"one""#, r#""comes_back":false"#]
    {
        assert!(shown(&json).contains(part), "{part} in {}", shown(&json));
    }
    // What is added again is there again.
    world.weft(["add", "one"]).ok();
    assert!(world.weft(["fsck"]).ok().text().starts_with("the store is sound\n"));
    assert!(world.weft(["cat", "@one", "text"]).text().starts_with("some text"));
}

#[test]
fn a_store_without_its_first_file_is_one_still() {
    let world = World::new();
    world.write("text", "some text that is longer than a literal");
    world.weft(["add", "--label", "text", "text"]).ok();
    for (how, bytes) in [("gone", None), ("empty", Some("")), ("foreign", Some("#!/bin/sh\n:\n"))] {
        let path = world.path(".weft/store");
        fs::remove_file(&path).unwrap();
        if let Some(bytes) = bytes {
            fs::write(&path, bytes).unwrap();
        }
        let ran = world.weft(["labels"]);
        assert_eq!(ran.code, Some(5), "{how}: {ran:?}");
        assert!(!ran.stderr.contains("weft init"), "{how}: {ran:?}");
        let ran = world.weft(["fsck"]);
        assert_eq!(ran.code, Some(5), "{how}: {ran:?}");
        assert!(shown(&ran).contains("the list of the store's parts"), "{how}: {ran:?}");
        world.weft(["fsck", "--repair"]).ok();
        assert!(world.weft(["labels"]).text().ends_with(" text\n"), "{how}");
        assert!(world.weft(["fsck"]).ok().text().starts_with("the store is sound\n"), "{how}");
    }
}

#[test]
fn what_is_damaged_is_mended_by_adding_it_again() {
    let world = World::new();
    world.write("text", "some text that is longer than a literal");
    world.weft(["add", "--label", "text", "text"]).ok();
    damage(&only(&world, ".weft/packs"), b"some text");
    world.weft(["cat", "@text"]).fails(5, &["damaged"]);
    world.weft(["add", "text"]).ok();
    assert!(world.weft(["cat", "@text"]).ok().text().starts_with("some text"));
    assert!(world.weft(["fsck"]).ok().text().starts_with("the store is sound\n"));
}

#[test]
fn an_end_that_was_safe_is_missed_and_a_repair_says_that_not_all_is_there() {
    let world = World::new();
    world.write("text", "some text that is longer than a literal");
    world.weft(["add", "--label", "text", "text"]).ok();
    let pack = only(&world, ".weft/packs");
    let bytes = fs::read(&pack).unwrap();
    fs::write(&pack, &bytes[..bytes.len() / 2]).unwrap();
    let ran = world.weft(["labels"]);
    assert!(ran.stderr.contains("is damaged from offset"), "{ran:?}");
    let ran = world.weft(["fsck"]);
    found(&ran, &["the store is damaged", "weft fsck --repair"]);
    assert!(shown(&ran).contains("bytes that were safe are gone"), "{ran:?}");
    found(&world.weft(["fsck", "--repair"]), &["not all of the store could be kept"]);
    assert!(world.weft(["fsck"]).ok().text().starts_with("the store is sound\n"));
}

#[test]
fn nothing_is_written_while_a_pack_is_gone() {
    let world = World::new();
    world.write("text", "some text that is longer than a literal");
    world.weft(["add", "--label", "text", "text"]).ok();
    let (pack, aside) = (only(&world, ".weft/packs"), world.path("aside"));
    fs::rename(&pack, &aside).unwrap();
    let name = pack.display().to_string();
    for command in [&["add", "text"][..], &["label", "other", "1u64"], &["gc"]] {
        world.weft(command).fails(5, &[&name, "is gone", "put it back"]);
    }
    let ran = world.weft(["fsck"]);
    found(&ran, &["put back what is gone"]);
    assert!(shown(&ran).contains(&format!("{name}: gone")), "{ran:?}");
    fs::rename(&aside, &pack).unwrap();
    assert!(world.weft(["labels"]).ok().text().ends_with(" text\n"));
    assert!(world.weft(["fsck"]).ok().text().starts_with("the store is sound\n"));
}

#[test]
fn a_large_file_that_was_changed_or_lost_is_found() {
    let world = World::new();
    let large: Vec<u8> = (0..3_000_000_u32).map(|at| (at / 5) as u8).collect();
    world.write("large", &large);
    world.weft(["add", "--label", "large", "large"]).ok();
    let above = only(&world, ".weft/large");
    let file = fs::read_dir(&above).unwrap().next().unwrap().unwrap().path();
    let name = file.display().to_string();
    fs::remove_file(&file).unwrap();
    world.weft(["cat", "@large"]).fails(5, &[&name]);
    let ran = world.weft(["fsck"]);
    assert!(ran.code == Some(5) && shown(&ran).contains(&format!("{name}: gone")), "{ran:?}");
    assert_eq!(world.weft(["fsck", "--repair"]).code, Some(5));
    world.weft(["add", "large"]).ok();
    assert!(world.weft(["fsck"]).ok().text().starts_with("the store is sound\n"));
    assert!(world.weft(["cat", "@large"]).stdout == large);
}

#[test]
fn a_store_of_version_1_is_named_and_migrated() {
    let world = World::bare();
    world.guest("add.wasm");
    fs::create_dir(world.path(".weft")).unwrap();
    fs::copy(VERSION_1, world.path(".weft/store")).unwrap();
    for command in [&["labels"][..], &["fsck"], &["eval", "1u64"]] {
        world.weft(command).fails(5, &["version 1", "weft migrate"]);
    }
    let text = world.weft(["migrate"]).ok().text().to_owned();
    assert_eq!(text, "from version 1: 12 objects, 3 relations, 3 labels\n");
    assert!(world.weft(["fsck"]).ok().text().starts_with("the store is sound\n"));
    assert!(world.weft(["cat", "@src", "a.txt"]).text().contains("that version 1 made"));
    // What was found out by that program is known.
    let answer = world.weft(["eval", "--output", "json", "apply(./add.wasm, 1u64, 2u64)"]);
    assert!(answer.ok().text().contains(r#""applied":0"#), "{answer:?}");
    assert!(world.weft(["migrate"]).ok().text().ends_with(" is of this version\n"));

    let mut bytes = fs::read(VERSION_1).unwrap();
    bytes[8] = 9;
    let other = World::bare();
    fs::create_dir(other.path(".weft")).unwrap();
    fs::write(other.path(".weft/store"), &bytes).unwrap();
    for command in ["migrate", "fsck", "labels"] {
        other.weft([command]).fails(5, &["version 9", "the program that wrote it"]);
    }
    assert_eq!(fs::read(other.path(".weft/store")).unwrap(), bytes);
}

#[test]
fn what_is_damaged_of_an_older_store_is_said() {
    let world = World::bare();
    fs::create_dir(world.path(".weft")).unwrap();
    fs::copy(VERSION_1, world.path(".weft/store")).unwrap();
    damage(&world.path(".weft/store"), b"that version 1 made");
    let ran = world.weft(["migrate"]);
    found(&ran, &["was damaged", ".weft/store.v1"]);
    assert!(shown(&ran).contains("damaged: #"), "{ran:?}");
    assert!(world.path(".weft/store.v1").exists());
    assert!(world.weft(["labels"]).text().contains("jobs/sum"));
}

#[test]
fn an_older_store_that_was_cut_is_said_to_be() {
    let world = World::bare();
    fs::create_dir(world.path(".weft")).unwrap();
    let bytes = fs::read(VERSION_1).unwrap();
    let half = &bytes[..bytes.len() / 2 + 3];
    fs::write(world.path(".weft/store"), half).unwrap();
    let ran = world.weft(["migrate"]);
    found(&ran, &["damaged or missing", ".weft/store.v1"]);
    assert!(shown(&ran).contains("that held nothing readable"), "{ran:?}");
    assert!(fs::read(world.path(".weft/store.v1")).unwrap() == half);
}
