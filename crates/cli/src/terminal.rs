//! What standard error is, and how to speak to it.

use std::env;
use std::io::{self, IsTerminal, Write};
use std::os::fd::AsFd;
use std::process::{Command, Stdio};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use crate::out::escaped;

/// Where progress, warnings and errors go.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Terminal {
    /// Lines can be written over.
    pub(crate) is_terminal: bool,
    /// Colors are welcome.
    pub(crate) color: bool,
    /// Neither progress nor remarks.
    pub(crate) quiet: bool,
}

/// Back to the first column, and what stands in the line is gone.
pub(crate) const CLEAR: &str = "\r\x1b[2K";
/// What does not fit a line is cut off instead of going on in the next, so that
/// [`CLEAR`] gets all of it, however wide the terminal is by now.
pub(crate) const CUT: [&str; 2] = ["\x1b[?7l", "\x1b[?7h"];

/// How wide the terminal is. Asked when it is first wanted, and again after it
/// has changed.
#[derive(Debug)]
pub(crate) struct Width {
    columns: usize,
    changed: Arc<AtomicBool>,
}

impl Default for Width {
    fn default() -> Self {
        let changed = Arc::new(AtomicBool::new(true));
        // Without the signal it stays as it is found now.
        let _ = signal_hook::flag::register(signal_hook::consts::SIGWINCH, changed.clone());
        Self { columns: Self::USUAL, changed }
    }
}

impl Width {
    /// Of a terminal that does not know.
    const USUAL: usize = 80;

    pub(crate) fn columns(&mut self) -> usize {
        if self.changed.swap(false, Ordering::Relaxed) {
            self.columns = Self::asked().unwrap_or(Self::USUAL);
        }
        self.columns
    }

    /// The system would tell by a call that is not safe, so a program that is
    /// everywhere makes it: once, and when the width has changed.
    fn asked() -> Option<usize> {
        let terminal = io::stderr().as_fd().try_clone_to_owned().ok()?;
        let mut stty = Command::new("stty");
        stty.arg("size").stdin(terminal).stderr(Stdio::null());
        let text = String::from_utf8(stty.output().ok()?.stdout).ok()?;
        let columns = text.split_whitespace().nth(1)?.parse().ok()?;
        (columns > 0).then_some(columns)
    }
}

impl Terminal {
    pub(crate) fn detect() -> Self {
        let dumb = env::var_os("TERM").is_none_or(|term| term.is_empty() || term == "dumb");
        let no_color = env::var_os("NO_COLOR").is_some_and(|value| !value.is_empty());
        let is_terminal = io::stderr().is_terminal() && !dumb;
        Self { is_terminal, color: is_terminal && !no_color, quiet: false }
    }

    /// `weft: error: text`. Text may quote what a stranger's function said, so
    /// nothing in it can drive the terminal.
    pub(crate) fn say(self, sort: &str, text: &str) {
        let paint = match (self.color, sort) {
            (false, _) => ["", ""],
            (true, "error") => ["\x1b[1;31m", "\x1b[0m"],
            (true, _) => ["\x1b[1;33m", "\x1b[0m"],
        };
        let [on, off] = paint;
        self.write(&format!("weft: {on}{sort}:{off} {}\n", escaped(text)));
    }

    /// A line that is no trouble; not when quiet.
    pub(crate) fn remark(self, text: &str) {
        if !self.quiet {
            self.write(&format!("weft: {}\n", escaped(text)));
        }
    }

    /// As it is. If standard error is gone there is nobody to tell.
    pub(crate) fn write(self, text: &str) {
        let mut stderr = io::stderr().lock();
        let _ = stderr.write_all(text.as_bytes()).and_then(|()| stderr.flush());
    }
}
