//! `docs/notation.md` is true: its examples parse, its errors are what is said.

use weft_notation::{build, parse};

use crate::world::World;

const DOCUMENT: &str = include_str!("../../../../docs/notation.md");

/// The fenced blocks in a language.
fn blocks(language: &str) -> Vec<&'static str> {
    let open = format!("```{language}\n");
    let blocks = DOCUMENT.split(&open).skip(1);
    blocks.map(|rest| rest.split("\n```").next().unwrap()).collect()
}

/// In a block `weft`, expressions are apart by an empty line.
#[test]
fn examples_parse() {
    let examples: Vec<_> = blocks("weft").iter().flat_map(|b| b.split("\n\n")).collect();
    assert!(examples.len() > 15, "{}", examples.len());
    for example in examples {
        let expr = parse(example).unwrap_or_else(|e| panic!("{}", e.render(example)));
        assert_eq!(parse(&expr.to_string()), Ok(expr));
    }
}

/// In a block `weft-error`, the source stands above a line `---` and what is
/// shown below it.
#[test]
fn errors_are_shown_as_they_are() {
    let errors = blocks("weft-error");
    assert!(errors.len() >= 3);
    for block in errors {
        let (source, shown) = block.split_once("\n---\n").unwrap();
        let rendered = match parse(source) {
            Err(error) => error.render(source),
            Ok(expr) => build(&expr, &mut World::default()).unwrap_err().render(source),
        };
        let trimmed: Vec<_> = rendered.lines().map(str::trim_end).collect();
        assert_eq!(trimmed.join("\n"), shown, "\n{rendered}");
    }
}

/// In a block `weft-canonical`, what may be written stands left of `->`, what is
/// printed right of it.
#[test]
fn forms_are_printed_as_the_document_says() {
    let lines: Vec<_> = blocks("weft-canonical").iter().flat_map(|b| b.lines()).collect();
    assert!(lines.len() > 5);
    for line in lines {
        let (written, printed) = line.split_once(" -> ").unwrap();
        assert_eq!(parse(written.trim()).unwrap().to_string(), printed.trim());
    }
}
