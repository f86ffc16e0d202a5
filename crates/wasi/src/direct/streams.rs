//! What a program has beside files.

use crate::{Errno, Process};

/// Where a program writes to.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Stream {
    /// Standard output.
    Stdout,
    /// Standard error.
    Stderr,
}

impl Process {
    /// The arguments, the program's name first.
    #[must_use]
    pub fn arguments(&self) -> &[Vec<u8>] {
        &self.arguments
    }

    /// The environment, each entry as `KEY=VALUE`.
    #[must_use]
    pub fn environment(&self) -> &[Vec<u8>] {
        &self.environment
    }

    /// The paths of the directories that the program finds open, from
    /// descriptor 3 on.
    pub fn preopens(&self) -> impl Iterator<Item = (u32, &[u8])> {
        (3..).zip(self.paths.iter().map(Vec::as_slice))
    }

    /// Takes up to so many bytes from standard input; none at its end.
    pub fn read_stdin(&mut self, len: u64) -> &[u8] {
        self.asked.stdin = true;
        let rest = &self.stdin.bytes()[self.stdin_at..];
        let len = usize::try_from(len).unwrap_or(usize::MAX).min(rest.len());
        self.stdin_at += len;
        &rest[..len]
    }

    /// Writes all of the bytes to a stream.
    ///
    /// # Errors
    /// [`Errno::Nospc`] past the limit; nothing is written then.
    pub fn write_stream(&mut self, stream: Stream, bytes: &[u8]) -> Result<(), Errno> {
        self.fs.budget.take(bytes.len() as u64)?;
        match stream {
            Stream::Stdout => self.stdout.extend_from_slice(bytes),
            Stream::Stderr => self.stderr.extend_from_slice(bytes),
        }
        Ok(())
    }

    /// How many bytes the program may still write.
    #[must_use]
    pub const fn room(&self) -> u64 {
        self.fs.budget.left()
    }

    /// Fills with random bytes.
    pub fn random(&mut self, out: &mut [u8]) {
        self.random.fill(out);
    }

    /// Reads the clock, in nanoseconds since 1970, which moves it.
    pub const fn read_clock_ns(&mut self) -> u64 {
        self.clock.read_ns()
    }

    /// What the clock shows, without moving it.
    #[must_use]
    pub const fn now_ns(&self) -> u64 {
        self.clock.now_ns()
    }

    /// By how much a reading moves the clock.
    #[must_use]
    pub const fn clock_resolution_ns(&self) -> u64 {
        self.clock.resolution_ns()
    }

    /// Waits until an instant: the clock goes on to it, never back.
    pub const fn wait_until_ns(&mut self, instant_ns: u64) {
        self.clock.jump_to(instant_ns);
    }
}
