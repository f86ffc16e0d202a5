use std::path::Path;
use std::sync::Arc;
use std::thread;
use std::time::{Duration, Instant};

use crate::file::{Damage, Tell, Trouble};
use crate::files::Stamps;
use crate::socket::{Client, Fact, Facts, Limits, Server};
use crate::{Backend, FileBackend, Mode, StoreError};

/// How this process has the store.
#[derive(Debug)]
pub(super) enum State {
    /// It holds it, and others work through it where there are sockets.
    Holding {
        // Dropped first: clients end before the lock is released.
        server: Option<Server>,
        backend: Arc<FileBackend>,
    },
    /// Another one holds it.
    Asking(Box<Client>),
    /// Nobody has to: the files are read as they were.
    Reading(Box<FileBackend>),
}

impl Drop for State {
    /// A collection ends while others can still say what they rely on: their
    /// stretches of writing end with the server, and would hold up none.
    fn drop(&mut self) {
        if let Self::Holding { backend, .. } = self {
            backend.end_collecting();
        }
    }
}

impl State {
    /// The way that there is, if need be after some time.
    pub(super) fn find(directory: &Path, mode: Mode, wait: Duration) -> Result<Self, StoreError> {
        match mode {
            Mode::Read => Self::to_read(directory),
            Mode::Write => Self::to_write(directory, wait),
        }
    }

    // Whatever is the matter with a holder, the files can be read.
    fn to_read(directory: &Path) -> Result<Self, StoreError> {
        if let Ok(Some(client)) = Client::look(directory) {
            return Ok(Self::Asking(Box::new(client)));
        }
        FileBackend::open(directory, Mode::Read).map(|files| Self::Reading(Box::new(files)))
    }

    fn to_write(directory: &Path, wait: Duration) -> Result<Self, StoreError> {
        let until = Instant::now() + wait;
        let mut pause = Duration::from_millis(2);
        loop {
            // It lasts longer to see whose the lock is than to connect.
            if let Some(client) = Client::look(directory)? {
                return Ok(Self::Asking(Box::new(client)));
            }
            let locked = match FileBackend::open(directory, Mode::Write) {
                Ok(backend) => return Ok(Self::holding(backend, directory)),
                Err(locked @ StoreError::Locked { .. }) => locked,
                Err(error) => return Err(error),
            };
            // It may have just begun, or be about to end.
            if Instant::now() >= until {
                return Err(locked);
            }
            thread::sleep(pause);
            pause = (pause * 2).min(Duration::from_millis(50));
        }
    }

    fn holding(backend: FileBackend, directory: &Path) -> Self {
        let backend = Arc::new(backend);
        // Some file systems have no sockets: then it is held alone.
        let server = Server::start(backend.clone(), directory, Limits::default()).ok();
        let state = Self::Holding { server, backend };
        state.tell(Arc::new(Vec::<Fact>::new));
        state
    }

    pub(super) fn backend(&self) -> &dyn Backend {
        match self {
            Self::Holding { backend, .. } => &**backend,
            Self::Asking(client) => &**client,
            Self::Reading(backend) => &**backend,
        }
    }

    /// Whether another process holds the store.
    pub(super) fn is_another(&self) -> bool {
        matches!(self, Self::Asking(_))
    }

    pub(super) fn damage(&self) -> &[Damage] {
        match self {
            Self::Holding { backend, .. } => backend.damage(),
            Self::Asking(_) => &[],
            Self::Reading(backend) => backend.damage(),
        }
    }

    pub(super) fn about(&self) -> Result<Option<Vec<Fact>>, StoreError> {
        match self {
            Self::Holding { server, .. } => Ok(server.as_ref().map(Server::facts)),
            Self::Asking(client) => client.about().map(Some),
            Self::Reading(_) => Ok(None),
        }
    }

    pub(super) fn rely_on(&self, stamps: &Arc<Stamps>) {
        match self {
            Self::Holding { backend, .. } => backend.rely_on(stamps),
            Self::Asking(client) => client.rely_on(stamps),
            Self::Reading(backend) => backend.rely_on(stamps),
        }
    }

    pub(super) fn tell(&self, facts: Arc<Facts>) {
        if let Self::Holding { server: Some(server), backend } = self {
            let backend = backend.clone();
            server.tell(Arc::new(move || {
                let mut all = facts();
                let fact = |it: &Trouble| Fact::new(it.chore.undone(), &it.error);
                all.extend(backend.troubles().iter().map(fact));
                all
            }));
        }
    }

    pub(super) fn on_trouble(&self, tell: Tell) {
        if let Self::Holding { backend, .. } = self {
            backend.store.troubles.tell(tell);
        }
    }
}
