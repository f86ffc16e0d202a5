use std::fmt;

use weft_engine::EngineError;
use weft_store::StoreError;

/// Why a node cannot start, or cannot keep what it was asked to.
#[derive(Debug)]
#[non_exhaustive]
pub enum NodeError {
    /// The engine cannot be set up.
    Engine(EngineError),
    /// The backend failed.
    Store(StoreError),
    /// A worker thread cannot be started.
    Thread(std::io::Error),
}

impl fmt::Display for NodeError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Engine(error) => error.fmt(f),
            Self::Store(error) => error.fmt(f),
            Self::Thread(error) => {
                write!(f, "cannot start a worker thread: {error}; raise the limit on processes")
            }
        }
    }
}

impl std::error::Error for NodeError {
    fn source(&self) -> Option<&(dyn std::error::Error + 'static)> {
        match self {
            Self::Engine(error) => Some(error),
            Self::Store(error) => Some(error),
            Self::Thread(error) => Some(error),
        }
    }
}

impl From<EngineError> for NodeError {
    fn from(error: EngineError) -> Self {
        Self::Engine(error)
    }
}

impl From<StoreError> for NodeError {
    fn from(error: StoreError) -> Self {
        Self::Store(error)
    }
}
