use std::fmt;
use std::path::PathBuf;

use weft_node::NodeError;
use weft_store::StoreError;

/// Why there is no number.
#[derive(Debug)]
#[non_exhaustive]
pub enum BenchError {
    /// A bench or size of another name.
    Unknown(String),
    /// What was measured was wrong, so the number would be too.
    Wrong {
        /// Which bench.
        bench: &'static str,
        /// What was wrong.
        detail: String,
    },
    /// A node does not start.
    Node(NodeError),
    /// A store cannot be made, read or written.
    Store(StoreError),
    /// The baseline on plain wasmtime does not run.
    Stock(wasmtime::Error),
    /// A child process did not do its part.
    Child {
        /// Which part.
        part: String,
        /// What it said.
        detail: String,
    },
    /// Nobody can say where this program is.
    Program(std::io::Error),
    /// A file for a bench cannot be made or read.
    File(PathBuf, std::io::Error),
    /// The results cannot be written.
    Write(std::io::Error),
}

impl fmt::Display for BenchError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Unknown(what) => f.write_str(what),
            Self::Wrong { bench, detail } => write!(f, "bench {bench} is wrong: {detail}"),
            Self::Node(error) => write!(f, "cannot start a node: {error}"),
            Self::Store(error) => write!(f, "the store of a bench: {error}"),
            Self::Stock(error) => write!(f, "the baseline on plain wasmtime: {error:#}"),
            Self::Child { part, detail } => {
                write!(f, "the child process for {part} did not answer: {detail}")
            }
            Self::Program(error) => write!(f, "cannot tell where this program is: {error}"),
            Self::File(path, error) => {
                write!(f, "{}: {error}; `--scratch` names another place", path.display())
            }
            Self::Write(error) => write!(f, "cannot write results: {error}"),
        }
    }
}

impl std::error::Error for BenchError {
    fn source(&self) -> Option<&(dyn std::error::Error + 'static)> {
        match self {
            Self::Node(error) => Some(error),
            Self::Store(error) => Some(error),
            Self::Program(error) | Self::File(_, error) | Self::Write(error) => Some(error),
            _ => None,
        }
    }
}

impl From<NodeError> for BenchError {
    fn from(error: NodeError) -> Self {
        Self::Node(error)
    }
}

impl From<StoreError> for BenchError {
    fn from(error: StoreError) -> Self {
        Self::Store(error)
    }
}

impl From<wasmtime::Error> for BenchError {
    fn from(error: wasmtime::Error) -> Self {
        Self::Stock(error)
    }
}
