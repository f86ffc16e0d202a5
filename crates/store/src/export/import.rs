use std::collections::HashSet;
use std::io::{self, Read};

use weft_object::{Content, Handle, Kind};

use super::format::{Hashing, Record};
use super::{Broken, Moved};
use crate::{Backend, Finder, HandleHash, Origin, Relation, StoreError, Writing};

/// What of an export is taken.
#[derive(Clone, Debug, Default)]
pub struct Import {
    /// Who the relations are said to be from, if they are taken: the file, say.
    /// Without it they are left out, and marks that only a function can make
    /// are refused.
    pub trust: Option<String>,
}

/// What was taken.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Imported {
    /// What the export is of.
    pub root: Handle,
    /// Objects that were in it.
    pub objects: u64,
    /// Relations that were in it.
    pub relations: u64,
    /// How many of those were taken.
    pub taken: u64,
    /// Bytes of the file.
    pub bytes: u64,
}

/// Takes an export into a backend, and syncs. Each object is checked when it has
/// come, and nothing is known of any before all below it is there; relations are
/// written when everything has come and was what was written. `tell` is called
/// now and then.
///
/// The objects have no name afterwards. The caller gives them one, or they go
/// with the next collection.
///
/// # Errors
/// [`StoreError::Export`] if the bytes are not what an export is; then no
/// relation was taken, and what objects were read stay without a name. Or
/// something cannot be read or written.
pub fn import(
    backend: &dyn Backend,
    input: &mut dyn Read,
    options: &Import,
    tell: &dyn Fn(Moved),
) -> Result<Imported, StoreError> {
    // What was found to be there stays so to the end.
    let _writing = Writing::begin(backend)?;
    let mut input = Hashing::new(input);
    let root = input.start()?;
    let mut reader = Reader {
        backend,
        trust: options.trust.is_some(),
        seen: HashSet::default(),
        batch: Vec::new(),
        batch_bytes: 0,
        objects: 0,
    };
    let mut known: Vec<(Handle, Relation)> = Vec::new();
    let mut relations = 0;
    loop {
        match input.record()? {
            Record::Content(handle) => reader.content(handle, &mut input)?,
            Record::Relation(key, relation) => {
                relations += 1;
                reader.relation(&key, &relation)?;
                if reader.trust {
                    known.push((key, relation));
                }
            }
            Record::End { objects, relations: told } => {
                if (objects, told) != (reader.objects, relations) {
                    return Err(StoreError::Export(Broken::Changed));
                }
                break;
            }
        }
        tell(Moved { objects: reader.objects, bytes: input.bytes });
    }
    input.end()?;
    reader.flush()?;
    reader.needs(&root, &root)?;
    let taken = known.len() as u64;
    if let Some(text) = options.trust.as_ref().filter(|_| taken > 0) {
        let finder = backend.finder(&Finder { text: text.clone(), here: false })?;
        for (_, relation) in &mut known {
            relation.origin = Origin { finder, ..relation.origin };
        }
        backend.put_relations(&known)?;
    }
    backend.sync()?;
    Ok(Imported { root, objects: reader.objects, relations, taken, bytes: input.bytes })
}

struct Reader<'a> {
    backend: &'a dyn Backend,
    trust: bool,
    /// What has come.
    seen: HashSet<Handle, HandleHash>,
    batch: Vec<(Handle, Content)>,
    batch_bytes: u64,
    objects: u64,
}

/// Content that is longer goes by as a stream.
const HELD_MAX: u64 = 1 << 20;
const BATCH_BYTES: u64 = 4 << 20;
const BATCH_OBJECTS: usize = 4096;

impl Reader<'_> {
    fn content(
        &mut self,
        handle: Handle,
        input: &mut Hashing<&mut dyn Read>,
    ) -> Result<(), StoreError> {
        let length = handle.length().unwrap_or(0);
        if handle.kind() == Kind::Blob && length > HELD_MAX {
            self.long(&handle, length, input)?;
        } else {
            let length = if handle.kind() == Kind::Blob { length } else { 32 * length };
            let content = self.held(&handle, length, input)?;
            if handle.kind() == Kind::Tag && !self.trust && !self.backend.contains(&handle)? {
                return Err(StoreError::Export(Broken::Tag(handle)));
            }
            for entry in content.tree().iter().flat_map(|tree| tree.entries()) {
                self.needs(&handle, entry)?;
            }
            self.batch_bytes += length;
            self.batch.push((handle, content));
            if self.batch_bytes >= BATCH_BYTES || self.batch.len() >= BATCH_OBJECTS {
                self.flush()?;
            }
        }
        self.seen.insert(handle);
        self.objects += 1;
        Ok(())
    }

    // The length may be anybody's: memory is taken as bytes come.
    fn held(
        &self,
        handle: &Handle,
        length: u64,
        input: &mut Hashing<&mut dyn Read>,
    ) -> Result<Content, StoreError> {
        let mut bytes = Vec::new();
        let read = input.by_ref().take(length).read_to_end(&mut bytes);
        read.map_err(StoreError::io("read", "the export"))?;
        if bytes.len() as u64 != length {
            return Err(StoreError::Export(Broken::Ends(input.bytes)));
        }
        Content::check(handle, bytes).map_err(|_| StoreError::Export(Broken::Content(*handle)))
    }

    fn long(
        &mut self,
        handle: &Handle,
        length: u64,
        input: &mut Hashing<&mut dyn Read>,
    ) -> Result<(), StoreError> {
        let before = input.bytes;
        let sound = self.backend.put_stream(handle, &mut input.by_ref().take(length))?;
        // What is there already is not read; the check at the end is of it too.
        let left = length - (input.bytes - before);
        io::copy(&mut input.by_ref().take(left), &mut io::sink())
            .map_err(StoreError::io("read", "the export"))?;
        match (input.bytes - before == length, sound) {
            (false, _) => Err(StoreError::Export(Broken::Ends(input.bytes))),
            (true, false) => Err(StoreError::Export(Broken::Content(*handle))),
            (true, true) => Ok(()),
        }
    }

    /// That something is there, of which something else is made.
    fn needs(&self, above: &Handle, below: &Handle) -> Result<(), StoreError> {
        let below = below.content();
        let there =
            below.is_literal() || self.seen.contains(&below) || self.backend.contains(&below)?;
        match there {
            true => Ok(()),
            false => Err(StoreError::Export(Broken::Below(above.content(), below))),
        }
    }

    fn relation(&self, key: &Handle, relation: &Relation) -> Result<(), StoreError> {
        self.needs(key, key)?;
        self.needs(key, &relation.outcome.handle())?;
        relation.notes.map_or(Ok(()), |notes| self.needs(key, &notes))
    }

    fn flush(&mut self) -> Result<(), StoreError> {
        self.backend.put(&self.batch)?;
        self.batch.clear();
        self.batch_bytes = 0;
        Ok(())
    }
}
