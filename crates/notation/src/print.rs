//! The canonical text of an expression: one line, one space after a comma.

use std::fmt::{self, Display};

use weft_object::Prefix;

use crate::number::Size;
use crate::quote::{is_bare_label_char, is_bare_path_char, is_bare_path_start, quoted};
use crate::{Expr, Form, Limits, Number, Part};

impl fmt::Display for Expr {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.form.fmt(f)
    }
}

impl fmt::Display for Form {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Tree(entries) => {
                f.write_str("[")?;
                separated(f, entries)?;
                f.write_str("]")
            }
            Self::Closure(function, arguments) => call(f, "closure", function, arguments),
            Self::Text(bytes) => quoted(f, bytes),
            Self::Hex(bytes) => {
                f.write_str("hex\"")?;
                bytes.iter().try_for_each(|byte| write!(f, "{byte:02x}"))?;
                f.write_str("\"")
            }
            Self::Number(number) => number.fmt(f),
            Self::Path(path) => path_text(f, path),
            Self::Label(label) => {
                f.write_str("@")?;
                match !label.is_empty() && label.chars().all(is_bare_label_char) {
                    true => f.write_str(label),
                    false => quoted(f, label.as_bytes()),
                }
            }
            Self::Handle(handle) => write!(f, "#{handle}"),
            Self::Prefix(prefix) => prefix_text(f, prefix),
            Self::Apply(limits, procedure, arguments) => {
                f.write_str("apply")?;
                limits.fmt(f)?;
                call(f, "", procedure, arguments)
            }
            Self::Application(tree) => call(f, "application", tree, &[]),
            Self::Identify(data) => call(f, "identify", data, &[]),
            Self::Select(target, part) => match part {
                Part::Entry(index) => write!(f, "select({target}, {index})"),
                Part::Range(from, to) => write!(f, "select({target}, {from}..{to})"),
                Part::Digest(from, to) => write!(f, "digest({target}, {from}..{to})"),
                Part::Path(path) => {
                    write!(f, "select({target}, ")?;
                    quoted(f, path)?;
                    f.write_str(")")
                }
            },
            Self::Selection(tree) => call(f, "selection", tree, &[]),
            Self::Strict(thunk) => call(f, "strict", thunk, &[]),
            Self::Shallow(thunk) => call(f, "shallow", thunk, &[]),
            Self::Ref(data) => call(f, "ref", data, &[]),
        }
    }
}

fn separated(f: &mut fmt::Formatter<'_>, items: &[Expr]) -> fmt::Result {
    for (at, item) in items.iter().enumerate() {
        if at > 0 {
            f.write_str(", ")?;
        }
        item.fmt(f)?;
    }
    Ok(())
}

fn call(f: &mut fmt::Formatter<'_>, word: &str, first: &Expr, rest: &[Expr]) -> fmt::Result {
    write!(f, "{word}({first}")?;
    if !rest.is_empty() {
        f.write_str(", ")?;
    }
    separated(f, rest)?;
    f.write_str(")")
}

fn path_text(f: &mut fmt::Formatter<'_>, path: &[u8]) -> fmt::Result {
    match std::str::from_utf8(path) {
        Ok(text) if is_bare_path_start(text) && text.chars().all(is_bare_path_char) => {
            f.write_str(text)
        }
        _ => {
            f.write_str("file")?;
            quoted(f, path)
        }
    }
}

fn prefix_text(f: &mut fmt::Formatter<'_>, prefix: &Prefix) -> fmt::Result {
    f.write_str("#")?;
    (0..prefix.digits()).try_for_each(|at| {
        let byte = prefix.low()[at / 2];
        write!(f, "{:x}", if at % 2 == 0 { byte >> 4 } else { byte & 0xf })
    })
}

impl fmt::Display for Number {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::U8(value) => write!(f, "{value}u8"),
            Self::U16(value) => write!(f, "{value}u16"),
            Self::U32(value) => write!(f, "{value}u32"),
            Self::U64(value) => write!(f, "{value}u64"),
        }
    }
}

/// The braces and what is between them; nothing if all is default.
impl fmt::Display for Limits {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let mut open = "{";
        let mut item = |name: &str, value: Option<&dyn fmt::Display>| {
            let Some(value) = value else { return Ok(()) };
            write!(f, "{}{name}: {value}", std::mem::replace(&mut open, ", "))
        };
        item("memory", self.memory_bytes.map(Size).as_ref().map(|v| v as _))?;
        item("output", self.output_bytes.map(Size).as_ref().map(|v| v as _))?;
        item("fanout", self.fanout.as_ref().map(|v| v as _))?;
        item("fuel", self.fuel.as_ref().map(|v| v as _))?;
        if *self != Self::default() { f.write_str("}") } else { Ok(()) }
    }
}
