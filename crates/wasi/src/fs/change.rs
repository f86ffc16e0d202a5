use weft_object::directory::{FileKind, Name};
use weft_object::{Blob, Handle};

use super::budget::ENTRY_BYTES;
use super::{Body, Directory, File, Fs, Ino, Inode, Resolved, Slot, path_text};
use crate::Errno;
use crate::observe::Answer;

impl Resolved {
    /// The name to be made, where there is nothing yet.
    fn free_name(&self) -> Result<&Name, Errno> {
        match (&self.name, self.found) {
            (Some(name), None) => Ok(name),
            _ => Err(Errno::Exist),
        }
    }
}

impl Fs {
    /// Makes an empty file where there is nothing.
    pub(crate) fn create_file(&mut self, at: &Resolved) -> Result<Ino, Errno> {
        let name = at.free_name()?;
        if at.directory {
            return Err(Errno::Isdir);
        }
        let body = Body::File(File::empty());
        self.make(at.parent, name, Inode::made(FileKind::File, self.now_ns, body))
    }

    /// Makes an empty directory where there is nothing.
    pub(crate) fn create_directory(&mut self, at: &Resolved) -> Result<(), Errno> {
        let name = at.free_name()?;
        let body = Body::Directory(Directory::empty(Some(at.parent)));
        self.make(at.parent, name, Inode::made(FileKind::Directory, self.now_ns, body))?;
        Ok(())
    }

    /// Makes a symlink where there is nothing.
    pub(crate) fn create_symlink(&mut self, at: &Resolved, target: &[u8]) -> Result<(), Errno> {
        let target = path_text(target)?;
        if target.starts_with(b"/") {
            return Err(Errno::Perm);
        }
        self.refuse_slash(at)?;
        let name = at.free_name()?;
        let body = Body::Symlink(Handle::of_blob(target), Some(Blob::new(target.to_vec())));
        let mut inode = Inode::made(FileKind::Symlink, self.now_ns, body);
        let bytes = target.len() as u64;
        self.budget.take(bytes)?;
        inode.charged = bytes;
        self.make(at.parent, name, inode).inspect_err(|_| self.budget.give_back(bytes))?;
        Ok(())
    }

    /// A path that ends in `/` names no file or symlink that is to be made.
    fn refuse_slash(&self, at: &Resolved) -> Result<(), Errno> {
        match (at.directory, at.found) {
            (false, _) => Ok(()),
            (true, None) => Err(Errno::Noent),
            (true, Some(ino)) => match self.inode(ino)?.kind() {
                FileKind::Directory => Err(Errno::Exist),
                _ => Err(Errno::Notdir),
            },
        }
    }

    /// Gives a file or symlink one more name.
    pub(crate) fn link(&mut self, from: &Resolved, to: &Resolved) -> Result<(), Errno> {
        let ino = from.found.ok_or(Errno::Noent)?;
        if self.inode(ino)?.kind() == FileKind::Directory {
            return Err(Errno::Perm);
        }
        if from.directory {
            return Err(Errno::Notdir);
        }
        self.refuse_slash(to)?;
        let name = to.free_name()?;
        self.check_makable(to.parent)?;
        self.pay(to.parent, name)?;
        self.observe_whole(ino);
        self.put(to.parent, name, ino)
    }

    fn make(&mut self, parent: Ino, name: &Name, inode: Inode) -> Result<Ino, Errno> {
        self.check_makable(parent)?;
        self.pay(parent, name)?;
        let ino = self.add(inode);
        self.put(parent, name, ino)?;
        Ok(ino)
    }

    pub(super) fn check_makable(&self, parent: Ino) -> Result<(), Errno> {
        match self.directory(parent)?.removed {
            true => Err(Errno::Noent),
            false => Ok(()),
        }
    }

    /// Takes what a new name costs.
    pub(super) fn pay(&mut self, parent: Ino, name: &Name) -> Result<(), Errno> {
        match self.directory(parent)?.is_paid(name) {
            true => Ok(()),
            false => self.budget.take(name_cost(name)),
        }
    }

    /// Lets a name, paid for and without meaning, lead to an inode.
    pub(super) fn put(&mut self, parent: Ino, name: &Name, ino: Ino) -> Result<(), Errno> {
        let now_ns = self.now_ns;
        let directory = self.inode_mut(parent)?;
        directory.touch(now_ns);
        let directory = directory.directory_mut().ok_or(Errno::Notdir)?;
        let slot = directory.entries.entry(name.clone());
        slot.or_insert(Slot { ino: None, based: false }).ino = Some(ino);
        if let Some(order) = &mut directory.order {
            order.add(name);
        }
        let inode = self.inode_mut(ino)?;
        inode.links += 1;
        inode.times.changed = now_ns;
        if let Some(directory) = inode.directory_mut() {
            directory.parent = Some(parent);
        }
        Ok(())
    }

    /// Takes a name away, and gives back what it cost unless its place in a
    /// listing stays. What it led to has one link less.
    pub(super) fn take(&mut self, parent: Ino, name: &Name) -> Result<(), Errno> {
        let now_ns = self.now_ns;
        let inode = self.inode_mut(parent)?;
        inode.touch(now_ns);
        let directory = inode.directory_mut().ok_or(Errno::Notdir)?;
        let slot = directory.entries.get_mut(name).ok_or(Errno::Noent)?;
        let ino = slot.ino.take().ok_or(Errno::Noent)?;
        if !slot.based {
            directory.entries.remove(name);
        }
        if !directory.is_paid(name) {
            self.budget.give_back(name_cost(name));
        }
        let inode = self.inode_mut(ino)?;
        inode.links = inode.links.saturating_sub(1);
        inode.times.changed = now_ns;
        Ok(())
    }

    /// Before something of the input gets another name: the result will hold
    /// all of it there, looked at or not.
    pub(super) fn observe_whole(&mut self, ino: Ino) {
        let Some(inode) = self.inodes.get(&ino) else { return };
        let child = match &inode.body {
            Body::File(file) => file.base,
            Body::Directory(directory) => directory.base,
            Body::Symlink(target, _) => Some(*target),
        };
        if let Some(child) = child {
            self.observe(ino, Answer::Exact(inode.kind(), inode.mode, child));
        }
    }
}

fn name_cost(name: &Name) -> u64 {
    ENTRY_BYTES + name.as_bytes().len() as u64
}
