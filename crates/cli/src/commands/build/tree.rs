//! Results by their paths: as a directory for the linker, and on disk.

use std::collections::BTreeMap;
use std::fs;
use std::path::{Component, Path, PathBuf};

use weft_object::directory::{DirectoryError, Entry, FileKind, Name, Part, build};
use weft_object::{Content, Handle};
use weft_store::{StoreError, files};

use crate::beside;
use crate::exit::Exit;
use crate::place::Place;
use crate::program::Made;

/// Files by relative paths without dots.
#[derive(Debug, Default)]
pub(super) struct Files(BTreeMap<PathBuf, Handle>);

/// A directory on the way to its Tree.
#[derive(Default)]
struct Directory {
    directories: BTreeMap<Vec<u8>, Directory>,
    files: BTreeMap<Vec<u8>, Handle>,
}

impl Files {
    pub(super) fn insert(&mut self, path: PathBuf, blob: Handle) {
        self.0.insert(path, blob);
    }

    pub(super) fn paths(&self) -> impl Iterator<Item = &Path> {
        self.0.keys().map(PathBuf::as_path)
    }

    /// The Tree of a directory with all of them; it joins what was made.
    pub(super) fn root(&self, made: &mut Made) -> Result<Handle, Exit> {
        let mut root = Directory::default();
        for (path, blob) in &self.0 {
            let mut at = &mut root;
            let mut names = path.components().filter_map(|part| match part {
                Component::Normal(name) => Some(name.as_encoded_bytes().to_vec()),
                _ => None,
            });
            let last = names.next_back().unwrap_or_default();
            for name in names {
                at = at.directories.entry(name).or_default();
            }
            at.files.insert(last, *blob);
        }
        root.build(made)
    }

    /// Writes what is not there already. Each file is there in full, as it was
    /// or as it is to be.
    pub(super) fn write(
        &self,
        source: &files::Source<'_>,
        place: &Place,
        target: &Path,
    ) -> Result<(), Exit> {
        for (path, blob) in &self.0 {
            let path = target.join(path);
            if let Some(parent) = path.parent() {
                fs::create_dir_all(parent).map_err(failed("create", parent))?;
            }
            if !place.holds(&path, blob)? {
                beside::replaced(&path, |new| files::get(source, blob, new))?;
            }
        }
        Ok(())
    }
}

fn failed<'a>(doing: &'static str, path: &'a Path) -> impl FnOnce(std::io::Error) -> Exit + 'a {
    move |source| StoreError::Io { doing, path: path.into(), source }.into()
}

impl Directory {
    fn build(&self, made: &mut Made) -> Result<Handle, Exit> {
        let mut entries = Vec::new();
        for (name, directory) in &self.directories {
            let child = directory.build(made)?;
            entries.push(entry(name, FileKind::Directory, 0o755, child)?);
        }
        for (name, blob) in &self.files {
            entries.push(entry(name, FileKind::File, 0o644, *blob)?);
        }
        let built = build(entries, |handle, part| {
            let content = match part {
                Part::Index(blob) => Content::Blob(blob),
                Part::Node(tree) => Content::Tree(tree),
            };
            made.0.push((handle, content));
            Ok::<(), DirectoryError>(())
        });
        built.map_err(of_results)
    }
}

fn entry(name: &[u8], kind: FileKind, mode: u16, child: Handle) -> Result<Entry, Exit> {
    let name = Name::new(name).map_err(|error| of_results(DirectoryError::BadName(0, error)))?;
    Ok(Entry { name, kind, mode, child })
}

fn of_results(source: DirectoryError) -> Exit {
    StoreError::Directory { what: "what the steps wrote".to_owned(), source }.into()
}
