//! The house rules that no compiler checks.
//!
//! Each check is a function from text to complaints, so that its tests can
//! hand it bad text; this file only gathers what to check.

mod code;
mod edges;
mod links;
mod locks;
mod metadata;
mod rules;

use std::fs;
use std::path::{Path, PathBuf};

use crate::command::{cargo, read};
use crate::{Result, root};

/// One file of the repository that holds text.
pub(crate) struct TextFile {
    /// From the root, with `/` between names.
    pub path: String,
    pub text: String,
}

impl TextFile {
    fn has_extension(&self, extension: &str) -> bool {
        Path::new(&self.path).extension().is_some_and(|found| found == extension)
    }
}

/// Checks everything and prints every complaint.
pub(crate) fn run() -> Result<()> {
    let root = root();
    let files = text_files(&root)?;
    let args = ["metadata", "--format-version", "1", "--no-deps", "--locked", "--offline"];
    let members = metadata::members(&read(&mut cargo(args))?)?;
    let mut complaints = check(&root, &files, &members);
    complaints.extend(locks::check(&workspaces(&files)?));
    complaints.sort();
    for complaint in &complaints {
        eprintln!("{complaint}");
    }
    match complaints.len() {
        0 => {
            println!("tidy: {} files and {} crates in order", files.len(), members.len());
            Ok(())
        }
        count => Err(format!("tidy: {count} complaints, see above").into()),
    }
}

/// Each workspace that has a lock file.
fn workspaces(files: &[TextFile]) -> Result<Vec<locks::Workspace>> {
    let mut workspaces = Vec::new();
    for file in files.iter().filter(|file| file.path.ends_with("Cargo.lock")) {
        let manifest = file.path.replace("Cargo.lock", "Cargo.toml");
        let args = ["metadata", "--format-version", "1", "--no-deps", "--offline"];
        let metadata = read(&mut cargo(args.into_iter().chain(["--manifest-path", &manifest])))?;
        let members = locks::manifests(&metadata)?;
        let (lock_path, lock) = (file.path.clone(), file.text.clone());
        workspaces.push(locks::Workspace { lock_path, lock, members });
    }
    Ok(workspaces)
}

fn check(root: &Path, files: &[TextFile], members: &[metadata::Member]) -> Vec<String> {
    let mut complaints = Vec::new();
    match files.iter().find(|file| file.path == "ARCHITECTURE.md") {
        Some(file) => match edges::allowed(&file.text) {
            Ok(allowed) => complaints.extend(edges::check(&allowed, members)),
            Err(error) => complaints.push(format!("ARCHITECTURE.md: {error}")),
        },
        None => {
            complaints.push("ARCHITECTURE.md: missing; it says which crate may name which".into())
        }
    }
    for needed in ["CHANGELOG.md", "README.md", "LICENSE-MIT", "LICENSE-APACHE"] {
        if !files.iter().any(|file| file.path == needed) {
            complaints.push(format!("{needed}: missing"));
        }
    }
    complaints.extend(links::check(files, |path| root.join(path).exists()));
    for file in files {
        complaints.extend(rules::text(file));
        if file.has_extension("rs") {
            complaints.extend(rules::rust(file));
        }
    }
    complaints.extend(rules::crate_roots(files, members));
    complaints
}

/// What is committed or would be: git knows; without git, all but build output.
fn text_files(root: &Path) -> Result<Vec<TextFile>> {
    let git = ["ls-files", "-z", "--cached", "--others", "--exclude-standard"];
    let listed = std::process::Command::new("git").args(git).current_dir(root).output();
    let mut paths: Vec<String> = match listed {
        Ok(output) if output.status.success() => {
            let text = String::from_utf8(output.stdout)?;
            text.split_terminator('\0').map(str::to_owned).collect()
        }
        _ => walk(root)?,
    };
    paths.sort();
    let mut files = Vec::new();
    for path in paths {
        // A file may be gone from the work tree and not yet from the index.
        let Ok(bytes) = fs::read(root.join(&path)) else { continue };
        if let Ok(text) = String::from_utf8(bytes)
            && !text.contains('\0')
        {
            files.push(TextFile { path, text });
        }
    }
    Ok(files)
}

fn walk(root: &Path) -> Result<Vec<String>> {
    let mut found = Vec::new();
    let mut folders = vec![PathBuf::new()];
    while let Some(folder) = folders.pop() {
        for entry in fs::read_dir(root.join(&folder))? {
            let entry = entry?;
            let path = folder.join(entry.file_name());
            let kind = entry.file_type()?;
            if kind.is_dir() && !["target", ".git", ".weft"].iter().any(|n| path.ends_with(n)) {
                folders.push(path);
            } else if kind.is_file() {
                found.push(path.to_string_lossy().replace('\\', "/"));
            }
        }
    }
    Ok(found)
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The checks above see the repository: a gatherer that finds nothing
    /// would let everything pass.
    #[test]
    fn finds_this_file_with_and_without_git() {
        let root = root();
        let listed = text_files(&root).unwrap();
        assert!(listed.iter().any(|file| file.path == "xtask/src/tidy.rs"));
        assert!(walk(&root).unwrap().iter().any(|path| path == "xtask/src/tidy.rs"));
    }

    #[test]
    fn an_empty_repository_is_not_tidy() {
        let complaints = check(Path::new("nowhere"), &[], &[]);
        assert_eq!(complaints.len(), 5, "{complaints:?}");
    }
}
