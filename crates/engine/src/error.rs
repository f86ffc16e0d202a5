use std::fmt;
use std::io;
use std::path::PathBuf;

/// Why there is no engine.
#[derive(Debug)]
#[non_exhaustive]
pub enum EngineError {
    /// The artifact directory cannot be made or read.
    Artifacts {
        /// The directory.
        dir: PathBuf,
        /// What the system said.
        source: io::Error,
    },
    /// Others may write to the artifact directory, so its code is not trusted.
    ArtifactsShared {
        /// The directory.
        dir: PathBuf,
    },
    /// The artifact directory belongs to another user, so its code is not
    /// trusted.
    ArtifactsForeign {
        /// The directory.
        dir: PathBuf,
    },
    /// The compiler cannot be set up on this machine.
    Compiler(String),
}

impl fmt::Display for EngineError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Artifacts { dir, source } => {
                write!(f, "cannot use {} for compiled modules: {source}", dir.display())
            }
            Self::ArtifactsShared { dir } => {
                let dir = dir.display();
                write!(f, "others may write to {dir}, which holds native code; chmod go-w {dir}")
            }
            Self::ArtifactsForeign { dir } => write!(
                f,
                "{} holds native code and belongs to another user; name a directory of your own",
                dir.display()
            ),
            Self::Compiler(what) => write!(f, "no WebAssembly compiler on this machine: {what}"),
        }
    }
}

impl std::error::Error for EngineError {
    fn source(&self) -> Option<&(dyn std::error::Error + 'static)> {
        match self {
            Self::Artifacts { source, .. } => Some(source),
            _ => None,
        }
    }
}
