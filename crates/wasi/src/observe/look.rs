use weft_object::Handle;
use weft_object::directory::{FileKind, Name};

use super::{Answer, Asked, Question, listing_digest};
use crate::Stop;
use crate::fs::{Found, Nodes};
use crate::source::Source;

/// Directories to look into by path. Only the nodes on the way are read, and
/// never a file.
#[derive(Debug)]
pub struct Directories<'a> {
    roots: &'a [Handle],
    pub(super) nodes: Nodes,
    /// The directory that was looked for last: what is asked comes in bunches.
    last: Option<(u32, Box<[u8]>, Option<Handle>)>,
}

impl<'a> Directories<'a> {
    /// Those of a run, in their order.
    #[must_use]
    pub fn new(roots: &'a [Handle]) -> Self {
        Self { roots, nodes: Nodes::default(), last: None }
    }

    /// What a run that asks here is told.
    ///
    /// # Errors
    /// If content cannot be had, or a Tree on the way is no directory.
    pub fn ask(&mut self, source: &mut dyn Source, asked: &Asked) -> Result<Answer, Stop> {
        let Asked { path, question, .. } = asked;
        let preopen = u32::from(asked.preopen);
        if *question == Question::Listing {
            let Some(directory) = self.directory(source, preopen, path)? else {
                return Ok(Answer::Absent);
            };
            return Ok(Answer::Listing(listing_digest(&self.nodes.list(source, &directory)?)));
        }
        let Some((parent, name)) = split(path) else { return Ok(Answer::Absent) };
        let Some(directory) = self.directory(source, preopen, parent)? else {
            return Ok(Answer::Absent);
        };
        let found = self.nodes.find(source, &directory, name)?;
        Ok(found.map_or(Answer::Absent, |found| found.answer(*question)))
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

impl Found {
    fn answer(&self, question: Question) -> Answer {
        let Self { kind, mode, child } = *self;
        match question {
            Question::Size => Answer::Size(kind, child.length().unwrap_or(0)),
            Question::Content => Answer::Content(kind, child.content()),
            Question::Exact => Answer::Exact(kind, mode, child),
            Question::Kind | Question::Listing => Answer::Kind(kind),
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
