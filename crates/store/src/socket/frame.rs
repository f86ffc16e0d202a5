//! Frames: a byte that says what it is, and up to 2 MiB.

use std::io::{self, ErrorKind, Read, Write};
use std::os::unix::net::UnixStream;
use std::sync::Arc;
use std::time::{Duration, Instant};

/// The length in four bytes, the tag in one, three zeros.
pub(super) const HEADER_BYTES: usize = 8;

/// The most that stands behind a header.
pub(super) const FRAME_MAX_BYTES: usize = 2 << 20;

/// How long the rest of a frame may take once its beginning is there, and the
/// other side to take what is written to it.
pub(super) const FRAME_TIME: Duration = Duration::from_secs(20);

/// What a buffer keeps of its room from one frame to the next.
const KEPT_BYTES: usize = 64 << 10;

/// What came.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Received {
    /// A frame with this tag; what it holds is in [`Incoming::payload`].
    Frame(u8),
    /// The other side has ended, between frames.
    End,
    /// Nothing for as long as was to be waited.
    Nothing,
}

/// What comes in on a connection.
#[derive(Debug)]
pub(super) struct Incoming {
    stream: Arc<UnixStream>,
    /// What was read; the frame last received is its beginning.
    buffer: Vec<u8>,
    /// Where that frame ends.
    end: usize,
    /// As last told to the operating system.
    wait: Option<Duration>,
    frame_time: Duration,
}

/// What goes out on it.
#[derive(Debug)]
pub(super) struct Outgoing {
    stream: Arc<UnixStream>,
    frame: Vec<u8>,
    frame_time: Duration,
}

/// Both ways of a connection on which nothing has been read. A frame that has
/// begun has to be complete, and to be taken, within `frame_time`.
pub(super) fn frames(stream: UnixStream, frame_time: Duration) -> io::Result<(Incoming, Outgoing)> {
    stream.set_read_timeout(None)?;
    stream.set_write_timeout(Some(frame_time))?;
    let stream = Arc::new(stream);
    let outgoing = Outgoing { stream: stream.clone(), frame: Vec::new(), frame_time };
    Ok((Incoming { stream, buffer: Vec::new(), end: 0, wait: None, frame_time }, outgoing))
}

/// The length and the tag in a header; `None` if it is none.
pub(super) fn read_header(header: [u8; HEADER_BYTES]) -> Option<(usize, u8)> {
    let [a, b, c, d, tag, 0, 0, 0] = header else { return None };
    let length = usize::try_from(u32::from_le_bytes([a, b, c, d])).ok()?;
    (length <= FRAME_MAX_BYTES).then_some((length, tag))
}

fn broken(text: &str) -> io::Error {
    io::Error::new(ErrorKind::InvalidData, text)
}

fn is_timeout(error: &io::Error) -> bool {
    matches!(error.kind(), ErrorKind::WouldBlock | ErrorKind::TimedOut)
}

impl Outgoing {
    /// Writes a frame, header and payload at once.
    pub(super) fn send(&mut self, tag: u8, write: impl FnOnce(&mut Vec<u8>)) -> io::Result<()> {
        self.frame.clear();
        self.frame.resize(HEADER_BYTES, 0);
        write(&mut self.frame);
        let length = self.frame.len() - HEADER_BYTES;
        if length > FRAME_MAX_BYTES {
            return Err(broken("a frame that is too long"));
        }
        // Less than a `u32` has.
        self.frame[..4].copy_from_slice(&(length as u32).to_le_bytes());
        self.frame[4] = tag;
        let sent = self.write_all();
        // What a long frame took is given back.
        self.frame.truncate(KEPT_BYTES);
        self.frame.shrink_to(KEPT_BYTES);
        sent
    }

    fn write_all(&self) -> io::Result<()> {
        let until = Instant::now() + self.frame_time;
        let mut rest = &self.frame[..];
        while !rest.is_empty() {
            match (&*self.stream).write(rest) {
                Ok(0) => return Err(ErrorKind::WriteZero.into()),
                // A timeout is for one write: a reader that takes a byte now
                // and then must not be waited for for ever.
                Ok(written) if written < rest.len() && Instant::now() > until => {
                    return Err(ErrorKind::TimedOut.into());
                }
                Ok(written) => rest = &rest[written..],
                Err(error) if error.kind() == ErrorKind::Interrupted => {}
                Err(error) => return Err(error),
            }
        }
        Ok(())
    }
}

impl Incoming {
    /// Waits for the next frame, so long for its first byte.
    pub(super) fn receive(&mut self, wait: Option<Duration>) -> io::Result<Received> {
        self.buffer.drain(..self.end);
        self.end = 0;
        if self.buffer.is_empty() {
            self.buffer.shrink_to(KEPT_BYTES);
            match self.read_more(wait) {
                Ok(0) => return Ok(Received::End),
                Ok(_) => {}
                Err(error) if is_timeout(&error) => return Ok(Received::Nothing),
                Err(error) => return Err(error),
            }
        }
        let until = Instant::now() + self.frame_time;
        loop {
            if let Some((header, rest)) = self.buffer.split_first_chunk() {
                let (length, tag) =
                    read_header(*header).ok_or_else(|| broken("what is no frame"))?;
                if rest.len() >= length {
                    self.end = HEADER_BYTES + length;
                    return Ok(Received::Frame(tag));
                }
            }
            let left = until.saturating_duration_since(Instant::now());
            if left.is_zero() {
                return Err(ErrorKind::TimedOut.into());
            }
            if self.read_more(Some(left.max(Duration::from_millis(1))))? == 0 {
                return Err(ErrorKind::UnexpectedEof.into());
            }
        }
    }

    /// What the frame last received holds.
    pub(super) fn payload(&self) -> &[u8] {
        self.buffer.get(HEADER_BYTES..self.end).unwrap_or(&[])
    }

    // The buffer grows by what has come, not by what was announced.
    fn read_more(&mut self, wait: Option<Duration>) -> io::Result<usize> {
        if self.wait != wait {
            self.stream.set_read_timeout(wait)?;
            self.wait = wait;
        }
        let before = self.buffer.len();
        let room = before.clamp(16 << 10, 256 << 10);
        self.buffer.resize(before + room, 0);
        let read = loop {
            match (&*self.stream).read(&mut self.buffer[before..]) {
                Err(error) if error.kind() == ErrorKind::Interrupted => {}
                read => break read,
            }
        };
        self.buffer.truncate(before + read.as_ref().map_or(0, |read| *read));
        read
    }
}
