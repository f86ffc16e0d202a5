//! Rust source with everything blanked that is not code.

/// The text with comments and the insides of literals turned into spaces.
/// Lines stay where they are, so that complaints can name them.
pub(crate) fn only_code(source: &str) -> String {
    let bytes = source.as_bytes();
    let mut code = Vec::with_capacity(bytes.len());
    let mut at = 0;
    while at < bytes.len() {
        let rest = &bytes[at..];
        let after_name = at > 0 && is_name(bytes[at - 1]);
        let (keep, end) = match rest {
            [b'/', b'/', ..] => (0, position(rest, b"\n").unwrap_or(rest.len())),
            [b'/', b'*', ..] => (0, block_comment(rest)),
            [b'r', b'"' | b'#', ..] if !after_name => raw_string(rest, 1),
            [b'b' | b'c', b'r', b'"' | b'#', ..] if !after_name => raw_string(rest, 2),
            [b'"', ..] => (1, 1 + quoted(&rest[1..], b'"')),
            [b'\'', ..] => character(rest),
            _ => (1, 1),
        };
        code.extend_from_slice(&rest[..keep]);
        code.extend(rest[keep..end].iter().map(|b| if *b == b'\n' { b'\n' } else { b' ' }));
        at += end;
    }
    String::from_utf8_lossy(&code).into_owned()
}

pub(crate) fn is_name(byte: u8) -> bool {
    byte.is_ascii_alphanumeric() || byte == b'_' || byte >= 0x80
}

fn position(bytes: &[u8], what: &[u8]) -> Option<usize> {
    bytes.windows(what.len()).position(|window| window == what)
}

/// The length of a block comment; they nest.
fn block_comment(rest: &[u8]) -> usize {
    let (mut depth, mut at) = (0, 0);
    while at < rest.len() {
        if rest[at..].starts_with(b"/*") {
            depth += 1;
            at += 2;
        } else if rest[at..].starts_with(b"*/") {
            depth -= 1;
            at += 2;
            if depth == 0 {
                return at;
            }
        } else {
            at += 1;
        }
    }
    at
}

/// A raw string after its prefix, or no string at all (`r#type`).
fn raw_string(rest: &[u8], prefix: usize) -> (usize, usize) {
    let hashes = rest[prefix..].iter().take_while(|b| **b == b'#').count();
    let open = prefix + hashes;
    if rest.get(open) != Some(&b'"') {
        return (open, open);
    }
    let mut close = vec![b'"'];
    close.resize(hashes + 1, b'#');
    match position(&rest[open + 1..], &close) {
        Some(found) => (open + 1, open + 1 + found + close.len()),
        None => (open + 1, rest.len()),
    }
}

/// The length up to and with the closing quote.
fn quoted(rest: &[u8], quote: u8) -> usize {
    let mut at = 0;
    while at < rest.len() {
        match rest[at] {
            b'\\' => at += 2,
            byte if byte == quote => return at + 1,
            _ => at += 1,
        }
    }
    rest.len()
}

/// A character, or the quote of a lifetime.
fn character(rest: &[u8]) -> (usize, usize) {
    match rest {
        [_, b'\\', ..] => (1, 1 + quoted(&rest[1..], b'\'')),
        [_, first, ..] => {
            let width = match first {
                0..0x80 => 1,
                0x80..0xe0 => 2,
                0xe0..0xf0 => 3,
                _ => 4,
            };
            if rest.get(1 + width) == Some(&b'\'') { (1, 2 + width) } else { (1, 1) }
        }
        _ => (1, 1),
    }
}

#[cfg(test)]
mod tests {
    use super::only_code;

    #[test]
    fn keeps_code_and_blanks_the_rest() {
        for (source, kept) in [
            ("a // gone\nb", "a\nb"),
            ("a /* go /* ne */ \n */ b", "a \n b"),
            (r#"f("go\"ne"); b"#, "f(\" ); b"),
            (r##"f(r#"go"ne"#); b"##, "f(r#\" ); b"),
            ("f(br\"gone\\\"); b", "f(br\" ); b"),
            ("x: &'a str, 'q', '\\'', 'é', '\"' b", "x: &'a str, ' , ' , ' , ' b"),
            ("let r#type = number#r", "let r#type = number#r"),
            ("\"open // end", "\""),
            ("'\\", "'"),
        ] {
            let code = only_code(source);
            assert_eq!(code.lines().count(), source.lines().count(), "{source}");
            let squeeze =
                |text: &str| text.split(' ').filter(|w| !w.is_empty()).collect::<String>();
            assert_eq!(squeeze(&code), squeeze(kept), "{source}");
        }
    }
}
