//! Ctrl-C: the first asks for an orderly end, the second ends.

use std::io;
use std::sync::atomic::{AtomicU8, Ordering};
use std::sync::{Arc, OnceLock};
use std::thread;
use std::time::{Duration, Instant};

use signal_hook::consts::{SIGINT, SIGTERM};
use signal_hook::iterator::Signals;

use crate::terminal::{CLEAR, Terminal};

/// Some wrappers pass a signal on that the terminal has sent already: so soon it
/// is the same one.
const TWICE: Duration = Duration::from_millis(200);

/// Whether somebody wants this process to end. Made only by commands that have
/// something to see to first; all others end at once, as by default.
#[derive(Clone, Debug)]
pub(crate) struct Interrupt(Arc<AtomicU8>);

impl Interrupt {
    /// For as long as the process lives: who asks again gets the same.
    pub(crate) fn listen(terminal: Terminal) -> io::Result<Self> {
        static LISTENING: OnceLock<Interrupt> = OnceLock::new();
        if let Some(interrupt) = LISTENING.get() {
            return Ok(interrupt.clone());
        }
        let mut signals = Signals::new([SIGINT, SIGTERM])?;
        let interrupt = Self(Arc::default());
        let first = interrupt.0.clone();
        thread::Builder::new().name("signals".into()).spawn(move || {
            let mut since: Option<Instant> = None;
            for signal in signals.forever() {
                let signal = u8::try_from(signal).unwrap_or(2);
                let clear = if terminal.is_terminal { CLEAR } else { "" };
                match since {
                    Some(since) if since.elapsed() < TWICE => {}
                    Some(_) => {
                        terminal.write(clear);
                        std::process::exit(128 + i32::from(signal));
                    }
                    None => {
                        since = Some(Instant::now());
                        first.store(signal, Ordering::SeqCst);
                        terminal.write(clear);
                        terminal.remark("stopping; once more to end at once");
                    }
                }
            }
        })?;
        Ok(LISTENING.get_or_init(|| interrupt).clone())
    }

    /// The signal that came, if one has.
    pub(crate) fn signal(&self) -> Option<u8> {
        match self.0.load(Ordering::SeqCst) {
            0 => None,
            signal => Some(signal),
        }
    }
}
