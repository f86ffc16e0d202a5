use std::fmt;

use crate::Span;
use crate::quote::is_hidden;

/// Text that is no expression: where, what stands there, what could.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct SyntaxError {
    // Boxed: the error is rare, and every function of the parser returns it.
    inner: Box<Inner>,
}

#[derive(Clone, Debug, PartialEq, Eq)]
struct Inner {
    offset: usize,
    line: usize,
    column: usize,
    found: String,
    expected: Vec<&'static str>,
}

impl SyntaxError {
    pub(crate) fn new(
        source: &str,
        offset: usize,
        found: String,
        expected: Vec<&'static str>,
    ) -> Self {
        let (line, column) = line_column(source, offset);
        Self { inner: Box::new(Inner { offset, line, column, found, expected }) }
    }

    /// The byte offset in the source; its length, if something is missing.
    #[must_use]
    pub fn offset(&self) -> usize {
        self.inner.offset
    }

    /// The line, from 1.
    #[must_use]
    pub fn line(&self) -> usize {
        self.inner.line
    }

    /// The column in characters, from 1.
    #[must_use]
    pub fn column(&self) -> usize {
        self.inner.column
    }

    /// What stands there.
    #[must_use]
    pub fn found(&self) -> &str {
        &self.inner.found
    }

    /// What could stand there.
    #[must_use]
    pub fn expected(&self) -> &[&'static str] {
        &self.inner.expected
    }

    /// The line with the place marked, and what was expected there; without a
    /// newline at the end. `source` is what was parsed.
    #[must_use]
    pub fn render(&self, source: &str) -> String {
        let Inner { offset, found, expected, .. } = &*self.inner;
        let span = Span { start: *offset, end: *offset };
        point_out(source, span, &format!("found {found}"), &alternatives(expected))
    }
}

impl fmt::Display for SyntaxError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Inner { line, column, found, expected, .. } = &*self.inner;
        write!(f, "line {line}, column {column}: found {found}, {}", alternatives(expected))
    }
}

impl std::error::Error for SyntaxError {}

/// `expected a, b or c`.
fn alternatives(expected: &[&str]) -> String {
    match expected {
        [] => String::new(),
        [only] => format!("expected {only}"),
        [first @ .., last] => format!("expected {} or {last}", first.join(", ")),
    }
}

/// Line and column of an offset, from 1, the column in characters.
pub(crate) fn line_column(source: &str, offset: usize) -> (usize, usize) {
    let before = clipped(source, 0, offset);
    let line = before.matches('\n').count() + 1;
    let column = before.rsplit('\n').next().map_or(0, |text| text.chars().count()) + 1;
    (line, column)
}

/// A part of the text, whatever the offsets: spans may come from another one.
fn clipped(source: &str, start: usize, end: usize) -> &str {
    let end = source.floor_char_boundary(end);
    &source[source.floor_char_boundary(start).min(end)..end]
}

/// A message, the line it speaks of, and marks under the place with a hint.
pub(crate) fn point_out(source: &str, span: Span, message: &str, hint: &str) -> String {
    // A line may be a megabyte; this much around the place is shown.
    const AROUND: usize = 60;
    let (line, column) = line_column(source, span.start);
    let before = clipped(source, 0, span.start);
    let rest = &source[before.len()..];
    let before = before.rsplit('\n').next().unwrap_or(before);
    let rest = rest.split('\n').next().unwrap_or(rest).trim_end_matches('\r');

    let skipped = before.chars().count().saturating_sub(AROUND);
    let mut shown = String::from(if skipped > 0 { "..." } else { "" });
    shown.extend(before.chars().skip(skipped).map(visible));
    let indent = " ".repeat(shown.chars().count());
    shown.extend(rest.chars().take(AROUND).map(visible));
    if rest.chars().nth(AROUND).is_some() {
        shown.push_str("...");
    }
    let marked = clipped(rest, 0, span.end.saturating_sub(span.start)).chars().count();
    let marks = "^".repeat(marked.clamp(1, AROUND));
    let number = line.to_string();
    let margin = " ".repeat(number.len());
    format!(
        "line {line}, column {column}: {message}\n{margin} |\n{number} | {shown}\n{margin} | {indent}{marks} {hint}"
    )
}

/// One column for one character, so that the marks stand under the place.
fn visible(c: char) -> char {
    if c == '\t' {
        ' '
    } else if is_hidden(c) {
        '\u{fffd}'
    } else {
        c
    }
}
