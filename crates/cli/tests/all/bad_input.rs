//! What cannot be added, and names that lead nowhere: an error, a code, and a
//! store as it was.

use std::fs;
use std::os::unix::fs::{MetadataExt, PermissionsExt, symlink};
use std::os::unix::net::UnixListener;
use std::os::unix::process::CommandExt;
use std::process::Command;

use crate::world::{WEFT, World, ran};

#[test]
fn what_is_no_data_is_named() {
    let world = World::new();
    world.remember();
    fs::create_dir(world.path("odd")).unwrap();
    let fifo = world.path("odd/pipe");
    assert!(Command::new("mkfifo").arg(&fifo).status().unwrap().success());
    world.weft(["add", "odd"]).fails(1, &["odd/pipe is a fifo", "move it away"]);
    world.weft(["add", "odd/pipe"]).fails(1, &["odd/pipe is a fifo"]);
    fs::remove_file(fifo).unwrap();
    let _socket = UnixListener::bind(world.path("odd/socket")).unwrap();
    world.weft(["add", "odd"]).fails(1, &["odd/socket is a socket"]);
    world.eval("apply(./odd/socket)").fails(1, &["line 1, column 7", "odd/socket is a socket"]);
    world.weft(["add", "/dev/null"]).fails(1, &["/dev/null is a character device"]);
    world.is_intact();
}

#[test]
fn what_is_not_there_is_named() {
    let world = World::new();
    world.remember();
    world.weft(["add", "nowhere"]).fails(1, &["cannot read nowhere: there is no such file"]);
    symlink("itself", world.path("itself")).unwrap();
    world.weft(["add", "itself"]).fails(1, &["cannot read itself"]);
    symlink("nowhere", world.path("dangling")).unwrap();
    world.weft(["add", "dangling"]).fails(1, &["cannot read dangling"]);
    world.eval("./nowhere").fails(1, &["column 1", "cannot read ./nowhere"]);
    world.is_intact();
}

/// Root may read everything, so then another user tries.
#[test]
fn what_may_not_be_read_is_named() {
    const NOBODY: u32 = 65534;
    let world = World::bare();
    let root = fs::metadata("/proc/self").is_ok_and(|me| me.uid() == 0);
    // Where that user gets at it, whatever the way to the built one permits.
    let program = world.path("weft");
    // Copied by another process: while a test here forks, no file that is open for
    // writing can be run.
    assert!(
        Command::new("cp").args([WEFT.as_ref(), program.as_os_str()]).status().unwrap().success()
    );
    fs::create_dir(world.path("home")).unwrap();
    for open in [world.path(""), world.path("home")] {
        fs::set_permissions(open, fs::Permissions::from_mode(0o777)).unwrap();
    }
    let weft = |arguments: &[&str]| {
        let mut command = world.command(&program);
        command.args(arguments);
        if root {
            command.uid(NOBODY).gid(NOBODY);
        }
        ran(command.output().unwrap())
    };
    weft(&["init"]).ok();
    world.write("kept/a", "what was there before");
    weft(&["add", "--label", "kept", "kept"]).ok();

    let file = world.write("d/secret", "secret");
    fs::set_permissions(&file, fs::Permissions::from_mode(0o000)).unwrap();
    weft(&["add", "d"]).fails(1, &["no permission to", "d/secret"]);
    weft(&["add", "d/secret"]).fails(1, &["no permission to", "d/secret"]);
    fs::set_permissions(&file, fs::Permissions::from_mode(0o644)).unwrap();
    let closed = fs::Permissions::from_mode(0o000);
    fs::create_dir(world.path("d/closed")).unwrap();
    fs::set_permissions(world.path("d/closed"), closed.clone()).unwrap();
    weft(&["add", "d"]).fails(1, &["no permission to", "d/closed"]);
    weft(&["get", "@kept", "d/closed/copy"]).fails(1, &["no permission to", "d/closed/copy"]);
    // A store that may only be read is read.
    let store = world.path(".weft/store");
    fs::set_permissions(&store, fs::Permissions::from_mode(0o444)).unwrap();
    weft(&["add", "kept"]).fails(5, &["no permission to", ".weft/store", "WEFT_DIR"]);
    assert_eq!(weft(&["ls", "@kept"]).text(), "a\n");
    fs::set_permissions(&store, fs::Permissions::from_mode(0o644)).unwrap();
    assert_eq!(weft(&["cat", "select(@kept, \"a\")"]).text(), "what was there before");
    let directory = world.path(".weft");
    fs::set_permissions(&directory, fs::Permissions::from_mode(0o000)).unwrap();
    weft(&["labels"]).fails(5, &["no permission to look into", ".weft", "chmod", "WEFT_DIR"]);
    fs::set_permissions(&directory, fs::Permissions::from_mode(0o755)).unwrap();
    fs::set_permissions(world.path("d/closed"), fs::Permissions::from_mode(0o755)).unwrap();
}

#[test]
fn prefixes_that_mean_nothing_or_too_much() {
    let world = World::new();
    world.remember();
    let nothing = world.weft(["ls", "0000"]);
    nothing.fails(5, &["nothing in the store begins with #0000"]);
    // So many Blobs that two of them share their first four digits: 2,000 of
    // 65,536, which no two would do once in 10^13 times.
    for number in 0..2000 {
        world.write(format!("many/{number}"), format!("{number:040}"));
    }
    let handle = world.weft(["add", "many"]).handle().to_owned();
    let listed = world.weft(["ls", "-l", &handle]);
    let mut starts: Vec<&str> =
        listed.text().lines().map(|line| &line.split('#').nth(1).unwrap()[..4]).collect();
    starts.sort_unstable();
    let twice = starts.windows(2).find(|pair| pair[0] == pair[1]).unwrap()[0];
    let ran = world.weft(["cat", twice]);
    ran.fails(
        5,
        &[&format!("#{twice} could be "), "(blob of 40 bytes)", " or ", "give more digits"],
    );
    assert!(ran.stderr.matches("(blob of 40 bytes)").count() >= 2, "{}", ran.stderr);
    world.eval(&format!("[#{twice}]")).fails(5, &["column 2", "give more digits"]);
    world.is_intact();
}

#[test]
fn content_that_is_not_there_is_named() {
    let world = World::new();
    world.remember();
    world.write("elsewhere/x", "not in this store, and no literal either");
    // The handle is right, the content is in another store.
    let other = World::new();
    other.write("x", "not in this store, and no literal either");
    let handle = other.weft(["add", "x"]).handle().to_owned();
    world.weft(["cat", &handle]).fails(5, &[&handle, "not in the store", "again"]);
    world.weft(["label", "x", &handle]).fails(5, &[&handle, "not in the store"]);
    world.weft(["label", "x", "[]"]).ok();
    world.eval(&handle).fails(5, &[&handle, "not in the store"]);
    world.weft(["eval", "-o", "raw", &format!("select([{handle}], 0)")]).fails(5, &[&handle]);
    let named = world.eval(&format!("select([{handle}], 0)"));
    assert_eq!((named.code, &*named.stdout), (Some(0), format!("{handle}\n").as_bytes()));
    assert!(named.stderr.contains("warning: the content of"), "{named:?}");
    world.weft(["get", &handle, "dest"]).fails(5, &[&handle]);
    assert!(!world.path("dest").exists());
    world.eval(&format!("apply({handle})")).fails(4, &["no answer: lost", &handle]);
    world.is_intact();
}

#[test]
fn handles_of_the_wrong_kind() {
    let world = World::new();
    world.remember();
    world.guest("add.wasm");
    world.eval("strict(@kept)").fails(2, &["column 8", "`strict` takes a thunk", "identify"]);
    world.eval("apply(./add.wasm, [], [])").fails(3, &["bad handle"]);
    world.eval("apply([], 1u64)").fails(3, &["the computation failed"]);
    world.eval("application([])").fails(3, &["ill-formed"]);
    world.eval("select(@kept, 99)").fails(3, &["out of range"]);
    world.eval("select(@kept, \"nowhere\")").fails(3, &["nowhere"]);
    world.weft(["get", "[1u8]", "dest"]).fails(1, &["directory"]);
    world.weft(["ls", "[1u8]", "path"]).fails(1, &["no directory"]);
    world.is_intact();
}

#[test]
fn syntax_errors_point_at_the_place() {
    let world = World::new();
    world.remember();
    let golden = "weft: error: line 2, column 10: found `)`\n  |\n2 |   \"text\" )\n  |          ^ expected `,` or `]`\n";
    let ran = world.eval("[ @kept,\n  \"text\" )");
    ran.fails(2, &[]);
    assert_eq!(ran.stderr, golden);
    world.eval("").fails(2, &["found the end"]);
    let deep = format!("{}{}", "[".repeat(100_000), "]".repeat(100_000));
    world.weft_with(deep.as_bytes(), &["eval", "-"]).fails(2, &["column 201", "200 levels"]);
    let wide = format!("[{}]", "1u8,".repeat(20_000));
    world.weft_with(wide.as_bytes(), &["eval", "-"]).ok();
    world.weft_with(&b"[".repeat(10_000_000), &["eval", "-"]).fails(2, &["200 levels"]);
    world.is_intact();
}

#[test]
fn a_slip_gets_one_line_that_helps() {
    let world = World::new();
    world.remember();
    for (typed, words) in [
        ("ABCDEF", "a label is written @ABCDEF, a path ./ABCDEF"),
        ("#abc", "4 to 64 lower-case hex digits"),
        ("#ABCD", "4 to 64 lower-case hex digits"),
        ("notes.txt", "a path ./notes.txt"),
        (&"0".repeat(65), "4 to 64 lower-case hex digits"),
    ] {
        for command in ["cat", "eval"] {
            let ran = world.weft([command, typed]);
            ran.fails(2, &["is neither a handle nor an expression", words]);
            assert_eq!(ran.stderr.lines().count(), 1, "{ran:?}");
        }
    }
    world.eval("7").fails(2, &["`u64`"]);
    world.eval("strict").fails(2, &["column 7"]);
    world.eval("@kpet").fails(5, &["there is no label kpet; did you mean @kept?"]);
    world.weft(["label", "--delete", "kep"]).fails(5, &["did you mean @kept?"]);
}

#[test]
fn arguments_that_are_no_text() {
    use std::os::unix::ffi::OsStrExt;
    let world = World::new();
    let odd = std::ffi::OsStr::from_bytes(b"./\xff");
    let ran = world.weft([std::ffi::OsStr::new("cat"), odd]);
    ran.fails(2, &["UTF-8", "escapes"]);
    fs::write(world.path(odd), "odd").unwrap();
    assert_eq!(world.weft(["cat", "file\"./\\xff\""]).text(), "odd");
    let handle = world.weft([std::ffi::OsStr::new("add"), odd]).handle().to_owned();
    assert_eq!(world.weft(["cat", &handle]).text(), "odd");
}
