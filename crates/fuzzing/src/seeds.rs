//! Good inputs. Made by code where their form is ours, so that they follow it.

use crate::random::Random;
use weft_object::directory::{DirectoryError, Entry, FileKind, Name, Part, build};
use weft_object::{Blob, Content, Handle, Tree};
use weft_store::export::export;
use weft_store::{Backend, Cost, MemoryBackend, Outcome, Relation};

/// Programs of a few calls of WASI, as `fuzz_calls` reads them: a byte for the
/// call, one for each argument, and at the end the memory, backwards.
pub(crate) fn calls() -> Vec<Vec<u8>> {
    /// Open `d/b` to be read and written; the descriptor is 5.
    const OPEN: (&str, &[u8]) = ("path_open", &[3, 1, 2, 0, 0, 0x21, 0, 0, 40]);
    /// Where there is room for a buffer, and how long it is.
    const BUFFER: [u8; 8] = [0, 0x10, 0, 0, 32, 0, 0, 0];
    let programs: &[&[(&str, &[u8])]] = &[
        &[OPEN, ("fd_read", &[5, 0, 1, 50]), ("fd_seek", &[5, 2, 0, 50]), ("fd_close", &[5])],
        &[OPEN, ("fd_write", &[5, 0, 1, 50]), ("fd_pread", &[5, 0, 1, 3, 50])],
        &[OPEN, ("path_unlink_file", &[3, 2, 0]), ("fd_write", &[5, 0, 1, 50])],
        &[OPEN, ("fd_filestat_set_size", &[5, 200]), ("fd_renumber", &[5, 4])],
        &[("fd_readdir", &[3, 100, 200, 0, 50]), ("fd_readdir", &[4, 100, 60, 3, 50])],
        &[("path_open", &[3, 0, 7, 0, 5, 0x21, 0, 1, 40]), ("fd_write", &[5, 0, 1, 50])],
        &[("path_rename", &[3, 1, 0, 4, 7, 0]), ("path_filestat_get", &[4, 1, 7, 0, 50])],
        &[("path_create_directory", &[3, 6, 0]), ("path_rename", &[3, 0, 0, 3, 12, 0])],
        &[("path_symlink", &[2, 0, 3, 6, 0]), ("path_readlink", &[3, 6, 0, 50, 99, 60])],
        &[("path_link", &[3, 0, 2, 0, 3, 6, 0]), ("path_remove_directory", &[3, 1, 0])],
        &[
            ("random_get", &[50, 40]),
            ("poll_oneoff", &[0, 50, 1, 90]),
            ("fd_write", &[1, 0, 1, 50]),
        ],
    ];
    let program = |calls: &&[(&str, &[u8])]| {
        let mut bytes = Vec::new();
        for (name, arguments) in *calls {
            let number = weft_wasi::CALLS.iter().position(|call| call.name == *name);
            bytes.push(u8::try_from(number?).ok()?);
            bytes.extend_from_slice(arguments);
        }
        bytes.extend(BUFFER.iter().rev());
        Some(bytes)
    };
    let all: Vec<_> = programs.iter().filter_map(program).collect();
    debug_assert_eq!(all.len(), programs.len(), "every call is one");
    all
}

/// Bytes for generators, some short, some long.
pub(crate) fn random() -> Vec<Vec<u8>> {
    let lengths = [256, 512, 1024, 2048, 4096, 4096, 8192, 8192].repeat(2);
    let bytes = |(seed, length): (u64, usize)| {
        let mut random = Random::new(seed, 0);
        (0..length).map(|_| random.byte()).collect()
    };
    (0..).zip(lengths).map(bytes).collect()
}

/// The same for generators that need few: of what is behind those, no change matters.
pub(crate) fn short() -> Vec<Vec<u8>> {
    let bytes = |(seed, length): (u64, usize)| {
        let mut random = Random::new(seed, 1);
        (0..length).map(|_| random.byte()).collect()
    };
    (0..).zip((0..64).map(|at| 32 << (at % 4))).map(bytes).collect()
}

/// Index Blobs and nodes of real directories, and lists of names.
pub(crate) fn directories() -> Vec<Vec<u8>> {
    let mut seeds = vec![b"a\0b\0file.txt\0name with spaces".to_vec()];
    // Of no, one and some names, and of more than one level.
    for count in [0, 1, 3, 12, 3000] {
        let mut index = Vec::new();
        let built = build((0..count).filter_map(entry).collect(), |_, part| {
            match part {
                Part::Index(blob) => {
                    index = blob.bytes().to_vec();
                    seeds.push(index.clone());
                }
                Part::Node(tree) => seeds.extend(node(&index, tree.entries())),
            }
            Ok::<_, DirectoryError>(())
        });
        debug_assert!(built.is_ok(), "{built:?}");
    }
    // Mutations of long inputs mostly hit what nobody looks at.
    seeds.retain(|seed| seed.len() < 8 << 10);
    seeds
}

fn entry(at: usize) -> Option<Entry> {
    let name = Name::new(format!("entry-{at}").as_bytes()).ok()?;
    let child = Handle::of_blob(&[b'x'; 40][..at % 40]);
    let (kind, mode) = match at % 5 {
        4 => (FileKind::Symlink, Entry::SYMLINK_MODE),
        _ => (FileKind::File, 0o644),
    };
    Some(Entry { name, kind, mode, child })
}

/// As `fuzz_directory` reads a node: the length of the index, it, the children.
/// The index is the one handed out before, unless it fits its handle.
fn node(index: &[u8], entries: &[Handle]) -> Option<Vec<u8>> {
    let (first, children) = entries.split_first()?;
    let index = first.literal_bytes().unwrap_or(index);
    let mut bytes = vec![u8::try_from(index.len()).ok()?];
    bytes.extend_from_slice(index);
    bytes.extend(children.iter().flat_map(Handle::as_bytes));
    Some(bytes)
}

/// One handle of every sort, Trees of them, and their text.
pub(crate) fn handles() -> Vec<Vec<u8>> {
    let long = Handle::of_blob(&[7; 100]);
    let tree = Handle::of_tree(&[long, Handle::of_u64(3)]);
    let tag = Handle::of_tag(&[long, tree, Handle::of_u64(1)]);
    let data = [long, tree, tag, Handle::of_u64(0), Handle::of_blob(&[1; 30]), Handle::EMPTY];
    let mut all = data.to_vec();
    all.extend(data.iter().filter_map(|handle| handle.lower()));
    let thunks: Vec<Handle> = data
        .iter()
        .flat_map(|handle| [handle.application(), handle.identification(), handle.selection()])
        .flatten()
        .collect();
    all.extend(thunks.iter().flat_map(|thunk| [thunk.strict(), thunk.shallow()]).flatten());
    all.extend(thunks);
    let mut seeds: Vec<Vec<u8>> = all.iter().map(|handle| handle.as_bytes().to_vec()).collect();
    seeds.extend(all.iter().map(|handle| handle.to_string().into_bytes()));
    seeds.push(all.iter().flat_map(Handle::as_bytes).copied().collect());
    seeds
}

/// Exports of a Tree, with and without something known.
pub(crate) fn exports() -> Vec<Vec<u8>> {
    let backend = MemoryBackend::new();
    let blob = Content::Blob(Blob::new([7; 40].as_slice()));
    let tree = Content::Tree(Tree::new([Handle::of_u64(1), blob.handle(), Handle::of_u64(2)]));
    let [value, root] = [blob.handle(), tree.handle()];
    let put = backend.put(&[(value, blob), (root, tree)]);
    debug_assert!(put.is_ok(), "{put:?}");
    let known = Relation::new(Outcome::Value(value), Cost { run_ns: 5, fuel: Some(3) });
    let failed =
        Relation { notes: Some(value), ..Relation::new(Outcome::Failure(value), known.cost) };
    let source = |wanted: &Handle| backend.get(wanted);
    let relations = [&[][..], &[(root, known)], &[(root, failed), (root, known)]];
    let export = |relations: &[(Handle, Relation)]| {
        let mut bytes = Vec::new();
        let exported = export(&source, &root, relations, &mut bytes, &|_| {});
        debug_assert!(exported.is_ok(), "{exported:?}");
        bytes
    };
    relations.map(export).to_vec()
}

/// What clients of a store send: a frame of every sort that holds something.
pub(crate) fn frames() -> Vec<Vec<u8>> {
    let handle = Handle::of_blob(&[7; 40]);
    let handle = handle.as_bytes().as_slice();
    let [none, label]: [&[u8]; 2] = [&[], b"\x03\0\0\0a/b"];
    let [numbers, text]: [&[u8]; 2] = [&[9; 24], b"\x0c\0\0\0incoming-1-2"];
    let payloads: &[(u8, &[&[u8]])] = &[
        (1, &[handle]),
        (3, &[handle, &[40, 0, 0, 0], &[7; 40], handle, &[1, 0, 0, 0, 7]]),
        (4, &[handle, text]),
        (6, &[handle, &[48, 0, 0, 0], &[0; 16], handle]),
        (6, &[handle, &[88, 0, 0, 0], &[7, 0], &[0; 14], handle, handle, &[1; 8]]),
        (8, &[label, &[2], handle, &[1], handle]),
        (8, &[label, &[0, 0]]),
        (9, &[none]),
        (10, &[b"\x05\0\0\x001f3a5"]),
        (12, &[&[1], text]),
        (14, &[handle, &[0], handle, &[1], label, numbers]),
        (16, &[handle, &[1], &[5; 8]]),
        (27, &[&[1], &[5; 8]]),
        (28, &[&[1, 2], &[5; 8]]),
    ];
    let frame = |(tag, parts): &(u8, &[&[u8]])| {
        let payload = parts.concat();
        let length = u32::try_from(payload.len()).unwrap_or_default();
        [&length.to_le_bytes()[..], &[*tag, 0, 0, 0], &payload].concat()
    };
    payloads.iter().map(frame).collect()
}

pub(crate) const NOTATION_WORDS: &[&[u8]] = &[
    b"apply(",
    b"apply{memory: 64MiB, fuel: 1000000}(",
    b"identify(",
    b"select(",
    b"strict(",
    b"shallow(",
    b"ref(",
    b"closure(",
    b"digest(",
    b"application(",
    b"selection(",
    b"file\"",
    b"application(",
    b"selection(",
    b"file\"",
    b"[",
    b"]",
    b")",
    b"}",
    b"{",
    b", ",
    b": ",
    b"..",
    b"\"",
    b"\\\"",
    b"\\u{1f600}",
    b"hex\"",
    b"00ff",
    b"7u8",
    b"7u32",
    b"7u64",
    b"64KiB",
    b"./a/b",
    b"@label",
    b"#1f3a",
    b"-",
    b" ",
    b"\n",
    b"\t",
    b"//",
    b"18446744073709551615",
    b"\xff",
    "\u{e9}".as_bytes(),
];

/// Every form of the notation, alone and within others.
pub(crate) fn notations() -> Vec<Vec<u8>> {
    [
        "[]",
        "[1u8, [\"text\", hex\"00ff\"], 7u32, 7u64]",
        "\"a \\\"quoted\\\" text\\n with escapes \\\\ \"",
        "./path/to/a",
        "./count.wasm",
        "@label",
        "#1f3a",
        "#0500000000000000000000000000000000000000000000000000000000000800",
        "apply{memory: 1, output: 1MiB, fanout: 10}(@f, @\"any label\", file\"any path\")",
        "digest(ref([1u16]), 0..4)",
        "[application([[], @f]), selection([[], 0u64]), .., /abs/path]",
        "apply(./f.wasm, 1u64, strict(apply(@g, 2u64)))",
        "apply{memory: 64MiB, fuel: 1000000}(./f.wasm, \"x\")",
        "identify([1u8])",
        "select([1u8, 2u8], 1)",
        "select(@corpus, 0..4096)",
        "select(@corpus, \"en/a.txt\")",
        "strict(identify(\"x\"))",
        "shallow(select(ref([1u64]), 0))",
        "ref(\"a text that is longer than thirty bytes\")",
        "closure(./f.wasm, 1u64)",
        "[[[[[[[[\"deep\"]]]]]]]]",
    ]
    .map(|text| text.as_bytes().to_vec())
    .to_vec()
}

pub(crate) const MODULE_WORDS: &[&[u8]] = &[
    b"\0asm\x01\0\0\0",
    b"\x06weft_1",
    b"\x0aweft_apply",
    b"\x04kind",
    b"\x09tree_read",
    b"\x60\x01\x7f\x01\x7f",
    b"\x0b",
    b"\x00",
    b"\x20\x00",
    b"\x41\x00",
    b"\x42\x00",
    b"\x10\x00",
    b"\x03\x40\x0c\x00\x0b",
    b"\x40\x00",
    b"\x3f\x00",
    b"\xfc\x0a\x00\x00",
    b"\xfc\x0b\x00",
    b"\xfd\x0c",
    b"\xff\xff\xff\xff\x0f",
    b"\x80\x80\x04",
    b"\x04name",
];

/// Codelets that return, loop, recurse, trap, fail, grow, and ask.
pub(crate) fn modules() -> Vec<Vec<u8>> {
    const APPLY: &str = r#"(func (export "weft_apply") (param i32) (result i32)"#;
    let asks = r#"(import "weft_1" "length" (func $length (param i32) (result i64)))
        (import "weft_1" "u64_blob" (func $u64_blob (param i64) (result i32)))
        (import "weft_1" "tree_get" (func $tree_get (param i32 i64) (result i32)))"#;
    let tells = r#"(import "weft_1" "blob_new" (func $blob_new (param i32 i32) (result i32)))
        (import "weft_1" "fail" (func $fail (param i32 i32)))
        (import "weft_1" "log" (func $log (param i32 i32)))
        (memory (export "memory") 1 4) (data (i32.const 8) "some bytes")"#;
    let simd = "(memory (export \"memory\") 1)";
    let texts = [
        format!("(module {APPLY} local.get 0))"),
        format!("(module {APPLY} unreachable))"),
        format!("(module {APPLY} (loop $l br $l) i32.const 0))"),
        format!("(module (func $f call $f) {APPLY} call $f i32.const 0))"),
        format!("(module {asks} {APPLY} (call $u64_blob (call $length (local.get 0)))))"),
        format!("(module {asks} {APPLY} (call $tree_get (local.get 0) (i64.const 2))))"),
        format!("(module {asks} {APPLY} (call $tree_get (local.get 0) (i64.const 99))))"),
        format!("(module {tells} {APPLY} (call $blob_new (i32.const 8) (i32.const 10))))"),
        format!("(module {tells} {APPLY} (call $fail (i32.const 8) (i32.const 10)) i32.const 0))"),
        format!(
            "(module {tells} {APPLY} (loop $l (call $log (i32.const 8) (i32.const 10)) br $l) i32.const 0))"
        ),
        format!(
            "(module {tells} {APPLY} (memory.grow (i32.const 900)) (memory.fill (i32.const 0) (i32.const 1) (i32.const 64))))"
        ),
        format!(
            "(module {simd} {APPLY} (v128.store (i32.const 0) (f64x2.sqrt (v128.load (i32.const 8)))) i32.const 0))"
        ),
        format!(
            "(module (table 2 funcref) (elem (i32.const 0) $a) (func $a) (start $a) {APPLY} (call_indirect (i32.const 1)) i32.const 0))"
        ),
        format!(
            "(module (global $g (mut i64) (i64.const 5)) {APPLY} (global.set $g (i64.div_s (global.get $g) (i64.const 0))) i32.const 0))"
        ),
        format!("(module (import \"other\" \"thing\" (func)) {APPLY} i32.const 0))"),
        "(module)".into(),
    ];
    let modules: Vec<Vec<u8>> = texts.iter().filter_map(|text| wat::parse_str(text).ok()).collect();
    debug_assert_eq!(modules.len(), texts.len(), "every text is a module");
    modules
}

#[cfg(test)]
mod tests {
    use super::*;
    use weft_object::directory::Index;

    /// Seeds that are refused at once would reach nothing, whatever is done to
    /// them.
    #[test]
    fn seeds_are_good_inputs() {
        assert_eq!(calls().len(), 11);
        for seed in notations() {
            let text = String::from_utf8(seed).unwrap();
            assert!(weft_notation::parse(&text).is_ok(), "{text}");
        }
        for seed in handles().iter().filter(|seed| seed.len() == 32) {
            assert!(Handle::try_from(seed.as_slice()).is_ok(), "{seed:?}");
        }
        let indexes = directories().iter().filter(|seed| Index::parse(seed).is_ok()).count();
        assert!(indexes >= 2, "{indexes}");
        assert!(modules().len() >= 16);
    }
}
