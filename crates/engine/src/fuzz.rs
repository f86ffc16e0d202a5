//! Entry points for fuzzers: functions over bytes.

use std::sync::LazyLock;

use weft_object::{Blob, Handle, Tree};

pub use crate::rewrite::Fault;
use crate::{Applied, Config, Engine, Interrupt, NoAnswerKind, Objects, Outcome, Reuse, Run};

/// Whether an image's pages arrive as they are touched: not where the system lets
/// nobody handle faults. For tests, which can show nothing there.
#[must_use]
pub fn pages_arrive() -> bool {
    crate::image::pages_arrive()
}

struct Nothing;

impl Objects for Nothing {
    fn blob(&self, _: Handle) -> Option<Blob> {
        None
    }

    fn tree(&self, _: Handle) -> Option<Tree> {
        None
    }
}

struct Only(Handle, Blob);

impl Objects for Only {
    fn blob(&self, handle: Handle) -> Option<Blob> {
        (handle == self.0).then(|| self.1.clone())
    }

    fn tree(&self, _: Handle) -> Option<Tree> {
        None
    }
}

static ENGINE: LazyLock<Option<Engine>> =
    LazyLock::new(|| Engine::new(Config { module_cache_bytes: 1 << 20, ..Config::default() }).ok());

/// Applies arbitrary bytes as a module, as they are and behind a WebAssembly
/// header, with little fuel and memory. Nothing may panic, hang or go missing.
pub fn fuzz_module(data: &[u8]) {
    let Some(engine) = ENGINE.as_ref() else { return };
    let with_header = [b"\0asm\x01\0\0\0", data].concat();
    for bytes in [data, &with_header] {
        let module = Blob::new(bytes.to_vec());
        let name = module.handle();
        let entries = Tree::new(vec![Handle::of_u64(1 << 20), name, Handle::of_u64(7)]);
        let only;
        let objects: &dyn Objects = match name.is_literal() {
            true => &Nothing,
            false => {
                only = Only(name, module);
                &only
            }
        };
        let applied = engine.apply(Run {
            application: entries.handle(),
            entries: &entries,
            memory_limit_bytes: 1 << 20,
            fuel: Some(10_000),
            objects,
            interrupt: &Interrupt::new(),
        });
        let missing =
            matches!(applied.outcome, Outcome::NoAnswer { kind: NoAnswerKind::Missing, .. });
        assert!(!missing, "everything was resident: {:?}", applied.outcome);
    }
}

/// An engine that uses instances again at once, or never, and compares each with a
/// new one.
fn engine(reuse: Reuse) -> Option<Engine> {
    let base = Config { module_cache_bytes: 1 << 20, instances: 24, ..Config::default() };
    Engine::new(Config { reuse, compare_reused: true, ..base }).ok()
}

static REUSING: LazyLock<Option<Engine>> = LazyLock::new(|| engine(Reuse::Always));
static FRESH: LazyLock<Option<Engine>> = LazyLock::new(|| engine(Reuse::Never));

/// Applies a module that ends by itself, in instances that are used again and in
/// new ones. All come to the same.
///
/// # Panics
/// If they do not, or if an instance was not put back.
pub fn fuzz_reuse(module: &[u8], argument: u64) {
    if let (Some(reusing), Some(fresh)) = (REUSING.as_ref(), FRESH.as_ref()) {
        compare(reusing, fresh, module, argument);
    }
}

/// The same by an engine that does not put all back; to see that it is found.
///
/// # Panics
/// If it is.
pub fn fuzz_faulty_reuse(fault: Fault, module: &[u8], argument: u64) {
    if let (Some(mut reusing), Some(fresh)) = (engine(Reuse::Always), FRESH.as_ref()) {
        reusing.module_ways.fault = Some(fault);
        compare(&reusing, fresh, module, argument);
    }
}

fn compare(reusing: &Engine, fresh: &Engine, module: &[u8], argument: u64) {
    const LIMIT_BYTES: u64 = 8 << 20;
    let module = Blob::new(module.to_vec());
    let name = module.handle();
    let only = Only(name, module);
    let apply = |engine: &Engine, argument: u64| {
        let entries = [Handle::of_u64(LIMIT_BYTES), name, Handle::of_u64(argument)];
        let entries = Tree::new(entries.to_vec());
        engine.apply(Run {
            application: entries.handle(),
            entries: &entries,
            memory_limit_bytes: LIMIT_BYTES,
            fuel: None,
            objects: &only,
            interrupt: &Interrupt::new(),
        })
    };
    let made = |applied: &Applied| applied.made.iter().map(|made| made.0).collect::<Vec<_>>();
    for argument in [argument, 0, argument, 1] {
        let (ours, theirs) = (apply(reusing, argument), apply(fresh, argument));
        let differ = |what: &dyn std::fmt::Debug, than: &dyn std::fmt::Debug| {
            panic!("an instance that was used before came to {what:?}, a new one to {than:?}")
        };
        match (&ours.outcome, &theirs.outcome) {
            // How deep it can recurse, and what a run may hold, is the machine's.
            (Outcome::NoAnswer { .. }, _) | (_, Outcome::NoAnswer { .. }) => {}
            (ours, theirs) if ours != theirs => differ(ours, theirs),
            _ if ours.log != theirs.log => differ(&ours.log, &theirs.log),
            _ if made(&ours) != made(&theirs) => differ(&made(&ours), &made(&theirs)),
            _ if ours.memory_peak_bytes != theirs.memory_peak_bytes => {
                differ(&ours.memory_peak_bytes, &theirs.memory_peak_bytes);
            }
            _ => {}
        }
    }
}
