//! What was put through another process and is not synced.
//!
//! If that process ends, some of it may be gone: it is put again then. Of long
//! content only the name is kept: it is looked for, and if it is not there, that
//! is an error from then on.

use std::collections::{BTreeMap, HashMap};

use weft_object::{Content, Handle};

use crate::sync::Mutex;
use crate::{Backend, Expect, Finder, HandleHash, Label, Pin, Relation, Run, StoreError};

/// A change, as it is made again.
#[derive(Debug)]
pub(super) enum Act {
    Put(Vec<(Handle, Content)>),
    Relations(Vec<(Handle, Relation)>),
    Label {
        label: Label,
        from: Option<Handle>,
        to: Option<Handle>,
    },
    /// With the number that it got, by which relations speak of it.
    Finder(Finder, u16),
    Run(Run),
    Pin(Pin),
    Unpin(Handle),
    Budget(Option<u64>),
    /// Content that was put and is not kept here.
    Named(Vec<Handle>),
}

impl Act {
    pub(super) fn put(batch: &[(Handle, Content)]) -> Self {
        Self::Put(batch.to_vec())
    }

    fn bytes(&self) -> u64 {
        match self {
            Self::Put(batch) => batch.iter().map(|(_, content)| content.bytes_len()).sum(),
            _ => 0,
        }
    }

    fn forget_bytes(&mut self) {
        if let Self::Put(batch) = self {
            *self = Self::Named(batch.iter().map(|(handle, _)| *handle).collect());
        }
    }

    fn make(&self, backend: &dyn Backend) -> Result<(), StoreError> {
        match self {
            Self::Put(batch) => backend.put(batch),
            Self::Relations(batch) => {
                let mut lost = Vec::new();
                for (key, relation) in batch {
                    let found = backend.relation(key)?;
                    let same = Relation { durable: true, ..*relation };
                    if found != Some(same) {
                        lost.push((*key, *relation));
                    }
                }
                backend.put_relations(&lost)
            }
            Self::Label { label, from, to } => {
                // Where it stands elsewhere, somebody moved it later.
                let expect = from.map_or(Expect::Absent, Expect::At);
                match backend.set_label(label, expect, *to) {
                    Err(StoreError::LabelMoved { .. }) => Ok(()),
                    set => set,
                }
            }
            Self::Finder(finder, number) => match backend.finder(finder)? == *number {
                true => Ok(()),
                false => Err(StoreError::Lost(None)),
            },
            Self::Run(run) => match backend.runs()?.contains(run) {
                true => Ok(()),
                false => backend.put_run(run),
            },
            Self::Pin(pin) => backend.pin(pin),
            Self::Unpin(handle) => backend.unpin(handle).map(|_| ()),
            Self::Budget(bytes) => backend.set_budget(*bytes),
            Self::Named(handles) => handles.iter().try_for_each(|handle| is_there(backend, handle)),
        }
    }
}

fn is_there(backend: &dyn Backend, handle: &Handle) -> Result<(), StoreError> {
    match backend.contains(handle)? {
        true => Ok(()),
        false => Err(StoreError::Lost(Some(*handle))),
    }
}

#[derive(Debug, Default)]
pub(super) struct Journal(Mutex<Acts>);

#[derive(Debug, Default)]
struct Acts {
    next: u64,
    noted: BTreeMap<u64, Noted>,
    /// Content whose being there was relied on, with when it was.
    relied: HashMap<Handle, u64, HandleHash>,
    bytes: u64,
    /// Not all could be made again; this could not, if it is known what.
    lost: Option<Option<Handle>>,
}

#[derive(Debug)]
struct Noted {
    act: Act,
    made: bool,
}

/// So much content is kept to be put again.
const BYTES_MAX: u64 = 64 << 20;

/// What a sync will speak for.
#[derive(Debug)]
pub(super) struct Before {
    made: Vec<u64>,
    next: u64,
}

impl Journal {
    /// Notes what is about to be made.
    pub(super) fn note(&self, mut act: Act) -> u64 {
        let acts = &mut *self.0.lock();
        if acts.bytes + act.bytes() > BYTES_MAX {
            act.forget_bytes();
        }
        acts.bytes += act.bytes();
        acts.next += 1;
        acts.noted.insert(acts.next, Noted { act, made: false });
        acts.next
    }

    /// Notes what was just made.
    pub(super) fn note_made(&self, act: Act) {
        let number = self.note(act);
        self.made(number, true);
    }

    /// It was made, or will not be.
    pub(super) fn made(&self, number: u64, ok: bool) {
        let acts = &mut *self.0.lock();
        match acts.noted.get_mut(&number) {
            Some(noted) if ok => noted.made = true,
            Some(_) => acts.remove(number),
            None => {}
        }
    }

    /// Notes content that is there and has to be.
    pub(super) fn rely_on(&self, handle: Handle) {
        let acts = &mut *self.0.lock();
        acts.next += 1;
        acts.relied.insert(handle.content(), acts.next);
    }

    /// Makes all of it again, in the order in which it was made.
    pub(super) fn replay(&self, backend: &dyn Backend) -> Result<(), StoreError> {
        let acts = &mut *self.0.lock();
        // Of what is about to be made, the caller still has the bytes.
        let mut acted =
            acts.noted.values().filter(|noted| noted.made || !matches!(noted.act, Act::Named(_)));
        let all = acted.try_for_each(|noted| noted.act.make(backend));
        let relied = || acts.relied.keys().try_for_each(|handle| is_there(backend, handle));
        let done = all.and_then(|()| relied());
        if let Err(StoreError::Lost(what)) = done {
            acts.lost = Some(what);
        }
        done
    }

    /// Not all that stood could be taken up: no sync may speak for it.
    pub(super) fn spoil(&self) {
        self.0.lock().lost.get_or_insert(None);
    }

    /// To be called before a sync.
    pub(super) fn before_sync(&self) -> Result<Before, StoreError> {
        let acts = self.0.lock();
        acts.sound()?;
        let made = acts.noted.iter().filter(|(_, noted)| noted.made);
        Ok(Before { made: made.map(|(number, _)| *number).collect(), next: acts.next })
    }

    /// To be called after it.
    pub(super) fn synced(&self, before: Before) -> Result<(), StoreError> {
        let acts = &mut *self.0.lock();
        acts.sound()?;
        before.made.iter().for_each(|number| acts.remove(*number));
        acts.relied.retain(|_, number| *number > before.next);
        Ok(())
    }
}

impl Acts {
    fn remove(&mut self, number: u64) {
        if let Some(noted) = self.noted.remove(&number) {
            self.bytes -= noted.act.bytes();
        }
    }

    fn sound(&self) -> Result<(), StoreError> {
        match self.lost {
            Some(what) => Err(StoreError::Lost(what)),
            None => Ok(()),
        }
    }
}
