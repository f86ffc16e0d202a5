use std::ffi::OsString;
use std::path::PathBuf;

use crate::BenchError;

/// What to measure and how to say it.
#[derive(Clone, Debug)]
pub struct Options {
    /// One JSON object a line instead of a table.
    pub json: bool,
    /// What the arguments of all calls follow from.
    pub seed: u64,
    /// How much work.
    pub size: Size,
    /// Names of benches; empty for all.
    pub only: Vec<String>,
    /// Whether to compare with the promises.
    pub check: bool,
    /// Where benches of files put them, in a directory of their own that they
    /// remove again.
    pub scratch: PathBuf,
    /// For child processes only: the part of a bench to perform, as the parent
    /// wrote it.
    pub child: Option<String>,
    /// The command that is this very subcommand, for child processes. Without
    /// one their part is done in this process, and what it says of memory is
    /// worth nothing.
    pub program: Option<Vec<OsString>>,
}

/// How much work a bench does.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Size {
    /// Enough to see that it is right, not how long it takes: for tests.
    Tiny,
    /// Enough for numbers to be quoted.
    Full,
    /// The same, and all that is promised of ten million, which at
    /// [`Size::Full`] is shown of one million. Takes many minutes and some 10 GB
    /// of disk.
    Long,
}

impl Size {
    /// The word for it on the command line.
    #[must_use]
    pub const fn word(self) -> &'static str {
        match self {
            Self::Tiny => "tiny",
            Self::Full => "full",
            Self::Long => "long",
        }
    }

    pub(crate) const fn pick<T: Copy>(self, tiny: T, full: T) -> T {
        match self {
            Self::Tiny => tiny,
            Self::Full | Self::Long => full,
        }
    }

    /// As [`Size::pick`], for what grows with the size.
    pub(crate) const fn pick_long<T: Copy>(self, tiny: T, full: T, long: T) -> T {
        match self {
            Self::Long => long,
            _ => self.pick(tiny, full),
        }
    }

    /// All sizes.
    pub const ALL: [Self; 3] = [Self::Tiny, Self::Full, Self::Long];
}

impl std::str::FromStr for Size {
    type Err = BenchError;

    fn from_str(word: &str) -> Result<Self, BenchError> {
        Self::ALL.into_iter().find(|size| size.word() == word).ok_or_else(|| {
            BenchError::Unknown(format!("unknown size `{word}`; there are tiny, full and long"))
        })
    }
}

impl Default for Options {
    fn default() -> Self {
        Self {
            json: false,
            seed: 1,
            size: Size::Full,
            only: Vec::new(),
            check: false,
            scratch: PathBuf::from("."),
            child: None,
            program: None,
        }
    }
}

impl Options {
    /// Defaults for a program whose subcommand `bench` has the flags `--child`,
    /// `--seed` and `--size`.
    ///
    /// # Errors
    /// Nobody can say where this program is.
    pub fn of_this_program() -> Result<Self, BenchError> {
        let program = std::env::current_exe().map_err(BenchError::Program)?;
        Ok(Self { program: Some(vec![program.into(), "bench".into()]), ..Self::default() })
    }
}
