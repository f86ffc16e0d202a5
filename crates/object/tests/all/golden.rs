//! Names that were given out and can never change.
//!
//! Each line of `golden/handles.txt` is a description, the content of the
//! Object below (hex, or `i%251*N` for the first N bytes of the input that
//! BLAKE3's authors use for their vectors) and the handle. A difference means
//! that stores and relations out there are lost: set `WEFT_GOLDEN=write` only
//! for a new meaning of handles.

use std::fmt::Write;

use weft_object::{Handle, Kind, Selection, Tree};

const GOLDEN: &str = include_str!("../golden/handles.txt");

fn pattern(length: usize) -> Vec<u8> {
    (0..length).map(|i| (i % 251) as u8).collect()
}

/// What Miri would take minutes to hash; other tests have it hash more than one chunk.
const IS_HASHED: bool = !cfg!(miri);

/// The Blob of so many bytes of the pattern.
fn patterned(length: usize) -> Handle {
    let what = format!("blob of {length} bytes | i%251*{length} | ");
    match GOLDEN.lines().find_map(|line| line.strip_prefix(&what)) {
        Some(text) if !IS_HASHED => text.parse().unwrap(),
        _ => Handle::of_blob(&pattern(length)),
    }
}

fn hex(bytes: &[u8]) -> String {
    bytes.iter().map(|byte| format!("{byte:02x}")).collect()
}

struct Lines(String);

impl Lines {
    fn add(&mut self, what: &str, content: &str, handle: Handle) -> Handle {
        writeln!(self.0, "{what} | {content} | {handle}").unwrap();
        handle
    }

    fn blob(&mut self, what: &str, bytes: &[u8]) -> Handle {
        self.add(what, &hex(bytes), Handle::of_blob(bytes))
    }

    fn tree(&mut self, what: &str, entries: &[Handle]) -> Handle {
        let content = hex(&Tree::new(entries).encode());
        self.add(what, &content, Handle::of_tree(entries))
    }
}

fn vectors() -> String {
    let mut lines = Lines(String::new());
    let empty = lines.blob("blob of 0 bytes", b"");
    let byte = lines.blob("blob of 1 byte", b"w");
    lines.blob("blob of 8 bytes, the number 7", &7u64.to_le_bytes());
    lines.blob("blob of 30 bytes, the longest literal", &pattern(30));
    let blob = lines.blob("blob of 31 bytes, the shortest with a digest", &pattern(31));
    let kib = lines.add("blob of 1024 bytes", "i%251*1024", patterned(1024));
    let big = lines.add("blob of 100000 bytes", "i%251*100000", patterned(100_000));

    let nothing = lines.tree("tree of nothing", &[]);
    let flat = lines.tree("tree of literals", &[empty, byte]);
    let nested = lines.tree("tree of trees and blobs", &[nothing, flat, blob, kib, big]);
    let nine = [byte, byte, byte, byte, byte, byte, byte, byte, byte];
    lines.tree("tree of 9 entries", &nine);
    let flat_content = hex(&Tree::new([empty, byte]).encode());
    let blob_content = hex(&pattern(31));

    let entries = [byte, flat, blob];
    let tag = lines.add("tag", &hex(&Tree::new(entries).encode()), Handle::of_tag(&entries));
    let tag_content = hex(&Tree::new(entries).encode());

    let data = [
        ("literal", empty, String::new()),
        ("blob", blob, blob_content.clone()),
        ("tree", flat, flat_content.clone()),
        ("tag", tag, tag_content),
    ];
    let mut thunks = Vec::new();
    for (what, object, content) in &data {
        let lowered = object.lower().unwrap();
        if lowered.kind().is_ref() {
            lines.add(&format!("ref to the {what}"), content, lowered);
            let thunk = lowered.identification().unwrap();
            lines.add(&format!("identification of the ref to the {what}"), content, thunk);
        }
        let thunk = object.identification().unwrap();
        lines.add(&format!("identification of the {what}"), content, thunk);
        thunks.push((format!("the identification of the {what}"), content.clone(), thunk));
    }
    let application =
        lines.add("application of the tree", &flat_content, flat.application().unwrap());
    thunks.push(("the application".into(), flat_content, application));
    for (what, part) in [
        ("an entry", Selection::Entry(3)),
        ("a range", Selection::Range(0, 4096)),
        ("a path", Selection::Path(Handle::of_blob(b"path/in/it"))),
        ("a digest", Selection::Digest(0, 4)),
    ] {
        let definition = part.definition(nested.lower().unwrap());
        let content = hex(&Tree::new(&definition[..]).encode());
        let thunk = Handle::of_tree(&definition).selection().unwrap();
        lines.add(&format!("selection of {what}"), &content, thunk);
        thunks.push((format!("the selection of {what}"), content, thunk));
    }
    for (what, content, thunk) in &thunks {
        lines.add(&format!("strict encode of {what}"), content, thunk.strict().unwrap());
        lines.add(&format!("shallow encode of {what}"), content, thunk.shallow().unwrap());
    }

    let encode = application.strict().unwrap();
    let asking = lines.tree("tree with an encode", &[byte, encode]);
    lines.tree("tree with an encode below", &[asking]);
    lines.tree("tree with an encode behind a ref", &[asking.lower().unwrap()]);
    lines.tree("tree with an encode behind a thunk", &[asking.application().unwrap()]);

    // A Tree of one Blob of each size: its facts byte is the code under test.
    let sizes = (0..47).flat_map(|octave| [1 << octave, 3 << octave, 7 << octave]);
    for size in sizes.filter(|size| (31..Handle::LENGTH_MAX).contains(size)) {
        let blob = Handle::of_blob_digest(&[0; 32], size).unwrap();
        lines.tree(&format!("footprint of a blob of {size} bytes"), &[blob]);
    }
    lines.0
}

#[test]
fn names_are_what_they_were() {
    let now = vectors();
    if std::env::var_os("WEFT_GOLDEN").is_some_and(|value| value == "write") {
        let path = concat!(env!("CARGO_MANIFEST_DIR"), "/tests/golden/handles.txt");
        std::fs::write(path, now).unwrap();
        return;
    }
    for (line, (was, is)) in GOLDEN.lines().zip(now.lines()).enumerate() {
        assert_eq!(was, is, "line {} of golden/handles.txt", line + 1);
    }
    assert_eq!(GOLDEN, now);
}

/// The file by itself: every handle decodes, and the content beside it is what
/// the handle names.
#[test]
fn names_fit_their_content() {
    for line in GOLDEN.lines() {
        let [what, content, text] = line.split(" | ").collect::<Vec<_>>()[..] else {
            panic!("three columns: {line}")
        };
        let content = match content.strip_prefix("i%251*") {
            Some(_) if !IS_HASHED => continue,
            Some(length) => pattern(length.parse().unwrap()),
            None => (0..content.len() / 2)
                .map(|at| u8::from_str_radix(&content[2 * at..2 * at + 2], 16).unwrap())
                .collect(),
        };
        let handle: Handle = text.parse().unwrap();
        match handle.content().kind() {
            Kind::Blob => handle.check_blob(&content).unwrap(),
            _ => drop(handle.check_tree(&content).unwrap()),
        }
        let bit = !what.contains("behind");
        if what.starts_with("tree with an encode") {
            assert_eq!(handle.has_encode(), bit, "{what}");
        }
    }
}
