//! Images whose pages arrive as the first run touches them.

#![cfg(target_os = "linux")]

use std::collections::HashSet;
use std::sync::{Arc, LazyLock, Mutex};
use std::time::Duration;

use weft_engine::{Applied, Config, Engine, Interrupt, NoAnswerKind, Objects, Outcome, Run};
use weft_object::{Blob, Content, Handle, Tree};

use crate::harness::{Case, Memory};
use crate::images::{case, made, snapshot};

const PAGE_BYTES: usize = 4096;

/// 8 MiB, each page of which differs but for the first 256, which are data and zeros,
/// and as much in a second memory. What is given says where to look.
static FILLED: LazyLock<(Case, Handle)> = LazyLock::new(|| {
    let function = Case::module(
        r#"(memory (export "memory") 128)
           (memory $more 16)
           (data (i32.const 70000) "data")
           (func (export "init") (local $at i32)
             (local.set $at (i32.const 1048576))
             (loop $more
               (i32.store (local.get $at) (local.get $at))
               (local.set $at (i32.add (local.get $at) (i32.const 4096)))
               (br_if $more (i32.lt_u (local.get $at) (i32.const 8388608))))
             (i32.store $more (i32.const 20000) (i32.const 20000)))
           (func (export "weft_apply") (param i32) (result i32) (local $at i32) (local $found i32)
             (local.set $at (i32.wrap_i64 (call $blob_u64 (call $arg (i64.const 2)))))
             (local.set $found (i32.load (local.get $at)))
             ;; Whoever finds nothing looks for ever.
             (if (i32.eq (local.get $at) (i32.const 4194304)) (then
               (loop $again (br_if $again (i32.eqz (local.get $found))))))
             (i32.store (local.get $at) (i32.const 1))
             (call $num (i32.add (i32.load $more (i32.const 20000)) (local.get $found))))"#,
    );
    let function = function.on(&engine()).limit(16 << 20);
    let image = made(&snapshot(&function, &["init"], &[]));
    (function, image)
});

fn engine() -> Arc<Engine> {
    Arc::new(Engine::new(Config::default()).unwrap())
}

/// What is resident, and which of it was asked for.
struct Counting {
    memory: Arc<Memory>,
    fetched: Mutex<HashSet<Handle>>,
    missing: Option<Handle>,
    hangs: bool,
}

impl Counting {
    fn new() -> Self {
        let memory = Arc::clone(&FILLED.0.memory);
        Self { memory, fetched: Mutex::default(), missing: None, hangs: false }
    }

    fn apply(&self, engine: &Engine, at: usize, interrupt: &Interrupt) -> Applied {
        let (function, image) = &*FILLED;
        let arguments = vec![image.lower().unwrap(), Handle::of_u64(at as u64)];
        let entries = case(function, b"image/1", arguments).entries();
        engine.apply(Run {
            application: entries.handle(),
            entries: &entries,
            memory_limit_bytes: function.limit_bytes,
            fuel: None,
            objects: self,
            interrupt,
        })
    }

    /// What a run found, and how many pages were asked for.
    fn found(&self, engine: &Engine, at: usize) -> (Option<u64>, usize) {
        let applied = self.apply(engine, at, &Interrupt::new());
        let Outcome::Value(value) = applied.outcome else { panic!("{:?}", applied.outcome) };
        let fetched = std::mem::take(&mut *self.fetched.lock().unwrap());
        let pages = fetched.iter().filter(|handle| handle.length() == Some(PAGE_BYTES as u64));
        (value.literal_u64(), pages.count())
    }
}

impl Objects for Counting {
    fn blob(&self, handle: Handle) -> Option<Blob> {
        self.memory.blob(handle)
    }

    fn tree(&self, handle: Handle) -> Option<Tree> {
        self.memory.tree(handle)
    }

    fn fetch(&self, object: Handle, interrupt: &Interrupt) -> Result<Content, String> {
        self.fetched.lock().unwrap().insert(object);
        while self.hangs && object.length() == Some(PAGE_BYTES as u64) {
            std::thread::sleep(Duration::from_millis(1));
            if interrupt.is_set() {
                return Err("interrupted".to_owned());
            }
        }
        if self.missing == Some(object) {
            return Err(format!("#{object} is nowhere"));
        }
        self.memory.fetch(object, interrupt)
    }
}

fn page(at: usize) -> Handle {
    let mut page = [0; PAGE_BYTES];
    page[..4].copy_from_slice(&(at as u32).to_le_bytes());
    Handle::of_blob(&page)
}

#[test]
fn the_first_run_brings_in_what_it_touches_and_the_second_all() {
    let (engine, objects) = (engine(), Counting::new());
    let data = u64::from(u32::from_le_bytes(*b"data"));
    for (at, expected) in [(2 << 20, 2 << 20), (70_000, data), (4096, 0), (8 << 20, 0)] {
        let at = at.min((8 << 20) - PAGE_BYTES);
        let expected = if at > 1 << 20 { at as u64 } else { expected };
        let engine = self::engine();
        let (found, pages) = objects.found(&engine, at);
        assert_eq!(found, Some(20_000 + expected));
        assert!((1..=16).contains(&pages), "{pages} pages for two that were touched");
    }
    let all = ((8 << 20) - (1 << 20)) / PAGE_BYTES + 1;
    let (first, pages) = objects.found(&engine, 3 << 20);
    assert!(pages <= 16, "{pages}");
    assert_eq!(objects.found(&engine, 3 << 20), (first, all));
    for _ in 0..3 {
        assert_eq!(objects.found(&engine, 3 << 20), (first, 0));
    }
}

/// Who asks on another engine that keeps pages beside compiled modules need not ask
/// for them again.
#[test]
fn the_next_process_knows_that_there_was_a_first_run() {
    let place = std::env::temp_dir().join(format!("weft-arriving-{}", std::process::id()));
    let engine =
        || Engine::new(Config { artifacts: Some(place.clone()), ..Config::default() }).unwrap();
    let objects = Counting::new();
    let (first, pages) = objects.found(&engine(), 2 << 20);
    assert!(pages <= 16, "{pages}");
    let (second, pages) = objects.found(&engine(), 2 << 20);
    assert!(second == first && pages > 1000, "{pages}");
    assert_eq!(objects.found(&engine(), 2 << 20), (first, 0));
    std::fs::remove_dir_all(&place).unwrap();
}

#[test]
fn a_page_that_is_not_to_be_had_matters_to_who_touches_it() {
    let at = 4 << 20;
    let objects = Counting { missing: Some(page(at)), ..Counting::new() };
    assert_eq!(objects.found(&engine(), 2 << 20).0, Some(20_000 + (2 << 20)));
    // Without it the run would go on for ever.
    let applied = objects.apply(&engine(), at, &Interrupt::new());
    let Outcome::NoAnswer { kind, detail } = applied.outcome else { panic!("{applied:?}") };
    assert_eq!(kind, NoAnswerKind::Missing);
    assert!(detail.ends_with("is nowhere"), "{detail}");
    // And if it is there again, it does not.
    assert_eq!(Counting::new().found(&engine(), at).0, Some(20_000 + at as u64));
}

/// Whether a page is touched does not matter to whether there is an image.
#[test]
fn an_image_with_a_broken_page_is_none_whether_that_is_touched_or_not() {
    let (function, image) = &*FILLED;
    let entries = |handle| function.memory.tree(handle).unwrap().entries().to_vec();
    let mut parts = entries(*image);
    let mut memories = entries(parts[3]);
    let mut memory = entries(memories[0]);
    let mut chunk = entries(memory[5]);
    chunk[7] = function.memory.put_blob(&[1; 100]);
    memory[5] = function.memory.put_tree(&chunk);
    memories[0] = function.memory.put_tree(&memory);
    parts[3] = function.memory.put_tree(&memories);
    let broken = function.memory.put_tree(&parts);
    let engine = engine();
    let run = || {
        let arguments = vec![broken.lower().unwrap(), Handle::of_u64(2 << 20)];
        case(function, b"image/1", arguments).on(&engine)
    };
    let first = run().failure();
    assert!(first.1.ends_with("a page of it is none"), "{first:?}");
    assert_eq!(run().failure(), first);
}

#[test]
fn whoever_waits_for_a_page_can_be_interrupted() {
    let objects = Counting { hangs: true, ..Counting::new() };
    let (engine, interrupt) = (engine(), Interrupt::new());
    std::thread::scope(|scope| {
        scope.spawn(|| {
            while objects.fetched.lock().unwrap().is_empty() {
                std::thread::sleep(Duration::from_millis(1));
            }
            std::thread::sleep(Duration::from_millis(20));
            interrupt.interrupt();
        });
        let applied = objects.apply(&engine, 2 << 20, &interrupt);
        let Outcome::NoAnswer { kind, .. } = applied.outcome else { panic!("{applied:?}") };
        assert_eq!(kind, NoAnswerKind::Interrupted);
    });
}

/// Who is interrupted while it needs no page ends as well.
#[test]
fn whoever_has_its_pages_can_be_interrupted() {
    let endless = Case::module(
        r#"(memory (export "memory") 32)
           (func (export "init") (i32.store (i32.const 4) (i32.const 1)))
           (func (export "weft_apply") (param i32) (result i32)
             (loop $l (br_if $l (i32.load (i32.const 4))))
             (i32.const 0))"#,
    );
    let endless = endless.on(&engine()).limit(4 << 20);
    let image = made(&snapshot(&endless, &["init"], &[]));
    let run = case(&endless, b"image/1", vec![image.lower().unwrap()]);
    std::thread::scope(|scope| {
        scope.spawn(|| {
            std::thread::sleep(Duration::from_millis(50));
            run.interrupt.interrupt();
        });
        assert_eq!(run.no_answer(), NoAnswerKind::Interrupted);
    });
}
