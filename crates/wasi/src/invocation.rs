use core::fmt;

use weft_object::{Blob, Handle, Kind};

use crate::ClockRule;

/// All that a run depends on, beside its module.
#[derive(Clone, Debug)]
pub struct Invocation {
    /// `argv`, the program's name first.
    pub arguments: Vec<Vec<u8>>,
    /// The environment, each entry as `KEY=VALUE`, in the order in which the
    /// program sees them.
    pub environment: Vec<Vec<u8>>,
    /// All of standard input.
    pub stdin: Blob,
    /// What `random_get` follows from.
    pub seed: [u8; 32],
    /// What the clocks show.
    pub clock: ClockRule,
    /// The directories, from descriptor 3 on.
    pub preopens: Vec<Preopen>,
    /// What the run may hold.
    pub limits: Limits,
}

/// A directory that the program finds open.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Preopen {
    /// Its path as the program sees it, such as `/` or `.`.
    pub path: Vec<u8>,
    /// The directory's Tree, or a Ref to it.
    pub root: Handle,
}

/// What a run may hold.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Limits {
    /// The bytes of written files and of both output streams together. A file
    /// of the input counts in full once the run has changed a part of it, and
    /// each new name counts some more. Beyond, writing is
    /// [`Errno::Nospc`](crate::Errno::Nospc). Memory may be up to twice that,
    /// as what grows is given room to grow.
    pub written_bytes: u64,
    /// Open descriptors. Beyond, opening is
    /// [`Errno::Mfile`](crate::Errno::Mfile).
    pub descriptors: u32,
}

impl Default for Limits {
    /// 256 MiB and 1024 descriptors.
    fn default() -> Self {
        Self { written_bytes: 256 << 20, descriptors: 1024 }
    }
}

impl Default for Invocation {
    /// No arguments, an empty environment and input, seed 0, no directory.
    fn default() -> Self {
        Self {
            arguments: Vec::new(),
            environment: Vec::new(),
            stdin: Blob::new(Vec::new()),
            seed: [0; 32],
            clock: ClockRule::default(),
            preopens: Vec::new(),
            limits: Limits::default(),
        }
    }
}

impl Invocation {
    /// The 32 bytes of a seed that was given as a number.
    #[must_use]
    pub fn seed_of(number: u64) -> [u8; 32] {
        let mut seed = [0; 32];
        seed[..8].copy_from_slice(&number.to_le_bytes());
        seed
    }

    pub(crate) fn check(&self) -> Result<(), InvocationError> {
        let has_nul = |strings: &[Vec<u8>]| strings.iter().position(|text| text.contains(&0));
        if let Some(at) = has_nul(&self.arguments) {
            return Err(InvocationError::ArgumentNul(at));
        }
        if let Some(at) = has_nul(&self.environment) {
            return Err(InvocationError::EnvironmentNul(at));
        }
        if let Some(at) = self.environment.iter().position(|text| !text.contains(&b'=')) {
            return Err(InvocationError::EnvironmentEntry(at));
        }
        for preopen in &self.preopens {
            if !matches!(preopen.root.kind(), Kind::Tree | Kind::TreeRef) {
                return Err(InvocationError::Root(preopen.root));
            }
        }
        Ok(())
    }
}

/// Why nothing can be run so.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum InvocationError {
    /// The argument at this position has a NUL, where the program would take
    /// it for ended.
    ArgumentNul(usize),
    /// The same of an entry of the environment.
    EnvironmentNul(usize),
    /// The entry of the environment at this position has no `=`.
    EnvironmentEntry(usize),
    /// A directory that is no Tree.
    Root(Handle),
}

impl fmt::Display for InvocationError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::ArgumentNul(at) => write!(f, "argument {at} has a NUL byte; remove it"),
            Self::EnvironmentNul(at) => {
                write!(f, "environment entry {at} has a NUL byte; remove it")
            }
            Self::EnvironmentEntry(at) => {
                write!(f, "environment entry {at} has no `=`; write KEY=VALUE")
            }
            Self::Root(handle) => {
                let kind = handle.kind();
                write!(f, "{handle} is a {kind}, not a directory; give a tree")
            }
        }
    }
}

impl core::error::Error for InvocationError {}
