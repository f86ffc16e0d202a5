use weft_object::Handle;
use weft_object::directory::{FileKind, Name};

use super::{Answer, Observation, listing_digest};
use crate::Stop;
use crate::fs::{Found, Nodes};
use crate::source::Source;

/// Whether directories would have answered everything that a run asked in the
/// same way: then a run on them would do the same, and
/// [`apply`](super::apply) gives what it would give. Only the nodes on the way
/// to what was asked are read.
///
/// # Errors
/// If content cannot be had, or a Tree on the way is no directory.
pub fn agrees(
    observations: &[Observation],
    roots: &[Handle],
    source: &mut dyn Source,
) -> Result<bool, Stop> {
    let mut trees = Trees::new(roots);
    for observation in observations {
        if !trees.agrees(source, observation)? {
            return Ok(false);
        }
    }
    Ok(true)
}

/// Directories by path.
pub(super) struct Trees<'a> {
    roots: &'a [Handle],
    pub(super) nodes: Nodes,
    /// The directory that was looked for last: what is asked comes in order.
    last: Option<(u32, Box<[u8]>, Option<Handle>)>,
}

impl<'a> Trees<'a> {
    pub(super) fn new(roots: &'a [Handle]) -> Self {
        Self { roots, nodes: Nodes::default(), last: None }
    }

    fn agrees(&mut self, source: &mut dyn Source, asked: &Observation) -> Result<bool, Stop> {
        let Observation { preopen, path, answer } = asked;
        if let Answer::Listing(digest) = answer {
            let Some(directory) = self.directory(source, *preopen, path)? else {
                return Ok(false);
            };
            return Ok(listing_digest(&self.nodes.list(source, &directory)?) == *digest);
        }
        let Some((parent, name)) = split(path) else { return Ok(false) };
        let Some(directory) = self.directory(source, *preopen, parent)? else { return Ok(false) };
        Ok(answer.fits(self.nodes.find(source, &directory, name)?))
    }

    /// The Tree of the directory at a path; `None` if there is none.
    pub(super) fn directory(
        &mut self,
        source: &mut dyn Source,
        preopen: u32,
        path: &[u8],
    ) -> Result<Option<Handle>, Stop> {
        if let Some((last_preopen, last_path, found)) = &self.last
            && (*last_preopen, &**last_path) == (preopen, path)
        {
            return Ok(*found);
        }
        let mut here = self.roots.get(preopen as usize).copied();
        for name in path.split(|&byte| byte == b'/').filter(|name| !name.is_empty()) {
            let Some(directory) = here else { break };
            let found = self.nodes.find(source, &directory, name)?;
            let found = found.filter(|found| found.kind == FileKind::Directory);
            here = found.map(|found| found.child);
        }
        self.last = Some((preopen, path.into(), here));
        Ok(here)
    }
}

impl Answer {
    fn fits(&self, found: Option<Found>) -> bool {
        let Some(Found { kind, mode, child }) = found else { return *self == Self::Absent };
        match *self {
            Self::Absent | Self::Listing(_) => false,
            Self::Kind(asked) => asked == kind,
            Self::Size(asked, size) => asked == kind && child.length() == Some(size),
            Self::Content(asked, content) => asked == kind && child.content() == content,
            Self::Exact(..) => *self == Self::Exact(kind, mode, child),
        }
    }
}

/// A path as that of the directory and the name in it.
pub(super) fn split(path: &[u8]) -> Option<(&[u8], &[u8])> {
    let at = path.iter().rposition(|&byte| byte == b'/');
    let (parent, name) = match at {
        Some(at) => (&path[..at], &path[at + 1..]),
        None => (&[][..], path),
    };
    Name::check(name).ok().map(|()| (parent, name))
}
