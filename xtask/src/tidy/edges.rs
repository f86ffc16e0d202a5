//! Which crate may name which: the table in ARCHITECTURE.md is the rule, so
//! the document cannot drift from what is checked.

use super::metadata::{EdgeKind, Member};

/// What a row of the table permits.
#[derive(Debug, PartialEq)]
pub(crate) enum MayName {
    These(Vec<String>),
    AllBut(Vec<String>),
}

/// Reads the table `| crate | room | may name |` under `## Crates`.
pub(crate) fn allowed(document: &str) -> Result<Vec<(String, MayName)>, String> {
    let section = document.split("\n## ").find(|part| part.starts_with("Crates\n"));
    let section = section.ok_or("no section `## Crates`")?;
    let mut rows = Vec::new();
    for line in section.lines().filter(|line| line.starts_with('|')) {
        let cells: Vec<&str> = line.trim().trim_matches('|').split('|').map(str::trim).collect();
        let [name, _, may_name] = cells.as_slice() else {
            return Err(format!("the table of crates has three columns, not as in `{line}`"));
        };
        if *name == "crate" || name.starts_with('-') {
            continue;
        }
        rows.push((unquoted(name)?, permission(may_name)?));
    }
    match rows.is_empty() {
        true => Err("no table under `## Crates`".into()),
        false => Ok(rows),
    }
}

fn permission(cell: &str) -> Result<MayName, String> {
    let names = |list: &str| -> Result<Vec<String>, String> {
        list.split(',').map(str::trim).map(unquoted).collect()
    };
    match cell {
        "-" => Ok(MayName::These(Vec::new())),
        "all" => Ok(MayName::AllBut(Vec::new())),
        _ => match cell.strip_prefix("all but ") {
            Some(list) => names(list).map(MayName::AllBut),
            None => names(cell).map(MayName::These),
        },
    }
}

fn unquoted(cell: &str) -> Result<String, String> {
    let name = cell.strip_prefix('`').and_then(|rest| rest.strip_suffix('`'));
    let name = name.ok_or_else(|| format!("`{cell}` is no crate name in backquotes"))?;
    Ok(name.to_owned())
}

/// Complains of every edge that the table does not have, of rows and members
/// without each other, of folders named otherwise, and of cycles.
pub(crate) fn check(allowed: &[(String, MayName)], members: &[Member]) -> Vec<String> {
    let mut complaints = Vec::new();
    for (name, may_name) in allowed {
        let (MayName::These(named) | MayName::AllBut(named)) = may_name;
        for name in named.iter().chain([name]) {
            if !members.iter().any(|member| member.name == *name) {
                complaints.push(format!("ARCHITECTURE.md: no crate `{name}` in the workspace"));
            }
        }
    }
    for member in members {
        let name = &member.name;
        if member.folder.rsplit('/').next() != Some(name) {
            complaints.push(format!("{}: the folder of `{name}` has another name", member.folder));
        }
        let Some((_, may_name)) = allowed.iter().find(|(row, _)| row == name) else {
            complaints
                .push(format!("ARCHITECTURE.md: `{name}` is missing from the table of crates"));
            continue;
        };
        for (kind, to) in &member.edges {
            let permitted = match may_name {
                MayName::These(names) => names.contains(to),
                MayName::AllBut(names) => !names.contains(to),
            };
            // Tests may use more, as long as no cycle comes of it (below).
            if !permitted && *kind != EdgeKind::Dev {
                let kind = if *kind == EdgeKind::Build { "build script of " } else { "" };
                complaints.push(format!("{}: {kind}`{name}` may not name `{to}`", member.folder));
            }
        }
    }
    complaints.extend(cycle(members));
    complaints
}

/// Takes away crates that name no other, until only cycles are left.
fn cycle(members: &[Member]) -> Option<String> {
    let mut left: Vec<&Member> = members.iter().collect();
    loop {
        let names: Vec<&str> = left.iter().map(|member| member.name.as_str()).collect();
        let count = left.len();
        left.retain(|member| member.edges.iter().any(|(_, to)| names.contains(&to.as_str())));
        if left.is_empty() {
            return None;
        }
        if left.len() == count {
            return Some(format!(
                "crates in or above a cycle of dependencies: {}",
                names.join(", ")
            ));
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const TABLE: &str = "# Map\n\n## Crates\n\ntext\n\n| crate | room | may name |\n|---|---|---|\n\
        | `a` | x | - |\n| `b` | y | `a` |\n| `c` | z | all but `b` |\n\n## Next\n\n| x |\n";

    fn member(name: &str, edges: &[(EdgeKind, &str)]) -> Member {
        let edges = edges.iter().map(|(kind, to)| (*kind, (*to).to_owned())).collect();
        Member { name: name.into(), folder: format!("crates/{name}"), roots: Vec::new(), edges }
    }

    fn complaints(members: &[Member]) -> Vec<String> {
        check(&allowed(TABLE).unwrap(), members)
    }

    #[test]
    fn allowed_edges_pass() {
        use EdgeKind::{Build, Dev, Normal};
        let members = [
            member("a", &[]),
            member("b", &[(Normal, "a"), (Build, "a")]),
            member("c", &[(Normal, "a"), (Dev, "b")]),
        ];
        assert_eq!(complaints(&members), [""; 0]);
    }

    #[test]
    fn each_wrong_edge_is_named() {
        use EdgeKind::{Build, Dev, Normal};
        let members = [
            member("a", &[(Build, "b")]),
            member("b", &[(Normal, "c"), (Dev, "c")]),
            member("c", &[(Normal, "b")]),
        ];
        let found = complaints(&members);
        assert_eq!(found.len(), 4, "{found:?}");
        assert_eq!(found[0], "crates/a: build script of `a` may not name `b`");
        assert_eq!(found[1], "crates/b: `b` may not name `c`");
        assert_eq!(found[2], "crates/c: `c` may not name `b`");
        assert!(found[3].ends_with(": a, b, c"), "{}", found[3]);
    }

    #[test]
    fn dev_edges_may_not_close_a_cycle() {
        use EdgeKind::{Dev, Normal};
        let members = [member("a", &[(Dev, "b")]), member("b", &[(Normal, "a")]), member("c", &[])];
        let found = complaints(&members);
        assert_eq!(found.len(), 1, "{found:?}");
        assert!(found[0].contains("cycle"));
    }

    #[test]
    fn table_and_workspace_have_the_same_crates() {
        let found = complaints(&[member("a", &[]), member("b", &[]), member("d", &[])]);
        assert_eq!(
            found,
            [
                "ARCHITECTURE.md: no crate `c` in the workspace",
                "ARCHITECTURE.md: `d` is missing from the table of crates",
            ]
        );
    }

    #[test]
    fn bad_tables_are_refused() {
        for bad in [
            "## Elsewhere\n",
            "\n## Crates\n\nno table\n",
            "\n## Crates\n| `a` | - |\n",
            "\n## Crates\n| a | x | - |\n",
            "\n## Crates\n| `a` | x | b |\n",
        ] {
            assert!(allowed(bad).is_err(), "{bad:?} was read");
        }
    }
}
