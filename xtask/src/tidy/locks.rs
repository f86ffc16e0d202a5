//! Whether each lock file knows the dependencies that our manifests name.
//!
//! Cargo finds that out where it builds, and the workspaces beside the main one
//! are seldom built. Here it is read off, without a network: of a member, the lock
//! file of its workspace has all dependencies; of a crate of ours in another
//! workspace's, all but those of its tests.

use crate::Result;
use crate::json::Json;

/// A workspace: where its lock file is, and its members.
pub(crate) struct Workspace {
    /// From the root, with `/` between names: `fuzz/Cargo.lock`.
    pub lock_path: String,
    pub lock: String,
    pub members: Vec<Manifest>,
}

/// What a manifest says of a crate.
#[derive(Clone, Debug)]
pub(crate) struct Manifest {
    name: String,
    version: String,
    dependencies: Vec<Dependency>,
}

#[derive(Clone, Debug)]
struct Dependency {
    name: String,
    /// As cargo writes it: `^0.4`.
    requirement: String,
    is_dev: bool,
    is_optional: bool,
}

/// One crate of a lock file.
struct Locked<'a> {
    name: &'a str,
    version: &'a str,
    is_ours: bool,
    /// `name`, or `name version` where there are several.
    dependencies: Vec<&'a str>,
}

/// Reads the output of `cargo metadata --no-deps`.
pub(crate) fn manifests(text: &str) -> Result<Vec<Manifest>> {
    let mut manifests = Vec::new();
    for package in Json::parse(text)?.list("packages")? {
        let mut dependencies = Vec::new();
        for dependency in package.list("dependencies")? {
            dependencies.push(Dependency {
                name: dependency.text("name")?.to_owned(),
                requirement: dependency.text("req")?.to_owned(),
                is_dev: dependency.text("kind").is_ok_and(|kind| kind == "dev"),
                is_optional: dependency.get("optional") == Some(&Json::Bool(true)),
            });
        }
        let (name, version) =
            (package.text("name")?.to_owned(), package.text("version")?.to_owned());
        manifests.push(Manifest { name, version, dependencies });
    }
    Ok(manifests)
}

/// Complains of each lock file that cargo would change.
pub(crate) fn check(workspaces: &[Workspace]) -> Vec<String> {
    let mut complaints = Vec::new();
    for workspace in workspaces {
        let path = &workspace.lock_path;
        let locked = packages(&workspace.lock);
        let mut found = Vec::new();
        for member in &workspace.members {
            match locked.iter().find(|locked| locked.is_ours && locked.name == member.name) {
                Some(at) => found.extend(differences(at, member, true, &locked)),
                None => found.push(format!("does not know `{}`", member.name)),
            }
        }
        let all = workspaces.iter().flat_map(|workspace| &workspace.members);
        for manifest in all.filter(|one| workspace.members.iter().all(|own| own.name != one.name)) {
            let at = locked.iter().find(|locked| locked.is_ours && locked.name == manifest.name);
            found.extend(at.into_iter().flat_map(|at| differences(at, manifest, false, &locked)));
        }
        let manifest = path.replace("Cargo.lock", "Cargo.toml");
        let remedy = format!("`cargo update --workspace --manifest-path {manifest}` mends it");
        complaints.extend(found.iter().map(|what| format!("{path}: {what}; {remedy}")));
    }
    complaints
}

/// What a lock file and a manifest say differently of one crate.
fn differences(
    locked: &Locked<'_>,
    manifest: &Manifest,
    with_tests: bool,
    all: &[Locked<'_>],
) -> Vec<String> {
    let name = locked.name;
    let mut found = Vec::new();
    if locked.version != manifest.version {
        found.push(format!("`{name}` is {} now, not {}", manifest.version, locked.version));
    }
    let wanted = manifest.dependencies.iter().filter(|wanted| with_tests || !wanted.is_dev);
    for wanted in wanted.clone().filter(|wanted| with_tests || !wanted.is_optional) {
        let has = |version| fits(&wanted.requirement, version);
        let known = locked.dependencies.iter().any(|known| match known.split_once(' ') {
            // And where it is from, if there are two of one version.
            Some((known, version)) => {
                known == wanted.name && version.split(' ').next().is_some_and(has)
            }
            None => {
                let versions = all.iter().filter(|one| one.name == wanted.name);
                *known == wanted.name && versions.map(|one| one.version).any(has)
            }
        });
        if !known {
            let Dependency { name: wanted, requirement, .. } = wanted;
            found.push(format!("`{name}` needs `{wanted}` {requirement}"));
        }
    }
    for known in &locked.dependencies {
        let known = known.split(' ').next().unwrap_or(known);
        if wanted.clone().all(|wanted| wanted.name != known) {
            found.push(format!("`{name}` does not need `{known}`"));
        }
    }
    found
}

/// Whether a version is of those that `^0.4` means. Of other forms nothing is said.
fn fits(requirement: &str, version: &str) -> bool {
    let Some(wanted) = requirement.strip_prefix('^') else { return true };
    let numbers = |text: &str| -> Vec<u64> {
        text.split(['.', '-', '+']).map_while(|number| number.parse().ok()).collect()
    };
    let (wanted, has) = (numbers(wanted), numbers(version));
    // Up to the first number that is not zero, all are the same.
    let same = wanted.iter().position(|number| *number != 0).map_or(wanted.len(), |at| at + 1);
    has.starts_with(&wanted[..same]) && has >= wanted
}

fn packages(lock: &str) -> Vec<Locked<'_>> {
    lock.split("[[package]]")
        .skip(1)
        .map(|package| {
            let field = |name: &str| {
                let lines = package.lines().filter_map(|line| line.strip_prefix(name));
                lines.map(|rest| rest.trim_start_matches(" = ").trim_matches('"')).next()
            };
            let items = package.lines().filter_map(|line| line.strip_prefix(" \""));
            Locked {
                name: field("name").unwrap_or_default(),
                version: field("version").unwrap_or_default(),
                is_ours: field("source").is_none(),
                dependencies: items.filter_map(|item| item.strip_suffix("\",")).collect(),
            }
        })
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    const MAIN: &str = r#"{"packages":[{"name":"weft-a","version":"0.1.0","dependencies":[
        {"name":"b","req":"^1.2","kind":null,"optional":false},
        {"name":"c","req":"^0.4","kind":"dev","optional":false}]}]}"#;
    const FUZZ: &str = r#"{"packages":[{"name":"fuzz","version":"0.0.0","dependencies":[
        {"name":"weft-a","req":"*","kind":null,"optional":false}]}]}"#;
    const LOCK: &str = r#"version = 4

[[package]]
name = "b"
version = "1.3.0"
source = "registry"

[[package]]
name = "fuzz"
version = "0.0.0"
dependencies = [
 "weft-a",
]

[[package]]
name = "weft-a"
version = "0.1.0"
dependencies = [
 "b",
]
"#;

    /// With some of the lock file beside the main one replaced.
    fn complaints(from: &str, to: &str) -> Vec<String> {
        // Its lock file has what tests need, too.
        let lock = LOCK.replace(" \"b\",", " \"b\",\n \"c 0.4.9\",");
        let members = manifests(MAIN).unwrap();
        let main = Workspace { lock_path: "Cargo.lock".into(), lock, members };
        let members = manifests(FUZZ).unwrap();
        let lock = LOCK.replace(from, to);
        let fuzz = Workspace { lock_path: "fuzz/Cargo.lock".into(), lock, members };
        check(&[main, fuzz])
    }

    #[test]
    fn each_planted_fault_is_found() {
        assert_eq!(complaints("b", "b"), [""; 0]);
        for (from, to, what) in [
            (" \"b\",\n", "", "`weft-a` needs `b` ^1.2"),
            (" \"b\",\n", " \"b\",\n \"d\",\n", "`weft-a` does not need `d`"),
            ("1.3.0", "1.1.9", "`weft-a` needs `b` ^1.2"),
            ("0.1.0", "0.2.0", "`weft-a` is 0.1.0 now, not 0.2.0"),
            ("\"weft-a\",\n", "", "`fuzz` needs `weft-a` *"),
            ("\"fuzz\"\n", "\"other\"\n", "does not know `fuzz`"),
        ] {
            let remedy = "`cargo update --workspace --manifest-path fuzz/Cargo.toml` mends it";
            assert_eq!(complaints(from, to), [format!("fuzz/Cargo.lock: {what}; {remedy}")]);
        }
    }

    #[test]
    fn a_requirement_is_fitted_by_what_cargo_would_take() {
        for (requirement, version, fit) in [
            ("^48", "48.0.8", true),
            ("^48", "49.0.0", false),
            ("^1.12", "1.13.0", true),
            ("^1.12", "1.11.9", false),
            ("^0.4", "0.4.44", true),
            ("^0.4", "0.5.0", false),
            ("*", "0.1.0", true),
        ] {
            assert_eq!(fits(requirement, version), fit, "{requirement} and {version}");
        }
    }
}
