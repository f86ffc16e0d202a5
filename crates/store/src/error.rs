use std::fmt;
use std::io;
use std::path::PathBuf;

use weft_object::directory::{DirectoryError, PathError};
use weft_object::{DecodeError, Handle};

use crate::export::Broken;
use crate::{Label, LabelError};

/// What can go wrong with a store, or on the way into or out of it.
#[derive(Debug)]
#[non_exhaustive]
pub enum StoreError {
    /// The operating system refused something.
    Io {
        /// What was being done: "read", "write", "sync"...
        doing: &'static str,
        /// To which file.
        path: PathBuf,
        /// What it said.
        source: io::Error,
    },
    /// There is no store at or above this directory.
    NoStore(PathBuf),
    /// The file is something else than a store.
    NotAStore(PathBuf),
    /// One of the store's files is not what a store makes: writing to it might
    /// change another file.
    Foreign {
        /// The file.
        path: PathBuf,
        /// What it is.
        what: &'static str,
    },
    /// A store of a version that is not known here.
    Version {
        /// The file.
        path: PathBuf,
        /// The version it says.
        found: u32,
    },
    /// A file of a store that is of another version than the store.
    PartVersion {
        /// The file.
        path: PathBuf,
        /// The version it says.
        found: u32,
    },
    /// A file of stamps ([`crate::files::Stamps`]) cannot be used.
    Stamps {
        /// The file.
        path: PathBuf,
        /// The version it says, if that is the reason.
        version: Option<u32>,
    },
    /// A part of the store is gone or not what it was.
    Damaged {
        /// The file.
        path: PathBuf,
        /// What it is to the store.
        what: &'static str,
    },
    /// A file of the log is gone, and what would be written now would stand in
    /// its place.
    NoPack(PathBuf),
    /// Another process writes to the store.
    Locked {
        /// The store.
        path: PathBuf,
        /// The process, if it left its number.
        process: Option<u32>,
    },
    /// The process that holds the store ended in the middle of this.
    Gone,
    /// The process that holds the store does not answer.
    Silent {
        /// The store.
        path: PathBuf,
        /// The process, as far as it is known.
        process: Option<u32>,
    },
    /// The process that holds the store speaks another version on its socket.
    OtherProtocol {
        /// The store.
        path: PathBuf,
        /// The process.
        process: u32,
        /// The version.
        found: u32,
    },
    /// What was put may not be there any more: the process that held the store
    /// ended before it was synced. This is not, if it is known what.
    Lost(Option<Handle>),
    /// A file that is no export, or not as it was written.
    Export(Broken),
    /// What the process that holds the store said went wrong, in its words.
    Told(String),
    /// A write to a store that was opened for reading.
    ReadOnly(PathBuf),
    /// An earlier write or sync failed in a way that leaves open what reached
    /// the disk.
    Failed(PathBuf),
    /// Stored content is not what it was.
    Corrupt {
        /// The file.
        path: PathBuf,
        /// Whose content it should be, or the key of a relation.
        handle: Handle,
        /// Where its record begins.
        offset: u64,
    },
    /// A handle was put with content of another sort or length.
    Content(Handle),
    /// More programs and imported files have left relations than can be told
    /// apart.
    TooManyFinders,
    /// More objects than a collection can number.
    TooManyObjects,
    /// Content that a collection dropped did not come back.
    Recovery {
        /// Whose.
        handle: Handle,
        /// The application that should have made it.
        key: Handle,
        /// What happened.
        why: String,
    },
    /// Content that was to be there is not.
    Missing(Handle),
    /// Text that no label may be.
    Label(LabelError),
    /// A label did not stand where the change expected it.
    LabelMoved {
        /// The label.
        label: Label,
        /// Where it stands.
        found: Option<Handle>,
    },
    /// A device, socket or fifo, which is no data.
    SpecialFile {
        /// Where.
        path: PathBuf,
        /// Which of them.
        what: &'static str,
    },
    /// A file was written to while it was read.
    Changed(PathBuf),
    /// The target of a `get` is there already.
    Exists(PathBuf),
    /// A `get` that would write more than its options allow.
    TooMuch {
        /// Where it stopped.
        path: PathBuf,
        /// Of what: "entries" or "bytes".
        what: &'static str,
        /// The field of [`GetOptions`](crate::files::GetOptions).
        limit: &'static str,
        /// Its value.
        max: u64,
    },
    /// A symlink whose target no file system takes.
    LinkTarget(PathBuf),
    /// A Tree that is no directory, or entries of which none can be made.
    Directory {
        /// Of which file or Tree.
        what: String,
        /// Why.
        source: DirectoryError,
    },
    /// A handle that is neither a file nor a directory.
    NoFile(Handle),
    /// A path into a directory that is none.
    Path(PathError),
    /// Content that does not decode.
    Decode(DecodeError),
}

impl StoreError {
    /// Whether this says that a file is not there.
    #[must_use]
    pub fn not_found(&self) -> bool {
        matches!(self, Self::Io { source, .. } if source.kind() == io::ErrorKind::NotFound)
    }

    pub(crate) fn io(
        doing: &'static str,
        path: impl Into<PathBuf>,
    ) -> impl FnOnce(io::Error) -> Self {
        let path = path.into();
        move |source| Self::Io { doing, path, source }
    }
}

impl fmt::Display for StoreError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Io { doing, path, source } => io_text(f, doing, path, source),
            Self::NoStore(path) => write!(
                f,
                "no store at or above {}; make one with `weft init`, or name one in WEFT_DIR",
                path.display()
            ),
            Self::NotAStore(path) => write!(f, "{} is not a weft store", path.display()),
            Self::Foreign { path, what } => write!(
                f,
                "{} is {what}, so it may lead out of the store; do not use this store unless you \
                 know why, and then put a copy in its place",
                path.display()
            ),
            Self::Version { path, found: 1 } => write!(
                f,
                "{} is a store of version 1, and this program knows version {}; make it one of \
                 that with `weft migrate`",
                path.display(),
                crate::file::VERSION
            ),
            Self::Stamps { path, version: Some(version) } => write!(
                f,
                "{} has stamps of version {version}, which is not known here; remove it",
                path.display()
            ),
            Self::Stamps { path, version: None } => {
                write!(f, "{} has no stamps, or is damaged; remove it", path.display())
            }
            Self::Damaged { path, what } => write!(
                f,
                "{} is damaged, {what}; see what is left with `weft fsck`, and keep that with \
                 `weft fsck --repair`",
                path.display()
            ),
            Self::NoPack(path) => write!(
                f,
                "{} is gone, which holds a part of the store; put it back, or keep what is left \
                 with `weft fsck --repair`: until then the store can only be read",
                path.display()
            ),
            Self::Version { path, found } => write!(
                f,
                "{} is a store of version {found}, and this program knows version {}; use the \
                 program that wrote it",
                path.display(),
                crate::file::VERSION
            ),
            Self::PartVersion { path, found } => write!(
                f,
                "{} is a part of a store, of version {found}, and this program knows version {}; \
                 use the program that wrote it",
                path.display(),
                crate::file::VERSION
            ),
            Self::Locked { path, process } => {
                write!(f, "the store {} is in use by ", path.display())?;
                match process {
                    Some(process) => write!(f, "process {process}")?,
                    None => write!(f, "another process")?,
                }
                write!(f, "; wait until it ends, or name another store in WEFT_DIR")
            }
            Self::Gone => write!(
                f,
                "the process that held the store ended in the middle of this; do it again"
            ),
            Self::Silent { path, process } => {
                let process = process.map_or("the process".into(), |n| format!("process {n}"));
                write!(
                    f,
                    "{process} that holds the store {} does not answer; let it go on if it was \
                     stopped (`fg`, `kill -CONT`), or end it",
                    path.display()
                )
            }
            Self::OtherProtocol { path, process, found } => write!(
                f,
                "process {process} holds the store {} and speaks version {found} on its socket, \
                 and this program version {}; wait until it ends",
                path.display(),
                crate::socket::VERSION
            ),
            Self::Lost(what) => {
                let what = what.map_or("all of this".into(), |handle| format!("#{handle}"));
                write!(
                    f,
                    "the process that held the store ended before {what} was safe; do this again"
                )
            }
            Self::Export(broken) => broken.fmt(f),
            Self::Told(text) => f.write_str(text),
            Self::ReadOnly(path) => {
                write!(
                    f,
                    "the store {} was opened for reading only; open it for writing, or write to \
                     another one",
                    path.display()
                )
            }
            Self::Failed(path) => write!(
                f,
                "an earlier write to {} failed; what it had acknowledged is safe, open it again to \
                 go on",
                path.display()
            ),
            Self::Corrupt { path, handle, offset } => write!(
                f,
                "{} is damaged at offset {offset}, in #{handle}; the rest can be read; add or \
                 compute this again to mend it, and see `weft fsck` for what else is damaged",
                path.display()
            ),
            Self::Content(handle) => write!(f, "what was put is not the content of #{handle}"),
            Self::TooManyFinders => write!(
                f,
                "relations of 65,535 sources are in the store, which is all that it can tell \
                 apart; go on with a new one"
            ),
            Self::TooManyObjects => write!(
                f,
                "the store has more than 2,147,483,647 objects or relations, which is all that a \
                 collection can tell apart; export what is needed to a new one"
            ),
            Self::Recovery { handle, key, why } => write!(
                f,
                "the content of #{handle} was dropped and computing #{key} again does not bring it \
                 back: {why}"
            ),
            Self::Missing(handle) => write!(f, "the content of #{handle} is not in the store"),
            Self::Label(error) => error.fmt(f),
            Self::LabelMoved { label, found: Some(found) } => {
                write!(f, "label {label} stands at #{found} by now; look and try again")
            }
            Self::LabelMoved { label, found: None } => write!(f, "there is no label {label}"),
            Self::SpecialFile { path, what } => write!(
                f,
                "{} is a {what}, which holds no data to add; move it away or add its neighbors",
                path.display()
            ),
            Self::Changed(path) => write!(
                f,
                "{} was changed while it was read; try again when nothing writes to it",
                path.display()
            ),
            Self::Exists(path) => write!(
                f,
                "{} exists already, and nothing is overwritten; name another place",
                path.display()
            ),
            Self::TooMuch { path, what, limit, max } => write!(
                f,
                "more than {max} {what}, stopped at {}; get a part of the directory, or raise \
                 the limit {limit} if all of it is wanted",
                path.display()
            ),
            Self::LinkTarget(path) => {
                write!(f, "{} is a symlink to what no file can be called", path.display())
            }
            Self::Directory { what, source } => write!(f, "{what}: {source}"),
            Self::NoFile(handle) => {
                write!(f, "#{handle} is a {}, neither file nor directory", handle.kind())
            }
            Self::Path(error) => error.fmt(f),
            Self::Decode(error) => error.fmt(f),
        }
    }
}

fn io_text(
    f: &mut fmt::Formatter<'_>,
    doing: &str,
    path: &std::path::Path,
    source: &io::Error,
) -> fmt::Result {
    let path = path.display();
    match source.kind() {
        io::ErrorKind::PermissionDenied => write!(f, "no permission to {doing} {path}"),
        io::ErrorKind::NotFound => write!(f, "cannot {doing} {path}: there is no such file"),
        io::ErrorKind::ReadOnlyFilesystem => {
            write!(f, "cannot {doing} {path}: the file system is read-only")
        }
        io::ErrorKind::StorageFull => {
            write!(f, "cannot {doing} {path}: the disk is full; free some space and try again")
        }
        io::ErrorKind::QuotaExceeded => {
            write!(f, "cannot {doing} {path}: over the disk quota; free some space and try again")
        }
        io::ErrorKind::FileTooLarge => {
            write!(f, "cannot {doing} {path}: over the limit on the size of files (`ulimit -f`)")
        }
        io::ErrorKind::OutOfMemory => {
            write!(f, "cannot {doing} {path}: what it holds there does not fit into memory")
        }
        _ => write!(f, "cannot {doing} {path}: {source}"),
    }
}

impl std::error::Error for StoreError {
    fn source(&self) -> Option<&(dyn std::error::Error + 'static)> {
        match self {
            Self::Io { source, .. } => Some(source),
            Self::Directory { source, .. } => Some(source),
            _ => None,
        }
    }
}

impl From<LabelError> for StoreError {
    fn from(error: LabelError) -> Self {
        Self::Label(error)
    }
}

impl From<PathError> for StoreError {
    fn from(error: PathError) -> Self {
        Self::Path(error)
    }
}

impl From<DecodeError> for StoreError {
    fn from(error: DecodeError) -> Self {
        Self::Decode(error)
    }
}
