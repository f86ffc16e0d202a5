//! Fuzz targets: plain functions over bytes, each with its oracle. They panic
//! where a promise is broken and say nothing otherwise.
//!
//! They are run with seeded inputs by the tests, for ten seconds in CI, and
//! under a coverage-guided fuzzer where one is installed.

use weft_object::{Handle, Prefix, Selection, Tree};

use crate::{Budget, Nothing, Resolver, build, describe, parse};

/// Bytes as handles, as the content of a Tree and as the text of a handle.
///
/// Oracle: what decodes encodes to the same bytes, by every way in; what is
/// derived from it decodes; the operations undo one another; content is
/// accepted under its own name and under no other sort's.
pub fn fuzz_handle(data: &[u8]) {
    for chunk in data.chunks(32) {
        // The last bytes too: padded, they are often literals.
        let mut raw = [0; 32];
        raw[32 - chunk.len()..].copy_from_slice(chunk);
        if let Ok(handle) = Handle::decode(&raw) {
            assert_eq!(handle.as_bytes(), &raw);
            handle_laws(handle);
        }
    }
    if let Ok(tree) = Tree::decode(data) {
        assert_eq!(tree.encode(), data);
        assert_eq!(tree.handle().check_tree(data), Ok(tree.clone()));
        if let Some(tag) = tree.tag_handle() {
            assert_eq!(tag.check_tree(data), Ok(tree.clone()));
            assert_ne!(tag.as_bytes()[..24], tree.handle().as_bytes()[..24]);
        }
        if let Some((target, selection)) = Selection::parse(tree.entries()) {
            assert_eq!(selection.definition(target), tree.entries());
        }
    }
    let blob = Handle::of_blob(data);
    assert_eq!(blob.check_blob(data), Ok(()));
    assert_eq!(blob.is_literal(), data.len() <= Handle::LITERAL_MAX);
    if let Ok(text) = std::str::from_utf8(data) {
        if let Ok(handle) = text.parse::<Handle>() {
            assert_eq!(handle.to_string(), text);
        }
        if let Ok(prefix) = Prefix::parse(text) {
            assert_eq!(prefix.digits(), text.len());
        }
    }
}

fn handle_laws(handle: Handle) {
    let kind = handle.kind();
    let sorts = [kind.is_object(), kind.is_ref(), kind.is_thunk(), kind.is_encode()];
    assert_eq!(sorts.iter().filter(|&&is| is).count(), 1);
    assert_eq!(handle.length().is_some(), kind.is_data());
    let text = handle.to_string();
    assert_eq!(text.parse(), Ok(handle));
    assert!(Prefix::parse(&text[..9]).is_ok_and(|prefix| prefix.matches(&handle)));

    let derived = [
        (handle.application(), Handle::definition as fn(Handle) -> Option<Handle>),
        (handle.identification(), Handle::definition),
        (handle.selection(), Handle::definition),
        (handle.strict(), Handle::thunk),
        (handle.shallow(), Handle::thunk),
    ];
    for (made, undo) in derived {
        if let Some(made) = made {
            assert_eq!(Handle::decode(made.as_bytes()), Ok(made));
            assert_eq!(undo(made), Some(handle));
        }
    }
    if let (Some(lifted), Some(lowered)) = (handle.lift(), handle.lower()) {
        assert_eq!(lifted.lower(), Some(lowered));
        assert_eq!(lowered.lift(), Some(lifted));
        assert!(handle == lifted || handle == lowered);
    }
    assert_eq!(handle.content().content(), handle.content());
    if let Some(bytes) = handle.literal_bytes() {
        assert_eq!(Handle::of_blob(bytes), handle);
    }
    round_trip(handle);
}

/// Bytes as the text of an expression.
///
/// Oracle: parsing ends, in an expression or in an error with a place in the
/// text and something expected there. An expression prints to text that parses
/// to it again and prints the same. Built with a resolver that only hashes, it
/// gives the handle that its printed text gives; an error of kinds lies within
/// the text; and the handle described is the handle again.
pub fn fuzz_notation(data: &[u8]) {
    let source = String::from_utf8_lossy(data);
    let expr = match parse(&source) {
        Ok(expr) => expr,
        Err(error) => {
            assert!(source.is_char_boundary(error.offset()));
            assert!(!error.expected().is_empty());
            assert!(error.render(&source).contains('^'));
            return;
        }
    };
    let printed = expr.to_string();
    let again = parse(&printed).expect("what is printed parses");
    assert_eq!(again, expr);
    assert_eq!(again.to_string(), printed);
    match build(&expr, &mut Names) {
        Ok(handle) => {
            assert_eq!(build(&again, &mut Names).ok(), Some(handle));
            assert_eq!(Handle::decode(handle.as_bytes()), Ok(handle));
            round_trip(handle);
        }
        Err(error) => {
            let span = error.span();
            assert!(span.start < span.end && source.get(span.start..span.end).is_some());
            assert!(build(&again, &mut Names).is_err());
        }
    }
}

fn round_trip(handle: Handle) {
    let text = describe(handle, &mut Nothing, Budget::default()).to_string();
    let expr = parse(&text).expect("what is described parses");
    assert_eq!(build(&expr, &mut Names).ok(), Some(handle));
}

/// Names things by hashing and keeps nothing. Paths, labels and prefixes are
/// some data that depends on them.
struct Names;

impl Resolver for Names {
    type Error = std::convert::Infallible;

    fn path(&mut self, path: &[u8]) -> Result<Handle, Self::Error> {
        Ok(Handle::of_blob(path))
    }

    fn label(&mut self, label: &str) -> Result<Handle, Self::Error> {
        Ok(Handle::of_tree(&[Handle::of_blob(label.as_bytes())]))
    }

    fn prefix(&mut self, prefix: &Prefix) -> Result<Handle, Self::Error> {
        Ok(Handle::of_blob(prefix.low()))
    }

    fn put_blob(&mut self, bytes: &[u8]) -> Result<Handle, Self::Error> {
        Ok(Handle::of_blob(bytes))
    }

    fn put_tree(&mut self, entries: &[Handle]) -> Result<Handle, Self::Error> {
        Ok(Handle::of_tree(entries))
    }
}
