//! Programs with directories: what runs again, and what need not.

use std::collections::{BTreeMap, HashSet};
use std::ops::ControlFlow;
use std::sync::Arc;

use weft_eval::Outcome;
use weft_node::{Config, Event, Node, Sample, Session, Watch};
use weft_object::Handle;
use weft_object::directory::{DirectoryError, Entry, FileKind, Name, Part, build};
use weft_store::disk::crash::CrashDisk;
use weft_store::{Backend, MemoryBackend, Relation, is_step};

use crate::guests::start;
use crate::storage::on_disk;

/// A program that puts the first of these files that is there into `out` and on
/// its standard output, and then exits with the number of those that are not.
fn first_of(session: &Session, paths: &[&str]) -> Handle {
    let mut data = String::new();
    let mut body = String::new();
    for (at, path) in paths.iter().enumerate() {
        let (from, len) = (1024 + 64 * at, path.len());
        data += &format!(r#"(data (i32.const {from}) "{path}")"#);
        body += &format!("(call $try (i32.const {from}) (i32.const {len}) (i32.const {at}))");
    }
    program(
        session,
        &data,
        &format!(
            r#"(func $try (param $path i32) (param $len i32) (param $missed i32)
                 (if (call $open (i32.const 3) (i32.const 1) (local.get $path) (local.get $len)
                       (i32.const 0) (i64.const 2) (i64.const 0) (i32.const 0) (i32.const 0))
                   (then (return)))
                 (i32.store (i32.const 8) (i32.const 4096))
                 (i32.store (i32.const 12) (i32.const 4096))
                 (drop (call $read (i32.load (i32.const 0))
                   (i32.const 8) (i32.const 1) (i32.const 4)))
                 (i32.store (i32.const 12) (i32.load (i32.const 4)))
                 (drop (call $write (i32.const 1) (i32.const 8) (i32.const 1) (i32.const 4)))
                 (drop (call $open (i32.const 3) (i32.const 1) (i32.const 512) (i32.const 3)
                   (i32.const 9) (i64.const 64) (i64.const 0) (i32.const 0) (i32.const 0)))
                 (drop (call $write (i32.load (i32.const 0))
                   (i32.const 8) (i32.const 1) (i32.const 4)))
                 (call $exit (local.get $missed)))
               (func (export "_start") {body} unreachable)"#
        ),
    )
}

fn program(session: &Session, data: &str, body: &str) -> Handle {
    let text = format!(
        r#"(module
             (import "wasi_snapshot_preview1" "path_open" (func $open
               (param i32 i32 i32 i32 i32 i64 i64 i32 i32) (result i32)))
             (import "wasi_snapshot_preview1" "fd_read" (func $read
               (param i32 i32 i32 i32) (result i32)))
             (import "wasi_snapshot_preview1" "fd_write" (func $write
               (param i32 i32 i32 i32) (result i32)))
             (import "wasi_snapshot_preview1" "proc_exit" (func $exit (param i32)))
             (memory (export "memory") 1)
             (data (i32.const 512) "out")
             {data} {body})"#
    );
    session.put_blob(wat::parse_str(text).unwrap())
}

/// Where a header is looked for.
const HEADERS: [&str; 2] = ["near/x.h", "far/x.h"];

type Files<'a> = BTreeMap<&'a str, &'a str>;

/// A directory of files, each in a directory of its own.
fn directory(session: &Session, files: &Files<'_>) -> Handle {
    let mut folders: BTreeMap<&str, Vec<Entry>> = BTreeMap::new();
    for (path, text) in files {
        let (folder, name) = path.split_once('/').unwrap();
        let child = session.put_blob(text.as_bytes().to_vec());
        folders.entry(folder).or_default().push(entry(name, FileKind::File, child));
    }
    let folder = |(name, entries)| entry(name, FileKind::Directory, built(session, entries));
    built(session, folders.into_iter().map(folder).collect())
}

fn entry(name: &str, kind: FileKind, child: Handle) -> Entry {
    Entry { name: Name::new(name.as_bytes()).unwrap(), kind, mode: 0o755, child }
}

fn built(session: &Session, entries: Vec<Entry>) -> Handle {
    build(entries, |_, part| {
        match part {
            Part::Index(blob) => session.put_blob(blob.bytes().to_vec()),
            Part::Node(tree) => session.put_tree(tree.entries()),
        };
        Ok::<_, DirectoryError>(())
    })
    .unwrap()
}

fn run_on(session: &Session, program: Handle, root: Handle) -> Handle {
    let empty = Handle::of_blob(b"");
    let mut entries = vec![empty, Handle::of_blob(b"wasi/1"), program];
    entries.extend([empty; 5]);
    entries.extend([Handle::of_blob(b"/"), root.lower().unwrap()]);
    session.put_tree(&entries).application().unwrap()
}

fn on(backend: &Arc<MemoryBackend>) -> Node {
    start(Config { backend: Some(backend.clone()), ..Config::default() })
}

/// What a program comes to, and what happened: in a new node, whose findings the
/// backend then has.
struct Ran {
    outcome: Outcome,
    /// How many runs.
    runs: usize,
    /// How many questions led to an end without a run.
    asked: Option<u64>,
    loaded: Vec<Handle>,
}

fn ran(backend: &Arc<MemoryBackend>, request: impl FnOnce(&Session) -> Handle) -> Ran {
    let node = on(backend);
    let session = node.session();
    let request = request(&session);
    let watch = node.watch();
    let outcome = session.submit(request).wait();
    let ran = told(&watch, outcome);
    let stat = node.stat();
    assert_eq!((stat.applied, stat.matched), (ran.runs as u64, u64::from(ran.asked.is_some())));
    assert_eq!(stat.conflicts, 0);
    node.keep(&[request]).unwrap();
    ran
}

fn told(watch: &Watch, outcome: Outcome) -> Ran {
    let mut ran = Ran { outcome, runs: 0, asked: None, loaded: Vec::new() };
    for event in watch.drain() {
        match event {
            Event::Started { .. } => ran.runs += 1,
            Event::Matched { asked, outcome, .. } => {
                assert_eq!(outcome, ran.outcome);
                assert_eq!(ran.asked.replace(asked), None, "told once");
            }
            Event::Loaded { object, .. } => ran.loaded.push(object),
            _ => {}
        }
    }
    ran
}

/// What a program that puts a header into `out` comes to, compared with what a
/// node says that knows nothing.
fn header(backend: &Arc<MemoryBackend>, files: &Files<'_>) -> Ran {
    let request =
        |session: &Session| run_on(session, first_of(session, &HEADERS), directory(session, files));
    let ran = ran(backend, request);
    let fresh = self::ran(&Arc::default(), request);
    assert_eq!((&ran.outcome, fresh.runs), (&fresh.outcome, 1), "as in a node that knows nothing");
    ran
}

fn with<'a>(files: &Files<'a>, path: &'a str, text: &'a str) -> Files<'a> {
    let mut files = files.clone();
    files.insert(path, text);
    files
}

fn files<'a>() -> Files<'a> {
    let long = "a header that is too long to stand in its own handle";
    Files::from([("far/x.h", long), ("near/y.h", "y"), ("src/main.c", "main")])
}

#[test]
fn what_it_never_looked_at_runs_nothing() {
    let backend = Arc::default();
    let files = files();
    let first = header(&backend, &files);
    assert_eq!((first.runs, first.asked), (1, None));
    let other = header(&backend, &with(&files, "src/main.c", "another main"));
    // near, near/x.h, far, far/x.h, its content, out.
    assert_eq!((other.runs, other.asked), (0, Some(6)));
    assert_ne!(other.outcome, first.outcome, "main.c is in the result");
    // And that is an ordinary relation now.
    let again = header(&backend, &with(&files, "src/main.c", "another main"));
    assert_eq!((again.runs, again.asked), (0, None));
}

#[test]
fn what_it_looked_at_runs_again() {
    let backend = Arc::default();
    let files = files();
    header(&backend, &files);
    for changed in [
        with(&files, "near/x.h", "nearer"),
        with(&files, "far/x.h", "farther"),
        with(&files, "out/file", "in the way"),
    ] {
        let other = header(&backend, &changed);
        assert_eq!((other.runs, other.asked), (1, None));
        // What was found out then goes for what is beside it.
        let beside = with(&changed, "src/other.c", "new");
        let other = header(&backend, &beside);
        assert_eq!((other.runs, other.asked.is_some()), (0, true));
    }
    // The first is not forgotten over those.
    assert_eq!(header(&backend, &with(&files, "src/new.c", "")).runs, 0);
}

#[test]
fn a_trap_is_no_end() {
    let backend = Arc::default();
    let files = Files::from([("src/main.c", "main")]);
    let first = header(&backend, &files);
    assert!(matches!(first.outcome, Outcome::Failure(_)), "no header");
    let other = header(&backend, &with(&files, "src/main.c", "another"));
    assert_eq!((other.runs, other.asked), (1, None));
}

/// A program that writes what is in none of its files.
fn speaker(session: &Session, text: &str) -> Handle {
    program(
        session,
        &format!(r#"(data (i32.const 1024) "{text}") (data (i32.const 2048) "src/main.c")"#),
        &format!(
            r#"(func (export "_start")
                 (drop (call $open (i32.const 3) (i32.const 1) (i32.const 2048) (i32.const 10)
                   (i32.const 0) (i64.const 2) (i64.const 0) (i32.const 0) (i32.const 0)))
                 (i32.store (i32.const 8) (i32.const 1024))
                 (i32.store (i32.const 12) (i32.const {}))
                 (drop (call $write (i32.const 1) (i32.const 8) (i32.const 1) (i32.const 4))))"#,
            text.len()
        ),
    )
}

#[test]
fn what_an_end_names_has_to_be_there() {
    let backend = Arc::default();
    let text = "what it says has more bytes than a literal";
    let spoken = |backend: &Arc<MemoryBackend>, main: &str| {
        ran(backend, |session| {
            let root = directory(session, &Files::from([("src/main.c", main)]));
            run_on(session, speaker(session, text), root)
        })
    };
    assert_eq!(spoken(&backend, "main").runs, 1);
    assert_eq!(spoken(&backend, "another main").runs, 0);
    let lacking = without(&backend, Handle::of_blob(text.as_bytes()));
    let again = spoken(&lacking, "a third main");
    assert_eq!((again.runs, again.asked), (1, None));
    assert!(again.outcome.value().is_some());
    // That brought it back.
    assert_eq!(spoken(&lacking, "a fourth main").runs, 0);
}

/// The same store, but for one content.
fn without(backend: &MemoryBackend, lost: Handle) -> Arc<MemoryBackend> {
    let other = Arc::new(MemoryBackend::new());
    let mut relations = Vec::new();
    let look = &mut |key: &Handle, relation: &Relation| {
        relations.push((*key, *relation));
        ControlFlow::Continue(())
    };
    backend.each_relation(look).unwrap();
    let mut open: Vec<Handle> =
        relations.iter().flat_map(|(key, found)| [*key, found.outcome.handle()]).collect();
    let mut seen = HashSet::new();
    while let Some(object) = open.pop().map(Handle::content) {
        if object == lost || object.is_literal() || !seen.insert(object) {
            continue;
        }
        if let Some(content) = backend.get(&object).unwrap() {
            open.extend(content.tree().iter().flat_map(|tree| tree.entries().iter().copied()));
            other.put(&[(object, content)]).unwrap();
        }
    }
    assert!(relations.iter().any(|(key, _)| is_step(key)));
    other.put_relations(&relations).unwrap();
    other
}

#[test]
fn who_verifies_believes_no_step() {
    let backend = Arc::default();
    let files = files();
    header(&backend, &files);
    let changed = with(&files, "src/main.c", "another main");
    assert_eq!(header(&backend, &changed).runs, 0);
    let config = Config { verify: Some(Sample::ALL), ..Config::default() };
    let node = start(Config { backend: Some(backend.clone()), ..config });
    let session = node.session();
    let root = directory(&session, &changed);
    let request = run_on(&session, first_of(&session, &HEADERS), root);
    let outcome = session.submit(request).wait();
    let verified = node.verified(request, &outcome).unwrap();
    assert_eq!((verified.agreed, verified.unknown), (1, 0), "the match was right");
    assert_eq!((node.stat().applied, node.stat().matched), (1, 0));
    // Nothing that it did not know is taken from steps, and none is kept.
    let other = directory(&session, &with(&files, "src/main.c", "a third"));
    let request = run_on(&session, first_of(&session, &HEADERS), other);
    assert!(session.submit(request).wait().value().is_some());
    assert_eq!((node.stat().applied, node.stat().matched), (2, 0));
    assert_eq!(node.keep(&[]).unwrap().relations, 1);
}

/// A program that says what is in all of these files.
fn teller(session: &Session, paths: &[&str]) -> Handle {
    let mut data = String::new();
    let mut body = String::new();
    for (at, path) in paths.iter().enumerate() {
        let (from, len) = (1024 + 64 * at, path.len());
        data += &format!(r#"(data (i32.const {from}) "{path}")"#);
        body += &format!(
            r#"(drop (call $open (i32.const 3) (i32.const 1) (i32.const {from}) (i32.const {len})
                 (i32.const 0) (i64.const 2) (i64.const 0) (i32.const 0) (i32.const 0)))
               (i32.store (i32.const 8) (i32.const 4096))
               (i32.store (i32.const 12) (i32.const 4096))
               (drop (call $read (i32.load (i32.const 0))
                 (i32.const 8) (i32.const 1) (i32.const 4)))
               (i32.store (i32.const 12) (i32.load (i32.const 4)))
               (drop (call $write (i32.const 1) (i32.const 8) (i32.const 1) (i32.const 4)))"#
        );
    }
    program(session, &data, &format!(r#"(func (export "_start") {body})"#))
}

/// A directory with 100,000 files in it, of which three can be read, and another
/// one beside it.
fn crowd(session: &Session, beside: &'static str) -> Handle {
    let child = |n: u32| {
        let text = format!("the bytes of file {n:06}, and more");
        match n {
            7 | 50_000 | 99_999 => session.put_blob(text),
            _ => Handle::of_blob(text.as_bytes()),
        }
    };
    let names = (0..100_000).map(|n| entry(&format!("{n:06}"), FileKind::File, child(n)));
    let crowd = entry("crowd", FileKind::Directory, built(session, names.collect()));
    let beside = entry("beside", FileKind::File, session.put_blob(beside));
    built(session, vec![beside, crowd])
}

/// As the steps of a build do: at the same time all read the same files.
#[test]
fn what_many_programs_read_is_loaded_once() {
    const PROGRAMS: u32 = 32;
    // Which has to be read and hashed, so that others come meanwhile.
    let backend = on_disk(&CrashDisk::new());
    let names: Vec<String> = (0..8).map(|n| format!("include/{n}.h")).collect();
    let paths: Vec<&str> = names.iter().map(String::as_str).collect();
    let requests: Vec<Handle> = {
        let node = start(Config { backend: Some(backend.clone()), ..Config::default() });
        let session = node.session();
        let texts: Vec<String> = (0..8).map(|n| format!("{n}").repeat(900_000)).collect();
        let files = paths.iter().copied().zip(texts.iter().map(String::as_str)).collect();
        let (program, root) = (teller(&session, &paths), directory(&session, &files));
        let seeded = |seed| {
            let empty = Handle::of_blob(b"");
            let mut entries = vec![empty, Handle::of_blob(b"wasi/1"), program];
            entries.extend([empty, empty, empty, Handle::of_u64(seed), empty]);
            entries.extend([Handle::of_blob(b"/"), root.lower().unwrap()]);
            session.put_tree(&entries).application().unwrap()
        };
        let requests: Vec<_> = (1..=u64::from(PROGRAMS)).map(seeded).collect();
        let all = session.put_tree(&[&requests[..], &[root]].concat());
        node.keep(&[all]).unwrap();
        requests
    };
    let node = start(Config { backend: Some(backend), workers: 4, ..Config::default() });
    let (session, watch) = (node.session(), node.watch());
    let asked: Vec<_> = requests.iter().map(|request| session.submit(*request)).collect();
    assert!(asked.into_iter().all(|request| request.wait().value().is_some()));
    let mut loaded: BTreeMap<Handle, u32> = BTreeMap::new();
    let mut runs = 0;
    for event in watch.drain() {
        match event {
            Event::Loaded { object, .. } => *loaded.entry(object.content()).or_default() += 1,
            Event::Started { .. } => runs += 1,
            _ => {}
        }
    }
    assert_eq!(runs, PROGRAMS);
    assert!(loaded.len() > names.len(), "{loaded:?}");
    assert!(loaded.values().all(|times| *times == 1), "{loaded:?}");
}

#[test]
fn of_a_hundred_thousand_files_three_are_read() {
    let backend: Arc<MemoryBackend> = Arc::default();
    let roots = {
        let node = on(&backend);
        let session = node.session();
        let roots = [crowd(&session, "before"), crowd(&session, "after")];
        let object = |handle: &Handle| {
            let content = session.content(*handle).unwrap()?;
            Some((handle.content(), content))
        };
        let mut open = roots.to_vec();
        while let Some((handle, content)) = open.pop().as_ref().and_then(object) {
            open.extend(content.tree().iter().flat_map(|tree| tree.entries().iter().copied()));
            open.retain(|handle| object(handle).is_some() && !handle.is_literal());
            backend.put(&[(handle, content)]).unwrap();
        }
        roots
    };
    let [first, other] = roots.map(|root| {
        ran(&backend, |session| {
            let paths = ["crowd/000007", "crowd/050000", "crowd/099999"];
            run_on(session, teller(session, &paths), root)
        })
    });
    assert_eq!((first.runs, other.runs), (1, 0));
    // Of the root, of the crowd, and of three nodes in it, Tree and index; and
    // the files.
    assert_eq!(first.loaded.len(), 2 * (1 + 1 + 3) + 3);
    // The files are compared by name; but there is the end.
    assert_eq!(other.loaded.len(), 2 * (1 + 1 + 3) + 1);
}
