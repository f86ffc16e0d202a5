//! A `compile_commands.json`, as CMake, Ninja, Meson and Bear write it.

use std::fs;
use std::path::{Component, Path, PathBuf};

use serde_json::Value;

use super::shell;
use crate::exit::Exit;
use crate::place::here;

/// One source, and how it is compiled.
#[derive(Clone, Debug)]
pub(super) struct Entry {
    /// Which of the file, from 1 on.
    number: usize,
    /// Where its paths begin; absolute.
    pub(super) directory: PathBuf,
    /// As it stands in the file.
    pub(super) file: String,
    /// The compiler first.
    pub(super) arguments: Vec<String>,
    /// What is written if the arguments do not say.
    pub(super) output: Option<String>,
}

impl Entry {
    /// What an error begins with.
    pub(super) fn name(&self) -> String {
        named(self.number, Some(&self.file))
    }

    /// Where a path of it leads; absolute, without dots.
    pub(super) fn path(&self, path: &str) -> PathBuf {
        plain(&self.directory.join(path))
    }
}

fn named(number: usize, file: Option<&str>) -> String {
    match file {
        Some(file) => format!("entry {number} ({file})"),
        None => format!("entry {number}"),
    }
}

/// A path without `.` and `..`, by its text: symlinks are not asked.
pub(super) fn plain(path: &Path) -> PathBuf {
    let mut out = PathBuf::new();
    for component in path.components() {
        match component {
            Component::CurDir => {}
            Component::ParentDir => {
                out.pop();
            }
            other => out.push(other),
        }
    }
    out
}

/// The entries of a file, or of the one in a directory of that name.
pub(super) fn read(path: &Path) -> Result<Vec<Entry>, Exit> {
    let path = match path.is_dir() {
        true => path.join("compile_commands.json"),
        false => path.to_owned(),
    };
    let shown = path.display();
    let bytes = fs::read(&path).map_err(|error| {
        let text = format!(
            "cannot read {shown}: {error}; CMake writes it with \
             -DCMAKE_EXPORT_COMPILE_COMMANDS=ON, and `bear -- make` for make"
        );
        Exit::other(text)
    })?;
    let beside = plain(&here()?.join(&path));
    let beside = beside.parent().unwrap_or(Path::new("/"));
    parse(&bytes, beside).map_err(|text| Exit::other(format!("{shown}: {text}")))
}

/// What is wrong, as a text without the file's name.
fn parse(bytes: &[u8], beside: &Path) -> Result<Vec<Entry>, String> {
    let value: Value = serde_json::from_slice(bytes)
        .map_err(|error| format!("it is no JSON: {error}; make it again"))?;
    let Value::Array(values) = value else {
        return Err("it is no list of entries; make it again".into());
    };
    if values.is_empty() {
        return Err("it has no entries, so there is nothing to build; make it again".into());
    }
    values.iter().enumerate().map(|(at, value)| entry(at + 1, value, beside)).collect()
}

fn entry(number: usize, value: &Value, beside: &Path) -> Result<Entry, String> {
    let file = value.get("file").and_then(Value::as_str);
    let name = named(number, file);
    let text = |field: &str| match value.get(field) {
        None => Ok(None),
        Some(Value::String(text)) => Ok(Some(text.clone())),
        Some(_) => Err(format!("{name} has a \"{field}\" that is no string; make it again")),
    };
    let lacks = |field: &str| format!("{name} has no \"{field}\"; make it again");
    if !value.is_object() {
        return Err(format!("{name} is no object; make it again"));
    }
    let file = text("file")?.ok_or_else(|| lacks("file"))?;
    let directory = text("directory")?.ok_or_else(|| lacks("directory"))?;
    let output = text("output")?;
    let arguments = match (value.get("arguments"), text("command")?) {
        (Some(list), _) => {
            let words = list.as_array().map(|list| list.iter().map(Value::as_str));
            let words = words.and_then(|words| words.map(|word| word.map(str::to_owned)).collect());
            words.ok_or_else(|| {
                format!("{name} has \"arguments\" that are no list of strings; make it again")
            })?
        }
        (None, Some(command)) => shell::split(&command).ok_or_else(|| {
            format!("{name} has a \"command\" that ends within quotes; make it again")
        })?,
        (None, None) => return Err(lacks("arguments\" and no \"command")),
    };
    if arguments.is_empty() {
        return Err(format!("{name} has an empty command; make it again"));
    }
    let directory = plain(&beside.join(directory));
    Ok(Entry { number, directory, file, arguments, output })
}

#[cfg(test)]
pub(super) fn parsed_for_tests(text: &str) -> Vec<Entry> {
    parse(text.as_bytes(), Path::new("/at")).unwrap()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn parsed(text: &str) -> Result<Vec<Entry>, String> {
        parse(text.as_bytes(), Path::new("/at"))
    }

    #[test]
    fn both_forms_of_a_command_are_read() {
        let entries = parsed(
            r#"[{"directory": "/p/build", "file": "../a.c", "output": "a.o", "extra": 1,
                 "command": "cc -DX='\"1 2\"' -c ../a.c"},
                {"directory": "sub", "file": "b.c", "arguments": ["cc", "-c", "b.c"]}]"#,
        )
        .unwrap();
        assert_eq!(entries[0].arguments, ["cc", "-DX=\"1 2\"", "-c", "../a.c"]);
        assert_eq!(entries[0].path("../a.c"), Path::new("/p/a.c"));
        assert_eq!(entries[0].output.as_deref(), Some("a.o"));
        assert_eq!(entries[0].name(), "entry 1 (../a.c)");
        assert_eq!(entries[1].directory, Path::new("/at/sub"));
        assert_eq!(entries[1].arguments, ["cc", "-c", "b.c"]);
    }

    #[test]
    fn what_is_wrong_is_named() {
        for (text, message) in [
            ("[", "it is no JSON: EOF while parsing a list at line 1 column 1; make it again"),
            ("{}", "it is no list of entries; make it again"),
            ("[]", "it has no entries, so there is nothing to build; make it again"),
            ("[1]", "entry 1 is no object; make it again"),
            ("[{}]", "entry 1 has no \"file\"; make it again"),
            (r#"[{"file": 3}]"#, "entry 1 has a \"file\" that is no string; make it again"),
            (r#"[{"file": "a.c"}]"#, "entry 1 (a.c) has no \"directory\"; make it again"),
            (
                r#"[{"file": "a.c", "directory": "/"}]"#,
                "entry 1 (a.c) has no \"arguments\" and no \"command\"; make it again",
            ),
            (
                r#"[{"file": "a.c", "directory": "/", "arguments": ["cc", 1]}]"#,
                "entry 1 (a.c) has \"arguments\" that are no list of strings; make it again",
            ),
            (
                r#"[{"file": "a.c", "directory": "/", "command": "cc 'a"}]"#,
                "entry 1 (a.c) has a \"command\" that ends within quotes; make it again",
            ),
            (
                r#"[{"file": "a.c", "directory": "/", "command": ""}]"#,
                "entry 1 (a.c) has an empty command; make it again",
            ),
        ] {
            assert_eq!(parsed(text).unwrap_err(), message, "{text}");
        }
    }
}
