//! What there is to read, before anything is read.

use std::ffi::OsString;
use std::fs::{self, FileType, Metadata};
use std::os::unix::ffi::OsStrExt;
use std::os::unix::fs::{FileTypeExt, MetadataExt};
use std::path::{Path, PathBuf};

use super::Options;
use crate::{StoreError, locate};

/// What a directory holds, before anything is read.
pub(super) struct Walk {
    /// Each after the one that contains it; the first is the root.
    pub(super) directories: Vec<Directory>,
    /// Files and symlinks.
    pub(super) leaves: Vec<PathBuf>,
}

pub(super) struct Directory {
    pub(super) path: PathBuf,
    pub(super) mode: u16,
    /// Names in order, with what they stand for.
    pub(super) entries: Vec<(OsString, Found)>,
}

#[derive(Clone, Copy)]
pub(super) enum Found {
    Directory(usize),
    Leaf(usize),
}

pub(super) fn permissions(metadata: &Metadata) -> u16 {
    (metadata.mode() & 0o777) as u16
}

pub(super) fn walk(root: &Path, options: &Options<'_>) -> Result<Walk, StoreError> {
    let identity = |metadata: Metadata| (metadata.dev(), metadata.ino());
    let left_out = options.leave_out.iter();
    let left_out: Vec<_> =
        left_out.filter_map(|path| fs::metadata(path).ok().map(identity)).collect();
    let mut walk = Walk { directories: Vec::new(), leaves: Vec::new() };
    walk.directories.push(Directory { path: root.into(), mode: 0, entries: Vec::new() });
    let mut next = 0;
    while next < walk.directories.len() {
        let path = walk.directories[next].path.clone();
        let metadata = fs::metadata(&path).map_err(StoreError::io("read", &path))?;
        let mut names: Vec<(OsString, FileType)> = Vec::new();
        for entry in fs::read_dir(&path).map_err(StoreError::io("read", &path))? {
            let entry = entry.map_err(StoreError::io("read", &path))?;
            let file_type =
                entry.file_type().map_err(|error| StoreError::io("read", entry.path())(error))?;
            names.push((entry.file_name(), file_type));
        }
        names.sort_unstable_by(|a, b| a.0.as_bytes().cmp(b.0.as_bytes()));
        let mut entries = Vec::with_capacity(names.len());
        for (name, file_type) in names {
            let inside = path.join(&name);
            if options.leave_out_names.iter().any(|left_out| name == *left_out) {
                continue;
            }
            if !file_type.is_dir() {
                if !file_type.is_symlink() {
                    special(&inside, &file_type)?;
                }
                entries.push((name, Found::Leaf(walk.leaves.len())));
                walk.leaves.push(inside);
                continue;
            }
            let left_out = name == locate::NAME
                || (!left_out.is_empty()
                    && fs::metadata(&inside)
                        .is_ok_and(|found| left_out.contains(&identity(found))));
            if !left_out {
                entries.push((name, Found::Directory(walk.directories.len())));
                walk.directories.push(Directory { path: inside, mode: 0, entries: Vec::new() });
            }
        }
        walk.directories[next].mode = permissions(&metadata);
        walk.directories[next].entries = entries;
        next += 1;
    }
    Ok(walk)
}

// Refuses what is neither file nor directory nor symlink.
pub(super) fn special(path: &Path, file_type: &FileType) -> Result<(), StoreError> {
    let what = if file_type.is_fifo() {
        "fifo"
    } else if file_type.is_socket() {
        "socket"
    } else if file_type.is_block_device() {
        "block device"
    } else if file_type.is_char_device() {
        "character device"
    } else if file_type.is_file() {
        return Ok(());
    } else {
        "file of an unknown kind"
    };
    Err(StoreError::SpecialFile { path: path.into(), what })
}
