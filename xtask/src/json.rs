//! Just enough JSON to read what `cargo metadata` prints.
//!
//! A parser crate would take longer to compile than all of xtask.

use crate::Result;

/// A JSON value. Numbers are kept as text: nothing here computes with them.
#[derive(Debug, PartialEq)]
pub(crate) enum Json {
    Null,
    Bool(bool),
    Number(String),
    Text(String),
    List(Vec<Json>),
    Map(Vec<(String, Json)>),
}

impl Json {
    pub(crate) fn parse(text: &str) -> Result<Self> {
        let mut reader = Reader { bytes: text.as_bytes(), at: 0 };
        let value = reader.value()?;
        reader.space();
        match reader.peek() {
            None => Ok(value),
            Some(_) => reader.fail("end of input"),
        }
    }

    /// The member of this name, where this is a map that has one.
    pub(crate) fn get(&self, name: &str) -> Option<&Self> {
        match self {
            Self::Map(members) => members.iter().find(|(key, _)| key == name).map(|(_, v)| v),
            _ => None,
        }
    }

    /// The text of this member; an error names what is missing.
    pub(crate) fn text(&self, name: &str) -> Result<&str> {
        match self.get(name) {
            Some(Self::Text(text)) => Ok(text),
            _ => Err(format!("cargo metadata: no text member `{name}`").into()),
        }
    }

    /// The entries of this member; an error names what is missing.
    pub(crate) fn list(&self, name: &str) -> Result<&[Self]> {
        match self.get(name) {
            Some(Self::List(entries)) => Ok(entries),
            _ => Err(format!("cargo metadata: no list member `{name}`").into()),
        }
    }
}

struct Reader<'a> {
    bytes: &'a [u8],
    at: usize,
}

impl Reader<'_> {
    fn peek(&self) -> Option<u8> {
        self.bytes.get(self.at).copied()
    }

    fn space(&mut self) {
        while self.peek().is_some_and(|b| b.is_ascii_whitespace()) {
            self.at += 1;
        }
    }

    fn fail<T>(&self, expected: &str) -> Result<T> {
        Err(format!("json: expected {expected} at byte {}", self.at).into())
    }

    fn eat(&mut self, word: &str) -> bool {
        let found = self.bytes[self.at..].starts_with(word.as_bytes());
        if found {
            self.at += word.len();
        }
        found
    }

    fn value(&mut self) -> Result<Json> {
        self.space();
        match self.peek() {
            Some(b'{') => self.map(),
            Some(b'[') => self.entries(),
            Some(b'"') => self.string().map(Json::Text),
            Some(b'-' | b'0'..=b'9') => {
                let start = self.at;
                while self.peek().is_some_and(|b| b"+-.eE0123456789".contains(&b)) {
                    self.at += 1;
                }
                Ok(Json::Number(String::from_utf8_lossy(&self.bytes[start..self.at]).into()))
            }
            _ if self.eat("null") => Ok(Json::Null),
            _ if self.eat("true") => Ok(Json::Bool(true)),
            _ if self.eat("false") => Ok(Json::Bool(false)),
            _ => self.fail("a value"),
        }
    }

    fn map(&mut self) -> Result<Json> {
        let mut members = Vec::new();
        self.at += 1;
        loop {
            self.space();
            if self.eat("}") {
                return Ok(Json::Map(members));
            }
            if !members.is_empty() && !self.eat(",") {
                return self.fail("`,` or `}`");
            }
            self.space();
            let name = self.string()?;
            self.space();
            if !self.eat(":") {
                return self.fail("`:`");
            }
            members.push((name, self.value()?));
        }
    }

    fn entries(&mut self) -> Result<Json> {
        let mut entries = Vec::new();
        self.at += 1;
        loop {
            self.space();
            if self.eat("]") {
                return Ok(Json::List(entries));
            }
            if !entries.is_empty() && !self.eat(",") {
                return self.fail("`,` or `]`");
            }
            entries.push(self.value()?);
        }
    }

    fn string(&mut self) -> Result<String> {
        if !self.eat("\"") {
            return self.fail("a string");
        }
        let mut bytes = Vec::new();
        loop {
            match self.peek() {
                None => return self.fail("`\"`"),
                Some(b'"') => {
                    self.at += 1;
                    return Ok(String::from_utf8(bytes)?);
                }
                Some(b'\\') => {
                    self.at += 1;
                    let mut utf8 = [0; 4];
                    bytes.extend_from_slice(self.escape()?.encode_utf8(&mut utf8).as_bytes());
                }
                Some(byte) => {
                    self.at += 1;
                    bytes.push(byte);
                }
            }
        }
    }

    fn escape(&mut self) -> Result<char> {
        let Some(byte) = self.peek() else { return self.fail("an escape") };
        self.at += 1;
        Ok(match byte {
            b'b' => '\u{8}',
            b'f' => '\u{c}',
            b'n' => '\n',
            b'r' => '\r',
            b't' => '\t',
            b'u' => {
                let first = self.hex4()?;
                let code = if (0xd800..0xdc00).contains(&first) && self.eat("\\u") {
                    let second = self.hex4()?;
                    0x10000 + ((first - 0xd800) << 10) + (second.wrapping_sub(0xdc00) & 0x3ff)
                } else {
                    first
                };
                char::from_u32(code).unwrap_or(char::REPLACEMENT_CHARACTER)
            }
            b'"' | b'\\' | b'/' => char::from(byte),
            _ => return self.fail("an escape"),
        })
    }

    fn hex4(&mut self) -> Result<u32> {
        let digits = self.bytes.get(self.at..self.at + 4).and_then(|d| str::from_utf8(d).ok());
        match digits.map(|d| u32::from_str_radix(d, 16)) {
            Some(Ok(code)) => {
                self.at += 4;
                Ok(code)
            }
            _ => self.fail("four hexadecimal digits"),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::Json;

    #[test]
    fn reads_what_cargo_prints() {
        let json =
            Json::parse(r#"{"a":[1,-2.5e3,true,null],"b":"x\n\"\u00e9\ud83d\ude00"," c":{}}"#)
                .unwrap();
        assert_eq!(json.text("b").unwrap(), "x\n\"é😀");
        let numbers = json.list("a").unwrap();
        assert_eq!(numbers[1], Json::Number("-2.5e3".into()));
        assert_eq!(numbers[2..], [Json::Bool(true), Json::Null]);
        assert_eq!(json.get(" c"), Some(&Json::Map(Vec::new())));
        assert!(json.text("a").is_err());
    }

    #[test]
    fn refuses_what_is_no_json() {
        for bad in ["", "{", "[1 2]", "{\"a\" 1}", "{\"a\":1,}", "\"\\x\"", "\"", "1 2", "nul"] {
            assert!(Json::parse(bad).is_err(), "{bad:?} was read");
        }
    }
}
