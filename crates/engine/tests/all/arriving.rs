//! Images whose pages arrive as the first run touches them.

#![cfg(target_os = "linux")]

use std::collections::HashSet;
use std::sync::{Arc, LazyLock, Mutex};
use std::time::Duration;

use weft_engine::{Applied, Config, Engine, Interrupt, NoAnswerKind, Objects, Outcome, Run};
use weft_object::{Blob, Content, Handle, Tree};

use crate::harness::{Case, Memory, made_blob, made_tree, value};
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

/// Whether pages arrive later here.
#[expect(clippy::print_stderr, reason = "a test that shows nothing says so")]
fn pages_arrive() -> bool {
    let arrive = weft_engine::fuzz::pages_arrive();
    if !arrive {
        eprintln!("skipped: nobody may handle faults of memory here");
    }
    arrive
}

/// The pages that are neither zeros nor data.
const ALL: usize = ((8 << 20) - (1 << 20)) / PAGE_BYTES + 1;

fn is_page(handle: &Handle) -> bool {
    handle.length() == Some(PAGE_BYTES as u64)
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
        (value.literal_u64(), fetched.iter().filter(|handle| is_page(handle)).count())
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
        while self.hangs && is_page(&object) {
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
    if !pages_arrive() {
        return;
    }
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
    let (first, pages) = objects.found(&engine, 3 << 20);
    assert!(pages <= 16, "{pages}");
    assert_eq!(objects.found(&engine, 3 << 20), (first, ALL));
    for _ in 0..3 {
        assert_eq!(objects.found(&engine, 3 << 20), (first, 0));
    }
}

/// Who asks on another engine that keeps pages beside compiled modules need not ask
/// for them again.
#[test]
fn the_next_process_knows_that_there_was_a_first_run() {
    if !pages_arrive() {
        return;
    }
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
    if !pages_arrive() {
        return;
    }
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
    // Nor does it matter, the second time, to who does not touch it.
    let engine = engine();
    for _ in 0..3 {
        assert_eq!(objects.found(&engine, 2 << 20).0, Some(20_000 + (2 << 20)));
        let applied = objects.apply(&engine, at, &Interrupt::new());
        assert!(matches!(applied.outcome, Outcome::NoAnswer { .. }), "{applied:?}");
    }
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
            while !objects.fetched.lock().unwrap().iter().any(is_page) {
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
    let touched = Handle::of_blob(&{
        let mut page = [0; PAGE_BYTES];
        page[4] = 1;
        page
    });
    let memory = Arc::clone(&endless.memory);
    let objects = Counting { memory, ..Counting::new() };
    let entries = case(&endless, b"image/1", vec![image.lower().unwrap()]).entries();
    let interrupt = Interrupt::new();
    std::thread::scope(|scope| {
        scope.spawn(|| {
            while !objects.fetched.lock().unwrap().contains(&touched) {
                std::thread::sleep(Duration::from_millis(1));
            }
            std::thread::sleep(Duration::from_millis(20));
            interrupt.interrupt();
        });
        let applied = endless.engine.apply(Run {
            application: entries.handle(),
            entries: &entries,
            memory_limit_bytes: endless.limit_bytes,
            fuel: None,
            objects: &objects,
            interrupt: &interrupt,
        });
        let Outcome::NoAnswer { kind, .. } = applied.outcome else { panic!("{applied:?}") };
        assert_eq!(kind, NoAnswerKind::Interrupted);
    });
}

/// An image that differs from another in the first of its chunks that is not zeros.
fn other(of: &Case, image: Handle, number: u32) -> Handle {
    let entries = |handle| of.memory.tree(handle).unwrap().entries().to_vec();
    let mut parts = entries(image);
    let mut memories = entries(parts[3]);
    let mut memory = entries(memories[0]);
    let mut pages = Vec::new();
    for page in 0..256_u32 {
        let mut bytes = [0; PAGE_BYTES];
        bytes[..4].copy_from_slice(&(number * 1000 + page).to_le_bytes());
        pages.push(of.memory.put_blob(&bytes));
    }
    memory[3] = of.memory.put_tree(&pages);
    memories[0] = of.memory.put_tree(&memory);
    parts[3] = of.memory.put_tree(&memories);
    of.memory.put_tree(&parts)
}

/// Runs that end as soon as they have their page, whose memory is another's at once:
/// each finds what its own image has.
#[test]
fn many_runs_have_their_pages_arrive_at_once() {
    let (function, image) = &*FILLED;
    let (engine, objects) = (engine(), Counting::new());
    std::thread::scope(|scope| {
        for thread in 0..4 {
            let (engine, objects) = (&engine, &objects);
            scope.spawn(move || {
                for round in 0..40 {
                    let number = thread * 100 + round + 1;
                    let image = other(function, *image, number);
                    let page = (number * 7 % 256) as u64;
                    let at = (2 << 20) + page * PAGE_BYTES as u64;
                    let arguments = vec![image.lower().unwrap(), Handle::of_u64(at)];
                    let entries = case(function, b"image/1", arguments).entries();
                    let applied = engine.apply(Run {
                        application: entries.handle(),
                        entries: &entries,
                        memory_limit_bytes: function.limit_bytes,
                        fuel: None,
                        objects,
                        interrupt: &Interrupt::new(),
                    });
                    let found = value(&applied).literal_u64();
                    assert_eq!(found, Some(20_000 + u64::from(number) * 1000 + page));
                }
            });
        }
    });
}

/// A program that looks at its memory through the host, traps, and grows.
#[test]
fn programs_and_their_hosts_wait_for_pages_too() {
    let program = Case::text(
        r#"(module
          (import "wasi_snapshot_preview1" "fd_write"
            (func $write (param i32 i32 i32 i32) (result i32)))
          (memory (export "memory") 32)
          (data (i32.const 1500000) "what the host reads")
          (func (export "init") (i32.store (i32.const 1000000) (i32.const 5)))
          (func (export "say")
            (i32.store (i32.const 0) (i32.const 1500000))
            (i32.store (i32.const 4) (i32.const 19))
            (drop (call $write (i32.const 1) (i32.const 0) (i32.const 1) (i32.const 8))))
          (func (export "trap")
            (if (i32.eq (i32.load (i32.const 1000000)) (i32.const 5)) (then (unreachable))))
          (func (export "grow") (result i32)
            (drop (memory.grow (i32.const 1)))
            (i32.add (i32.load (i32.const 2097152)) (i32.load (i32.const 1000000)))))"#,
    );
    for function in ["say", "trap", "grow"] {
        let (module, memory) = (program.module, Arc::clone(&program.memory));
        let program = Case { module, memory, ..Case::module("") };
        let program = program.on(&engine()).limit(4 << 20);
        let image = made(&snapshot(&program, &["init"], &[]));
        let name = program.memory.put_blob(function.as_bytes());
        let run = case(&program, b"image/1", vec![image.lower().unwrap(), name]);
        // The first, the second, and one in an instance that was kept.
        let runs = [0; 3].map(|_| run.apply());
        assert!(runs.iter().all(|run| run.outcome == runs[0].outcome), "{runs:?}");
        match function {
            "trap" => assert!(matches!(runs[0].outcome, Outcome::Failure(_)), "{runs:?}"),
            "say" => {
                let left = made_tree(&runs[0], value(&runs[0]));
                assert_eq!(made_blob(&runs[0], left[1]), b"what the host reads");
            }
            _ => {
                let left = made_tree(&runs[0], value(&runs[0]));
                assert_eq!(left[0].literal_u64(), Some(5));
            }
        }
    }
}
