//! Images: `snapshot/1` makes one, `image/1` goes on from it.

use std::sync::Arc;

use proptest::prelude::*;
use weft_engine::{Applied, Config, Engine, FailureKind, NoAnswerKind, Outcome};
use weft_object::{Content, Handle};

use crate::harness::{Case, DEBUG, ENGINE, REUSING, ROOMY, config, made_blob, made_tree, value};

/// A case of a procedure and its arguments, over what another case has.
pub(crate) fn case(of: &Case, procedure: &[u8], arguments: Vec<Handle>) -> Case {
    Case {
        engine: Arc::clone(&of.engine),
        memory: Arc::clone(&of.memory),
        module: Handle::of_blob(procedure),
        arguments,
        limit_bytes: of.limit_bytes,
        fuel: of.fuel,
        interrupt: weft_engine::Interrupt::new(),
    }
}

/// Makes an image by calling these functions.
pub(crate) fn snapshot(of: &Case, functions: &[&str], more: &[Handle]) -> Case {
    let names: Vec<_> = functions.iter().map(|name| of.memory.put_blob(name.as_bytes())).collect();
    let mut arguments = vec![of.memory.put_tree(&names), of.module];
    arguments.extend_from_slice(more);
    case(of, b"snapshot/1", arguments)
}

/// Keeps what a run has made.
pub(crate) fn keep(case: &Case, applied: &Applied) {
    for (_, content) in &applied.made {
        match content {
            Content::Blob(blob) => case.memory.put_blob(blob.bytes()),
            Content::Tree(tree) | Content::Tag(tree) => case.memory.put_tree(tree.entries()),
        };
    }
}

pub(crate) fn made(case: &Case) -> Handle {
    let applied = case.apply();
    keep(case, &applied);
    value(&applied)
}

/// What a program is given that has a seed and a clock, where it has them, and nothing else.
fn said(seed: Option<u64>, clock_ns: Option<u64>) -> Vec<Handle> {
    let empty = Handle::of_blob(b"");
    let number = |given: Option<u64>| given.map_or(empty, Handle::of_u64);
    vec![empty, empty, empty, number(seed), number(clock_ns)]
}

/// Goes on from an image.
fn restored(of: &Case, image: Handle, function: &str, more: &[Handle]) -> Case {
    let mut arguments = vec![image.lower().unwrap(), of.memory.put_blob(function.as_bytes())];
    arguments.extend_from_slice(more);
    case(of, b"image/1", arguments)
}

/// Exit code and output.
fn left(case: &Case) -> (u64, Vec<u8>) {
    let applied = case.apply();
    let entries = made_tree(&applied, value(&applied));
    (entries[0].literal_u64().unwrap(), made_blob(&applied, entries[1]))
}

const COUNTER: &str = r#"(module
    (import "wasi_snapshot_preview1" "fd_write"
      (func $fd_write (param i32 i32 i32 i32) (result i32)))
    (import "wasi_snapshot_preview1" "args_sizes_get"
      (func $args_sizes_get (param i32 i32) (result i32)))
    (import "wasi_snapshot_preview1" "fd_read"
      (func $fd_read (param i32 i32 i32 i32) (result i32)))
    (import "wasi_snapshot_preview1" "path_open"
      (func $path_open (param i32 i32 i32 i32 i32 i64 i64 i32 i32) (result i32)))
    (import "wasi_snapshot_preview1" "proc_exit" (func $proc_exit (param i32)))
    (import "wasi_snapshot_preview1" "clock_time_get"
      (func $clock (param i32 i64 i32) (result i32)))
    (import "wasi_snapshot_preview1" "random_get"
      (func $random (param i32 i32) (result i32)))
    (memory (export "memory") 2)
    (global $n (mut i32) (i32.const 5))
    (global $f (mut f64) (f64.const 1.5))
    (data (i32.const 70000) "hello")
    (data $passive "later")
    (func (export "init")
      (global.set $n (i32.add (global.get $n) (i32.const 2)))
      (global.set $f (f64.const 2.5))
      (i32.store (i32.const 1000) (i32.const 30))
      (drop (memory.grow (i32.const 3)))
      (i32.store (i32.const 300000) (i32.const 400)))
    (func (export "go") (result i32)
      (i32.add (global.get $n)
        (i32.add (i32.load (i32.const 1000))
          (i32.add (i32.load (i32.const 300000)) (memory.size)))))
    (func (export "print") (result i32)
      (i32.store (i32.const 0) (i32.const 70000))
      (i32.store (i32.const 4) (i32.const 5))
      (call $fd_write (i32.const 1) (i32.const 0) (i32.const 1) (i32.const 8)))
    (func (export "passive") (result i32)
      (memory.init $passive (i32.const 0) (i32.const 0) (i32.const 5))
      (i32.load8_u (i32.const 0)))
    (func (export "args") (result i32)
      (drop (call $args_sizes_get (i32.const 0) (i32.const 4)))
      (i32.load (i32.const 0)))
    (func (export "asked") (drop (call $args_sizes_get (i32.const 0) (i32.const 4))))
    (func (export "read")
      (i32.store (i32.const 0) (i32.const 100))
      (i32.store (i32.const 4) (i32.const 5))
      (drop (call $fd_read (i32.const 0) (i32.const 0) (i32.const 1) (i32.const 8))))
    (func (export "open")
      (drop (call $path_open (i32.const 3) (i32.const 0) (i32.const 70000) (i32.const 5)
        (i32.const 1) (i64.const 64) (i64.const 0) (i32.const 0) (i32.const 0))))
    (func (export "exit") (call $proc_exit (i32.const 3)))
    (func (export "fails") (result i32) (i32.const 9))
    (func (export "traps") (unreachable))
    (func (export "forever") (loop $l (br $l)))
    (func (export "takes") (param i32))
    (func (export "dirty") (result i32)
      (i32.store (i32.const 1000) (i32.const 77)) (i32.load (i32.const 1000)))
    (func (export "tell_time")
      (drop (call $clock (i32.const 0) (i64.const 0) (i32.const 16)))
      (drop (call $random (i32.const 24) (i32.const 8))))
    (func (export "time") (result i32)
      (i64.store (i32.const 32) (i64.load (i32.const 16)))
      (i64.store (i32.const 40) (i64.load (i32.const 24)))
      (drop (call $clock (i32.const 0) (i64.const 0) (i32.const 16)))
      (drop (call $random (i32.const 24) (i32.const 8)))
      (i32.store (i32.const 0) (i32.const 16))
      (i32.store (i32.const 4) (i32.const 32))
      (call $fd_write (i32.const 1) (i32.const 0) (i32.const 1) (i32.const 8)))
    (func (export "alloc") (param i32) (result i32)
      (if (i32.gt_u (local.get 0) (i32.const 100)) (then (return (i32.const 0))))
      (i32.const 2000))
    (func (export "sum") (param i32 i32) (result i32) (local $sum i32)
      (loop $more
        (local.set $sum (i32.add (local.get $sum) (i32.load8_u (local.get 0))))
        (local.set 0 (i32.add (local.get 0) (i32.const 1)))
        (br_if $more (local.tee 1 (i32.sub (local.get 1) (i32.const 1)))))
      (local.get $sum))
    (func (export "told") (call $told) (call $told))
    (func $told
      (drop (call $clock (i32.const 0) (i64.const 0) (i32.const 16)))
      (drop (call $random (i32.const 24) (i32.const 8))))
  )"#;

fn engines() -> [Arc<Engine>; 3] {
    [Arc::clone(&ENGINE), Arc::clone(&ROOMY), Arc::clone(&DEBUG)]
}

#[test]
fn it_goes_on_where_the_program_was() {
    for engine in engines() {
        let program = Case::text(COUNTER).on(&engine);
        let image = made(&snapshot(&program, &["init"], &[]));
        assert_eq!(left(&restored(&program, image, "go", &[])).0, 7 + 30 + 400 + 5);
        assert_eq!(left(&restored(&program, image, "print", &[])), (0, b"hello".to_vec()));
        assert_eq!(left(&restored(&program, image, "passive", &[])).0, u64::from(b'l'));
        // What one run writes no other sees.
        assert_eq!(left(&restored(&program, image, "dirty", &[])).0, 77);
        assert_eq!(left(&restored(&program, image, "go", &[])).0, 7 + 30 + 400 + 5);
        // The functions are called one after the other.
        let twice = made(&snapshot(&program, &["init", "init"], &[]));
        assert_eq!(left(&restored(&program, twice, "go", &[])).0, 9 + 30 + 400 + 8);
    }
}

#[test]
fn an_image_is_the_same_wherever_it_is_made() {
    let images =
        engines().map(|engine| made(&snapshot(&Case::text(COUNTER).on(&engine), &["init"], &[])));
    assert!(images.iter().all(|image| *image == images[0]));
    // What is begun and has changed nothing else has all pages but those.
    let program = Case::text(COUNTER);
    let applied = snapshot(&program, &["init"], &[]).apply();
    let pages = applied
        .made
        .iter()
        .filter(|(_, content)| content.blob().is_some_and(|blob| blob.bytes().len() == 4096));
    assert_eq!(pages.count(), 2, "at 1000 and 300000; at 70000 is data");
}

#[test]
fn clock_and_random_bytes_go_on() {
    let program = Case::text(COUNTER);
    let said = said(Some(3), Some(4_000_000_000));
    let image = made(&snapshot(&program, &["tell_time"], &said));
    let (_, told) = left(&restored(&program, image, "time", &[]));
    assert_eq!(left(&restored(&program, image, "time", &said)).1, told, "told the same again");
    let at = |at: usize| u64::from_le_bytes(told[at..at + 8].try_into().unwrap());
    // Now, the random bytes now, then, the random bytes then.
    assert_eq!((at(0), at(16)), (4_000_001_000, 4_000_000_000));
    assert_ne!(at(8), at(24));
    // As of a program that goes on in itself.
    let twice = made(&snapshot(&program, &["tell_time", "told"], &said));
    let (_, later) = left(&restored(&program, twice, "time", &[]));
    assert_eq!(u64::from_le_bytes(later[..8].try_into().unwrap()), at(0) + 2000);
    let empty = Handle::of_blob(b"");
    let seeded = restored(&program, image, "time", &[empty, empty, empty, Handle::of_u64(7)]);
    let words = "image/1: the program took random bytes when its image was made; leave the seed \
                 out or give the same";
    assert_eq!(seeded.failure(), (FailureKind::BadHandle, words.to_owned()));
    let five = Handle::of_u64(5);
    let (_, detail) =
        restored(&program, image, "time", &[empty, empty, empty, empty, five]).failure();
    assert_eq!(
        detail,
        "image/1: the program was told the time, be it of a file, when its image was made; leave the clock out or \
         give the same"
    );
}

/// Asks for the time, for random bytes, waits, and asks for what only sounds like these; `say`
/// says both.
const ASKER: &str = r#"(module
    (import "wasi_snapshot_preview1" "fd_write"
      (func $write (param i32 i32 i32 i32) (result i32)))
    (import "wasi_snapshot_preview1" "clock_time_get"
      (func $clock (param i32 i64 i32) (result i32)))
    (import "wasi_snapshot_preview1" "clock_res_get" (func $step (param i32 i32) (result i32)))
    (import "wasi_snapshot_preview1" "random_get" (func $random (param i32 i32) (result i32)))
    (import "wasi_snapshot_preview1" "path_filestat_get"
      (func $stat (param i32 i32 i32 i32 i32) (result i32)))
    (import "wasi_snapshot_preview1" "poll_oneoff"
      (func $poll (param i32 i32 i32 i32) (result i32)))
    (memory (export "memory") 1)
    (func $time (export "time") (drop (call $clock (i32.const 0) (i64.const 0) (i32.const 64))))
    (func $bytes (export "random") (drop (call $random (i32.const 72) (i32.const 8))))
    (func (export "wait")
      (i64.store (i32.const 224) (i64.const 1000000))
      (drop (call $poll (i32.const 200) (i32.const 300) (i32.const 1) (i32.const 400))))
    (func (export "stat")
      (i32.store8 (i32.const 500) (i32.const 46))
      (drop (call $stat (i32.const 3) (i32.const 0) (i32.const 500) (i32.const 1) (i32.const 504))))
    (func (export "neither")
      (drop (call $step (i32.const 0) (i32.const 64)))
      (drop (call $random (i32.const 72) (i32.const 0)))
      (i32.store8 (i32.const 208) (i32.const 2)) (i32.store (i32.const 216) (i32.const 1))
      (drop (call $poll (i32.const 200) (i32.const 300) (i32.const 1) (i32.const 400))))
    (func $say (export "say")
      (i64.store (i32.const 80) (i64.load (i32.const 64)))
      (i64.store (i32.const 88) (i64.load (i32.const 72)))
      (call $time) (call $bytes)
      (i32.store (i32.const 0) (i32.const 64)) (i32.store (i32.const 4) (i32.const 32))
      (drop (call $write (i32.const 1) (i32.const 0) (i32.const 1) (i32.const 8))))
    (func (export "both") (call $time) (call $bytes))
    (func (export "time_say") (call $time) (call $say))
    (func (export "random_say") (call $bytes) (call $say))
    (func (export "both_say") (call $time) (call $bytes) (call $say)))"#;

/// What every run from an image would have in common is somebody's choice.
#[test]
fn time_and_random_bytes_are_those_that_were_given_or_there_is_no_image() {
    let program = Case::text(ASKER);
    let (seed, clock) = (Some(0), Some(1_577_836_800_000_000_000));
    let refused = |function: &str, (seed, clock), what: &str| {
        let snapshot = snapshot(&program, &[function], &said(seed, clock));
        assert!(snapshot.apply().made.is_empty());
        let cannot = "snapshot/1: the program cannot go on from an image: it has asked for ";
        assert_eq!(snapshot.failure(), (FailureKind::BadHandle, format!("{cannot}{what}")));
    };
    let time = "the time, which all runs from it would share; say which by --clock, or ask for it \
                later";
    refused("time", (None, None), time);
    refused("time", (seed, None), time);
    refused("wait", (seed, None), time);
    refused("both", (seed, None), time);
    let random = "random bytes, which all runs from it would share; say which by --seed, or ask \
                  for them later";
    refused("random", (None, None), random);
    refused("random", (None, clock), random);
    refused("both", (None, clock), random);
    let both = "the time and random bytes, which all runs from it would share; say which by \
                --clock and --seed, or ask for them later";
    refused("both", (None, None), both);
    assert!(snapshot(&program, &["both"], &[]).failure().1.ends_with(both));
    // Given, it is as in one, also where they are those that everybody has.
    for (function, seed, clock) in [
        ("time", None, clock),
        ("random", seed, None),
        ("both", seed, clock),
        ("both", Some(7), Some(9)),
    ] {
        let said = said(seed, clock);
        let image = made(&snapshot(&program, &[function], &said));
        let all = program.memory.put_blob(format!("{function}_say").as_bytes());
        let whole = program.memory.put_tree(&[program.module, all]);
        let fresh = left(&case(&program, b"wasi/1", [&[whole], &said[..]].concat()));
        assert_eq!(left(&restored(&program, image, "say", &[])), fresh, "{function}");
        assert_eq!(fresh.1.len(), 32);
    }
    // Who asks for neither needs neither, and is given both later.
    let image = made(&snapshot(&program, &["neither"], &[]));
    let (_, told) = left(&restored(&program, image, "say", &said(Some(7), Some(9))));
    assert_eq!(told[..8], 9_u64.to_le_bytes());
}

/// Times of files are the clock's begin: who has seen one goes on with that clock, which may
/// be the one that everybody has.
#[test]
fn a_program_that_was_told_the_time_of_a_file_goes_on_with_that_clock() {
    let program = Case::text(ASKER);
    let given = |clock| [said(None, clock), vec![Handle::of_blob(b"/"), folder(&program)]].concat();
    let image = made(&snapshot(&program, &["stat"], &given(None)));
    assert_eq!(left(&restored(&program, image, "say", &[])).1.len(), 32);
    let other = restored(&program, image, "say", &said(None, Some(9))).failure().1;
    assert!(other.ends_with("leave the clock out or give the same"), "{other}");
    let image = made(&snapshot(&program, &["stat"], &given(Some(9))));
    let (_, told) = left(&restored(&program, image, "say", &said(None, Some(9))));
    assert_eq!(told[..8], 9_u64.to_le_bytes());
}

/// An empty one.
fn folder(program: &Case) -> Handle {
    let root = weft_object::directory::build(Vec::new(), |_, part| {
        match part {
            weft_object::directory::Part::Index(blob) => program.memory.put_blob(blob.bytes()),
            weft_object::directory::Part::Node(tree) => program.memory.put_tree(tree.entries()),
        };
        Ok::<_, weft_object::directory::DirectoryError>(())
    });
    root.unwrap()
}

#[test]
fn what_was_asked_for_stays_and_what_was_not_can_be_given() {
    let program = Case::text(COUNTER);
    let three = program.memory.put_tree(&[b"a", b"b", b"c"].map(|text| Handle::of_blob(text)));
    let image = made(&snapshot(&program, &["init"], &[]));
    assert_eq!(left(&restored(&program, image, "args", &[three])).0, 3);
    let image = made(&snapshot(&program, &["asked"], &[three]));
    let words =
        "image/1: the program was told its arguments when its image was made; leave them out";
    let given = restored(&program, image, "args", &[three]).failure();
    assert_eq!(given, (FailureKind::BadHandle, words.to_owned()));
    // What it was told it is told again.
    assert_eq!(left(&restored(&program, image, "args", &[])).0, 3);
}

#[test]
fn a_function_can_be_given_bytes() {
    let program = Case::text(COUNTER);
    let image = made(&snapshot(&program, &["init"], &[]));
    let call = |function: &str, allocator: &str, bytes: &[u8]| {
        let parts = [function.as_bytes(), allocator.as_bytes(), bytes];
        let call = program.memory.put_tree(&parts.map(|part| program.memory.put_blob(part)));
        case(&program, b"image/1", vec![image.lower().unwrap(), call])
    };
    assert_eq!(left(&call("sum", "alloc", &[1, 2, 3])).0, 6);
    let refused = |function, allocator, bytes: &[u8]| call(function, allocator, bytes).failure().1;
    assert_eq!(refused("sum", "alloc", &[0; 101]), "alloc gave no room for 101 bytes");
    assert_eq!(
        refused("sum", "malloc", b"x"),
        "the program exports no malloc that takes a length; name another"
    );
    assert_eq!(
        refused("go", "alloc", b"x"),
        "go is no function that takes an address and a length; there is sum"
    );
}

#[test]
fn what_cannot_go_on_is_told_so() {
    let empty = Handle::of_blob(b"");
    let program = Case::text(COUNTER);
    let folder = folder(&program);
    let path = Handle::of_blob(b"/");
    let stdin = Handle::of_blob(b"input");
    let with = [empty, empty, stdin, empty, empty, path, folder];
    let refused = |function: &str| snapshot(&program, &[function], &with).failure().1;
    let cannot = "snapshot/1: the program cannot go on from an image: ";
    assert_eq!(
        refused("open"),
        format!("{cannot}descriptor 4 is not as the program found it; close what is opened")
    );
    assert_eq!(
        refused("read"),
        format!("{cannot}it has asked for standard input; read that later")
    );
    // That there is nothing to read is something to know, too.
    let nothing = snapshot(&program, &["read"], &[]).failure().1;
    assert!(nothing.starts_with(&format!("{cannot}it has asked for standard input")), "{nothing}");
    assert_eq!(
        refused("exit"),
        "snapshot/1: the program ended itself with exit code 3; nothing goes on"
    );
    assert_eq!(refused("fails"), "snapshot/1: fails returned 9, not 0");
    assert_eq!(snapshot(&program, &["traps"], &[]).failure().0, FailureKind::Trap);
    let missing = snapshot(&program, &["init", "missing"], &[]).failure().1;
    assert!(
        missing.starts_with("the program exports no missing; there is init, go, "),
        "{missing}"
    );
    let none = snapshot(&program, &[], &[]).failure().1;
    assert_eq!(none, "snapshot/1: no function is named that begins the program; name one");
    let takes = snapshot(&program, &["takes"], &[]).failure().1;
    assert!(takes.starts_with("takes is no function that takes nothing; there is"), "{takes}");
}

#[test]
fn what_never_ends_is_interrupted() {
    let program = Case::text(COUNTER);
    snapshot(&program, &["forever"], &[]).is_interrupted();
}

#[test]
fn modules_of_which_no_image_can_be_made_are_refused() {
    let refused = |parts: &str, body: &str| {
        let text = format!(
            "(module (memory (export \"memory\") 1) {parts} (func (export \"init\") {body}))"
        );
        snapshot(&Case::text(&text), &["init"], &[]).failure()
    };
    let because = |why: &str| {
        (FailureKind::BadModule, format!("no image can be made of this program: {why}"))
    };
    assert_eq!(
        refused("(table 2 funcref)", "(table.set (i32.const 0) (ref.null func))"),
        because("its function 0 changes a table")
    );
    assert_eq!(
        refused("(data $d \"x\")", "(data.drop $d)"),
        because("its function 0 drops a segment")
    );
    assert_eq!(
        refused("(global (mut funcref) (ref.null func))", ""),
        because("its global 0 holds a reference that may change")
    );
    assert_eq!(
        refused("(memory $m 1) (data (memory $m) (i32.const 0) \"x\")", ""),
        because("where its data begins is no constant, or not in memory 0")
    );
}

#[test]
fn an_image_of_another_sort_is_refused_by_name() {
    let program = Case::text(COUNTER);
    let image = made(&snapshot(&program, &["init"], &[]));
    let entries = {
        let tree = weft_engine::Objects::tree(&*program.memory, image).unwrap();
        tree.entries().to_vec()
    };
    let with = |at: usize, entry: Handle| {
        let mut entries = entries.clone();
        entries[at] = entry;
        restored(&program, program.memory.put_tree(&entries), "go", &[])
    };
    let outcome = with(0, Handle::of_blob(b"weft image 2")).apply().outcome;
    match outcome {
        Outcome::NoAnswer { kind: NoAnswerKind::Unsupported, detail } => {
            assert!(
                detail.contains("`weft image 2`, and this program knows `weft image 1`"),
                "{detail}"
            );
        }
        other => panic!("{other:?}"),
    }
    let broken = |case: Case| {
        let (kind, detail) = case.failure();
        assert_eq!(kind, FailureKind::BadHandle);
        assert!(detail.starts_with("image/1: #"), "{detail}");
        detail
    };
    assert!(broken(with(0, Handle::of_blob(b"x"))).ends_with("it does not begin as one"));
    assert!(broken(with(2, Handle::of_blob(b"x"))).ends_with("its globals are no values"));
    assert!(broken(with(3, Handle::of_blob(b"x"))).ends_with("its process is none"));
    // Of another program, with fewer globals.
    let other = program.memory.put_blob(
        &wat::parse_str("(module (memory (export \"memory\") 1) (func (export \"go\")))").unwrap(),
    );
    assert_eq!(with(1, other).failure().1, "image/1: the image is of another program");
    // Memory that is not as long as it says, and pages that are none.
    let memory = |entries: &[Handle]| {
        let memory = program.memory.put_tree(entries);
        with(9, program.memory.put_tree(&[memory]))
    };
    let empty = Handle::of_blob(b"");
    assert!(broken(memory(&[Handle::of_u64(1 << 16)])).ends_with("not as long as it says"));
    assert!(broken(memory(&[Handle::of_u64(100), empty])).ends_with("not as long as it says"));
    let page = program.memory.put_blob(&[7; 4095]);
    let chunk = program.memory.put_tree(&[page; 16]);
    assert!(broken(memory(&[Handle::of_u64(1 << 16), chunk])).ends_with("a page of it is none"));
    let short = program.memory.put_tree(&[empty; 15]);
    assert!(broken(memory(&[Handle::of_u64(1 << 16), short])).ends_with("pages of it are missing"));
    let many = program.memory.put_tree(&[program.memory.put_tree(&[Handle::of_u64(0)]); 17]);
    assert!(broken(with(9, many)).ends_with("it has more memories than a program can have"));
    let huge = Handle::of_u64(1 << 40);
    assert!(broken(memory(&[huge, empty])).ends_with("not as long as it says"));
    // What is not here is no failure of the computation.
    let gone = program.memory.put_tree(&[Handle::of_blob(&[9; 4096]); 16]);
    assert_eq!(memory(&[Handle::of_u64(1 << 16), gone]).no_answer(), NoAnswerKind::Missing);
    let nothing = restored(&program, image, "nothing", &[]).failure().1;
    assert!(nothing.starts_with("the program exports no nothing; there is init"), "{nothing}");
    let small = restored(&program, image, "go", &[]).limit(4 << 16).failure();
    assert_eq!(small.0, FailureKind::MemoryLimit);
}

/// What a run leaves in an instance that is used again no other sees, whichever way
/// it ended: in either memory, in globals, after an exit and after a trap.
#[test]
fn nothing_is_left_for_the_next_run() {
    let text = r#"(module
        (import "wasi_snapshot_preview1" "proc_exit" (func $exit (param i32)))
        (memory (export "memory") 1) (memory $other 2)
        (global $g (mut i64) (i64.const 3))
        (func (export "init") (i32.store $other (i32.const 70000) (i32.const 5)))
        (func $dirty
          (memory.fill (i32.const 0) (i32.const 9) (i32.const 65536))
          (memory.fill $other (i32.const 0) (i32.const 9) (i32.const 131072))
          (global.set $g (i64.const 8)))
        (func (export "returns") (call $dirty))
        (func (export "exits") (call $dirty) (call $exit (i32.const 0)))
        (func (export "traps") (call $dirty) (unreachable))
        (func (export "grows") (call $dirty) (drop (memory.grow (i32.const 1))))
        (func (export "look") (result i32)
          (i32.add (i32.wrap_i64 (global.get $g))
            (i32.add (i32.load (i32.const 4000))
              (i32.add (i32.load $other (i32.const 70000))
                (i32.add (i32.load $other (i32.const 100)) (memory.size)))))))"#;
    for engine in [&ENGINE, &REUSING, &ROOMY] {
        let program = Case::text(text).on(engine);
        let image = made(&snapshot(&program, &["init"], &[]));
        for function in ["returns", "exits", "traps", "grows", "returns"] {
            restored(&program, image, function, &[]).apply();
            assert_eq!(left(&restored(&program, image, "look", &[])).0, 3 + 5 + 1, "{function}");
        }
        // Counting fuel takes other code, and leaves what is kept alone.
        let metered = Case { fuel: Some(1 << 30), ..restored(&program, image, "look", &[]) };
        assert_eq!(left(&metered).0, 9);
    }
}

/// Of two things that are wrong the same one is told, whether the image is ready or
/// not.
#[test]
fn what_is_told_does_not_depend_on_what_is_ready() {
    let program = Case::text(COUNTER);
    let arguments = program.memory.put_tree(&[Handle::of_blob(b"a")]);
    let image = made(&snapshot(&program, &["init", "asked"], &[arguments]));
    let wrong = || {
        let engine = Arc::new(Engine::new(config()).unwrap());
        let case = restored(&program, image, "go", &[arguments]).limit(4 << 16);
        case.on(&engine)
    };
    let (unready, ready) = (wrong(), wrong());
    let go = Case { limit_bytes: 1 << 20, ..restored(&program, image, "args", &[]) };
    assert_eq!(left(&go.on(&ready.engine)).0, 1);
    assert_eq!(unready.failure(), ready.failure());
    assert_eq!(ready.failure().0, FailureKind::MemoryLimit);
}

/// The file of an image's pages is used by the next process, and a broken one is not.
#[test]
fn pages_are_kept_beside_compiled_modules() {
    let place = std::env::temp_dir().join(format!("weft-images-{}", std::process::id()));
    let engine = || {
        let config = Config { artifacts: Some(place.clone()), ..config() };
        Arc::new(Engine::new(config).unwrap())
    };
    let program = Case::text(COUNTER).on(&engine());
    let image = made(&snapshot(&program, &["init"], &[]));
    assert_eq!(left(&restored(&program, image, "go", &[])).0, 442);
    let file = std::fs::read_dir(&place)
        .unwrap()
        .map(|entry| entry.unwrap().path())
        .find(|path| path.metadata().unwrap().len() == 5 << 16);
    let file = file.expect("a file of five pages of WebAssembly");
    let again = restored(&Case { engine: engine(), ..program }, image, "go", &[]);
    assert_eq!(left(&again).0, 442);
    let mut bytes = std::fs::read(&file).unwrap();
    bytes[1000] ^= 1;
    std::fs::write(&file, bytes).unwrap();
    let again = Case { engine: engine(), ..again };
    assert_eq!(left(&again).0, 442);
    std::fs::remove_dir_all(&place).unwrap();
}

/// Where the directory of compiled modules takes no pages, and where they go while an
/// image is in use, it goes on as before.
#[test]
fn pages_beyond_the_bound_of_their_directory_go() {
    let place = std::env::temp_dir().join(format!("weft-images-bound-{}", std::process::id()));
    let engine = |artifacts_max_bytes| {
        let config = Config { artifacts: Some(place.clone()), artifacts_max_bytes, ..config() };
        Arc::new(Engine::new(config).unwrap())
    };
    let kept = || weft_engine::kept_in(&place);
    let program = Case::text(COUNTER).on(&engine(u64::MAX));
    let image = made(&snapshot(&program, &["init"], &[]));
    let going = restored(&program, image, "go", &[]);
    assert_eq!(left(&going).0, 442);
    // The code, the pages, and what of them was written first.
    assert_eq!(kept().artifacts, if cfg!(target_os = "linux") { 3 } else { 2 });
    // Whoever writes there next finds that it is too much.
    let other = Case::body("(call $u64_blob (i64.const 7))").on(&engine(1));
    assert_eq!((other.number(), kept().artifacts), (7, 0));
    assert_eq!(left(&going).0, 442);
    // What is not ready is compiled, and its pages are put together again.
    let none = Case { engine: engine(1), ..going };
    for _ in 0..2 {
        assert_eq!((left(&none).0, kept().artifacts), (442, 0));
    }
    assert_eq!(none.engine.stats().compiled, 1);
    std::fs::remove_dir_all(&place).unwrap();
}

/// One step of a program, in text form.
fn step() -> impl Strategy<Value = String> {
    let address = prop_oneof![0..131_000u32, 0..64u32, 65_500..65_600u32];
    prop_oneof![
        (address.clone(), any::<i32>())
            .prop_map(|(at, v)| format!("(i32.store (i32.const {at}) (i32.const {v}))")),
        (address.clone(), address.clone(), 0..5000u32).prop_map(|(to, from, n)| format!(
            "(memory.copy (i32.const {}) (i32.const {}) (i32.const {n}))",
            to.min(120_000),
            from.min(120_000)
        )),
        (address, any::<u8>(), 0..9000u32).prop_map(|(at, v, n)| format!(
            "(memory.fill (i32.const {}) (i32.const {v}) (i32.const {n}))",
            at.min(120_000)
        )),
        any::<i64>().prop_map(|v| format!("(global.set $i (i64.xor (global.get $i) (i64.const {v})))")),
        any::<u32>().prop_map(|v| format!("(global.set $d (f64.const {v}))")),
        (0..3u32).prop_map(|n| format!("(drop (memory.grow (i32.const {n})))")),
        Just("(drop (call $clock (i32.const 0) (i64.const 0) (i32.const 256)))".to_owned()),
        (1..40u32).prop_map(|n| format!("(drop (call $random (i32.const 512) (i32.const {n})))")),
        Just("(drop (call $write (i32.const 1) (i32.const 0) (i32.const 1) (i32.const 32)))".to_owned()),
        Just(
            "(v128.store (i32.const 40) (i8x16.add (v128.load (i32.const 40)) (v128.load (i32.const 60))))"
                .to_owned()
        ),
        Just("(global.set $v (v128.load (i32.const 700)))".to_owned()),
    ]
}

/// A program whose function `all` does what `first` and `second` do.
fn program_of(first: &[String], second: &[String]) -> String {
    let (first, second) = (first.join("\n"), second.join("\n"));
    format!(
        r#"(module
          (import "wasi_snapshot_preview1" "fd_write"
            (func $write (param i32 i32 i32 i32) (result i32)))
          (import "wasi_snapshot_preview1" "clock_time_get"
            (func $clock (param i32 i64 i32) (result i32)))
          (import "wasi_snapshot_preview1" "random_get"
            (func $random (param i32 i32) (result i32)))
          (memory (export "memory") 2 12)
          (global $i (mut i64) (i64.const 1))
          (global $d (mut f64) (f64.const 0))
          (global $v (mut v128) (v128.const i64x2 1 2))
          (data (i32.const 65530) "some text over the end of a page")
          (func $first {first})
          (func $second {second}
            ;; All of it is told.
            (i64.store (i32.const 8) (global.get $i))
            (f64.store (i32.const 16) (global.get $d))
            (v128.store (i32.const 24) (global.get $v))
            (i32.store (i32.const 0) (i32.const 8))
            (i32.store (i32.const 4) (i32.sub (i32.mul (memory.size) (i32.const 65536)) (i32.const 8)))
            (drop (call $write (i32.const 2) (i32.const 0) (i32.const 1) (i32.const 4))))
          (func (export "first") (call $first))
          (func (export "second") (call $second))
          (func (export "all") (call $first) (call $second)))"#
    )
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 48, ..ProptestConfig::default() })]

    /// With an image and without, a program comes to the same: exit code, both
    /// streams, and in them all of its memory and globals.
    #[test]
    fn an_image_changes_no_outcome(
        first in prop::collection::vec(step(), 0..12),
        second in prop::collection::vec(step(), 0..12),
        pooled in any::<bool>(),
        (has_seed, has_clock) in (prop::bool::weighted(0.8), prop::bool::weighted(0.8)),
    ) {
        let engine = if pooled { Arc::clone(&ENGINE) } else { Arc::clone(&ROOMY) };
        let program = Case::text(&program_of(&first, &second)).on(&engine).limit(2 << 20);
        let whole = program.memory.put_tree(&[program.module, Handle::of_blob(b"all")]);
        let said = said(has_seed.then_some(5), has_clock.then_some(1 << 60));
        let fresh = case(&program, b"wasi/1", [&[whole], &said[..]].concat()).apply();
        let begun = snapshot(&program, &["first"], &said).apply();
        keep(&program, &begun);
        let asks = |call: &str| first.iter().any(|step| step.contains(call));
        let is_unsaid = asks("$clock") && !has_clock || asks("$random") && !has_seed;
        match begun.outcome {
            Outcome::Value(image) => {
                prop_assert!(!is_unsaid);
                let gone_on = restored(&program, image, "second", &[]).apply();
                prop_assert_eq!(&gone_on.outcome, &fresh.outcome);
                let again = restored(&program, image, "second", &[]).apply();
                prop_assert_eq!(&again.outcome, &fresh.outcome);
            }
            // What ends before there is an image ends without one, too.
            Outcome::Failure(failure) if failure.detail.starts_with("snapshot/1: ") => {
                prop_assert!(is_unsaid, "{}", failure.detail);
            }
            Outcome::Failure(failure) => {
                let Outcome::Failure(expected) = fresh.outcome else {
                    return Err(TestCaseError::fail(format!("{failure:?}")));
                };
                prop_assert_eq!(failure.detail, expected.detail);
            }
            other => return Err(TestCaseError::fail(format!("{other:?}"))),
        }
    }
}
