//! Of directories before and after a run, what is new or different.

use std::cell::RefCell;
use std::collections::HashMap;
use std::fs;
use std::io;
use std::path::Path;

use weft_object::directory::{DirectoryError, Entry, FileKind, Name, Part, build};
use weft_object::{Content, Handle};
use weft_store::{StoreError, files};

use crate::beside;
use crate::exit::Exit;

/// How content is read.
type Source<'a> = &'a dyn Fn(&Handle) -> Result<Option<Content>, StoreError>;

/// Writes it to a directory: as it stands in the program's directory, or, of
/// several, each under its path. What is there of the same name is replaced,
/// all else stays, also what the program has removed.
pub(super) fn write(
    source: Source<'_>,
    before: &[(Vec<u8>, Handle)],
    after: &[Handle],
    target: &Path,
) -> Result<(), Exit> {
    let changes = Changes { source, made: RefCell::default() };
    let mut parts = Vec::new();
    for ((path, before), after) in before.iter().zip(after) {
        if let Some(part) = changes.between(Some(*before), *after)? {
            parts.push((path.as_slice(), part));
        }
    }
    if parts.is_empty() {
        return Ok(());
    }
    let root = match (parts.as_slice(), before.len()) {
        ([(_, part)], 1) => *part,
        _ => changes.under_paths(&parts)?,
    };
    let get = |wanted: &Handle| match changes.made.borrow().get(&wanted.content()) {
        Some(content) => Ok(Some(content.clone())),
        None => source(wanted),
    };
    if fs::symlink_metadata(target).is_err() {
        return Ok(beside::complete(target, |new| files::get(&get, &root, new))?);
    }
    // All of it is there before anything is replaced.
    let new = target.join(format!(".weft-new-{}", std::process::id()));
    let done = files::get(&get, &root, &new).and_then(|()| {
        move_into(&new, target).map_err(|source| StoreError::Io {
            doing: "replace",
            path: target.into(),
            source,
        })
    });
    let _ = fs::remove_dir_all(&new);
    Ok(done?)
}

fn move_into(from: &Path, to: &Path) -> io::Result<()> {
    for entry in fs::read_dir(from)? {
        let entry = entry?;
        let place = to.join(entry.file_name());
        let there = fs::symlink_metadata(&place).ok();
        match (entry.file_type()?.is_dir(), there) {
            (true, Some(there)) if there.is_dir() => move_into(&entry.path(), &place)?,
            (true, Some(_)) => {
                fs::remove_file(&place)?;
                fs::rename(entry.path(), &place)?;
            }
            // A file does not replace a directory: that fails, and says so.
            _ => fs::rename(entry.path(), &place)?,
        }
    }
    Ok(())
}

struct Changes<'a> {
    source: Source<'a>,
    made: RefCell<HashMap<Handle, Content>>,
}

impl Changes<'_> {
    /// The directory of what is in `after` and was not so before; `None` if
    /// there is nothing.
    fn between(&self, before: Option<Handle>, after: Handle) -> Result<Option<Handle>, StoreError> {
        if before.is_some_and(|before| before.content() == after.content()) {
            return Ok(None);
        }
        let old: HashMap<Name, Entry> = match before {
            Some(before) => {
                self.list(before)?.into_iter().map(|entry| (entry.name.clone(), entry)).collect()
            }
            None => HashMap::new(),
        };
        let mut entries = Vec::new();
        for entry in self.list(after)? {
            let old = old.get(&entry.name).filter(|old| old.kind == entry.kind);
            let same = |old: &Entry| {
                old.mode == entry.mode && old.child.content() == entry.child.content()
            };
            match (entry.kind, old) {
                (_, Some(old)) if same(old) => {}
                (FileKind::Directory, Some(old)) => {
                    if let Some(child) = self.between(Some(old.child), entry.child)? {
                        entries.push(Entry { child, ..entry });
                    }
                }
                _ => entries.push(entry),
            }
        }
        match entries.is_empty() {
            true => Ok(None),
            false => self.directory(entries).map(Some),
        }
    }

    /// Each part under its path, of which `/` and dots are left out.
    fn under_paths(&self, parts: &[(&[u8], Handle)]) -> Result<Handle, StoreError> {
        let mut entries = Vec::new();
        for (path, part) in parts {
            let is_name = |name: &&[u8]| ![&b""[..], b".", b".."].contains(name);
            let names = path.split(|byte| *byte == b'/').filter(is_name);
            let name = names.collect::<Vec<_>>().join(&b'-');
            let name = Name::new(if name.is_empty() { b"root" } else { &name });
            let name = name.map_err(|_| StoreError::Missing(*part))?;
            entries.push(Entry { name, kind: FileKind::Directory, mode: 0o755, child: *part });
        }
        self.directory(entries)
    }

    fn directory(&self, entries: Vec<Entry>) -> Result<Handle, StoreError> {
        let mut parts = self.made.borrow_mut();
        let made = build(entries, |handle, part| {
            let content = match part {
                Part::Index(blob) => Content::Blob(blob),
                Part::Node(tree) => Content::Tree(tree),
            };
            parts.insert(handle.content(), content);
            Ok::<(), DirectoryError>(())
        });
        let what = "what has changed".to_owned();
        made.map_err(|source| StoreError::Directory { what, source })
    }

    fn list(&self, root: Handle) -> Result<Vec<Entry>, StoreError> {
        files::list(self.source, &root)
    }
}
