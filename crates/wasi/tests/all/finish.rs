//! What is left in the end.

use weft_object::Handle;
use weft_wasi::Errno;

use crate::guest::{CREAT, Guest, READ, ROOT, WRITE};
use crate::shelf::{Node, file, link, nodes};

const LONG: &[u8] = b"more than thirty bytes, so that it is no literal";

#[test]
fn what_is_written_is_in_the_result_with_all_its_content() {
    let all = nodes(&[
        ("keep/deep/file", file(LONG)),
        ("src/a", Node::File(0o755, LONG.to_vec())),
        ("src/b", Node::File(0o400, b"b".to_vec())),
    ]);
    let mut guest = Guest::within(&all);
    let root = guest.shelf.directory(&all);
    let before = guest.shelf.entries(&root)[0].clone();
    guest.save("src/a", b"new bytes, also more than thirty of them").unwrap();
    guest.save("src/c", b"c").unwrap();
    guest.mkdir("out").unwrap();
    guest.symlink("../src/a", "out/s").unwrap();
    let (finished, shelf) = guest.finish();
    let entries = shelf.entries(&finished.roots[0]);
    assert_eq!(entries[0], before, "an unchanged subtree is the same");
    let result = shelf.read(&finished.roots[0]);
    let a = b"new bytes, also more than thirty of them".to_vec();
    assert_eq!(result["src/a"], Node::File(0o755, a), "with the mode it had");
    assert_eq!(result["src/b"], all["src/b"]);
    assert_eq!(result["src/c"], file(b"c"));
    assert_eq!(result["out/s"], link("../src/a"));
    assert_eq!(entries[1].mode, 0o755, "of a new directory");
    let mut names: Vec<Handle> = finished.content.iter().map(|(handle, _)| *handle).collect();
    assert_eq!(names.last(), Some(&finished.roots[0]), "children before parents");
    names.sort();
    names.dedup();
    assert_eq!(names.len(), finished.content.len(), "nothing twice");
    assert!(names.iter().all(|handle| !handle.is_literal()));
}

#[test]
fn what_was_undone_leaves_the_same_handle() {
    let all = nodes(&[("d/a", file(LONG)), ("d/b", file(b"b")), ("e", Node::Directory)]);
    let mut guest = Guest::within(&all);
    let root = guest.shelf.directory(&all);
    guest.save("d/new", b"new").unwrap();
    guest.unlink("d/new").unwrap();
    guest.save("d/a", LONG).unwrap();
    guest.rename("d/b", "b").unwrap();
    guest.rename("b", "d/b").unwrap();
    guest.rename("d", "f").unwrap();
    guest.rename("f", "d").unwrap();
    let (finished, _) = guest.finish();
    assert_eq!(finished.roots, [root]);
}

#[test]
fn deep_directories_take_no_stack() {
    let mut guest = Guest::within(&nodes(&[]));
    let mut fd = ROOT;
    for _ in 0..20_000 {
        guest.at_in("path_create_directory", fd, "d").unwrap();
        let below = guest.open_with((fd, 0), "d", 0, READ, 0).unwrap();
        if fd != ROOT {
            guest.close(fd).unwrap();
        }
        fd = below;
    }
    let (finished, _) = guest.finish();
    assert_eq!(finished.content.len(), 20_001, "each a node with a literal for its index");
}

#[test]
fn an_input_deeper_than_any_path_is_refused_in_time() {
    let mut shelf = crate::shelf::Shelf::default();
    let mut root = shelf.directory(&nodes(&[]));
    let name = weft_object::directory::Name::new(&[b'n'; 255]).unwrap();
    for _ in 0..100 {
        root = shelf.directory_of(vec![weft_object::directory::Entry {
            name: name.clone(),
            kind: weft_object::directory::FileKind::Directory,
            mode: 0o755,
            child: root,
        }]);
    }
    let preopens = vec![weft_wasi::Preopen { path: b"/".to_vec(), root }];
    let invocation = weft_wasi::Invocation { preopens, ..Default::default() };
    let mut guest = Guest::new(invocation, shelf);
    let mut fd = ROOT;
    let path = "n".repeat(255);
    for depth in 0.. {
        match guest.open_with((fd, 0), &path, 0, READ, 0) {
            Ok(below) => fd = below,
            Err(errno) => {
                assert_eq!((errno, depth), (Errno::Nametoolong, 64));
                break;
            }
        }
    }
    guest.open_with((fd, 0), "new", CREAT, WRITE, 0).unwrap_err();
}
