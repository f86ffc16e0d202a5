//! What is read, counted.

use std::collections::BTreeSet;

use weft_object::directory::{DirectoryError, Entry, FileKind, List, Name};
use weft_object::{Handle, Tree};
use weft_wasi::{CALLS, Invocation, Preopen, Process, Source, Stop};

use crate::guest::{CREAT, Guest, READ, ROOT, WRITE};
use crate::shelf::{Shelf, file, nodes};

fn guest_in(root: Handle, shelf: Shelf) -> Guest {
    let preopens = vec![Preopen { path: b"/".to_vec(), root }];
    Guest::new(Invocation { preopens, ..Invocation::default() }, shelf)
}

/// 100,000 files of which three have bytes that can be had.
fn crowd() -> (Handle, Shelf) {
    let mut shelf = Shelf::default();
    let entry = |n: u32| Entry {
        name: Name::new(format!("file {n:06}").as_bytes()).unwrap(),
        kind: FileKind::File,
        mode: 0o644,
        child: Handle::of_blob(format!("the bytes of file {n:06}, and more").as_bytes()),
    };
    for n in [7, 50_000, 99_999] {
        shelf.blob(format!("the bytes of file {n:06}, and more").as_bytes());
    }
    let crowd = shelf.directory_of((0..100_000).map(entry).collect());
    let name = Name::new(b"crowd").unwrap();
    let kind = FileKind::Directory;
    let root = shelf.directory_of(vec![Entry { name, kind, mode: 0o755, child: crowd }]);
    (root, shelf)
}

#[test]
fn of_a_hundred_thousand_files_three_are_read() {
    let (root, shelf) = crowd();
    let mut guest = guest_in(root, shelf);
    for n in [7, 50_000, 99_999] {
        let bytes = guest.load(&format!("crowd/file {n:06}")).unwrap();
        assert_eq!(bytes, format!("the bytes of file {n:06}, and more").as_bytes());
    }
    // The root, whose index is a literal; the top node of the crowd and three
    // leaves, each with an index; the files.
    assert_eq!(guest.shelf.asked.len(), 1 + 2 * 4 + 3);
    let asked = guest.shelf.asked.len();
    let fd = guest.open("crowd/file 000008", 0, READ).unwrap();
    assert_eq!(guest.fstat(fd).unwrap().size, 34);
    guest.seek(fd, 0, 2).unwrap();
    let stat = guest.stat("crowd/file 000007").unwrap();
    assert_eq!(stat.size, 34);
    assert_eq!(guest.shelf.asked.len(), asked, "size and kind take no reading");
    let (finished, shelf) = guest.finish();
    assert_eq!(shelf.asked.len(), asked, "nothing changed, nothing is read");
    assert_eq!(finished.roots, [root]);
    assert!(finished.content.is_empty() && finished.edits.is_empty());
}

#[test]
fn a_subtree_that_does_not_change_is_not_read() {
    let (crowd, mut shelf) = crowd();
    let small = shelf.directory(&nodes(&[("a", file(b"a")), ("b/c", file(b"c"))]));
    let entry = |name: &[u8], child| Entry {
        name: Name::new(name).unwrap(),
        kind: FileKind::Directory,
        mode: 0o700,
        child,
    };
    let as_ref = crowd.lower().unwrap();
    let root = shelf.directory_of(vec![entry(b"crowd", as_ref), entry(b"small", small)]);
    let mut guest = guest_in(root.lower().unwrap(), shelf);
    guest.save("small/new", b"new").unwrap();
    guest.rename("crowd", "elsewhere").unwrap();
    let (finished, shelf) = guest.finish();
    let of_small = shelf.entries(&small).iter().map(|entry| entry.child).collect::<BTreeSet<_>>();
    assert!(shelf.asked_for().is_disjoint(&of_small), "what is beside the change");
    assert!(!shelf.asked_for().contains(&crowd), "what moved as a whole");
    let entries = shelf.entries(&finished.roots[0]);
    assert_eq!(entries[0], entry(b"elsewhere", as_ref), "a Ref as before, with its mode");
    assert_eq!(entries[1].mode, 0o700);
}

#[test]
fn bytes_are_fetched_when_they_are_read_and_not_to_be_emptied() {
    let bytes = [1; 100];
    let mut guest = Guest::within(&nodes(&[("a", file(&bytes))]));
    guest.shelf.forget(&Handle::of_blob(&bytes));
    let fd = guest.open("a", 0, READ | WRITE).unwrap();
    let [list, count] = [0x1000, 0];
    let read = guest.stop("fd_read", &[fd.into(), list, count, 0]);
    assert_eq!(read, Err(Stop::Missing(Handle::of_blob(&bytes))));
    let stop = read.unwrap_err().to_string();
    assert_eq!(stop, format!("the content of {} is missing", Handle::of_blob(&bytes)));
    guest.call("fd_filestat_set_size", &[fd.into(), 0]).unwrap();
    assert_eq!(guest.read(fd, 9).unwrap(), b"");
    let fd = guest.open("b", CREAT, WRITE).unwrap();
    guest.write(fd, b"b").unwrap();
    assert_eq!(guest.result_tree(), nodes(&[("a", file(b"")), ("b", file(b"b"))]));
}

#[test]
fn a_tree_that_is_no_directory_ends_the_run() {
    let mut shelf = Shelf::default();
    let bad = Tree::new([Handle::of_blob(b"no index")]);
    shelf.keep([(bad.handle(), weft_object::Content::Tree(bad.clone()))]);
    let mut guest = guest_in(bad.handle(), shelf);
    let [at, len] = guest.put(0x1000, b"x");
    let stopped = guest.stop("path_create_directory", &[ROOT.into(), at, len]);
    let expected = Stop::NotDirectory(bad.handle(), DirectoryError::Magic);
    assert_eq!(stopped, Err(expected.clone()));
    let text =
        format!("reading directory {}: this tree is no directory; import it again", bad.handle());
    assert_eq!(expected.to_string(), text);
    let listed = guest.stop("fd_readdir", &[ROOT.into(), 0, 100, 0, 0]);
    assert_eq!(listed, Err(expected));
}

#[test]
fn a_node_that_its_parent_does_not_describe_ends_the_run() {
    let (root, mut shelf) = crowd();
    let crowd = shelf.entries(&root)[0].child;
    // The top node with its first two leaves exchanged, which the index forbids.
    let top = match weft_wasi::Source::content(&mut shelf, &crowd).unwrap() {
        weft_object::Content::Tree(tree) => tree.entries().to_vec(),
        other => panic!("{other:?}"),
    };
    let mut swapped = top.clone();
    swapped.swap(1, 2);
    let swapped = Tree::new(swapped);
    shelf.keep([(swapped.handle(), weft_object::Content::Tree(swapped.clone()))]);
    let mut guest = guest_in(swapped.handle(), shelf);
    let [at, len] = guest.put(0x1000, b"file 000007");
    let stopped = guest.stop("path_filestat_get", &[ROOT.into(), 0, at, len, 0]);
    assert_eq!(stopped, Err(Stop::NotDirectory(swapped.handle(), DirectoryError::BadNode)));
    assert!(List::index(&top).is_ok());
}

/// Content that is there only when it is asked for again.
struct Reluctant {
    shelf: Shelf,
    refused: BTreeSet<Handle>,
}

impl Source for Reluctant {
    fn content(&mut self, handle: &Handle) -> Result<weft_object::Content, Stop> {
        match self.refused.insert(*handle) {
            true => Err(Stop::Missing(*handle)),
            false => self.shelf.content(handle),
        }
    }
}

#[test]
fn a_call_that_was_stopped_is_made_again() {
    let long = [b'x'; 100];
    let mut shelf = Shelf::default();
    let all = [("d/e/a", file(&long)), ("d/e/b", file(&[b'y'; 60])), ("f/g", file(b""))];
    let root = shelf.directory(&nodes(&all));
    let preopens = vec![Preopen { path: b"/".to_vec(), root }];
    // Room for one of the files: taken twice, it would not do.
    let limits = weft_wasi::Limits { written_bytes: 170, ..Default::default() };
    let invocation = Invocation { preopens, limits, ..Invocation::default() };
    let mut process = Process::new(invocation).unwrap();
    let mut source = Reluctant { shelf, refused: BTreeSet::new() };
    let mut memory = vec![0; 0x1000];
    memory[..5].copy_from_slice(b"d/e/a");
    memory[0x10..0x15].copy_from_slice(b"d/e/b");
    memory[0x20..0x24].copy_from_slice(&0x100u32.to_le_bytes());
    memory[0x24..0x28].copy_from_slice(&1u32.to_le_bytes());
    memory[0x100] = b'!';
    let mut stops = 0;
    let mut call = |name: &str, arguments: &[u64]| loop {
        let at = CALLS.iter().position(|call| call.name == name).unwrap();
        match process.call(&mut source, &mut memory, at, arguments) {
            Ok(errno) => return errno,
            Err(Stop::Missing(_)) => stops += 1,
            Err(stop) => panic!("{stop}"),
        }
    };
    let success = weft_wasi::Errno::Success;
    assert_eq!(call("path_open", &[3, 0, 0, 5, 0, 0x42, 0, 1, 0x80]), success);
    assert_eq!(call("fd_write", &[4, 0x20, 1, 0x84]), success);
    assert_eq!(call("path_rename", &[3, 0, 5, 3, 0x10, 5]), success);
    assert_eq!(call("fd_readdir", &[3, 0x200, 0x100, 0, 0x88]), success);
    let finished = loop {
        match process.finish(&mut source) {
            Ok(finished) => break finished,
            Err(Stop::Missing(_)) => stops += 1,
            Err(stop) => panic!("{stop}"),
        }
    };
    assert!(stops >= 5, "{stops} stops");
    source.shelf.keep(finished.content);
    let bytes = [&long[..], b"!"].concat();
    let result = source.shelf.read(&finished.roots[0]);
    assert_eq!(result["d/e/b"], file(&bytes));
    assert!(!result.contains_key("d/e/a"));
}

#[test]
fn a_listing_reads_each_node_once() {
    let (root, shelf) = crowd();
    let mut guest = guest_in(root, shelf);
    guest.stat("crowd/file 000007").unwrap();
    let fd = guest.open("crowd", 0, READ).unwrap();
    guest.readdir(fd, 4096, 0).unwrap();
    guest.readdir(fd, 4096, 90_000).unwrap();
    assert_eq!(guest.shelf.asked.len(), guest.shelf.asked_for().len());
}

#[test]
fn a_process_goes_from_thread_to_thread() {
    const fn check<T: Send>() {}
    const { check::<Process>() }
}
