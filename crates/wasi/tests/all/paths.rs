//! Where paths lead, and where they do not.

use weft_object::Handle;
use weft_object::directory::{Entry, FileKind, Name};
use weft_wasi::{Errno, Invocation, Preopen};

use crate::guest::{CREAT, Guest, READ, ROOT, WRITE};
use crate::shelf::{Node, Shelf, file, link, nodes};

fn tree() -> Guest {
    Guest::within(&nodes(&[
        ("dir/nested/file", file(b"deep")),
        ("top", file(b"top")),
        ("to_dir", link("dir/nested")),
        ("to_top", link("./dir/../top")),
        ("chain", link("to_top")),
        ("loop", link("loop")),
        ("two", link("three")),
        ("three", link("two")),
        ("dir/up", link("../top")),
        ("dir/out", link("../../top")),
        ("absolute", link("/top")),
        ("slash", link("top/")),
        ("dir_slash", link("dir/")),
        ("dangling", link("none/none")),
    ]))
}

#[test]
fn a_path_goes_down_up_and_around() {
    let mut guest = tree();
    let path = "dir/.//nested/../../dir/nested/../nested///./file";
    assert_eq!(guest.load(path).unwrap(), b"deep");
    assert_eq!(guest.load("to_dir/file").unwrap(), b"deep");
    assert_eq!(guest.load("to_dir/../nested/file").unwrap(), b"deep");
    assert_eq!(guest.load("to_dir/../../top").unwrap(), b"top", "up from where the link leads");
    assert_eq!(guest.load("chain").unwrap(), b"top");
    assert_eq!(guest.load("dir/up").unwrap(), b"top");
    for directory in
        ["dir/nested/", "dir/nested///", "dir/nested/.", "to_dir", "dir/nested/..", "."]
    {
        let fd = guest.open(directory, 2, READ).unwrap();
        guest.close(fd).unwrap();
    }
}

#[test]
fn a_path_does_not_leave_its_directory() {
    let mut guest = tree();
    for path in ["/top", "..", "../top", "dir/../../top", "dir/out", "absolute", "/", "dir/../.."] {
        assert_eq!(guest.open(path, 0, READ), Err(Errno::Perm), "{path}");
        assert_eq!(guest.stat(path), Err(Errno::Perm), "{path}");
    }
    let dir = guest.open("dir", 0, READ).unwrap();
    assert_eq!(guest.open_with((dir, 1), "..", 0, READ, 0), Err(Errno::Perm), "below what is open");
    assert_eq!(guest.open_with((dir, 1), "up", 0, READ, 0), Err(Errno::Perm));
    assert_eq!(guest.readlink("absolute", 99).unwrap(), b"/top", "what it says can be read");
    assert_eq!(guest.mkdir("../new"), Err(Errno::Perm));
    assert_eq!(guest.symlink("/top", "new"), Err(Errno::Perm));
    guest.symlink("../../anywhere", "new").unwrap();
    assert_eq!(guest.stat("new"), Err(Errno::Perm));
    assert_eq!(guest.rename("top", "../top"), Err(Errno::Perm));
}

#[test]
fn a_path_that_leads_nowhere_says_why() {
    let mut guest = tree();
    let long = "x".repeat(256);
    let longer = "x/".repeat(2100);
    for (path, errno) in [
        ("", Errno::Noent),
        ("none", Errno::Noent),
        ("none/none", Errno::Noent),
        ("dangling", Errno::Noent),
        ("top/", Errno::Notdir),
        ("top/.", Errno::Notdir),
        ("top/x", Errno::Notdir),
        ("top/..", Errno::Notdir),
        ("slash", Errno::Notdir),
        ("loop", Errno::Loop),
        ("two/x", Errno::Loop),
        ("dir/\0", Errno::Inval),
        (&long, Errno::Nametoolong),
        (&longer, Errno::Nametoolong),
    ] {
        assert_eq!(guest.open(path, 0, READ), Err(errno), "{path:?}");
        assert_eq!(guest.stat(path), Err(errno), "{path:?}");
    }
    guest.memory[0x2000] = 0xff;
    let open = [3, 1, 0x2000, 1, 0, READ, READ, 0, 0];
    assert_eq!(guest.call("path_open", &open), Err(Errno::Ilseq));
    assert_eq!(guest.call("path_create_directory", &[3, 0x2000, 1]), Err(Errno::Ilseq));
    assert_eq!(guest.open("dir_slash", CREAT, WRITE), Err(Errno::Isdir));
    assert_eq!(guest.open("loop", CREAT, WRITE), Err(Errno::Loop));
}

#[test]
fn names_in_the_input_that_are_not_text_are_listed_and_kept() {
    let mut shelf = Shelf::default();
    let entry = |name: &[u8]| Entry {
        name: Name::new(name).unwrap(),
        kind: FileKind::File,
        mode: 0o600,
        child: Handle::of_blob(b"x"),
    };
    let root = shelf.directory_of(vec![entry(b"a"), entry(b"\xff")]);
    let preopens = vec![Preopen { path: b".".to_vec(), root }];
    let mut guest = Guest::new(Invocation { preopens, ..Invocation::default() }, shelf);
    guest.call("fd_readdir", &[ROOT.into(), 0x1000, 999, 3, 0]).unwrap();
    assert_eq!(guest.u32_at(0), 25);
    assert_eq!(guest.memory[0x1000 + 24], 0xff);
    guest.unlink("a").unwrap();
    let (finished, shelf) = guest.finish();
    assert_eq!(shelf.entries(&finished.roots[0]), [entry(b"\xff")]);
}

#[test]
fn stat_says_what_is_there() {
    let mut guest = tree();
    let file = guest.stat("top").unwrap();
    assert_eq!((file.filetype, file.size, file.links), (4, 3, 1));
    let directory = guest.stat("dir").unwrap();
    assert_eq!((directory.filetype, directory.size, directory.links), (3, 0, 1));
    let link = guest.lstat("to_dir").unwrap();
    assert_eq!((link.filetype, link.size, link.links), (7, 10, 1));
    assert_eq!(guest.stat("to_top").unwrap(), file);
    assert_eq!(guest.lstat("to_dir/").unwrap().filetype, 3, "a slash means the directory");
    assert_ne!(file.number, directory.number);
    let fd = guest.open("dir/../top", 0, READ).unwrap();
    assert_eq!(guest.fstat(fd).unwrap(), file, "one file has one number");
    guest.rename("top", "other").unwrap();
    assert_eq!(guest.stat("other").unwrap().number, file.number);
    guest.save("top", b"new").unwrap();
    assert_ne!(guest.stat("top").unwrap().number, file.number);
    let mut later = tree();
    later.names(ROOT);
    assert_eq!(later.stat("top").unwrap(), file, "whatever else was looked at before");
}

#[test]
fn links_are_read_and_cut_off() {
    let mut guest = tree();
    assert_eq!(guest.readlink("to_dir", 99).unwrap(), b"dir/nested");
    assert_eq!(guest.readlink("to_dir", 3).unwrap(), b"dir");
    assert_eq!(guest.readlink("to_dir", 0).unwrap(), b"");
    assert_eq!(guest.readlink("top", 9), Err(Errno::Inval));
    assert_eq!(guest.readlink("dir", 9), Err(Errno::Inval));
    assert_eq!(guest.readlink("none", 9), Err(Errno::Noent));
    guest.symlink("anything at all, longer than thirty bytes", "new").unwrap();
    assert_eq!(guest.readlink("new", 99).unwrap().len(), 41);
    let target = nodes(&[("new", link("anything at all, longer than thirty bytes"))]);
    let result = guest.result_tree();
    assert_eq!(result.get("new"), target.get("new"));
}

#[test]
fn symlinks_are_made_where_nothing_is() {
    let mut guest = Guest::within(&nodes(&[("dir", Node::Directory), ("file", file(b""))]));
    assert_eq!(guest.symlink("source", "target/"), Err(Errno::Noent));
    assert_eq!(guest.symlink("source", "dir/"), Err(Errno::Exist));
    assert_eq!(guest.symlink("source", "dir"), Err(Errno::Exist));
    assert_eq!(guest.symlink("source", "file/"), Err(Errno::Notdir));
    assert_eq!(guest.symlink("source", "file"), Err(Errno::Exist));
    assert_eq!(guest.symlink("", "target"), Err(Errno::Noent));
    assert_eq!(guest.symlink("a\0", "target"), Err(Errno::Inval));
    guest.symlink("source", "target").unwrap();
    assert_eq!(guest.symlink("source", "target"), Err(Errno::Exist));
    assert_eq!(guest.mkdir("target"), Err(Errno::Exist), "dangling, and there all the same");
}
