//! Where fetched packages are kept, and how one knows that one is whole.

use std::env;
use std::ffi::OsString;
use std::fmt::Write as _;
use std::fs;
use std::io::ErrorKind;
use std::path::{Path, PathBuf};

use super::table::Package;
use crate::Result;

/// Names the directory that packages are kept in.
const VARIABLE: &str = "WEFT_REAL_DIR";

/// What says, in a package's directory, that all of it is there: the archive's
/// checksum, then each file with its size. It is written last.
const STAMP: &str = ".fetched";

/// The directory that packages are kept in: `WEFT_REAL_DIR`, else below the
/// user's cache directory.
pub(crate) fn cache() -> Result<PathBuf> {
    choose(|name| env::var_os(name).filter(|value| !value.is_empty())).ok_or_else(|| {
        format!("no directory to keep programs in: neither HOME nor {VARIABLE} is set").into()
    })
}

fn choose(variable: impl Fn(&str) -> Option<OsString>) -> Option<PathBuf> {
    if let Some(named) = variable(VARIABLE) {
        return std::path::absolute(named).ok();
    }
    let home = || variable("HOME").map(PathBuf::from);
    let caches = if cfg!(windows) {
        variable("LOCALAPPDATA").map(PathBuf::from)
    } else if cfg!(target_os = "macos") {
        home().map(|home| home.join("Library/Caches"))
    } else {
        let named = variable("XDG_CACHE_HOME").map(PathBuf::from);
        named.filter(|path| path.is_absolute()).or_else(|| home().map(|home| home.join(".cache")))
    };
    caches.map(|caches| caches.join("weft/real"))
}

/// Where this package is, or would be, in the cache.
pub(crate) fn of(cache: &Path, package: &Package) -> PathBuf {
    cache.join(format!("{}-{}", package.name, package.version))
}

/// Whether all of the package is there: it was unpacked from the archive that
/// the table names, and no file has gone away or has another size since.
/// Reading all of it again would take seconds for each test.
pub(crate) fn is_whole(directory: &Path, package: &Package) -> bool {
    let Ok(stamp) = fs::read_to_string(directory.join(STAMP)) else { return false };
    let mut lines = stamp.lines();
    lines.next() == Some(package.sha256)
        && lines.all(|line| {
            let Some((size_bytes, path)) = line.split_once(' ') else { return false };
            let found = fs::metadata(directory.join(path));
            found.is_ok_and(|found| size_bytes.parse() == Ok(found.len()))
        })
}

/// Says that all of the package is in this directory.
pub(crate) fn mark_whole(directory: &Path, package: &Package) -> Result<()> {
    let mut stamp = format!("{}\n", package.sha256);
    let mut files = Vec::new();
    list(directory, Path::new(""), &mut files)?;
    files.sort();
    for (path, size_bytes) in files {
        writeln!(stamp, "{size_bytes} {path}")?;
    }
    Ok(fs::write(directory.join(STAMP), stamp)?)
}

/// Every file below, with its size in bytes.
fn list(root: &Path, below: &Path, files: &mut Vec<(String, u64)>) -> Result<()> {
    for entry in fs::read_dir(root.join(below))? {
        let entry = entry?;
        let path = below.join(entry.file_name());
        if entry.file_type()?.is_dir() {
            list(root, &path, files)?;
        } else if let Some(text) = path.to_str() {
            files.push((text.to_owned(), fs::metadata(entry.path())?.len()));
        }
    }
    Ok(())
}

/// A directory in the cache that is removed again, unless it became a package.
pub(crate) struct Scratch(PathBuf);

impl Scratch {
    /// A new one. Beside the packages, so that renaming is enough to make it one.
    pub(crate) fn new(cache: &Path, package: &Package) -> Result<Self> {
        let path = cache.join(format!(".{}-{}", package.name, std::process::id()));
        remove(&path)?;
        fs::create_dir_all(&path)
            .map_err(|error| format!("cannot create {}: {error}", path.display()))?;
        Ok(Self(path))
    }

    pub(crate) fn path(&self) -> &Path {
        &self.0
    }

    /// Puts `directory`, which is inside this one, where the package belongs.
    pub(crate) fn publish(self, directory: &Path, place: &Path) -> Result<()> {
        let old = self.0.join("old");
        match fs::rename(place, &old) {
            Err(error) if error.kind() != ErrorKind::NotFound => {
                return Err(format!("cannot replace {}: {error}", place.display()).into());
            }
            _ => {}
        }
        fs::rename(directory, place)
            .map_err(|error| format!("cannot create {}: {error}", place.display()).into())
    }
}

impl Drop for Scratch {
    fn drop(&mut self) {
        // What stays costs disk and nothing else.
        let _ = remove(&self.0);
    }
}

fn remove(path: &Path) -> Result<()> {
    match fs::remove_dir_all(path) {
        Err(error) if error.kind() != ErrorKind::NotFound => {
            Err(format!("cannot remove {}: {error}", path.display()).into())
        }
        _ => Ok(()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::real::table::PACKAGES;

    /// A cache of this test alone.
    fn cache(test: &str) -> PathBuf {
        let cache = env::temp_dir().join(format!("weft-xtask-{}-{test}", std::process::id()));
        remove(&cache).unwrap();
        cache
    }

    #[test]
    fn a_package_that_lost_a_byte_is_not_whole() {
        let (cache, package) = (cache("whole"), &PACKAGES[0]);
        let place = of(&cache, package);
        assert!(!is_whole(&place, package));
        let scratch = Scratch::new(&cache, package).unwrap();
        let inside = scratch.path().join("unpacked");
        fs::create_dir_all(inside.join("lib")).unwrap();
        fs::write(inside.join("lib/a b.wasm"), "12345").unwrap();
        mark_whole(&inside, package).unwrap();
        scratch.publish(&inside, &place).unwrap();
        assert!(is_whole(&place, package));
        assert!(!is_whole(&place, &PACKAGES[1]), "another archive's");
        fs::write(place.join("lib/a b.wasm"), "1234").unwrap();
        assert!(!is_whole(&place, package));
        fs::remove_file(place.join("lib/a b.wasm")).unwrap();
        assert!(!is_whole(&place, package));
        remove(&cache).unwrap();
    }

    #[test]
    fn what_was_there_is_replaced_and_nothing_stays_beside_it() {
        let (cache, package) = (cache("replace"), &PACKAGES[0]);
        let place = of(&cache, package);
        fs::create_dir_all(&place).unwrap();
        fs::write(place.join("stale"), "").unwrap();
        let scratch = Scratch::new(&cache, package).unwrap();
        let inside = scratch.path().join("unpacked");
        fs::create_dir(&inside).unwrap();
        scratch.publish(&inside, &place).unwrap();
        assert!(!place.join("stale").exists());
        assert_eq!(fs::read_dir(&cache).unwrap().count(), 1);
        remove(&cache).unwrap();
    }

    #[test]
    fn the_variable_goes_before_the_cache_of_the_user() {
        let both = |name: &str| match name {
            VARIABLE => Some("programs".into()),
            _ => Some("/somewhere".into()),
        };
        assert_eq!(choose(both), std::path::absolute("programs").ok());
        let user = choose(|name| both(name).filter(|_| name != VARIABLE)).unwrap();
        assert!(user.ends_with("weft/real") && user.starts_with("/somewhere"), "{user:?}");
        assert_eq!(choose(|_| None), None);
    }
}
