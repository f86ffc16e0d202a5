//! Exports: what goes in comes out, and nothing else does.

use std::collections::BTreeSet;
use std::ops::ControlFlow;

use proptest::prelude::*;
use proptest::test_runner::Config;
use weft_object::{Blob, Handle, Tree};
use weft_store::export::{Broken, Exported, Import, Imported, export, import};
use weft_store::{
    Backend, Content, Cost, FileBackend, Finder, MemoryBackend, Origin, Outcome, Relation,
    StoreError,
};

use crate::scratch::{Scratch, long, tree};

fn put(backend: &MemoryBackend, (handle, content): (Handle, Content)) -> Handle {
    backend.put(&[(handle, content)]).unwrap();
    handle
}

fn write(
    backend: &MemoryBackend,
    root: &Handle,
    relations: &[(Handle, Relation)],
) -> Result<(Vec<u8>, Exported), StoreError> {
    let mut bytes = Vec::new();
    let source = |wanted: &Handle| backend.get(wanted);
    let exported = export(&source, root, relations, &mut bytes, &|_| {})?;
    assert_eq!(exported.bytes, bytes.len() as u64);
    Ok((bytes, exported))
}

fn read(backend: &dyn Backend, bytes: &[u8], trust: bool) -> Result<Imported, StoreError> {
    let options = Import { trust: trust.then(|| "a file".to_owned()) };
    import(backend, &mut { bytes }, &options, &|_| {})
}

/// What a backend knows, without who found it.
fn known(backend: &MemoryBackend) -> Vec<(Handle, Relation)> {
    let mut known = Vec::new();
    let each = backend.each_relation(&mut |key, relation| {
        known.push((*key, Relation { origin: Origin::default(), ..*relation }));
        ControlFlow::Continue(())
    });
    each.unwrap();
    known.sort_unstable_by_key(|(key, _)| *key);
    known
}

/// A directory of sorts, a computation over it, its result and what is known.
struct Example {
    backend: MemoryBackend,
    request: Handle,
    relations: Vec<(Handle, Relation)>,
}

fn example() -> Example {
    let backend = MemoryBackend::new();
    let [module, data, result, log] = [1, 2, 3, 4].map(|n| put(&backend, long(n)));
    let inside = put(&backend, tree(&[data, Handle::of_u64(7)]));
    let other = put(&backend, tree(&[Handle::of_u64(1), module, inside.lower().unwrap()]));
    let nested = other.application().unwrap().strict().unwrap();
    let call = put(&backend, tree(&[Handle::of_u64(1), module, nested]));
    let canonical = put(&backend, tree(&[Handle::of_u64(1), module, result]));
    let value = |handle| Relation {
        notes: Some(log),
        origin: Origin { found_at_s: 77, finder: 5 },
        durable: true,
        ..Relation::new(Outcome::Value(handle), Cost { run_ns: 9, fuel: Some(3) })
    };
    let relations = vec![(other, value(result)), (canonical, value(data))];
    Example { backend, request: call.application().unwrap(), relations }
}

#[test]
fn a_computation_goes_with_its_inputs_and_what_is_known() {
    let Example { backend, request, relations } = example();
    let (bytes, exported) = write(&backend, &request, &relations).unwrap();
    // Also what is behind a Ref, and the results and logs.
    assert_eq!((exported.objects, exported.relations, exported.left_out), (8, 2, 0));
    let (alone, exported) = write(&backend, &request, &[]).unwrap();
    assert_eq!((exported.objects, exported.relations), (5, 0));

    let there = MemoryBackend::new();
    let imported = read(&there, &alone, false).unwrap();
    assert_eq!((imported.root, imported.objects, imported.relations), (request, 5, 0));
    assert!(there.contains(&long(2).0).unwrap() && !there.contains(&long(3).0).unwrap());
    // Nobody's word is taken unless it is trusted.
    let imported = read(&there, &bytes, false).unwrap();
    assert_eq!((imported.objects, imported.relations, imported.taken), (8, 2, 0));
    assert!(known(&there).is_empty() && there.finders().unwrap().is_empty());
    let imported = read(&there, &bytes, true).unwrap();
    assert_eq!((imported.taken, imported.bytes), (2, bytes.len() as u64));
    assert_eq!(there.finders().unwrap(), [Finder { text: "a file".into(), here: false }]);
    let found = there.relation(&relations[0].0).unwrap().unwrap();
    assert_eq!(found, Relation { origin: Origin { found_at_s: 77, finder: 1 }, ..relations[0].1 });
    // From there it can be passed on as it came.
    let again: Vec<_> =
        relations.iter().map(|(key, _)| (*key, there.relation(key).unwrap().unwrap())).collect();
    assert_eq!(write(&there, &request, &again).unwrap().0, bytes);
}

#[test]
fn what_is_not_there_is_missed_and_what_is_not_whole_left_out() {
    let Example { backend, request, relations } = example();
    let absent = long(99).0;
    let top = put(&backend, tree(&[request, absent.lower().unwrap()]));
    let error = write(&backend, &top, &[]).unwrap_err();
    assert!(matches!(error, StoreError::Missing(missing) if missing == absent));
    let lost = Relation::new(Outcome::Value(top), Cost::default());
    let noted = Relation { notes: Some(absent), ..relations[1].1 };
    let all = [relations[0], (relations[1].0, noted), (request.definition().unwrap(), lost)];
    let (bytes, exported) = write(&backend, &request, &all).unwrap();
    assert_eq!((exported.relations, exported.left_out), (2, 1));
    let there = MemoryBackend::new();
    read(&there, &bytes, true).unwrap();
    let kept = there.relation(&relations[1].0).unwrap().unwrap();
    assert_eq!((kept.outcome, kept.notes), (noted.outcome, None));
}

#[test]
fn long_content_goes_by_as_a_stream() {
    let backend = MemoryBackend::new();
    let bytes: Vec<u8> = (0..3_000_001_u32).map(|n| (n / 9) as u8).collect();
    let blob = Content::Blob(Blob::new(bytes.clone()));
    let big = put(&backend, (blob.handle(), blob));
    let wide = Content::Tree(Tree::new(vec![long(1).0; 50_000]));
    put(&backend, long(1));
    let wide = put(&backend, (wide.handle(), wide));
    let root = put(&backend, tree(&[big.lower().unwrap(), wide]));
    let (file, _) = write(&backend, &root, &[]).unwrap();
    let scratch = Scratch::new();
    let there = FileBackend::create(scratch.path()).unwrap();
    for _ in 0..2 {
        assert_eq!(read(&there, &file, false).unwrap().objects, 4);
    }
    assert!(there.get(&big).unwrap().unwrap().blob().unwrap().bytes() == bytes);
    // Changed in the middle of it: whether it is there already or not.
    let at = file.windows(64).position(|window| window == &bytes[1_000_000..1_000_064]).unwrap();
    let mut changed = file.clone();
    changed[at] ^= 1;
    let new = MemoryBackend::new();
    assert_eq!(broken(&new, &changed), Broken::Content(big));
    assert!(!new.contains(&big).unwrap());
    assert_eq!(broken(&there, &changed), Broken::Changed);
    assert!(matches!(broken(&there, &file[..at]), Broken::Ends(end) if end == at as u64));
    assert!(matches!(broken(&new, &file[..at]), Broken::Ends(end) if end == at as u64));
}

#[track_caller]
fn broken(backend: &dyn Backend, bytes: &[u8]) -> Broken {
    match read(backend, bytes, true) {
        Err(StoreError::Export(broken)) => broken,
        other => panic!("{other:?}"),
    }
}

/// Whatever was taken of a file that was refused, it is whole and proves itself,
/// and there is nothing that does not.
fn is_sound(backend: &MemoryBackend, all: &[Handle]) {
    assert!(known(backend).is_empty() && backend.labels().unwrap().is_empty());
    for handle in all {
        let Some(content) = backend.get(handle).unwrap() else { continue };
        assert_eq!(content.handle(), *handle);
        for entry in content.tree().iter().flat_map(|tree| tree.entries()) {
            assert!(backend.contains(entry).unwrap(), "{entry} of {handle}");
        }
    }
}

#[test]
fn every_change_of_a_byte_and_every_end_is_refused() {
    let Example { backend, request, relations } = example();
    let (bytes, _) = write(&backend, &request, &relations).unwrap();
    let tag = [long(1).0, long(2).0, Handle::of_u64(1)];
    let mut all: Vec<Handle> = (1..5).map(|n| long(n).0).collect();
    all.extend([Handle::of_tag(&tag), request.content(), relations[0].0, relations[1].0]);
    let mut words = BTreeSet::new();
    for at in 0..bytes.len() {
        for bit in [1, 0x80] {
            let mut changed = bytes.clone();
            changed[at] ^= bit;
            let there = MemoryBackend::new();
            words.insert(broken(&there, &changed).to_string());
            is_sound(&there, &all);
        }
        let there = MemoryBackend::new();
        let ends = broken(&there, &bytes[..at]);
        assert_eq!(ends, if at < 8 { Broken::Foreign } else { Broken::Ends(at as u64) });
        is_sound(&there, &all);
    }
    for text in [
        "this is no file that `weft export` made",
        "this is an export of version 0, and this program knows version 1; use the program that \
         wrote it",
        "the export is not what was written, somewhere; get it again",
        "the export is damaged at offset 48; get it again",
    ] {
        assert!(words.contains(text), "{text}: {words:#?}");
    }
    let content = format!("the export is damaged in #{}; get it again", long(1).0);
    assert!(words.contains(&content), "{words:#?}");
    let there = MemoryBackend::new();
    let mut longer = bytes.clone();
    longer.push(0);
    assert_eq!(broken(&there, &longer), Broken::Goes(bytes.len() as u64));
    is_sound(&there, &all);
    assert_eq!(broken(&there, b""), Broken::Foreign);
}

/// A file by hand, as the document says.
struct ByHand(Vec<u8>);

impl ByHand {
    fn new(root: Handle) -> Self {
        let mut bytes = b"weftexpt\x01\0\0\0\0\0\0\0".to_vec();
        bytes.extend_from_slice(root.as_bytes());
        Self(bytes)
    }

    fn content(mut self, (handle, content): (Handle, Content)) -> Self {
        self.0.extend_from_slice(&[1, 0, 0, 0, 0, 0, 0, 0]);
        self.0.extend_from_slice(handle.as_bytes());
        match content {
            Content::Blob(blob) => self.0.extend_from_slice(blob.bytes()),
            Content::Tree(tree) | Content::Tag(tree) => self.0.extend_from_slice(&tree.encode()),
        }
        self
    }

    fn value(mut self, key: Handle, run_ns: u64, value: Handle) -> Self {
        self.0.extend_from_slice(&[2, 0, 0, 0, 48, 0, 0, 0]);
        self.0.extend_from_slice(key.as_bytes());
        self.0.extend_from_slice(&[0; 8]);
        self.0.extend_from_slice(&run_ns.to_le_bytes());
        self.0.extend_from_slice(value.as_bytes());
        self
    }

    fn end(mut self, objects: u64, relations: u64) -> Vec<u8> {
        self.0.extend_from_slice(&[0; 8]);
        self.0.extend_from_slice(&objects.to_le_bytes());
        self.0.extend_from_slice(&relations.to_le_bytes());
        let check = blake3::hash(&self.0);
        self.0.extend_from_slice(check.as_bytes());
        self.0
    }
}

#[test]
fn the_bytes_are_those_of_the_document() {
    let backend = MemoryBackend::new();
    put(&backend, long(1));
    let (name, content) = tree(&[Handle::of_u64(1), long(1).0, Handle::of_u64(2)]);
    put(&backend, (name, content.clone()));
    let relation = Relation::new(Outcome::Value(Handle::of_u64(3)), Cost { run_ns: 9, fuel: None });
    let (bytes, _) = write(&backend, &name.application().unwrap(), &[(name, relation)]).unwrap();
    let by_hand = ByHand::new(name.application().unwrap())
        .content(long(1))
        .content((name, content))
        .value(name, 9, Handle::of_u64(3))
        .end(2, 1);
    assert_eq!(bytes, by_hand);
}

#[test]
fn files_that_are_sound_and_not_right_are_refused() {
    let (name, content) = tree(&[long(1).0, long(2).0.lower().unwrap()]);
    let node = || (name, content.clone());
    let below = |above: Handle, below: Handle| Broken::Below(above, below);
    let one = || ByHand::new(name).content(long(1));
    let cases = [
        (one().content(node()).content(long(2)).end(3, 0), below(name, long(2).0)),
        (one().content(long(2)).end(2, 0), below(name, name)),
        (one().value(long(2).0.identification().unwrap(), 1, long(1).0).end(1, 1), {
            let key = long(2).0;
            below(key, key)
        }),
        (one().value(Handle::of_tree(&[]), 1, long(1).0).end(1, 1), {
            let key = Handle::of_tree(&[]);
            below(key, key)
        }),
        (one().content(long(2)).content(node()).end(2, 0), Broken::Changed),
        (one().content(long(2)).content(node()).end(3, 1), Broken::Changed),
        // A key that is nothing one can ask for.
        (one().value(long(1).0, 1, long(1).0).end(1, 1), Broken::Record(48 + 40 + 43)),
    ];
    for (bytes, expected) in cases {
        let there = MemoryBackend::new();
        let found = broken(&there, &bytes);
        assert_eq!(found, expected);
        assert!(!found.to_string().is_empty());
        is_sound(&there, &[name, long(1).0, long(2).0]);
    }
    // Content that was not asked for by its Object's name.
    for handle in [long(1).0.lower().unwrap(), Handle::of_u64(1)] {
        let bytes = ByHand::new(name).content((handle, long(1).1)).end(1, 0);
        assert_eq!(broken(&MemoryBackend::new(), &bytes), Broken::Record(48));
    }
    // What the store has already may be missing in the file.
    let there = MemoryBackend::new();
    put(&there, long(2));
    assert!(read(&there, &one().content(node()).end(2, 0), false).is_ok());
}

#[test]
fn a_mark_is_taken_only_on_trust() {
    let entries = [long(1).0, Handle::of_u64(1), Handle::of_u64(2)];
    let tag = Content::Tag(Tree::new(entries));
    let mark = Handle::of_tag(&entries);
    let bytes = ByHand::new(mark).content(long(1)).content((mark, tag.clone())).end(2, 0);
    let there = MemoryBackend::new();
    let error = read(&there, &bytes, false).unwrap_err();
    assert!(matches!(error, StoreError::Export(Broken::Tag(found)) if found == mark));
    assert!(error.to_string().ends_with("if you trust who made the file, take it with `--trust`"));
    assert!(!there.contains(&mark).unwrap());
    read(&there, &bytes, true).unwrap();
    assert!(there.contains(&mark).unwrap());
    // One that is there is none that was made here.
    read(&there, &bytes, false).unwrap();
}

/// Something of which an object is made: a number, an earlier object, and how
/// it is named.
type Part = (usize, u8);

fn access(handle: Handle, how: u8) -> Handle {
    let made = match how % 5 {
        0 => Some(handle),
        1 => handle.lower(),
        2 => handle.application(),
        3 => handle.identification().and_then(Handle::strict),
        _ => handle.application().and_then(Handle::shallow),
    };
    made.unwrap_or(handle)
}

proptest! {
    #![proptest_config(Config::with_cases(200))]

    /// Random objects over each other: all that the root reaches arrives, and
    /// nothing else, and goes on from there as the same bytes.
    #[test]
    fn what_goes_in_comes_out(
        objects in proptest::collection::vec(
            (0_usize..80, proptest::collection::vec((any::<usize>(), any::<u8>()), 0..5)), 1..25),
        outcomes in proptest::collection::vec((any::<usize>(), any::<usize>(), any::<bool>()), 0..6),
        how in any::<u8>(),
    ) {
        let backend = MemoryBackend::new();
        let mut made: Vec<Handle> = vec![Handle::of_u64(5)];
        for (length, parts) in &objects {
            let parts: &[Part] = parts;
            made.push(match parts.is_empty() {
                true => {
                    let blob = Content::Blob(Blob::new(vec![made.len() as u8; *length]));
                    put(&backend, (blob.handle(), blob))
                }
                false => {
                    let entries: Vec<Handle> =
                        parts.iter().map(|(at, how)| access(made[at % made.len()], *how)).collect();
                    put(&backend, tree(&entries))
                }
            });
        }
        let root = access(made[made.len() - 1], how);
        let relations: Vec<(Handle, Relation)> = outcomes.iter().filter_map(|(key, value, failed)| {
            let key = access(made[key % made.len()], 3);
            let value = made[value % made.len()];
            let outcome = if *failed { Outcome::Failure(value) } else { Outcome::Value(value) };
            (key.thunk().is_some()).then_some((key, Relation::new(outcome, Cost::default())))
        }).collect();
        let (bytes, exported) = write(&backend, &root, &relations).unwrap();
        prop_assert_eq!(exported.left_out, 0);
        let there = MemoryBackend::new();
        let imported = read(&there, &bytes, true).unwrap();
        prop_assert_eq!((imported.root, imported.objects), (root, exported.objects));
        let roots = relations.iter().flat_map(|(key, known)| [*key, known.outcome.handle()]);
        let wanted = reached(&backend, roots.chain([root]).collect());
        for handle in &made {
            let expected = handle.is_literal() || wanted.contains(handle);
            prop_assert_eq!(there.contains(handle).unwrap(), expected);
        }
        let again: Vec<(Handle, Relation)> = relations.iter()
            .map(|(key, _)| (*key, there.relation(key).unwrap().unwrap())).collect();
        for (key, relation) in &again {
            let last = relations.iter().rev().find(|(other, _)| other == key).unwrap();
            prop_assert_eq!(relation.outcome, last.1.outcome);
        }
        let plain = write(&backend, &root, &[]).unwrap().0;
        prop_assert_eq!(write(&there, &root, &[]).unwrap().0, plain);
    }

    #[test]
    fn any_bytes_are_an_export_or_none(
        bytes in proptest::collection::vec(any::<u8>(), 0..300),
        begins in any::<bool>(),
    ) {
        let mut file = if begins { ByHand::new(long(1).0).content(long(1)).0 } else { Vec::new() };
        file.extend_from_slice(&bytes);
        weft_store::export::fuzz_export(&file);
        let there = MemoryBackend::new();
        prop_assert!(read(&there, &file, true).is_err());
        is_sound(&there, &[long(1).0]);
    }
}

/// The obvious way.
fn reached(backend: &MemoryBackend, roots: Vec<Handle>) -> BTreeSet<Handle> {
    let mut reached = BTreeSet::new();
    let mut open = roots;
    while let Some(handle) = open.pop() {
        let object = handle.content();
        if !object.is_literal() && reached.insert(object) {
            let content = backend.get(&object).unwrap().unwrap();
            open.extend(content.tree().iter().flat_map(|tree| tree.entries()));
        }
    }
    reached
}
