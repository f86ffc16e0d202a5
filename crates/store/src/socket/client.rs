//! A backend that is in another process.

use std::borrow::Cow;
use std::collections::VecDeque;
use std::io::Read;
use std::ops::ControlFlow;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::{Duration, Instant};

use weft_object::{Blob, Content, Handle, Kind, Prefix};

use super::bytes::Take;
use super::hello::Holder;
use super::link::{Link, NoLink, nonsense};
use super::request::Request;
use super::spool::Spool;
use super::{Fact, PART_BYTES, value};
use crate::disk::RealDisk;
use crate::file::large_path;
use crate::files::Stamps;
use crate::map::LargeBlobs;
use crate::sync::Mutex;
use crate::{
    Backend, Collect, Collected, Expect, Finder, Label, Pin, Progress, Relation, Resolved, Run,
    StoreError, Usage,
};

/// The store that another process holds, through its socket.
///
/// Each call is one request and its answer; threads that call at the same time
/// have connections of their own. When the other process ends, every method
/// returns [`StoreError::Gone`]: [`SharedBackend`](crate::SharedBackend) goes on
/// from there.
#[derive(Debug)]
pub struct Client {
    directory: PathBuf,
    holder: Holder,
    idle: Mutex<Vec<Link>>,
    /// What is held, and a stretch of writing, stand on this one.
    standing: Mutex<Option<Link>>,
    /// Blobs that are files: those are read here.
    large: LargeBlobs,
}

/// Connections that are kept for the next call.
const IDLE_MAX: usize = 4;

/// How long one looks for a connection where there are too many.
const BUSY_TIME: Duration = Duration::from_secs(5);

impl Client {
    /// Connects to who holds the store in a directory.
    ///
    /// # Errors
    /// [`StoreError::Gone`] if nobody listens there;
    /// [`StoreError::OtherProtocol`] or [`StoreError::Silent`] of who does.
    pub fn connect(directory: &Path) -> Result<Self, StoreError> {
        Self::look(directory)?.ok_or(StoreError::Gone)
    }

    /// The same; `None` if nobody listens, or has no room just now.
    pub(crate) fn look(directory: &Path) -> Result<Option<Self>, StoreError> {
        let path = || directory.to_owned();
        match Link::open(directory) {
            Ok(link) => Ok(Some(Self {
                directory: path(),
                holder: link.holder(),
                idle: Mutex::new(vec![link]),
                standing: Mutex::new(None),
                large: LargeBlobs::default(),
            })),
            Err(NoLink::Nobody) => Ok(None),
            Err(NoLink::Version { process, found }) => {
                Err(StoreError::OtherProtocol { path: path(), process, found })
            }
            Err(NoLink::Silent) => Err(StoreError::Silent { path: path(), process: None }),
            Err(NoLink::Refused(source)) => Err(StoreError::Io {
                doing: "connect to",
                path: directory.join(super::NAME),
                source,
            }),
        }
    }

    /// As of [`FileBackend::rely_on`](crate::FileBackend::rely_on).
    pub fn rely_on(&self, stamps: &Arc<Stamps>) {
        self.large.rely_on(stamps);
    }

    /// The number of the process that holds the store.
    #[must_use]
    pub fn process(&self) -> u32 {
        self.holder.process
    }

    /// What that process tells of itself.
    ///
    /// # Errors
    /// It has gone.
    pub fn about(&self) -> Result<Vec<Fact>, StoreError> {
        self.list(&Request::About, value::fact)
    }

    fn open(&self) -> Result<Link, StoreError> {
        let until = Instant::now() + BUSY_TIME;
        loop {
            match Link::open(&self.directory) {
                // Another one by now, which knows nothing of what stands.
                Ok(link) if link.holder() != self.holder => return Err(StoreError::Gone),
                Ok(link) => return Ok(link),
                Err(NoLink::Silent) => {
                    let process = Some(self.holder.process);
                    return Err(StoreError::Silent { path: self.directory.clone(), process });
                }
                // Perhaps it has no room, perhaps it is gone.
                Err(NoLink::Nobody) if Instant::now() < until && self.is_there() => {
                    std::thread::sleep(Duration::from_millis(10));
                }
                Err(_) => return Err(StoreError::Gone),
            }
        }
    }

    fn is_there(&self) -> bool {
        super::address::connect(&self.directory).is_ok()
    }

    fn ask(&self, request: &Request<'_>) -> Result<Vec<u8>, StoreError> {
        self.ask_parts(request, &mut |_| ControlFlow::Break(nonsense()))
    }

    fn ask_parts(
        &self,
        request: &Request<'_>,
        part: &mut dyn FnMut(&[u8]) -> ControlFlow<StoreError>,
    ) -> Result<Vec<u8>, StoreError> {
        loop {
            let kept = self.idle.lock().pop();
            let was_idle = kept.is_some();
            let mut link = match kept {
                Some(link) => link,
                None => self.open()?,
            };
            let mut parts = 0_u64;
            let answer = link.ask(&self.directory, request, &mut |bytes| {
                parts += 1;
                part(bytes)
            });
            match &answer {
                // One that was idle may have had to make place: that says
                // nothing of the holder. Perhaps it was done even so.
                Err(StoreError::Gone) if was_idle && parts == 0 && request.is_repeatable() => {
                    continue;
                }
                Err(StoreError::Gone | StoreError::Silent { .. }) => {}
                // What is left of an answer that was broken off is in its way.
                Err(_) if parts > 0 => {}
                _ => self.keep(link),
            }
            return answer;
        }
    }

    fn keep(&self, link: Link) {
        let mut idle = self.idle.lock();
        if idle.len() < IDLE_MAX {
            idle.push(link);
        }
    }

    fn read<T>(
        &self,
        request: &Request<'_>,
        take: impl FnOnce(&mut Take<'_>) -> Option<T>,
    ) -> Result<T, StoreError> {
        let answer = self.ask(request)?;
        let mut bytes = Take(&answer);
        let value = take(&mut bytes);
        value.and_then(|value| bytes.end(value)).ok_or_else(nonsense)
    }

    /// Asks what is answered by nothing but that it was done.
    fn tell(&self, request: &Request<'_>) -> Result<(), StoreError> {
        self.read(request, |_| Some(()))
    }

    fn list<T>(
        &self,
        request: &Request<'_>,
        take: fn(&mut Take<'_>) -> Option<T>,
    ) -> Result<Vec<T>, StoreError> {
        let mut all = Vec::new();
        let end = self.ask_parts(request, &mut |part| match Take(part).all(take) {
            Some(items) => {
                all.extend(items);
                ControlFlow::Continue(())
            }
            None => ControlFlow::Break(nonsense()),
        })?;
        all.extend(Take(&end).all(take).ok_or_else(nonsense)?);
        Ok(all)
    }

    /// On the connection that stands as long as this client.
    fn stand(&self, request: &Request<'_>) -> Result<(), StoreError> {
        let mut standing = self.standing.lock();
        let mut link = match standing.take() {
            Some(link) => link,
            None => self.open()?,
        };
        let answer = link.ask(&self.directory, request, &mut |_| ControlFlow::Break(nonsense()));
        // If it is lost, so is all that stood on it: who asked begins anew.
        if !matches!(answer, Err(StoreError::Gone | StoreError::Silent { .. })) {
            *standing = Some(link);
        }
        answer.map(|_| ())
    }

    /// As [`Backend::hold`], with what may go wrong.
    pub(crate) fn try_hold(&self, handle: &Handle) -> Result<(), StoreError> {
        self.stand(&Request::Hold(*handle))
    }

    pub(crate) fn try_release(&self, handle: &Handle) -> Result<(), StoreError> {
        self.stand(&Request::Release(*handle))
    }

    pub(crate) fn try_removals(&self) -> Result<u64, StoreError> {
        self.read(&Request::Removals, |take| take.u64())
    }

    pub(crate) fn try_end_writing(&self) -> Result<(), StoreError> {
        self.stand(&Request::EndWriting)
    }

    /// Whether the file holds the content of this handle; then it is put.
    pub(crate) fn adopt(&self, handle: &Handle, spool: &Spool) -> Result<bool, StoreError> {
        let name = Cow::Borrowed(spool.name());
        self.read(&Request::Adopt(*handle, name), |take| take.flag())
    }

    /// A long Blob out of its own file, if it has one that this process may read
    /// and that holds it; mapped, so that nothing is copied.
    fn mapped(&self, handle: &Handle) -> Result<Option<Content>, StoreError> {
        let long = handle.length().is_some_and(|length| length >= PART_BYTES as u64);
        if handle.kind() != Kind::Blob || !long || !self.contains(handle)? {
            return Ok(None);
        }
        let path = large_path(&self.directory, handle);
        // Whatever is the matter with it, the holder says it better.
        Ok(self.large.read(&RealDisk, &path, handle).ok())
    }

    fn put_long(&self, handle: &Handle, bytes: &[u8]) -> Result<(), StoreError> {
        let mut spool = Spool::new(&self.directory)?;
        spool.fill(&mut { bytes }, bytes.len() as u64)?;
        match self.adopt(handle, &spool)? {
            true => Ok(()),
            false => Err(StoreError::Content(*handle)),
        }
    }
}

impl Backend for Client {
    fn get(&self, handle: &Handle) -> Result<Option<Content>, StoreError> {
        let handle = handle.content();
        if let Some(bytes) = handle.literal_bytes() {
            return Ok(Some(Content::Blob(Blob::new(bytes.to_vec()))));
        }
        if let Some(content) = self.mapped(&handle)? {
            return Ok(Some(content));
        }
        let mut parts: VecDeque<Vec<u8>> = VecDeque::new();
        let end = self.ask_parts(&Request::Get(handle), &mut |part| {
            parts.push_back(part.to_vec());
            ControlFlow::Continue(())
        })?;
        let rest = match end.split_first() {
            Some((0, [])) if parts.is_empty() => return Ok(None),
            Some((1, rest)) => rest,
            _ => return Err(nonsense()),
        };
        let mut bytes = Vec::with_capacity(parts.iter().map(Vec::len).sum::<usize>() + rest.len());
        // Freed one by one, so that there are not two of all of it.
        while let Some(part) = parts.pop_front() {
            bytes.extend_from_slice(&part);
        }
        bytes.extend_from_slice(rest);
        Content::check(&handle, bytes).map(Some).map_err(|_| {
            StoreError::Told(format!(
                "what came from the process that holds the store is not #{handle}; try again, and \
                 `weft fsck` if it stays so"
            ))
        })
    }

    fn contains(&self, handle: &Handle) -> Result<bool, StoreError> {
        match handle.is_literal() {
            true => Ok(true),
            false => self.read(&Request::Contains(*handle), |take| take.flag()),
        }
    }

    /// In parts of about 1 MiB, each kept or not as a whole.
    fn put(&self, batch: &[(Handle, Content)]) -> Result<(), StoreError> {
        if let Some((handle, _)) = batch.iter().find(|(handle, content)| !content.fits(handle)) {
            return Err(StoreError::Content(*handle));
        }
        let mut part = Vec::new();
        let mut part_bytes = 0;
        let send = |part: &mut Vec<_>| match part.is_empty() {
            true => Ok(()),
            false => self.tell(&Request::Put(std::mem::take(part))),
        };
        for (handle, content) in batch.iter().filter(|(handle, _)| !handle.is_literal()) {
            let bytes: Cow<'_, [u8]> = match content {
                Content::Blob(blob) => blob.bytes().into(),
                Content::Tree(tree) | Content::Tag(tree) => tree.encode().into(),
            };
            let length = bytes.len();
            if part_bytes + length > PART_BYTES {
                send(&mut part)?;
                part_bytes = 0;
            }
            if length > PART_BYTES {
                self.put_long(handle, &bytes)?;
                continue;
            }
            // With what stands before each.
            part_bytes += length + 36;
            part.push((*handle, bytes));
        }
        send(&mut part)
    }

    fn put_stream(&self, handle: &Handle, bytes: &mut dyn Read) -> Result<bool, StoreError> {
        let handle = handle.content();
        if handle.kind() != Kind::Blob {
            return Err(StoreError::Content(handle));
        }
        if !handle.is_literal() && self.contains(&handle)? {
            return Ok(true);
        }
        let mut spool = Spool::new(&self.directory)?;
        let fits = spool.fill(bytes, handle.length().unwrap_or(0))?;
        Ok(fits && self.adopt(&handle, &spool)?)
    }

    fn relation(&self, key: &Handle) -> Result<Option<Relation>, StoreError> {
        self.read(&Request::Relation(*key), |take| take.some(value::relation))
    }

    /// In parts of about 1 MiB, each kept or not as a whole.
    fn put_relations(&self, batch: &[(Handle, Relation)]) -> Result<(), StoreError> {
        // At most 32 of the key, 4 of the length, 96 and 8 of the relation.
        batch
            .chunks(PART_BYTES / 140)
            .try_for_each(|part| self.tell(&Request::PutRelations(part.into())))
    }

    fn label(&self, label: &Label) -> Result<Option<Handle>, StoreError> {
        self.read(&Request::Label(label.clone()), |take| take.some(Take::handle))
    }

    fn set_label(
        &self,
        label: &Label,
        expect: Expect,
        to: Option<Handle>,
    ) -> Result<(), StoreError> {
        self.tell(&Request::SetLabel(label.clone(), expect, to))
    }

    fn labels(&self) -> Result<Vec<(Label, Handle)>, StoreError> {
        self.list(&Request::Labels, value::labeled)
    }

    fn resolve_prefix(&self, prefix: &Prefix) -> Result<Resolved, StoreError> {
        let answer = self.ask(&Request::Prefix(*prefix))?;
        value::resolved(Take(&answer)).ok_or_else(nonsense)
    }

    /// Once the holder has gone in the middle, what was visited was visited.
    fn each_relation(
        &self,
        visit: &mut dyn FnMut(&Handle, &Relation) -> ControlFlow<()>,
    ) -> Result<(), StoreError> {
        /// Not an error: all was seen that somebody wanted to see.
        const ENOUGH: &str = "enough";
        let mut each = |part: &[u8]| match Take(part).all(value::known) {
            None => ControlFlow::Break(nonsense()),
            Some(known) => {
                let seen = known.iter().try_for_each(|(key, relation)| visit(key, relation));
                seen.map_break(|()| StoreError::Told(ENOUGH.into()))
            }
        };
        let seen = self.ask_parts(&Request::Relations, &mut each);
        match seen.map(|end| each(&end)) {
            Ok(ControlFlow::Break(error)) | Err(error) => match error {
                StoreError::Told(text) if text == ENOUGH => Ok(()),
                error => Err(error),
            },
            Ok(ControlFlow::Continue(())) => Ok(()),
        }
    }

    fn finder(&self, finder: &Finder) -> Result<u16, StoreError> {
        let number = self.read(&Request::Finder(finder.clone()), |take| take.u32())?;
        u16::try_from(number).map_err(|_| nonsense())
    }

    fn finders(&self) -> Result<Vec<Finder>, StoreError> {
        self.list(&Request::Finders, value::finder)
    }

    fn put_run(&self, run: &Run) -> Result<(), StoreError> {
        self.tell(&Request::PutRun(run.clone()))
    }

    fn runs(&self) -> Result<Vec<Run>, StoreError> {
        self.list(&Request::Runs, value::run)
    }

    fn pin(&self, pin: &Pin) -> Result<(), StoreError> {
        self.tell(&Request::Pin(*pin))
    }

    fn unpin(&self, handle: &Handle) -> Result<bool, StoreError> {
        self.read(&Request::Unpin(*handle), |take| take.flag())
    }

    fn pins(&self) -> Result<Vec<Pin>, StoreError> {
        self.list(&Request::Pins, value::pin)
    }

    fn recipe(&self, handle: &Handle) -> Result<Option<Handle>, StoreError> {
        self.read(&Request::Recipe(*handle), |take| take.some(Take::handle))
    }

    fn hold(&self, handle: &Handle) {
        // Without a holder there is no collection either.
        let _ = self.try_hold(handle);
    }

    fn release(&self, handle: &Handle) {
        let _ = self.try_release(handle);
    }

    fn begin_writing(&self) -> Result<(), StoreError> {
        self.stand(&Request::BeginWriting)
    }

    fn end_writing(&self) {
        let _ = self.try_end_writing();
    }

    fn set_budget(&self, bytes: Option<u64>) -> Result<(), StoreError> {
        self.tell(&Request::SetBudget(bytes))
    }

    fn collect(&self, options: &Collect, tell: &dyn Fn(Progress)) -> Result<Collected, StoreError> {
        let end = self.ask_parts(&Request::Collect(*options), &mut |part| {
            let mut take = Take(part);
            match value::progress(&mut take) {
                Some(progress) => tell(progress),
                None => return ControlFlow::Break(nonsense()),
            }
            ControlFlow::Continue(())
        })?;
        value::collected(&mut Take(&end)).ok_or_else(nonsense)
    }

    fn removals(&self) -> u64 {
        // Where nobody answers, who asks had better not rely on anything.
        self.try_removals().unwrap_or(u64::MAX)
    }

    fn usage(&self) -> Result<Usage, StoreError> {
        self.read(&Request::Usage, value::usage)
    }

    fn sync(&self) -> Result<(), StoreError> {
        self.tell(&Request::Sync)
    }
}
