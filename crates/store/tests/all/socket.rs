//! One process holds the store and others work through it; what they may not do
//! to it, and what becomes of them when it ends.

use std::fs;
use std::io::{Read, Write};
use std::ops::ControlFlow;
use std::os::unix::fs::{FileTypeExt, PermissionsExt};
use std::os::unix::net::{UnixListener, UnixStream};
use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::thread;
use std::time::{Duration, Instant};

use weft_object::{Blob, Handle, Tree};
use weft_store::conformance::Double;
use weft_store::socket::{Client, Fact, Limits, Server};
use weft_store::{
    Backend, Budget, Collect, Content, Cost, Expect, FileBackend, Finder, Label, MemoryBackend,
    Mode, Origin, Outcome, Pin, Progress, Relation, Run, SharedBackend, StoreError, conformance,
};

use crate::scratch::{Scratch, long};

fn shared(directory: &Path) -> SharedBackend {
    SharedBackend::open(directory, Mode::Write).unwrap()
}

/// A store, the one who holds it, and one who works through that one.
fn pair(scratch: &Scratch) -> (SharedBackend, SharedBackend) {
    FileBackend::create(scratch.path()).unwrap();
    let (holder, other) = (shared(scratch.path()), shared(scratch.path()));
    assert!(holder.is_holder() && !other.is_holder());
    (holder, other)
}

fn names(directory: &Path) -> Vec<String> {
    let entries = fs::read_dir(directory).unwrap();
    entries.map(|entry| entry.unwrap().file_name().into_string().unwrap()).collect()
}

#[test]
fn a_client_is_a_backend_like_any_other() {
    let mut servers = Vec::new();
    conformance::run(|| {
        let scratch = Scratch::new();
        let backend = Arc::new(MemoryBackend::new());
        let server = Server::start(backend, scratch.path(), Limits::default()).unwrap();
        let client = Client::connect(scratch.path()).unwrap();
        servers.push((server, scratch));
        client
    });
}

#[test]
fn who_shares_a_store_has_a_backend_like_any_other() {
    let mut held = Vec::new();
    conformance::run(|| {
        let scratch = Scratch::new();
        FileBackend::create(scratch.path()).unwrap();
        let holder = shared(scratch.path());
        held.push((Vec::new(), scratch));
        holder
    });
    conformance::run(|| {
        let scratch = Scratch::new();
        let (holder, other) = pair(&scratch);
        held.push((vec![holder], scratch));
        other
    });
}

/// A kind of backend of which nothing is left out, compared through the socket.
#[test]
fn all_that_a_store_knows_comes_through() {
    let scratch = Scratch::new();
    let (holder, other) = pair(&scratch);
    let finder = |text: &str, here| Finder { text: text.into(), here };
    assert_eq!(other.finder(&finder("weft", true)).unwrap(), 1);
    assert_eq!(holder.finder(&finder("file é", false)).unwrap(), 2);
    assert_eq!(other.finder(&finder("file é", false)).unwrap(), 2);
    assert_eq!(other.finders().unwrap(), holder.finders().unwrap());
    let relations: Vec<(Handle, Relation)> = (0..30_000).map(|n| (long(n).0, found(n))).collect();
    other.put_relations(&relations).unwrap();
    let all = |backend: &SharedBackend| {
        let mut all = Vec::new();
        let each = backend.each_relation(&mut |key, relation| {
            all.push((*key, *relation));
            ControlFlow::Continue(())
        });
        each.unwrap();
        all
    };
    assert_eq!(all(&other).len(), 30_000);
    assert_eq!(all(&other), all(&holder));
    // Who has seen enough is not kept busy, and asks for other things then.
    let mut seen = 0;
    let enough = other.each_relation(&mut |_, _| {
        seen += 1;
        if seen == 10 { ControlFlow::Break(()) } else { ControlFlow::Continue(()) }
    });
    assert!(enough.is_ok() && seen == 10);
    for number in 0..5 {
        other.put_run(&run(number)).unwrap();
    }
    assert_eq!(other.runs().unwrap(), holder.runs().unwrap());
    assert_eq!(other.runs().unwrap()[0], run(4));
    let pin = Pin { handle: long(1).0, until_s: Some(99) };
    other.pin(&pin).unwrap();
    other.pin(&Pin { handle: long(2).0, until_s: None }).unwrap();
    assert_eq!(other.pins().unwrap(), holder.pins().unwrap());
    assert!(other.unpin(&long(2).0).unwrap() && !other.unpin(&long(2).0).unwrap());
    assert_eq!(holder.pins().unwrap(), [pin]);
    assert_eq!(other.recipe(&long(1).0).unwrap(), None);
    assert_eq!(other.usage().unwrap(), holder.usage().unwrap());
    holder.tell(|| vec![Fact::new("running", 3)]);
    let about = other.holder().unwrap().unwrap();
    assert_eq!(about, holder.holder().unwrap().unwrap());
    assert!(about.contains(&Fact::new("process", std::process::id())));
    assert!(about.contains(&Fact::new("running", 3)));
}

fn found(number: usize) -> Relation {
    Relation {
        notes: number.is_multiple_of(2).then_some(long(2).0),
        origin: Origin { found_at_s: 7, finder: 2 },
        ..Relation::new(
            Outcome::Failure(Handle::of_u64(number as u64)),
            Cost { run_ns: 12, fuel: number.is_multiple_of(3).then_some(9) },
        )
    }
}

fn run(number: u64) -> Run {
    Run {
        request: long(3).0,
        outcome: Outcome::Value(Handle::of_u64(number)),
        label: number.is_multiple_of(2).then(|| Label::new("a/b").unwrap()),
        at_ms: number,
        took_ns: 5,
        applied: 6,
    }
}

#[test]
fn what_is_longer_than_a_frame_comes_through_too() {
    let scratch = Scratch::new();
    let (holder, other) = pair(&scratch);
    let bytes: Vec<u8> = (0..5_000_001_u32).map(|n| (n / 3) as u8).collect();
    let blob = Content::Blob(Blob::new(bytes.clone()));
    let tree = Content::Tree(Tree::new(vec![Handle::of_u64(7); 100_000]));
    other
        .put(&[long(1), (blob.handle(), blob.clone()), (tree.handle(), tree.clone()), long(2)])
        .unwrap();
    for backend in [&holder, &other] {
        let got = backend.get(&blob.handle()).unwrap().unwrap();
        assert!(got.blob().unwrap().bytes() == bytes);
        assert_eq!(backend.get(&tree.handle()).unwrap().unwrap().tree(), tree.tree());
        assert!(backend.contains(&long(1).0).unwrap() && backend.contains(&long(2).0).unwrap());
    }
    // A stream that is not what it is said to be leaves nothing.
    let wrong = Handle::of_blob(&bytes[1..]);
    assert!(!other.put_stream(&wrong, &mut &bytes[..]).unwrap());
    assert!(!other.put_stream(&wrong, &mut &bytes[2..]).unwrap());
    assert!(!other.contains(&wrong).unwrap());
    assert!(other.put_stream(&wrong, &mut &bytes[1..]).unwrap());
    assert!(holder.contains(&wrong).unwrap());
    assert!(!names(scratch.path()).iter().any(|name| name.starts_with("incoming")));
}

#[test]
fn the_socket_is_the_owners_and_goes_with_the_holder() {
    let scratch = Scratch::new();
    // Longer than an address may be.
    let directory = scratch.join(&"deep/".repeat(40));
    FileBackend::create(&directory).unwrap();
    let path = directory.join("socket");
    let holder = shared(&directory);
    let metadata = fs::symlink_metadata(&path).unwrap();
    assert!(metadata.file_type().is_socket());
    assert_eq!(metadata.permissions().mode() & 0o777, 0o600);
    let other = shared(&directory);
    assert!(!other.is_holder());
    other.put(&[long(1)]).unwrap();
    assert!(holder.contains(&long(1).0).unwrap());
    drop((holder, other));
    assert!(!path.exists());
    // What a killed one left is in nobody's way, and is removed.
    drop(UnixListener::bind(scratch.join("socket")).unwrap());
    fs::rename(scratch.join("socket"), &path).unwrap();
    for name in ["incoming-1-0", "incoming-99-7", "socket-1", "incoming-x", "keep"] {
        fs::write(directory.join(name), "").unwrap();
    }
    let reader = SharedBackend::open(&directory, Mode::Read).unwrap();
    assert!(reader.contains(&long(1).0).unwrap());
    let holder = shared(&directory);
    assert!(holder.is_holder() && !shared(&directory).is_holder());
    let left = names(&directory);
    assert!(["incoming-x", "keep"].iter().all(|name| left.contains(&(*name).to_owned())));
    assert!(!left.iter().any(|name| name.starts_with("incoming-1") || name == "socket-1"));
}

#[test]
fn readers_go_through_the_holder_or_do_without() {
    let scratch = Scratch::new();
    let (holder, _other) = pair(&scratch);
    let reader = SharedBackend::open(scratch.path(), Mode::Read).unwrap();
    holder.put(&[long(1)]).unwrap();
    assert!(reader.contains(&long(1).0).unwrap(), "what came after it was opened");
    let refused = [
        reader.put(&[long(2)]),
        reader.put_relations(&[]),
        reader.set_label(&Label::new("a").unwrap(), Expect::Any, None),
        reader.put_stream(&long(2).0, &mut &b""[..]).map(|_| ()),
        reader.put_run(&run(1)),
        reader.pin(&Pin { handle: long(1).0, until_s: None }),
        reader.unpin(&long(1).0).map(|_| ()),
        reader.finder(&Finder { text: String::new(), here: true }).map(|_| ()),
    ];
    assert!(refused.iter().all(|refused| matches!(refused, Err(StoreError::ReadOnly(_)))));
    drop((holder, _other));
    assert!(reader.get(&long(1).0).unwrap().is_some(), "although nobody holds it now");
    assert!(!scratch.join("socket").exists(), "and without holding it");
}

#[test]
fn the_next_one_takes_over_and_nothing_is_lost() {
    let scratch = Scratch::new();
    let (holder, second) = pair(&scratch);
    let third = shared(scratch.path());
    let label = Label::new("main").unwrap();
    second.put(&[long(1)]).unwrap();
    second.set_label(&label, Expect::Absent, Some(long(1).0)).unwrap();
    third.put_relations(&[(long(5).0, found(5))]).unwrap();
    drop(holder);
    // Whoever asks first holds it then.
    assert!(third.contains(&long(1).0).unwrap());
    assert!(third.is_holder());
    second.sync().unwrap();
    assert!(!second.is_holder());
    assert_eq!(second.label(&label).unwrap(), Some(long(1).0));
    assert_eq!(second.relation(&long(5).0).unwrap(), Some(Relation { durable: true, ..found(5) }));
    drop(third);
    second.sync().unwrap();
    assert!(second.is_holder());
    drop(second);
    let files = FileBackend::open(scratch.path(), Mode::Read).unwrap();
    assert_eq!(files.label(&label).unwrap(), Some(long(1).0));
}

/// Holders end all the time, under the hands of many.
#[test]
fn many_write_while_holders_come_and_go() {
    let scratch = Scratch::new();
    FileBackend::create(scratch.path()).unwrap();
    let directory = scratch.path();
    let [threads, rounds, each] = [4, 12, 5];
    let changes = AtomicU64::new(0);
    thread::scope(|scope| {
        for thread in 0..threads {
            let changes = &changes;
            scope.spawn(move || {
                let label = Label::new(&format!("thread-{thread}")).unwrap();
                let mut at = None;
                for round in 0..rounds {
                    let backend = shared(directory);
                    for n in 0..each {
                        let (name, content) = long(n + each * (round + rounds * thread));
                        backend.put(&[(name, content)]).unwrap();
                        let expect = at.map_or(Expect::Absent, Expect::At);
                        backend.set_label(&label, expect, Some(name)).unwrap();
                        at = Some(name);
                        changes.fetch_add(1, Ordering::Relaxed);
                    }
                    backend.sync().unwrap();
                }
            });
        }
    });
    assert_eq!(changes.into_inner(), (threads * rounds * each) as u64);
    let files = FileBackend::open(directory, Mode::Write).unwrap();
    assert!((0..threads * rounds * each).all(|n| files.contains(&long(n).0).unwrap()));
    for thread in 0..threads {
        let last = long(rounds * each * (thread + 1) - 1).0;
        let label = Label::new(&format!("thread-{thread}")).unwrap();
        assert_eq!(files.label(&label).unwrap(), Some(last));
    }
}

fn eventually(what: &str, mut holds: impl FnMut() -> bool) {
    let start = Instant::now();
    while !holds() {
        assert!(start.elapsed() < Duration::from_secs(60), "{what}");
        thread::sleep(Duration::from_millis(5));
    }
}

#[test]
fn what_is_held_and_written_ends_with_the_connection() {
    let scratch = Scratch::new();
    FileBackend::create(scratch.path()).unwrap();
    let watched = Arc::new(Double::default());
    let serve = || Server::start(watched.clone(), scratch.path(), Limits::default()).unwrap();
    let server = serve();
    let client = shared(scratch.path());
    let stands = || (watched.held(), watched.writing());
    for number in [1, 1, 2] {
        client.hold(&long(number).0);
    }
    client.begin_writing().unwrap();
    client.begin_writing().unwrap();
    assert_eq!(stands(), (3, 1), "two stretches of one process are one");
    client.release(&long(1).0);
    client.end_writing();
    assert_eq!(stands(), (2, 1));
    // The next holder is told.
    drop(server);
    assert_eq!(stands(), (0, 0));
    let server = serve();
    assert!(!client.contains(&long(1).0).unwrap());
    assert_eq!(stands(), (2, 1));
    client.end_writing();
    assert_eq!(stands(), (2, 0));
    client.begin_writing().unwrap();
    drop(client);
    eventually("all is released", || stands() == (0, 0));
    drop(server);
}

/// A holder that ends before it has synced anything, and has kept nothing.
#[test]
fn what_a_holder_forgot_is_put_again_or_missed() {
    let scratch = Scratch::new();
    FileBackend::create(scratch.path()).unwrap();
    let forgets = || {
        let memory: Arc<dyn Backend> = Arc::new(MemoryBackend::new());
        Server::start(memory, scratch.path(), Limits::default()).unwrap()
    };
    let server = forgets();
    let client = shared(scratch.path());
    let label = |text: &str| Label::new(text).unwrap();
    let finder = Finder { text: "weft".into(), here: true };
    client.put(&[long(1), long(2)]).unwrap();
    assert_eq!(client.finder(&finder).unwrap(), 1);
    client.put_relations(&[(long(1).0, found(1))]).unwrap();
    client.set_label(&label("a"), Expect::Any, Some(long(1).0)).unwrap();
    client.set_label(&label("a"), Expect::At(long(1).0), Some(long(2).0)).unwrap();
    client.set_label(&label("b"), Expect::Absent, Some(long(2).0)).unwrap();
    client.set_label(&label("b"), Expect::Any, None).unwrap();
    assert!(client.set_label(&label("b"), Expect::At(long(2).0), None).is_err());
    client.put_run(&run(1)).unwrap();
    client.pin(&Pin { handle: long(1).0, until_s: None }).unwrap();
    drop(server);
    client.sync().unwrap();
    assert!(client.is_holder());
    drop(client);
    let files = FileBackend::open(scratch.path(), Mode::Write).unwrap();
    assert!(files.contains(&long(1).0).unwrap() && files.contains(&long(2).0).unwrap());
    assert!(files.relation(&long(1).0).unwrap().is_some());
    assert_eq!(files.labels().unwrap(), [(label("a"), long(2).0)]);
    drop(files);

    // Of what went by as a stream only the name is known, and of what was said
    // to be there.
    for stream in [true, false] {
        let server = forgets();
        let client = shared(scratch.path());
        let (name, content) = long(9);
        match stream {
            true => {
                let bytes = content.blob().unwrap().bytes();
                assert!(client.put_stream(&name, &mut { bytes }).unwrap());
            }
            false => {
                Client::connect(scratch.path()).unwrap().put(&[(name, content)]).unwrap();
                client.begin_writing().unwrap();
                assert!(client.contains(&name).unwrap());
            }
        }
        drop(server);
        for _ in 0..2 {
            let lost = client.sync().unwrap_err();
            assert!(matches!(lost, StoreError::Lost(Some(lost)) if lost == name));
            let text = lost.to_string();
            assert!(text.contains("before #") && text.ends_with("safe; do this again"), "{text}");
        }
        // For what comes after that it is as good as any.
        drop(client);
        shared(scratch.path()).sync().unwrap();
    }
}

/// A collection that a holder has begun ends before it stops to serve: else it
/// would take away what somebody is about to refer to.
#[test]
fn what_is_relied_on_outlasts_a_holder_that_collects() {
    let scratch = Scratch::new();
    let (holder, other) = pair(&scratch);
    let put = |backend: &SharedBackend, byte: u8| {
        let blob = Blob::new(vec![byte; 10_000]);
        let handle = blob.handle();
        backend.put(&[(handle, Content::Blob(blob))]).unwrap();
        handle
    };
    let unnamed = put(&holder, 1);
    holder.sync().unwrap();
    other.begin_writing().unwrap();
    assert!(other.contains(&unnamed).unwrap());
    holder.set_budget(Some(1)).unwrap();
    put(&holder, 2);
    // From here on one waits to begin in the background.
    holder.sync().unwrap();
    let ending = thread::spawn(move || drop(holder));
    // Where it does not wait for the writing, it is over soon.
    for _ in 0..30 {
        thread::sleep(Duration::from_millis(10));
        if ending.is_finished() {
            break;
        }
    }
    let about = Tree::new([unnamed]);
    let handle = about.handle();
    other.put(&[(handle, Content::Tree(about))]).unwrap();
    let label = Label::new("about").unwrap();
    other.set_label(&label, Expect::Absent, Some(handle)).unwrap();
    other.sync().unwrap();
    other.end_writing();
    ending.join().unwrap();
    assert!(other.get(&unnamed).unwrap().is_some());
}

#[test]
fn a_holder_that_lets_nobody_in_is_waited_for() {
    let scratch = Scratch::new();
    let files = FileBackend::create(scratch.path()).unwrap();
    let wait = Duration::from_millis(20);
    let locked = SharedBackend::open_with(scratch.path(), Mode::Write, wait).unwrap_err();
    let process = format!("in use by process {}; wait until it ends", std::process::id());
    assert!(locked.to_string().contains(&process), "{locked}");
    SharedBackend::open_with(scratch.path(), Mode::Read, wait).unwrap();
    thread::scope(|scope| {
        let waits = scope.spawn(|| shared(scratch.path()).is_holder());
        drop(files);
        assert!(waits.join().unwrap());
    });
}

/// Somebody who listens as a holder would, and does this with who comes.
fn impostor(directory: &Path, answer: impl Fn(&mut UnixStream) + Send + 'static) {
    let _ = fs::remove_file(directory.join("socket"));
    let listener = UnixListener::bind(directory.join("socket")).unwrap();
    thread::spawn(move || {
        for stream in listener.incoming() {
            let mut stream = stream.unwrap();
            let mut hello = [0; 16];
            if stream.read_exact(&mut hello).is_ok() {
                answer(&mut stream);
            }
        }
    });
}

fn hello(version: u32) -> [u8; 32] {
    let mut bytes = [0; 32];
    bytes[..8].copy_from_slice(b"weftsock");
    bytes[8..12].copy_from_slice(&version.to_le_bytes());
    bytes[16..20].copy_from_slice(&77_u32.to_le_bytes());
    bytes
}

#[test]
fn a_holder_of_another_version_is_named() {
    let scratch = Scratch::new();
    FileBackend::create(scratch.path()).unwrap().put(&[long(1)]).unwrap();
    impostor(scratch.path(), |stream| stream.write_all(&hello(9)).unwrap());
    let error = SharedBackend::open(scratch.path(), Mode::Write).unwrap_err();
    let text = error.to_string();
    let words = "process 77 holds the store ";
    assert!(text.starts_with(words) && text.contains("speaks version 9 on its socket"), "{text}");
    assert!(text.ends_with("and this program version 1; wait until it ends"), "{text}");
    // To read, nobody needs it.
    let reader = SharedBackend::open(scratch.path(), Mode::Read).unwrap();
    assert!(reader.contains(&long(1).0).unwrap());
}

/// Whatever a holder says, a client ends with an error.
#[test]
fn what_makes_no_sense_is_an_error() {
    let scratch = Scratch::new();
    let (name, content) = long(1);
    let mut wrong = vec![1];
    wrong.extend_from_slice(b"something else of that length, or another");
    let answers: Vec<(Vec<u8>, &str)> = vec![
        (frame(0, &[7]), "makes no sense"),
        (frame(0, &[]), "makes no sense"),
        (frame(0, &[0, 0]), "makes no sense"),
        (frame(0, &wrong), "try again, and `weft fsck` if it stays so"),
        (frame(2, &[]), "makes no sense"),
        (frame(2, &[9, 9, 9]), "makes no sense"),
        (frame(3, &[]), "makes no sense"),
        (vec![0xff; 8], "ended in the middle"),
        (frame(0, &[0; 100])[..50].to_vec(), "ended in the middle"),
        (Vec::new(), "ended in the middle"),
    ];
    for (answer, words) in answers {
        let sent = answer.clone();
        impostor(scratch.path(), move |stream| {
            stream.write_all(&hello(1)).unwrap();
            let mut request = [0; 40];
            if stream.read_exact(&mut request).is_ok() {
                let _ = stream.write_all(&sent);
            }
        });
        let client = Client::connect(scratch.path()).unwrap();
        let error = client.get(&name).unwrap_err().to_string();
        assert!(error.contains(words), "{answer:?}: {error}");
        // The one answer that fits another question.
        let put = client.put(&[(name, content.clone())]);
        assert_eq!(put.is_ok(), answer == frame(0, &[]), "{answer:?}");
    }
    // No socket, or what only looks like one.
    fs::remove_file(scratch.join("socket")).unwrap();
    assert!(matches!(Client::connect(scratch.path()), Err(StoreError::Gone)));
    let elsewhere = Scratch::new();
    impostor(elsewhere.path(), |stream| stream.write_all(&hello(1)).unwrap());
    std::os::unix::fs::symlink(elsewhere.join("socket"), scratch.join("socket")).unwrap();
    assert!(matches!(Client::connect(scratch.path()), Err(StoreError::Gone)));
}

fn frame(tag: u8, payload: &[u8]) -> Vec<u8> {
    let mut frame = u32::try_from(payload.len()).unwrap().to_le_bytes().to_vec();
    frame.extend_from_slice(&[tag, 0, 0, 0]);
    frame.extend_from_slice(payload);
    frame
}

#[test]
fn a_collection_runs_where_the_store_is_held() {
    let scratch = Scratch::new();
    FileBackend::create(scratch.path()).unwrap();
    let watched = Arc::new(Double::default());
    let server = Server::start(watched.clone(), scratch.path(), Limits::default()).unwrap();
    let client = shared(scratch.path());
    client.put(&[long(1), long(2)]).unwrap();
    client.set_label(&Label::new("a").unwrap(), Expect::Any, Some(long(1).0)).unwrap();
    client.set_budget(Some(1 << 30)).unwrap();
    assert_eq!(client.usage().unwrap().budget_bytes, Some(1 << 30));
    let removals = client.removals();
    let told = AtomicU64::new(0);
    let tell = |_| {
        told.fetch_add(1, Ordering::Relaxed);
    };
    let dry = Collect { dry_run: true, budget: Budget::Bytes(77) };
    let would = client.collect(&dry, &tell).unwrap();
    assert_eq!(would, watched.collect(&dry, &|_| {}).unwrap());
    assert_eq!((would.garbage.objects, would.budget_bytes), (1, Some(77)));
    assert_eq!(client.removals(), removals);
    client.collect(&Collect::default(), &tell).unwrap();
    assert!(told.into_inner() > 0, "it is told how far it is");
    assert_ne!(client.removals(), removals);
    assert!(client.contains(&long(1).0).unwrap() && !client.contains(&long(2).0).unwrap());
    let reader = SharedBackend::open(scratch.path(), Mode::Read).unwrap();
    assert!(reader.collect(&dry, &tell_nobody).is_ok());
    let refused = reader.collect(&Collect::default(), &tell_nobody);
    assert!(matches!(refused, Err(StoreError::ReadOnly(_))));
    // Whoever comes next may have removed anything.
    let removals = client.removals();
    drop(server);
    assert_ne!(client.removals(), removals);
}

fn tell_nobody(_: Progress) {}

/// What is a file of its own is not sent: who asks reads the file.
#[test]
fn a_large_blob_is_read_from_its_file() {
    let scratch = Scratch::new();
    let (holder, other) = pair(&scratch);
    let bytes: Vec<u8> = (0..3_000_000_u32).map(|n| (n / 5) as u8).collect();
    let blob = Content::Blob(Blob::new(bytes.clone()));
    other.put(&[(blob.handle(), blob.clone())]).unwrap();
    other.sync().unwrap();
    let got = |backend: &SharedBackend| backend.get(&blob.handle()).unwrap().unwrap();
    // One mapping for both, as soon as the file is old enough to be sure of it.
    eventually("nothing is copied", || {
        let [first, again] = [got(&other), got(&other)];
        let [first, again] = [&first, &again].map(|got| got.blob().unwrap().bytes());
        assert!(first == bytes);
        std::ptr::eq(first, again)
    });
    // Where it cannot be read so, it comes as everything else does.
    let file = blob.handle().to_string();
    let path = scratch.join("large").join(&file[..2]).join(&file);
    fs::rename(&path, scratch.join("aside")).unwrap();
    fs::create_dir(&path).unwrap();
    let error = other.get(&blob.handle()).unwrap_err().to_string();
    assert_eq!(error, holder.get(&blob.handle()).unwrap_err().to_string());
    fs::remove_dir(&path).unwrap();
    fs::rename(scratch.join("aside"), &path).unwrap();
    assert!(got(&other).blob().unwrap().bytes() == bytes);
}

/// A holder that was stopped has its socket, and its lock.
#[test]
fn a_holder_that_does_not_answer_is_an_error_and_readers_do_without() {
    let scratch = Scratch::new();
    FileBackend::create(scratch.path()).unwrap().put(&[long(1)]).unwrap();
    let _listener = UnixListener::bind(scratch.join("socket")).unwrap();
    thread::scope(|scope| {
        let reader = scope.spawn(|| SharedBackend::open(scratch.path(), Mode::Read).unwrap());
        let error = SharedBackend::open(scratch.path(), Mode::Write).unwrap_err().to_string();
        assert!(error.contains("does not answer") && error.contains("kill -CONT"), "{error}");
        assert!(reader.join().unwrap().contains(&long(1).0).unwrap());
    });
}
