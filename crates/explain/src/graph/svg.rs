//! A drawing as SVG, to be looked at in a browser: on white and on black, since
//! only boxes have a ground of their own.

use std::fmt::Write;

use super::layout::{HEIGHT, Layout, layout};
use super::words::{COLUMNS, clipped, count, time};
use super::{Drawing, Edge, Node, Sort};

/// A character's width in pixels, in the font that is asked for.
const CHARACTER: f64 = 7.4;
const PADDING: f64 = 10.0;
const TITLE: f64 = 54.0;
const LEGEND: f64 = 34.0;

const STYLE: &str = "\
    text { font: 12px ui-monospace, 'DejaVu Sans Mono', Menlo, Consolas, monospace; } \
    .t { font-weight: bold; } \
    .out { fill: #808080; } \
    .in { fill: #1a1a1a; } \
    rect { stroke-width: 1; } \
    .value { fill: #d7ead9; stroke: #5b9a63; } \
    .ran { fill: #fde3c3; stroke: #d08a2e; } \
    .input { fill: #dde7f3; stroke: #7393b8; } \
    .failed { fill: #f6d3d3; stroke: #c23b3b; } \
    .unknown { fill: #ececec; stroke: #909090; stroke-dasharray: 4 3; } \
    .critical { stroke-width: 2.5; } \
    path { fill: none; stroke: #9a9a9a; stroke-width: 1; } \
    path.caller { stroke-dasharray: 2 3; } \
    path.critical { stroke: #c9572b; stroke-width: 2.5; } \
    .head { fill: #9a9a9a; } \
    .headc { fill: #c9572b; }";

/// The whole document.
#[must_use]
pub fn svg(drawing: &Drawing) -> String {
    let lines: Vec<[String; 3]> = drawing.nodes.iter().map(lines).collect();
    let widths: Vec<f64> =
        drawing.nodes.iter().zip(&lines).map(|(node, lines)| width(node, lines)).collect();
    let layout = layout(drawing, &widths);
    let title = clipped(&drawing.title, 110);
    let summary = summary(drawing);
    let text_width = |text: &str| text.chars().count() as f64 * CHARACTER + 40.0;
    let wide = layout.width.max(text_width(&title)).max(text_width(&summary)).max(640.0);
    let high = TITLE + layout.height + LEGEND;
    let mut out = String::new();
    // Writing to a String cannot fail.
    let _ = writeln!(
        out,
        "<svg xmlns=\"http://www.w3.org/2000/svg\" width=\"{wide:.0}\" height=\"{high:.0}\" \
         viewBox=\"0 0 {wide:.0} {high:.0}\">\n<style>{STYLE}</style>\n\
         <defs>\
         <marker id=\"a\" viewBox=\"0 0 8 8\" refX=\"7\" refY=\"4\" markerWidth=\"8\" \
         markerHeight=\"8\" markerUnits=\"userSpaceOnUse\" orient=\"auto\">\
         <path class=\"head\" style=\"stroke:none;fill:#9a9a9a\" d=\"M0 1 L7 4 L0 7 z\"/></marker>\
         <marker id=\"c\" viewBox=\"0 0 8 8\" refX=\"7\" refY=\"4\" markerWidth=\"10\" \
         markerHeight=\"10\" markerUnits=\"userSpaceOnUse\" orient=\"auto\">\
         <path class=\"headc\" style=\"stroke:none;fill:#c9572b\" d=\"M0 1 L7 4 L0 7 z\"/></marker>\
         </defs>"
    );
    text(&mut out, 20.0, 24.0, "out t", &title);
    text(&mut out, 20.0, 42.0, "out", &summary);
    let _ = writeln!(out, "<g transform=\"translate(0 {TITLE:.0})\">");
    // What matters is drawn last, on top.
    for critical in [false, true] {
        for (edge, way) in drawing.edges.iter().zip(&layout.ways) {
            if edge.critical == critical {
                arrow(&mut out, drawing, edge, way);
            }
        }
    }
    for ((node, lines), place) in drawing.nodes.iter().zip(&lines).zip(&layout.boxes) {
        rectangle(&mut out, node, lines, *place);
    }
    out.push_str("</g>\n");
    legend(&mut out, drawing, &layout);
    out.push_str("</svg>\n");
    out
}

/// What stands in a box: what it is, the rest, and what it took.
fn lines(node: &Node) -> [String; 3] {
    let title = clipped(&node.title, COLUMNS);
    let detail = clipped(&node.detail, COLUMNS);
    [title, detail, took(node)]
}

pub(super) fn took(node: &Node) -> String {
    match (node.sort, node.timed) {
        (Sort::Input, _) => String::new(),
        (_, 0) => "not kept".into(),
        (_, timed) if timed < node.count => format!("{}+", time(node.run_ns)),
        _ => time(node.run_ns),
    }
}

fn padding(node: &Node) -> f64 {
    if node.sort == Sort::Input { 1.8 * PADDING } else { PADDING }
}

fn width(node: &Node, lines: &[String; 3]) -> f64 {
    // Where there is no font of one width, bold letters are wider.
    const BOLD: f64 = 1.1;
    let [title, detail, took] = lines.each_ref().map(|line| line.chars().count() as f64);
    let below = detail + took + if detail > 0.0 && took > 0.0 { 2.0 } else { 0.0 };
    (below.max(BOLD * title) * CHARACTER + 2.0 * padding(node)).max(90.0)
}

fn class(node: &Node) -> &'static str {
    match node.sort {
        Sort::Value if node.ran > 0 => "ran",
        sort => sort.name(),
    }
}

fn rectangle(out: &mut String, node: &Node, lines: &[String; 3], place: (f64, f64, f64)) {
    let (x, y, width) = place;
    let critical = if node.critical { " critical" } else { "" };
    let round = if node.sort == Sort::Input { HEIGHT / 2.0 } else { 4.0 };
    let _ = write!(out, "<g><title>{}</title>", escaped(&about(node)));
    if node.count > 1 {
        // As cards that lie on each other.
        for behind in [6.0, 3.0] {
            let _ = write!(
                out,
                "<rect class=\"{}\" x=\"{:.1}\" y=\"{:.1}\" width=\"{width:.1}\" \
                 height=\"{HEIGHT}\" rx=\"{round}\"/>",
                class(node),
                x + behind,
                y + behind
            );
        }
    }
    let _ = write!(
        out,
        "<rect class=\"{}{critical}\" x=\"{x:.1}\" y=\"{y:.1}\" width=\"{width:.1}\" \
         height=\"{HEIGHT}\" rx=\"{round}\"/>",
        class(node)
    );
    if node.result {
        let _ = write!(
            out,
            "<rect class=\"{}\" style=\"fill:none\" x=\"{:.1}\" y=\"{:.1}\" width=\"{:.1}\" \
             height=\"{:.1}\" rx=\"{round}\"/>",
            class(node),
            x - 4.0,
            y - 4.0,
            width + 8.0,
            HEIGHT + 8.0
        );
    }
    let [title, detail, took] = lines;
    let padding = padding(node);
    text(out, x + padding, y + 19.0, "in t", title);
    text(out, x + padding, y + 36.0, "in", detail);
    let right = x + width - padding - took.chars().count() as f64 * CHARACTER;
    text(out, right, y + 36.0, "in", took);
    out.push_str("</g>\n");
}

/// What is shown when the mouse rests on a box: nothing is shortened.
fn about(node: &Node) -> String {
    let mut out = format!("{}\n", node.title);
    if !node.detail.is_empty() {
        out.push_str(&format!("{}\n", node.detail));
    }
    let of = if node.count > 1 { "the first of them: " } else { "" };
    out.push_str(&format!("{of}#{}", node.handle));
    if node.sort != Sort::Input {
        out.push_str(&format!("\n{}, ran {}", node.sort.name(), took(node)));
    }
    out
}

fn arrow(out: &mut String, drawing: &Drawing, edge: &Edge, way: &[(f64, f64)]) {
    let Some(((x, y), rest)) = way.split_first() else { return };
    let mut path = format!("M{x:.1} {y:.1}");
    let mut at = (*x, *y);
    for (place, next) in rest.iter().enumerate() {
        // Ways go through columns straight, and bend between them.
        if place % 2 == 1 && (at.1 - next.1).abs() < 0.05 {
            let _ = write!(path, " L{:.1} {:.1}", next.0, next.1);
        } else {
            let bend = ((next.0 - at.0).abs() / 2.0).max(20.0);
            let (out_x, in_x) = (at.0 + bend, next.0 - bend);
            let _ = write!(
                path,
                " C{out_x:.1} {:.1} {in_x:.1} {:.1} {:.1} {:.1}",
                at.1, next.1, next.0, next.1
            );
        }
        at = *next;
    }
    let class = match (edge.critical, edge.caller) {
        (true, _) => " class=\"critical\"",
        (_, true) => " class=\"caller\"",
        _ => "",
    };
    let head = if edge.critical { "c" } else { "a" };
    let [from, to] = [edge.from, edge.to].map(|at| escaped(&drawing.nodes[at].title));
    let times =
        if edge.count > 1 { format!(", {} times", count(edge.count)) } else { String::new() };
    let verb = if edge.caller { "calls" } else { "goes into" };
    let _ = writeln!(
        out,
        "<path{class} marker-end=\"url(#{head})\" d=\"{path}\"><title>{from} {verb} {to}{times}\
         </title></path>"
    );
}

/// The whole in numbers.
pub(super) fn summary(drawing: &Drawing) -> String {
    let total = &drawing.total;
    let mut out = match total.calls {
        1 => "1 application".to_owned(),
        calls => format!("{} applications", count(calls)),
    };
    if total.ran > 0 {
        out.push_str(&format!(", {} ran now", count(total.ran)));
    }
    if total.unknown > 0 {
        out.push_str(&format!(", {} not kept", count(total.unknown)));
    }
    out.push_str(&format!("; {} in all", time(total.run_ns)));
    out.push_str(&format!(", {} along the longest chain", time(total.critical_ns)));
    if total.cut {
        out.push_str("; there are more");
    }
    out
}

/// What the looks mean, of those there are.
fn legend(out: &mut String, drawing: &Drawing, layout: &Layout) {
    let has = |class_: &str| drawing.nodes.iter().any(|node| class(node) == class_);
    let watched = drawing.total.ran > 0;
    let value = if watched { "was known" } else { "known" };
    let looks = [
        ("input", "input"),
        ("value", value),
        ("ran", "ran now"),
        ("failed", "failed"),
        ("unknown", "not kept"),
    ];
    let (mut x, y) = (20.0, TITLE + layout.height + 8.0);
    for (class, words) in looks.iter().filter(|(class, _)| has(class)) {
        let _ = writeln!(
            out,
            "<rect class=\"{class}\" x=\"{x:.0}\" y=\"{y:.0}\" width=\"14\" height=\"14\" rx=\"3\"/>"
        );
        text(out, x + 20.0, y + 11.5, "out", words);
        x += 36.0 + words.len() as f64 * CHARACTER;
    }
    for (class, words) in [("critical", "longest chain"), ("caller", "calls")] {
        let shown = drawing.edges.iter().any(|edge| match class {
            "critical" => edge.critical,
            _ => edge.caller && !edge.critical,
        });
        if shown {
            let (to, middle) = (x + 24.0, y + 7.0);
            let _ = writeln!(out, "<path class=\"{class}\" d=\"M{x:.0} {middle:.0} H{to:.0}\"/>");
            text(out, x + 30.0, y + 11.5, "out", words);
            x += 46.0 + words.len() as f64 * CHARACTER;
        }
    }
}

fn text(out: &mut String, x: f64, y: f64, class: &str, text: &str) {
    if !text.is_empty() {
        let text = escaped(text);
        let _ = writeln!(out, "<text class=\"{class}\" x=\"{x:.1}\" y=\"{y:.1}\">{text}</text>");
    }
}

/// Text for XML: nothing in it is markup, and there is nothing that XML forbids.
pub(super) fn escaped(text: &str) -> String {
    let mut out = String::with_capacity(text.len());
    for c in text.chars() {
        match c {
            '&' => out.push_str("&amp;"),
            '<' => out.push_str("&lt;"),
            '>' => out.push_str("&gt;"),
            '"' => out.push_str("&quot;"),
            '\'' => out.push_str("&#39;"),
            '\n' => out.push('\n'),
            c if c.is_control() || matches!(c, '\u{fffe}' | '\u{ffff}') => out.push('\u{fffd}'),
            c => out.push(c),
        }
    }
    out
}
