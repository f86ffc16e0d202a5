//! How much a directory of compiled modules takes. Beyond its bound, what was used
//! longest ago goes.
//!
//! **When something was used** stands in the time of modification of its seal, which
//! loading moves on. The time of access does not tell: most systems note it once a
//! day (`relatime`), some never, and reading what is mapped counts as none. Nor is the
//! artifact's own time moved: that is part of the stamp by which it is known to be
//! sound, so it would be read and hashed once more. Once an hour is enough to tell
//! what a week did not need from what is needed, and costs who begins a hundred
//! processes a minute nothing. What is ready in memory is not loaded, so it is as old
//! as its last loading.
//!
//! **How much there is** is known without a look at all files: whoever writes one
//! appends to a list what it takes, and who finds that the list comes to more than the
//! bound looks and removes. No lock is held for that by anybody who writes. A list that
//! is gone, cut or too long is as good as one that comes to too much.
//!
//! **Several processes** remove the same, or one of them does. A file that somebody has
//! open or mapped goes on being what it was; who comes too late compiles again.

use std::collections::BTreeMap;
use std::fs::{self, Metadata};
use std::io::{self, Read, Write};
use std::path::{Path, PathBuf};
use std::time::{Duration, SystemTime};

use super::{Trust, create_or_open, open_ours, trust};

/// What a directory of compiled modules may take if nobody says: a few dozen of the
/// largest programs, each compiled for two ways to run, with their images.
pub const ARTIFACTS_MAX_BYTES: u64 = 8 << 30;

/// What it takes now.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Kept {
    /// On the disk, of all files that are this program's.
    pub bytes: u64,
    /// Modules, images, and what is known of one: each with its seal is one.
    pub artifacts: u64,
}

/// What the directory of compiled modules takes; nothing if there is none.
#[must_use]
pub fn kept_in(dir: &Path) -> Kept {
    let units = units(dir);
    let artifacts = units.values().filter(|unit| !unit.is_temporary).count() as u64;
    Kept { bytes: units.values().map(|unit| unit.bytes).sum(), artifacts }
}

/// How often it is noted that something is used.
const NOTED_EVERY: Duration = Duration::from_secs(3600);

/// Notes that something is used now, in the times of its seal.
pub(super) fn note_used(seal: &fs::File) {
    let now = SystemTime::now();
    let noted = seal.metadata().and_then(|metadata| metadata.modified());
    // What is yet to come is the time of a clock that was wrong.
    let is_noted = |at| now.duration_since(at).is_ok_and(|age| age < NOTED_EVERY);
    if !noted.is_ok_and(is_noted) {
        let _ = seal.set_modified(now);
    }
}

/// What stands in the list, 8 bytes each, little-endian: what a file takes at most that was
/// written; or, with this bit, what all files took when somebody looked.
const FOUND: u64 = 1 << 63;

const LIST: &str = "written";
const LOCK: &str = "removing.lock";

// A list is read whole by who appends to it.
const ENTRIES_MAX: u64 = 1 << 16;

// Of most file systems; with larger ones, a bound of small files is passed by as much.
const BLOCK_BYTES: usize = 4096;

/// Notes that files of these lengths were written, and makes room if that was too much.
pub(super) fn wrote(dir: &Path, lengths: [usize; 2], max_bytes: u64) {
    let bytes: usize = lengths.iter().map(|length| length.next_multiple_of(BLOCK_BYTES)).sum();
    // The file is in its place by now. Who begins a new list then looks at all files, so
    // it is in that list or is seen.
    let is_noted = append(dir, bytes as u64 & !FOUND).is_ok();
    if is_noted && comes_to(dir).is_some_and(|sum| sum <= max_bytes) {
        return;
    }
    let Ok(lock) = create_or_open(&dir.join(LOCK)) else { return };
    // Somebody is at it.
    if lock.try_lock().is_err() {
        return;
    }
    // Somebody was at it until now.
    if comes_to(dir).is_none_or(|sum| sum > max_bytes) {
        let _ = fs::remove_file(dir.join(LIST));
        let left = remove(dir, max_bytes);
        let _ = append(dir, left.min(FOUND - 1) | FOUND);
    }
}

fn append(dir: &Path, entry: u64) -> io::Result<()> {
    let mut options = fs::OpenOptions::new();
    options.append(true).create(true);
    #[cfg(unix)]
    std::os::unix::fs::OpenOptionsExt::mode(&mut options, 0o600);
    #[cfg(unix)]
    std::os::unix::fs::OpenOptionsExt::custom_flags(&mut options, libc::O_NOFOLLOW);
    options.open(dir.join(LIST))?.write_all(&entry.to_le_bytes())
}

/// What the directory comes to at most, by the list; `None` if that does not tell.
fn comes_to(dir: &Path) -> Option<u64> {
    let mut bytes = Vec::new();
    open_ours(&dir.join(LIST))?.take(8 * ENTRIES_MAX + 1).read_to_end(&mut bytes).ok()?;
    let (entries, rest) = bytes.as_chunks::<8>();
    let is_whole = rest.is_empty() && (entries.len() as u64) < ENTRIES_MAX;
    let entries = entries.iter().map(|raw| u64::from_le_bytes(*raw));
    let was_found = entries.clone().any(|entry| entry & FOUND != 0);
    let sum = entries.fold(0_u64, |sum, entry| sum.saturating_add(entry & !FOUND));
    (is_whole && was_found).then_some(sum)
}

/// What is removed as one: an artifact and its seal.
#[derive(Default)]
struct Unit {
    bytes: u64,
    used: Option<SystemTime>,
    /// With the times that it had when it was looked at.
    files: Vec<(PathBuf, Option<SystemTime>)>,
    is_temporary: bool,
}

/// All that is this program's, by name.
fn units(dir: &Path) -> BTreeMap<String, Unit> {
    let mut units = BTreeMap::<String, Unit>::new();
    for entry in fs::read_dir(dir).into_iter().flatten().flatten() {
        let name = entry.file_name();
        let Some((name, is_temporary)) = name.to_str().and_then(unit) else { continue };
        // Of a link itself.
        let Ok(metadata) = entry.metadata() else { continue };
        if !metadata.is_file() || trust(&metadata) == Trust::Foreign {
            continue;
        }
        let modified = metadata.modified().ok();
        let unit = units.entry(name.to_owned()).or_default();
        unit.bytes += on_disk(&metadata);
        unit.used = unit.used.max(modified);
        unit.files.push((entry.path(), modified));
        unit.is_temporary = is_temporary;
    }
    units
}

/// To which unit a file belongs, by its name, and whether it is one that is being
/// written. Whatever else is in the directory is somebody else's.
fn unit(name: &str) -> Option<(&str, bool)> {
    let hex = |text: &str| text.bytes().all(|at| matches!(at, b'0'..=b'9' | b'a'..=b'f'));
    let number = |text: &str| !text.is_empty() && text.bytes().all(|at| at.is_ascii_digit());
    if let Some((process, count)) = name.strip_prefix("tmp-").and_then(|rest| rest.split_once('-'))
    {
        return (number(process) && number(count)).then_some((name, true));
    }
    let unit = name.strip_suffix(".seal").unwrap_or(name);
    let (module, settings) = unit.split_once('-')?;
    let is_ours = module.len() == 64 && settings.len() == 16 && hex(module) && hex(settings);
    is_ours.then_some((unit, false))
}

/// Of the pages of an image, much is zeros that take no room.
#[cfg(unix)]
fn on_disk(metadata: &Metadata) -> u64 {
    std::os::unix::fs::MetadataExt::blocks(metadata).saturating_mul(512)
}

#[cfg(not(unix))]
fn on_disk(metadata: &Metadata) -> u64 {
    metadata.len()
}

/// What a process that was killed was writing. One that still writes it, after so long,
/// finds that it cannot give it its name.
const ABANDONED_AFTER: Duration = Duration::from_secs(24 * 3600);

/// Removes what was used longest ago, and says what is left. A sixteenth more than has to
/// go does, so that not each module that is compiled then has all files looked at.
fn remove(dir: &Path, max_bytes: u64) -> u64 {
    let now = SystemTime::now();
    let mut units: Vec<(String, Unit)> = units(dir).into_iter().collect();
    let mut left: u64 = units.iter().map(|(_, unit)| unit.bytes).sum();
    // The last used one last; what is in the future was not used later than now.
    units.sort_by_key(|(_, unit)| unit.used.map(|used| used.min(now)));
    let is_abandoned = |unit: &Unit| {
        let age = unit.used.and_then(|used| now.duration_since(used).ok());
        unit.is_temporary && age.is_some_and(|age| age > ABANDONED_AFTER)
    };
    // What would have to go whatever else does, before anything goes for its sake.
    let goes_anyway =
        |unit: &Unit| is_abandoned(unit) || !unit.is_temporary && unit.bytes > max_bytes;
    for (_, unit) in units.iter().filter(|(_, unit)| goes_anyway(unit)) {
        left -= unit.remove();
    }
    if left <= max_bytes {
        return left;
    }
    let target = max_bytes - max_bytes / 16;
    for (_, unit) in units.iter().filter(|(_, unit)| !goes_anyway(unit) && !unit.is_temporary) {
        if left <= target {
            break;
        }
        left -= unit.remove();
    }
    left
}

impl Unit {
    /// How many bytes are gone with it. What was used or replaced since it was looked at
    /// stays; in the moment between, somebody has to compile once more.
    fn remove(&self) -> u64 {
        let as_seen = |(path, modified): &(PathBuf, Option<SystemTime>)| {
            let now = fs::symlink_metadata(path);
            now.map_or(true, |now| now.modified().ok() == *modified)
        };
        if !self.files.iter().all(as_seen) {
            return 0;
        }
        // The seal first, where there is one: without it the other is nothing.
        let mut paths: Vec<&PathBuf> = self.files.iter().map(|(path, _)| path).collect();
        paths.sort_by_key(|path| path.extension().is_none());
        let is_gone = |path: &&PathBuf| match fs::remove_file(path) {
            Ok(()) => true,
            Err(error) => error.kind() == io::ErrorKind::NotFound,
        };
        if paths.iter().all(is_gone) { self.bytes } else { 0 }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_what_has_a_name_of_ours_is_ours() {
        let (module, settings) = ("0a".repeat(32), "0123456789abcdef");
        let artifact = format!("{module}-{settings}");
        let seal = format!("{artifact}.seal");
        assert_eq!(unit(&artifact), Some((&*artifact, false)));
        assert_eq!(unit(&seal), Some((&*artifact, false)));
        assert_eq!(unit("tmp-12-0"), Some(("tmp-12-0", true)));
        let upper = artifact.to_uppercase();
        let others = ["", "-", "notes", ".seal", "tmp-", "tmp-1", "tmp-1-x", LIST, LOCK, &upper];
        for other in others {
            assert_eq!(unit(other), None, "{other}");
        }
        for other in [
            format!("{artifact}.lock"),
            format!("{artifact}.seal.seal"),
            format!("{artifact}0"),
            format!("{module}{settings}"),
            format!(" {artifact}"),
        ] {
            assert_eq!(unit(&other), None, "{other}");
        }
    }
}
