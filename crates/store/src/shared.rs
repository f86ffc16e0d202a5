//! A store that several processes use at a time, whichever of them holds it.

mod journal;
mod standing;
mod state;

use std::io::Read;
use std::ops::ControlFlow;
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, OnceLock};
use std::time::Duration;

use weft_object::{Content, Handle, Prefix};

use crate::file::{Damage, Tell, Trouble};
use crate::files::Stamps;
use crate::socket::{Fact, Facts, Spool};
use crate::sync::{Mutex, RwLock};
use crate::{
    Backend, Collect, Collected, Expect, Finder, Label, Mode, Pin, Progress, Relation, Resolved,
    Run, StoreError, Usage,
};
use journal::{Act, Journal};
use standing::Standing;
use state::State;

/// The store in a directory, for as many processes as there are.
///
/// Opened for writing, this process holds the store if nobody does, and lets
/// others use it; else it works through the process that holds it. When that one
/// ends, or is killed, this one holds the store itself or turns to the next one,
/// and what was just being done is done again: every change is made so that it
/// can be. What was put through a holder that ended before a
/// [`sync`](Backend::sync) is put again, or looked for, before anything goes on:
/// so a sync speaks for all that came before it, whoever held the store then.
///
/// Opened for reading, it works through the holder if there is one, and reads
/// the files as they are if not. It never holds the store.
pub struct SharedBackend {
    directory: PathBuf,
    mode: Mode,
    wait: Duration,
    state: RwLock<Arc<State>>,
    /// How many of these there have been.
    holders: AtomicU64,
    /// Held by who looks for the next holder.
    changing: Mutex<()>,
    standing: Mutex<Standing>,
    journal: Journal,
    facts: Mutex<Option<Arc<Facts>>>,
    on_trouble: Mutex<Option<Tell>>,
    stamps: OnceLock<Arc<Stamps>>,
}

/// How long a store may be held by a process that does not listen, which it does
/// only while it begins or ends.
const WAIT: Duration = Duration::from_secs(10);

impl SharedBackend {
    /// Opens the store in a directory.
    ///
    /// # Errors
    /// As of [`FileBackend::open`](crate::FileBackend::open);
    /// [`StoreError::Locked`] if somebody holds it who does not let others in,
    /// for ten seconds; or the holder speaks another version or does not answer.
    pub fn open(directory: &Path, mode: Mode) -> Result<Self, StoreError> {
        Self::open_with(directory, mode, WAIT)
    }

    /// The same, with another time to wait.
    ///
    /// # Errors
    /// As of [`SharedBackend::open`].
    pub fn open_with(directory: &Path, mode: Mode, wait: Duration) -> Result<Self, StoreError> {
        let state = State::find(directory, mode, wait)?;
        Ok(Self {
            directory: directory.into(),
            mode,
            wait,
            state: RwLock::new(Arc::new(state)),
            holders: AtomicU64::new(0),
            changing: Mutex::new(()),
            standing: Mutex::default(),
            journal: Journal::default(),
            facts: Mutex::new(None),
            on_trouble: Mutex::new(None),
            stamps: OnceLock::new(),
        })
    }

    /// The directory that holds the store.
    #[must_use]
    pub fn directory(&self) -> &Path {
        &self.directory
    }

    /// What was found damaged if this process opened the files itself.
    #[must_use]
    pub fn damage(&self) -> Vec<Damage> {
        self.current().damage().to_vec()
    }

    /// Whether this process holds the store.
    #[must_use]
    pub fn is_holder(&self) -> bool {
        matches!(*self.current(), State::Holding { .. })
    }

    /// What the holder tells of itself; `None` if nobody holds the store.
    ///
    /// # Errors
    /// It does not answer.
    pub fn holder(&self) -> Result<Option<Vec<Fact>>, StoreError> {
        loop {
            let state = self.current();
            match state.about() {
                Err(StoreError::Gone) => self.recover(&state)?,
                about => return about,
            }
        }
    }

    /// What this process tells of itself when it holds the store, beyond its
    /// number and since when. It is called by other threads, and kept as long as
    /// this lives: so it must not own what owns this.
    pub fn tell(&self, facts: impl Fn() -> Vec<Fact> + Send + Sync + 'static) {
        let facts: Arc<Facts> = Arc::new(facts);
        *self.facts.lock() = Some(facts.clone());
        self.current().tell(facts);
    }

    /// Has it told when something fails that nobody waits for, as long as this
    /// process holds the store: as of
    /// [`FileBackend::on_trouble`](crate::FileBackend::on_trouble). Who is its
    /// client finds it among what the holder tells of itself.
    pub fn on_trouble(&self, tell: impl Fn(&Trouble) + Send + Sync + 'static) {
        let tell: Tell = Arc::new(tell);
        *self.on_trouble.lock() = Some(tell.clone());
        self.current().on_trouble(tell);
    }

    /// As of [`FileBackend::rely_on`](crate::FileBackend::rely_on), whoever holds
    /// the store.
    pub fn rely_on(&self, stamps: Arc<Stamps>) {
        let stamps = self.stamps.get_or_init(|| stamps);
        self.current().rely_on(stamps);
    }

    fn current(&self) -> Arc<State> {
        self.state.read().clone()
    }

    /// Finds the next holder, or becomes it, after this one has gone; and takes
    /// up there what stood.
    fn recover(&self, gone: &Arc<State>) -> Result<(), StoreError> {
        let _changing = self.changing.lock();
        loop {
            if !Arc::ptr_eq(gone, &self.state.read()) {
                return Ok(());
            }
            let state = State::find(&self.directory, self.mode, self.wait)?;
            if let Some(facts) = self.facts.lock().clone() {
                state.tell(facts);
            }
            if let Some(tell) = self.on_trouble.lock().clone() {
                state.on_trouble(tell);
            }
            if let Some(stamps) = self.stamps.get() {
                state.rely_on(stamps);
            }
            // Nobody begins to hold anything between what is said here and what
            // all others see.
            let standing = self.standing.lock();
            let taken = standing.say(&state).and_then(|()| self.journal.replay(state.backend()));
            match taken {
                Err(StoreError::Gone) => continue,
                taken => {
                    if taken.is_err() {
                        self.journal.spoil();
                    }
                    self.holders.fetch_add(1, Ordering::Relaxed);
                    *self.state.write() = Arc::new(state);
                    return taken;
                }
            }
        }
    }

    fn writable(&self) -> Result<(), StoreError> {
        match self.mode {
            Mode::Read => Err(StoreError::ReadOnly(self.directory.join("store"))),
            Mode::Write => Ok(()),
        }
    }

    /// Does something with whoever holds the store, and again with the next one
    /// if that one goes. `again` is told to `act`: it may have been done.
    fn with<T>(
        &self,
        mut act: impl FnMut(&State, bool) -> Result<T, StoreError>,
    ) -> Result<T, StoreError> {
        let mut again = false;
        loop {
            let state = self.current();
            match act(&state, again) {
                Err(StoreError::Gone) => {
                    self.recover(&state)?;
                    again = true;
                }
                done => return done,
            }
        }
    }

    /// Makes sure that what stands at a holder still does.
    fn stay(
        &self,
        say: impl Fn(&mut Standing, &State) -> Result<(), StoreError>,
    ) -> Result<(), StoreError> {
        loop {
            let state = {
                let mut standing = self.standing.lock();
                let state = self.current();
                match say(&mut standing, &state) {
                    Err(StoreError::Gone) => state,
                    said => return said,
                }
            };
            self.recover(&state)?;
        }
    }

    /// A change: noted before it is made, so that it is not lost with the holder.
    fn change<T>(
        &self,
        note: impl FnOnce() -> Result<Act, StoreError>,
        mut make: impl FnMut(&dyn Backend, bool) -> Result<T, StoreError>,
    ) -> Result<T, StoreError> {
        self.writable()?;
        let noted = match *self.current() {
            // What this process holds, nobody loses.
            State::Holding { .. } => None,
            _ => Some(self.journal.note(note()?)),
        };
        let stays = self.stay(Standing::give_sign);
        let made = stays.and_then(|()| self.with(|state, again| make(state.backend(), again)));
        if let Some(noted) = noted {
            self.journal.made(noted, made.is_ok());
        }
        made
    }
}

impl Backend for SharedBackend {
    fn get(&self, handle: &Handle) -> Result<Option<Content>, StoreError> {
        self.with(|state, _| state.backend().get(handle))
    }

    fn contains(&self, handle: &Handle) -> Result<bool, StoreError> {
        let (found, through_another) =
            self.with(|state, _| Ok((state.backend().contains(handle)?, state.is_another())))?;
        if found && through_another && self.standing.lock().is_writing() {
            self.journal.rely_on(*handle);
        }
        Ok(found)
    }

    fn put(&self, batch: &[(Handle, Content)]) -> Result<(), StoreError> {
        let note = || Ok(Act::put(batch));
        self.change(note, |backend, _| backend.put(batch))
    }

    fn put_stream(&self, handle: &Handle, bytes: &mut dyn Read) -> Result<bool, StoreError> {
        if let State::Holding { backend, .. } = &*self.current() {
            return backend.put_stream(handle, bytes);
        }
        let handle = handle.content();
        if handle.kind() != weft_object::Kind::Blob {
            return Err(StoreError::Content(handle));
        }
        if self.contains(&handle)? {
            return Ok(true);
        }
        self.writable()?;
        // It can be read but once, and may be wanted again.
        let mut spool = Spool::new(&self.directory)?;
        if !spool.fill(bytes, handle.length().unwrap_or(0))? {
            return Ok(false);
        }
        let put = self.with(|state, _| match state {
            State::Asking(client) => client.adopt(&handle, &spool),
            other => spool.put(other.backend(), &handle),
        })?;
        if put {
            self.journal.rely_on(handle);
        }
        Ok(put)
    }

    fn relation(&self, key: &Handle) -> Result<Option<Relation>, StoreError> {
        self.with(|state, _| state.backend().relation(key))
    }

    fn put_relations(&self, batch: &[(Handle, Relation)]) -> Result<(), StoreError> {
        let note = || Ok(Act::Relations(batch.to_vec()));
        self.change(note, |backend, _| backend.put_relations(batch))
    }

    fn label(&self, label: &Label) -> Result<Option<Handle>, StoreError> {
        self.with(|state, _| state.backend().label(label))
    }

    fn set_label(
        &self,
        label: &Label,
        expect: Expect,
        to: Option<Handle>,
    ) -> Result<(), StoreError> {
        let note = || {
            let from = match expect {
                Expect::Absent => None,
                Expect::At(handle) => Some(handle),
                Expect::Any => self.label(label)?,
            };
            Ok(Act::Label { label: label.clone(), from, to })
        };
        self.change(note, |backend, again| match backend.set_label(label, expect, to) {
            // By the first attempt.
            Err(StoreError::LabelMoved { found, .. }) if again && found == to => Ok(()),
            set => set,
        })
    }

    fn labels(&self) -> Result<Vec<(Label, Handle)>, StoreError> {
        self.with(|state, _| state.backend().labels())
    }

    fn resolve_prefix(&self, prefix: &Prefix) -> Result<Resolved, StoreError> {
        self.with(|state, _| state.backend().resolve_prefix(prefix))
    }

    /// If the holder goes in the middle it is [`StoreError::Gone`]: what was
    /// visited is not visited again.
    fn each_relation(
        &self,
        visit: &mut dyn FnMut(&Handle, &Relation) -> ControlFlow<()>,
    ) -> Result<(), StoreError> {
        let mut visited = false;
        loop {
            let state = self.current();
            let each = state.backend().each_relation(&mut |key, relation| {
                visited = true;
                visit(key, relation)
            });
            match each {
                Err(StoreError::Gone) if !visited => self.recover(&state)?,
                each => return each,
            }
        }
    }

    fn finder(&self, finder: &Finder) -> Result<u16, StoreError> {
        // One that is known needs no writing.
        let known = self.finders()?.iter().position(|known| known == finder);
        if let Some(number) = known.and_then(|at| u16::try_from(at + 1).ok()) {
            return Ok(number);
        }
        self.writable()?;
        let (number, through_another) =
            self.with(|state, _| Ok((state.backend().finder(finder)?, state.is_another())))?;
        if through_another {
            self.journal.note_made(Act::Finder(finder.clone(), number));
        }
        Ok(number)
    }

    fn finders(&self) -> Result<Vec<Finder>, StoreError> {
        self.with(|state, _| state.backend().finders())
    }

    fn put_run(&self, run: &Run) -> Result<(), StoreError> {
        let note = || Ok(Act::Run(run.clone()));
        self.change(note, |backend, again| match again && backend.runs()?.contains(run) {
            true => Ok(()),
            false => backend.put_run(run),
        })
    }

    fn runs(&self) -> Result<Vec<Run>, StoreError> {
        self.with(|state, _| state.backend().runs())
    }

    fn pin(&self, pin: &Pin) -> Result<(), StoreError> {
        self.change(|| Ok(Act::Pin(*pin)), |backend, _| backend.pin(pin))
    }

    fn unpin(&self, handle: &Handle) -> Result<bool, StoreError> {
        // If there is none at the second attempt, the first one took it away.
        self.change(
            || Ok(Act::Unpin(*handle)),
            |backend, again| backend.unpin(handle).map(|was| was || again),
        )
    }

    fn pins(&self) -> Result<Vec<Pin>, StoreError> {
        self.with(|state, _| state.backend().pins())
    }

    fn recipe(&self, handle: &Handle) -> Result<Option<Handle>, StoreError> {
        self.with(|state, _| state.backend().recipe(handle))
    }

    fn hold(&self, handle: &Handle) {
        let state = {
            let mut standing = self.standing.lock();
            let state = self.current();
            match standing.hold(&state, handle) {
                Err(StoreError::Gone) => state,
                _ => return,
            }
        };
        // What is noted is said to the next one. If there is none, there is no
        // collection, and the next call says so.
        let _ = self.recover(&state);
    }

    fn release(&self, handle: &Handle) {
        let mut standing = self.standing.lock();
        // With a holder that has gone, what it held has gone too.
        let _ = standing.release(&self.current(), handle);
    }

    fn begin_writing(&self) -> Result<(), StoreError> {
        let state = {
            let mut standing = self.standing.lock();
            let state = self.current();
            match standing.begin_writing(&state) {
                Err(StoreError::Gone) => state,
                begun => return begun,
            }
        };
        self.recover(&state).inspect_err(|_| self.standing.lock().forget_writing())
    }

    fn end_writing(&self) {
        let (state, ended) = {
            let mut standing = self.standing.lock();
            let state = self.current();
            let ended = standing.end_writing(&state);
            (state, ended)
        };
        // If it had ended before, a collection may have taken what was put: it
        // is put again, or the next sync fails.
        if ended.is_err() && self.recover(&state).is_err() {
            self.journal.spoil();
        }
    }

    fn set_budget(&self, bytes: Option<u64>) -> Result<(), StoreError> {
        self.change(|| Ok(Act::Budget(bytes)), |backend, _| backend.set_budget(bytes))
    }

    fn collect(&self, options: &Collect, tell: &dyn Fn(Progress)) -> Result<Collected, StoreError> {
        if !options.dry_run {
            self.writable()?;
        }
        self.with(|state, _| state.backend().collect(options, tell))
    }

    fn removals(&self) -> u64 {
        let removals = self.with(|state, _| match state {
            State::Asking(client) => client.try_removals(),
            other => Ok(other.backend().removals()),
        });
        // Nobody knows what a holder removed before we asked, so another one is
        // a change in any case.
        let holders = self.holders.load(Ordering::Relaxed);
        removals.map_or(u64::MAX, |removals| (holders << 40) + removals)
    }

    fn usage(&self) -> Result<Usage, StoreError> {
        self.with(|state, _| state.backend().usage())
    }

    fn sync(&self) -> Result<(), StoreError> {
        self.stay(Standing::confirm)?;
        let before = self.journal.before_sync()?;
        self.with(|state, _| state.backend().sync())?;
        // Something that was lost meanwhile was not put again.
        self.journal.synced(before)
    }
}

impl std::fmt::Debug for SharedBackend {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "SharedBackend({}, {:?})", self.directory.display(), self.current())
    }
}
