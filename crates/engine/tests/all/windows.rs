//! Windows onto Blobs that are mapped files: nobody can tell them from copies,
//! and nothing of them is left for the next function.

use std::fs::{self, File};
use std::os::fd::AsRawFd;
use std::path::PathBuf;
use std::ptr::{self, NonNull};
use std::slice;
use std::sync::{Arc, Mutex};

use weft_engine::{
    Applied, Config, Engine, Interrupt, Mapped, NoAnswerKind, Objects, Outcome, Run,
};
use weft_object::{Blob, Handle, Tree};

use crate::harness::{Case, ROOMY, config, made_tree, value};

const PAGE: usize = 4096;

/// What the blob begins with: a mebibyte and a part of a page.
const LENGTH: usize = (1 << 20) + 1234;

/// A file, and a mapping of it that a Blob is made of.
struct Shared {
    path: PathBuf,
    bytes: NonNull<u8>,
}

// SAFETY: the range is mapped for reading only, and belongs to no thread.
unsafe impl Send for Shared {}
// SAFETY: as above.
unsafe impl Sync for Shared {}

impl Shared {
    fn new(name: &str) -> Self {
        let path = std::env::temp_dir().join(format!("weft-window-{}-{name}", std::process::id()));
        let bytes: Vec<u8> = (0..LENGTH).map(|at| (at * 7 % 251 + 1) as u8).collect();
        fs::write(&path, bytes).unwrap();
        let file = File::open(&path).unwrap();
        let (read, private) = (libc::PROT_READ, libc::MAP_PRIVATE);
        // SAFETY: without MAP_FIXED the kernel picks a range that nobody has.
        let start =
            unsafe { libc::mmap(ptr::null_mut(), LENGTH, read, private, file.as_raw_fd(), 0) };
        assert!(start != libc::MAP_FAILED);
        Self { path, bytes: NonNull::new(start.cast()).unwrap() }
    }

    /// How often it is mapped.
    fn times(&self) -> usize {
        let maps = fs::read_to_string("/proc/self/maps").unwrap();
        maps.lines().filter(|line| line.ends_with(self.path.to_str().unwrap())).count()
    }
}

impl AsRef<[u8]> for Shared {
    fn as_ref(&self) -> &[u8] {
        // SAFETY: mapped until the drop.
        unsafe { slice::from_raw_parts(self.bytes.as_ptr(), LENGTH) }
    }
}

impl Drop for Shared {
    fn drop(&mut self) {
        // SAFETY: nobody borrows it any more.
        unsafe { libc::munmap(self.bytes.as_ptr().cast(), LENGTH) };
        let _ = fs::remove_file(&self.path);
    }
}

struct Owner(Arc<Shared>);

impl AsRef<[u8]> for Owner {
    fn as_ref(&self) -> &[u8] {
        (*self.0).as_ref()
    }
}

/// A footprint with a Blob of a file, which counts how often that was mapped
/// when it is asked to be mapped again and when that ends.
struct Footprint<'a> {
    case: &'a Case,
    blob: Blob,
    file: Arc<Shared>,
    maps: bool,
    seen: Arc<Mutex<Vec<usize>>>,
    ended: Arc<Mutex<Vec<usize>>>,
    interrupt: Option<&'a Interrupt>,
}

struct Again {
    file: File,
    offset: u64,
    shared: Arc<Shared>,
    ended: Arc<Mutex<Vec<usize>>>,
}

impl Mapped for Again {
    fn file(&self) -> Option<&File> {
        Some(&self.file)
    }

    fn offset(&self) -> u64 {
        self.offset
    }
}

impl Drop for Again {
    fn drop(&mut self) {
        self.ended.lock().unwrap().push(self.shared.times());
    }
}

impl Objects for Footprint<'_> {
    fn blob(&self, handle: Handle) -> Option<Blob> {
        match handle == self.blob.handle() {
            true => Some(self.blob.clone()),
            false => self.case.memory.blob(handle),
        }
    }

    fn tree(&self, handle: Handle) -> Option<Tree> {
        self.case.memory.tree(handle)
    }

    fn mapped(&self, bytes: &[u8], _: usize) -> Option<Box<dyn Mapped>> {
        if !self.maps {
            return None;
        }
        self.seen.lock().unwrap().push(self.file.times());
        if let Some(interrupt) = self.interrupt {
            interrupt.interrupt();
        }
        let offset = bytes.as_ptr().addr() - self.file.bytes.addr().get();
        let (shared, ended) = (self.file.clone(), self.ended.clone());
        let file = File::open(&self.file.path).unwrap();
        Some(Box::new(Again { file, offset: offset as u64, shared, ended }))
    }
}

/// What a run came to, and how often its file was mapped in the course of it.
struct Seen {
    applied: Applied,
    asked: Vec<usize>,
    ended: Vec<usize>,
}

fn run(case: &Case, file: &Arc<Shared>, maps: bool, interrupts: bool) -> Seen {
    let blob = Blob::new(Owner(file.clone()));
    let mut entries = case.entries().entries().to_vec();
    entries.insert(2, blob.handle());
    let entries = Tree::new(entries);
    let interrupt = Interrupt::new();
    let objects = Footprint {
        case,
        blob,
        file: file.clone(),
        maps,
        seen: Arc::default(),
        ended: Arc::default(),
        interrupt: interrupts.then_some(&interrupt),
    };
    let applied = case.engine.apply(Run {
        application: entries.handle(),
        entries: &entries,
        memory_limit_bytes: case.limit_bytes,
        fuel: case.fuel,
        objects: &objects,
        interrupt: &interrupt,
    });
    let asked = objects.seen.lock().unwrap().clone();
    let ended = objects.ended.lock().unwrap().clone();
    Seen { applied, asked, ended }
}

/// With one place for an instance, so that the next one has the same memory.
fn one_place() -> Arc<Engine> {
    Arc::new(Engine::new(Config { instances: 1, ..config() }).unwrap())
}

/// Opens a window on the Blob that is argument 2, of the offset and length that
/// are arguments 3 and 4, then another one of the same, and writes to the first.
/// Its address, the second's, and a hash of all memory.
fn hashing(then: &str) -> Case {
    Case::body(&format!(
        "(local $at i32) (local $end i32) (local $hash i64)
         (local.set $r (call $blob_window (call $arg (i64.const 2))
           (call $blob_u64 (call $arg (i64.const 3)))
           (i32.wrap_i64 (call $blob_u64 (call $arg (i64.const 4))))))
         (local.set $s (call $blob_window (call $arg (i64.const 2))
           (call $blob_u64 (call $arg (i64.const 3)))
           (i32.wrap_i64 (call $blob_u64 (call $arg (i64.const 4))))))
         (i32.store8 (local.get $r) (i32.const 0))
         (i32.store8 offset=5000 (local.get $r) (i32.const 255))
         {then}
         (local.set $end (i32.shl (memory.size) (i32.const 16)))
         (loop $more
           (local.set $hash (i64.mul (i64.const 0x100000001b3)
             (i64.xor (local.get $hash) (i64.load (local.get $at)))))
           (local.set $at (i32.add (local.get $at) (i32.const 8)))
           (br_if $more (i32.lt_u (local.get $at) (local.get $end))))
         (i32.store (i32.const 0) (call $num (local.get $r)))
         (i32.store (i32.const 4) (call $num (local.get $s)))
         (i32.store (i32.const 8) (call $u64_blob (local.get $hash)))
         (call $tree_new (i32.const 0) (i32.const 3))"
    ))
}

/// How many words of fresh memory, grown by as much as there may be, are not 0.
fn looking() -> Case {
    Case::body(
        "(local $at i32) (local $end i32)
         (drop (memory.grow (i32.const 100)))
         (local.set $end (i32.shl (memory.size) (i32.const 16)))
         (loop $more
           (local.set $n (i64.add (local.get $n) (i64.extend_i32_u
             (i64.ne (i64.load (local.get $at)) (i64.const 0)))))
           (local.set $at (i32.add (local.get $at) (i32.const 8)))
           (br_if $more (i32.lt_u (local.get $at) (local.get $end))))
         (call $u64_blob (local.get $n))",
    )
    .limit(16 << 20)
}

fn with(case: Case, offset: u64, length: u64) -> Case {
    case.argument(Handle::of_u64(offset)).argument(Handle::of_u64(length)).limit(16 << 20)
}

#[test]
fn a_mapped_window_is_as_a_copied_one() {
    let file = Arc::new(Shared::new("same"));
    let (page, length) = (PAGE as u64, LENGTH as u64);
    let mut mapped = 0;
    for (offset, shown) in [
        (0, length),
        (0, 1 << 30),
        (page, length - page),
        (3 * page, 20 * page + 5),
        (7 * page, 64 << 10),
        (7 * page, (64 << 10) - 1),
        (1, length),
        (page - 1, 100_000),
        (length - 1, 6000),
    ] {
        let outcome = |seen: &Seen| {
            let parts = made_tree(&seen.applied, value(&seen.applied));
            parts.iter().map(|part| part.literal_u64().unwrap()).collect::<Vec<_>>()
        };
        let case = || with(hashing(""), offset, shown);
        let by_map = run(&case(), &file, true, false);
        let by_copy = run(&case(), &file, false, false);
        let elsewhere = run(&case().on(&ROOMY), &file, true, false);
        assert_eq!(outcome(&by_map), outcome(&by_copy), "{offset} {shown}");
        assert_eq!(outcome(&by_map), outcome(&elsewhere), "{offset} {shown}");
        let peak = by_map.applied.memory_peak_bytes;
        assert_eq!(peak, by_copy.applied.memory_peak_bytes);
        assert!(elsewhere.asked.is_empty(), "that memory may be moved");
        let wanted = offset % page == 0 && shown.min(length.saturating_sub(offset)) >= 64 << 10;
        assert_eq!(by_map.asked.len(), if wanted { 2 } else { 0 }, "{offset} {shown}");
        mapped += by_map.asked.len();
        // The Blob's own mapping, and the first window.
        assert!(by_map.asked.is_empty() || by_map.asked == [1, 2], "{:?}", by_map.asked);
        let own: &[u8] = (*file).as_ref();
        assert!(own[0] == 1 && fs::read(&file.path).unwrap() == own);
    }
    assert!(mapped > 0);
}

#[test]
fn no_mapping_is_left_however_a_function_ends() {
    let file = Arc::new(Shared::new("left"));
    let engine = one_place();
    let again = |how: &str| {
        assert_eq!(file.times(), 1, "{how}");
        let looking = looking().on(&engine);
        assert_eq!(looking.number(), 0, "{how}");
        // Once more on what that has left.
        assert_eq!(looking.number(), 0, "{how}");
    };
    again("before");
    let endless = "(loop $for_ever (br $for_ever))";
    for (how, then, interrupts) in [
        ("value", "", false),
        ("trap", "(unreachable)", false),
        ("failure", "(call $fail (i32.const 0) (i32.const 0))", false),
        ("wrong handle", "(drop (call $length (i32.const 99)))", false),
        ("interruption", endless, true),
        ("growth", "(drop (memory.grow (i32.const 3)))", false),
        ("no growth", "(drop (memory.grow (i32.const 10000)))", false),
        ("written", "(memory.fill (local.get $r) (i32.const 9) (i32.const 1000000))", false),
    ] {
        let case = with(hashing(then), 0, LENGTH as u64).on(&engine);
        let seen = run(&case, &file, true, interrupts);
        let value = matches!(seen.applied.outcome, Outcome::Value(_));
        assert_eq!(value, ["value", "growth", "no growth", "written"].contains(&how), "{how}");
        if interrupts {
            let Outcome::NoAnswer { kind, .. } = seen.applied.outcome else { panic!("{how}") };
            assert_eq!(kind, NoAnswerKind::Interrupted);
        }
        assert!(!seen.asked.is_empty(), "{how}");
        // One after the other, until only the Blob's own is left.
        assert_eq!(seen.ended.last(), Some(&1), "{how}: {:?}", seen.ended);
        assert_eq!(seen.ended.len(), seen.asked.len(), "{how}");
        again(how);
    }
}

#[test]
fn a_window_that_the_limit_forbids_maps_nothing() {
    let file = Arc::new(Shared::new("limit"));
    let body = "(call $num (call $blob_window (call $arg (i64.const 2)) (i64.const 0)
        (i32.const 1000000)))";
    for (limit, at) in [(1 << 20, u64::from(u32::MAX)), (2 << 20, 1 << 16)] {
        let seen = run(&Case::body(body).limit(limit), &file, true, false);
        assert_eq!(value(&seen.applied).literal_u64(), Some(at));
        assert_eq!(seen.asked.len(), usize::from(limit == 2 << 20));
        assert_eq!(file.times(), 1);
    }
}
