//! The file operations that a store is made of.
//!
//! [`FileBackend`](crate::FileBackend) does everything to its files through the
//! trait [`Disk`]. So its second implementor can be a crash: a disk that loses,
//! tears and reorders whatever was not synced.
//!
//! What lasts, on any of them:
//!
//! - Bytes and length of a file: once [`DiskFile::sync_data`] has returned.
//! - That a name is there, is gone, or leads to another file: once
//!   [`Disk::sync_directory`] of its directory has returned. A new file needs
//!   both. Until then either state may be found after a crash, of a
//!   [`Disk::rename`] never both names or none.
//!
//! An error that names a path comes back as [`StoreError::Io`], with the path
//! and what was being done to it.

pub mod crash;
mod real;

use std::fmt;
use std::io::{self, ErrorKind};
use std::path::Path;
use std::sync::Arc;

use crate::StoreError;
pub use real::RealDisk;

/// What a file is opened for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Access {
    /// To read one that is there.
    Read,
    /// To read and write one that is there.
    Write,
    /// To read and write one that is not there yet.
    New,
    /// The same, but nobody may open it for writing ever after.
    NewReadOnly,
}

/// What tells whether a file is still what it was.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Stamp {
    /// Its length in bytes.
    pub length: u64,
    /// When its bytes were last written, in nanoseconds since 1970.
    pub modified_ns: i128,
    /// When anything about it was last changed, in nanoseconds since 1970.
    pub changed_ns: i128,
    /// The file behind the name.
    pub inode: u64,
}

/// Where files are.
pub trait Disk: fmt::Debug + Send + Sync {
    /// Opens a regular file that has one name and is reached through no symlink
    /// (the last part of the path is looked at), or makes one.
    ///
    /// # Errors
    /// [`StoreError::Foreign`] if it is something else;
    /// [`StoreError::not_found`] if it is not there; for a new one, if there is
    /// anything of that name; or whatever the operating system says.
    fn open(&self, path: &Path, access: Access) -> Result<Arc<dyn DiskFile>, StoreError>;

    /// Makes a directory, and those above it that are missing; whether it was
    /// not there.
    ///
    /// # Errors
    /// [`StoreError::Foreign`] if there is something else of that name, a
    /// symlink to a directory included; or it cannot be made.
    fn make_directory(&self, path: &Path) -> Result<bool, StoreError>;

    /// The names in a directory, in any order.
    ///
    /// # Errors
    /// [`StoreError::not_found`], or it cannot be read.
    fn list(&self, directory: &Path) -> Result<Vec<String>, StoreError>;

    /// Gives a file another name, in the place of what had it.
    ///
    /// # Errors
    /// It has not been done.
    fn rename(&self, from: &Path, to: &Path) -> Result<(), StoreError>;

    /// Takes a file's name away; who has it open may go on with it.
    ///
    /// # Errors
    /// [`StoreError::not_found`], or it has not been done.
    fn remove(&self, path: &Path) -> Result<(), StoreError>;

    /// Takes an empty directory away.
    ///
    /// # Errors
    /// [`StoreError::not_found`], there is something in it, or it has not been
    /// done.
    fn remove_directory(&self, path: &Path) -> Result<(), StoreError>;

    /// Returns when the names in a directory are durable.
    ///
    /// # Errors
    /// They may not be.
    fn sync_directory(&self, path: &Path) -> Result<(), StoreError>;

    /// Becomes the one process that writes to the store in this directory, until
    /// what is returned is dropped.
    ///
    /// # Errors
    /// [`StoreError::Locked`] if another one is that.
    fn lock(&self, directory: &Path) -> Result<Box<dyn Lock>, StoreError>;
}

/// An open file. Offsets and lengths are in bytes.
pub trait DiskFile: fmt::Debug + Send + Sync {
    /// Reads at an offset, as many bytes as there are and fit; 0 at its end.
    ///
    /// # Errors
    /// Nothing was read.
    fn read_at(&self, bytes: &mut [u8], offset: u64) -> io::Result<usize>;

    /// Writes all of these at an offset; the file grows if they end beyond its
    /// end.
    ///
    /// # Errors
    /// Any part of them may have been written.
    fn write_at(&self, bytes: &[u8], offset: u64) -> io::Result<()>;

    /// Cuts the file off, or makes it longer by zeros.
    ///
    /// # Errors
    /// It has not been done.
    fn set_length(&self, length: u64) -> io::Result<()>;

    /// Returns when its bytes and length are durable.
    ///
    /// # Errors
    /// They may not be, now or ever.
    fn sync_data(&self) -> io::Result<()>;

    /// Its length, and what changes when it is changed.
    ///
    /// # Errors
    /// That cannot be found out.
    fn stamp(&self) -> io::Result<Stamp>;

    /// The operating system's file, if it is one that can be mapped.
    fn as_file(&self) -> Option<&std::fs::File> {
        None
    }

    /// How many bytes it has.
    ///
    /// # Errors
    /// That cannot be found out.
    fn length(&self) -> io::Result<u64> {
        self.stamp().map(|stamp| stamp.length)
    }

    /// Reads as many bytes as are asked for.
    ///
    /// # Errors
    /// They cannot be read, or the file ends before.
    fn read_exact_at(&self, mut bytes: &mut [u8], mut offset: u64) -> io::Result<()> {
        while !bytes.is_empty() {
            match self.read_at(bytes, offset) {
                Ok(0) => return Err(ErrorKind::UnexpectedEof.into()),
                Ok(read) => {
                    bytes = &mut bytes[read..];
                    offset += read as u64;
                }
                Err(error) if error.kind() == ErrorKind::Interrupted => {}
                Err(error) => return Err(error),
            }
        }
        Ok(())
    }
}

/// The right to write to a store, while it is held.
pub trait Lock: fmt::Debug + Send + Sync {}
