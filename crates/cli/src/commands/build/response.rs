//! Response files: a word `@FILE` stands for the words that are in FILE.

use std::fs;
use std::io::ErrorKind;

use super::database::Entry;
use super::shell;
use crate::exit::Exit;

/// How deep they can name each other: as much as anybody needs, and no loop.
const DEPTH_MAX: usize = 16;

/// What an entry says, with the words of its response files in their places: no
/// step sees these files, and their paths are those of this machine.
///
/// As for compilers, a word whose file is not there is meant as it stands.
pub(super) fn words(entry: &Entry) -> Result<Vec<String>, Exit> {
    let mut words = Vec::new();
    entry.arguments.iter().try_for_each(|word| expand(entry, word, 0, &mut words))?;
    Ok(words)
}

fn expand(entry: &Entry, word: &str, depth: usize, words: &mut Vec<String>) -> Result<(), Exit> {
    let name = match word.strip_prefix('@') {
        Some(name) if !name.is_empty() => name,
        _ => {
            words.push(word.to_owned());
            return Ok(());
        }
    };
    let wrong = |what: String| Err(Exit::other(format!("{} names {word}, {what}", entry.name())));
    let text = match fs::read_to_string(entry.path(name)) {
        Ok(text) => text,
        Err(error) if matches!(error.kind(), ErrorKind::NotFound | ErrorKind::NotADirectory) => {
            words.push(word.to_owned());
            return Ok(());
        }
        Err(error) => return wrong(format!("which cannot be read: {error}; make it again")),
    };
    if depth == DEPTH_MAX {
        return wrong("which names itself, by others or not; make it again".to_owned());
    }
    match shell::split(&text) {
        Some(inner) => inner.iter().try_for_each(|word| expand(entry, word, depth + 1, words)),
        None => wrong("which ends within quotes; make it again".to_owned()),
    }
}

#[cfg(test)]
mod tests {
    use super::super::database::parsed_for_tests;
    use super::*;

    #[test]
    fn words_come_from_files_and_their_files() {
        let directory = tempfile::tempdir().unwrap();
        let of = |words: &[&str]| {
            let (directory, file) = (directory.path().to_str().unwrap(), "a.c");
            let entry = serde_json::json!(
                [{ "directory": directory, "file": file, "arguments": words }]
            );
            words_of(&entry.to_string())
        };
        let write = |name: &str, text: &[u8]| fs::write(directory.path().join(name), text).unwrap();
        write("flags", b"-DA='1 2' \"-Iinc x\"\n@more\n");
        write("more", b"-DB=\\\"b\\\"\n");
        write("itself", b"-DC @itself");
        write("open", b"-D'");
        write("bytes", b"-D\xff");
        assert_eq!(
            of(&["cc", "@flags", "-c", "a.c", "@", "@nowhere", "@flags/x"]).unwrap(),
            ["cc", "-DA=1 2", "-Iinc x", "-DB=\"b\"", "-c", "a.c", "@", "@nowhere", "@flags/x"]
        );
        for (file, message) in [
            (
                "@itself",
                "entry 1 (a.c) names @itself, which names itself, by others or not; make it again",
            ),
            ("@open", "entry 1 (a.c) names @open, which ends within quotes; make it again"),
            (
                "@bytes",
                "entry 1 (a.c) names @bytes, which cannot be read: stream did not contain valid UTF-8; make it again",
            ),
        ] {
            assert_eq!(of(&["cc", file]).unwrap_err().to_string(), message);
        }
    }

    fn words_of(text: &str) -> Result<Vec<String>, Exit> {
        words(&parsed_for_tests(text)[0])
    }
}
