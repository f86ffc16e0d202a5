//! Characters, words, numbers and quoted bytes: what the grammar is made of.

use crate::quote::{is_bare_label_char, shown};
use crate::{Span, SyntaxError};

/// A place in the text, moving forward only.
pub(crate) struct Scanner<'a> {
    pub(crate) source: &'a str,
    pub(crate) at: usize,
}

/// A run of digits and what is stuck to it.
pub(crate) struct Digits<'a> {
    pub(crate) value: u64,
    pub(crate) suffix: &'a str,
    pub(crate) span: Span,
}

impl<'a> Scanner<'a> {
    pub(crate) fn rest(&self) -> &'a str {
        &self.source[self.at..]
    }

    pub(crate) fn peek(&self) -> Option<char> {
        self.rest().chars().next()
    }

    /// Skips white space and comments, which run from `;` to the end of a line.
    pub(crate) fn space(&mut self) {
        loop {
            self.take_while(|c| c.is_ascii_whitespace());
            if self.peek() != Some(';') {
                return;
            }
            self.take_while(|c| c != '\n');
        }
    }

    /// Takes these characters if they come next.
    pub(crate) fn eat(&mut self, text: &str) -> bool {
        let found = self.rest().starts_with(text);
        if found {
            self.at += text.len();
        }
        found
    }

    pub(crate) fn take_while(&mut self, fits: impl Fn(char) -> bool) -> &'a str {
        let rest = self.rest();
        let length = rest.find(|c| !fits(c)).unwrap_or(rest.len());
        self.at += length;
        &rest[..length]
    }

    /// An error here, about whatever comes next.
    pub(crate) fn unexpected(&self, expected: Vec<&'static str>) -> SyntaxError {
        let mut ahead = Scanner { source: self.source, at: self.at };
        let word = ahead.take_while(|c| c.is_ascii_alphanumeric() || c == '_');
        let found = match (word, self.peek()) {
            (_, None) => "the end".to_owned(),
            ("", Some(c)) => shown(c),
            (word, _) => excerpt(word),
        };
        self.error_at(self.at, found, expected)
    }

    pub(crate) fn error_at(
        &self,
        offset: usize,
        found: String,
        expected: Vec<&'static str>,
    ) -> SyntaxError {
        SyntaxError::new(self.source, offset, found, expected)
    }

    /// Decimal digits, at least one, and the letters and digits behind them.
    pub(crate) fn digits(&mut self, what: &'static str) -> Result<Digits<'a>, SyntaxError> {
        let start = self.at;
        let digits = self.take_while(|c| c.is_ascii_digit());
        if digits.is_empty() {
            return Err(self.unexpected(vec![what]));
        }
        // Nothing but too large a value can be wrong with digits.
        let value = digits.parse().map_err(|_| {
            self.error_at(start, excerpt(digits), vec!["a number up to 18446744073709551615"])
        })?;
        let suffix = self.take_while(|c| c.is_ascii_alphanumeric() || c == '_');
        Ok(Digits { value, suffix, span: Span { start, end: self.at } })
    }

    /// Bytes between quotes.
    pub(crate) fn quoted(&mut self) -> Result<Vec<u8>, SyntaxError> {
        let start = self.at;
        if !self.eat("\"") {
            return Err(self.unexpected(vec!["`\"`"]));
        }
        let mut bytes = Vec::new();
        loop {
            bytes.extend_from_slice(self.take_while(|c| c != '"' && c != '\\').as_bytes());
            match self.peek() {
                Some('"') => {
                    self.at += 1;
                    return Ok(bytes);
                }
                Some(_) => self.escape(&mut bytes)?,
                None => {
                    let found = "a quote that is never closed".to_owned();
                    return Err(self.error_at(start, found, vec!["a `\"` at the end of the text"]));
                }
            }
        }
    }

    fn escape(&mut self, bytes: &mut Vec<u8>) -> Result<(), SyntaxError> {
        let start = self.at;
        self.at += 1;
        let Some(kind) = self.peek() else { return Ok(()) };
        self.at += kind.len_utf8();
        let hex = |c: char| c.is_ascii_hexdigit();
        match kind {
            '"' | '\\' => bytes.push(kind as u8),
            'n' => bytes.push(b'\n'),
            'r' => bytes.push(b'\r'),
            't' => bytes.push(b'\t'),
            '0' => bytes.push(0),
            'x' => {
                let byte = self.rest().get(..2).filter(|digits| digits.chars().all(hex));
                let byte = byte.and_then(|digits| u8::from_str_radix(digits, 16).ok());
                let byte = byte.ok_or_else(|| self.unexpected(vec!["two hex digits"]))?;
                self.at += 2;
                bytes.push(byte);
            }
            'u' => {
                let open = self.eat("{");
                let digits = self.take_while(hex);
                let scalar = u32::from_str_radix(digits, 16).ok().and_then(char::from_u32);
                let scalar = scalar.filter(|_| open && self.eat("}"));
                let scalar = scalar.ok_or_else(|| {
                    let found = excerpt(&self.source[start..self.at]);
                    self.error_at(start, found, vec!["a character such as `\\u{e9}`"])
                })?;
                bytes.extend_from_slice(scalar.encode_utf8(&mut [0; 4]).as_bytes());
            }
            _ => {
                let expected = vec![
                    "`\\\"`",
                    "`\\\\`",
                    "`\\n`",
                    "`\\r`",
                    "`\\t`",
                    "`\\0`",
                    "`\\xff`",
                    "`\\u{e9}`",
                ];
                let found = excerpt(&self.source[start..self.at]);
                return Err(self.error_at(start, found, expected));
            }
        }
        Ok(())
    }

    /// The bytes of `hex"..."`, the word being read already.
    pub(crate) fn hex(&mut self) -> Result<Vec<u8>, SyntaxError> {
        if !self.eat("\"") {
            return Err(self.unexpected(vec!["hex digits between quotes, as in `hex\"00ff\"`"]));
        }
        let digits = self.take_while(|c| c.is_ascii_hexdigit());
        if !digits.len().is_multiple_of(2) {
            return Err(self.unexpected(vec!["a hex digit: each byte takes two"]));
        }
        if !self.eat("\"") {
            return Err(self.unexpected(vec!["a hex digit", "`\"`"]));
        }
        let nibble = |digit: u8| (digit as char).to_digit(16).unwrap_or(0) as u8;
        Ok(digits.as_bytes().chunks(2).map(|d| nibble(d[0]) << 4 | nibble(d[1])).collect())
    }

    /// The name after `@`.
    pub(crate) fn label(&mut self) -> Result<String, SyntaxError> {
        let start = self.at;
        if self.peek() == Some('"') {
            return String::from_utf8(self.quoted()?).map_err(|_| {
                self.error_at(start, "bytes that are no UTF-8".to_owned(), vec!["a label"])
            });
        }
        let label = self.take_while(is_bare_label_char);
        if label.is_empty() {
            return Err(self.unexpected(vec!["a label, as in `@name`"]));
        }
        Ok(label.to_owned())
    }
}

/// Text for a message, in full if it is short.
pub(crate) fn excerpt(text: &str) -> String {
    const SHOWN: usize = 32;
    let mut shown: String = text.chars().take(SHOWN).flat_map(char::escape_debug).collect();
    if text.chars().nth(SHOWN).is_some() {
        shown.push_str("...");
    }
    format!("`{shown}`")
}
