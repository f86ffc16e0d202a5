//! What standard error is, and how to speak to it.

use std::env;
use std::io::{self, IsTerminal, Write};

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
