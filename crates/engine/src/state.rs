//! What belongs to one run: its table of handles, what it made, its log.

use std::cell::Cell;
use std::collections::{HashMap, TryReserveError};
use std::ptr::NonNull;
use std::sync::Arc;

use wasmtime::{Instance, Memory, ModuleExport};
use weft_object::{Blob, Content, Handle, Kind, Tree};

use crate::abi::window::Windows;
use crate::digest::ByDigest;
use crate::ledger::{Entry, Ledger, TAKEN_MAX};
use crate::limits::Limits;
use crate::outcome::{FailureKind, NoAnswerKind, Stop};
use crate::{Interrupt, Objects, Run, RunBounds};

/// A handle of the table, and where its content was put once it was read.
struct Slot {
    handle: Handle,
    content: u32,
}

const UNREAD: u32 = u32::MAX;
/// Of the first slot: the entries that the caller of `apply` gave.
const GIVEN: u32 = u32::MAX - 1;

// Up to here a linear search beats an index of what was made.
const FEW: usize = 8;

// What the run's own notes take, counted against `made_max_bytes`: a slot of
// the table is 36 bytes in a vector that doubles; what was made has its place
// among the contents, its name there and in the index, and a header.
const SLOT_BYTES: u64 = 64;
const READ_BYTES: u64 = 64;
const MADE_BYTES: u64 = 256;

/// Loops of the host over the guest's memory look at the interrupt flag once
/// in so many bytes.
pub(crate) const STEP_BYTES: usize = 4 << 20;

/// References of the caller of [`crate::Engine::apply`] whose lifetimes a
/// `Store` cannot express.
struct Borrowed {
    objects: NonNull<dyn Objects>,
    interrupt: NonNull<Interrupt>,
    entries: NonNull<Tree>,
}

// SAFETY: whoever holds it is on the thread that called `apply`, and all three may
// be shared between threads.
// JUSTIFICATION: a `Store` is `Send` only with what is.
unsafe impl Send for Borrowed {}

/// The state of one run. Boxes of it are reused by the next run on the thread,
/// for their allocations only: [`State::begin`] sets every field.
#[derive(Default)]
pub(crate) struct State {
    borrowed: Option<Borrowed>,
    table: Vec<Slot>,
    contents: Vec<Content>,
    made: Vec<(Handle, u32)>,
    made_index: HashMap<Handle, u32, ByDigest>,
    indexed: usize,
    held_bytes: u64,
    bounds: RunBounds,
    procedure: Option<Handle>,
    pub(crate) log: Vec<u8>,
    pub(crate) log_truncated: bool,
    pub(crate) limits: Limits,
    pub(crate) instance: Option<Instance>,
    pub(crate) memory_export: Option<ModuleExport>,
    pub(crate) memory: Option<Memory>,
    /// Where what the host writes into that memory is marked.
    pub(crate) cards: Option<Memory>,
    /// Where the module takes handles by itself.
    pub(crate) ledger: Option<Ledger>,
    /// What is mapped into it.
    pub(crate) windows: Windows,
    /// Whether `weft_apply` was entered: a start function may not call imports.
    pub(crate) entered: bool,
}

thread_local! {
    static SPARE: Cell<Option<Box<State>>> = const { Cell::new(None) };
}

// A run that needed more than this gives its allocations back.
const SPARE_MAX: usize = 1 << 12;

impl State {
    /// A state for a run.
    ///
    /// # Safety
    /// What `run` borrows, and `application`, must outlive every use of the state: the
    /// caller keeps them borrowed until [`State::end`] or the drop of the box.
    pub(crate) unsafe fn begin(
        run: &Run<'_>,
        application: (Handle, &Tree),
        limits: Limits,
        bounds: RunBounds,
    ) -> Box<Self> {
        let mut state = SPARE.take().unwrap_or_default();
        // SAFETY: the contract of this function.
        unsafe { state.set(run, application, limits, bounds) };
        state
    }

    /// Sets what differs from run to run, in a state that is clear.
    ///
    /// # Safety
    /// As of [`State::begin`], until [`State::clear`].
    pub(crate) unsafe fn set(
        &mut self,
        run: &Run<'_>,
        application: (Handle, &Tree),
        limits: Limits,
        bounds: RunBounds,
    ) {
        // SAFETY: only the lifetime of the pointer's type changes; that it is
        // not used for longer is the contract of this function.
        // JUSTIFICATION: a `Store` demands `'static` data, and the alternative,
        // an `Arc` cloned for each run, makes every core write one counter.
        let objects = unsafe {
            std::mem::transmute::<NonNull<dyn Objects + '_>, NonNull<dyn Objects + 'static>>(
                NonNull::from(run.objects),
            )
        };
        let (handle, entries) = application;
        let interrupt = NonNull::from(run.interrupt);
        self.borrowed = Some(Borrowed { objects, interrupt, entries: NonNull::from(entries) });
        self.table.push(Slot { handle, content: GIVEN });
        self.procedure = entries.entries().get(1).copied();
        self.bounds = bounds;
        self.limits = limits;
        self.open_ledger();
    }

    /// Tells the module what it is applied to.
    pub(crate) fn open_ledger(&mut self) {
        let Some((ledger, borrowed)) = self.ledger.as_mut().zip(self.borrowed.as_ref()) else {
            return;
        };
        // SAFETY: `borrowed` is set only while the contract of `begin` holds.
        let given = unsafe { borrowed.entries.as_ref() };
        ledger.begin(given.entries(), self.bounds.handles_max as usize <= TAKEN_MAX);
    }

    /// Puts the handles that the module has taken by itself into the table.
    #[inline]
    pub(crate) fn catch_up(&mut self) -> Result<(), Stop> {
        let next = self.ledger.as_mut().map_or(0, Ledger::next);
        while self.table.len() < next
            && let Some(entry) = self.ledger.as_mut().and_then(|it| it.taken(self.table.len()))
        {
            let handle = self.taken(&entry)?;
            self.charge(SLOT_BYTES)?;
            room(&mut self.table)?;
            self.table.push(Slot { handle, content: UNREAD });
        }
        Ok(())
    }

    fn taken(&self, entry: &Entry) -> Result<Handle, Stop> {
        let borrowed = self.borrowed.as_ref();
        // SAFETY: `borrowed` is set only while the contract of `begin` holds.
        let given = borrowed.map(|borrowed| unsafe { borrowed.entries.as_ref() });
        let handle = given.and_then(|given| entry.handle(given));
        // The module's own functions write no other entry. If it were one, that would be no
        // fact about the computation.
        handle.ok_or_else(|| {
            let detail = "a handle that the module took is no entry of its application";
            Stop::NoAnswer(NoAnswerKind::Missing, detail.to_owned())
        })
    }

    /// The handle that the function has returned, by its index.
    pub(crate) fn result(&mut self, index: i32) -> Result<Handle, Stop> {
        let from = self.table.len();
        if let Some(ledger) = &mut self.ledger {
            let count = ledger.next().saturating_sub(from);
            let at = usize::try_from(index).ok().filter(|at| *at >= from);
            let entry = at.and_then(|at| ledger.taken(at));
            self.charge(SLOT_BYTES * count as u64)?;
            if let Some(entry) = entry {
                return self.taken(&entry);
            }
        }
        self.handle("weft_apply", index)
    }

    /// Says whose Tags it makes, where that is not what stands in the application.
    pub(crate) fn set_procedure(&mut self, procedure: Handle) {
        self.procedure = Some(procedure);
    }

    /// Clears the state and keeps it for the thread's next run.
    pub(crate) fn end(mut self: Box<Self>) {
        debug_assert!(self.windows.is_empty(), "the memory is back in the pool");
        let keeps = self.clear();
        let Self { instance, memory_export, memory, cards, ledger, entered, .. } = &mut *self;
        *instance = None;
        *memory_export = None;
        *memory = None;
        *cards = None;
        *ledger = None;
        *entered = false;
        if keeps {
            SPARE.set(Some(self));
        }
    }

    /// Clears what belongs to the run, and not to the instance. Whether what is
    /// allocated is little enough to be kept.
    pub(crate) fn clear(&mut self) -> bool {
        // What an instance that is kept has seen is none of the next run's.
        self.windows.close();
        if self.table.capacity() > SPARE_MAX || self.made_index.capacity() > SPARE_MAX {
            // Not used again.
            self.borrowed = None;
            return false;
        }
        let Self {
            borrowed,
            table,
            contents,
            made,
            made_index,
            indexed,
            held_bytes,
            bounds: _,
            procedure,
            log,
            log_truncated,
            limits: _,
            instance: _,
            memory_export: _,
            memory: _,
            cards: _,
            ledger: _,
            windows: _,
            entered: _,
        } = self;
        *borrowed = None;
        table.clear();
        contents.clear();
        made.clear();
        made_index.clear();
        *indexed = 0;
        *held_bytes = 0;
        *procedure = None;
        log.clear();
        *log_truncated = false;
        true
    }

    pub(crate) fn interrupted(&self) -> bool {
        self.borrowed.as_ref().is_some_and(|borrowed| {
            // SAFETY: `borrowed` is set only while the contract of `begin` holds.
            unsafe { borrowed.interrupt.as_ref() }.is_set()
        })
    }

    /// The footprint, and who may end the run; `None` of a state that is not
    /// in use.
    pub(crate) fn borrowed(&self) -> Option<(&dyn Objects, &Interrupt)> {
        let borrowed = self.borrowed.as_ref()?;
        // SAFETY: `borrowed` is set only while the contract of `begin` holds.
        Some(unsafe { (borrowed.objects.as_ref(), borrowed.interrupt.as_ref()) })
    }

    /// Ends the run if it was interrupted.
    pub(crate) fn go_on(&self) -> Result<(), Stop> {
        match self.interrupted() {
            true => Err(interrupted()),
            false => Ok(()),
        }
    }

    /// The flag to look at while so many bytes are copied; `None` for few.
    pub(crate) fn watch(&self, bytes: usize) -> Option<Interrupt> {
        let borrowed = self.borrowed.as_ref().filter(|_| bytes > STEP_BYTES)?;
        // SAFETY: `borrowed` is set only while the contract of `begin` holds.
        Some(unsafe { borrowed.interrupt.as_ref() }.clone())
    }

    /// Counts what the run is about to hold, before anything is allocated.
    fn charge(&mut self, bytes: u64) -> Result<(), Stop> {
        let held = self.held_bytes.saturating_add(bytes);
        if held > self.bounds.made_max_bytes {
            let detail = format!(
                "a run may hold {} bytes of handles and of blobs and trees that it makes; \
                 split the work",
                self.bounds.made_max_bytes
            );
            return Err(Stop::NoAnswer(NoAnswerKind::MadeBytes, detail));
        }
        self.held_bytes = held;
        Ok(())
    }

    /// The handle at an index of the table.
    pub(crate) fn handle(&self, call: &str, index: i32) -> Result<Handle, Stop> {
        self.slot(index).map(|slot| slot.handle).ok_or_else(|| {
            let detail = format!("{call}: {index} is no handle of this run");
            Stop::Failure(FailureKind::BadHandle, detail)
        })
    }

    fn slot(&self, index: i32) -> Option<&Slot> {
        self.table.get(usize::try_from(index).ok()?)
    }

    /// Puts a handle into the table.
    pub(crate) fn push(&mut self, handle: Handle) -> Result<i32, Stop> {
        self.push_with(handle, UNREAD)
    }

    fn push_with(&mut self, handle: Handle, content: u32) -> Result<i32, Stop> {
        let index = self.table.len();
        if index >= self.bounds.handles_max as usize {
            let detail = format!("a run may hold {index} handles; split the work");
            return Err(Stop::NoAnswer(NoAnswerKind::HandleTable, detail));
        }
        self.charge(SLOT_BYTES)?;
        room(&mut self.table)?;
        self.table.push(Slot { handle, content });
        if let Some(ledger) = &mut self.ledger {
            ledger.gave(index);
        }
        Ok(index as i32)
    }

    /// The bytes of an accessible Blob.
    pub(crate) fn blob(&mut self, call: &str, index: i32) -> Result<&[u8], Stop> {
        let handle = self.handle(call, index)?;
        if handle.kind() != Kind::Blob {
            return Err(wrong_kind(call, index, handle, "an accessible blob"));
        }
        let slot = index as usize;
        if handle.is_literal() {
            return Ok(self.table[slot].handle.literal_bytes().unwrap_or_default());
        }
        let content = self.content_of(slot, |objects| objects.blob(handle).map(Content::Blob))?;
        match content {
            Content::Blob(blob) => Ok(blob.bytes()),
            Content::Tree(_) | Content::Tag(_) => Err(missing(handle)),
        }
    }

    /// Maps a Blob's bytes from `offset` on over the beginning of fresh memory
    /// that has as many, if that beats copying them; how many are there then.
    pub(crate) fn map_window(
        &mut self,
        call: &str,
        index: i32,
        offset: u64,
        target: &mut [u8],
    ) -> Result<usize, Stop> {
        if !self.windows.want(target.len()) {
            return Ok(0);
        }
        self.blob(call, index)?;
        let read = self.slot(index).and_then(|slot| self.contents.get(slot.content as usize));
        let Some(Content::Blob(blob)) = read else { return Ok(0) };
        let from = usize::try_from(offset).unwrap_or(usize::MAX);
        let bytes = blob.bytes().get(from..).and_then(|rest| rest.get(..target.len()));
        let Some((bytes, borrowed)) = bytes.zip(self.borrowed.as_ref()) else { return Ok(0) };
        // SAFETY: `borrowed` is set only while the contract of `begin` holds.
        let objects = unsafe { borrowed.objects.as_ref() };
        Ok(self.windows.map(objects, target, bytes))
    }

    /// The entries of an accessible Tree or Tag.
    pub(crate) fn tree(&mut self, call: &str, index: i32) -> Result<&Tree, Stop> {
        let handle = self.handle(call, index)?;
        if !matches!(handle.kind(), Kind::Tree | Kind::Tag) {
            return Err(wrong_kind(call, index, handle, "an accessible tree"));
        }
        if self.table[index as usize].content == GIVEN {
            let borrowed = self.borrowed.as_ref().ok_or_else(|| missing(handle))?;
            // SAFETY: `borrowed` is set only while the contract of `begin` holds.
            return Ok(unsafe { borrowed.entries.as_ref() });
        }
        let content =
            self.content_of(index as usize, |objects| objects.tree(handle).map(Content::Tree))?;
        match content {
            Content::Tree(tree) | Content::Tag(tree) => Ok(tree),
            Content::Blob(_) => Err(missing(handle)),
        }
    }

    /// The content of a slot: known already, made in this run, or of the
    /// footprint.
    fn content_of(
        &mut self,
        slot: usize,
        load: impl FnOnce(&dyn Objects) -> Option<Content>,
    ) -> Result<&Content, Stop> {
        let Slot { handle, content } = self.table[slot];
        if content != UNREAD {
            return Ok(&self.contents[content as usize]);
        }
        let place = match self.find_made(&handle)? {
            Some(place) => place,
            None => {
                self.charge(READ_BYTES)?;
                room(&mut self.contents)?;
                let borrowed = self.borrowed.as_ref().ok_or_else(|| missing(handle))?;
                // SAFETY: `borrowed` is set only while the contract of `begin` holds.
                let objects = unsafe { borrowed.objects.as_ref() };
                let content = load(objects).ok_or_else(|| missing(handle))?;
                self.contents.push(content);
                self.contents.len() as u32 - 1
            }
        };
        self.table[slot].content = place;
        Ok(&self.contents[place as usize])
    }

    fn find_made(&mut self, handle: &Handle) -> Result<Option<u32>, Stop> {
        if self.made.len() <= FEW {
            let found = self.made.iter().find(|(made, _)| made == handle);
            return Ok(found.map(|&(_, place)| place));
        }
        // Brought up to date only when asked: most functions never read what
        // they made.
        let Self { made, made_index, indexed, .. } = self;
        made_index.try_reserve(made.len() - *indexed).map_err(no_memory)?;
        made_index.extend(made[*indexed..].iter().copied());
        *indexed = made.len();
        Ok(made_index.get(handle).copied())
    }

    /// Keeps what was made; it was charged before it was allocated.
    fn keep(&mut self, handle: Handle, content: Content) -> Result<u32, Stop> {
        room(&mut self.contents)?;
        room(&mut self.made)?;
        let place = self.contents.len() as u32;
        self.contents.push(content);
        self.made.push((handle, place));
        Ok(place)
    }

    fn keep_blob(&mut self, bytes: &[u8]) -> Result<(Handle, u32), Stop> {
        self.charge(bytes.len() as u64 + MADE_BYTES)?;
        let mut copy = Vec::new();
        copy.try_reserve_exact(bytes.len()).map_err(no_memory)?;
        for step in bytes.chunks(STEP_BYTES) {
            copy.extend_from_slice(step);
            if bytes.len() > STEP_BYTES {
                self.go_on()?;
            }
        }
        let handle = Handle::of_blob(&copy);
        Ok((handle, self.keep(handle, Content::Blob(Blob::new(copy)))?))
    }

    /// Makes a Blob and puts it into the table.
    pub(crate) fn make_blob(&mut self, bytes: &[u8]) -> Result<i32, Stop> {
        if let Some(literal) = Handle::literal(bytes) {
            return self.push(literal);
        }
        let (handle, place) = self.keep_blob(bytes)?;
        self.push_with(handle, place)
    }

    /// Makes a Blob that only other objects of this run name.
    pub(crate) fn make_unlisted_blob(&mut self, bytes: &[u8]) -> Result<Handle, Stop> {
        match Handle::literal(bytes) {
            Some(literal) => Ok(literal),
            None => Ok(self.keep_blob(bytes)?.0),
        }
    }

    /// Makes a Tree of the handles at these indices, as they stand in memory,
    /// and puts it into the table.
    pub(crate) fn make_tree(&mut self, call: &str, indices: &[u8]) -> Result<i32, Stop> {
        let index = |raw: &[u8]| i32::from_le_bytes(raw.try_into().unwrap_or_default());
        let entry = |state: &Self, nth: usize| {
            state.handle(call, index(indices.get(4 * nth..4 * nth + 4).unwrap_or_default()))
        };
        self.make_tree_of(indices.len() / 4, entry)
    }

    /// Makes a Tree of so many entries and puts it into the table.
    pub(crate) fn make_tree_of(
        &mut self,
        count: usize,
        entry: impl Fn(&Self, usize) -> Result<Handle, Stop>,
    ) -> Result<i32, Stop> {
        const STEP: usize = STEP_BYTES / size_of::<Handle>();
        // Most Trees that functions make are short; those are put together here.
        const FEW: usize = 16;
        self.charge(32 * count as u64 + MADE_BYTES)?;
        let zero = Handle::of_u64(0);
        let tree = if count <= FEW {
            let mut entries = [zero; FEW];
            for (nth, slot) in entries[..count].iter_mut().enumerate() {
                *slot = entry(self, nth)?;
            }
            Tree::new(&entries[..count])
        } else {
            // Whether there is room is asked first: what shares cannot be
            // allocated in a way that may fail.
            Vec::<Handle>::new().try_reserve_exact(count + 1).map_err(no_memory)?;
            let mut shared: Arc<[Handle]> = std::iter::repeat_n(zero, count).collect();
            // Nobody else has it yet.
            let entries = Arc::get_mut(&mut shared).unwrap_or_default();
            for (step, entries) in entries.chunks_mut(STEP).enumerate() {
                for (nth, slot) in entries.iter_mut().enumerate() {
                    *slot = entry(self, step * STEP + nth)?;
                }
                if count > STEP {
                    self.go_on()?;
                }
            }
            Tree::new(shared)
        };
        let handle = tree.handle();
        let place = self.keep(handle, Content::Tree(tree))?;
        self.push_with(handle, place)
    }

    /// Makes a Tree that only other objects of this run name.
    pub(crate) fn make_unlisted_tree(&mut self, tree: &Tree) -> Result<(), Stop> {
        self.charge(32 * tree.entries().len() as u64 + MADE_BYTES)?;
        self.keep(tree.handle(), Content::Tree(tree.clone())).map(|_| ())
    }

    /// Makes a Tree and the Thunk that it defines, and puts the Thunk into the
    /// table.
    pub(crate) fn make_selection(&mut self, entries: &[Handle]) -> Result<i32, Stop> {
        let tree = Handle::of_tree(entries);
        self.charge(32 * entries.len() as u64 + MADE_BYTES)?;
        self.keep(tree, Content::Tree(Tree::new(entries)))?;
        self.push(tree.selection().unwrap_or(tree))
    }

    /// Makes the Tag of this application's procedure and puts it into the table.
    pub(crate) fn make_tag(&mut self, target: Handle, data: Handle) -> Result<i32, Stop> {
        let procedure = self.procedure.unwrap_or(target);
        let entries = [procedure, target, data];
        let handle = Handle::of_tag(&entries);
        self.charge(3 * 32 + MADE_BYTES)?;
        let place = self.keep(handle, Content::Tag(Tree::new(&entries[..])))?;
        self.push_with(handle, place)
    }

    /// Keeps a line of the log, as far as the bound allows.
    pub(crate) fn log_line(&mut self, line: &[u8]) {
        let room = self.bounds.log_max_bytes.saturating_sub(self.log.len());
        if self.log_truncated || room < line.len() + 1 {
            let kept = line.len().min(room);
            if !self.log_truncated {
                self.log.extend_from_slice(&line[..kept]);
            }
            self.log_truncated = true;
            return;
        }
        self.log.extend_from_slice(line);
        self.log.push(b'\n');
    }

    /// The content made in this run that a result reaches.
    pub(crate) fn reachable(&mut self, result: Handle) -> Result<Vec<(Handle, Content)>, Stop> {
        let mut out = Vec::new();
        if self.made.is_empty() {
            return Ok(out);
        }
        let mut taken = vec![false; self.contents.len()];
        let mut next = vec![result.content()];
        while let Some(handle) = next.pop() {
            if handle.is_literal() {
                continue;
            }
            let Some(place) = self.find_made(&handle)? else { continue };
            if std::mem::replace(&mut taken[place as usize], true) {
                continue;
            }
            let content = self.contents[place as usize].clone();
            if let Content::Tree(tree) | Content::Tag(tree) = &content {
                next.extend(tree.entries().iter().map(|entry| entry.content()));
            }
            out.push((handle, content));
        }
        Ok(out)
    }
}

/// Room for one more, growing as `push` would.
fn room<T>(list: &mut Vec<T>) -> Result<(), Stop> {
    match list.len() < list.capacity() {
        true => Ok(()),
        false => list.try_reserve(1).map_err(no_memory),
    }
}

#[cold]
fn no_memory(error: TryReserveError) -> Stop {
    let detail = format!("the machine has no memory for what the function makes: {error}");
    Stop::NoAnswer(NoAnswerKind::HostMemory, detail)
}

pub(crate) fn interrupted() -> Stop {
    Stop::NoAnswer(NoAnswerKind::Interrupted, "the run was interrupted".to_owned())
}

/// The failure of a call that got a handle it does not take.
pub(crate) fn wrong_kind(call: &str, index: i32, handle: Handle, wanted: &str) -> Stop {
    let detail = format!("{call}: handle {index} is of kind {}, not {wanted}", handle.kind());
    Stop::Failure(FailureKind::BadHandle, detail)
}

fn missing(handle: Handle) -> Stop {
    let detail = format!("#{handle} belongs to the footprint and is not resident");
    Stop::NoAnswer(NoAnswerKind::Missing, detail)
}
