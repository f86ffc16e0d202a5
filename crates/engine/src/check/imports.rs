//! Imports: those that there are, and what is said of others.

use std::fmt::Write;

use wasmparser::types::TypesRef;

use super::{Wanted, bad, func_type, signature};
use crate::near::near;
use crate::outcome::Failure;

// At most so many imports, and characters of a name, are told: the text is part
// of the failure's identity and travels with it.
const TOLD_MAX: usize = 16;
const NAME_MAX: usize = 80;

/// Refuses imports that the ABI does not have, naming them. What somebody may
/// have meant is a note: it may change with the names that there are.
pub(super) fn check(types: TypesRef<'_>, wanted: &Wanted<'_>) -> Result<(), Failure> {
    let mut unknown = Vec::new();
    let mut note = Note::default();
    for (module, name, entity) in types.core_imports().into_iter().flatten() {
        let found = signature(types, entity);
        match (wanted.import)(module, name, func_type(types, entity)) {
            Some(known) if found == known => {}
            Some(known) => {
                let (module, name) = (told(module), told(name));
                unknown.push(format!("{module}.{name} as {found}, which is {known}"));
            }
            None => {
                unknown.push(format!("{}.{}", told(module), told(name)));
                if unknown.len() <= TOLD_MAX {
                    note.add(module, name, wanted);
                }
            }
        }
    }
    refuse(&unknown, note.text())
}

/// The same of names that are whole: refuses those that there are, with the
/// nearest of what is known.
pub(crate) fn unknown(names: &[String], known: &[String]) -> Result<(), Failure> {
    let unknown: Vec<_> = names.iter().map(|name| told(name)).collect();
    let line = |name: &String| {
        let bare = name.split('@').next().filter(|bare| bare.len() <= NAME_MAX)?;
        let names = known.iter().map(|known| known.split('@').next().unwrap_or(known));
        let nearest = near(bare, names).first().copied()?;
        let nearest = known.iter().find(|known| known.split('@').next() == Some(nearest))?;
        Some(format!("{name}: the nearest known is {nearest}"))
    };
    let lines: Vec<_> = names.iter().take(TOLD_MAX).filter_map(line).collect();
    refuse(&unknown, (!lines.is_empty()).then(|| lines.join("\n")))
}

fn refuse(unknown: &[String], note: Option<String>) -> Result<(), Failure> {
    if unknown.is_empty() {
        return Ok(());
    }
    let mut detail = String::from("unknown imports: ");
    detail += &unknown[..unknown.len().min(TOLD_MAX)].join(", ");
    if unknown.len() > TOLD_MAX {
        let _ = write!(detail, " and {} more", unknown.len() - TOLD_MAX);
    }
    Err(Failure { note, ..bad(detail) })
}

/// What may help with unknown imports, a line each.
#[derive(Default)]
struct Note {
    near: Vec<String>,
    hints: Vec<&'static str>,
}

impl Note {
    fn add(&mut self, module: &str, name: &str, wanted: &Wanted<'_>) {
        if let Some(hint) = (wanted.hint)(module)
            && !self.hints.contains(&hint)
        {
            self.hints.push(hint);
        }
        let (known, names) = wanted.known;
        // Longer than any name that there is.
        let nearest = match name.len() <= NAME_MAX {
            true => near(name, names.iter().copied()).first().copied(),
            false => None,
        };
        if let Some(nearest) = nearest {
            let module = told(module);
            self.near.push(format!("{module}.{name}: the nearest known is {known}.{nearest}"));
        }
    }

    fn text(self) -> Option<String> {
        let hints = self.hints.into_iter().map(str::to_owned);
        let lines: Vec<_> = self.near.into_iter().chain(hints).collect();
        (!lines.is_empty()).then(|| lines.join("\n"))
    }
}

pub(super) fn told(name: &str) -> String {
    match name.char_indices().nth(NAME_MAX) {
        Some((end, _)) => format!("{}...", &name[..end]),
        None => name.to_owned(),
    }
}
