//! Which characters are shown as they are, where, and how the others are.

use std::fmt::{self, Write};

/// Characters that a reader could not see, or that change how others are seen:
/// controls, separators other than the space, invisible and bidirectional ones.
/// This is a list of our own, so that what is printed does not depend on the
/// Unicode tables of a compiler.
pub(crate) fn is_hidden(c: char) -> bool {
    c.is_control()
        || matches!(c,
            '\u{a0}' | '\u{ad}' | '\u{61c}' | '\u{1680}' | '\u{180e}' | '\u{2000}'..='\u{200f}'
            | '\u{2028}'..='\u{202f}' | '\u{205f}'..='\u{206f}' | '\u{3000}' | '\u{fe00}'..='\u{fe0f}'
            | '\u{feff}' | '\u{fff0}'..='\u{fffb}' | '\u{e0000}'..='\u{e0fff}')
}

/// Whether bytes read well between quotes: text, perhaps of several lines.
pub(crate) fn is_readable(bytes: &[u8]) -> bool {
    let Ok(text) = std::str::from_utf8(bytes) else { return false };
    text.chars().all(|c| !is_hidden(c) || matches!(c, '\n' | '\t' | '\r'))
}

/// Characters of a path outside quotes.
pub(crate) fn is_bare_path_char(c: char) -> bool {
    !c.is_whitespace()
        && !is_hidden(c)
        && !matches!(c, ',' | ';' | '(' | ')' | '[' | ']' | '{' | '}' | '"' | '\\')
}

/// How a path outside quotes begins.
pub(crate) fn is_bare_path_start(path: &str) -> bool {
    path == "."
        || path == ".."
        || path.starts_with("./")
        || path.starts_with("../")
        || path.starts_with('/')
}

/// Characters of a label outside quotes.
pub(crate) fn is_bare_label_char(c: char) -> bool {
    c.is_ascii_alphanumeric() || matches!(c, '_' | '-' | '.' | '/')
}

/// Writes bytes between quotes.
pub(crate) fn quoted(f: &mut impl Write, bytes: &[u8]) -> fmt::Result {
    f.write_char('"')?;
    for chunk in bytes.utf8_chunks() {
        for c in chunk.valid().chars() {
            match c {
                '"' => f.write_str("\\\"")?,
                '\\' => f.write_str("\\\\")?,
                '\n' => f.write_str("\\n")?,
                '\r' => f.write_str("\\r")?,
                '\t' => f.write_str("\\t")?,
                '\0' => f.write_str("\\0")?,
                _ if c.is_ascii_control() => write!(f, "\\x{:02x}", u32::from(c))?,
                _ if is_hidden(c) => write!(f, "\\u{{{:x}}}", u32::from(c))?,
                _ => f.write_char(c)?,
            }
        }
        for byte in chunk.invalid() {
            write!(f, "\\x{byte:02x}")?;
        }
    }
    f.write_char('"')
}

/// Characters for a message: hidden ones by number.
pub(crate) fn shown(c: char) -> String {
    if is_hidden(c) { format!("U+{:04X}", u32::from(c)) } else { format!("`{c}`") }
}
