//! What images' memories are, ready to be mapped: one file for each image, where
//! zeros take no room.

use std::fs::File;
use std::ops::Range;
use std::ptr::NonNull;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, OnceLock, PoisonError};
use std::time::Duration;

use wasmtime::Val;
use weft_object::Handle;
use weft_wasi::Suspended;

use super::arriving::{Arriving, Faults};
use super::form::{CHUNK_BYTES, Form, PAGE_BYTES};
use super::source::{Chunks, Source};
use super::{Of, entry_of};
use crate::Run;
use crate::abi::window::Mapped;
use crate::artifact::{Artifacts, Checksum};
use crate::modules::Refusal;
use crate::outcome::{Failure, FailureKind, NoAnswerKind};
use crate::wasi::Entry;

/// Images that are kept ready, and what they come to: of those that are in no file
/// of a directory all of it is memory.
const KEPT_MAX: usize = 64;
const KEPT_MAX_BYTES: u64 = 2 << 30;

/// The images that an engine has ready, the last used one last.
#[derive(Default)]
pub(crate) struct Images {
    ready: Mutex<Vec<(Handle, Arc<Loaded>)>>,
    /// Those that somebody makes ready, so that all who want them do not.
    loading: Mutex<Vec<Handle>>,
    /// Of which one run has gone on, where no directory keeps that.
    begun: Mutex<Vec<Handle>>,
}

/// As many images are known to have been gone on from.
const BEGUN_MAX: usize = 1024;

/// A smaller image is brought in whole, which takes seven milliseconds a MiB from a
/// store: CPython's 63 MiB took 0.42 s of a processor.
const ARRIVING_MIN_BYTES: u64 = 1 << 20;

// Who waits for another looks this often whether it is to end.
const LOOK_EVERY: Duration = Duration::from_millis(5);

/// An image, ready to go on from.
pub(crate) struct Loaded {
    program: (Handle, Handle, Entry),
    pub(super) globals: Vec<Val>,
    /// The process of a program; none of a codelet.
    pub(super) suspended: Option<Suspended>,
    pub(super) memories: Vec<Pages>,
    pages: Where,
    /// Whether no run will ask for it any more.
    is_gone: AtomicBool,
    /// What the first run from it has written of each memory.
    touched: OnceLock<Vec<Touched>>,
}

/// Where the pages of an image are.
enum Where {
    File(File),
    /// Still to come, for one run.
    Arriving(Arriving),
}

/// Ranges of a memory, in bytes, one behind the other.
pub(super) type Touched = Vec<Range<usize>>;

/// Where a memory stands in the file.
pub(super) struct Pages {
    pub(super) offset: u64,
    pub(super) bytes: u64,
}

impl Images {
    /// An image, if it is ready.
    pub(super) fn known(&self, image: Handle) -> Option<Arc<Loaded>> {
        let name = image.content();
        let mut all = self.ready.lock().unwrap_or_else(PoisonError::into_inner);
        let at = all.iter().rposition(|(known, _)| *known == name)?;
        let found = all.remove(at);
        let loaded = Arc::clone(&found.1);
        all.push(found);
        Some(loaded)
    }

    /// An image, made ready if it is not; or, the first time, one whose pages are
    /// still to come, where that may be.
    pub(super) fn get(
        &self,
        run: &Run<'_>,
        image: Handle,
        artifacts: Option<&Artifacts>,
        may_arrive: bool,
    ) -> Result<Arc<Loaded>, Refusal> {
        let _loading = loop {
            if let Some(loaded) = self.known(image) {
                return Ok(loaded);
            }
            match Loading::begin(self, image.content()) {
                Some(loading) => break loading,
                None if run.interrupt.is_set() => return Err(interrupted()),
                None => std::thread::sleep(LOOK_EVERY),
            }
        };
        // Somebody may have been faster.
        if let Some(loaded) = self.known(image) {
            return Ok(loaded);
        }
        let form = Form::read(run, image)?;
        let program = entry_of(run, form.program)?;
        let bytes = form.memories.iter().fold(0_u64, |sum, (bytes, _)| sum.saturating_add(*bytes));
        check_memory(run, bytes)?;
        let pages = match artifacts.and_then(|artifacts| artifacts.load_pages(&image.content())) {
            Some(file) => Where::File(file),
            None => {
                let chunks = Chunks::read(run, image, &form)?;
                let may_arrive =
                    may_arrive && bytes >= ARRIVING_MIN_BYTES && run.objects.may_fetch_elsewhere();
                self.pages(run, image, (&form, chunks, program.1), artifacts, may_arrive)?
            }
        };
        let is_whole = matches!(pages, Where::File(_));
        let loaded = Arc::new(Loaded::new(image, form, program, pages, artifacts));
        if !is_whole {
            return Ok(loaded);
        }
        let mut all = self.ready.lock().unwrap_or_else(PoisonError::into_inner);
        all.push((image.content(), Arc::clone(&loaded)));
        let bytes = |all: &[(Handle, Arc<Loaded>)]| -> u64 {
            all.iter().map(|(_, loaded)| loaded.memory_bytes()).sum()
        };
        while all.len() > KEPT_MAX || all.len() > 1 && bytes(&all) > KEPT_MAX_BYTES {
            let (_, evicted) = all.remove(0);
            evicted.is_gone.store(true, Ordering::Relaxed);
        }
        Ok(loaded)
    }

    /// All pages; or none yet, for the first run, and for one that finds that some cannot
    /// be had, which it may not need.
    fn pages(
        &self,
        run: &Run<'_>,
        image: Handle,
        (form, chunks, module): (&Form, Chunks, Handle),
        artifacts: Option<&Artifacts>,
        may_arrive: bool,
    ) -> Result<Where, Refusal> {
        let faults = may_arrive.then(Faults::new).flatten();
        let Some(faults) = faults else {
            return file(run, image, (form, &chunks, module), artifacts).map(Where::File);
        };
        if !self.is_first(image, artifacts) {
            match file(run, image, (form, &chunks, module), artifacts) {
                Err(Refusal::NoAnswer(NoAnswerKind::Missing, _)) => {}
                other => return other.map(Where::File),
            }
        }
        Ok(Where::Arriving(Arriving::new(faults, image, chunks, module)))
    }

    /// Whether nobody has gone on from an image so far, as far as is known; now
    /// somebody has.
    fn is_first(&self, image: Handle, artifacts: Option<&Artifacts>) -> bool {
        let name = image.content();
        let mut begun = self.begun.lock().unwrap_or_else(PoisonError::into_inner);
        if begun.contains(&name) {
            return false;
        }
        if begun.len() >= BEGUN_MAX {
            begun.remove(0);
        }
        begun.push(name);
        drop(begun);
        let Some(artifacts) = artifacts else { return true };
        let is_first = artifacts.load_touched(&name).is_none();
        if is_first {
            // Nothing is known of what it writes.
            artifacts.store_touched(&name, b"");
        }
        is_first
    }
}

/// An image that this thread makes ready.
struct Loading<'a>(&'a Images, Handle);

impl<'a> Loading<'a> {
    /// `None` if another thread does.
    fn begin(images: &'a Images, image: Handle) -> Option<Self> {
        let mut loading = images.loading.lock().unwrap_or_else(PoisonError::into_inner);
        if loading.contains(&image) {
            return None;
        }
        loading.push(image);
        Some(Self(images, image))
    }
}

impl Drop for Loading<'_> {
    fn drop(&mut self) {
        let mut loading = self.0.loading.lock().unwrap_or_else(PoisonError::into_inner);
        loading.retain(|image| *image != self.1);
    }
}

pub(super) fn interrupted() -> Refusal {
    let detail = "interrupted while the image was brought in".to_owned();
    Refusal::NoAnswer(NoAnswerKind::Interrupted, detail)
}

fn no_room(error: impl std::fmt::Display) -> Refusal {
    let detail = format!("the image has no room in memory: {error}");
    Refusal::NoAnswer(NoAnswerKind::HostMemory, detail)
}

/// A file of all pages.
fn file(
    run: &Run<'_>,
    image: Handle,
    parts: (&Form, &Chunks, Handle),
    artifacts: Option<&Artifacts>,
) -> Result<File, Refusal> {
    if let Some(artifacts) = artifacts
        && let Ok(begun) = artifacts.begin()
    {
        match write(run, image, parts, &begun.file) {
            Ok(checksum) => artifacts.keep_pages(&image.content(), begun, checksum),
            // A full disk is no reason not to go on.
            Err(Unwritten::File(_)) => {}
            Err(Unwritten::Refused(refusal)) => return Err(refusal),
        }
        if let Some(file) = artifacts.load_pages(&image.content()) {
            return Ok(file);
        }
    }
    let file = in_memory().map_err(no_room)?;
    match write(run, image, parts, &file) {
        Ok(_) => Ok(file),
        Err(Unwritten::File(error)) => Err(no_room(error)),
        Err(Unwritten::Refused(refusal)) => Err(refusal),
    }
}

/// Whether a run has room for the memory of its image.
pub(super) fn check_memory(run: &Run<'_>, bytes: u64) -> Result<(), Refusal> {
    let limit = run.memory_limit_bytes;
    if bytes <= limit {
        return Ok(());
    }
    let detail = format!("image/1: the image has {bytes} bytes of memory and the limit is {limit}");
    let kind = FailureKind::MemoryLimit;
    Err(Refusal::Failure(Failure { kind, detail, note: None }))
}

/// Why pages are in no file.
enum Unwritten {
    Refused(Refusal),
    File(std::io::Error),
}

impl From<Refusal> for Unwritten {
    fn from(refusal: Refusal) -> Self {
        Self::Refused(refusal)
    }
}

impl From<std::io::Error> for Unwritten {
    fn from(error: std::io::Error) -> Self {
        Self::File(error)
    }
}

/// Writes all memories into an empty file, one behind the other, and says what it holds
/// then. Of an image that may be large only a chunk is in memory beside the file, which has
/// room for zeros only where others are.
fn write(
    run: &Run<'_>,
    image: Handle,
    (form, chunks, module): (&Form, &Chunks, Handle),
    file: &File,
) -> Result<Handle, Unwritten> {
    file.set_len(form.memories.iter().fold(0, |sum, (bytes, _)| sum.saturating_add(*bytes)))?;
    let mut source = Source::new(run, image, chunks, module);
    let (mut checksum, mut part, mut end) = (Checksum::default(), vec![0; CHUNK_BYTES], 0);
    for (number, (bytes, _)) in form.memories.iter().enumerate() {
        for begin in (0..*bytes as usize).step_by(CHUNK_BYTES) {
            let part = &mut part[..CHUNK_BYTES.min(*bytes as usize - begin)];
            part.fill(0);
            source.read(number, begin, part)?;
            checksum.add(part);
            for page in part.chunks(PAGE_BYTES) {
                if page.iter().any(|byte| *byte != 0) {
                    write_at(file, page, end)?;
                }
                end += PAGE_BYTES as u64;
            }
        }
    }
    Ok(checksum.end())
}

#[cfg(unix)]
fn write_at(file: &File, bytes: &[u8], at: u64) -> std::io::Result<()> {
    std::os::unix::fs::FileExt::write_all_at(file, bytes, at)
}

#[cfg(unix)]
fn read_at(file: &File, bytes: &mut [u8], at: u64) -> std::io::Result<()> {
    std::os::unix::fs::FileExt::read_exact_at(file, bytes, at)
}

#[cfg(not(unix))]
fn write_at(_: &File, _: &[u8], _: u64) -> std::io::Result<()> {
    Err(std::io::ErrorKind::Unsupported.into())
}

#[cfg(not(unix))]
fn read_at(_: &File, _: &mut [u8], _: u64) -> std::io::Result<()> {
    Err(std::io::ErrorKind::Unsupported.into())
}

/// Of each memory how many ranges there are (8 bytes, little-endian), and where
/// each begins and ends (8 each).
fn encode(all: &[Touched]) -> Vec<u8> {
    let mut bytes = Vec::new();
    for ranges in all {
        bytes.extend_from_slice(&(ranges.len() as u64).to_le_bytes());
        for range in ranges {
            bytes.extend_from_slice(&(range.start as u64).to_le_bytes());
            bytes.extend_from_slice(&(range.end as u64).to_le_bytes());
        }
    }
    bytes
}

fn decode(bytes: &[u8]) -> Option<Vec<Touched>> {
    let (numbers, rest) = bytes.as_chunks::<8>();
    let mut numbers = numbers.iter().map(|raw| u64::from_le_bytes(*raw) as usize);
    let mut all = Vec::new();
    while let Some(count) = numbers.next() {
        let ranges = (0..count).map(|_| Some(numbers.next()?..numbers.next()?));
        all.push(ranges.collect::<Option<Touched>>()?);
    }
    rest.is_empty().then_some(all)
}

// Copying three pages that lie apart at once takes 17.1 us of a restore, as each is
// written 18.4 us.
//
// A page between two that are written costs less than another system call.
const GAP_PAGES: usize = 2;

// CPython that prints a line writes six hundred.
const TOUCHED_PAGES_MAX: usize = 2048;

/// What of a private mapping was written: pages that are no longer the file's.
#[cfg(target_os = "linux")]
pub(super) fn written(memory: &[u8]) -> std::io::Result<Touched> {
    const PRESENT: u64 = 1 << 63;
    const OF_FILE: u64 = 1 << 61;
    let mut entries = vec![0; memory.len() / PAGE_BYTES * 8];
    let at = (memory.as_ptr().addr() / PAGE_BYTES * 8) as u64;
    read_at(&File::open("/proc/self/pagemap")?, &mut entries, at)?;
    let mut ranges = Touched::new();
    for (page, entry) in entries.as_chunks::<8>().0.iter().enumerate() {
        if u64::from_ne_bytes(*entry) & (PRESENT | OF_FILE) != PRESENT {
            continue;
        }
        let (start, end) = (page * PAGE_BYTES, (page + 1) * PAGE_BYTES);
        match ranges.last_mut() {
            Some(last) if start - last.end <= GAP_PAGES * PAGE_BYTES => last.end = end,
            _ => ranges.push(start..end),
        }
    }
    // Nobody who writes less is to pay for who wrote that much.
    let pages = ranges.iter().map(|range| range.len() / PAGE_BYTES).sum::<usize>();
    if pages > TOUCHED_PAGES_MAX {
        ranges.clear();
    }
    Ok(ranges)
}

/// Nothing tells.
#[cfg(not(target_os = "linux"))]
pub(super) fn written(_: &[u8]) -> std::io::Result<Touched> {
    Ok(Touched::new())
}

#[cfg(target_os = "linux")]
fn in_memory() -> std::io::Result<File> {
    use std::os::fd::FromRawFd;
    // SAFETY: the name is a string with a NUL at its end; a descriptor that is
    // answered is new and nobody else's.
    // JUSTIFICATION: a file that has no name and takes no room on a disk is not to
    // be had from the standard library.
    unsafe {
        let file = libc::memfd_create(c"weft image".as_ptr(), libc::MFD_CLOEXEC);
        if file < 0 {
            return Err(std::io::Error::last_os_error());
        }
        Ok(File::from_raw_fd(file))
    }
}

#[cfg(not(target_os = "linux"))]
fn in_memory() -> std::io::Result<File> {
    Err(std::io::Error::other("there is no directory for compiled modules to keep it in"))
}

impl Loaded {
    fn new(
        image: Handle,
        form: Form,
        program: (Handle, Handle, Entry),
        pages: Where,
        artifacts: Option<&Artifacts>,
    ) -> Self {
        let (mut memories, mut end) = (Vec::new(), 0);
        for (bytes, _) in &form.memories {
            memories.push(Pages { offset: end, bytes: *bytes });
            end += bytes;
        }
        let touched = OnceLock::new();
        if let Some(known) =
            artifacts.and_then(|artifacts| artifacts.load_touched(&image.content()))
        {
            let known = decode(&known).filter(|known| known.len() == memories.len());
            known.into_iter().for_each(|known| _ = touched.set(known));
        }
        let Form { globals, suspended, .. } = form;
        let is_gone = AtomicBool::new(false);
        Self { program, globals, suspended, memories, pages, is_gone, touched }
    }

    /// Whose pages are still to come: of such an image there is one run.
    pub(super) fn arriving(&self) -> Option<&Arriving> {
        match &self.pages {
            Where::File(_) => None,
            Where::Arriving(arriving) => Some(arriving),
        }
    }

    /// Has pages arrive in a memory; whether they do.
    ///
    /// # Safety
    /// As of [`Arriving::arrive`].
    pub(crate) unsafe fn arrive(&self, number: usize, range: NonNull<[u8]>) -> bool {
        // SAFETY: the contract of this function.
        self.arriving().is_some_and(|arriving| unsafe { arriving.arrive(number, range) })
    }

    /// No page arrives any more in the memory that begins at an address.
    pub(crate) fn give_up(&self, start: usize) {
        self.arriving().into_iter().for_each(|arriving| arriving.give_up(start));
    }

    /// Whether a run may still ask for it.
    pub(super) fn is_wanted(&self) -> bool {
        !self.is_gone.load(Ordering::Relaxed)
    }

    /// What goes on from it.
    pub(super) fn of(&self) -> Of {
        Of::new(self.program.clone(), self.suspended.is_none())
    }

    /// What runs from it write of a memory, as far as that is known.
    pub(super) fn touched(&self, memory: usize) -> &[Range<usize>] {
        self.touched.get().and_then(|all| all.get(memory)).map_or(&[], Vec::as_slice)
    }

    /// Whether that is still to be found out.
    pub(super) fn wants_touched(&self) -> bool {
        self.touched.get().is_none()
    }

    /// Notes it, for the next process too.
    pub(super) fn note_touched(
        &self,
        image: Handle,
        found: Vec<Touched>,
        artifacts: Option<&Artifacts>,
    ) {
        if let Some(artifacts) = artifacts {
            artifacts.store_touched(&image.content(), &encode(&found));
        }
        let _ = self.touched.set(found);
    }

    /// What the memories come to.
    pub(super) fn memory_bytes(&self) -> u64 {
        self.memories.iter().map(|pages| pages.bytes).sum()
    }

    /// Reads a memory, where it cannot be mapped.
    pub(super) fn copy(&self, pages: &Pages, target: &mut [u8]) -> wasmtime::Result<()> {
        let read = match &self.pages {
            Where::File(file) => read_at(file, target, pages.offset),
            Where::Arriving(_) => Err(std::io::ErrorKind::NotFound.into()),
        };
        read.map_err(|error| {
            let detail = format!("the pages of an image cannot be read: {error}");
            crate::outcome::Stop::NoAnswer(NoAnswerKind::Missing, detail).into()
        })
    }
}

/// A place in the file, to be mapped.
pub(crate) struct Place {
    pub(crate) image: Arc<Loaded>,
    pub(crate) offset: u64,
}

impl Mapped for Place {
    fn file(&self) -> Option<&File> {
        match &self.image.pages {
            Where::File(file) => Some(file),
            Where::Arriving(_) => None,
        }
    }

    fn offset(&self) -> u64 {
        self.offset
    }
}
