//! What `cargo metadata` knows about the workspace's own crates.

use crate::Result;
use crate::json::Json;

/// When an edge counts: in the crate itself, its build script, or its tests.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum EdgeKind {
    Normal,
    Build,
    Dev,
}

/// A crate of the workspace.
#[derive(Debug)]
pub(crate) struct Member {
    /// Folder name: the crate's name without `weft-`.
    pub name: String,
    /// From the root, with `/` between names: `crates/eval`.
    pub folder: String,
    /// The roots of its library and binaries, from the root.
    pub roots: Vec<String>,
    /// The members that it depends on.
    pub edges: Vec<(EdgeKind, String)>,
}

/// A crate's name as the table of ARCHITECTURE.md has it.
pub(crate) fn short(package: &str) -> &str {
    package.strip_prefix("weft-").unwrap_or(package)
}

/// Reads the output of `cargo metadata --no-deps`.
pub(crate) fn members(text: &str) -> Result<Vec<Member>> {
    let metadata = Json::parse(text)?;
    let root = metadata.text("workspace_root")?;
    let inside = |path: &str| {
        let path = path.strip_prefix(root).unwrap_or(path).replace('\\', "/");
        path.trim_start_matches('/').to_owned()
    };
    let packages = metadata.list("packages")?;
    let mut names = Vec::new();
    for package in packages {
        names.push(package.text("name")?);
    }
    let mut members = Vec::new();
    for package in packages {
        let mut edges = Vec::new();
        for dependency in package.list("dependencies")? {
            let name = dependency.text("name")?;
            if names.contains(&name) {
                let kind = match dependency.get("kind") {
                    Some(Json::Text(kind)) if kind == "dev" => EdgeKind::Dev,
                    Some(Json::Text(kind)) if kind == "build" => EdgeKind::Build,
                    _ => EdgeKind::Normal,
                };
                edges.push((kind, short(name).to_owned()));
            }
        }
        let mut roots = Vec::new();
        for target in package.list("targets")? {
            let kinds = target.list("kind")?;
            if kinds.iter().any(|k| matches!(k, Json::Text(k) if k == "lib" || k == "bin")) {
                roots.push(inside(target.text("src_path")?));
            }
        }
        let manifest = inside(package.text("manifest_path")?);
        members.push(Member {
            name: short(package.text("name")?).to_owned(),
            folder: manifest.trim_end_matches("/Cargo.toml").to_owned(),
            roots,
            edges,
        });
    }
    Ok(members)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn reads_members_and_edges() {
        let text = r#"{"workspace_root":"/r","packages":[
            {"name":"weft-a","manifest_path":"/r/crates/a/Cargo.toml",
             "targets":[{"kind":["lib"],"src_path":"/r/crates/a/src/lib.rs"},
                        {"kind":["test"],"src_path":"/r/crates/a/tests/all.rs"}],
             "dependencies":[{"name":"b","kind":null},{"name":"b","kind":"dev"},
                             {"name":"serde","kind":null},{"name":"b","kind":"build"}]},
            {"name":"b","manifest_path":"/r/b/Cargo.toml","targets":[],"dependencies":[]}]}"#;
        let members = members(text).unwrap();
        assert_eq!(members[0].name, "a");
        assert_eq!(members[0].folder, "crates/a");
        assert_eq!(members[0].roots, ["crates/a/src/lib.rs"]);
        let kinds: Vec<EdgeKind> = members[0].edges.iter().map(|(kind, _)| *kind).collect();
        assert_eq!(kinds, [EdgeKind::Normal, EdgeKind::Dev, EdgeKind::Build]);
        assert_eq!(members[1].name, "b");
    }
}
