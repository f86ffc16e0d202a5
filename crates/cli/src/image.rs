//! Images as commands see them: docs/image.md has the form.

use std::os::unix::ffi::OsStrExt;
use std::path::Path;

use weft_object::{Blob, Content, Handle, Kind, Tree};
use weft_store::{Backend, StoreError};
use weft_wasi::Suspended;

use crate::argument;
use crate::commands::Given;
use crate::exit::{Code, Exit};

/// The bytes of a page.
pub(crate) const PAGE_BYTES: u64 = 4096;

/// How an image begins, of whatever version.
const FAMILY: &[u8] = b"weft image ";
const VERSION: &[u8] = b"weft image 1";

/// Pages in a Tree.
const CHUNK_PAGES: u64 = 256;

/// More than a program can have here; so much a listing counts.
const PAGES_MAX: u64 = 1 << 22;

/// An image, but for its pages.
pub(crate) struct Image {
    pub(crate) handle: Handle,
    pub(crate) program: Handle,
    /// The process of a program; none of a function for `weft eval`.
    suspended: Option<Suspended>,
    memories: Vec<Handle>,
}

/// A page: which memory, where in it, and what.
pub(crate) type Page = ((usize, u64), Handle);

impl Image {
    /// What was named in the place of a program, if that is no file.
    pub(crate) fn named(given: &Given<'_>, path: &Path) -> Result<Option<Self>, Exit> {
        if !is_named(path) {
            return Ok(None);
        }
        let handle = argument::data(path.as_os_str(), given.terminal)?.1;
        Self::read(&*given.place.backend, handle).map(Some)
    }

    /// The image under a handle.
    pub(crate) fn read(backend: &dyn Backend, handle: Handle) -> Result<Self, Exit> {
        let none = |what: &str| {
            let text = format!("#{handle} is no image: {what}; `weft image` makes one");
            Exit::new(Code::Other, text)
        };
        if !matches!(handle.kind(), Kind::Tree | Kind::TreeRef) {
            return Err(none(&format!("it is {}", handle.kind())));
        }
        let image = tree(backend, handle)?;
        if !is_image(&image) {
            return Err(none("it does not begin as one"));
        }
        if image.entries()[0].literal_bytes() != Some(VERSION) {
            return Err(none("it is of another version"));
        }
        let [_, program, _, process @ .., memories] = image.entries() else {
            return Err(none("it has fewer than four entries"));
        };
        let suspended = match *process {
            [] => None,
            [process, _, _, _, _, directories] => {
                let directories = tree(backend, directories)?;
                let (pairs, _) = directories.entries().as_chunks::<2>();
                let path = |path: &Handle| blob(backend, *path).map(|path| path.bytes().to_vec());
                let pairs = pairs.iter().map(|[at, root]| Ok((path(at)?, *root)));
                let pairs = pairs.collect::<Result<Vec<_>, Exit>>()?;
                let empty = || Blob::new(Vec::new());
                let process = blob(backend, process)?;
                let (strings, streams) = ((Vec::new(), Vec::new()), (empty(), empty()));
                let suspended = Suspended::decode(process.bytes(), strings, streams, pairs);
                Some(suspended.ok_or_else(|| none("its process is none"))?)
            }
            _ => return Err(none("it has neither four entries nor ten")),
        };
        let memories = tree(backend, *memories)?.entries().to_vec();
        Ok(Self { handle, program: *program, suspended, memories })
    }

    /// What the program is to be called; nothing if it knows that already. `None` of
    /// what is no program.
    pub(crate) fn own_name(&self) -> Option<&'static str> {
        let suspended = self.suspended.as_ref()?;
        Some(if suspended.asked_arguments() { "" } else { "image" })
    }

    /// The bytes of its memories.
    pub(crate) fn memory_bytes(&self, backend: &dyn Backend) -> Result<u64, Exit> {
        let mut bytes: u64 = 0;
        for memory in &self.memories {
            let tree = tree(backend, *memory)?;
            let length = tree.entries().first().and_then(Handle::literal_u64);
            bytes = bytes.saturating_add(length.unwrap_or(0));
        }
        Ok(bytes)
    }

    /// All pages that are its own, in order: neither zeros nor the program's data.
    pub(crate) fn pages(&self, backend: &dyn Backend) -> Result<Vec<Page>, Exit> {
        let mut pages = Vec::new();
        if self.memory_bytes(backend)? / PAGE_BYTES > PAGES_MAX {
            let text = format!("#{} is no image: it says that it is too large", self.handle);
            return Err(Exit::new(Code::Other, text));
        }
        for (memory, root) in self.memories.iter().enumerate() {
            let memory_tree = tree(backend, *root)?;
            let length = memory_tree.entries().first().and_then(Handle::literal_u64).unwrap_or(0);
            let count = length.div_ceil(CHUNK_PAGES * PAGE_BYTES) as usize;
            let chunks = memory_tree.entries().iter().skip(1).take(count);
            for (number, chunk) in (0..).zip(chunks) {
                if chunk.literal_bytes() == Some(b"") {
                    continue;
                }
                let chunk = tree(backend, *chunk)?;
                let pages_of = chunk.entries().iter().take(CHUNK_PAGES as usize);
                for (at, page) in (0..).zip(pages_of) {
                    // Zeros, and what the program's data is.
                    if page.literal_bytes().is_none() {
                        pages.push(((memory, number * CHUNK_PAGES + at), *page));
                    }
                }
            }
        }
        Ok(pages)
    }
}

/// Whether a module is a function for `weft eval`, of which there are images, too.
pub(crate) fn is_function(backend: &dyn Backend, module: Handle) -> Result<bool, Exit> {
    Ok(module.kind() == Kind::Blob && weft_engine::is_codelet(blob(backend, module)?.bytes()))
}

/// Whether the place of a program names something of the store, and no file.
pub(crate) fn is_named(path: &Path) -> bool {
    matches!(path.as_os_str().as_bytes().first(), Some(b'@' | b'#')) && !path.exists()
}

/// Whether a Tree says of itself that it is an image.
pub(crate) fn is_image(tree: &Tree) -> bool {
    let first = tree.entries().first().and_then(Handle::literal_bytes);
    first.is_some_and(|first| first.starts_with(FAMILY))
}

fn content(backend: &dyn Backend, handle: Handle) -> Result<Content, Exit> {
    let content = backend.get(&handle.content())?;
    Ok(content.ok_or_else(|| StoreError::Missing(handle.content()))?)
}

fn tree(backend: &dyn Backend, handle: Handle) -> Result<Tree, Exit> {
    let content = content(backend, handle)?;
    Ok(content.tree().cloned().ok_or_else(|| StoreError::Missing(handle.content()))?)
}

fn blob(backend: &dyn Backend, handle: Handle) -> Result<Blob, Exit> {
    if let Some(bytes) = handle.content().literal_bytes() {
        return Ok(Blob::new(bytes.to_vec()));
    }
    let content = content(backend, handle)?;
    Ok(content.blob().cloned().ok_or_else(|| StoreError::Missing(handle.content()))?)
}
