//! Random programs that are begun: going on from an image comes to what calling all in one
//! comes to.

use std::fmt::Write;

use arbitrary::{Result, Unstructured};
use weft_engine::Outcome;
use weft_object::Handle;

use super::{All, ENGINES, Perform, Told, applied, directory, same, soundly};

/// Makes a program of the bytes and runs it with an image and without.
///
/// # Panics
/// If that does not come to the same.
pub fn snapshot(bytes: &[u8]) {
    snapshot_by(bytes, &soundly);
}

/// The same by whoever performs it.
///
/// # Panics
/// As [`snapshot`].
pub fn snapshot_by(bytes: &[u8], by: &Perform) {
    let _ = check(&mut Unstructured::new(bytes), by);
}

fn check(bytes: &mut Unstructured<'_>, by: &Perform) -> Result<()> {
    let Some([reusing, fresh]) = ENGINES.as_ref() else { return Ok(()) };
    let program = Program::of(bytes)?;
    let mut objects = All::default();
    let text = program.text();
    let binary = wat::parse_str(&text).unwrap_or_else(|error| panic!("{error}: {text}"));
    let module = objects.blob_of(&binary);
    let empty = Handle::EMPTY;
    let words =
        objects.names(&["program", "an argument", "and one that is longer than a handle has room"]);
    let variables = objects.names(&["A=b", "LONG=01234567890123456789012345678901234567890123"]);
    let stdin = objects.blob_of(b"what is read from standard input, some bytes of it");
    let clock = if program.has_clock { Handle::of_u64(1_700_000_000_000_000_000) } else { empty };
    let seed = if program.has_seed { Handle::of_u64(7) } else { empty };
    let root = directory(&mut objects);
    let begun = vec![words, variables, stdin, seed, clock, Handle::of_blob(b"/"), root];
    // Some of what it was told is not told again.
    let mut rest = begun.clone();
    let is_said_once = |ask: &&Ask| matches!(ask, Ask::Arguments | Ask::Environment);
    for ask in program.first.asks.iter().filter(is_said_once) {
        rest[*ask as usize] = empty;
    }
    if bytes.ratio(1, 2)? {
        // It has its own.
        rest[3..5].fill(empty);
    }
    if bytes.ratio(1, 4)? {
        // It has its directory.
        rest.truncate(5);
    }
    let entries = |first: &[Handle], given: &[Handle]| [first, given].concat();
    let name = |objects: &mut All, name: &str| objects.blob_of(name.as_bytes());
    let (run, make) = (name(&mut objects, "wasi/1"), name(&mut objects, "snapshot/1"));
    let (go_on, all) = (name(&mut objects, "image/1"), name(&mut objects, "all"));
    let whole = objects.tree_of(vec![module, all]);
    let whole = applied(&soundly, fresh, &objects, &entries(&[run, whole], &begun));
    let calls = objects.names(&["first"]);
    let making = entries(&[make, calls, module], &begun);
    let made = applied(by, reusing, &objects, &making);
    same("an image that is made here and elsewhere", &made, &applied(by, fresh, &objects, &making));
    objects.keep(&made);
    let image = match made.outcome {
        Outcome::Value(image) => image.lower().unwrap_or(image),
        // What the program does then it would have done in one, unless there is no image
        // of what it has become.
        Outcome::Failure(failure) => {
            let told = Told::of(&whole);
            let cannot = failure.detail.starts_with("snapshot/1: ");
            let expected = Told::Failure(format!("{}: {}", failure.kind, failure.detail));
            assert!(cannot || told == expected || told.is_of_here(), "{failure:?} is not {told:?}");
            return Ok(());
        }
        Outcome::NoAnswer { .. } => return Ok(()),
    };
    let asks = |wanted: Ask| program.first.asks.iter().any(|ask| *ask as usize == wanted as usize);
    assert!(program.has_clock || !asks(Ask::Clock), "an image has the time that nobody said");
    assert!(program.has_seed || !asks(Ask::Random), "an image has bytes that nobody said");
    let second = name(&mut objects, "second");
    let going = entries(&[go_on, image, second], &rest);
    for engine in [reusing, reusing, reusing, fresh] {
        let gone_on = applied(by, engine, &objects, &going);
        same("a program that went on from an image and one that ran in one", &gone_on, &whole);
    }
    Ok(())
}

/// What a program is told that it may keep, by its place among what it is given.
#[derive(Clone, Copy, Debug)]
enum Ask {
    Arguments = 0,
    Environment = 1,
    Random = 3,
    Clock = 4,
}

/// Some steps one after the other.
#[derive(Default)]
struct Steps {
    text: String,
    asks: Vec<Ask>,
}

impl Steps {
    fn add(&mut self, step: std::fmt::Arguments<'_>) {
        // Writing to a String cannot fail.
        let _ = writeln!(self.text, "{step}");
    }
}

struct Program {
    first: Steps,
    second: Steps,
    has_seed: bool,
    has_clock: bool,
    initialize: bool,
}

/// Where memory 0 ends in the end.
const PAGES_MAX: u32 = 12;

impl Program {
    fn of(bytes: &mut Unstructured<'_>) -> Result<Self> {
        // Mostly both are there, for of most programs there is no image without.
        let has = |bytes: &mut Unstructured<'_>| Ok(!bytes.ratio(1, 6)?);
        let (has_seed, has_clock) = (has(bytes)?, has(bytes)?);
        let initialize = bytes.arbitrary()?;
        Ok(Self { first: steps(bytes)?, second: steps(bytes)?, has_seed, has_clock, initialize })
    }

    fn text(&self) -> String {
        let Self { first, second, .. } = self;
        let initialize = match self.initialize {
            true => "(func (export \"_initialize\") (global.set $i (i64.const 77)))",
            false => "",
        };
        format!(
            r#"(module
              (import "wasi_snapshot_preview1" "fd_write"
                (func $write (param i32 i32 i32 i32) (result i32)))
              (import "wasi_snapshot_preview1" "fd_read"
                (func $read (param i32 i32 i32 i32) (result i32)))
              (import "wasi_snapshot_preview1" "fd_close" (func $close (param i32) (result i32)))
              (import "wasi_snapshot_preview1" "fd_readdir"
                (func $list (param i32 i32 i32 i64 i32) (result i32)))
              (import "wasi_snapshot_preview1" "path_open"
                (func $open (param i32 i32 i32 i32 i32 i64 i64 i32 i32) (result i32)))
              (import "wasi_snapshot_preview1" "args_sizes_get"
                (func $args (param i32 i32) (result i32)))
              (import "wasi_snapshot_preview1" "environ_sizes_get"
                (func $environ (param i32 i32) (result i32)))
              (import "wasi_snapshot_preview1" "clock_time_get"
                (func $clock (param i32 i64 i32) (result i32)))
              (import "wasi_snapshot_preview1" "random_get"
                (func $random (param i32 i32) (result i32)))
              (memory (export "memory") 2 {PAGES_MAX})
              (memory $other 1 4)
              (global $i (mut i64) (i64.const 1))
              (global $n (mut i32) (i32.const 1))
              (global $s (mut f32) (f32.const 1))
              (global $d (mut f64) (f64.const 0))
              (global $v (mut v128) (v128.const i64x2 1 2))
              (table funcref (elem $first $f0 $f1 $f2))
              (data (i32.const 65530) "some text over the end of a page")
              (data (i32.const 130000) "file")
              (data $passive "bytes that are put somewhere")
              {initialize}
              (func $f0 (global.set $n (i32.add (global.get $n) (i32.const 3))))
              (func $f1 (i32.store8 (i32.const 99) (global.get $n)))
              (func $f2 (global.set $s (f32.convert_i32_u (global.get $n))))
              (func $first {})
              (func $second {}
                ;; All of it is told: globals, the other memory, and this one.
                (i64.store (i32.const 8) (global.get $i))
                (f64.store (i32.const 16) (global.get $d))
                (v128.store (i32.const 24) (global.get $v))
                (i32.store (i32.const 40) (global.get $n))
                (f32.store (i32.const 44) (global.get $s))
                (i32.store (i32.const 48) (memory.size $other))
                (i32.store (i32.const 0) (i32.const 8))
                (i32.store (i32.const 4)
                  (i32.sub (i32.mul (memory.size) (i32.const 65536)) (i32.const 8)))
                (drop (call $write (i32.const 2) (i32.const 0) (i32.const 1) (i32.const 4)))
                (memory.copy 0 $other (i32.const 65536) (i32.const 0) (i32.const 65536))
                (i32.store (i32.const 0) (i32.const 65536)) (i32.store (i32.const 4) (i32.const 65536))
                (drop (call $write (i32.const 2) (i32.const 0) (i32.const 1) (i32.const 4))))
              (func (export "first") (call $first))
              (func (export "second") (call $second))
              (func (export "all") (call $first) (call $second)))"#,
            first.text, second.text
        )
    }
}

fn steps(bytes: &mut Unstructured<'_>) -> Result<Steps> {
    let mut steps = Steps::default();
    for _ in 0..bytes.int_in_range(0..=12)? {
        step(bytes, &mut steps)?;
    }
    Ok(steps)
}

/// Somewhere in the two pages that there are at first, often at an edge.
fn address(bytes: &mut Unstructured<'_>) -> Result<u32> {
    let at = *bytes.choose(&[0, 60, 4090, 8192, 65_500, 65_536, 100_000, 131_000])?;
    Ok(at + bytes.int_in_range(0..=64)?)
}

#[expect(clippy::too_many_lines, reason = "a list")]
fn step(bytes: &mut Unstructured<'_>, steps: &mut Steps) -> Result<()> {
    match bytes.int_in_range(0..=23)? {
        0 | 1 => {
            let (at, value) = (address(bytes)?, bytes.arbitrary::<i32>()?);
            steps.add(format_args!("(i32.store (i32.const {at}) (i32.const {value}))"));
        }
        2 => {
            let (to, from) = (address(bytes)?, address(bytes)?);
            let sum = format!("(i64.add (global.get $i) (i64.load (i32.const {from})))");
            steps.add(format_args!("(i64.store (i32.const {to}) {sum})"));
        }
        3 => {
            let (to, from, n) = (address(bytes)?, address(bytes)?, bytes.int_in_range(0..=9000)?);
            steps.add(format_args!(
                "(memory.copy (i32.const {to}) (i32.const {from}) (i32.const {n}))"
            ));
        }
        4 => {
            let (at, value, n) =
                (address(bytes)?, bytes.arbitrary::<u8>()?, bytes.int_in_range(0..=70_000)?);
            steps.add(format_args!(
                "(memory.fill (i32.const {at}) (i32.const {value}) (i32.const {n}))"
            ));
        }
        5 => {
            let (at, value) = (address(bytes)? % 65_000, bytes.arbitrary::<i32>()?);
            steps.add(format_args!("(i32.store $other (i32.const {at}) (i32.const {value}))"));
        }
        6 => {
            let (to, from) = (address(bytes)? % 65_000, address(bytes)?);
            steps.add(format_args!(
                "(memory.copy $other 0 (i32.const {to}) (i32.const {from}) (i32.const 300))"
            ));
        }
        7 => {
            let value = bytes.arbitrary::<i64>()?;
            steps
                .add(format_args!("(global.set $i (i64.xor (global.get $i) (i64.const {value})))"));
        }
        8 => {
            let value = bytes.arbitrary::<u64>()?;
            steps.add(format_args!("(global.set $d (f64.reinterpret_i64 (i64.const {value})))"));
        }
        9 => {
            let value = bytes.arbitrary::<u32>()?;
            steps.add(format_args!("(global.set $s (f32.reinterpret_i32 (i32.const {value})))"));
        }
        10 => {
            let at = address(bytes)?;
            steps.add(format_args!("(global.set $v (v128.load (i32.const {at})))"));
        }
        11 => {
            let pages = bytes.int_in_range(0..=4)?;
            steps.add(format_args!("(global.set $n (memory.grow (i32.const {pages})))"));
        }
        12 => {
            let pages = bytes.int_in_range(0..=2)?;
            steps.add(format_args!("(drop (memory.grow $other (i32.const {pages})))"));
        }
        13 => {
            let function = bytes.int_in_range(1..=4)?;
            steps.add(format_args!("(call_indirect (i32.const {function}))"));
        }
        14 => {
            let (to, n) = (address(bytes)?, bytes.int_in_range(0..=30)?);
            steps.add(format_args!(
                "(memory.init $passive (i32.const {to}) (i32.const 0) (i32.const {n}))"
            ));
        }
        15 => {
            steps.asks.push(Ask::Clock);
            let at = address(bytes)?;
            steps.add(format_args!(
                "(drop (call $clock (i32.const 0) (i64.const 0) (i32.const {at})))"
            ));
        }
        16 => {
            let (at, n) = (address(bytes)?, bytes.int_in_range(0..=80)?);
            steps.asks.extend((n > 0).then_some(Ask::Random));
            steps.add(format_args!("(drop (call $random (i32.const {at}) (i32.const {n})))"));
        }
        17 => {
            steps.asks.push(Ask::Arguments);
            let at = address(bytes)?;
            steps.add(format_args!("(drop (call $args (i32.const {at}) (i32.const 600)))"));
        }
        18 => {
            steps.asks.push(Ask::Environment);
            let at = address(bytes)?;
            steps.add(format_args!("(drop (call $environ (i32.const {at}) (i32.const 608)))"));
        }
        19 => {
            let (stream, at, n) =
                (bytes.int_in_range(1..=2)?, address(bytes)?, bytes.int_in_range(0..=99)?);
            steps.add(format_args!(
                "(i32.store (i32.const 616) (i32.const {at})) (i32.store (i32.const 620) (i32.const {n}))
                 (drop (call $write (i32.const {stream}) (i32.const 616) (i32.const 1) (i32.const 624)))"
            ));
        }
        20 => {
            steps.add(format_args!(
                "(i32.store (i32.const 616) (i32.const 640)) (i32.store (i32.const 620) (i32.const 20))
                 (drop (call $read (i32.const 0) (i32.const 616) (i32.const 1) (i32.const 624)))"
            ));
        }
        21 => {
            steps.add(format_args!(
                "(drop (call $open (i32.const 3) (i32.const 0) (i32.const 130000) (i32.const 4)
                   (i32.const 0) (i64.const 2) (i64.const 0) (i32.const 0) (i32.const 700)))
                 (i32.store (i32.const 616) (i32.const 708)) (i32.store (i32.const 620) (i32.const 30))
                 (drop (call $read (i32.load (i32.const 700)) (i32.const 616) (i32.const 1) (i32.const 624)))
                 (drop (call $close (i32.load (i32.const 700))))"
            ));
        }
        22 => {
            steps.add(format_args!(
                "(drop (call $list (i32.const 3) (i32.const 800) (i32.const 200) (i64.const 0) (i32.const 704)))"
            ));
        }
        // Rarely: nothing comes after it.
        _ if bytes.ratio(1, 8)? => steps.add(format_args!("(unreachable)")),
        _ => steps.add(format_args!("(i64.store (i32.const 512) (i64.load (i32.const 131064)))")),
    }
    Ok(())
}
