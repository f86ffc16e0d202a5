use std::sync::Arc;

use weft_object::directory::{Entry, FileKind, Name};
use weft_object::{Blob, Handle};

use super::nodes::Found;
use super::{Directory, File};

/// An inode, for as long as the run lasts; never given to another.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) struct Ino(pub(super) u64);

/// Where the input has something.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Origin {
    pub(crate) preopen: u32,
    pub(crate) path: Arc<[u8]>,
}

impl Origin {
    pub(crate) fn below(&self, name: &Name) -> Self {
        Self { preopen: self.preopen, path: join(&self.path, name) }
    }

    /// Whether this is [`Origin::below`] of a directory's, without making that.
    pub(crate) fn is_below(&self, directory: &Self, name: &Name) -> bool {
        let rest = self.path.strip_prefix(&*directory.path);
        let rest = match &*directory.path {
            [] => rest,
            _ => rest.and_then(|rest| rest.strip_prefix(b"/")),
        };
        self.preopen == directory.preopen && rest == Some(name.as_bytes())
    }
}

pub(crate) fn join(path: &[u8], name: &Name) -> Arc<[u8]> {
    match path {
        [] => name.as_bytes().into(),
        _ => [path, b"/", name.as_bytes()].concat().into(),
    }
}

/// The number that the program sees of something in the input: a digest of
/// where it is, so that it does not depend on what was looked up before.
pub(super) fn number(origin: &Origin) -> u64 {
    const LABEL: &[u8; 32] = b"weft/1 wasi inode number of path";
    let bytes = [&LABEL[..], &origin.preopen.to_le_bytes(), &origin.path].concat();
    let mut low = [0; 8];
    low.copy_from_slice(&Handle::of_blob(&bytes).as_bytes()[..8]);
    u64::from_le_bytes(low) | 1 << 63
}

pub(super) const DIRECTORY_MODE: u16 = 0o755;
pub(super) const FILE_MODE: u16 = 0o644;

/// In nanoseconds since 1970.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Times {
    pub(crate) accessed: u64,
    pub(crate) modified: u64,
    pub(crate) changed: u64,
}

#[derive(Debug)]
pub(crate) struct Inode {
    /// What the program sees as its inode number.
    pub(crate) number: u64,
    pub(crate) mode: u16,
    /// Names that lead here.
    pub(crate) links: u64,
    /// Descriptors that are open on it.
    pub(crate) opens: u32,
    /// What it has taken of the budget.
    pub(crate) charged: u64,
    pub(crate) times: Times,
    pub(crate) origin: Option<Origin>,
    pub(crate) body: Body,
}

#[derive(Debug)]
pub(crate) enum Body {
    File(File),
    Directory(Directory),
    /// The target: as the input has it, or as the run wrote it.
    Symlink(Handle, Option<Blob>),
}

impl Body {
    pub(super) fn of_entry(found: &Found, parent: Ino) -> Self {
        match found.kind {
            FileKind::File => Self::File(File::of_base(found.child)),
            FileKind::Directory => Self::Directory(Directory::of_base(found.child, Some(parent))),
            FileKind::Symlink => Self::Symlink(found.child, None),
        }
    }
}

impl Inode {
    pub(super) const fn new(
        number: u64,
        mode: u16,
        now_ns: u64,
        body: Body,
        origin: Option<Origin>,
    ) -> Self {
        let times = Times { accessed: now_ns, modified: now_ns, changed: now_ns };
        Self { number, mode, links: 0, opens: 0, charged: 0, times, origin, body }
    }

    /// What the run made.
    pub(super) const fn made(kind: FileKind, now_ns: u64, body: Body) -> Self {
        let mode = match kind {
            FileKind::File => FILE_MODE,
            FileKind::Directory => DIRECTORY_MODE,
            FileKind::Symlink => Entry::SYMLINK_MODE,
        };
        Self::new(0, mode, now_ns, body, None)
    }

    pub(crate) const fn kind(&self) -> FileKind {
        match self.body {
            Body::File(_) => FileKind::File,
            Body::Directory(_) => FileKind::Directory,
            Body::Symlink(..) => FileKind::Symlink,
        }
    }

    pub(crate) const fn directory(&self) -> Option<&Directory> {
        match &self.body {
            Body::Directory(directory) => Some(directory),
            _ => None,
        }
    }

    pub(crate) const fn directory_mut(&mut self) -> Option<&mut Directory> {
        match &mut self.body {
            Body::Directory(directory) => Some(directory),
            _ => None,
        }
    }

    pub(crate) const fn file(&self) -> Option<&File> {
        match &self.body {
            Body::File(file) => Some(file),
            _ => None,
        }
    }

    /// Bytes of a file or of a symlink's target; 0 for a directory, whose size
    /// would tell how many names it has.
    pub(crate) fn size(&self) -> u64 {
        match &self.body {
            Body::File(file) => file.len(),
            Body::Directory(_) => 0,
            Body::Symlink(target, _) => target.length().unwrap_or(0),
        }
    }

    pub(crate) const fn touch(&mut self, now_ns: u64) {
        self.times.modified = now_ns;
        self.times.changed = now_ns;
    }
}
