//! What is printed parses, and prints the same again.

use proptest::prelude::*;
use weft_notation::{DEPTH_MAX, Expr, Form, parse};

use crate::generate::{expr, nearly_an_expression};

proptest! {
    #![proptest_config(ProptestConfig::with_cases(1000))]

    #[test]
    fn an_expression_is_its_text(expr in expr()) {
        let text = expr.to_string();
        let again = parse(&text);
        prop_assert_eq!(again.as_ref(), Ok(&expr), "{}", text);
        prop_assert!(!text.contains('\n'), "one line: {}", text);
    }

    /// Each part of an expression stands where its span says.
    #[test]
    fn spans_hold_the_text_of_a_part(expr in expr()) {
        let text = format!(" ; a comment\n{expr} ");
        let mut parts = vec![parse(&text).unwrap()];
        while let Some(part) = parts.pop() {
            let source = &text[part.span.start..part.span.end];
            let again = parse(source);
            prop_assert_eq!(again.as_ref(), Ok(&part));
            parts.extend(below(part));
        }
    }

    /// A cut anywhere, something left out or put in: an error or an expression.
    #[test]
    fn damaged_text_is_no_surprise(expr in expr(), at: prop::sample::Index, with in "[(){}\\[\\],\"#@;. a-z0-9]{0,2}") {
        let mut text = expr.to_string();
        let at = text.floor_char_boundary(at.index(text.len() + 1));
        weft_notation::fuzz::fuzz_notation(&text.as_bytes()[..at]);
        text.insert_str(at, &with);
        weft_notation::fuzz::fuzz_notation(text.as_bytes());
    }

    #[test]
    fn printing_is_stable(text in nearly_an_expression()) {
        if let Ok(expr) = parse(&text) {
            let printed = expr.to_string();
            prop_assert_eq!(parse(&printed).unwrap().to_string(), printed);
        }
    }
}

fn below(expr: Expr) -> Vec<Expr> {
    match expr.form {
        Form::Tree(entries) => entries,
        Form::Closure(first, rest) | Form::Apply(_, first, rest) => {
            std::iter::once(*first).chain(rest).collect()
        }
        Form::Application(one) | Form::Identify(one) | Form::Selection(one) => vec![*one],
        Form::Strict(one) | Form::Shallow(one) | Form::Ref(one) => vec![*one],
        Form::Select(target, _) => vec![*target],
        _ => Vec::new(),
    }
}

/// Ways to write, and the one way in which they are printed.
#[test]
fn canonical_text() {
    let cases = [
        ("[]", "[]"),
        (" [ 1u8 ,2u8, ] ", "[1u8, 2u8]"),
        ("; why\n[ ; here\n\"a\" ; there\n] ; done", "[\"a\"]"),
        ("\"tab\t\\u{e9}\\xc3\\xa9\\x00\\xff\"", "\"tab\\téé\\0\\xff\""),
        ("\"two\nlines\"", "\"two\\nlines\""),
        ("\"\u{202e}\"", "\"\\u{202e}\""),
        ("hex\"00Ff\"", "hex\"00ff\""),
        ("007u16", "7u16"),
        ("file\"./plain\"", "./plain"),
        ("file\"plain\"", "file\"plain\""),
        ("./a,b", "error"),
        ("file\"./a,b\"", "file\"./a,b\""),
        ("./naïve/@x#1", "./naïve/@x#1"),
        (".", "."),
        ("..", ".."),
        ("@\"name\"", "@name"),
        ("@\"two words\"", "@\"two words\""),
        ("@a/b-c-1.2_x", "@a/b-c-1.2_x"),
        ("#1f3a", "#1f3a"),
        ("apply ( f )", "error"),
        ("apply ( @f , )", "apply(@f)"),
        ("apply{}(@f)", "apply(@f)"),
        (
            "apply { fuel : 1000000 , memory : 65536KiB, fanout: 10, output: 1023 , } (@f, @x)",
            "apply{memory: 64MiB, output: 1023, fanout: 10, fuel: 1000000}(@f, @x)",
        ),
        (
            "apply{memory: 0, output: 18446744073709551615}(@f)",
            "apply{memory: 0, output: 18446744073709551615}(@f)",
        ),
        ("apply{memory: 3TiB}(@f)", "apply{memory: 3TiB}(@f)"),
        ("select(@x , 0 .. 4096,)", "select(@x, 0..4096)"),
        ("select(@x, \"a/\\\"b\")", "select(@x, \"a/\\\"b\")"),
        ("digest(@x,0..4)", "digest(@x, 0..4)"),
        ("closure(@f,)", "closure(@f)"),
        (
            "strict(shallow(identify(ref(selection(application(@x))))))",
            "strict(shallow(identify(ref(selection(application(@x))))))",
        ),
    ];
    for (source, canonical) in cases {
        let printed = parse(source).map_or("error".to_owned(), |expr| expr.to_string());
        assert_eq!(printed, canonical, "{source}");
    }
}

#[test]
fn the_place_does_not_make_a_difference() {
    let (near, far) = (parse("[@a]").unwrap(), parse("  [  @a  ]").unwrap());
    assert_eq!(near, far);
    assert_ne!(near.span, far.span);
}

fn nested(levels: usize) -> String {
    format!("{}7u8{}", "[".repeat(levels - 1), "]".repeat(levels - 1))
}

/// On a thread with as little stack as any has.
#[test]
fn depth_has_a_limit_and_not_the_stack() {
    let test = || {
        let deepest = nested(DEPTH_MAX);
        assert_eq!(parse(&deepest).unwrap().to_string(), deepest);
        let calls = format!("{}7u8{}", "apply{fuel: 1}(".repeat(199), ")".repeat(199));
        assert_eq!(parse(&calls).unwrap().to_string(), calls);
        for levels in [DEPTH_MAX + 1, 1_000_000] {
            let error = parse(&nested(levels)).unwrap_err();
            assert_eq!(error.offset(), DEPTH_MAX);
            assert!(error.to_string().contains("200 levels"), "{error}");
        }
    };
    std::thread::Builder::new().stack_size(512 << 10).spawn(test).unwrap().join().unwrap();
}

/// Beside one another instead: a million entries are no depth.
#[test]
fn width_has_no_limit() {
    let wide = format!("[{}]", "[],".repeat(1_000_000));
    let Form::Tree(entries) = parse(&wide).unwrap().form else { panic!("a tree") };
    assert_eq!(entries.len(), 1_000_000);
}
