use std::cell::OnceCell;
use std::marker::PhantomData;
use std::ptr::NonNull;
use std::sync::atomic::{AtomicBool, Ordering, fence};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use wasmtime::{Engine, EngineWeak};

/// Ends runs from another thread.
///
/// Clones share one flag: [`Interrupt::interrupt`] ends every run that was
/// given a clone, now and later. The run answers
/// [`Interrupted`](crate::NoAnswerKind::Interrupted).
///
/// Compiled modules write to a page of their own wherever they may go on for
/// long. An interruption takes that page away from the runs that it is for, and the
/// next write ends them. Counting words, whose loops take a byte a turn, is 1.48 to
/// 1.55 times the native code that way, and 1.45 without any (a 2-core virtual
/// machine, in turns).
///
/// Components, and modules that are compiled for a debugger, compare a counter with
/// a deadline instead, which makes that 1.66 to 1.72. Nothing ticks it: it moves only when someone interrupts, and
/// then every run that compares looks at its own flag once.
#[derive(Clone, Debug, Default)]
pub struct Interrupt(Arc<AtomicBool>);

// Every engine of this process that compares, so that a flag can be made before,
// and outlive, any of them. Interruptions are rare; the list is short.
static ENGINES: Mutex<Vec<EngineWeak>> = Mutex::new(Vec::new());

pub(crate) fn register(engine: &Engine) {
    let mut engines = locked(&ENGINES);
    engines.retain(|engine| engine.upgrade().is_some());
    engines.push(engine.weak());
}

/// What a thread runs now; `None` if that polls nothing.
type Post = Mutex<Option<Watched>>;

/// Those of threads, and which of them belonged to threads that have ended.
struct Posts {
    all: Vec<&'static Post>,
    free: Vec<&'static Post>,
}

static POSTS: Mutex<Posts> = Mutex::new(Posts { all: Vec::new(), free: Vec::new() });

/// A run that polls.
struct Watched {
    flag: Flag,
    page: Page,
    shut: Option<Shut>,
}

/// How a page was taken away.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Shut {
    /// By its protection, which cuts a mapping in three.
    Protected,
    /// By a mark in the table of pages, where the process has as many mappings as
    /// it may.
    Guarded,
}

/// The flag of a run's [`Interrupt`], which the run borrows. Shared by all runs of
/// a request: a count of references would be written by all of their threads.
#[derive(Clone, Copy, PartialEq, Eq)]
struct Flag(*const AtomicBool);

/// The page that a run writes to.
#[derive(Clone, Copy)]
struct Page(NonNull<u8>);

// SAFETY: other threads compare it and nothing else.
// JUSTIFICATION: who interrupts is another thread.
unsafe impl Send for Flag {}

// SAFETY: it is only protected, never read or written here.
// JUSTIFICATION: as above.
unsafe impl Send for Page {}

/// The post of a thread, until that ends.
struct Posted(&'static Post);

impl Posted {
    fn new() -> Self {
        let mut posts = locked(&POSTS);
        let post = posts.free.pop().unwrap_or_else(|| {
            // As many as there were ever threads that ran something, at a time.
            let post: &'static Post = Box::leak(Box::default());
            posts.all.push(post);
            post
        });
        Self(post)
    }
}

impl Drop for Posted {
    fn drop(&mut self) {
        locked(&POSTS).free.push(self.0);
    }
}

thread_local! {
    static POST: OnceCell<Posted> = const { OnceCell::new() };
}

fn locked<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

impl Interrupt {
    /// A flag that is not set.
    #[must_use]
    pub fn new() -> Self {
        Self::default()
    }

    /// Sets the flag and ends every run that was given it.
    ///
    /// On a kernel without guard pages (Linux before 6.13), a run goes on while this
    /// process has as many mappings as it may; to interrupt once more tries again.
    pub fn interrupt(&self) {
        self.0.store(true, Ordering::Relaxed);
        // Pairs with the fence in `set_after_deadline`: a run that read the
        // counter after it moved sees the flag.
        fence(Ordering::SeqCst);
        for engine in locked(&ENGINES).iter() {
            if let Some(engine) = engine.upgrade() {
                engine.increment_epoch();
            }
        }
        for post in &locked(&POSTS).all {
            if let Some(watched) = &mut *locked(post)
                && watched.flag == self.flag()
            {
                watched.shut();
            }
        }
    }

    /// Whether the flag is set.
    #[must_use]
    pub fn is_set(&self) -> bool {
        self.0.load(Ordering::Relaxed)
    }

    /// Whether the flag was set before the deadline that this thread has just
    /// set. If not, a later interruption moves the counter past the deadline.
    pub(crate) fn set_after_deadline(&self) -> bool {
        fence(Ordering::SeqCst);
        self.is_set()
    }

    fn flag(&self) -> Flag {
        Flag(Arc::as_ptr(&self.0))
    }

    /// Lets an interruption take away a page of this thread's run until what is
    /// returned is dropped. `None` if it came before.
    ///
    /// # Safety
    /// The page is mapped, readable and writable, as long as what is returned
    /// lives, and nothing but compiled code uses it meanwhile. Of two on a thread
    /// the later one is dropped first.
    pub(crate) unsafe fn watch(&self, page: NonNull<u8>) -> Option<Watch<'_>> {
        let post = POST.with(|post| post.get_or_init(Posted::new).0);
        let watched = Watched { flag: self.flag(), page: Page(page), shut: None };
        let outer = locked(post).replace(watched);
        let watch = Watch { post, outer, _flag: PhantomData };
        // Whoever sets it from now on finds the post, behind the same lock.
        (!self.is_set()).then_some(watch)
    }
}

/// A run of this thread that can be interrupted.
pub(crate) struct Watch<'a> {
    post: &'static Post,
    /// The run that waits for this one.
    outer: Option<Watched>,
    _flag: PhantomData<&'a Interrupt>,
}

impl Watch<'_> {
    /// Whether the page was taken away.
    pub(crate) fn is_shut(&self) -> bool {
        locked(self.post).as_ref().is_some_and(|watched| watched.shut.is_some())
    }
}

impl Drop for Watch<'_> {
    fn drop(&mut self) {
        let mut post = locked(self.post);
        if let Some(watched) = post.take()
            && let Some(how) = watched.shut
        {
            watched.page.open(how);
        }
        *post = self.outer.take();
        if let Some(outer) = &mut *post {
            // SAFETY: the outer run borrows it and has not ended.
            // JUSTIFICATION: see `Flag`. Nobody could find it meanwhile, so it is
            // looked at now.
            if unsafe { &*outer.flag.0 }.load(Ordering::Relaxed) {
                outer.shut();
            }
        }
    }
}

impl Watched {
    fn shut(&mut self) {
        self.shut = self.shut.or_else(|| self.page.shut());
    }
}

impl Page {
    /// `None` if it cannot be done; whoever interrupts once more tries again.
    #[cfg(unix)]
    fn shut(self) -> Option<Shut> {
        let protected = self.protect(libc::PROT_NONE).then_some(Shut::Protected);
        protected.or_else(|| self.guard(true).then_some(Shut::Guarded))
    }

    /// # Panics
    /// If it cannot be done, which takes no room that was not there before. The memory
    /// would end whatever has it next.
    #[cfg(unix)]
    fn open(self, how: Shut) {
        let is_open = match how {
            Shut::Protected => self.protect(libc::PROT_READ | libc::PROT_WRITE),
            Shut::Guarded => self.guard(false),
        };
        assert!(is_open, "a page is not given back: {}", std::io::Error::last_os_error());
    }

    #[cfg(unix)]
    fn protect(self, protection: i32) -> bool {
        // SAFETY: the page is mapped, by the contract of `watch`, and who uses it
        // expects to be ended by a fault.
        // JUSTIFICATION: a branch for each poll would cost what polls are to save.
        unsafe { libc::mprotect(self.0.as_ptr().cast(), page_bytes(), protection) == 0 }
    }

    /// From Linux 6.13 on.
    #[cfg(target_os = "linux")]
    fn guard(self, is_guarded: bool) -> bool {
        const INSTALL: i32 = 102;
        const REMOVE: i32 = 103;
        let advice = if is_guarded { INSTALL } else { REMOVE };
        // SAFETY: as for the protection. What was in the page goes, and nobody reads it.
        // JUSTIFICATION: as above.
        unsafe { libc::madvise(self.0.as_ptr().cast(), page_bytes(), advice) == 0 }
    }

    #[cfg(all(unix, not(target_os = "linux")))]
    fn guard(self, _: bool) -> bool {
        false
    }

    /// Where modules compare a counter.
    #[cfg(not(unix))]
    fn shut(self) -> Option<Shut> {
        None
    }

    #[cfg(not(unix))]
    fn open(self, _: Shut) {}
}

#[cfg(unix)]
fn page_bytes() -> usize {
    // SAFETY: takes a number and gives one.
    // JUSTIFICATION: the standard library does not tell.
    usize::try_from(unsafe { libc::sysconf(libc::_SC_PAGESIZE) }).unwrap_or(4096)
}

#[cfg(all(test, target_os = "linux"))]
mod tests {
    use super::*;

    /// Anonymous and private, as the memories of the pool are.
    fn mapped() -> Page {
        let (length, access) = (page_bytes(), libc::PROT_READ | libc::PROT_WRITE);
        let flags = libc::MAP_PRIVATE | libc::MAP_ANONYMOUS;
        // SAFETY: a new mapping wherever there is room.
        // JUSTIFICATION: it is pages that are taken away.
        let page = unsafe { libc::mmap(std::ptr::null_mut(), length, access, flags, -1, 0) };
        assert_ne!(page, libc::MAP_FAILED);
        NonNull::new(page.cast()).map_or_else(|| panic!("a page at zero"), Page)
    }

    /// Whether the kernel may read the page, which looks and does not fault.
    fn is_there(page: Page) -> bool {
        let mut pipe = [0; 2];
        // SAFETY: the array has room for two, which are open until they are closed.
        // JUSTIFICATION: a look of our own would end the test.
        unsafe {
            assert_eq!(libc::pipe(pipe.as_mut_ptr()), 0);
            let written = libc::write(pipe[1], page.0.as_ptr().cast(), 1);
            pipe.iter().for_each(|end| _ = libc::close(*end));
            written == 1
        }
    }

    #[test]
    fn a_page_is_taken_away_and_given_back_either_way() {
        let page = mapped();
        assert_eq!(page.shut(), Some(Shut::Protected));
        assert!(!is_there(page));
        page.open(Shut::Protected);
        assert!(is_there(page));
        if !page.guard(true) {
            return println!("skipped: this kernel has no guard pages; Linux 6.13 has");
        }
        assert!(!is_there(page));
        page.open(Shut::Guarded);
        assert!(is_there(page));
    }

    #[test]
    #[should_panic(expected = "a page is not given back")]
    fn a_page_that_is_lost_is_no_secret() {
        // No page begins there.
        Page(NonNull::dangling()).open(Shut::Protected);
    }
}
