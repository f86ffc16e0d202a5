//! Clients that break every rule. The holder goes on, and keeps nothing for
//! them.

use std::fs;
use std::io::{Read, Write};
use std::os::unix::fs::symlink;
use std::os::unix::net::UnixStream;
use std::sync::Arc;
use std::thread;
use std::time::{Duration, Instant};

use proptest::prelude::*;
use proptest::test_runner::Config;
use weft_object::Handle;
use weft_store::conformance::Double;
use weft_store::socket::{Client, Limits, Server, fuzz_frames};
use weft_store::{Backend, FileBackend, Mode, Relation, SharedBackend, StoreError};

use crate::scratch::{Scratch, long};

/// A server that is quick to lose patience.
struct Served {
    scratch: Scratch,
    watched: Arc<Double>,
    server: Server,
}

fn serve(limits: Limits) -> Served {
    let scratch = Scratch::new();
    let watched = Arc::new(Double::default());
    watched.put(&[long(1)]).unwrap();
    let server = Server::start(watched.clone(), scratch.path(), limits).unwrap();
    Served { scratch, watched, server }
}

fn impatient() -> Limits {
    let short = Duration::from_millis(100);
    Limits {
        connections_max: 4,
        holds_max: 3,
        hello_time: short,
        frame_time: short,
        writing_time: short,
    }
}

const HELLO: &[u8; 16] = b"weftsock\x01\0\0\0\0\0\0\0";

impl Served {
    fn raw(&self) -> UnixStream {
        let stream = UnixStream::connect(self.scratch.join("socket")).unwrap();
        stream.set_read_timeout(Some(Duration::from_secs(60))).unwrap();
        stream
    }

    /// One that has been greeted.
    fn greeted(&self) -> UnixStream {
        let mut stream = self.raw();
        stream.write_all(HELLO).unwrap();
        let mut answer = [0; 32];
        stream.read_exact(&mut answer).unwrap();
        assert_eq!(answer[..16], HELLO[..]);
        stream
    }

    /// The same, if there was room.
    fn greeted_if_room(&self) -> Option<UnixStream> {
        let mut stream = self.raw();
        stream.write_all(HELLO).ok()?;
        let mut answer = [0; 32];
        stream.read_exact(&mut answer).ok()?;
        (answer[..16] == HELLO[..]).then_some(stream)
    }

    /// It is as good as ever for who keeps the rules.
    fn is_well(&self) {
        let client = Client::connect(self.scratch.path()).unwrap();
        assert!(client.get(&long(1).0).unwrap().is_some());
        assert!(!client.contains(&long(2).0).unwrap());
    }
}

fn frame(tag: u8, payload: &[u8]) -> Vec<u8> {
    let mut frame = u32::try_from(payload.len()).unwrap().to_le_bytes().to_vec();
    frame.extend_from_slice(&[tag, 0, 0, 0]);
    frame.extend_from_slice(payload);
    frame
}

/// What comes until the other side ends.
fn rest(stream: &mut UnixStream) -> Vec<u8> {
    let mut rest = Vec::new();
    // It may end so that this side is told.
    let _ = stream.read_to_end(&mut rest);
    rest
}

#[test]
fn who_does_not_greet_is_sent_away() {
    let served = serve(impatient());
    let mut other = served.raw();
    other.write_all(b"weftsock\x02\0\0\0\0\0\0\0").unwrap();
    let answer = rest(&mut other);
    assert_eq!(answer[..12], HELLO[..12], "our version");
    assert_eq!(answer[12], 1, "and that the other one is none");
    let greetings: [&[u8]; 4] = [b"GET / HTTP/1.1\r\nHost: x\r\n\r\n", b"weft", &[0; 16], b""];
    for greeting in greetings {
        let mut stream = served.raw();
        stream.write_all(greeting).unwrap();
        assert!(rest(&mut stream).is_empty());
    }
    served.is_well();
}

#[test]
fn half_a_frame_is_not_waited_for_and_no_frame_is_believed() {
    let served = serve(impatient());
    let get = frame(1, long(1).0.as_bytes());
    let mut huge = frame(1, &[]);
    huge[..4].copy_from_slice(&u32::MAX.to_le_bytes());
    let mut odd = get.clone();
    odd[6] = 1;
    let mut parts: Vec<Vec<u8>> = (1..get.len()).map(|end| get[..end].to_vec()).collect();
    parts = parts.into_iter().step_by(7).collect();
    parts.extend([huge, odd]);
    for part in parts {
        let mut stream = served.greeted();
        stream.write_all(&part).unwrap();
        assert!(rest(&mut stream).is_empty(), "{part:?}");
    }
    // No request: it is said, and that was it.
    for no_request in [frame(0, b""), frame(99, b""), frame(1, b"short"), frame(25, b"more")] {
        let mut stream = served.greeted();
        stream.write_all(&no_request).unwrap();
        let _ = stream.write_all(&get);
        let answer = rest(&mut stream);
        assert_eq!(answer[4], 2);
        assert!(String::from_utf8_lossy(&answer).ends_with("is no request"), "{answer:?}");
    }
    // Byte by byte is slow, and right if it is not too slow.
    let mut stream = served.greeted();
    for byte in &get {
        stream.write_all(&[*byte]).unwrap();
    }
    let mut answer = [0; 9];
    stream.read_exact(&mut answer).unwrap();
    assert_eq!((answer[4], answer[8]), (0, 1));
    served.is_well();
}

#[test]
fn there_is_room_for_so_many_and_the_idle_make_it() {
    let served = serve(Limits { connections_max: 4, ..Limits::default() });
    let idle: Vec<UnixStream> = (0..4).map(|_| served.greeted()).collect();
    eventually("they are idle", || {
        let mut holder = served.raw();
        holder.write_all(HELLO).unwrap();
        let mut answer = [0; 32];
        holder.read_exact(&mut answer).is_ok() && answer[12] == 0
    });
    served.is_well();
    drop(idle);
    // Those on which something stands stay.
    let mut holders = Vec::new();
    for number in 0..4 {
        // That the idle ones have gone may not have been seen yet.
        let mut stream = None;
        eventually("there is room", || {
            stream = served.greeted_if_room();
            stream.is_some()
        });
        let mut stream = stream.unwrap();
        stream.write_all(&frame(20, long(number).0.as_bytes())).unwrap();
        let mut answer = [0; 8];
        stream.read_exact(&mut answer).unwrap();
        assert_eq!(answer[4], 0);
        holders.push(stream);
    }
    assert_eq!(served.watched.held(), 4);
    let mut late = served.raw();
    // It may have been sent away before it has said anything.
    let _ = late.write_all(HELLO);
    let mut answer = [0; 32];
    late.read_exact(&mut answer).unwrap();
    assert_eq!(answer[12], 2, "busy");
    assert!(matches!(Client::connect(served.scratch.path()), Err(StoreError::Gone)));
    drop(holders);
    eventually("all is released", || served.watched.held() == 0);
    served.is_well();
}

fn eventually(what: &str, mut holds: impl FnMut() -> bool) {
    let start = Instant::now();
    while !holds() {
        assert!(start.elapsed() < Duration::from_secs(60), "{what}");
        thread::sleep(Duration::from_millis(5));
    }
}

#[test]
fn silence_in_a_stretch_of_writing_ends_it() {
    let served = serve(impatient());
    let mut stream = served.greeted();
    stream.write_all(&frame(22, b"")).unwrap();
    assert_eq!(rest(&mut stream), frame(0, b""), "and then the end");
    eventually("it was ended", || served.watched.writing() == 0);
    // One that does something is let go on, however long it takes in all.
    let mut stream = served.greeted();
    let start = Instant::now();
    while start.elapsed() < Duration::from_millis(300) {
        stream.write_all(&frame(22, b"")).unwrap();
        let mut answer = [0; 8];
        stream.read_exact(&mut answer).unwrap();
    }
    served.is_well();
}

/// A client whose stretch was ended learns of it before anything counts as
/// synced, and begins anew.
#[test]
fn who_was_silent_for_too_long_begins_anew_before_a_sync() {
    let served = serve(impatient());
    // Somebody has the lock, so the socket is asked.
    let files = Scratch::new();
    let _lock = FileBackend::create(files.path()).unwrap();
    fs::rename(served.scratch.join("socket"), files.join("socket")).unwrap();
    let client = SharedBackend::open(files.path(), Mode::Write).unwrap();
    client.begin_writing().unwrap();
    client.put(&[long(7)]).unwrap();
    eventually("it was ended", || served.watched.writing() == 0);
    client.sync().unwrap();
    assert_eq!(served.watched.writing(), 1, "there is a new one");
    eventually("it was ended, too", || served.watched.writing() == 0);
    client.end_writing();
    client.sync().unwrap();
    assert!(client.get(&long(7).0).unwrap().is_some());
}

#[test]
fn nobody_holds_more_than_fits() {
    let served = serve(impatient());
    let mut stream = served.greeted();
    let mut hold = |number| {
        stream.write_all(&frame(20, long(number).0.as_bytes())).unwrap();
        let mut header = [0; 8];
        stream.read_exact(&mut header).unwrap();
        let mut text = vec![0; usize::from(header[0])];
        stream.read_exact(&mut text).unwrap();
        (header[4], String::from_utf8_lossy(&text).into_owned())
    };
    for number in [1, 2, 3, 3] {
        assert_eq!(hold(number).0, 0);
    }
    let (tag, text) = hold(4);
    assert!(tag == 2 && text.ends_with("more is held than one process may hold"), "{text}");
    assert_eq!(served.watched.held(), 4);
    drop(stream);
    eventually("all is released", || served.watched.held() == 0);
}

/// Who asks and does not read is no longer served, and ends nobody else.
#[test]
fn an_answer_that_nobody_takes_is_given_up() {
    let served = serve(impatient());
    let relations: Vec<(Handle, Relation)> = (0..40_000).map(relation).collect();
    served.watched.put_relations(&relations).unwrap();
    let mut stream = served.greeted();
    stream.write_all(&frame(20, long(1).0.as_bytes())).unwrap();
    stream.write_all(&frame(11, b"")).unwrap();
    eventually("it was held", || served.watched.held() == 1);
    eventually("it was given up", || served.watched.held() == 0);
    served.is_well();
    drop(stream);
}

fn relation(number: usize) -> (Handle, Relation) {
    use weft_store::{Cost, Outcome};
    (long(number).0, Relation::new(Outcome::Value(Handle::of_u64(1)), Cost::default()))
}

#[test]
fn only_files_of_clients_are_taken_over() {
    let served = serve(Limits::default());
    let (name, content) = long(5);
    let bytes = content.blob().unwrap().bytes();
    fs::write(served.scratch.join("secret"), bytes).unwrap();
    fs::write(served.scratch.join("incoming-1-9"), bytes).unwrap();
    symlink("secret", served.scratch.join("incoming-1-1")).unwrap();
    fs::hard_link(served.scratch.join("secret"), served.scratch.join("incoming-1-2")).unwrap();
    let inside = served.scratch.path().file_name().unwrap().to_str().unwrap().to_owned();
    let over = format!("../{inside}/secret");
    let mut stream = served.greeted();
    let mut adopt = |file: &str| {
        let mut payload = name.as_bytes().to_vec();
        payload.extend_from_slice(&u32::try_from(file.len()).unwrap().to_le_bytes());
        payload.extend_from_slice(file.as_bytes());
        stream.write_all(&frame(4, &payload)).unwrap();
        let mut header = [0; 8];
        stream.read_exact(&mut header).unwrap();
        let mut answer = vec![0; usize::from(header[0])];
        stream.read_exact(&mut answer).unwrap();
        (header[4], answer)
    };
    let others = ["secret", &over, "incoming-1-1/../secret", "incoming-1-", "", "incoming-1-9\0"];
    for file in others.into_iter().chain(["incoming-1-1", "incoming-1-2", "incoming-1-3"]) {
        assert_eq!(adopt(file).0, 2, "{file}");
    }
    assert!(!served.watched.contains(&name).unwrap());
    assert_eq!(adopt("incoming-1-9"), (0, vec![1]));
    assert!(served.watched.contains(&name).unwrap());
}

#[test]
fn content_that_is_not_its_handles_is_refused() {
    let served = serve(Limits::default());
    let mut payload = Vec::new();
    for (name, bytes) in [(long(6).0, long(6).1), (long(7).0, long(8).1)] {
        let bytes = bytes.blob().unwrap().bytes().to_vec();
        payload.extend_from_slice(name.as_bytes());
        payload.extend_from_slice(&u32::try_from(bytes.len()).unwrap().to_le_bytes());
        payload.extend_from_slice(&bytes);
    }
    let mut stream = served.greeted();
    stream.write_all(&frame(3, &payload)).unwrap();
    let mut header = [0; 8];
    stream.read_exact(&mut header).unwrap();
    assert_eq!(header[4], 2);
    assert!(!served.watched.contains(&long(6).0).unwrap(), "none of it is kept");
    assert!(!served.watched.contains(&long(7).0).unwrap());
}

/// Whatever its clients are doing, it ends at once.
#[test]
fn the_end_does_not_wait_for_anybody() {
    let served = serve(Limits::default());
    let silent = served.raw();
    let mut half = served.greeted();
    half.write_all(&[1, 2, 3]).unwrap();
    let mut holding = served.greeted();
    holding.write_all(&frame(20, long(1).0.as_bytes())).unwrap();
    holding.write_all(&frame(22, b"")).unwrap();
    let mut answers = [0; 16];
    holding.read_exact(&mut answers).unwrap();
    let start = Instant::now();
    let Served { scratch, watched, server } = served;
    drop(server);
    // All limits are seconds and more.
    assert!(start.elapsed() < Limits::default().hello_time);
    assert_eq!((watched.held(), watched.writing()), (0, 0));
    assert!(!scratch.join("socket").exists());
    assert_eq!(Arc::strong_count(&watched), 1, "nobody keeps the backend");
    drop((silent, half, holding));
}

proptest! {
    #![proptest_config(Config::with_cases(300))]

    /// Frames with a random inside, and with the inside of good ones changed.
    #[test]
    fn any_bytes_are_a_request_in_one_form_or_none(
        tag in 0_u8..30,
        mut payload in proptest::collection::vec(any::<u8>(), 0..120),
        handles in proptest::collection::vec(0_usize..4, 0..3),
        at in any::<usize>(),
    ) {
        for number in handles {
            let place = at % (payload.len() + 1);
            payload.splice(place..place, long(number).0.as_bytes().iter().copied());
        }
        fuzz_frames(&frame(tag, &payload));
    }
}

#[test]
fn any_bytes_do_no_harm_to_a_holder() {
    let served = serve(impatient());
    let mut runner = proptest::test_runner::TestRunner::deterministic();
    let bytes = (0_u8..30, proptest::collection::vec(any::<u8>(), 0..200));
    for _ in 0..200 {
        use proptest::strategy::ValueTree;
        let (tag, payload) = bytes.new_tree(&mut runner).unwrap().current();
        let mut stream = served.greeted();
        let _ = stream.write_all(&frame(tag, &payload));
        let _ = stream.shutdown(std::net::Shutdown::Write);
        rest(&mut stream);
    }
    eventually("nothing stands", || (served.watched.held(), served.watched.writing()) == (0, 0));
    served.is_well();
}
