//! Entry points for fuzzers: functions over bytes.

use std::sync::LazyLock;

use weft_object::{Blob, Handle, Tree};

use crate::{Config, Engine, Interrupt, NoAnswerKind, Objects, Outcome, Run};

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
