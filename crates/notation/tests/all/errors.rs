//! Syntax errors: the place, what stands there, what could.

use weft_notation::parse;

fn error(source: &str) -> String {
    parse(source).expect_err(source).to_string()
}

const EXPRESSION: &str = "expected a value (`[a, b]`, `\"text\"`, `7u64`, `hex\"00ff\"`), \
    a name (`./path`, `@label`, `#1f3a`) or a call (`apply(f, x)`, `select(x, 0)`, `strict(t)` ...)";

#[test]
fn each_place_says_what_could_stand_there() {
    let words = "expected `apply`, `application`, `closure`, `digest`, `file\"...\"`, \
        `hex\"...\"`, `identify`, `ref`, `select`, `selection`, `shallow`, `strict` or \
        a name (`./path`, `@label`, `#1f3a`)";
    let cases = [
        ("", 1, "the end", EXPRESSION),
        ("; nothing", 10, "the end", EXPRESSION),
        ("*", 1, "`*`", EXPRESSION),
        ("\u{a0}", 1, "U+00A0", EXPRESSION),
        ("@a @b", 4, "`@`", "expected the end"),
        ("[@a @b]", 5, "`@`", "expected `,` or `]`"),
        ("[@a", 4, "the end", "expected `,` or `]`"),
        ("aply(@f)", 1, "`aply`", words),
        ("apply", 6, "the end", "expected `(` or `{`"),
        ("apply{}", 8, "the end", "expected `(`"),
        ("apply()", 7, "`)`", EXPRESSION),
        ("apply(@f @x)", 10, "`@`", "expected `,` or `)`"),
        ("closure @f", 9, "`@`", "expected `(`"),
        ("strict(@a, @b)", 12, "`@`", "expected `)`"),
        ("apply{mem: 1}(@f)", 7, "`mem`", "expected `memory`, `output`, `fanout`, `fuel` or `}`"),
        ("apply{memory 1}(@f)", 14, "`1`", "expected `:`"),
        ("apply{memory: x}(@f)", 15, "`x`", "expected a size such as `64MiB`"),
        (
            "apply{memory: 64MB}(@f)",
            17,
            "`MB`",
            "expected `KiB`, `MiB`, `GiB`, `TiB` or no unit, for bytes",
        ),
        ("apply{memory: 1.5GiB}(@f)", 16, "`.`", "expected `,` or `}`"),
        ("apply{memory: 16777216TiB}(@f)", 15, "`16777216TiB`", "expected less than 2^64 bytes"),
        ("apply{fuel: 5MiB}(@f)", 14, "`MiB`", "expected nothing behind the number"),
        (
            "apply{fuel: 1, fuel: 2}(@f)",
            16,
            "`fuel` for the second time",
            "expected each limit at most once",
        ),
        ("7", 2, "the end", "expected `u8`, `u16`, `u32` or `u64` directly behind the number"),
        ("7 u8", 2, "` `", "expected `u8`, `u16`, `u32` or `u64` directly behind the number"),
        ("7i64", 2, "`i64`", "expected `u8`, `u16`, `u32` or `u64` directly behind the number"),
        ("-7u8", 1, "`-`", EXPRESSION),
        ("256u8", 1, "`256u8`", "expected a number up to 255"),
        ("65536u16", 1, "`65536u16`", "expected a number up to 65535"),
        ("4294967296u32", 1, "`4294967296u32`", "expected a number up to 4294967295"),
        (
            "18446744073709551616u64",
            1,
            "`18446744073709551616`",
            "expected a number up to 18446744073709551615",
        ),
        ("\"open", 1, "a quote that is never closed", "expected a `\"` at the end of the text"),
        ("\"open\\", 1, "a quote that is never closed", "expected a `\"` at the end of the text"),
        ("\"\\xf\"", 4, "`f`", "expected two hex digits"),
        ("\"\\x\u{e9}\"", 4, "`é`", "expected two hex digits"),
        ("\"\\u{d800}\"", 2, "`\\\\u{d800`", "expected a character such as `\\u{e9}`"),
        ("\"\\u{110000000}\"", 2, "`\\\\u{110000000`", "expected a character such as `\\u{e9}`"),
        (
            "\"\\q\"",
            2,
            "`\\\\q`",
            "expected `\\\"`, `\\\\`, `\\n`, `\\r`, `\\t`, `\\0`, `\\xff` or `\\u{e9}`",
        ),
        ("hex 00", 4, "` `", "expected hex digits between quotes, as in `hex\"00ff\"`"),
        ("hex\"0\"", 6, "`\"`", "expected a hex digit: each byte takes two"),
        ("hex\"0g\"", 6, "`g`", "expected a hex digit: each byte takes two"),
        ("hex\"00 11\"", 7, "` `", "expected a hex digit or `\"`"),
        ("file(x)", 5, "`(`", "expected a path between quotes, as in `file\"a b\"`"),
        (".hidden", 1, "`.hidden`", "expected a path that begins with `./`, `../` or `/`"),
        ("...", 1, "`...`", "expected a path that begins with `./`, `../` or `/`"),
        ("./a;b @c", 1, "", ""),
        ("@", 2, "the end", "expected a label, as in `@name`"),
        ("@\"\\xff\"", 2, "bytes that are no UTF-8", "expected a label"),
        (
            "#1f3",
            1,
            "`#1f3` (a handle prefix needs at least 4 digits, not 3)",
            "expected `#` and 4 to 64 digits of a handle",
        ),
        (
            "#1F3A",
            1,
            "`#1F3A` (not a lower-case hex digit at offset 1)",
            "expected `#` and 4 to 64 digits of a handle",
        ),
        ("select(@x)", 10, "`)`", "expected `,`"),
        (
            "select(@x, @y)",
            12,
            "`@`",
            "expected an index such as `3`, a range such as `0..4096` or a path such as `\"a/b\"`",
        ),
        ("select(@x, 3u64)", 13, "`u64`", "expected nothing behind the number"),
        ("select(@x, 3..)", 15, "`)`", "expected a number"),
        ("select(@x, 3.4)", 13, "`.`", "expected `)`"),
        ("digest(@x, 3)", 13, "`)`", "expected `..`"),
        ("digest(@x, \"a\")", 12, "`\"`", "expected a range such as `0..4`"),
    ];
    for (source, column, found, expected) in cases {
        if expected.is_empty() {
            assert!(parse(source).is_ok(), "a comment may follow a path: {source}");
            continue;
        }
        assert_eq!(error(source), format!("line 1, column {column}: found {found}, {expected}"));
    }
}

#[test]
fn handles_that_are_none_say_why() {
    let zeros = "0".repeat(62);
    let message = error(&format!("#{zeros}99"));
    assert!(message.contains("unknown handle type 0x99"), "{message}");
    let message = error(&format!("#{zeros}001"));
    assert!(message.contains("a handle has 64 digits, not 65"), "{message}");
}

#[test]
fn lines_and_columns_are_counted_in_characters() {
    let error = parse("[\r\n  \"é\" ; ü\n\t\"ö\" \"ä\"]").unwrap_err();
    assert_eq!((error.line(), error.column()), (3, 2));
    assert_eq!(error.found(), "`\"`");
    assert_eq!(error.expected(), ["`,`", "`]`"]);
}

#[test]
fn a_caret_stands_under_the_place() {
    let source = "apply(\n\t\"é\",\n\t\"é\" \"b\")";
    let rendered = parse(source).unwrap_err().render(source);
    let expected = "\
line 3, column 6: found `\"`
  |
3 |  \"é\" \"b\")
  |      ^ expected `,` or `)`";
    assert_eq!(rendered, expected);
}

/// Also at the end, also on an empty line.
#[test]
fn a_caret_stands_behind_the_text() {
    let source = "apply(@f,\n";
    let rendered = parse(source).unwrap_err().render(source);
    let first: Vec<_> = rendered.lines().take(3).collect();
    assert_eq!(first, ["line 2, column 1: found the end", "  |", "2 | "]);
    assert!(rendered.lines().nth(3).unwrap().starts_with("  | ^ expected "));
}

#[test]
fn long_lines_are_cut_around_the_place() {
    let source = format!("[{}!{}]", "@a, ".repeat(100_000), "@a, ".repeat(100_000));
    let rendered = parse(&source).unwrap_err().render(&source);
    assert!(rendered.len() < 1000, "{}", rendered.len());
    let lines: Vec<_> = rendered.lines().collect();
    let caret = lines[3].find('^').unwrap();
    assert_eq!(lines[2].as_bytes()[caret], b'!', "{rendered}");
}

/// The text of an error never carries what could fool a terminal.
#[test]
fn hidden_characters_are_not_repeated() {
    let source = "[\u{1b}[31m\u{202e}]";
    let error = parse(source).unwrap_err();
    let shown = format!("{error}{}", error.render(source));
    assert!(shown.contains("U+001B"), "{shown}");
    assert!(!shown.contains(['\u{1b}', '\u{202e}']));
}
