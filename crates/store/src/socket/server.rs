//! The side of the process that holds the store: who is connected.

use std::io::{ErrorKind, Write};
use std::net::Shutdown;
use std::os::fd::OwnedFd;
use std::os::unix::net::{UnixListener, UnixStream};
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread::{self, JoinHandle};
use std::time::{Duration, Instant, SystemTime, UNIX_EPOCH};

use super::hello::{self, Answer, Holder};
use super::{Fact, address, connection, frame};
use crate::Backend;
use crate::sync::Mutex;

/// How much clients may ask of a holder.
#[derive(Clone, Copy, Debug)]
pub struct Limits {
    /// Connections at a time. Beyond, the one that has been idle longest makes
    /// place; if none is, who comes is sent away.
    pub connections_max: usize,
    /// Handles that one connection may hold.
    pub holds_max: usize,
    /// How long a connection may take to say what it is.
    pub hello_time: Duration,
    /// How long the rest of a frame may take once it has begun, and a client to
    /// take the next part of an answer.
    pub frame_time: Duration,
    /// How long a client may be silent in a stretch of writing, which keeps a
    /// collection waiting.
    pub writing_time: Duration,
}

impl Default for Limits {
    fn default() -> Self {
        Self {
            connections_max: 64,
            holds_max: 1 << 20,
            hello_time: Duration::from_secs(5),
            frame_time: frame::FRAME_TIME,
            writing_time: Duration::from_secs(300),
        }
    }
}

/// What a process tells of itself when it is asked, see [`Fact`].
pub type Facts = dyn Fn() -> Vec<Fact> + Send + Sync;

/// Lets other processes use a backend through the socket in its directory,
/// until it is dropped: then connections end, after what they are just doing.
#[derive(Debug)]
pub struct Server {
    serving: Arc<Serving>,
    listener: OwnedFd,
    accepting: Option<JoinHandle<()>>,
}

/// What the threads of a server share.
pub(super) struct Serving {
    pub(super) backend: Arc<dyn Backend>,
    pub(super) directory: PathBuf,
    pub(super) limits: Limits,
    pub(super) holder: Holder,
    closing: AtomicBool,
    since_s: u64,
    facts: Mutex<Option<Arc<Facts>>>,
    connections: Mutex<Vec<Connection>>,
}

struct Connection {
    place: Arc<Place>,
    thread: JoinHandle<()>,
}

/// What the server knows of a connection.
#[derive(Debug)]
pub(super) struct Place {
    stream: UnixStream,
    doing: Mutex<Doing>,
}

#[derive(Clone, Copy, Debug)]
struct Doing {
    /// It is being answered, or something stands on it.
    busy: bool,
    since: Instant,
}

impl Place {
    pub(super) fn set_busy(&self, busy: bool) {
        *self.doing.lock() = Doing { busy, since: Instant::now() };
    }

    /// Ends the connection, of which the server keeps a handle.
    pub(super) fn end(&self) {
        let _ = self.stream.shutdown(Shutdown::Both);
    }
}

impl Server {
    /// Begins to listen.
    ///
    /// # Errors
    /// There can be no socket in this directory; the file system may have none.
    pub fn start(
        backend: Arc<dyn Backend>,
        directory: &Path,
        limits: Limits,
    ) -> std::io::Result<Self> {
        super::sweep(directory);
        let listener = address::listen(directory)?;
        let since = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
        let serving = Arc::new(Serving {
            backend,
            directory: directory.into(),
            limits,
            holder: Holder::new(),
            closing: AtomicBool::new(false),
            since_s: since.as_secs(),
            facts: Mutex::new(None),
            connections: Mutex::new(Vec::new()),
        });
        let handle = OwnedFd::from(listener.try_clone()?);
        let shared = serving.clone();
        let accepting = thread::Builder::new()
            .name("store-socket".into())
            .spawn(move || accept(&listener, &shared))?;
        Ok(Self { serving, listener: handle, accepting: Some(accepting) })
    }

    /// What to tell of this process beyond what the server knows.
    pub fn tell(&self, facts: Arc<Facts>) {
        *self.serving.facts.lock() = Some(facts);
    }

    /// What a client is told that asks.
    #[must_use]
    pub fn facts(&self) -> Vec<Fact> {
        self.serving.facts()
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        self.serving.closing.store(true, Ordering::SeqCst);
        address::forget(&self.serving.directory);
        // Wakes whoever accepts. That it is no stream does not matter to it.
        if let Ok(listener) = self.listener.try_clone() {
            let _ = UnixStream::from(listener).shutdown(Shutdown::Both);
        }
        if let Some(accepting) = self.accepting.take() {
            let _ = accepting.join();
        }
        let connections = std::mem::take(&mut *self.serving.connections.lock());
        for connection in &connections {
            connection.place.end();
        }
        for connection in connections {
            let _ = connection.thread.join();
        }
    }
}

impl Serving {
    pub(super) fn is_closing(&self) -> bool {
        self.closing.load(Ordering::SeqCst)
    }

    pub(super) fn facts(&self) -> Vec<Fact> {
        let connections = self.connections.lock().len();
        let mut facts = vec![
            Fact::new("process", self.holder.process),
            Fact::new("since_s", self.since_s),
            Fact::new("connections", connections),
        ];
        // Not under the lock: it is somebody else's code.
        let more = self.facts.lock().clone();
        facts.extend(more.iter().flat_map(|more| more()));
        facts
    }

    /// Gives a thread to who comes, or sends them away.
    fn admit(self: &Arc<Self>, stream: UnixStream) {
        let mut connections = self.connections.lock();
        connections.retain(|connection| !connection.thread.is_finished());
        if connections.len() >= self.limits.connections_max {
            let idle = connections.iter().enumerate().filter_map(|(at, connection)| {
                let doing = *connection.place.doing.lock();
                (!doing.busy).then_some((doing.since, at))
            });
            match idle.min() {
                // It asks again on another connection, should it want to.
                Some((_, at)) => {
                    connections.swap_remove(at).place.end();
                }
                None => {
                    let _ = (&stream).write_all(&hello::answer(Answer::Busy, self.holder));
                    return;
                }
            }
        }
        let Ok(own) = stream.try_clone() else { return };
        let doing = Mutex::new(Doing { busy: true, since: Instant::now() });
        let place = Arc::new(Place { stream: own, doing });
        let (serving, shared) = (self.clone(), place.clone());
        let thread = thread::Builder::new()
            .name("store-client".into())
            .spawn(move || connection::serve(&serving, stream, &shared));
        if let Ok(thread) = thread {
            connections.push(Connection { place, thread });
        }
    }
}

impl std::fmt::Debug for Serving {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "Serving({})", self.directory.display())
    }
}

fn accept(listener: &UnixListener, serving: &Arc<Serving>) {
    while !serving.is_closing() {
        match listener.accept() {
            Ok((stream, _)) => serving.admit(stream),
            Err(error) if error.kind() == ErrorKind::Interrupted => {}
            // By who waits for this to end: every command does, last of all.
            Err(_) if serving.is_closing() => {}
            // Out of files, say: others may end.
            Err(_) => thread::sleep(Duration::from_millis(50)),
        }
    }
}
