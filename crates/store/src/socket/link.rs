//! One connection to the holder, from the side of who asks.

use std::io::{self, ErrorKind, Read, Write};
use std::ops::ControlFlow;
use std::os::unix::net::UnixStream;
use std::path::Path;
use std::time::Duration;

use super::bytes::Take;
use super::frame::{FRAME_TIME, Incoming, Outgoing, Received, frames};
use super::hello::{self, Answer, Holder};
use super::request::Request;
use super::{DONE, ERROR, PART, address, trouble};
use crate::StoreError;

/// How long an answer may take before it is asked whether the holder lives.
const WAIT_TIME: Duration = Duration::from_secs(10);

/// How long the holder may take to answer that.
const HELLO_TIME: Duration = Duration::from_secs(5);

/// A connection that is ready for a request.
#[derive(Debug)]
pub(super) struct Link {
    incoming: Incoming,
    outgoing: Outgoing,
    holder: Holder,
}

/// Why there is no connection.
#[derive(Debug)]
pub(super) enum NoLink {
    /// Nobody listens, or not any more, or has no room just now: look again.
    Nobody,
    /// The process speaks another version.
    Version { process: u32, found: u32 },
    /// Somebody listens and does not answer.
    Silent,
    /// The operating system does not let us.
    Refused(io::Error),
}

impl Link {
    pub(super) fn open(directory: &Path) -> Result<Self, NoLink> {
        let stream = match address::connect(directory) {
            Ok(stream) => stream,
            Err(error) => {
                return Err(match error.kind() {
                    ErrorKind::PermissionDenied => NoLink::Refused(error),
                    _ => NoLink::Nobody,
                });
            }
        };
        match greet(&stream) {
            Ok((Answer::Welcome, holder)) => {
                let (incoming, outgoing) = frames(stream, FRAME_TIME).map_err(NoLink::Refused)?;
                Ok(Self { incoming, outgoing, holder })
            }
            Ok((Answer::Version(found), holder)) => {
                Err(NoLink::Version { process: holder.process, found })
            }
            Ok((Answer::Busy, _)) => Err(NoLink::Nobody),
            Err(error) => match error.kind() {
                ErrorKind::WouldBlock | ErrorKind::TimedOut => Err(NoLink::Silent),
                _ => Err(NoLink::Nobody),
            },
        }
    }

    /// Who is on the other side.
    pub(super) fn holder(&self) -> Holder {
        self.holder
    }

    /// Asks, hands on the parts of the answer and returns its end. Where `part`
    /// breaks, `None`; then, and after [`StoreError::Gone`], this is of no use
    /// any more.
    pub(super) fn ask(
        &mut self,
        directory: &Path,
        request: &Request<'_>,
        part: &mut dyn FnMut(&[u8]) -> ControlFlow<StoreError>,
    ) -> Result<Vec<u8>, StoreError> {
        let gone = |_| StoreError::Gone;
        self.outgoing.send(request.tag(), |out| request.encode(out)).map_err(gone)?;
        loop {
            let tag = match self.incoming.receive(Some(WAIT_TIME)).map_err(gone)? {
                Received::Frame(tag) => tag,
                Received::End => return Err(StoreError::Gone),
                Received::Nothing => {
                    self.probe(directory)?;
                    continue;
                }
            };
            let payload = self.incoming.payload();
            match tag {
                DONE => return Ok(payload.to_vec()),
                PART => {
                    if let ControlFlow::Break(error) = part(payload) {
                        return Err(error);
                    }
                }
                ERROR => {
                    let error = trouble::take(Take(payload), directory);
                    return Err(error.unwrap_or_else(nonsense));
                }
                _ => return Err(nonsense()),
            }
        }
    }

    // It works, on this or on something else, as long as it greets.
    fn probe(&self, directory: &Path) -> Result<(), StoreError> {
        match Link::open(directory) {
            Err(NoLink::Silent) => {
                let process = Some(self.holder.process);
                Err(StoreError::Silent { path: directory.into(), process })
            }
            // Whoever is there now: ours says by itself when it ends.
            _ => Ok(()),
        }
    }
}

/// What is no answer.
pub(super) fn nonsense() -> StoreError {
    StoreError::Told(
        "the process that holds the store gave an answer that makes no sense; end it and try again"
            .into(),
    )
}

fn greet(mut stream: &UnixStream) -> io::Result<(Answer, Holder)> {
    stream.set_read_timeout(Some(HELLO_TIME))?;
    stream.set_write_timeout(Some(HELLO_TIME))?;
    // Who is sent away may be so before this is read.
    let _ = stream.write_all(&hello::ask());
    let mut answer = [0; hello::ANSWER_BYTES];
    stream.read_exact(&mut answer)?;
    hello::read_answer(&answer).ok_or_else(|| ErrorKind::InvalidData.into())
}
