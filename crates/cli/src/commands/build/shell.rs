//! Words as a shell has them, without anything that a shell would do to them.

use std::borrow::Cow;

/// The words of a command line: quotes and backslashes as in POSIX, nothing is
/// expanded. `None` if it ends within quotes or behind a backslash.
pub(super) fn split(text: &str) -> Option<Vec<String>> {
    let mut words = Vec::new();
    let mut word: Option<String> = None;
    let mut letters = text.chars();
    while let Some(letter) = letters.next() {
        match letter {
            letter if letter.is_ascii_whitespace() => words.extend(word.take()),
            '\'' => {
                let word = word.get_or_insert_default();
                loop {
                    match letters.next()? {
                        '\'' => break,
                        letter => word.push(letter),
                    }
                }
            }
            '"' => quoted(&mut letters, word.get_or_insert_default())?,
            '\\' => match letters.next()? {
                '\n' => {}
                letter => word.get_or_insert_default().push(letter),
            },
            letter => word.get_or_insert_default().push(letter),
        }
    }
    words.extend(word);
    Some(words)
}

/// Up to the closing double quote.
fn quoted(letters: &mut std::str::Chars<'_>, word: &mut String) -> Option<()> {
    loop {
        match letters.next()? {
            '"' => return Some(()),
            '\\' => match letters.next()? {
                '\n' => {}
                letter @ ('"' | '\\' | '$' | '`') => word.push(letter),
                letter => word.extend(['\\', letter]),
            },
            letter => word.push(letter),
        }
    }
}

/// A word that a shell takes as it is.
pub(super) fn quote(word: &str) -> Cow<'_, str> {
    let plain = |letter: char| letter.is_ascii_alphanumeric() || "_-./=:,+@%".contains(letter);
    match !word.is_empty() && word.chars().all(plain) {
        true => word.into(),
        false => format!("'{}'", word.replace('\'', r"'\''")).into(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn words(text: &str) -> Vec<String> {
        split(text).unwrap()
    }

    #[test]
    fn words_are_those_of_a_shell() {
        assert_eq!(words(" cc  -c a.c\t-o 'a b.o'\n"), ["cc", "-c", "a.c", "-o", "a b.o"]);
        assert_eq!(
            words(r#"-DA=\"x\" "-DB=\"y z\"" -D'C="q"'"#),
            [r#"-DA="x""#, r#"-DB="y z""#, r#"-DC="q""#]
        );
        assert_eq!(words(r#""a\b\\c\$d" e\ f '' "" 'g\h'"#), [r"a\b\c$d", "e f", "", "", r"g\h"]);
        assert_eq!(words("$HOME `x` * # a"), ["$HOME", "`x`", "*", "#", "a"]);
        assert_eq!(words("a\\\nb"), ["ab"]);
        assert!(words("  ").is_empty());
        for open in ["'a", "\"a", "a\\", "\"a\\"] {
            assert_eq!(split(open), None, "{open}");
        }
    }

    #[test]
    fn what_is_quoted_comes_back_as_one_word() {
        for word in ["a", "", "a b", "it's", "\"$x\"", "-DA=\"x\\\"", "*", "#0123:/src", "é\n"] {
            assert_eq!(words(&quote(word)), [word]);
        }
        assert_eq!(quote("-I/src/a.b"), "-I/src/a.b");
    }
}
