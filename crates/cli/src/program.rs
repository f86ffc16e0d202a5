//! A program for WASI as a computation: what it is given, and what it leaves.
//! docs/wasi.md has the form.

use weft_eval::{DEFAULT_MEMORY_LIMIT_BYTES, PAGE_BYTES};
use weft_node::Session;
use weft_object::{Blob, Content, Handle, Tree};
use weft_store::StoreError;

use crate::exit::Exit;

/// What a program may take if nobody says: its memory, and what it writes.
pub(crate) const MEMORY_BYTES: u64 = 1 << 30;

/// What is done with a program, which is a Blob, or a Tree with it.
#[derive(Clone, Debug)]
pub(crate) enum Procedure {
    /// It runs to its end.
    Run(Handle),
    /// An image is made of it, after these calls: docs/image.md.
    Snapshot(Vec<Handle>, Handle),
    /// The same of a function for `weft eval`, which is given nothing else.
    SnapshotFunction(Vec<Handle>, Handle),
    /// An image goes on, with this call.
    Image(Handle, Handle),
}

/// What a program is given.
#[derive(Clone, Debug)]
pub(crate) struct Given {
    pub(crate) memory_bytes: u64,
    pub(crate) procedure: Procedure,
    /// The first is its own name.
    pub(crate) arguments: Vec<Vec<u8>>,
    /// Each as `KEY=VALUE`.
    pub(crate) environment: Vec<Vec<u8>>,
    /// A Blob, or a Ref to one.
    pub(crate) stdin: Handle,
    /// Where it is left out, an image goes on with its own, and none is made of a program
    /// that asks for it.
    pub(crate) seed: Option<u64>,
    /// Nanoseconds since 1970. The same holds of it; a program that runs begins with 2020.
    pub(crate) clock_ns: Option<u64>,
    /// Under which path, and which. It is given as a Ref: what is opened of it
    /// is what is read.
    pub(crate) directories: Vec<(Vec<u8>, Handle)>,
}

impl Given {
    /// The application; what it is made of joins what was made.
    pub(crate) fn application(&self, made: &mut Made) -> Result<Handle, Exit> {
        let mut entries = vec![limits(self.memory_bytes)];
        match &self.procedure {
            Procedure::Run(program) => entries.extend([made.blob(b"wasi/1"), *program]),
            Procedure::Snapshot(functions, program)
            | Procedure::SnapshotFunction(functions, program) => {
                let functions = made.tree(functions.clone());
                entries.extend([made.blob(b"snapshot/1"), functions, *program]);
            }
            // Its pages are brought in as they are needed.
            Procedure::Image(image, function) => {
                entries.extend([made.blob(b"image/1"), image.lower().unwrap_or(*image), *function])
            }
        }
        if !matches!(self.procedure, Procedure::SnapshotFunction(..)) {
            let number = |given: Option<u64>| given.map_or(Handle::EMPTY, Handle::of_u64);
            entries.extend([
                made.strings(&self.arguments),
                made.strings(&self.environment),
                self.stdin,
                number(self.seed),
                number(self.clock_ns),
            ]);
            for (path, root) in &self.directories {
                entries.extend([made.blob(path), root.lower().unwrap_or(*root)]);
            }
        }
        let thunk = made.tree(entries).application();
        thunk.ok_or_else(|| Exit::other("the run has no form; please report it"))
    }
}

/// In canonical form, so that the application is: then what is known of it is
/// known under its own name.
fn limits(memory_bytes: u64) -> Handle {
    match memory_bytes - memory_bytes % PAGE_BYTES {
        DEFAULT_MEMORY_LIMIT_BYTES => Handle::EMPTY,
        whole => Handle::of_u64(whole),
    }
}

/// Content for the store.
#[derive(Debug, Default)]
pub(crate) struct Made(pub(crate) Vec<(Handle, Content)>);

impl Made {
    pub(crate) fn blob(&mut self, bytes: &[u8]) -> Handle {
        let blob = Blob::new(bytes.to_vec());
        let handle = blob.handle();
        if !handle.is_literal() {
            self.0.push((handle, Content::Blob(blob)));
        }
        handle
    }

    pub(crate) fn tree(&mut self, entries: Vec<Handle>) -> Handle {
        let tree = Tree::new(entries);
        let handle = tree.handle();
        self.0.push((handle, Content::Tree(tree)));
        handle
    }

    fn strings(&mut self, strings: &[Vec<u8>]) -> Handle {
        let entries = strings.iter().map(|text| self.blob(text)).collect();
        self.tree(entries)
    }
}

/// What a program has left behind.
pub(crate) struct Left {
    pub(crate) code: u64,
    pub(crate) stdout: Blob,
    pub(crate) stderr: Blob,
    pub(crate) directories: Vec<Handle>,
}

impl Left {
    /// Of the value of an application.
    pub(crate) fn read(session: &Session, value: Handle) -> Result<Self, Exit> {
        let content = session.content(value)?;
        let missing = || Exit::from(StoreError::Missing(value.content()));
        let tree = content.as_ref().and_then(Content::tree).ok_or_else(missing)?;
        let blob = |at: usize| -> Result<Blob, Exit> {
            let handle = tree.entries().get(at).ok_or_else(missing)?;
            let content = session.content(*handle)?;
            content.and_then(|content| content.blob().cloned()).ok_or_else(missing)
        };
        let mut code = [0; 8];
        let bytes = blob(0)?;
        code.get_mut(..bytes.bytes().len()).ok_or_else(missing)?.copy_from_slice(bytes.bytes());
        Ok(Self {
            code: u64::from_le_bytes(code),
            stdout: blob(1)?,
            stderr: blob(2)?,
            directories: tree.entries().get(3..).unwrap_or_default().to_vec(),
        })
    }
}
