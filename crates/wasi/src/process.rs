use crate::calls::{CALLS, Run};
use crate::clock::Clock;
use crate::fds::{Descriptor, Fds, OpenDirectory};
use crate::finish::Ended;
use crate::fs::Fs;
use crate::memory::Memory;
use crate::random::Random;
use crate::source::{Halt, Source};
use crate::{Errno, Invocation, InvocationError, Stop};
use weft_object::Blob;

/// What a program was told that it had not been told before.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct Asked {
    pub(crate) arguments: bool,
    pub(crate) environment: bool,
    /// Of standard input, also how much of it there is.
    pub(crate) stdin: bool,
}

/// A program that runs: everything that its calls see and change, beside its
/// memory.
#[derive(Debug)]
pub struct Process {
    pub(crate) arguments: Vec<Vec<u8>>,
    pub(crate) environment: Vec<Vec<u8>>,
    /// Whether the program has asked for these.
    pub(crate) asked: Asked,
    pub(crate) paths: Vec<Vec<u8>>,
    pub(crate) clock: Clock,
    pub(crate) random: Random,
    pub(crate) fds: Fds,
    pub(crate) fs: Fs,
    pub(crate) stdin: Blob,
    pub(crate) stdin_at: usize,
    pub(crate) stdout: Vec<u8>,
    pub(crate) stderr: Vec<u8>,
    pub(crate) ended: Ended,
}

impl Process {
    /// A program that has not begun. Nothing is read for it.
    ///
    /// # Errors
    /// If no program could be given this.
    pub fn new(invocation: Invocation) -> Result<Self, InvocationError> {
        invocation.check()?;
        let Invocation { arguments, environment, stdin, seed, clock, preopens, limits } =
            invocation;
        let roots: Vec<_> = preopens.iter().map(|preopen| preopen.root).collect();
        let mut fs = Fs::new(&roots, limits.written_bytes, clock.start_ns);
        let mut fds = Fds::new(limits.descriptors);
        fds.begin([Descriptor::Stdin, Descriptor::Stdout, Descriptor::Stderr]);
        for (at, ino) in fs.roots.clone().into_iter().enumerate() {
            fs.opened(ino);
            let directory = OpenDirectory { ino, preopen: Some(at), flags: 0 };
            fds.begin([Descriptor::Directory(directory)]);
        }
        Ok(Self {
            arguments,
            environment,
            asked: Asked::default(),
            paths: preopens.into_iter().map(|preopen| preopen.path).collect(),
            clock: Clock::new(clock),
            random: Random::new(&seed),
            fds,
            fs,
            stdin,
            stdin_at: 0,
            stdout: Vec::new(),
            stderr: Vec::new(),
            ended: Ended::default(),
        })
    }

    /// One that has nothing, where no program runs.
    #[must_use]
    pub fn hollow() -> Self {
        Self {
            arguments: Vec::new(),
            environment: Vec::new(),
            asked: Asked::default(),
            paths: Vec::new(),
            clock: Clock::new(crate::ClockRule::default()),
            random: Random::new(&[0; 32]),
            fds: Fds::new(0),
            fs: Fs::new(&[], 0, 0),
            stdin: Blob::new(Vec::new()),
            stdin_at: 0,
            stdout: Vec::new(),
            stderr: Vec::new(),
            ended: Ended::default(),
        }
    }

    /// Performs a call, by its position in [`CALLS`]. Integers are given as
    /// their bits, one of 32 bits in the lower half; one that is missing is 0.
    ///
    /// Every address is checked against `memory`. A call that stops for any
    /// reason but [`Stop::Exit`] has changed nothing of the process: once its
    /// content is there it can be made again, and goes on as if it had been.
    ///
    /// # Errors
    /// If the run does not go on; [`Errno::Nosys`] if there is no such call.
    pub fn call(
        &mut self,
        source: &mut dyn Source,
        memory: &mut [u8],
        call: usize,
        arguments: &[u64],
    ) -> Result<Errno, Stop> {
        let Some(call) = CALLS.get(call) else { return Ok(Errno::Nosys) };
        self.fs.now_ns = self.clock.now_ns();
        let memory = Memory::new(memory);
        let mut run = Run { process: self, source, memory, arguments };
        match (call.run)(&mut run) {
            Ok(()) => Ok(Errno::Success),
            Err(Halt::Errno(errno)) => Ok(errno),
            Err(Halt::Stop(stop)) => Err(stop),
        }
    }
}
