//! The grammar, by recursive descent: one character decides what comes, nothing
//! is read twice, so time is linear in the text.

use std::ops::{Deref, DerefMut};

use weft_object::{Handle, Prefix};

use crate::number::unit_bytes;
use crate::quote::{is_bare_path_char, is_bare_path_start};
use crate::scan::{Digits, Scanner, excerpt};
use crate::{DEPTH_MAX, Expr, Form, Limits, Number, Part, Span, SyntaxError};

/// Parses the text of one expression.
///
/// # Errors
/// The first place where the text cannot go on, and what could stand there.
pub fn parse(source: &str) -> Result<Expr, SyntaxError> {
    let mut parser = Parser { scanner: Scanner { source, at: 0 }, depth: 0 };
    let expr = parser.expression(None)?;
    parser.space();
    match parser.peek() {
        None => Ok(expr),
        Some(_) => Err(parser.unexpected(vec!["the end"])),
    }
}

const A_VALUE: &str = "a value (`[a, b]`, `\"text\"`, `7u64`, `hex\"00ff\"`)";
const A_NAME: &str = "a name (`./path`, `@label`, `#1f3a`)";
const A_CALL: &str = "a call (`apply(f, x)`, `select(x, 0)`, `strict(t)` ...)";
const WORDS: [&str; 13] = [
    "`apply`",
    "`application`",
    "`closure`",
    "`digest`",
    "`file\"...\"`",
    "`hex\"...\"`",
    "`identify`",
    "`ref`",
    "`select`",
    "`selection`",
    "`shallow`",
    "`strict`",
    "a name (`./path`, `@label`, `#1f3a`)",
];

struct Parser<'a> {
    scanner: Scanner<'a>,
    depth: usize,
}

impl<'a> Deref for Parser<'a> {
    type Target = Scanner<'a>;

    fn deref(&self) -> &Scanner<'a> {
        &self.scanner
    }
}

impl DerefMut for Parser<'_> {
    fn deref_mut(&mut self) -> &mut Self::Target {
        &mut self.scanner
    }
}

impl Parser<'_> {
    /// An expression; `otherwise` is what could also stand in its place.
    fn expression(&mut self, otherwise: Option<&'static str>) -> Result<Expr, SyntaxError> {
        self.space();
        let start = self.at;
        if self.depth == DEPTH_MAX {
            let found = format!("a level more than {DEPTH_MAX}");
            let remedy = "at most 200 levels: add the inner ones first and write their handles";
            return Err(self.error_at(start, found, vec![remedy]));
        }
        self.depth += 1;
        let form = match self.peek() {
            Some('[') => {
                self.at += 1;
                Form::Tree(self.items("]", "`]`")?)
            }
            Some('"') => Form::Text(self.quoted()?),
            Some('0'..='9') => Form::Number(self.number()?),
            Some('.' | '/') => Form::Path(self.path()?),
            Some('@') => {
                self.at += 1;
                Form::Label(self.label()?)
            }
            Some('#') => self.hash()?,
            Some(c) if c.is_ascii_alphabetic() => self.word()?,
            _ => {
                let expected = [A_VALUE, A_NAME, A_CALL].into_iter().chain(otherwise);
                return Err(self.unexpected(expected.collect()));
            }
        };
        self.depth -= 1;
        Ok(Expr { form, span: Span { start, end: self.at } })
    }

    /// Expressions up to the closing bracket, the opening one being read.
    fn items(&mut self, close: &str, shown: &'static str) -> Result<Vec<Expr>, SyntaxError> {
        let mut items = Vec::new();
        loop {
            self.space();
            if self.eat(close) {
                return Ok(items);
            }
            items.push(self.expression(Some(shown))?);
            self.space();
            if !self.eat(",") && !self.rest().starts_with(close) {
                return Err(self.unexpected(vec!["`,`", shown]));
            }
        }
    }

    fn expect(&mut self, text: &str, shown: &'static str) -> Result<(), SyntaxError> {
        self.space();
        match self.eat(text) {
            true => Ok(()),
            false => Err(self.unexpected(vec![shown])),
        }
    }

    fn word(&mut self) -> Result<Form, SyntaxError> {
        let start = self.at;
        let word = self.take_while(|c| c.is_ascii_alphanumeric() || c == '_');
        match word {
            "hex" => self.hex().map(Form::Hex),
            "file" => match self.peek() {
                Some('"') => self.quoted().map(Form::Path),
                _ => Err(self.unexpected(vec!["a path between quotes, as in `file\"a b\"`"])),
            },
            "apply" => self.apply(),
            "closure" => {
                self.expect("(", "`(`")?;
                let (function, arguments) = self.call()?;
                Ok(Form::Closure(function, arguments))
            }
            "select" => self.select(),
            "digest" => self.digest(),
            "application" => self.one().map(Form::Application),
            "identify" => self.one().map(Form::Identify),
            "selection" => self.one().map(Form::Selection),
            "strict" => self.one().map(Form::Strict),
            "shallow" => self.one().map(Form::Shallow),
            "ref" => self.one().map(Form::Ref),
            _ => Err(self.error_at(start, excerpt(word), WORDS.to_vec())),
        }
    }

    /// `(x)`.
    fn one(&mut self) -> Result<Box<Expr>, SyntaxError> {
        self.expect("(", "`(`")?;
        let inner = self.expression(None)?;
        self.close()?;
        Ok(Box::new(inner))
    }

    /// The end of a call that takes no more arguments.
    fn close(&mut self) -> Result<(), SyntaxError> {
        self.space();
        self.eat(",");
        self.expect(")", "`)`")
    }

    /// `f, x, y)`.
    fn call(&mut self) -> Result<(Box<Expr>, Vec<Expr>), SyntaxError> {
        let first = self.expression(None)?;
        self.space();
        let rest = match self.eat(",") || self.rest().starts_with(')') {
            true => self.items(")", "`)`")?,
            false => return Err(self.unexpected(vec!["`,`", "`)`"])),
        };
        Ok((Box::new(first), rest))
    }

    fn apply(&mut self) -> Result<Form, SyntaxError> {
        self.space();
        let (limits, expected) = match self.eat("{") {
            true => (self.limits()?, vec!["`(`"]),
            false => (Limits::default(), vec!["`(`", "`{`"]),
        };
        self.space();
        if !self.eat("(") {
            return Err(self.unexpected(expected));
        }
        let (procedure, arguments) = self.call()?;
        Ok(Form::Apply(limits, procedure, arguments))
    }

    /// What stands between braces, the first being read.
    fn limits(&mut self) -> Result<Limits, SyntaxError> {
        const NAMES: [&str; 4] = ["`memory`", "`output`", "`fanout`", "`fuel`"];
        let mut limits = Limits::default();
        loop {
            self.space();
            if self.eat("}") {
                return Ok(limits);
            }
            let start = self.at;
            let name = self.take_while(|c| c.is_ascii_alphanumeric() || c == '_');
            let (slot, is_size) = match name {
                "memory" => (&mut limits.memory_bytes, true),
                "output" => (&mut limits.output_bytes, true),
                "fanout" => (&mut limits.fanout, false),
                "fuel" => (&mut limits.fuel, false),
                _ => {
                    self.at = start;
                    return Err(self.unexpected([&NAMES[..], &["`}`"]].concat()));
                }
            };
            if slot.is_some() {
                let found = format!("`{name}` for the second time");
                return Err(self.error_at(start, found, vec!["each limit at most once"]));
            }
            self.expect(":", "`:`")?;
            self.space();
            *slot = Some(if is_size { self.size()? } else { self.plain()? });
            self.space();
            if !self.eat(",") && self.peek() != Some('}') {
                return Err(self.unexpected(vec!["`,`", "`}`"]));
            }
        }
    }

    /// A number of bytes, perhaps with a unit.
    fn size(&mut self) -> Result<u64, SyntaxError> {
        let Digits { value, suffix, span } = self.digits("a size such as `64MiB`")?;
        let Some(unit) = unit_bytes(suffix) else {
            let at = span.end - suffix.len();
            let units = vec!["`KiB`", "`MiB`", "`GiB`", "`TiB`", "no unit, for bytes"];
            return Err(self.error_at(at, excerpt(suffix), units));
        };
        value.checked_mul(unit).ok_or_else(|| {
            let found = excerpt(&self.source[span.start..span.end]);
            self.error_at(span.start, found, vec!["less than 2^64 bytes"])
        })
    }

    /// A number that counts: nothing is stuck to it.
    fn plain(&mut self) -> Result<u64, SyntaxError> {
        let Digits { value, suffix, span } = self.digits("a number")?;
        match suffix {
            "" => Ok(value),
            _ => {
                let at = span.end - suffix.len();
                Err(self.error_at(at, excerpt(suffix), vec!["nothing behind the number"]))
            }
        }
    }

    fn select(&mut self) -> Result<Form, SyntaxError> {
        let target = self.target()?;
        let part = match self.peek() {
            Some('"') => Part::Path(self.quoted()?),
            Some('0'..='9') => {
                let from = self.plain()?;
                self.space();
                match self.eat("..") {
                    true => Part::Range(from, self.range_end()?),
                    false => Part::Entry(from),
                }
            }
            _ => {
                let expected = vec![
                    "an index such as `3`",
                    "a range such as `0..4096`",
                    "a path such as `\"a/b\"`",
                ];
                return Err(self.unexpected(expected));
            }
        };
        self.close()?;
        Ok(Form::Select(target, part))
    }

    fn digest(&mut self) -> Result<Form, SyntaxError> {
        let target = self.target()?;
        if !self.peek().is_some_and(|c| c.is_ascii_digit()) {
            return Err(self.unexpected(vec!["a range such as `0..4`"]));
        }
        let from = self.plain()?;
        self.expect("..", "`..`")?;
        let part = Part::Digest(from, self.range_end()?);
        self.close()?;
        Ok(Form::Select(target, part))
    }

    /// `(x,`.
    fn target(&mut self) -> Result<Box<Expr>, SyntaxError> {
        self.expect("(", "`(`")?;
        let target = self.expression(None)?;
        self.expect(",", "`,`")?;
        self.space();
        Ok(Box::new(target))
    }

    fn range_end(&mut self) -> Result<u64, SyntaxError> {
        self.space();
        self.plain()
    }

    fn number(&mut self) -> Result<Number, SyntaxError> {
        let Digits { value, suffix, span } = self.digits("a number")?;
        let (number, limit) = match suffix {
            "u8" => (u8::try_from(value).ok().map(Number::U8), "a number up to 255"),
            "u16" => (u16::try_from(value).ok().map(Number::U16), "a number up to 65535"),
            "u32" => (u32::try_from(value).ok().map(Number::U32), "a number up to 4294967295"),
            "u64" => (Some(Number::U64(value)), ""),
            _ => {
                let sizes = vec!["`u8`", "`u16`", "`u32`", "`u64` directly behind the number"];
                self.at = span.end - suffix.len();
                return Err(self.unexpected(sizes));
            }
        };
        number.ok_or_else(|| {
            let found = excerpt(&self.source[span.start..span.end]);
            self.error_at(span.start, found, vec![limit])
        })
    }

    fn path(&mut self) -> Result<Vec<u8>, SyntaxError> {
        let start = self.at;
        let path = self.take_while(is_bare_path_char);
        if !is_bare_path_start(path) {
            let expected = vec!["a path that begins with `./`", "`../`", "`/`"];
            return Err(self.error_at(start, excerpt(path), expected));
        }
        Ok(path.into())
    }

    fn hash(&mut self) -> Result<Form, SyntaxError> {
        let start = self.at;
        self.at += 1;
        let digits = self.take_while(|c| c.is_ascii_alphanumeric());
        let error = |why: String| {
            let found = format!("{} ({why})", excerpt(&self.source[start..self.at]));
            self.error_at(start, found, vec!["`#` and 4 to 64 digits of a handle"])
        };
        if digits.len() == 64 {
            let handle = digits.parse::<Handle>().map_err(|e| error(e.to_string()))?;
            return Ok(Form::Handle(handle));
        }
        let prefix = Prefix::parse(digits).map_err(|e| error(e.to_string()))?;
        Ok(Form::Prefix(prefix))
    }
}
