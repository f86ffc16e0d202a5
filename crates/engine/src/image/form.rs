//! An image as a Tree: `docs/image.md`.

use std::collections::HashSet;
use std::ops::Range;

use wasmtime::Val;
use weft_object::{Blob, Content, Handle, Kind, Tree};
use weft_wasi::Suspended;

use super::{RESTORE, ill_formed};
use crate::Run;
use crate::digest::ByDigest;
use crate::modules::Refusal;
use crate::outcome::NoAnswerKind;
use crate::rewrite::image::data;

/// What the first entry says.
pub(super) const VERSION: &[u8] = b"weft image 1";
const FAMILY: &[u8] = b"weft image ";

/// Whether a Tree begins as an image, of whatever version.
pub(super) fn is_image(tree: &Tree) -> bool {
    let first = tree.entries().first().and_then(Handle::literal_bytes);
    first.is_some_and(|first| first.starts_with(FAMILY))
}

/// A page of memory: what is shared, compressed and brought in by itself.
pub(super) const PAGE_BYTES: usize = 4096;

/// Pages in a Tree: two images that differ in a page have two such Trees more.
const CHUNK_PAGES: usize = 256;

/// What they come to.
pub(super) const CHUNK_BYTES: usize = CHUNK_PAGES * PAGE_BYTES;

/// An image, but for its pages.
pub(super) struct Form {
    pub(super) program: Handle,
    pub(super) globals: Vec<Val>,
    /// The process of a program; none of a codelet.
    pub(super) suspended: Option<Suspended>,
    /// Of each memory its length in bytes, and its Tree.
    pub(super) memories: Vec<(u64, Handle)>,
}

/// Content in the making, each once.
#[derive(Default)]
pub(super) struct Made {
    pub(super) content: Vec<(Handle, Content)>,
    known: HashSet<Handle, ByDigest>,
    pub(super) bytes: u64,
}

impl Made {
    pub(super) fn blob(&mut self, bytes: &[u8]) -> Handle {
        let handle = Handle::of_blob(bytes);
        if !handle.is_literal() && self.known.insert(handle) {
            self.bytes += bytes.len() as u64;
            self.content.push((handle, Content::Blob(Blob::new(bytes.to_vec()))));
        }
        handle
    }

    pub(super) fn tree(&mut self, entries: Vec<Handle>) -> Handle {
        let tree = Tree::new(entries);
        let handle = tree.handle();
        if self.known.insert(handle) {
            self.bytes += 32 * tree.entries().len() as u64;
            self.content.push((handle, Content::Tree(tree)));
        }
        handle
    }

    fn strings(&mut self, strings: Option<&[Vec<u8>]>) -> Handle {
        let strings = strings.unwrap_or_default().iter().map(|text| self.blob(text)).collect();
        self.tree(strings)
    }

    /// The pages of some memory. One of zeros is the empty Blob, and one that is
    /// as the program's data is says so.
    pub(super) fn chunk(&mut self, memory: &[u8], data: Option<&Data>, at: usize) -> Handle {
        let begun = data.map_or_else(|| vec![0; memory.len()], |data| data.at(at, memory.len()));
        let begun = begun.chunks(PAGE_BYTES);
        let pages = memory.chunks(PAGE_BYTES).zip(begun).map(|(page, begun)| match page {
            page if is_zero(page) => Handle::EMPTY,
            page if page == begun => Handle::of_blob(OF_DATA),
            page => self.blob(page),
        });
        let pages: Vec<_> = pages.collect();
        match pages.iter().all(|page| page.literal_bytes() == Some(b"")) {
            true => Handle::EMPTY,
            false => self.tree(pages),
        }
    }
}

/// More than the pool has for a module, and than anybody's compiler makes.
const MEMORIES_MAX: usize = 16;

/// A page in the place of which the program's data stands: of what has much of that
/// half a memory, which need not be kept twice.
pub(super) const OF_DATA: &[u8] = b"data";

/// What a program's memory begins with.
pub(super) struct Data {
    binary: Blob,
    /// Where each segment is put, and where it stands in the module.
    segments: Vec<(usize, Range<usize>)>,
}

impl Data {
    /// Of a module; none of one that is refused for it.
    pub(super) fn of(binary: Blob) -> Self {
        let begin = binary.bytes().as_ptr().addr();
        let segments = data(binary.bytes()).unwrap_or_default();
        let segments = segments.into_iter().map(|(at, bytes)| {
            let from = bytes.as_ptr().addr() - begin;
            (at as usize, from..from + bytes.len())
        });
        Self { segments: segments.collect(), binary }
    }

    /// Puts it into a memory, or a part of one that begins at an address.
    pub(super) fn put(&self, memory: &mut [u8], at: usize) {
        for (begin, there) in &self.segments {
            let bytes = &self.binary.bytes()[there.clone()];
            let from = (*begin).max(at);
            let to = (begin + bytes.len()).min(at + memory.len());
            if from < to {
                memory[from - at..to - at].copy_from_slice(&bytes[from - begin..to - begin]);
            }
        }
    }

    /// Whether all of it is within so many bytes.
    pub(super) fn fits(&self, memory_bytes: usize) -> bool {
        self.segments.iter().all(|(at, bytes)| at + bytes.len() <= memory_bytes)
    }

    /// What so many bytes from an address on begin with. Of a whole chunk at once:
    /// there may be many segments.
    pub(super) fn at(&self, at: usize, length: usize) -> Vec<u8> {
        let mut begun = vec![0; length];
        self.put(&mut begun, at);
        begun
    }
}

fn is_zero(page: &[u8]) -> bool {
    let (words, rest) = page.as_chunks::<16>();
    words.iter().all(|word| u128::from_ne_bytes(*word) == 0) && rest.iter().all(|byte| *byte == 0)
}

/// The parts of an image that are no pages, as its Tree has them.
pub(super) fn tree(
    made: &mut Made,
    program: Handle,
    globals: &[Val],
    suspended: Option<&Suspended>,
    memories: Vec<Handle>,
) -> Option<Handle> {
    let mut values = Vec::new();
    for value in globals {
        values.extend(encode(value)?);
    }
    let mut entries = vec![made.blob(VERSION), program, made.blob(&values)];
    if let Some(suspended) = suspended {
        let directories = suspended.directories.iter().flat_map(|(preopen, _)| {
            [made.blob(&preopen.path), preopen.root.lower().unwrap_or(preopen.root)]
        });
        let directories = directories.collect();
        entries.extend([
            made.blob(&suspended.encode()),
            made.strings(suspended.arguments.as_deref()),
            made.strings(suspended.environment.as_deref()),
            made.blob(suspended.stdout.bytes()),
            made.blob(suspended.stderr.bytes()),
            made.tree(directories),
        ]);
    }
    entries.push(made.tree(memories));
    Some(made.tree(entries))
}

const VALUE_BYTES: usize = 17;

/// The type and 16 bytes, little-endian.
fn encode(value: &Val) -> Option<[u8; VALUE_BYTES]> {
    let (ty, bits) = match *value {
        Val::I32(value) => (0, u128::from(value.cast_unsigned())),
        Val::I64(value) => (1, u128::from(value.cast_unsigned())),
        Val::F32(bits) => (2, u128::from(bits)),
        Val::F64(bits) => (3, u128::from(bits)),
        Val::V128(value) => (4, value.as_u128()),
        _ => return None,
    };
    let mut bytes = [ty; VALUE_BYTES];
    bytes[1..].copy_from_slice(&bits.to_le_bytes());
    Some(bytes)
}

fn decode(bytes: &[u8; VALUE_BYTES]) -> Option<Val> {
    let bits = u128::from_le_bytes(bytes[1..].try_into().ok()?);
    Some(match bytes[0] {
        0 => Val::I32(u32::try_from(bits).ok()?.cast_signed()),
        1 => Val::I64(u64::try_from(bits).ok()?.cast_signed()),
        2 => Val::F32(u32::try_from(bits).ok()?),
        3 => Val::F64(u64::try_from(bits).ok()?),
        4 => Val::V128(bits.into()),
        _ => return None,
    })
}

impl Form {
    /// Reads the image that an application goes on from.
    pub(super) fn read(run: &Run<'_>, image: Handle) -> Result<Self, Refusal> {
        let reader = Reader { run, image };
        let entries = reader.tree(image, "it")?;
        let entries = entries.entries();
        match entries.first().and_then(Handle::literal_bytes) {
            Some(VERSION) => {}
            Some(other) if other.starts_with(FAMILY) => {
                let detail = format!(
                    "image/1: #{image} is a `{}`, and this program knows `{}`; make it anew",
                    other.escape_ascii(),
                    VERSION.escape_ascii()
                );
                return Err(Refusal::NoAnswer(NoAnswerKind::Unsupported, detail));
            }
            _ => return Err(reader.broken("it does not begin as one")),
        }
        let [_, program, globals, process @ .., memories] = entries else {
            return Err(reader.broken("it has fewer than four entries"));
        };
        let globals = reader.blob(*globals, "its globals")?;
        let (values, rest) = globals.bytes().as_chunks::<VALUE_BYTES>();
        let values: Option<Vec<_>> = values.iter().map(decode).collect();
        let values = values.filter(|_| rest.is_empty());
        let globals = values.ok_or_else(|| reader.broken("its globals are no values"))?;
        let suspended = match process {
            [] => None,
            process => Some(reader.process(process)?),
        };
        let memories = reader.tree(*memories, "its memories")?;
        if memories.entries().len() > MEMORIES_MAX {
            return Err(reader.broken("it has more memories than a program can have"));
        }
        let memories = memories.entries().iter().map(|memory| {
            let tree = reader.tree(*memory, "a memory")?;
            Ok((reader.length(&tree)?, *memory))
        });
        let memories = memories.collect::<Result<_, Refusal>>()?;
        Ok(Self { program: *program, globals, suspended, memories })
    }
}

/// Reads what an image is made of.
pub(super) struct Reader<'a> {
    pub(super) run: &'a Run<'a>,
    pub(super) image: Handle,
}

impl Reader<'_> {
    pub(super) fn broken(&self, what: &str) -> Refusal {
        ill_formed(RESTORE, format_args!("#{} is no image: {what}", self.image))
    }

    fn content(&self, handle: Handle) -> Result<Content, Refusal> {
        let fetched = self.run.objects.fetch(handle.content(), self.run.interrupt);
        fetched.map_err(|why| Refusal::NoAnswer(NoAnswerKind::Missing, why))
    }

    pub(super) fn tree(&self, handle: Handle, what: &str) -> Result<Tree, Refusal> {
        if !matches!(handle.kind(), Kind::Tree | Kind::TreeRef) {
            return Err(self.broken(&format!("{what} is {}, not tree", handle.kind())));
        }
        let content = self.content(handle)?;
        content.tree().cloned().ok_or_else(|| self.broken(&format!("{what} is no tree")))
    }

    pub(super) fn blob(&self, handle: Handle, what: &str) -> Result<Blob, Refusal> {
        if let Some(bytes) = handle.content().literal_bytes() {
            return Ok(Blob::new(bytes.to_vec()));
        }
        if !matches!(handle.kind(), Kind::Blob | Kind::BlobRef) {
            return Err(self.broken(&format!("{what} is {}, not blob", handle.kind())));
        }
        let content = self.content(handle)?;
        content.blob().cloned().ok_or_else(|| self.broken(&format!("{what} is no blob")))
    }

    /// What a program's host has to know to go on.
    fn process(&self, entries: &[Handle]) -> Result<Suspended, Refusal> {
        let &[process, arguments, environment, stdout, stderr, directories] = entries else {
            return Err(self.broken("it has neither four entries nor ten"));
        };
        let streams = (self.blob(stdout, "its output")?, self.blob(stderr, "its errors")?);
        let pairs = self.tree(directories, "its directories")?;
        let (pairs, rest) = pairs.entries().as_chunks::<2>();
        if !rest.is_empty() {
            return Err(self.broken("a path has no directory behind it"));
        }
        let directories = pairs
            .iter()
            .map(|[path, root]| Ok((self.blob(*path, "a path")?.bytes().to_vec(), *root)));
        let directories = directories.collect::<Result<Vec<_>, Refusal>>()?;
        let process = self.blob(process, "its process")?;
        let strings = (
            self.strings(arguments, "its arguments")?,
            self.strings(environment, "its environment")?,
        );
        let suspended = Suspended::decode(process.bytes(), strings, streams, directories);
        suspended.ok_or_else(|| self.broken("its process is none"))
    }

    fn strings(&self, handle: Handle, what: &str) -> Result<Vec<Vec<u8>>, Refusal> {
        let tree = self.tree(handle, what)?;
        let text = |text: &Handle| self.blob(*text, what).map(|blob| blob.bytes().to_vec());
        tree.entries().iter().map(text).collect()
    }

    /// What a memory's Tree says of its length, which is that of its chunks.
    fn length(&self, memory: &Tree) -> Result<u64, Refusal> {
        let wrong = || self.broken("a memory is not as long as it says");
        let length = memory.entries().first().and_then(Handle::literal_bytes);
        let length = length.and_then(|bytes| bytes.try_into().ok()).map(u64::from_le_bytes);
        let length = length.ok_or_else(wrong)?;
        let chunks = length.div_ceil(CHUNK_BYTES as u64);
        let is_whole = length.is_multiple_of(1 << 16);
        match is_whole && memory.entries().len() as u64 == chunks + 1 {
            true => Ok(length),
            false => Err(wrong()),
        }
    }
}
