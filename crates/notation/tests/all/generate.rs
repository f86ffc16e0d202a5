//! Any expression at all.

use proptest::prelude::*;
use weft_notation::{Expr, Form, Limits, Number, Part};
use weft_object::{Handle, Prefix};

fn bytes() -> impl Strategy<Value = Vec<u8>> {
    prop_oneof![
        "[ -~]{0,40}".prop_map(String::into_bytes),
        any::<String>().prop_map(String::into_bytes),
        prop::collection::vec(any::<u8>(), 0..40),
    ]
}

fn path() -> impl Strategy<Value = Vec<u8>> {
    prop_oneof![
        r"(\.|\.\.|)/[a-z./@#;,é ]{0,20}".prop_map(String::into_bytes),
        prop::sample::select(vec![".", "..", "/", "./", "...", ".a", "a/b", "//x", "./a\u{a0}b"])
            .prop_map(|path| path.as_bytes().to_vec()),
        bytes(),
    ]
}

fn number() -> impl Strategy<Value = Number> {
    prop_oneof![
        any::<u8>().prop_map(Number::U8),
        any::<u16>().prop_map(Number::U16),
        any::<u32>().prop_map(Number::U32),
        any::<u64>().prop_map(Number::U64),
    ]
}

/// Round amounts as well as any others.
fn amount() -> impl Strategy<Value = Option<u64>> {
    let amounts = (any::<u64>(), 0..64u32, 0..64u32);
    prop::option::of(amounts.prop_map(|(value, right, left)| value >> right << left))
}

fn limits() -> impl Strategy<Value = Limits> {
    (amount(), amount(), amount(), amount()).prop_map(
        |(memory_bytes, output_bytes, fanout, fuel)| Limits {
            memory_bytes,
            output_bytes,
            fanout,
            fuel,
        },
    )
}

fn part() -> impl Strategy<Value = Part> {
    prop_oneof![
        any::<u64>().prop_map(Part::Entry),
        any::<(u64, u64)>().prop_map(|(from, to)| Part::Range(from, to)),
        any::<(u64, u64)>().prop_map(|(from, to)| Part::Digest(from, to)),
        bytes().prop_map(Part::Path),
    ]
}

fn handle() -> impl Strategy<Value = Handle> {
    (bytes(), 0..6u8).prop_map(|(bytes, how)| {
        let blob = Handle::of_blob(&bytes);
        let tree = Handle::of_tree(&[blob]);
        match how {
            0 => blob,
            1 => tree,
            2 => tree.lower().unwrap(),
            3 => tree.application().unwrap().strict().unwrap(),
            4 => blob.identification().unwrap(),
            _ => Handle::of_tag(&[blob, tree, blob]),
        }
    })
}

fn leaf() -> impl Strategy<Value = Form> {
    prop_oneof![
        bytes().prop_map(Form::Text),
        bytes().prop_map(Form::Hex),
        number().prop_map(Form::Number),
        path().prop_map(Form::Path),
        prop_oneof!["[a-zA-Z0-9_./:-]{0,12}", any::<String>()].prop_map(Form::Label),
        handle().prop_map(Form::Handle),
        "[0-9a-f]{4,63}".prop_map(|text| Form::Prefix(Prefix::parse(&text).unwrap())),
    ]
}

/// An expression of any form, a dozen levels deep at most.
pub(crate) fn expr() -> impl Strategy<Value = Expr> {
    leaf().prop_map(Expr::from).prop_recursive(8, 64, 5, |inner| {
        let many = || prop::collection::vec(inner.clone(), 0..5);
        let one = || inner.clone().prop_map(Box::new);
        prop_oneof![
            many().prop_map(Form::Tree),
            (one(), many()).prop_map(|(first, rest)| Form::Closure(first, rest)),
            (limits(), one(), many()).prop_map(|(limits, f, rest)| Form::Apply(limits, f, rest)),
            one().prop_map(Form::Application),
            one().prop_map(Form::Identify),
            (one(), part()).prop_map(|(target, part)| Form::Select(target, part)),
            one().prop_map(Form::Selection),
            one().prop_map(Form::Strict),
            one().prop_map(Form::Shallow),
            one().prop_map(Form::Ref),
        ]
        .prop_map(Expr::from)
    })
}

/// Pieces of the language in any order: text that is nearly an expression.
pub(crate) fn nearly_an_expression() -> impl Strategy<Value = String> {
    let pieces = vec![
        "[",
        "]",
        "(",
        ")",
        "{",
        "}",
        ",",
        ":",
        "..",
        "\"",
        "\\",
        ";",
        "\n",
        " ",
        "#",
        "@",
        "./",
        "é",
        "apply",
        "select",
        "strict",
        "ref",
        "closure",
        "digest",
        "hex\"",
        "file\"",
        "memory",
        "fuel",
        "7",
        "u64",
        "MiB",
        "18446744073709551616",
        "#1f3a",
        "@a",
        "\"a\"",
        "./a",
        "7u8",
        "\\u{",
        "\u{202e}",
    ];
    prop::collection::vec(prop::sample::select(pieces), 0..40).prop_map(|pieces| pieces.concat())
}
