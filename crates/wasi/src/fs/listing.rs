use weft_object::directory::{Entry, FileKind, Name};

use super::inode::number;
use super::{Fs, Ino};
use crate::observe::{Answer, listing_digest};
use crate::source::{Halt, Source};
use crate::{Errno, Stop};

/// A name as a listing shows it.
#[derive(Debug)]
pub(crate) struct Listed {
    pub(crate) name: Name,
    pub(crate) kind: FileKind,
    pub(crate) number: u64,
    /// Where to go on after it.
    pub(crate) next: u64,
}

impl Fs {
    /// All that the input has in a directory.
    pub(super) fn base_listing(
        &mut self,
        source: &mut dyn Source,
        ino: Ino,
    ) -> Result<Vec<Entry>, Stop> {
        let base = self.inodes.get(&ino).and_then(|inode| inode.directory()?.base);
        let Some(base) = base else { return Ok(Vec::new()) };
        let entries = self.nodes.list(source, &base)?;
        self.observe(ino, Answer::Listing(listing_digest(&entries)));
        Ok(entries)
    }

    /// Fixes the order in which a directory's names are listed.
    pub(crate) fn order(&mut self, source: &mut dyn Source, ino: Ino) -> Result<(), Halt> {
        if self.directory(ino)?.order.is_some() {
            return Ok(());
        }
        let base = self.base_listing(source, ino)?;
        let directory = self.directory_mut(ino)?;
        let mut names: Vec<Name> = base.into_iter().map(|entry| entry.name).collect();
        names.extend(directory.entries.keys().cloned());
        names.sort();
        let mut order = super::directory::Order::default();
        names.iter().for_each(|name| order.add(name));
        directory.order = Some(order);
        Ok(())
    }

    /// The first name that is there at or after a position.
    pub(crate) fn listed(
        &mut self,
        source: &mut dyn Source,
        ino: Ino,
        mut at: u64,
    ) -> Result<Option<Listed>, Halt> {
        loop {
            let directory = self.directory(ino)?;
            let names = directory.order.as_ref().map_or(&[][..], |order| &order.names);
            let Some(name) = usize::try_from(at).ok().and_then(|at| names.get(at)) else {
                return Ok(None);
            };
            let name = name.clone();
            at += 1;
            if let Some((kind, number)) = self.glance(source, ino, &name)? {
                return Ok(Some(Listed { name, kind, number, next: at }));
            }
        }
    }

    /// Kind and number of what a listed directory has under a name, without
    /// making an inode of what nobody looked up.
    fn glance(
        &mut self,
        source: &mut dyn Source,
        parent: Ino,
        name: &Name,
    ) -> Result<Option<(FileKind, u64)>, Halt> {
        let inode = self.inode(parent)?;
        let directory = inode.directory().ok_or(Errno::Notdir)?;
        if let Some(slot) = directory.entries.get(name) {
            let Some(ino) = slot.ino else { return Ok(None) };
            let inode = self.inode(ino)?;
            return Ok(Some((inode.kind(), inode.number)));
        }
        let (Some(base), Some(origin)) = (directory.base, &inode.origin) else { return Ok(None) };
        let number = number(&origin.below(name));
        let found = self.nodes.find(source, &base, name.as_bytes())?;
        Ok(found.map(|found| (found.kind, number)))
    }
}
