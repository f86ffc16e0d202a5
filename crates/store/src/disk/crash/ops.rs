//! The operations, with what is to go wrong with them.

use std::collections::{BTreeMap, BTreeSet};
use std::io::{self, ErrorKind};
use std::path::{Path, PathBuf};

use super::Fault;
use super::bytes::Bytes;
use super::dice::Dice;
use super::names::{Directory, Node, is_root};
use crate::disk::Stamp;

#[derive(Clone, Debug, Default)]
struct File {
    bytes: Bytes,
    read_only: bool,
    modified: i128,
    changed: i128,
}

/// A machine with one disk.
#[derive(Debug, Default)]
pub(crate) struct Machine {
    files: BTreeMap<u64, File>,
    names: Directory,
    pub(super) locked: BTreeSet<PathBuf>,
    pub(super) operations: u64,
    pub(super) reads: u64,
    pub(super) fault: Option<(u64, Fault)>,
    pub(super) has_failed: bool,
    pub(super) dice: Dice,
    /// Without power.
    pub(super) off: bool,
    last_inode: u64,
    clock: i128,
}

/// How an operation goes.
enum Way {
    Well,
    /// It is begun, and the power goes.
    Cut,
    Fails(io::Error),
}

impl Machine {
    // Counts an operation, which takes space or not.
    fn begin(&mut self, takes_space: bool) -> io::Result<Way> {
        if self.off {
            return Err(no_power());
        }
        let number = self.operations;
        self.operations += 1;
        self.clock += 1;
        let Some((at, fault)) = self.fault else { return Ok(Way::Well) };
        let now = at == number || (at < number && fault == Fault::Full);
        let way = match fault {
            Fault::PowerCut if now => {
                self.off = true;
                Way::Cut
            }
            Fault::NoSpace | Fault::Full if now && takes_space => {
                Way::Fails(io::Error::from_raw_os_error(libc::ENOSPC))
            }
            Fault::Error if now => Way::Fails(io::Error::from_raw_os_error(libc::EIO)),
            _ => Way::Well,
        };
        self.has_failed |= !matches!(way, Way::Well);
        Ok(way)
    }

    // One that is done or not done.
    fn whole(&mut self, takes_space: bool, act: impl FnOnce(&mut Self)) -> io::Result<()> {
        match self.begin(takes_space)? {
            Way::Well => act(self),
            Way::Cut => {
                act(self);
                return Err(no_power());
            }
            Way::Fails(error) => return Err(error),
        }
        Ok(())
    }

    fn powered(&self) -> io::Result<()> {
        if self.off { Err(no_power()) } else { Ok(()) }
    }

    fn inode(&self, path: &Path) -> io::Result<u64> {
        match self.names.seen().get(path) {
            Some(Node::File(inode)) => Ok(*inode),
            Some(Node::Directory) => Err(ErrorKind::IsADirectory.into()),
            None => Err(ErrorKind::NotFound.into()),
        }
    }

    fn parent_is_there(&self, path: &Path) -> io::Result<()> {
        let there = path.parent().is_some_and(|parent| self.names.is_directory(parent));
        there.then_some(()).ok_or_else(|| ErrorKind::NotFound.into())
    }

    pub(super) fn find(&mut self, path: &Path, write: bool) -> io::Result<u64> {
        self.powered()?;
        let inode = self.inode(path)?;
        match write && self.files[&inode].read_only {
            true => Err(ErrorKind::PermissionDenied.into()),
            false => Ok(inode),
        }
    }

    pub(super) fn create(&mut self, path: &Path, read_only: bool) -> io::Result<u64> {
        self.powered()?;
        self.parent_is_there(path)?;
        if self.names.seen().contains_key(path) {
            return Err(ErrorKind::AlreadyExists.into());
        }
        let inode = self.last_inode + 1;
        self.whole(true, |machine| {
            machine.last_inode = inode;
            let clock = machine.clock;
            let file = File { read_only, modified: clock, changed: clock, ..File::default() };
            machine.files.insert(inode, file);
            machine.names.make(path, Node::File(inode));
        })?;
        Ok(inode)
    }

    pub(super) fn make_directory(&mut self, path: &Path) -> io::Result<bool> {
        self.powered()?;
        if self.names.is_directory(path) {
            return Ok(false);
        }
        if self.names.seen().contains_key(path) {
            return Err(ErrorKind::AlreadyExists.into());
        }
        if let Some(parent) = path.parent() {
            self.make_directory(parent)?;
        }
        self.whole(true, |machine| machine.names.make(path, Node::Directory))?;
        Ok(true)
    }

    pub(super) fn list(&self, directory: &Path) -> io::Result<Vec<String>> {
        self.powered()?;
        if !self.names.is_directory(directory) {
            let there = self.names.seen().contains_key(directory);
            let kind = if there { ErrorKind::NotADirectory } else { ErrorKind::NotFound };
            return Err(kind.into());
        }
        let inside = self.names.seen().keys().filter(|path| path.parent() == Some(directory));
        let name = |path: &PathBuf| Some(path.file_name()?.to_string_lossy().into_owned());
        Ok(inside.filter_map(name).collect())
    }

    pub(super) fn rename(&mut self, from: &Path, to: &Path) -> io::Result<()> {
        self.powered()?;
        let inode = self.inode(from)?;
        self.parent_is_there(to)?;
        if self.names.is_directory(to) {
            return Err(ErrorKind::IsADirectory.into());
        }
        self.whole(true, |machine| {
            machine.names.rename(from, to, inode);
            let clock = machine.clock;
            machine.files.entry(inode).or_default().changed = clock;
        })
    }

    pub(super) fn remove(&mut self, path: &Path) -> io::Result<()> {
        self.powered()?;
        let inode = self.inode(path)?;
        self.whole(false, |machine| machine.names.remove(path, inode))
    }

    pub(super) fn remove_directory(&mut self, path: &Path) -> io::Result<()> {
        if !self.list(path)?.is_empty() {
            return Err(ErrorKind::DirectoryNotEmpty.into());
        }
        self.whole(false, |machine| machine.names.remove_directory(path))
    }

    pub(super) fn sync_directory(&mut self, path: &Path) -> io::Result<()> {
        self.powered()?;
        if !self.names.is_directory(path) {
            return Err(ErrorKind::NotFound.into());
        }
        match self.begin(false)? {
            Way::Well => self.names.sync(path),
            Way::Cut => return Err(no_power()),
            Way::Fails(error) => return Err(error),
        }
        Ok(())
    }

    pub(super) fn read_at(&mut self, inode: u64, out: &mut [u8], offset: u64) -> io::Result<usize> {
        self.powered()?;
        let number = self.reads;
        self.reads += 1;
        if self.fault == Some((number, Fault::Read)) {
            self.has_failed = true;
            return Err(io::Error::from_raw_os_error(libc::EIO));
        }
        let bytes = self.files[&inode].bytes.seen();
        let from = usize::try_from(offset).unwrap_or(usize::MAX).min(bytes.len());
        let length = out.len().min(bytes.len() - from);
        out[..length].copy_from_slice(&bytes[from..from + length]);
        Ok(length)
    }

    // Changes the bytes of a file; what came before the change is kept aside.
    fn change(&mut self, inode: u64, act: impl FnOnce(&mut Bytes)) {
        let clock = self.clock;
        let file = self.files.entry(inode).or_default();
        act(&mut file.bytes);
        (file.modified, file.changed) = (clock, clock);
    }

    pub(super) fn write_at(&mut self, inode: u64, bytes: &[u8], offset: u64) -> io::Result<()> {
        match self.begin(true)? {
            Way::Well => self.change(inode, |file| file.write(bytes, offset)),
            Way::Cut => {
                self.change(inode, |file| file.write(bytes, offset));
                return Err(no_power());
            }
            Way::Fails(error) => {
                let part = self.dice.below(bytes.len() as u64 + 1) as usize;
                self.change(inode, |file| file.write(&bytes[..part], offset));
                return Err(error);
            }
        }
        Ok(())
    }

    pub(super) fn set_length(&mut self, inode: u64, length: u64) -> io::Result<()> {
        let grows = length > self.files[&inode].bytes.seen().len() as u64;
        self.whole(grows, |machine| machine.change(inode, |file| file.set_length(length)))
    }

    pub(super) fn sync_data(&mut self, inode: u64) -> io::Result<()> {
        let way = self.begin(false)?;
        let Self { files, dice, .. } = self;
        let file = files.entry(inode).or_default();
        match way {
            Way::Well => file.bytes.sync(),
            Way::Cut => return Err(no_power()),
            Way::Fails(error) => {
                file.bytes.fail_sync(dice);
                return Err(error);
            }
        }
        Ok(())
    }

    pub(super) fn stamp(&self, inode: u64) -> io::Result<Stamp> {
        self.powered()?;
        let file = &self.files[&inode];
        Ok(Stamp {
            length: file.bytes.seen().len() as u64,
            modified_ns: file.modified,
            changed_ns: file.changed,
            inode,
        })
    }

    pub(super) fn after_crash(&self, dice: &mut Dice) -> Self {
        let names = Directory::durable(self.names.after_crash(dice));
        let found = |file: &File, dice: &mut Dice| File {
            bytes: Bytes::durable(&file.bytes.after_crash(dice)),
            ..file.clone()
        };
        let files = self.files.iter().map(|(inode, file)| (*inode, found(file, dice))).collect();
        let (last_inode, clock) = (self.last_inode, self.clock);
        Self { files, names, last_inode, clock, ..Self::default() }
    }

    pub(super) fn fork(&self) -> Self {
        let (files, names) = (self.files.clone(), self.names.clone());
        Self { files, names, last_inode: self.last_inode, clock: self.clock, ..Self::default() }
    }

    pub(super) fn files(&self) -> Vec<(PathBuf, Vec<u8>)> {
        let file = |(path, node): (&PathBuf, &Node)| match node {
            Node::File(inode) => Some((path.clone(), self.files[inode].bytes.seen().to_vec())),
            Node::Directory => None,
        };
        self.names.seen().iter().filter_map(file).collect()
    }

    pub(super) fn plant(&mut self, path: &Path, bytes: &[u8]) {
        for above in path.ancestors().skip(1).filter(|above| !is_root(above)) {
            self.names.force(above, Some(Node::Directory));
        }
        self.clock += 1;
        let clock = self.clock;
        let read_only = self.inode(path).is_ok_and(|inode| self.files[&inode].read_only);
        let bytes = Bytes::durable(bytes);
        self.last_inode += 1;
        let file = File { bytes, read_only, modified: clock, changed: clock };
        self.files.insert(self.last_inode, file);
        self.names.force(path, Some(Node::File(self.last_inode)));
    }

    pub(super) fn lose(&mut self, path: &Path) -> bool {
        let there = self.inode(path).is_ok();
        if there {
            self.names.force(path, None);
        }
        there
    }
}

fn no_power() -> io::Error {
    io::Error::other("the power is off")
}
