use std::ffi::{OsStr, OsString};
use std::fs::{self, Permissions};
use std::num::NonZero;
use std::os::unix::ffi::{OsStrExt, OsStringExt};
use std::os::unix::fs::{PermissionsExt, symlink};
use std::os::unix::net::UnixListener;
use std::path::Path;
use std::process::Command;
use std::sync::Mutex;

use weft_object::directory::{Entry, FileKind, Name, Part, build};
use weft_object::{Blob, Handle, Tree};
use weft_store::files::{Added, Options, Stamps, add, add_stream, find, get, list};
use weft_store::{Backend, Content, FileBackend, MemoryBackend, StoreError};

use crate::scratch::Scratch;

fn added(backend: &dyn Backend, path: &Path) -> Result<Handle, StoreError> {
    add(backend, path, &Options::default())
}

/// Path, kind, mode and content of all below a directory.
fn picture(root: &Path) -> Vec<(OsString, String, u32, Vec<u8>)> {
    let mut found = Vec::new();
    let mut waiting = vec![root.to_path_buf()];
    while let Some(directory) = waiting.pop() {
        for entry in fs::read_dir(&directory).unwrap() {
            let path = entry.unwrap().path();
            let metadata = fs::symlink_metadata(&path).unwrap();
            let inside = path.strip_prefix(root).unwrap().as_os_str().to_owned();
            let mode = metadata.permissions().mode() & 0o777;
            if metadata.is_dir() {
                found.push((inside, "directory".into(), mode, vec![]));
                waiting.push(path);
            } else if metadata.is_symlink() {
                let target = fs::read_link(&path).unwrap().into_os_string().into_vec();
                found.push((inside, "symlink".into(), 0, target));
            } else {
                found.push((inside, "file".into(), mode, fs::read(&path).unwrap()));
            }
        }
    }
    found.sort();
    found
}

fn odd_tree(root: &Path) {
    fs::create_dir_all(root.join("empty")).unwrap();
    fs::create_dir_all(root.join("deep/er/and/deeper")).unwrap();
    fs::write(root.join("deep/er/and/deeper/file"), "down here").unwrap();
    for name in [&b"not utf-8 \xff\xfe"[..], b" ", b"...", b"-rf", b"new\nline", b"\xc3\xa9", b"*"]
    {
        fs::write(root.join(OsStr::from_bytes(name)), name).unwrap();
    }
    fs::write(root.join(OsString::from_vec(vec![b'n'; 255])), "longest").unwrap();
    fs::write(root.join("nothing"), "").unwrap();
    fs::write(root.join("program"), "#!/bin/sh\n").unwrap();
    fs::set_permissions(root.join("program"), Permissions::from_mode(0o755)).unwrap();
    fs::write(root.join("secret"), "of the owner").unwrap();
    fs::set_permissions(root.join("secret"), Permissions::from_mode(0o400)).unwrap();
    symlink(".", root.join("loop")).unwrap();
    symlink("..", root.join("deep/up")).unwrap();
    symlink("nowhere/at all, and a name too long for a literal", root.join("dangling")).unwrap();
    symlink("/etc/passwd", root.join("outside")).unwrap();
    symlink("self", root.join("self")).unwrap();
    let big: Vec<u8> = (0..9_500_000_u32).map(|i| (i / 3) as u8).collect();
    fs::write(root.join("big"), big).unwrap();
    fs::set_permissions(root.join("empty"), Permissions::from_mode(0o555)).unwrap();
}

#[test]
fn a_tree_goes_in_and_comes_out_the_same() {
    let scratch = Scratch::new();
    let root = scratch.join("in");
    odd_tree(&root);
    let store = FileBackend::create(&scratch.join(".weft")).unwrap();
    let handle = added(&store, &root).unwrap();
    store.sync().unwrap();
    let source = |handle: &Handle| store.get(handle);
    get(&source, &handle, &scratch.join("out")).unwrap();
    assert!(picture(&root) == picture(&scratch.join("out")));
    assert!(picture(&root).len() > 18);
    // The copy is the same tree, whoever reads it with however many threads.
    let other = MemoryBackend::new();
    for threads in 1..4 {
        let options = Options { threads: NonZero::new(threads), ..Options::default() };
        assert_eq!(add(&other, &scratch.join("out"), &options).unwrap(), handle);
    }
    // Not even a Ref to it is different.
    get(&source, &handle.lower().unwrap(), &scratch.join("again")).unwrap();
    assert!(picture(&root) == picture(&scratch.join("again")));
}

#[test]
fn names_can_be_found_and_listed() {
    let scratch = Scratch::new();
    let root = scratch.join("in");
    odd_tree(&root);
    let store = MemoryBackend::new();
    let handle = added(&store, &root).unwrap();
    let source = |handle: &Handle| store.get(handle);
    let found = find(&source, &handle, b"deep/er/and/deeper/file").unwrap();
    assert_eq!(found, Some(Handle::of_blob(b"down here")));
    assert_eq!(find(&source, &handle, b"deep/er/or").unwrap(), None);
    let through = find(&source, &handle, b"deep/up/nothing").unwrap_err();
    assert!(through.to_string().contains("\"up\" is a symlink"), "{through}");
    assert!(matches!(find(&source, &handle, b"../x"), Err(StoreError::Path(_))));
    let entries = list(&source, &handle).unwrap();
    let program = entries.iter().find(|entry| entry.name.as_bytes() == b"program").unwrap();
    assert_eq!((program.kind, program.mode, program.size()), (FileKind::File, 0o755, 10));
    let file = Handle::of_tree(&[]);
    store.put(&[(file, Content::Tree(Tree::new([])))]).unwrap();
    assert!(matches!(list(&source, &file), Err(StoreError::Directory { .. })));
    let absent = Handle::of_tree(&[file]);
    assert!(matches!(list(&source, &absent), Err(StoreError::Missing(name)) if name == absent));
}

#[test]
fn a_file_alone_is_a_blob_and_a_named_link_is_followed() {
    let scratch = Scratch::new();
    fs::write(scratch.join("file"), "only this").unwrap();
    symlink("file", scratch.join("link")).unwrap();
    let store = MemoryBackend::new();
    let expected = Handle::of_blob(b"only this");
    assert_eq!(added(&store, &scratch.join("file")).unwrap(), expected);
    assert_eq!(added(&store, &scratch.join("link")).unwrap(), expected);
    let source = |handle: &Handle| store.get(handle);
    get(&source, &expected, &scratch.join("copy")).unwrap();
    assert_eq!(fs::read(scratch.join("copy")).unwrap(), b"only this");
}

#[test]
fn stores_are_left_out_and_nothing_else() {
    let scratch = Scratch::new();
    let root = scratch.join("in");
    fs::create_dir_all(root.join(".git")).unwrap();
    fs::create_dir_all(root.join("a")).unwrap();
    fs::write(root.join(".git/config"), "x").unwrap();
    fs::write(root.join(".hidden"), "x").unwrap();
    let without = added(&MemoryBackend::new(), &root).unwrap();
    let store = FileBackend::create(&root.join(".weft")).unwrap();
    fs::create_dir(root.join("a/.weft")).unwrap();
    assert_eq!(added(&store, &root).unwrap(), without);
    let elsewhere = FileBackend::create(&root.join("a/cache")).unwrap();
    let leave_out = [elsewhere.directory().to_path_buf()];
    let options = Options { leave_out: &leave_out, ..Options::default() };
    assert_eq!(add(&elsewhere, &root, &options).unwrap(), without);
    let source = |handle: &Handle| store.get(handle);
    let names: Vec<Vec<u8>> =
        list(&source, &without).unwrap().iter().map(|e| e.name.as_bytes().to_vec()).collect();
    assert_eq!(names, [&b".git"[..], b".hidden", b"a"]);
    // A file of that name is data.
    fs::remove_dir(root.join("a/.weft")).unwrap();
    fs::write(root.join("a/.weft"), "no store").unwrap();
    assert_ne!(add(&elsewhere, &root, &options).unwrap(), without);
}

#[test]
fn what_is_no_data_is_refused_by_name() {
    let scratch = Scratch::new();
    let root = scratch.join("in");
    fs::create_dir(&root).unwrap();
    fs::write(root.join("fine"), "fine").unwrap();
    let store = MemoryBackend::new();
    let fifo = root.join("pipe");
    assert!(Command::new("mkfifo").arg(&fifo).status().unwrap().success());
    let error = added(&store, &root).unwrap_err();
    assert!(matches!(&error, StoreError::SpecialFile { path, what: "fifo" } if *path == fifo));
    assert!(error.to_string().contains("pipe is a fifo"), "{error}");
    let alone = added(&store, &fifo);
    assert!(matches!(alone, Err(StoreError::SpecialFile { what: "fifo", .. })));
    fs::remove_file(&fifo).unwrap();
    let _socket = UnixListener::bind(root.join("sock")).unwrap();
    let error = added(&store, &root).unwrap_err();
    assert!(matches!(error, StoreError::SpecialFile { what: "socket", .. }));
    let device = added(&store, Path::new("/dev/null"));
    assert!(matches!(device, Err(StoreError::SpecialFile { what: "character device", .. })));
    let absent = added(&store, &scratch.join("absent")).unwrap_err();
    assert!(absent.to_string().ends_with("absent: there is no such file"), "{absent}");
}

#[test]
fn a_file_that_cannot_be_read_is_named() {
    let scratch = Scratch::new();
    let root = scratch.join("in");
    fs::create_dir(&root).unwrap();
    for number in 0..100 {
        fs::write(root.join(format!("file-{number:03}")), "x").unwrap();
    }
    let closed = root.join("file-050");
    fs::set_permissions(&closed, Permissions::from_mode(0o000)).unwrap();
    let readable = fs::read(&closed).is_ok();
    match added(&MemoryBackend::new(), &root) {
        Ok(_) => assert!(readable, "only root reads that"),
        Err(error) => {
            assert_eq!(error.to_string(), format!("no permission to read {}", closed.display()));
        }
    }
    // For anybody: this file says that it is empty, and is not.
    let error = added(&MemoryBackend::new(), Path::new("/proc/self/status")).unwrap_err();
    assert!(matches!(error, StoreError::Changed(_)), "{error}");
}

#[test]
fn a_file_that_grows_while_it_is_read_is_not_half_stored() {
    let scratch = Scratch::new();
    let path = scratch.join("growing");
    fs::write(&path, vec![0; 9 << 20]).unwrap();
    let grow = |progress: Added| {
        if progress.bytes > 0 {
            use std::io::Write;
            let mut file = fs::File::options().append(true).open(&path).unwrap();
            file.write_all(b"more").unwrap();
        }
    };
    let store = MemoryBackend::new();
    let options = Options { progress: Some(&grow), ..Options::default() };
    let error = add(&store, &path, &options).unwrap_err();
    assert!(matches!(&error, StoreError::Changed(changed) if *changed == path), "{error}");
    // Left alone, it goes in.
    let handle = added(&store, &path).unwrap();
    assert_eq!(handle.length(), Some(fs::metadata(&path).unwrap().len()));
    assert!(store.get(&handle).unwrap().is_some());
}

/// Lengths about the borders of what is read into one memory, and more than it
/// holds.
#[test]
fn files_of_any_length_are_what_they_were() {
    let scratch = Scratch::new();
    let root = scratch.join("in");
    fs::create_dir(&root).unwrap();
    let border = 8 << 20;
    let lengths = [0, 30, 31, 3 << 20, 4 << 20, border - 2, border - 1, border, border + 1, 5, 6];
    for (at, length) in (0..).zip(lengths) {
        let bytes: Vec<u8> = (0..length).map(|byte: u32| (byte / 5 + at) as u8).collect();
        fs::write(root.join(format!("{at:02}")), bytes).unwrap();
    }
    let expected: Vec<Handle> = (0..lengths.len())
        .map(|at| Handle::of_blob(&fs::read(root.join(format!("{at:02}"))).unwrap()))
        .collect();
    for threads in [1, 3] {
        let store = MemoryBackend::new();
        let options = Options { threads: NonZero::new(threads), ..Options::default() };
        let handle = add(&store, &root, &options).unwrap();
        let entries = list(&|handle: &Handle| store.get(handle), &handle).unwrap();
        assert!(entries.iter().map(|entry| &entry.child).eq(&expected));
        for file in &expected {
            // All that is kept is what its handle says.
            let content = store.get(file).unwrap().unwrap();
            assert_eq!(content.handle(), *file);
        }
    }
}

/// In pieces, as from a pipe.
struct Dribble<'a>(&'a [u8], Option<std::io::ErrorKind>);

impl std::io::Read for Dribble<'_> {
    fn read(&mut self, into: &mut [u8]) -> std::io::Result<usize> {
        let length = self.0.len().min(into.len()).min(70_001);
        match (length, self.1) {
            (0, Some(kind)) => Err(kind.into()),
            _ => self.0.read(&mut into[..length]),
        }
    }
}

#[test]
fn a_stream_is_a_blob_however_long() {
    let scratch = Scratch::new();
    let bytes: Vec<u8> = (0..9_500_000_u32).map(|at| (at / 7) as u8).collect();
    for backend in [&MemoryBackend::new() as &dyn Backend, &store_in(&scratch)] {
        let add = |part: &[u8], then| {
            add_stream(backend, &mut Dribble(part, then), "the pipe", &scratch.join(""))
        };
        for length in [0, 30, 31, (8 << 20) - 1, 8 << 20, bytes.len()] {
            let expected = Handle::of_blob(&bytes[..length]);
            assert_eq!(add(&bytes[..length], None).unwrap(), (expected, length as u64));
            let found = backend.get(&expected).unwrap().unwrap();
            assert!(found.blob().unwrap().bytes() == &bytes[..length]);
        }
        for length in [10, 9 << 20] {
            let error = add(&bytes[..length], Some(std::io::ErrorKind::BrokenPipe)).unwrap_err();
            assert!(error.to_string().contains("the pipe"), "{error}");
        }
    }
    // Nothing is left but the store.
    let left = fs::read_dir(scratch.join("")).unwrap();
    assert_eq!(left.map(|entry| entry.unwrap().file_name()).collect::<Vec<_>>(), [".weft"]);
}

fn store_in(scratch: &Scratch) -> FileBackend {
    FileBackend::create(&scratch.join(".weft")).unwrap()
}

#[test]
fn a_symlink_to_nothing_is_named_or_is_data() {
    let scratch = Scratch::new();
    fs::create_dir(scratch.join("in")).unwrap();
    symlink("nowhere", scratch.join("in/link")).unwrap();
    let error = added(&MemoryBackend::new(), &scratch.join("in/link")).unwrap_err();
    assert!(error.to_string().ends_with("link: there is no such file"), "{error}");
    // Inside of a directory it is data.
    assert!(added(&MemoryBackend::new(), &scratch.join("in")).is_ok());
}

#[test]
fn progress_comes_to_the_whole() {
    let scratch = Scratch::new();
    let root = scratch.join("in");
    fs::create_dir(&root).unwrap();
    for number in 0..500 {
        fs::write(root.join(number.to_string()), format!("{number:04}")).unwrap();
    }
    let last = Mutex::new(Added::default());
    let progress = |now: Added| {
        let mut last = last.lock().unwrap();
        last.files = last.files.max(now.files);
        last.bytes = last.bytes.max(now.bytes);
        last.files_total = now.files_total;
    };
    let options = Options { progress: Some(&progress), ..Options::default() };
    add(&MemoryBackend::new(), &root, &options).unwrap();
    let expected = Added { files: 500, files_total: 500, bytes: 2000 };
    assert_eq!(*last.lock().unwrap(), expected);
}

#[test]
fn get_overwrites_nothing() {
    let scratch = Scratch::new();
    let store = MemoryBackend::new();
    let source = |handle: &Handle| store.get(handle);
    let handle = Handle::of_blob(b"new");
    let directory = directory_of(&store, vec![file(b"a", b"new")]);
    for (name, make) in [("file", true), ("directory", false)] {
        let path = scratch.join(name);
        if make {
            fs::write(&path, "old").unwrap();
        } else {
            fs::create_dir(&path).unwrap();
        }
        for handle in [&handle, &directory] {
            let refused = get(&source, handle, &path);
            assert!(matches!(refused, Err(StoreError::Exists(at)) if at == path));
        }
    }
    assert_eq!(fs::read(scratch.join("file")).unwrap(), b"old");
    assert_eq!(fs::read_dir(scratch.join("directory")).unwrap().count(), 0);
    // Nor through a link that leads nowhere yet.
    symlink(scratch.join("elsewhere"), scratch.join("link")).unwrap();
    assert!(matches!(get(&source, &handle, &scratch.join("link")), Err(StoreError::Exists(_))));
    assert!(!scratch.join("elsewhere").exists());
}

fn file(name: &[u8], content: &[u8]) -> Entry {
    let child = Handle::of_blob(content);
    Entry { name: Name::new(name).unwrap(), kind: FileKind::File, mode: 0o644, child }
}

fn directory_of(store: &MemoryBackend, entries: Vec<Entry>) -> Handle {
    build(entries, |handle, part| {
        let content = match part {
            Part::Index(blob) => Content::Blob(blob),
            Part::Node(tree) => Content::Tree(tree),
        };
        store.put(&[(handle, content)]).unwrap();
        Ok::<_, weft_object::directory::DirectoryError>(())
    })
    .unwrap()
}

#[test]
fn get_stays_inside_whatever_the_tree_says() {
    let scratch = Scratch::new();
    let store = MemoryBackend::new();
    let source = |handle: &Handle| store.get(handle);
    // An index that a hostile peer wrote by hand: a name with a slash.
    let mut index = b"wdir\x01\x00\x01\x00".to_vec();
    index.extend_from_slice(&9_u32.to_le_bytes());
    index.extend_from_slice(&0o100_644_u16.to_le_bytes());
    index.extend_from_slice(&[1, 0, 0, 0, 0, 0]);
    index.extend_from_slice(b"../escape");
    let index = Content::Blob(Blob::new(index));
    let hostile = Content::Tree(Tree::new([index.handle(), Handle::of_blob(b"x")]));
    let name = hostile.handle();
    store.put(&[(index.handle(), index), (name, hostile)]).unwrap();
    let error = get(&source, &name, &scratch.join("out")).unwrap_err();
    assert!(matches!(error, StoreError::Directory { .. }), "{error}");
    assert!(!scratch.join("escape").exists() && !scratch.join("out").exists());

    // A symlink, and a target that no file system takes.
    let link = |target: &[u8]| Entry { kind: FileKind::Symlink, mode: 0o777, ..file(b"l", target) };
    for target in [&b""[..], b"nul\0byte"] {
        let directory = directory_of(&store, vec![link(target)]);
        let at = scratch.join(&format!("out-{}", target.len()));
        let refused = get(&source, &directory, &at);
        assert!(matches!(refused, Err(StoreError::LinkTarget(path)) if path == at.join("l")));
    }
    let thunk = name.application().unwrap();
    let refused = get(&source, &thunk, &scratch.join("thunk"));
    assert!(matches!(refused, Err(StoreError::NoFile(handle)) if handle == thunk));
    let long = Handle::of_blob(b"content that is in no store, nor in its own handle");
    let refused = get(&source, &long, &scratch.join("missing"));
    assert!(matches!(refused, Err(StoreError::Missing(handle)) if handle == long));
    assert!(!scratch.join("missing").exists());
}

/// What an add with stamps came to, and how many files and bytes it read.
fn stamped(backend: &dyn Backend, path: &Path, stamps: &Path) -> (Handle, Added) {
    let stamps = Stamps::open(stamps);
    let last = Mutex::new(Added::default());
    let tell = |added: Added| {
        let mut last = last.lock().unwrap();
        last.files = last.files.max(added.files);
        last.bytes = last.bytes.max(added.bytes);
    };
    let options = Options { stamps: Some(&stamps), progress: Some(&tell), ..Options::default() };
    let handle = add(backend, path, &options).unwrap();
    stamps.keep().unwrap();
    (handle, last.into_inner().unwrap())
}

#[test]
fn what_was_read_and_has_not_changed_is_not_read_again() {
    let scratch = Scratch::new();
    let stamps = scratch.join("stamps");
    // Files that nobody has written in the last seconds.
    let old = Path::new(env!("CARGO_MANIFEST_DIR")).join("src/files");
    let backend = MemoryBackend::new();
    let plain = added(&backend, &old).unwrap();
    let (handle, first) = stamped(&backend, &old, &stamps);
    assert_eq!(handle, plain);
    assert!(first.files > 5 && first.bytes > 10_000, "{first:?}");
    let (handle, again) = stamped(&backend, &old, &stamps);
    assert_eq!((handle, again), (plain, Added { bytes: 0, ..first }));
    // One file by itself, too.
    let file = old.join("get.rs");
    let (handle, again) = stamped(&backend, &file, &stamps);
    assert_eq!((handle, again.bytes), (Handle::of_blob(&fs::read(&file).unwrap()), 0));
    // A backend that does not have it gets it.
    let other = MemoryBackend::new();
    let (handle, other_first) = stamped(&other, &old, &stamps);
    assert_eq!((handle, other_first), (plain, first));
    assert!(other.contains(&handle).unwrap());
    assert!(get(&|wanted| other.get(wanted), &handle, &scratch.join("back")).is_ok());
}

#[test]
fn what_is_written_twice_at_once_is_seen() {
    let scratch = Scratch::new();
    let stamps = scratch.join("stamps");
    let (path, backend) = (scratch.join("file"), MemoryBackend::new());
    let mut seen = Vec::new();
    for text in ["first of some length", "after of same length"] {
        fs::write(&path, text).unwrap();
        // All of the stamp that a program can set.
        let file = fs::File::options().write(true).open(&path).unwrap();
        file.set_modified(std::time::UNIX_EPOCH).unwrap();
        seen.push(stamped(&backend, &path, &stamps).0);
        assert_eq!(seen.last(), Some(&Handle::of_blob(text.as_bytes())));
    }
    assert_ne!(seen[0], seen[1]);
}

#[test]
fn names_are_left_out_wherever_they_stand() {
    let scratch = Scratch::new();
    let root = scratch.join("root");
    fs::create_dir_all(root.join("in/.git")).unwrap();
    fs::create_dir_all(root.join(".git/objects")).unwrap();
    for name in ["kept", ".gitignore", ".git/objects/x", "in/.git/y", "in/kept"] {
        fs::write(root.join(name), "").unwrap();
    }
    fs::create_dir(root.join("in/tree")).unwrap();
    fs::write(root.join("in/tree/.git"), "gitdir: elsewhere").unwrap();
    let backend = MemoryBackend::new();
    let options = Options { leave_out_names: &[".git"], ..Options::default() };
    let handle = add(&backend, &root, &options).unwrap();
    for name in [".git", "in/.git", "in/tree/.git"] {
        fs::remove_dir_all(root.join(name)).or_else(|_| fs::remove_file(root.join(name))).unwrap();
    }
    assert_eq!(handle, added(&backend, &root).unwrap());
}
