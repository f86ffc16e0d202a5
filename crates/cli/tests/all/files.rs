//! Files in, files out.

use std::ffi::OsStr;
use std::fs;
use std::os::unix::ffi::OsStrExt;
use std::os::unix::fs::{PermissionsExt, symlink};

use crate::world::World;

#[test]
fn a_directory_comes_back_as_it_was() {
    let world = World::new();
    world.write("d/empty", "");
    world.write("d/deep/er/file", "x".repeat(1000));
    let script = world.write("d/run.sh", "#!/bin/sh\n");
    fs::set_permissions(script, fs::Permissions::from_mode(0o755)).unwrap();
    fs::create_dir(world.path("d/nothing")).unwrap();
    symlink("deep/er/file", world.path("d/link")).unwrap();
    symlink("loop", world.path("d/loop")).unwrap();
    symlink("..", world.path("d/deep/up")).unwrap();
    let odd = OsStr::from_bytes(b"caf\xe9\n\"quoted\"");
    fs::write(world.path("d").join(odd), "odd").unwrap();

    let added = world.weft(["add", "d"]);
    let handle = added.handle();
    world.weft(["get", handle, "back"]).ok();
    assert_eq!(world.weft(["add", "back"]).handle(), handle);
    assert_eq!(fs::read(world.path("back").join(odd)).unwrap(), b"odd");
    assert_eq!(fs::read_link(world.path("back/loop")).unwrap(), OsStr::new("loop"));
    let mode = fs::metadata(world.path("back/run.sh")).unwrap().permissions().mode();
    assert_eq!(mode & 0o777, 0o755);
    // The handle without `#`, and its first digits, will do.
    world.weft(["get", &handle[1..], "back-2"]).ok();
    assert_eq!(world.weft(["ls", &handle[1..13], "deep/er"]).text(), "file\n");
    // One entry on one line, whatever its name.
    let names = world.weft(["ls", handle]);
    let shown: Vec<&str> = names.text().lines().collect();
    let odd = "\"caf\\xe9\\n\\\"quoted\\\"\"";
    assert_eq!(shown, [odd, "deep/", "empty", "link", "loop", "nothing/", "run.sh"]);
}

#[test]
fn several_paths_give_several_handles() {
    let world = World::new();
    world.write("a", "a");
    world.write("b", "b".repeat(100));
    let both = world.weft(["add", "a", "b"]);
    let lines: Vec<&str> = both.text().lines().collect();
    assert_eq!(lines.len(), 2);
    assert_eq!(lines[1], world.weft(["add", "b"]).handle());
    world.weft(["add", "--label", "x", "a", "b"]).fails(2, &["one by one"]);
    world.weft(["add", "--label", "no spaces", "a"]).fails(2, &["not a label"]);
}

#[test]
fn the_store_is_not_added_to_itself() {
    let world = World::new();
    world.write("a", "a");
    let handle = world.weft(["add", "."]).handle().to_owned();
    assert_eq!(world.weft(["ls", &handle]).text(), "a\n");
    // Nor one that is called otherwise.
    let mut command = world.command(crate::world::WEFT);
    let other = crate::world::ran(command.env("WEFT_DIR", "other").arg("init").output().unwrap());
    other.ok();
    let mut command = world.command(crate::world::WEFT);
    let added = command.env("WEFT_DIR", "other").args(["add", "."]).output().unwrap();
    assert_eq!(crate::world::ran(added).handle(), handle);
}

#[test]
fn nothing_is_overwritten() {
    let world = World::new();
    world.remember();
    world.write("there", "mine");
    world.weft(["get", "@kept", "there"]).fails(1, &["there exists already", "another place"]);
    assert_eq!(fs::read(world.path("there")).unwrap(), b"mine");
    world.weft(["get", "@kept", "no/such/place"]).fails(1, &["no/such/place"]);
    world.weft(["get", "identify(\"x\")", "file"]).ok();
    assert_eq!(fs::read(world.path("file")).unwrap(), b"x");
    world.is_intact();
}

/// Refused at once, or in the middle of it: nothing is there, under any name.
#[test]
fn what_is_not_complete_is_not_there() {
    let world = World::new();
    world.write("d/a", "small");
    world.write("d/b", "x".repeat(100_000));
    let handle = world.weft(["add", "d"]).handle().to_owned();
    let names = || {
        let mut names: Vec<_> =
            fs::read_dir(world.path("")).unwrap().map(|entry| entry.unwrap().file_name()).collect();
        names.sort();
        names
    };
    let before = names();
    let limited = |command: &str| {
        let script = format!("trap '' XFSZ; ulimit -f 8; exec {} {command}", crate::world::WEFT);
        crate::world::ran(world.command("sh").args(["-c", &script]).output().unwrap())
    };
    limited(&format!("get '{handle}' out")).fails(1, &["out/b", "ulimit -f"]);
    limited(&format!("get '{handle}' b out")).fails(1, &["cannot write out", "ulimit -f"]);
    assert_eq!(names(), before);
    world.weft(["get", &handle, "out"]).ok();
    fs::create_dir(world.path("empty")).unwrap();
    world.weft(["get", &handle, "empty"]).fails(1, &["empty exists already"]);
}

#[test]
fn standard_input_is_a_file() {
    let world = World::new();
    let added = world.weft_with(b"from a pipe", &["add", "--label", "piped", "-"]);
    let handle = added.handle();
    world.write("file", "from a pipe");
    assert_eq!(world.weft(["add", "file"]).handle(), handle);
    assert_eq!(world.weft(["cat", "@piped"]).text(), "from a pipe");
}

#[test]
fn a_directory_is_listed_with_all_that_is_known() {
    let world = World::new();
    let path = world.write("d/file", "four");
    fs::set_permissions(path, fs::Permissions::from_mode(0o640)).unwrap();
    fs::create_dir(world.path("d/sub")).unwrap();
    fs::set_permissions(world.path("d/sub"), fs::Permissions::from_mode(0o700)).unwrap();
    symlink("file", world.path("d/link")).unwrap();
    let handle = world.weft(["add", "d"]).handle().to_owned();
    let long = world.weft(["ls", "-l", &handle]);
    let lines: Vec<Vec<&str>> =
        long.text().lines().map(|line| line.split_whitespace().collect()).collect();
    let columns = |at: usize| lines.iter().map(|line| line[at]).collect::<Vec<_>>();
    assert_eq!(columns(0), ["-rw-r-----", "lrwxrwxrwx", "drwx------"]);
    assert_eq!(columns(1), ["4", "4", "0"]);
    assert_eq!(columns(3), ["file", "link", "sub/"]);
    // The handles are handles.
    assert_eq!(world.weft(["cat", columns(2)[0]]).text(), "four");
    world.weft(["ls", &handle, "nowhere"]).fails(5, &["there is no nowhere"]);
    world.weft(["ls", &handle, "file/below"]).fails(1, &["file"]);
    world.weft(["ls", &handle, "/abs"]).fails(2, &["path"]);
    // As a shell completes it.
    assert_eq!(world.weft(["ls", &handle, "./sub/"]).text(), "");
    assert_eq!(world.weft(["ls", &handle, "."]).text(), "file\nlink\nsub/\n");
    assert_eq!(world.weft(["cat", &handle, "./file"]).text(), "four");
    world.weft(["cat", &handle, "nowhere"]).fails(5, &["there is no nowhere"]);
    world.weft(["get", &handle, "file", "out"]).ok();
    assert_eq!(fs::read(world.path("out")).unwrap(), b"four");
}

#[test]
fn labels_come_and_go() {
    let world = World::new();
    world.guest("add.wasm");
    world.weft(["label", "b", "\"text\""]).ok();
    world.weft(["label", "a", "apply(./add.wasm, 1u64, 2u64)"]).ok();
    let listed = world.weft(["labels"]);
    let names: Vec<&str> = listed.text().lines().map(|line| &line[66..]).collect();
    assert_eq!(names, ["a", "b"]);
    // A label may stand for a computation, which any command evaluates.
    assert_eq!(world.weft(["cat", "@a"]).ok().stdout, 3u64.to_le_bytes());
    world.weft(["label", "b", "@a"]).ok();
    assert_eq!(world.eval("@b").text(), "3u64\n");
    world.weft(["label", "--delete", "b"]).ok();
    world.weft(["label", "--delete", "b"]).fails(5, &["there is no label b", "weft labels"]);
    world.weft(["cat", "@b"]).fails(5, &["there is no label b"]);
    world.weft(["label", "beef", "@a"]).fails(2, &["could be a handle"]);
    world.weft(["label", "c"]).fails(2, &["HANDLE"]);
}
