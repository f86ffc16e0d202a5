//! Standard output: what was asked for.

use std::borrow::Cow;
use std::io::{self, BufWriter, Write};

use crate::exit::Exit;

/// Writes to standard output and sees it through.
pub(crate) fn out(write: impl FnOnce(&mut dyn Write) -> io::Result<()>) -> Result<(), Exit> {
    let mut stdout = BufWriter::with_capacity(1 << 16, io::stdout().lock());
    write(&mut stdout)?;
    stdout.flush()?;
    Ok(())
}

/// Text without what drives a terminal: control characters other than line
/// feeds are written as escapes.
pub(crate) fn escaped(text: &str) -> Cow<'_, str> {
    let drives = |c: char| c.is_control() && c != '\n';
    if !text.contains(drives) {
        return text.into();
    }
    let mut out = String::with_capacity(text.len() + 16);
    for c in text.chars() {
        match c {
            '\t' => out.push_str("    "),
            c if drives(c) => out.extend(c.escape_default()),
            c => out.push(c),
        }
    }
    out.into()
}

/// A file's name on one line: as it is where it can be read, else in quotes
/// with escapes, as `file"..."` of the notation takes it.
pub(crate) fn name(bytes: &[u8]) -> Cow<'_, str> {
    match std::str::from_utf8(bytes) {
        Ok(text) if !text.contains(char::is_control) && !text.starts_with('"') => text.into(),
        Ok(text) => format!("{text:?}").into(),
        Err(_) => format!("\"{}\"", bytes.escape_ascii()).into(),
    }
}
