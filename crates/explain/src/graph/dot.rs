//! A drawing for Graphviz and what reads its language.

use std::fmt::Write;

use super::svg::{summary, took};
use super::{Drawing, Node, Sort};

/// The whole document.
#[must_use]
pub fn dot(drawing: &Drawing) -> String {
    let mut out = String::from("digraph weft {\n");
    let title = quoted(&format!("{}\n{}", drawing.title, summary(drawing)));
    // Writing to a String cannot fail.
    let _ = writeln!(out, "  graph [rankdir=LR, label={title}, labelloc=t, fontname=monospace];");
    out.push_str("  node [shape=box, style=filled, fontname=monospace, fontsize=11];\n");
    for (at, node) in drawing.nodes.iter().enumerate() {
        let _ = writeln!(out, "  n{at} [{}];", attributes(node));
    }
    for edge in &drawing.edges {
        let mut looks = Vec::new();
        if edge.caller {
            looks.push("style=dotted".to_owned());
        }
        if edge.critical {
            looks.push("color=\"#c9572b\", penwidth=2.5".to_owned());
        }
        if edge.count > 1 {
            looks.push(format!("label=\"{}\"", edge.count));
        }
        let looks = looks.join(", ");
        let _ = writeln!(out, "  n{} -> n{} [{looks}];", edge.from, edge.to);
    }
    out.push_str("}\n");
    out
}

fn attributes(node: &Node) -> String {
    let lines = [node.title.clone(), node.detail.clone(), took(node)];
    let label: Vec<String> = lines.into_iter().filter(|line| !line.is_empty()).collect();
    let mut out = format!("label={}", quoted(&label.join("\n")));
    let color = match node.sort {
        Sort::Input => "#dde7f3",
        Sort::Value if node.ran > 0 => "#fde3c3",
        Sort::Value => "#d7ead9",
        Sort::Failed => "#f6d3d3",
        Sort::Unknown => "#ececec",
    };
    let _ = write!(out, ", fillcolor=\"{color}\", tooltip=\"#{}\"", node.handle);
    if node.sort == Sort::Input {
        out.push_str(", shape=ellipse");
    }
    if node.critical {
        out.push_str(", penwidth=2.5");
    }
    if node.result {
        out.push_str(", peripheries=2");
    }
    out
}

/// A string of the language: quotes and backslashes are escaped, so that what
/// looks like an escape is none; control characters go.
fn quoted(text: &str) -> String {
    let mut out = String::from("\"");
    for c in text.chars() {
        match c {
            '"' => out.push_str("\\\""),
            '\\' => out.push_str("\\\\"),
            '\n' => out.push_str("\\n"),
            c if c.is_control() => out.push('\u{fffd}'),
            c => out.push(c),
        }
    }
    out.push('"');
    out
}
