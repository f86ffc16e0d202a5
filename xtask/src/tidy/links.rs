//! Links in Markdown that lead to nothing.

use super::TextFile;

/// Complains of each link to a file or heading of the repository that is not
/// there. `exists` answers for paths from the root.
pub(crate) fn check(files: &[TextFile], exists: impl Fn(&str) -> bool) -> Vec<String> {
    let mut complaints = Vec::new();
    for file in files.iter().filter(|file| file.has_extension("md")) {
        for (number, target) in targets(&file.text) {
            let broken = || format!("{}:{number}: link to nothing: {target}", file.path);
            if target.contains("://") || target.starts_with("mailto:") {
                continue;
            }
            let (path, anchor) = target.split_once('#').unwrap_or((&target, ""));
            let Some(path) = (match path {
                "" => Some(file.path.clone()),
                _ => resolve(&file.path, path),
            }) else {
                complaints.push(broken());
                continue;
            };
            let found = match files.iter().find(|other| other.path == path) {
                Some(other) => {
                    anchor.is_empty()
                        || !other.has_extension("md")
                        || headings(&other.text).any(|heading| heading == anchor)
                }
                None => exists(&path),
            };
            if !found {
                complaints.push(broken());
            }
        }
    }
    complaints
}

/// Lines outside fenced code, with their numbers.
fn prose(text: &str) -> impl Iterator<Item = (usize, &str)> {
    let mut fenced = false;
    (1..).zip(text.lines()).filter(move |(_, line)| {
        let fence = line.trim_start().starts_with("```");
        fenced ^= fence;
        !fenced && !fence
    })
}

/// Where `[text](target)` and `[name]: target` lead.
fn targets(text: &str) -> Vec<(usize, String)> {
    let mut found = Vec::new();
    for (number, line) in prose(text) {
        // What stands between backquotes is code.
        let line: String = line.split('`').step_by(2).collect();
        for (at, _) in line.match_indices("](") {
            let rest = &line[at + 2..];
            if let Some(end) = rest.find([')', ' ']) {
                found.push((number, rest[..end].to_owned()));
            }
        }
        let definition = line.strip_prefix('[').and_then(|rest| rest.split_once("]: "));
        if let Some((_, target)) = definition {
            found.push((number, target.split(' ').next().unwrap_or_default().to_owned()));
        }
    }
    found
}

/// A path from the root; `None` where it leaves the repository.
fn resolve(from: &str, path: &str) -> Option<String> {
    let mut parts: Vec<&str> = from.split('/').collect();
    parts.pop();
    for part in path.split('/') {
        match part {
            "" | "." => {}
            ".." => {
                parts.pop()?;
            }
            _ => parts.push(part),
        }
    }
    Some(parts.join("/"))
}

/// The anchors that headings get where repositories are shown.
fn headings(text: &str) -> impl Iterator<Item = String> {
    prose(text).filter_map(|(_, line)| {
        let heading = line.trim_start_matches('#');
        let heading = heading.strip_prefix(' ').filter(|_| line.starts_with('#'))?;
        let kept = |c: &char| c.is_alphanumeric() || matches!(c, ' ' | '-' | '_');
        let anchor: String = heading.trim().chars().filter(kept).collect();
        Some(anchor.to_lowercase().replace(' ', "-"))
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn complaints(text: &str) -> Vec<String> {
        let file = |path: &str, text: &str| TextFile { path: path.into(), text: text.into() };
        let files = [
            file("docs/a.md", text),
            file("docs/b.md", "# One two\n\n## The `third`, here\n"),
            file("README.md", ""),
        ];
        check(&files, |path| path == "crates")
    }

    #[test]
    fn good_links_pass() {
        let text = "# Top\n[x](b.md) [y](../README.md), [z](b.md#the-third-here) [t](#top)\n\
            [u](https://example.org/none) [v](../crates)\n\n[w]: b.md#one-two\n\
            ```\n[code](none.md)\n```\nand `[code](none.md)`\n";
        assert_eq!(complaints(text), [""; 0]);
    }

    #[test]
    fn broken_links_are_named() {
        for bad in [
            "[x](none.md)",
            "[x](../docs)",
            "[x](../../outside.md)",
            "[x](b.md#four)",
            "[x](#none)",
            "[w]: none.md",
            "![x](none.png \"title\")",
        ] {
            let found = complaints(&format!("\n{bad}\n"));
            assert_eq!(found.len(), 1, "{bad}: {found:?}");
            assert!(found[0].starts_with("docs/a.md:2: "), "{}", found[0]);
        }
    }
}
