//! Stores that are missing, in use, foreign or damaged.

use std::fs;

use std::path::PathBuf;

use crate::world::{WEFT, World, ran};

/// What grows when something is put: the newest part of the log.
fn log(world: &World) -> PathBuf {
    let packs = fs::read_dir(world.path(".weft/packs")).unwrap();
    packs.map(|pack| pack.unwrap().path()).max().unwrap()
}

#[test]
fn without_a_store_every_command_says_how_to_make_one() {
    let world = World::bare();
    world.write("a", "a");
    for arguments in [
        &["add", "a"][..],
        &["ls", "1234"],
        &["cat", "@x"],
        &["get", "@x", "y"],
        &["eval", "1u8"],
        &["label", "x", "1u8"],
        &["label", "--delete", "x"],
        &["labels"],
    ] {
        world.weft(arguments).fails(5, &["no store at or above", "weft init", "WEFT_DIR"]);
    }
    let ran = ran(world.command(WEFT).env("WEFT_DIR", "nowhere").arg("labels").output().unwrap());
    ran.fails(5, &["nowhere", "WEFT_DIR"]);
    assert!(!ran.stderr.contains("above"), "{ran:?}");
    assert!(!world.path("nowhere").exists());
}

/// The directory that has the store is as good a name for it as its own.
#[test]
fn the_variable_may_name_the_directory_above() {
    let world = World::new();
    world.remember();
    for named in [".", ".weft"] {
        for command in ["labels", "init"] {
            let ran =
                ran(world.command(WEFT).env("WEFT_DIR", named).arg(command).output().unwrap());
            assert!(ran.text().contains("kept") || ran.text().contains("already"), "{ran:?}");
        }
    }
    assert!(!world.path("store").exists());
}

/// Where there is no room for a store, none is left half.
#[test]
fn a_store_is_made_in_full_or_not_at_all() {
    let world = World::bare();
    let limited = |arguments: &str| {
        let script = format!("trap '' XFSZ; ulimit -f 0; exec {WEFT} init {arguments}");
        ran(world.command("sh").args(["-c", &script]).output().unwrap())
    };
    limited("").fails(5, &["ulimit -f", ".weft"]);
    limited("new").fails(5, &["ulimit -f", "new/.weft"]);
    assert_eq!(fs::read_dir(world.path("")).unwrap().count(), 0);
    fs::create_dir(world.path(".weft")).unwrap();
    limited("").fails(5, &["ulimit -f"]);
    assert_eq!(fs::read_dir(world.path(".weft")).unwrap().count(), 0);
    assert!(world.weft(["init"]).text().starts_with("made a store in"));
}

#[test]
fn a_store_is_found_from_below_and_made_where_it_is_wanted() {
    let world = World::bare();
    let made = world.weft(["init", "project"]);
    assert!(made.text().starts_with("made a store in project/.weft"), "{made:?}");
    fs::create_dir_all(world.path("project/deep/er")).unwrap();
    let mut command = world.command(WEFT);
    let below = command.current_dir(world.path("project/deep/er")).arg("labels");
    ran(below.output().unwrap()).ok();
    world.weft(["labels"]).fails(5, &["no store"]);
    assert!(world.weft(["init", "project"]).text().starts_with("there is a store already"));
    let mut command = world.command(WEFT);
    let named = ran(command.env("WEFT_DIR", "named").arg("init").output().unwrap());
    assert!(named.text().contains("named"), "{named:?}");
    assert!(world.path("named/store").is_file());
}

#[test]
fn foreign_files_are_left_alone() {
    let world = World::bare();
    for (bytes, words) in [
        (&b"this is somebody's diary, and not a store at all"[..], "is not a weft store"),
        (&[0x5a; 4096], "is not a weft store"),
    ] {
        let path = world.write(".weft/store", bytes);
        world.weft(["labels"]).fails(5, &[words, "WEFT_DIR"]);
        world.weft(["add", "."]).fails(5, &[words]);
        world.weft(["init"]).fails(5, &[words]);
        assert_eq!(fs::read(path).unwrap(), bytes);
    }
    fs::remove_file(world.path(".weft/store")).unwrap();
    fs::create_dir(world.path(".weft/store")).unwrap();
    assert_ne!(world.weft(["labels"]).code, Some(0));
}

#[test]
fn a_store_of_another_version_is_left_alone() {
    let world = World::new();
    world.remember();
    let path = world.path(".weft/store");
    let bytes = fs::read(&path).unwrap();
    let refused = |changed: &[u8], says: &str| {
        fs::write(&path, changed).unwrap();
        let ran = world.weft(["add", "kept"]);
        assert_eq!(fs::read(&path).unwrap(), changed);
        ran.fails(5, &[says]);
    };
    // Where all else is as it was, a changed byte is damage, whatever it says.
    for at in 0..16 {
        let mut changed = bytes.clone();
        changed[at] ^= 2;
        refused(&changed, "store is damaged, the list of the store's parts");
    }
    let mut other = bytes.clone();
    other[8] = 4;
    other.extend([0; 8]);
    refused(&other, "is a store of version 4, and this program knows version 3");
    fs::write(&path, &bytes).unwrap();
    world.is_intact();
}

#[test]
fn damage_is_an_error_about_what_it_hit() {
    let world = World::new();
    world.remember();
    world.write("big", "z".repeat(10_000));
    let handle = world.weft(["add", "big"]).handle().to_owned();
    world.remember();
    let path = log(&world);
    let mut bytes = fs::read(&path).unwrap();
    let at = bytes.windows(100).position(|window| window == [b'z'; 100]).unwrap();
    bytes[at + 50] ^= 1;
    fs::write(&path, &bytes).unwrap();
    let ran = world.weft(["cat", &handle]);
    assert_eq!(ran.code, Some(5), "{ran:?}");
    assert!(ran.stderr.contains("damaged") && ran.stderr.contains(&handle), "{ran:?}");
    assert!(ran.stdout.is_empty());
    // All else is there.
    assert_eq!(world.weft(["ls", "@kept"]).text(), "a\n");
}

#[test]
fn a_torn_end_is_cut_off() {
    let world = World::new();
    world.remember();
    let path = log(&world);
    let mut bytes = fs::read(&path).unwrap();
    bytes.extend_from_slice(&[7; 33]);
    fs::write(&path, &bytes).unwrap();
    world.weft(["ls", "@kept"]);
    world.weft(["add", "kept"]);
    world.is_intact();
}

/// The disk is full as far as this process may know: the limit on the size of
/// files says so.
#[test]
fn an_answer_that_cannot_be_kept_is_an_answer() {
    let world = World::new();
    world.remember();
    world.guest("add.wasm");
    let expression = "[./add.wasm, strict(apply(./add.wasm, 1u64, 2u64))]";
    // The engine has files in memory, for which this is enough.
    for part in 0..10_u8 {
        // Of each a little less than is a file of its own.
        world.write(format!("pad/{part}"), vec![part; 1_000_000]);
    }
    world.weft(["add", "pad"]).ok();
    // What it is made of fits, what is found out does not.
    world.weft(["label", "job", expression]).ok();
    let blocks = fs::metadata(log(&world)).unwrap().len() / 512;
    let mut shell = world.command("sh");
    let script = format!("trap '' XFSZ; ulimit -f {blocks}; exec {WEFT} eval @job");
    let full = ran(shell.args(["-c", &script]).output().unwrap());
    assert_eq!(full.code, Some(0), "{full:?}");
    assert!(String::from_utf8_lossy(&full.stdout).contains("3u64]"), "{full:?}");
    assert!(full.stderr.contains("warning: what was found out is not kept: "), "{full:?}");
    assert!(full.stderr.contains("ulimit -f"), "{full:?}");
    // Nor is it said that what is lost is kept.
    world.wat(
        "loop.wasm",
        r#"(module (func (export "weft_apply") (param i32) (result i32)
            (loop $again (br $again)) (unreachable)))"#,
    );
    let expression = "[strict(apply(./add.wasm, 5u64, 2u64)), strict(apply(./loop.wasm))]";
    world.weft(["label", "late", expression]).ok();
    let blocks = fs::metadata(log(&world)).unwrap().len() / 512;
    let script = format!("trap '' XFSZ; ulimit -f {blocks}; exec {WEFT} eval --deadline 1s @late");
    let late = ran(world.command("sh").args(["-c", &script]).output().unwrap());
    assert_eq!(late.code, Some(4), "{late:?}");
    assert!(late.stderr.contains("no answer: deadline"), "{late:?}");
    assert!(late.stderr.contains("warning: what was found out is not kept: "), "{late:?}");
    assert!(!late.stderr.contains("what was found out is kept"), "{late:?}");
    // Out of room in the middle of adding: the store's matter.
    let script =
        format!("trap '' XFSZ; ulimit -f {blocks}; head -c 99999 /dev/zero | {WEFT} add -");
    let full = ran(world.command("sh").args(["-c", &script]).output().unwrap());
    full.fails(5, &["ulimit -f"]);
    world.is_intact();
    assert_eq!(world.eval("@job").text().matches("3u64").count(), 1);
}
