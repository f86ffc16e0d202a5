use std::sync::atomic::{AtomicBool, Ordering, fence};
use std::sync::{Arc, Mutex, PoisonError};

use wasmtime::{Engine, EngineWeak};

/// Ends runs from another thread.
///
/// Clones share one flag: [`Interrupt::interrupt`] ends every run that was
/// given a clone, now and later. The run answers
/// [`Interrupted`](crate::NoAnswerKind::Interrupted).
///
/// Compiled code compares a counter with a deadline at every loop header and
/// function entry. Nothing ticks that counter: it moves only when someone
/// interrupts, and then every running function looks at its own flag once.
///
/// The comparison costs about 30% in a loop that takes one byte a turn and 7%
/// in one that takes eight (counting words, measured with and without). Code
/// without it would be faster and a looping function could not be stopped;
/// fuel, the other way that the compiler offers, costs more.
#[derive(Clone, Debug, Default)]
pub struct Interrupt(Arc<AtomicBool>);

// Every engine of this process, so that a flag can be made before, and outlive,
// any of them. Interruptions are rare; the list is short.
static ENGINES: Mutex<Vec<EngineWeak>> = Mutex::new(Vec::new());

pub(crate) fn register(engine: &Engine) {
    let mut engines = ENGINES.lock().unwrap_or_else(PoisonError::into_inner);
    engines.retain(|engine| engine.upgrade().is_some());
    engines.push(engine.weak());
}

impl Interrupt {
    /// A flag that is not set.
    #[must_use]
    pub fn new() -> Self {
        Self::default()
    }

    /// Sets the flag and makes every running function look at its own.
    pub fn interrupt(&self) {
        self.0.store(true, Ordering::Relaxed);
        // Pairs with the fence in `set_after_deadline`: a run that read the
        // counter after it moved sees the flag.
        fence(Ordering::SeqCst);
        for engine in ENGINES.lock().unwrap_or_else(PoisonError::into_inner).iter() {
            if let Some(engine) = engine.upgrade() {
                engine.increment_epoch();
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
}
