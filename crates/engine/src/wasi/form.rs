//! The form of an application of `wasi/1`, and of its value: `docs/wasi.md`.

use weft_object::{Blob, Content, Handle, Kind, Tree};
use weft_wasi::{ClockRule, Finished, Invocation, Limits, Preopen};

use super::ill_formed;
use crate::Run;
use crate::modules::Refusal;
use crate::outcome::NoAnswerKind;

// Behind limits, procedure and program.
pub(crate) const FIRST: usize = 3;

/// `[limits, "wasi/1", program, arguments, environment, stdin, seed, clock,
/// (path, directory)...]`; what is left out at the end is empty. The arguments
/// stand at `first`, which other built-ins have elsewhere.
pub(crate) fn invocation(run: &Run<'_>, first: usize) -> Result<Invocation, Refusal> {
    let rest = run.entries.entries().get(first..).unwrap_or_default();
    let blob = |at: usize, name: &str| match rest.get(at) {
        Some(handle) => bytes(run, handle, name),
        None => Ok(Blob::new(Vec::new())),
    };
    let mut invocation = Invocation {
        arguments: strings(run, rest.first(), "the arguments")?,
        environment: strings(run, rest.get(1), "the environment")?,
        stdin: blob(2, "standard input")?,
        limits: Limits { written_bytes: run.memory_limit_bytes, ..Limits::default() },
        ..Invocation::default()
    };
    invocation.seed = Invocation::seed_of(number(&blob(3, "the seed")?, "the seed")?.unwrap_or(0));
    if let Some(start_ns) = number(&blob(4, "the clock")?, "the clock")? {
        invocation.clock = ClockRule { start_ns, ..ClockRule::default() };
    }
    let pairs = rest.get(5..).unwrap_or_default().chunks(2);
    invocation.preopens = pairs
        .map(|pair| match pair {
            [path, root] => {
                let path = bytes(run, path, "the path of a directory")?.bytes().to_vec();
                Ok(Preopen { path, root: *root })
            }
            _ => Err(ill_formed("a path has no directory behind it".to_owned())),
        })
        .collect::<Result<_, _>>()?;
    Ok(invocation)
}

/// `[exit code, stdout, stderr, directory...]`.
pub(super) struct Value {
    pub(super) handle: Handle,
    pub(super) stdout: Handle,
    pub(super) stderr: Handle,
    /// The content that is new.
    pub(super) made: Vec<(Handle, Content)>,
}

pub(super) fn value(code: u32, finished: Finished) -> Value {
    let mut made = finished.content;
    let mut keep = |blob: Blob| {
        let handle = blob.handle();
        if !handle.is_literal() {
            made.push((handle, Content::Blob(blob)));
        }
        handle
    };
    let (stdout, stderr) = (keep(finished.stdout), keep(finished.stderr));
    value_of(code, stdout, stderr, finished.roots, made)
}

pub(super) fn value_of(
    code: u32,
    stdout: Handle,
    stderr: Handle,
    roots: Vec<Handle>,
    mut made: Vec<(Handle, Content)>,
) -> Value {
    let mut entries = vec![Handle::of_u64(code.into()), stdout, stderr];
    entries.extend(roots);
    let tree = Tree::new(entries);
    let handle = tree.handle();
    made.push((handle, Content::Tree(tree)));
    Value { handle, stdout, stderr, made }
}

/// The bytes of a Blob, Object or Ref.
pub(crate) fn bytes(run: &Run<'_>, handle: &Handle, name: &str) -> Result<Blob, Refusal> {
    if !matches!(handle.kind(), Kind::Blob | Kind::BlobRef) {
        return Err(ill_formed(format!("{name} is {}, not blob", handle.kind())));
    }
    if let Some(bytes) = handle.content().literal_bytes() {
        return Ok(Blob::new(bytes.to_vec()));
    }
    let fetched = run.objects.fetch(handle.content(), run.interrupt);
    let content = fetched.map_err(|why| Refusal::NoAnswer(NoAnswerKind::Missing, why))?;
    content.blob().cloned().ok_or_else(|| ill_formed(format!("{name} is no blob")))
}

/// The bytes of each entry of a Tree.
pub(crate) fn strings(
    run: &Run<'_>,
    handle: Option<&Handle>,
    name: &str,
) -> Result<Vec<Vec<u8>>, Refusal> {
    let Some(handle) = handle else { return Ok(Vec::new()) };
    // As nothing is written shortest.
    if handle.literal_bytes() == Some(b"") {
        return Ok(Vec::new());
    }
    if handle.kind() != Kind::Tree {
        return Err(ill_formed(format!("{name} are {}, not tree", handle.kind())));
    }
    let tree = tree(run, *handle, name)?;
    let bytes = |entry: &Handle| bytes(run, entry, name).map(|blob| blob.bytes().to_vec());
    tree.entries().iter().map(bytes).collect()
}

/// The entries of a Tree that belongs to the footprint.
pub(crate) fn tree(run: &Run<'_>, handle: Handle, name: &str) -> Result<Tree, Refusal> {
    run.objects.tree(handle).ok_or_else(|| {
        let detail = format!("#{handle}, {name}, is not resident");
        Refusal::NoAnswer(NoAnswerKind::Missing, detail)
    })
}

/// A number of up to 8 bytes, little-endian; `None` of none.
pub(super) fn number(blob: &Blob, name: &str) -> Result<Option<u64>, Refusal> {
    let bytes = blob.bytes();
    let mut raw = [0; 8];
    match raw.get_mut(..bytes.len()) {
        None => Err(ill_formed(format!("{name} has {} bytes, not up to 8", bytes.len()))),
        Some(_) if bytes.is_empty() => Ok(None),
        Some(low) => {
            low.copy_from_slice(bytes);
            Ok(Some(u64::from_le_bytes(raw)))
        }
    }
}
