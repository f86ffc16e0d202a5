use weft_object::directory::{FileKind, Name, NameError};

use super::{Fs, Ino};
use crate::Errno;
use crate::source::{Halt, Source};

/// The longest path, and the longest that symlinks may make of it.
const PATH_BYTES_MAX: usize = 4096;
/// As in Linux.
const SYMLINKS_MAX: u32 = 40;

/// Where a path leads.
#[derive(Debug)]
pub(crate) struct Resolved {
    /// The directory that has, or would have, the last name.
    pub(crate) parent: Ino,
    /// The last name; `None` where the path ends in `.` or `..` or has none.
    pub(crate) name: Option<Name>,
    /// What is there.
    pub(crate) found: Option<Ino>,
    /// The path says that it means a directory: it ends in `/` or `.`.
    pub(crate) directory: bool,
}

/// A path as the standard has it: UTF-8.
pub(crate) fn path_text(bytes: &[u8]) -> Result<&[u8], Errno> {
    if std::str::from_utf8(bytes).is_err() {
        return Err(Errno::Ilseq);
    }
    if bytes.contains(&0) {
        return Err(Errno::Inval);
    }
    match bytes.len() {
        0 => Err(Errno::Noent),
        1..=PATH_BYTES_MAX => Ok(bytes),
        _ => Err(Errno::Nametoolong),
    }
}

fn name_of(bytes: &[u8]) -> Result<Name, Errno> {
    Name::new(bytes).map_err(|error| match error {
        NameError::TooLong(_) => Errno::Nametoolong,
        NameError::Empty => Errno::Noent,
        _ => Errno::Inval,
    })
}

fn ends_in_dot(path: &[u8]) -> bool {
    path.ends_with(b"/.") || path == b"."
}

fn ends_in_directory(path: &[u8]) -> bool {
    path.ends_with(b"/") || ends_in_dot(path)
}

/// Puts the names of a path on top of those that are still to come.
fn push_names(todo: &mut Vec<Box<[u8]>>, path: &[u8]) {
    let names = path.split(|&byte| byte == b'/').filter(|name| !matches!(*name, [] | b"."));
    let from = todo.len();
    todo.extend(names.map(Box::from));
    todo[from..].reverse();
}

impl Fs {
    /// Follows a path from a directory, and never out of it: neither by `..`
    /// nor by what a symlink says. A symlink at the end is followed only if
    /// `follow` says so.
    pub(crate) fn resolve(
        &mut self,
        source: &mut dyn Source,
        start: Ino,
        path: &[u8],
        follow: bool,
    ) -> Result<Resolved, Halt> {
        let path = path_text(path)?;
        if path.starts_with(b"/") {
            return Err(Errno::Perm.into());
        }
        let mut walk = Walk {
            above: Vec::new(),
            here: start,
            todo: Vec::new(),
            bytes: path.len(),
            symlinks: 0,
            directory: ends_in_directory(path),
            dot: ends_in_dot(path),
        };
        push_names(&mut walk.todo, path);
        while let Some(part) = walk.todo.pop() {
            if &*part == b".." {
                walk.here = walk.above.pop().ok_or(Errno::Perm)?;
                continue;
            }
            let name = name_of(&part)?;
            let last = walk.todo.is_empty();
            let found = self.lookup(source, walk.here, &name)?;
            let Some(ino) = found else {
                return match last && !walk.dot {
                    true => Ok(walk.end(name, None)),
                    false => Err(Errno::Noent.into()),
                };
            };
            match self.inode(ino)?.kind() {
                FileKind::Symlink if !last || follow || walk.dot => {
                    self.follow(source, &mut walk, ino, last)?
                }
                FileKind::Directory if !last || walk.dot => {
                    walk.above.push(walk.here);
                    walk.here = ino;
                }
                _ if last && !walk.dot => return Ok(walk.end(name, found)),
                _ => return Err(Errno::Notdir.into()),
            }
        }
        let Walk { here, directory, .. } = walk;
        Ok(Resolved { parent: here, name: None, found: Some(here), directory })
    }

    fn follow(
        &mut self,
        source: &mut dyn Source,
        walk: &mut Walk,
        ino: Ino,
        last: bool,
    ) -> Result<(), Halt> {
        walk.symlinks += 1;
        let target = self.target(source, ino)?;
        let target = path_text(target.bytes())?;
        walk.bytes += target.len();
        if walk.symlinks > SYMLINKS_MAX {
            return Err(Errno::Loop.into());
        }
        if walk.bytes > SYMLINKS_MAX as usize * PATH_BYTES_MAX {
            return Err(Errno::Nametoolong.into());
        }
        if target.starts_with(b"/") {
            return Err(Errno::Perm.into());
        }
        walk.directory |= last && ends_in_directory(target);
        push_names(&mut walk.todo, target);
        Ok(())
    }
}

struct Walk {
    /// The directories above `here`, as far as the one where it began.
    above: Vec<Ino>,
    here: Ino,
    /// The names to come, the next one last.
    todo: Vec<Box<[u8]>>,
    bytes: usize,
    symlinks: u32,
    directory: bool,
    /// The path ends in `.`, so that it means what it leads to and not its name.
    dot: bool,
}

impl Walk {
    fn end(self, name: Name, found: Option<Ino>) -> Resolved {
        let Self { here, directory, .. } = self;
        Resolved { parent: here, name: Some(name), found, directory }
    }
}
