//! What the names in an expression stand for: files, labels, parts of handles.

use std::ffi::OsStr;
use std::os::unix::ffi::OsStrExt;
use std::path::Path;

use weft_engine::near;
use weft_notation::{BuildError, Expr, Form, Resolver, build, parse};
use weft_object::{Blob, Handle, Prefix, Tree};
use weft_store::{Content, Label, Mode, Resolved, Writing};

use crate::exit::{Code, Exit};
use crate::explained::sort;
use crate::place::Place;

/// Parses an expression, pointing at what is wrong with it.
pub(crate) fn parsed(source: &str) -> Result<Expr, Exit> {
    parse(source).map_err(|error| {
        Exit::usage(mistyped(source.trim()).unwrap_or_else(|| error.render(source)))
    })
}

/// Whether an expression is nothing but a handle.
pub(crate) fn is_handle(expr: &Expr) -> bool {
    matches!(expr.form, Form::Handle(_) | Form::Prefix(_) | Form::Label(_))
}

/// Of one word that begins no expression: what it may have been meant for.
fn mistyped(source: &str) -> Option<String> {
    const WORDS: &[&str] = &[
        "apply",
        "application",
        "closure",
        "digest",
        "file",
        "hex",
        "identify",
        "ref",
        "select",
        "selection",
        "shallow",
        "strict",
    ];
    const SHOWN: usize = 70;
    let word = source.strip_prefix('#').unwrap_or(source);
    let plain = |c: char| c.is_ascii_alphanumeric() || matches!(c, '_' | '-' | '.' | '/');
    if !word.chars().all(plain) || word.is_empty() || WORDS.contains(&word) {
        return None;
    }
    // A number without its width.
    let rest = word.trim_start_matches(|c: char| c.is_ascii_digit());
    let number = rest.len() < word.len() && (rest.is_empty() || rest.starts_with('u'));
    if number && source == word && word.len() < 64 {
        return None;
    }
    let label = if Label::new(word).is_ok() && source == word { word } else { "src" };
    let more = if source.len() > SHOWN { "..." } else { "" };
    let shown = source.get(..SHOWN).unwrap_or(source);
    Some(format!(
        "`{shown}{more}` is neither a handle nor an expression; a handle has 4 to 64 lower-case \
         hex digits, a label is written @{label}, a path ./{label}"
    ))
}

/// Makes the handle that an expression denotes; what it is made of is then in
/// the store, and stays there as long as that is open.
pub(crate) fn built(place: &Place, source: &str, expr: &Expr) -> Result<Handle, Exit> {
    // Of what is put here nothing has a name. A collection that came between
    // that and its being held would take it.
    let writing = match place.mode {
        Mode::Write => Some(Writing::begin(&*place.backend)?),
        Mode::Read => None,
    };
    let handle = build(expr, &mut Names(place)).map_err(|error| {
        let text = error.render(source);
        match error {
            BuildError::Resolve { error, .. } => error.map(|_| text),
            _ => Exit::usage(text),
        }
    })?;
    place.hold(&handle);
    drop(writing);
    Ok(handle)
}

/// How the store has to be open for [`built`]: an expression that only names
/// what is there needs no writing.
pub(crate) fn mode_for(expr: &Expr) -> Mode {
    match &expr.form {
        Form::Label(_) | Form::Handle(_) | Form::Prefix(_) => Mode::Read,
        Form::Ref(inner) => mode_for(inner),
        _ => Mode::Write,
    }
}

struct Names<'a>(&'a Place);

impl Names<'_> {
    fn put(&self, handle: Handle, content: Content) -> Result<Handle, Exit> {
        self.0.backend.put(&[(handle, content)])?;
        Ok(handle)
    }
}

impl Resolver for Names<'_> {
    type Error = Exit;

    fn path(&mut self, path: &[u8]) -> Result<Handle, Exit> {
        Ok(self.0.add(Path::new(OsStr::from_bytes(path)))?.0)
    }

    fn label(&mut self, label: &str) -> Result<Handle, Exit> {
        let found = match Label::new(label) {
            Ok(label) => self.0.backend.label(&label)?,
            Err(_) => None,
        };
        match found {
            Some(handle) => Ok(handle),
            None => Err(Exit::new(Code::Store, no_label(self.0, label)?)),
        }
    }

    fn prefix(&mut self, prefix: &Prefix) -> Result<Handle, Exit> {
        match self.0.backend.resolve_prefix(prefix)? {
            Resolved::One(handle) => Ok(handle),
            Resolved::None => Err(Exit::new(
                Code::Store,
                format!(
                    "nothing in the store begins with {}; add or compute it first",
                    digits(prefix)
                ),
            )),
            Resolved::Many(handles) => Err(Exit::new(Code::Store, ambiguous(prefix, &handles))),
        }
    }

    fn put_blob(&mut self, bytes: &[u8]) -> Result<Handle, Exit> {
        let blob = Blob::new(bytes.to_vec());
        self.put(blob.handle(), Content::Blob(blob))
    }

    fn put_tree(&mut self, entries: &[Handle]) -> Result<Handle, Exit> {
        let tree = Tree::new(entries);
        self.put(tree.handle(), Content::Tree(tree))
    }
}

/// With those that may have been meant.
pub(crate) fn no_label(place: &Place, label: &str) -> Result<String, Exit> {
    let labels = place.backend.labels()?;
    let near = near(label, labels.iter().map(|(label, _)| label.as_str()));
    let meant: Vec<String> = near.iter().map(|label| format!("@{label}")).collect();
    let meant = match meant.is_empty() {
        true => String::new(),
        false => format!("did you mean {}? ", meant.join(" or ")),
    };
    Ok(format!("there is no label {label}; {meant}`weft labels` lists those there are"))
}

fn ambiguous(prefix: &Prefix, handles: &[Handle]) -> String {
    let shown = |handle: &Handle| format!("#{handle} ({})", sort(*handle));
    let handles: Vec<String> = handles.iter().map(shown).collect();
    let many = if handles.len() == Resolved::MANY_MAX { "among others " } else { "" };
    format!("{} could be {many}{}; give more digits", digits(prefix), handles.join(" or "))
}

fn digits(prefix: &Prefix) -> String {
    Expr::from(Form::Prefix(*prefix)).to_string()
}

#[cfg(test)]
mod tests {
    use weft_store::{Collect, locate};

    use super::*;
    use crate::terminal::Terminal;

    /// Between its being put and whoever evaluates it saying so.
    #[test]
    fn what_an_expression_is_made_of_stays_while_the_store_is_open() {
        let directory = tempfile::tempdir().unwrap();
        let directory = directory.path().join(".weft");
        locate::init(&directory).unwrap();
        let terminal = Terminal { is_terminal: false, color: false, quiet: true };
        let open = || Place::open_at(&directory, Mode::Write, terminal).unwrap();
        let source = "[\"a text of more than thirty bytes, of its own\", 7u64]";
        let place = open();
        let handle = built(&place, source, &parsed(source).unwrap()).unwrap();
        let collect = |place: &Place| {
            place.backend.collect(&Collect::default(), &|_| {}).unwrap();
            place.backend.contains(&handle).unwrap()
        };
        assert!(collect(&place));
        drop(place);
        assert!(!collect(&open()), "nobody holds it any more");
    }
}
