use crate::seeds;

/// A function over bytes that panics where a promise is broken.
pub struct Target {
    /// What it is called on the command line and in `fuzz/fuzz_targets`.
    pub name: &'static str,
    /// The oracle.
    pub run: fn(&[u8]),
    /// Good inputs, from which others are derived.
    pub seeds: fn() -> Vec<Vec<u8>>,
    /// What inputs are made of.
    pub words: &'static [&'static [u8]],
    /// How many inputs make a short test: some tenths of a second's worth.
    pub count: u64,
}

/// All of them. Each has a file of its name in `fuzz/fuzz_targets`.
pub const TARGETS: &[Target] = &[
    Target {
        name: "calls",
        run: weft_wasi::fuzz_calls,
        seeds: seeds::calls,
        words: &[&[0; 4], &[3], &[4], &[5], &[6], &[0, 0x10, 0, 0], &[0xf8; 9]],
        count: 2000,
    },
    Target {
        name: "directory",
        run: weft_object::directory::fuzz_directory,
        seeds: seeds::directories,
        words: &[b"wdir\x01\0", b"\0", b"a\0b\0", b"name", b".", b"..", b"/"],
        count: 500,
    },
    Target {
        name: "export",
        run: weft_store::export::fuzz_export,
        seeds: seeds::exports,
        words: &[b"weftexpt\x01\0\0\0", b"\x01\0\0\0\0\0\0\0", b"\x02\0\0\0\x30\0\0\0", &[0; 8]],
        count: 5000,
    },
    Target {
        name: "frame",
        run: weft_store::socket::fuzz_frames,
        seeds: seeds::frames,
        words: &[b"weftsock\x01\0\0\0", b"incoming-1-2", b"\x01", b"\x02", b"\0\0\0\0", &[0; 32]],
        count: 10_000,
    },
    Target {
        name: "handle",
        run: weft_notation::fuzz::fuzz_handle,
        seeds: seeds::handles,
        words: &[&[0; 32], &[0; 29], b"\0\0\0\0\0\x02", b"#", b"0123456789abcdef"],
        count: 20_000,
    },
    Target {
        name: "image",
        run: crate::images::broken::image,
        seeds: seeds::short,
        words: &[],
        count: 200,
    },
    Target {
        name: "module",
        run: weft_engine::fuzz::fuzz_module,
        seeds: seeds::modules,
        words: seeds::MODULE_WORDS,
        count: 200,
    },
    Target {
        name: "notation",
        run: weft_notation::fuzz::fuzz_notation,
        seeds: seeds::notations,
        words: seeds::NOTATION_WORDS,
        count: 10_000,
    },
    Target {
        name: "reuse",
        run: crate::modules::reuse,
        seeds: seeds::random,
        words: &[],
        count: 100,
    },
    Target {
        name: "snapshot",
        run: crate::images::begun::snapshot,
        seeds: seeds::short,
        words: &[],
        count: 40,
    },
];

/// The target of this name.
#[must_use]
pub fn target(name: &str) -> Option<&'static Target> {
    TARGETS.iter().find(|target| target.name == name)
}

/// Runs the oracle of this name on one input.
///
/// # Panics
/// Where the oracle does, or if there is none of this name.
pub fn run(name: &str, bytes: &[u8]) {
    match target(name) {
        Some(target) => (target.run)(bytes),
        None => panic!("no fuzz target `{name}`"),
    }
}
