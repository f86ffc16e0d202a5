use weft_object::directory::FileKind;

use super::{Fs, Ino, Resolved};
use crate::Errno;
use crate::source::{Halt, Source};

impl Fs {
    /// Gives something another name, in place of what has it now.
    pub(crate) fn rename(
        &mut self,
        source: &mut dyn Source,
        from: &Resolved,
        to: &Resolved,
    ) -> Result<(), Halt> {
        let moved = from.found.ok_or(Errno::Noent)?;
        let (Some(old), Some(new)) = (&from.name, &to.name) else {
            return Err(Errno::Busy.into());
        };
        let is_directory = self.inode(moved)?.kind() == FileKind::Directory;
        if !is_directory && (from.directory || to.directory) {
            return Err(Errno::Notdir.into());
        }
        if to.found == Some(moved) {
            return Ok(());
        }
        if is_directory && self.is_within(to.parent, moved) {
            return Err(Errno::Inval.into());
        }
        self.check_makable(to.parent)?;
        if let Some(replaced) = to.found {
            self.check_replaceable(source, is_directory, replaced)?;
        }
        match to.found {
            Some(replaced) => {
                self.take(to.parent, new)?;
                match is_directory {
                    true => self.orphan(replaced)?,
                    false => self.forget_if_unheld(replaced),
                }
                // There is room: at least what this name cost before.
                self.pay(to.parent, new)?;
            }
            None => self.pay(to.parent, new)?,
        }
        self.observe_whole(moved);
        self.take(from.parent, old)?;
        self.put(to.parent, new, moved)?;
        Ok(())
    }

    fn check_replaceable(
        &mut self,
        source: &mut dyn Source,
        is_directory: bool,
        replaced: Ino,
    ) -> Result<(), Halt> {
        match (is_directory, self.inode(replaced)?.kind()) {
            (true, FileKind::Directory) => match self.is_empty(source, replaced)? {
                true => Ok(()),
                false => Err(Errno::Notempty.into()),
            },
            (true, _) => Err(Errno::Notdir.into()),
            (false, FileKind::Directory) => Err(Errno::Isdir.into()),
            (false, _) => Ok(()),
        }
    }

    /// Whether a directory is another one or stands somewhere in it.
    fn is_within(&self, directory: Ino, outer: Ino) -> bool {
        let mut here = Some(directory);
        while let Some(ino) = here {
            if ino == outer {
                return true;
            }
            here = self.directory(ino).ok().and_then(|directory| directory.parent);
        }
        false
    }
}
