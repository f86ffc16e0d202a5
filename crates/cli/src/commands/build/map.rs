//! Which directories of this machine the compiler sees, and under which paths.

use std::fs;
use std::path::{Path, PathBuf};

use weft_object::Handle;

use super::database::plain;
use crate::exit::Exit;

/// One directory.
#[derive(Clone, Debug)]
pub(super) struct Map {
    /// Absolute, without dots.
    pub(super) host: PathBuf,
    /// The same with all symlinks followed: what wrote the commands may have
    /// gone another way.
    real: PathBuf,
    /// Absolute, without a `/` at the end.
    pub(super) guest: String,
    /// Its Tree.
    pub(super) root: Handle,
}

/// The directories that hold the sources.
#[derive(Clone, Debug)]
pub(super) struct Maps(Vec<Map>);

/// Where something is.
#[derive(Clone, Copy, Debug)]
pub(super) struct Found<'a> {
    pub(super) map: &'a Map,
    /// Below it, without dots.
    pub(super) below: &'a Path,
}

impl Found<'_> {
    /// As the compiler is told.
    pub(super) fn guest(&self) -> Option<String> {
        match self.below.to_str()? {
            "" => Some(self.map.guest.clone()),
            below => Some(format!("{}/{below}", self.map.guest)),
        }
    }
}

impl Map {
    pub(super) fn new(host: &Path, guest: &str, root: Handle) -> Self {
        let host = plain(host);
        let real = fs::canonicalize(&host).unwrap_or_else(|_| host.clone());
        Self { host, real, guest: guest.trim_end_matches('/').to_owned(), root }
    }
}

impl Maps {
    pub(super) fn new(maps: Vec<Map>) -> Self {
        Self(maps)
    }

    pub(super) fn all(&self) -> &[Map] {
        &self.0
    }

    /// Where a path of this machine, absolute and without dots, lies: of several
    /// directories that have it the innermost.
    pub(super) fn find<'a>(&'a self, path: &'a Path) -> Option<Found<'a>> {
        let found = self.0.iter().filter_map(|map| {
            let below = path.strip_prefix(&map.host).or_else(|_| path.strip_prefix(&map.real));
            Some(Found { map, below: below.ok()? })
        });
        found.min_by_key(|found| found.below.as_os_str().len())
    }
}

/// What stands before and behind the `=` of `--map HOST=GUEST`; without one,
/// the compiler finds it where it is here.
pub(super) fn parse<'a>(given: &'a str, here: &Path) -> Result<(&'a str, String), Exit> {
    let (host, guest) = match given.rsplit_once('=') {
        Some((host, guest)) => (host, guest.to_owned()),
        None => {
            let host = plain(&here.join(given));
            let path = host.to_str().map(str::to_owned);
            (given, path.ok_or_else(|| Exit::usage(not_text(given)))?)
        }
    };
    let wrong = |what: &str| Exit::usage(format!("--map {given} {what}"));
    if !here.join(host).is_dir() {
        return Err(wrong("names no directory; write --map HOST=GUEST"));
    }
    if !guest.starts_with('/') || guest.trim_end_matches('/').is_empty() {
        return Err(wrong("needs an absolute path behind the =, such as /src"));
    }
    Ok((host, guest))
}

fn not_text(given: &str) -> String {
    format!("--map {given} has no path in UTF-8; give it one, as --map {given}=/src")
}

#[cfg(test)]
mod tests {
    use super::*;

    fn maps() -> Maps {
        let root = Handle::EMPTY;
        let map = |host: &str, guest: &str| Map::new(Path::new(host), guest, root);
        Maps::new(vec![map("/p/./q/..", "/src/"), map("/p/dep", "/dep"), map("/x", "/x")])
    }

    fn guest(path: &str) -> Option<String> {
        maps().find(Path::new(path))?.guest()
    }

    #[test]
    fn the_innermost_directory_counts() {
        assert_eq!(guest("/p/a/b.c").as_deref(), Some("/src/a/b.c"));
        assert_eq!(guest("/p").as_deref(), Some("/src"));
        assert_eq!(guest("/p/dep/b.c").as_deref(), Some("/dep/b.c"));
        assert_eq!(guest("/p/deputy").as_deref(), Some("/src/deputy"));
        assert_eq!(guest("/pp/b.c"), None);
        assert_eq!(guest("/"), None);
    }

    #[test]
    fn a_map_is_two_paths() {
        let here = Path::new("/");
        assert_eq!(parse("tmp=/src", here).unwrap(), ("tmp", "/src".to_owned()));
        assert_eq!(parse("./tmp", here).unwrap(), ("./tmp", "/tmp".to_owned()));
        for (given, message) in [
            ("nothing-there=/src", "names no directory"),
            ("tmp=src", "needs an absolute path behind the ="),
            ("tmp=", "needs an absolute path behind the ="),
            ("tmp=/", "needs an absolute path behind the ="),
        ] {
            let error = parse(given, here).unwrap_err().to_string();
            assert!(error.contains(message), "{error}");
        }
    }
}
