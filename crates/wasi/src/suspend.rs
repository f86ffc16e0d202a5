//! A process between two calls of its program, as data: what of it a later one
//! goes on with.
//!
//! What a program was told it may have kept in its memory. So who goes on with
//! that memory is told the same again, and may be given anew only what it had not
//! asked for.

use core::fmt;
use std::collections::BTreeMap;

use weft_object::{Blob, Handle};

use crate::fds::Descriptor;
use crate::source::Source;
use crate::{Invocation, Preopen, Process, Stop};

const VERSION: u8 = 1;

/// What a process goes on with.
#[derive(Clone, Debug)]
pub struct Suspended {
    /// When the process began, and what the clock shows now.
    clock_start_ns: u64,
    clock_ns: u64,
    /// How many random bytes were taken.
    random_bytes: u64,
    /// What was given.
    seed: [u8; 32],
    /// Or for the times of files.
    asked_clock: bool,
    /// What it was told, which it is told again; `None` of what it had not asked for.
    pub arguments: Option<Vec<Vec<u8>>>,
    /// The same, each as `KEY=VALUE`.
    pub environment: Option<Vec<Vec<u8>>>,
    /// What had been written, to begin with.
    pub stdout: Blob,
    /// The same of the other stream.
    pub stderr: Blob,
    /// The directories, and whether something was asked of each.
    pub directories: Vec<(Preopen, bool)>,
}

/// Why a process is nothing that can be gone on with.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum Unfit {
    /// A descriptor is open that was not, or not open that was.
    Descriptor(u32),
    /// It has asked for standard input.
    Stdin,
    /// It has asked for the time, for random bytes, or both, and nobody has said what
    /// these are.
    Unsaid {
        /// For the time.
        clock: bool,
        /// For random bytes.
        random: bool,
    },
    /// It has changed a directory, the one of this position.
    Changed(usize),
}

impl fmt::Display for Unfit {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Descriptor(fd) => {
                write!(f, "descriptor {fd} is not as the program found it; close what is opened")
            }
            Self::Stdin => f.write_str("it has asked for standard input; read that later"),
            Self::Unsaid { clock, random } => {
                let (what, flags, later) = match (clock, random) {
                    (true, true) => ("the time and random bytes", "--clock and --seed", "them"),
                    (true, false) => ("the time", "--clock", "it"),
                    (false, _) => ("random bytes", "--seed", "them"),
                };
                write!(f, "it has asked for {what}, which all runs from it would share; ")?;
                write!(f, "say which by {flags}, or ask for {later} later")
            }
            Self::Changed(at) => {
                write!(f, "it has changed directory {at}; write to directories later")
            }
        }
    }
}

impl core::error::Error for Unfit {}

/// Why an invocation is not one that a process can go on with.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum Unlike {
    /// The program has asked for its arguments.
    Arguments,
    /// The program has asked for its environment.
    Environment,
    /// The program has asked for random bytes, of another seed.
    Seed,
    /// The program has asked for the time, or that of a file, of another clock.
    Clock,
    /// The program has looked at the directory under this path, which is another one.
    Directory(Vec<u8>),
    /// There are more directories than descriptors.
    Directories,
    /// The program has written more than it may.
    Written,
}

impl fmt::Display for Unlike {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let told = |f: &mut fmt::Formatter<'_>, what: &str| {
            write!(f, "was told its {what} when its image was made; leave them out")
        };
        match self {
            Self::Arguments => told(f, "arguments"),
            Self::Environment => told(f, "environment"),
            Self::Seed => f.write_str(
                "took random bytes when its image was made; leave the seed out or give the same",
            ),
            Self::Clock => f.write_str(
                "was told the time, be it of a file, when its image was made; \
                 leave the clock out or give the same",
            ),
            Self::Directory(path) => write!(
                f,
                "looked into {} when its image was made; leave that out or give the same one",
                path.escape_ascii()
            ),
            Self::Directories => f.write_str("has more directories than descriptors; give fewer"),
            Self::Written => f.write_str(
                "had written more when its image was made than its limit has room for; raise it",
            ),
        }
    }
}

impl core::error::Error for Unlike {}

impl Process {
    /// Why a process cannot be gone on with, as far as that is known before its
    /// directories are looked at. A seed and a clock may have been given, or be those that
    /// everybody has.
    #[must_use]
    pub fn unfit(&self, (has_seed, has_clock): (bool, bool)) -> Option<Unfit> {
        if let Some(fd) = self.unlike_begin() {
            return Some(Unfit::Descriptor(fd));
        }
        if self.asked.stdin {
            return Some(Unfit::Stdin);
        }
        let clock = !has_clock && self.clock.is_asked();
        let random = !has_seed && self.random.taken() > 0;
        (clock || random).then_some(Unfit::Unsaid { clock, random })
    }

    /// What the process goes on with, if that can be kept: it is not [unfit], and
    /// nothing has changed.
    ///
    /// [unfit]: Self::unfit
    ///
    /// # Errors
    /// If content cannot be had; within, why the process is not fit for that.
    pub fn suspend(
        mut self,
        given: &Invocation,
        has: (bool, bool),
        source: &mut dyn Source,
    ) -> Result<Result<Suspended, Unfit>, Stop> {
        if let Some(unfit) = self.unfit(has) {
            return Ok(Err(unfit));
        }
        let looked = self.fs.observed.looked_at();
        let is_looked = |at: usize| looked.as_ref().is_none_or(|all| all.contains(&at));
        let directories =
            given.preopens.iter().enumerate().map(|(at, preopen)| (preopen.clone(), is_looked(at)));
        let directories = directories.collect();
        let is_known = self.clock.is_known();
        let (clock_ns, random_bytes) = (self.clock.now_ns(), self.random.taken());
        let asked = self.asked;
        let finished = self.finish(source)?;
        let mut roots = finished.roots.iter().zip(&given.preopens);
        if let Some(at) = roots.position(|(now, given)| *now != given.root) {
            return Ok(Err(Unfit::Changed(at)));
        }
        if let Some(edit) = finished.edits.first() {
            return Ok(Err(Unfit::Changed(edit.preopen as usize)));
        }
        Ok(Ok(Suspended {
            clock_start_ns: given.clock.start_ns,
            clock_ns,
            random_bytes,
            seed: given.seed,
            asked_clock: is_known,
            arguments: asked.arguments.then(|| given.arguments.clone()),
            environment: asked.environment.then(|| given.environment.clone()),
            stdout: finished.stdout,
            stderr: finished.stderr,
            directories,
        }))
    }

    /// A descriptor that is not as the program found it.
    fn unlike_begin(&self) -> Option<u32> {
        let count = 3 + self.paths.len() as u32;
        let is_as_found = |fd: u32| match self.fds.get(fd) {
            Ok(Descriptor::Stdin) => fd == 0,
            Ok(Descriptor::Stdout) => fd == 1,
            Ok(Descriptor::Stderr) => fd == 2,
            Ok(Descriptor::Directory(directory)) => {
                directory.flags == 0 && directory.preopen.is_some_and(|at| at as u32 + 3 == fd)
            }
            Ok(Descriptor::File(_)) => false,
            Err(_) => fd >= count,
        };
        (0..self.fds.len().max(count)).find(|fd| !is_as_found(*fd))
    }

    /// A process that goes on where another was, with what it had not asked for.
    ///
    /// # Errors
    /// If the program has been told otherwise, or no program could be given this.
    pub fn resume(
        suspended: &Suspended,
        mut given: Invocation,
        (has_seed, has_clock): (bool, bool),
    ) -> Result<Result<Self, crate::InvocationError>, Unlike> {
        let again = |told: &Option<Vec<Vec<u8>>>, given: &mut Vec<Vec<u8>>, unlike| match told {
            Some(_) if !given.is_empty() => Err(unlike),
            Some(told) => {
                given.clone_from(told);
                Ok(())
            }
            None => Ok(()),
        };
        again(&suspended.arguments, &mut given.arguments, Unlike::Arguments)?;
        again(&suspended.environment, &mut given.environment, Unlike::Environment)?;
        if has_seed && suspended.random_bytes > 0 && given.seed != suspended.seed {
            return Err(Unlike::Seed);
        }
        let is_other_clock = given.clock.start_ns != suspended.clock_start_ns;
        if has_clock && suspended.asked_clock && is_other_clock {
            return Err(Unlike::Clock);
        }
        if !has_seed {
            given.seed = suspended.seed;
        }
        if !has_clock {
            given.clock.start_ns = suspended.clock_start_ns;
        }
        let most = given.limits.descriptors as usize;
        if suspended.directories.len().max(given.preopens.len()) > most {
            return Err(Unlike::Directories);
        }
        given.preopens = suspended.with_directories(std::mem::take(&mut given.preopens))?;
        let written = suspended.stdout.bytes().len() + suspended.stderr.bytes().len();
        if written as u64 > given.limits.written_bytes {
            return Err(Unlike::Written);
        }
        let mut process = match Self::new(given) {
            Ok(process) => process,
            Err(error) => return Ok(Err(error)),
        };
        process.random.go_on(suspended.random_bytes);
        if !has_clock || suspended.asked_clock {
            process.clock.go_on(suspended.clock_ns);
        }
        process.stdout.extend_from_slice(suspended.stdout.bytes());
        process.stderr.extend_from_slice(suspended.stderr.bytes());
        // There is room, as was found above.
        let _ = process.fs.budget.take(written as u64);
        Ok(Ok(process))
    }
}

impl Suspended {
    /// Whether the program was told its arguments.
    #[must_use]
    pub const fn asked_arguments(&self) -> bool {
        self.arguments.is_some()
    }

    /// The directories in their places, each replaced by what is given under its
    /// path, and then those of other paths.
    fn with_directories(&self, given: Vec<Preopen>) -> Result<Vec<Preopen>, Unlike> {
        let mut given: BTreeMap<usize, Preopen> = given.into_iter().enumerate().collect();
        let mut all = Vec::new();
        for (old, looked) in &self.directories {
            let at = given.iter().find(|(_, new)| new.path == old.path).map(|(at, _)| *at);
            let new = at.and_then(|at| given.remove(&at));
            match new {
                Some(new) if *looked && new.root.content() != old.root.content() => {
                    return Err(Unlike::Directory(new.path));
                }
                Some(new) if !looked => all.push(new),
                _ => all.push(old.clone()),
            }
        }
        all.extend(given.into_values());
        Ok(all)
    }

    /// All but strings, streams and directories: a version (1 byte, 1), what was
    /// asked for (1: arguments 1, environment 2, clock 4), when it began, the clock and
    /// the random bytes that were taken (8 each, little-endian), the seed (32), and of each
    /// directory whether something was asked of it (1).
    #[must_use]
    pub fn encode(&self) -> Vec<u8> {
        let asked = [self.arguments.is_some(), self.environment.is_some(), self.asked_clock];
        let bits = asked.iter().rev().fold(0, |bits, bit| bits << 1 | u8::from(*bit));
        let mut bytes = vec![VERSION, bits];
        for number in [self.clock_start_ns, self.clock_ns, self.random_bytes] {
            bytes.extend_from_slice(&number.to_le_bytes());
        }
        bytes.extend_from_slice(&self.seed);
        bytes.extend(self.directories.iter().map(|(_, looked)| u8::from(*looked)));
        bytes
    }

    /// What was encoded, with streams and directories; `None` of anything else.
    #[must_use]
    pub fn decode(
        bytes: &[u8],
        (arguments, environment): (Vec<Vec<u8>>, Vec<Vec<u8>>),
        (stdout, stderr): (Blob, Blob),
        directories: Vec<(Vec<u8>, Handle)>,
    ) -> Option<Self> {
        let (head, looked) = bytes.split_at_checked(58)?;
        let number = |at: usize| head[at..at + 8].try_into().map(u64::from_le_bytes).ok();
        if head[0] != VERSION
            || head[1] > 7
            || looked.len() != directories.len()
            || looked.iter().any(|byte| *byte > 1)
        {
            return None;
        }
        let directories = directories.into_iter().zip(looked);
        let asked = |bit: u8| head[1] >> bit & 1 == 1;
        Some(Self {
            clock_start_ns: number(2)?,
            clock_ns: number(10)?,
            random_bytes: number(18)?,
            seed: head[26..].try_into().ok()?,
            asked_clock: asked(2),
            arguments: asked(0).then_some(arguments),
            environment: asked(1).then_some(environment),
            stdout,
            stderr,
            directories: directories
                .map(|((path, root), looked)| (Preopen { path, root }, *looked == 1))
                .collect(),
        })
    }
}
