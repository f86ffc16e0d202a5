//! What stands in a box.

use weft_notation::Budget;
use weft_object::{Handle, Kind};

use crate::{Call, Names, Source};

/// A line in a box has so many characters.
pub(super) const COLUMNS: usize = 34;

pub(super) struct Words<'a, S: ?Sized> {
    pub(super) source: &'a S,
    pub(super) names: &'a Names,
}

const ONE: Budget = Budget { depth: 1, entries: 4, blob_bytes: 24 };

impl<S: Source + ?Sized> Words<'_, S> {
    /// Which function is called: its procedure, and the words that begin its
    /// arguments, since one module may have many.
    pub(super) fn function(&self, call: &Call) -> String {
        let mut out = match call.procedure() {
            Some(procedure) => self.name(procedure),
            None => String::new(),
        };
        let arguments = call.entries.entries().iter().skip(2);
        for word in arguments.map_while(word) {
            out.push(' ');
            out.push_str(&word);
        }
        out
    }

    /// The arguments behind those words.
    pub(super) fn arguments(&self, call: &Call) -> String {
        let rest = call.entries.entries().iter().skip(2).skip_while(|entry| word(entry).is_some());
        let mut out = String::new();
        for entry in rest {
            if !out.is_empty() {
                out.push_str(", ");
            }
            out.push_str(&self.name(*entry));
            // No line has room for more.
            if out.len() > 2 * COLUMNS {
                break;
            }
        }
        out
    }

    /// A label, what is short as it is, else a few digits.
    pub(super) fn name(&self, handle: Handle) -> String {
        if let Some(label) = self.names.label(&handle) {
            return format!("@{label}");
        }
        let digits = |handle: Handle| format!("#{:.8}", handle.to_string());
        match handle.kind() {
            Kind::Blob if handle.is_literal() => self.names.brief(self.source, handle, ONE),
            Kind::Blob | Kind::BlobRef => digits(handle.content()),
            Kind::Tree | Kind::TreeRef => {
                format!("{}[{}]", digits(handle.content()), handle.length().unwrap_or(0))
            }
            kind => format!("{kind} {}", digits(handle.content())),
        }
    }

    /// Of many inputs, how much they are.
    pub(super) fn sizes(&self, inputs: &[Handle]) -> String {
        let (blobs, trees): (Vec<&Handle>, Vec<&Handle>) =
            inputs.iter().partition(|input| is_blob(input));
        let bytes: u64 = blobs.iter().filter_map(|blob| blob.length()).sum();
        let bytes = (!blobs.is_empty()).then(|| format!("{} bytes", count(bytes)));
        let trees = (!trees.is_empty()).then(|| format!("{} trees", count(trees.len() as u64)));
        bytes.into_iter().chain(trees).collect::<Vec<_>>().join(", ")
    }

    /// Of an input: its name, or where it is below a label, and how much it is.
    pub(super) fn input(&self, handle: Handle) -> (String, String) {
        let length = handle.length().unwrap_or(0);
        let size = match is_blob(&handle) {
            true => format!("{} bytes", count(length)),
            false => format!("{} of {}", handle.kind().name(), count(length)),
        };
        let name = self.name(handle);
        match self.names.file(&handle) {
            Some((label, path)) if self.names.label(&handle).is_none() => {
                let name = |bytes: &[u8]| String::from_utf8_lossy(bytes).into_owned();
                (format!("@{label}/{}", crate::diff::place_text(path, name)), size)
            }
            _ => (name, size),
        }
    }
}

fn is_blob(handle: &Handle) -> bool {
    matches!(handle.kind(), Kind::Blob | Kind::BlobRef)
}

/// A literal that reads as a word, and so as the name of a function.
fn word(handle: &Handle) -> Option<String> {
    let bytes = handle.literal_bytes().filter(|bytes| bytes.len() > 1)?;
    let plain = |byte: &u8| byte.is_ascii_lowercase() || matches!(byte, b'-' | b'_');
    bytes.iter().all(plain).then(|| String::from_utf8_lossy(bytes).into_owned())
}

/// `1,234,567`.
pub(super) fn count(number: u64) -> String {
    let digits = number.to_string();
    let mut out = String::new();
    for (at, digit) in digits.chars().enumerate() {
        if at > 0 && (digits.len() - at).is_multiple_of(3) {
            out.push(',');
        }
        out.push(digit);
    }
    out
}

/// `1.50 s`, `12.3 ms`, `45 us`, `120 ns`.
pub(super) fn time(ns: u64) -> String {
    match ns as f64 {
        ns if ns >= 1e11 => format!("{:.0} s", ns / 1e9),
        ns if ns >= 1e9 => format!("{:.2} s", ns / 1e9),
        ns if ns >= 1e6 => format!("{:.1} ms", ns / 1e6),
        ns if ns >= 1e3 => format!("{:.0} us", ns / 1e3),
        ns => format!("{ns:.0} ns"),
    }
}

/// At most so many characters, with dots for what is left out.
pub(super) fn clipped(text: &str, columns: usize) -> String {
    match text.chars().count() <= columns {
        true => text.to_owned(),
        false => text.chars().take(columns.saturating_sub(1)).chain(['\u{2026}']).collect(),
    }
}
