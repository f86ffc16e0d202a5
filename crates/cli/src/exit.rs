//! How a command ends if not well: one text, one code.

use std::fmt;
use std::io;
use std::path::Path;

use weft_node::NodeError;
use weft_store::StoreError;

use crate::place::is_of_store;
use crate::terminal::Terminal;

/// The codes with which `weft` ends. The documentation and the help are made
/// from [`Code::ALL`].
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Code {
    Ok,
    Other,
    Usage,
    Failed,
    NoAnswer,
    Store,
    Disagrees,
    Step,
    Interrupted,
    Terminated,
}

impl Code {
    pub(crate) const ALL: [(Self, &str); 10] = [
        (Self::Ok, "it went well"),
        (
            Self::Other,
            "something else went wrong: a file cannot be read or written, a result has the wrong kind",
        ),
        (Self::Usage, "the command line or the expression is not right"),
        (
            Self::Failed,
            "the computation failed; it will fail the same way wherever it is asked for",
        ),
        (
            Self::NoAnswer,
            "no answer: out of time, fuel or memory, or content is lost; nothing is known about the computation",
        ),
        (
            Self::Store,
            "the store: there is none, it is in use, damaged, of another version, not permitted or full, or it does not have what was named",
        ),
        (Self::Disagrees, "what was computed again is not what the store says"),
        (Self::Step, "a step of a build failed, or wrote nothing"),
        (Self::Interrupted, "interrupted by Ctrl-C; what was found out is kept"),
        (Self::Terminated, "ended by a termination signal; what was found out is kept"),
    ];

    pub(crate) const fn status(self) -> u8 {
        match self {
            Self::Ok => 0,
            Self::Other => 1,
            Self::Usage => 2,
            Self::Failed => 3,
            Self::NoAnswer => 4,
            Self::Store => 5,
            Self::Disagrees => 6,
            Self::Step => 7,
            Self::Interrupted => 130,
            Self::Terminated => 143,
        }
    }
}

/// The end of a command that did not go well.
#[derive(Debug)]
pub(crate) struct Exit {
    status: u8,
    text: String,
}

impl Exit {
    pub(crate) fn new(code: Code, text: impl Into<String>) -> Self {
        Self { status: code.status(), text: text.into() }
    }

    pub(crate) fn usage(text: impl Into<String>) -> Self {
        Self::new(Code::Usage, text)
    }

    pub(crate) fn other(text: impl Into<String>) -> Self {
        Self::new(Code::Other, text)
    }

    /// Without a word: all that there is to say has been said.
    pub(crate) fn silent(status: u8) -> Self {
        Self { status, text: String::new() }
    }

    /// By a signal, with the code that a shell gives to it.
    pub(crate) fn signal(signal: u8, text: &str) -> Self {
        Self { status: 128 + signal, text: text.into() }
    }

    pub(crate) fn status(&self) -> u8 {
        self.status
    }

    /// Whether all has been said.
    pub(crate) fn is_silent(&self) -> bool {
        self.text.is_empty()
    }

    /// The same end with another text, made of this one.
    pub(crate) fn map(self, text: impl FnOnce(&Self) -> String) -> Self {
        Self { text: text(&self), ..self }
    }

    pub(crate) fn print(&self, terminal: Terminal) {
        if !self.text.is_empty() {
            terminal.say("error", &self.text);
        }
    }
}

impl fmt::Display for Exit {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.text)
    }
}

impl From<StoreError> for Exit {
    fn from(error: StoreError) -> Self {
        let code = match &error {
            StoreError::Io { path, .. } if is_of_store(path) => Code::Store,
            StoreError::NoStore(_)
            | StoreError::NotAStore(_)
            | StoreError::Version { .. }
            | StoreError::PartVersion { .. }
            | StoreError::Damaged { .. }
            | StoreError::NoPack(_)
            | StoreError::Locked { .. }
            | StoreError::Foreign { .. }
            | StoreError::ReadOnly(_)
            | StoreError::Failed(_)
            | StoreError::Corrupt { .. }
            | StoreError::Missing(_)
            | StoreError::Gone
            | StoreError::Silent { .. }
            | StoreError::OtherProtocol { .. }
            | StoreError::Lost(_)
            | StoreError::Told(_)
            | StoreError::LabelMoved { .. } => Code::Store,
            StoreError::Label(_) | StoreError::Path(_) => Code::Usage,
            _ => Code::Other,
        };
        let text = match &error {
            StoreError::Missing(_) => format!("{error}; add or compute it again"),
            StoreError::Io { path, source, .. }
                if is_of_store(path) && source.kind() == io::ErrorKind::PermissionDenied =>
            {
                format!(
                    "{error}; `chmod u+rw` it if it is yours, or name another store in WEFT_DIR"
                )
            }
            StoreError::Io { path, source, .. }
                if is_of_store(path) && source.kind() == io::ErrorKind::ReadOnlyFilesystem =>
            {
                format!("{error}; mount it for writing, or name another store in WEFT_DIR")
            }
            StoreError::NotAStore(_) => {
                format!("{error}; move the file away or name another store in WEFT_DIR")
            }
            _ => error.to_string(),
        };
        Self::new(code, text)
    }
}

impl From<NodeError> for Exit {
    fn from(error: NodeError) -> Self {
        match error {
            NodeError::Store(error) => error.into(),
            error => Self::other(error.to_string()),
        }
    }
}

/// Of a file that the user named, in the words of the store.
pub(crate) fn file_error(doing: &'static str, path: &Path, source: io::Error) -> Exit {
    Exit::other(StoreError::Io { doing, path: path.into(), source }.to_string())
}

/// Of writing to standard output: a reader that has gone, as in `| head`, has
/// all it wants.
impl From<io::Error> for Exit {
    fn from(error: io::Error) -> Self {
        match error.kind() {
            io::ErrorKind::BrokenPipe => Self::silent(Code::Ok.status()),
            _ => Self::other(format!("cannot write the output: {error}")),
        }
    }
}
