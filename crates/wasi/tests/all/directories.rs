//! Making, removing, moving and listing.

use weft_wasi::Errno;

use crate::guest::{CREAT, Guest, READ, ROOT, WRITE};
use crate::shelf::{Node, file, link, nodes};

#[test]
fn directories_are_made_and_removed() {
    let mut guest = Guest::within(&nodes(&[("full/file", file(b"")), ("to_full", link("full"))]));
    guest.mkdir("new/").unwrap();
    assert_eq!(guest.mkdir("new"), Err(Errno::Exist));
    assert_eq!(guest.mkdir("."), Err(Errno::Exist));
    assert_eq!(guest.mkdir("full/file"), Err(Errno::Exist));
    assert_eq!(guest.mkdir("none/new"), Err(Errno::Noent));
    assert_eq!(guest.mkdir("full/file/new"), Err(Errno::Notdir));
    assert_eq!(guest.rmdir("full"), Err(Errno::Notempty));
    assert_eq!(guest.rmdir("full/file"), Err(Errno::Notdir));
    assert_eq!(guest.rmdir("full/file/"), Err(Errno::Notdir));
    assert_eq!(guest.rmdir("to_full"), Err(Errno::Notdir));
    assert_eq!(guest.rmdir("none"), Err(Errno::Noent));
    assert_eq!(guest.rmdir("."), Err(Errno::Inval));
    assert_eq!(guest.rmdir("full/."), Err(Errno::Inval));
    assert_eq!(guest.rmdir("full/file/."), Err(Errno::Notdir));
    assert_eq!(guest.mkdir("new/x/."), Err(Errno::Noent));
    guest.unlink("full/file").unwrap();
    guest.rmdir("full/").unwrap();
    assert_eq!(guest.result_tree(), nodes(&[("new", Node::Directory), ("to_full", link("full"))]));
}

#[test]
fn files_are_removed_and_directories_are_not() {
    let mut guest = Guest::within(&nodes(&[
        ("dir", Node::Directory),
        ("file", file(b"")),
        ("to_dir", link("dir")),
    ]));
    assert_eq!(guest.unlink("dir"), Err(Errno::Isdir));
    assert_eq!(guest.unlink("dir/"), Err(Errno::Isdir));
    assert_eq!(guest.unlink("."), Err(Errno::Isdir));
    assert_eq!(guest.unlink("file/"), Err(Errno::Notdir));
    assert_eq!(guest.unlink("to_dir/"), Err(Errno::Notdir));
    assert_eq!(guest.unlink("none"), Err(Errno::Noent));
    guest.unlink("to_dir").unwrap();
    guest.unlink("file").unwrap();
    assert_eq!(guest.result_tree(), nodes(&[("dir", Node::Directory)]));
}

#[test]
fn a_removed_directory_holds_nothing_more() {
    let mut guest = Guest::within(&nodes(&[("dir", Node::Directory)]));
    let fd = guest.open("dir", 0, READ).unwrap();
    guest.rmdir("dir").unwrap();
    assert_eq!(guest.at_in("path_create_directory", fd, "new"), Err(Errno::Noent));
    assert_eq!(guest.open_with((fd, 0), "new", CREAT, WRITE, 0), Err(Errno::Noent));
    assert_eq!(guest.names(fd), [""; 0]);
    guest.mkdir("dir").unwrap();
    assert_eq!(guest.at_in("path_create_directory", fd, "new"), Err(Errno::Noent));
    guest.close(fd).unwrap();
}

#[test]
fn renaming_replaces_what_it_may() {
    let mut guest = Guest::within(&nodes(&[
        ("a/b/c", file(b"c")),
        ("empty", Node::Directory),
        ("file", file(b"1")),
        ("other", file(b"2")),
        ("s", link("file")),
    ]));
    assert_eq!(guest.rename("none", "x"), Err(Errno::Noent));
    assert_eq!(guest.rename("a", "file"), Err(Errno::Notdir));
    assert_eq!(guest.rename("file", "empty"), Err(Errno::Isdir));
    assert_eq!(guest.rename("empty", "a"), Err(Errno::Notempty));
    assert_eq!(guest.rename("a", "a/b/d"), Err(Errno::Inval));
    assert_eq!(guest.rename("a", "a/x"), Err(Errno::Inval));
    assert_eq!(guest.rename("a/.", "x"), Err(Errno::Busy));
    assert_eq!(guest.rename("file", "."), Err(Errno::Busy));
    assert_eq!(guest.rename("file/", "x"), Err(Errno::Notdir));
    assert_eq!(guest.rename("file", "x/"), Err(Errno::Notdir));
    assert_eq!(guest.rename("file", "none/x"), Err(Errno::Noent));
    guest.rename("file", "file").unwrap();
    guest.rename("a", "a").unwrap();
    guest.rename("file", "other").unwrap();
    guest.rename("a/b/", "empty/").unwrap();
    guest.rename("s", "t").unwrap();
    let b = guest.open("empty", 0, READ).unwrap();
    assert_eq!(guest.rename_in(ROOT, "a", b, "a"), Ok(()));
    assert_eq!(guest.rename_in(ROOT, "empty", b, "a/x"), Err(Errno::Inval), "into itself");
    assert_eq!(guest.names(b), ["a", "c"]);
    let expected = [
        ("empty", Node::Directory),
        ("empty/a", Node::Directory),
        ("empty/c", file(b"c")),
        ("other", file(b"1")),
        ("t", link("file")),
    ];
    assert_eq!(guest.result_tree(), nodes(&expected));
}

#[test]
fn two_names_of_one_file_do_not_replace_each_other() {
    let mut guest = Guest::within(&nodes(&[("a", file(b"1"))]));
    guest.link("a", "b").unwrap();
    guest.rename("a", "b").unwrap();
    assert_eq!(guest.result_tree(), nodes(&[("a", file(b"1")), ("b", file(b"1"))]));
}

#[test]
fn links_are_made_as_other_runtimes_make_them() {
    let mut guest = Guest::within(&nodes(&[("file", file(b"")), ("dir", Node::Directory)]));
    assert_eq!(guest.link("file", "file"), Err(Errno::Exist));
    assert_eq!(guest.link("file", "dir"), Err(Errno::Exist));
    assert_eq!(guest.link("dir", "x"), Err(Errno::Perm));
    assert_eq!(guest.link("file", "x/"), Err(Errno::Noent));
    assert_eq!(guest.link("file/", "x"), Err(Errno::Notdir));
    assert_eq!(guest.link("none", "x"), Err(Errno::Noent));
    let [at, len] = guest.put(0x2000, b"file");
    assert_eq!(guest.call("path_link", &[3, 1, at, len, 3, at, len]), Err(Errno::Inval));
}

#[test]
fn listings_have_dots_kinds_and_numbers() {
    let mut guest =
        Guest::within(&nodes(&[("d/e/f", file(b"")), ("d/a", file(b"")), ("d/s", link("a"))]));
    let fd = guest.open("d", 0, READ).unwrap();
    let (entries, full) = guest.readdir(fd, 4096, 0).unwrap();
    assert!(!full);
    let shown: Vec<_> =
        entries.iter().map(|entry| (&*entry.name, entry.filetype, entry.next)).collect();
    assert_eq!(shown, [(".", 3, 1), ("..", 3, 2), ("a", 4, 3), ("e", 3, 4), ("s", 7, 5)]);
    assert_eq!(entries[0].number, guest.fstat(fd).unwrap().number);
    assert_eq!(entries[1].number, guest.fstat(ROOT).unwrap().number);
    assert_eq!(entries[2].number, guest.lstat("d/a").unwrap().number);
    assert_eq!(entries[3].number, guest.lstat("d/e").unwrap().number);
    assert_eq!(entries[4].number, guest.lstat("d/s").unwrap().number);
    assert_eq!(guest.readdir(fd, 4096, 4).unwrap().0, &entries[4..]);
    assert_eq!(guest.readdir(fd, 4096, 5).unwrap().0, []);
    assert_eq!(guest.readdir(fd, 4096, u64::MAX).unwrap().0, []);
    let (cut, full) = guest.readdir(fd, 24 + 1 + 24 + 2 + 10, 0).unwrap();
    assert_eq!((cut.as_slice(), full), (&entries[..2], true), "the last one is cut off");
    assert_eq!(guest.call("fd_readdir", &[1, 0, 0, 0, 0]), Err(Errno::Badf));
}

#[test]
fn cookies_mean_the_same_while_names_come_and_go() {
    let list: Vec<_> = (0..50).map(|n| (format!("d/{n:02}"), file(b""))).collect();
    let mut guest = Guest::within(&list.into_iter().collect());
    let fd = guest.open("d", 0, READ).unwrap();
    let mut seen = Vec::new();
    let mut cookie = 0;
    loop {
        let (entries, full) = guest.readdir(fd, 120, cookie).unwrap();
        for entry in entries {
            cookie = entry.next;
            if entry.name.starts_with('.') {
                continue;
            }
            // As one removes a directory: what was listed goes while one lists.
            guest.unlink(&format!("d/{}", entry.name)).unwrap();
            if entry.name == "20" {
                guest.save("d/00", b"again").unwrap();
                guest.save("d/new", b"new").unwrap();
            }
            seen.push(entry.name);
        }
        if !full {
            break;
        }
    }
    let mut expected: Vec<_> = (0..50).map(|n| format!("{n:02}")).collect();
    expected.push("new".into());
    assert_eq!(seen, expected, "each once, and what was made on the way");
    assert_eq!(guest.names(fd), ["00"], "behind where it was listed");
}

#[test]
fn directories_move_between_those_that_were_given() {
    use weft_wasi::{Invocation, Preopen};
    let mut shelf = crate::shelf::Shelf::default();
    let one = shelf.directory(&nodes(&[("d/a", file(b"a")), ("x", file(b"x"))]));
    let two = shelf.directory(&nodes(&[("y", file(b"y"))]));
    let preopens = vec![
        Preopen { path: b"/one".to_vec(), root: one },
        Preopen { path: b"/two".to_vec(), root: two },
    ];
    let mut guest = Guest::new(Invocation { preopens, ..Invocation::default() }, shelf);
    guest.rename_in(3, "d", 4, "d").unwrap();
    guest.at_in("path_create_directory", 4, "d/new").unwrap();
    let (finished, shelf) = guest.finish();
    assert_eq!(shelf.read(&finished.roots[0]), nodes(&[("x", file(b"x"))]));
    let two = [
        ("d", Node::Directory),
        ("d/a", file(b"a")),
        ("d/new", Node::Directory),
        ("y", file(b"y")),
    ];
    assert_eq!(shelf.read(&finished.roots[1]), nodes(&two));
}
