//! One client of the holder.

use std::cell::{Cell, RefCell};
use std::collections::HashMap;
use std::io::{self, Read, Write};
use std::ops::ControlFlow;
use std::os::unix::net::UnixStream;
use std::path::Path;
use std::sync::Arc;

use weft_object::{Content, Handle};

use super::bytes::Put;
use super::frame::{Incoming, Outgoing, Received, frames};
use super::hello::{self, Answer};
use super::request::{Named, Request};
use super::server::{Place, Serving};
use super::{DONE, ERROR, PART, PART_BYTES, spool, trouble, value};
use crate::{Backend, Collect, HandleHash, Progress, StoreError, open};

/// Answers until the client ends, breaks a rule or is too slow. All that stood
/// on the connection ends with it.
pub(super) fn serve(serving: &Arc<Serving>, stream: UnixStream, place: &Place) {
    // Who is not there any more needs no answer.
    let _ = try_serve(serving, stream, place);
    place.end();
}

fn try_serve(serving: &Serving, stream: UnixStream, place: &Place) -> io::Result<()> {
    if !greet(serving, &stream)? {
        return Ok(());
    }
    let (mut incoming, outgoing) = frames(stream, serving.limits.frame_time)?;
    let mut client = Client {
        serving,
        backend: &*serving.backend,
        outgoing,
        stands: Stands { backend: &*serving.backend, holds: HashMap::default(), writing: false },
    };
    loop {
        place.set_busy(client.stands.any());
        let silence = client.stands.writing.then_some(serving.limits.writing_time);
        let Received::Frame(tag) = incoming.receive(silence)? else { return Ok(()) };
        place.set_busy(true);
        if serving.is_closing() || client.answer(tag, &incoming)?.is_break() {
            return Ok(());
        }
    }
}

/// Whether both speak the same.
fn greet(serving: &Serving, stream: &UnixStream) -> io::Result<bool> {
    stream.set_read_timeout(Some(serving.limits.hello_time))?;
    stream.set_write_timeout(Some(serving.limits.hello_time))?;
    let mut ask = [0; hello::ASK_BYTES];
    // It is sent at once; who sends it byte by byte is none of ours.
    let read = { stream }.read(&mut ask)?;
    if read < ask.len() {
        return Ok(false);
    }
    let Some(version) = hello::read_ask(&ask) else { return Ok(false) };
    let known = version == hello::VERSION;
    let answer = if known { Answer::Welcome } else { Answer::Version(version) };
    { stream }.write_all(&hello::answer(answer, serving.holder))?;
    Ok(known)
}

/// What ends with a connection.
struct Stands<'a> {
    backend: &'a dyn Backend,
    holds: HashMap<Handle, u32, HandleHash>,
    writing: bool,
}

impl Stands<'_> {
    fn any(&self) -> bool {
        self.writing || !self.holds.is_empty()
    }
}

impl Drop for Stands<'_> {
    fn drop(&mut self) {
        for (handle, count) in self.holds.drain() {
            (0..count).for_each(|_| self.backend.release(&handle));
        }
        if self.writing {
            self.backend.end_writing();
        }
    }
}

struct Client<'a> {
    serving: &'a Serving,
    backend: &'a dyn Backend,
    outgoing: Outgoing,
    stands: Stands<'a>,
}

/// What comes of a request besides its answer.
enum Trouble {
    /// To be told.
    Store(StoreError),
    /// There is nobody to be told.
    Connection(io::Error),
}

impl From<StoreError> for Trouble {
    fn from(error: StoreError) -> Self {
        Self::Store(error)
    }
}

impl From<io::Error> for Trouble {
    fn from(error: io::Error) -> Self {
        Self::Connection(error)
    }
}

impl Client<'_> {
    fn answer(&mut self, tag: u8, incoming: &Incoming) -> io::Result<ControlFlow<()>> {
        let Some(request) = Request::decode(tag, incoming.payload()) else {
            let error = StoreError::Told("what was asked of the store is no request".into());
            self.fail(&error)?;
            return Ok(ControlFlow::Break(()));
        };
        match self.perform(request) {
            Ok(()) => {}
            Err(Trouble::Store(error)) => self.fail(&error)?,
            Err(Trouble::Connection(error)) => return Err(error),
        }
        Ok(ControlFlow::Continue(()))
    }

    fn fail(&mut self, error: &StoreError) -> io::Result<()> {
        let directory = &self.serving.directory;
        self.outgoing.send(ERROR, |out| trouble::put(out, error, directory))
    }

    fn done(&mut self, write: impl FnOnce(&mut Vec<u8>)) -> Result<(), Trouble> {
        Ok(self.outgoing.send(DONE, write)?)
    }

    fn flag(&mut self, flag: bool) -> Result<(), Trouble> {
        self.done(|out| out.push(u8::from(flag)))
    }

    fn some<T>(&mut self, value: Option<T>, put: fn(&mut Vec<u8>, &T)) -> Result<(), Trouble> {
        self.done(|out| out.put_some(value.as_ref(), put))
    }

    fn list<T>(&mut self, items: &[T], put: fn(&mut Vec<u8>, &T)) -> Result<(), Trouble> {
        let mut part = Vec::new();
        for item in items {
            put(&mut part, item);
            if part.len() >= PART_BYTES {
                self.outgoing.send(PART, |out| out.append(&mut part))?;
            }
        }
        self.done(|out| out.append(&mut part))
    }

    fn perform(&mut self, request: Request<'_>) -> Result<(), Trouble> {
        let backend = self.backend;
        match request {
            Request::Get(handle) => return self.get(&handle),
            Request::Contains(handle) => return self.flag(backend.contains(&handle)?),
            Request::Put(batch) => backend.put(&checked(batch)?)?,
            Request::Adopt(handle, name) => {
                return self.flag(adopt(backend, &self.serving.directory, &handle, &name)?);
            }
            Request::Relation(key) => {
                return self.some(backend.relation(&key)?, value::put_relation);
            }
            Request::PutRelations(batch) => backend.put_relations(&batch)?,
            Request::Label(label) => {
                return self.some(backend.label(&label)?, |out, handle| out.put_handle(handle));
            }
            Request::SetLabel(label, expect, to) => backend.set_label(&label, expect, to)?,
            Request::Labels => return self.list(&backend.labels()?, value::put_labeled),
            Request::Prefix(prefix) => {
                let resolved = backend.resolve_prefix(&prefix)?;
                return self.done(|out| value::put_resolved(out, &resolved));
            }
            Request::Relations => return self.relations(),
            Request::Finder(finder) => {
                let number = backend.finder(&finder)?;
                return self.done(|out| out.put_u32(number.into()));
            }
            Request::Finders => return self.list(&backend.finders()?, value::put_finder),
            Request::PutRun(run) => backend.put_run(&run)?,
            Request::Runs => return self.list(&backend.runs()?, value::put_run),
            Request::Pin(pin) => backend.pin(&pin)?,
            Request::Unpin(handle) => return self.flag(backend.unpin(&handle)?),
            Request::Pins => return self.list(&backend.pins()?, value::put_pin),
            Request::Recipe(handle) => {
                let recipe = backend.recipe(&handle)?;
                return self.some(recipe, |out, handle| out.put_handle(handle));
            }
            Request::Hold(handle) => self.hold(handle)?,
            Request::Release(handle) => self.release(&handle),
            Request::BeginWriting => self.begin_writing()?,
            Request::EndWriting => {
                if std::mem::take(&mut self.stands.writing) {
                    backend.end_writing();
                }
            }
            Request::Usage => {
                let usage = backend.usage()?;
                return self.done(|out| value::put_usage(out, &usage));
            }
            Request::Sync => backend.sync()?,
            Request::SetBudget(bytes) => backend.set_budget(bytes)?,
            Request::Collect(options) => return self.collect(&options),
            Request::Removals => {
                let removals = backend.removals();
                return self.done(|out| out.put_u64(removals));
            }
            Request::About => return self.list(&self.serving.facts(), value::put_fact),
        }
        self.done(|_| {})
    }

    fn get(&mut self, handle: &Handle) -> Result<(), Trouble> {
        let Some(content) = self.backend.get(handle)? else { return self.flag(false) };
        let tree = content.tree().map(|tree| tree.encode());
        let bytes = match (&tree, content.blob()) {
            (Some(bytes), _) => bytes,
            (None, Some(blob)) => blob.bytes(),
            (None, None) => &[],
        };
        let mut rest = bytes;
        while rest.len() > PART_BYTES {
            let (part, more) = rest.split_at(PART_BYTES);
            self.outgoing.send(PART, |out| out.extend_from_slice(part))?;
            rest = more;
        }
        self.done(|out| {
            out.push(1);
            out.extend_from_slice(rest);
        })
    }

    fn relations(&mut self) -> Result<(), Trouble> {
        let mut part = Vec::new();
        let mut broken = None;
        let outgoing = &mut self.outgoing;
        self.backend.each_relation(&mut |key, relation| {
            value::put_known(&mut part, &(*key, *relation));
            // Soon enough for who wants but the first.
            if part.len() >= PART_BYTES / 16 {
                broken = outgoing.send(PART, |out| out.append(&mut part)).err();
            }
            match broken {
                Some(_) => ControlFlow::Break(()),
                None => ControlFlow::Continue(()),
            }
        })?;
        match broken {
            Some(error) => Err(error.into()),
            None => self.done(|out| out.append(&mut part)),
        }
    }

    /// It goes to its end, whether anybody waits for it or not.
    fn collect(&mut self, options: &Collect) -> Result<(), Trouble> {
        let outgoing = RefCell::new(&mut self.outgoing);
        let broken = Cell::new(false);
        let tell = |progress: Progress| {
            if !broken.get() {
                let sent =
                    outgoing.borrow_mut().send(PART, |out| value::put_progress(out, &progress));
                broken.set(sent.is_err());
            }
        };
        let collected = self.backend.collect(options, &tell)?;
        self.done(|out| value::put_collected(out, &collected))
    }

    fn hold(&mut self, handle: Handle) -> Result<(), StoreError> {
        let holds = &mut self.stands.holds;
        if holds.len() >= self.serving.limits.holds_max && !holds.contains_key(&handle) {
            return Err(StoreError::Told("more is held than one process may hold".into()));
        }
        let count = holds.entry(handle).or_default();
        *count = count
            .checked_add(1)
            .ok_or_else(|| StoreError::Told("one handle is held too often".into()))?;
        self.backend.hold(&handle);
        Ok(())
    }

    fn release(&mut self, handle: &Handle) {
        let Some(count) = self.stands.holds.get_mut(handle) else { return };
        *count -= 1;
        if *count == 0 {
            self.stands.holds.remove(handle);
        }
        self.backend.release(handle);
    }

    fn begin_writing(&mut self) -> Result<(), StoreError> {
        if !self.stands.writing {
            self.backend.begin_writing()?;
            self.stands.writing = true;
        }
        Ok(())
    }
}

/// Nothing is believed: what a client names is hashed.
fn checked(batch: Vec<Named<'_>>) -> Result<Vec<(Handle, Content)>, StoreError> {
    let check = |(handle, bytes): Named<'_>| match Content::check(&handle, bytes.into_owned()) {
        Ok(content) => Ok((handle, content)),
        Err(_) => Err(StoreError::Content(handle)),
    };
    batch.into_iter().map(check).collect()
}

/// Takes the content of a handle from a file that a client wrote; whether it
/// was that.
fn adopt(
    backend: &dyn Backend,
    directory: &Path,
    handle: &Handle,
    name: &str,
) -> Result<bool, StoreError> {
    if !spool::is_name(name) {
        return Err(StoreError::Told(format!("{name} is no file of a client's")));
    }
    let path = directory.join(name);
    let file = open::of_store(&path, std::fs::File::options().read(true), true)?;
    let mut file = file.map_err(StoreError::io("open", &path))?;
    spool::put(backend, handle, &mut file, &path)
}
