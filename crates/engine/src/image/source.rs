//! The pages of an image, read from its Tree.

use std::cmp::Ordering;

use weft_object::{Blob, Handle, Kind, Tree};

use super::fetched;
use super::form::{CHUNK_BYTES, Data, Form, OF_DATA, PAGE_BYTES, Reader};
use super::pages::interrupted;
use crate::Run;
use crate::modules::Refusal;

/// Which pages there are, of each memory and chunk; none of what is zeros alone.
///
/// All that can be wrong with an image is found out here, from names: whether one of
/// its pages is touched changes no outcome.
pub(super) struct Chunks(Vec<Vec<Option<Tree>>>);

impl Chunks {
    pub(super) fn read(run: &Run<'_>, image: Handle, form: &Form) -> Result<Self, Refusal> {
        let reader = Reader { run, image };
        let memories = form.memories.iter().map(|(bytes, root)| {
            let root = reader.tree(*root, "a memory")?;
            let chunks = (0..).zip(root.entries().iter().skip(1));
            let chunk = |(number, handle): (u64, &Handle)| {
                let rest = bytes.saturating_sub(number * CHUNK_BYTES as u64);
                chunk(&reader, *handle, rest.min(CHUNK_BYTES as u64) as usize / PAGE_BYTES)
            };
            chunks.map(chunk).collect()
        });
        memories.collect::<Result<_, _>>().map(Self)
    }
}

fn chunk(reader: &Reader<'_>, handle: Handle, pages: usize) -> Result<Option<Tree>, Refusal> {
    if reader.run.interrupt.is_set() {
        return Err(interrupted());
    }
    if handle.literal_bytes() == Some(b"") {
        return Ok(None);
    }
    let tree = reader.tree(handle, "a part of a memory")?;
    for page in tree.entries() {
        let is_page = match page.literal_bytes() {
            Some(literal) => literal.is_empty() || literal == OF_DATA,
            None => page.length() == Some(PAGE_BYTES as u64),
        };
        if !matches!(page.kind(), Kind::Blob | Kind::BlobRef) || !is_page {
            return Err(reader.broken("a page of it is none"));
        }
    }
    match tree.entries().len().cmp(&pages) {
        Ordering::Less => Err(reader.broken("pages of it are missing")),
        Ordering::Equal => Ok(Some(tree)),
        Ordering::Greater => Err(reader.broken("it has more pages than it says")),
    }
}

/// Reads pages.
pub(super) struct Source<'a> {
    reader: Reader<'a>,
    chunks: &'a Chunks,
    module: Handle,
    data: Option<Data>,
}

impl<'a> Source<'a> {
    pub(super) fn new(run: &'a Run<'a>, image: Handle, chunks: &'a Chunks, module: Handle) -> Self {
        Self { reader: Reader { run, image }, chunks, module, data: None }
    }

    /// Reads pages of a memory from an address on, into zeros; all of them are of one
    /// chunk.
    pub(super) fn read(
        &mut self,
        memory: usize,
        at: usize,
        target: &mut [u8],
    ) -> Result<(), Refusal> {
        if self.reader.run.interrupt.is_set() {
            return Err(interrupted());
        }
        let Some(tree) = &self.chunks.0[memory][at / CHUNK_BYTES] else { return Ok(()) };
        let pages = tree.entries().iter().skip(at % CHUNK_BYTES / PAGE_BYTES);
        let is_data = |page: &Handle| page.literal_bytes() == Some(OF_DATA);
        let mut begun = Vec::new();
        for (number, page) in pages.take(target.len() / PAGE_BYTES).enumerate() {
            let place = number * PAGE_BYTES..(number + 1) * PAGE_BYTES;
            if is_data(page) {
                if begun.is_empty() {
                    begun = self.data(memory, at, target.len())?;
                }
                target[place.clone()].copy_from_slice(&begun[place]);
                continue;
            }
            match self.reader.blob(*page, "a page")?.bytes() {
                [] => {}
                bytes => target[place].copy_from_slice(bytes),
            }
        }
        Ok(())
    }

    /// What the program's data is from an address on. All of it is memory 0's.
    fn data(&mut self, memory: usize, at: usize, length: usize) -> Result<Vec<u8>, Refusal> {
        if memory != 0 {
            return Ok(vec![0; length]);
        }
        let data = match &self.data {
            Some(data) => data,
            None => {
                let binary = match fetched(self.reader.run, &self.module) {
                    Some(module) => module?,
                    None => Blob::new(self.module.literal_bytes().unwrap_or_default().to_vec()),
                };
                self.data.insert(Data::of(binary))
            }
        };
        Ok(data.at(at, length))
    }
}
