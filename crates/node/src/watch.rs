use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::mpsc::{Receiver, Sender, channel};

use weft_eval::{Key, Outcome};
use weft_object::Handle;

use crate::sync::Mutex;

/// Something that happened in a node.
#[derive(Clone, Debug)]
#[non_exhaustive]
pub enum Event {
    /// A function began to run.
    Started {
        /// The canonical application Tree.
        application: Handle,
    },
    /// A function has run.
    Ran {
        /// The canonical application Tree.
        application: Handle,
        /// What it came to.
        outcome: Outcome,
        /// Nanoseconds from start to end.
        run_ns: u64,
    },
    /// A program did not run: earlier runs of it have looked at nothing that is
    /// different in its directories, and ended so.
    Matched {
        /// The canonical application Tree, whose relation that is now.
        application: Handle,
        /// What it comes to.
        outcome: Outcome,
        /// How many questions about its directories lead there.
        asked: u64,
    },
    /// Something was known already.
    Hit {
        /// What.
        key: Key,
    },
    /// Something has to wait for something else.
    Waited {
        /// What.
        key: Key,
        /// For how many other keys.
        needs: usize,
    },
    /// Content was brought into memory.
    Loaded {
        /// The Object.
        object: Handle,
        /// Its bytes.
        bytes: u64,
    },
    /// A request was answered.
    Answered {
        /// What was asked for.
        handle: Handle,
        /// What it came to.
        outcome: Outcome,
    },
    /// Content that the store had dropped was computed again.
    Recovered {
        /// The Object that was asked for. Others may have come with it.
        object: Handle,
        /// The canonical application Tree that brings it back.
        application: Handle,
        /// Nanoseconds that the function took.
        run_ns: u64,
    },
    /// What was found out could not be written; it is tried again after a while.
    NotKept {
        /// Why.
        error: Arc<str>,
    },
    /// Content was dropped from memory because nobody needed it.
    Collected {
        /// How many objects.
        objects: u64,
        /// Their bytes.
        bytes: u64,
    },
}

/// The events of a node from the moment it was asked for; dropped, it stops.
#[derive(Debug)]
pub struct Watch(Receiver<Event>);

impl Watch {
    /// The events that have come in since the last call.
    pub fn drain(&self) -> Vec<Event> {
        self.0.try_iter().collect()
    }
}

/// Those who watch.
#[derive(Debug, Default)]
pub(crate) struct Watchers {
    any: AtomicBool,
    senders: Mutex<Vec<Sender<Event>>>,
}

impl Watchers {
    pub(crate) fn add(&self) -> Watch {
        let (sender, receiver) = channel();
        self.senders.lock().push(sender);
        self.any.store(true, Ordering::Relaxed);
        Watch(receiver)
    }

    /// Tells those who watch; builds the event only if there are any.
    #[inline]
    pub(crate) fn tell(&self, event: impl FnOnce() -> Event) {
        if self.any.load(Ordering::Relaxed) {
            self.tell_all(&event());
        }
    }

    #[cold]
    fn tell_all(&self, event: &Event) {
        let mut senders = self.senders.lock();
        senders.retain(|sender| sender.send(event.clone()).is_ok());
        self.any.store(!senders.is_empty(), Ordering::Relaxed);
    }
}
