use std::collections::HashMap;
use std::io::Write;

use weft_object::{Content, Handle};

use super::Moved;
use super::format::{CONTENT, END, Hashing, RELATION, start, word};
use crate::files::Source;
use crate::{HandleHash, Origin, Relation, StoreError};

/// What was written.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Exported {
    /// Objects.
    pub objects: u64,
    /// Relations.
    pub relations: u64,
    /// Relations that were given and not written, for part of what they speak of
    /// is not there any more.
    pub left_out: u64,
    /// Bytes of the file.
    pub bytes: u64,
}

/// Writes all that a handle reaches, and these relations with all that they
/// reach, as one stream. `tell` is called now and then.
///
/// # Errors
/// [`StoreError::Missing`] if something that the handle reaches is not there, or
/// something cannot be read or written.
pub fn export(
    source: &Source<'_>,
    root: &Handle,
    relations: &[(Handle, Relation)],
    out: &mut dyn Write,
    tell: &dyn Fn(Moved),
) -> Result<Exported, StoreError> {
    let mut writer = Writer {
        source,
        out: Hashing::new(out),
        whole: HashMap::default(),
        objects: 0,
        missing: None,
        tell,
    };
    writer.out.put(&start(root))?;
    if !writer.reach(root)? {
        return Err(StoreError::Missing(writer.missing.unwrap_or(root.content())));
    }
    let mut known = Vec::with_capacity(relations.len());
    for (key, relation) in relations {
        known.extend(writer.whole(key, relation)?.map(|relation| (*key, relation)));
    }
    for (key, relation) in &known {
        let bytes = relation.encode();
        // Less than a hundred.
        writer.out.put(&word(RELATION, bytes.len() as u32))?;
        writer.out.put(key.as_bytes())?;
        writer.out.put(&bytes)?;
    }
    let written = known.len() as u64;
    writer.end(written)?;
    Ok(Exported {
        objects: writer.objects,
        relations: written,
        left_out: relations.len() as u64 - written,
        bytes: writer.out.bytes,
    })
}

struct Writer<'a> {
    source: &'a Source<'a>,
    out: Hashing<&'a mut dyn Write>,
    /// Of what was looked at, whether it was there with all below it; then it
    /// is written.
    whole: HashMap<Handle, bool, HandleHash>,
    objects: u64,
    /// The first that was not there.
    missing: Option<Handle>,
    tell: &'a dyn Fn(Moved),
}

enum Visit {
    Enter(Handle),
    Leave(Handle, Content),
}

impl Writer<'_> {
    /// Writes what a handle reaches, children first; whether all is there. What
    /// lacks a part is not written.
    fn reach(&mut self, root: &Handle) -> Result<bool, StoreError> {
        let mut open = vec![Visit::Enter(root.content())];
        while let Some(visit) = open.pop() {
            match visit {
                Visit::Enter(object) if object.is_literal() => {}
                Visit::Enter(object) if self.whole.contains_key(&object) => {}
                Visit::Enter(object) => match (self.source)(&object)? {
                    None => {
                        self.missing.get_or_insert(object);
                        self.whole.insert(object, false);
                    }
                    Some(content) => match content.tree().cloned() {
                        None => self.write(object, &content)?,
                        Some(tree) => {
                            open.push(Visit::Leave(object, content));
                            let entries = tree.entries().iter().rev();
                            open.extend(entries.map(|entry| Visit::Enter(entry.content())));
                        }
                    },
                },
                Visit::Leave(object, content) => {
                    let entries = content.tree().map_or(&[][..], |tree| tree.entries());
                    let whole = entries.iter().all(|entry| self.is_whole(entry));
                    match whole && !self.whole.contains_key(&object) {
                        true => self.write(object, &content)?,
                        false => drop(self.whole.entry(object).or_insert(whole)),
                    }
                }
            }
        }
        Ok(self.is_whole(root))
    }

    fn is_whole(&self, handle: &Handle) -> bool {
        handle.is_literal() || self.whole.get(&handle.content()) == Some(&true)
    }

    fn write(&mut self, object: Handle, content: &Content) -> Result<(), StoreError> {
        self.out.put(&word(CONTENT, 0))?;
        self.out.put(object.as_bytes())?;
        match content {
            Content::Blob(blob) => self.out.put(blob.bytes())?,
            Content::Tree(tree) | Content::Tag(tree) => self.out.put(&tree.encode())?,
        }
        self.whole.insert(object, true);
        self.objects += 1;
        (self.tell)(Moved { objects: self.objects, bytes: self.out.bytes });
        Ok(())
    }

    /// The relation as it is written, if all that it speaks of is: notes are no
    /// part of it.
    fn whole(&mut self, key: &Handle, relation: &Relation) -> Result<Option<Relation>, StoreError> {
        if !self.reach(key)? || !self.reach(&relation.outcome.handle())? {
            return Ok(None);
        }
        let notes = match relation.notes {
            Some(notes) if self.reach(&notes)? => Some(notes),
            _ => None,
        };
        // Who found it is a number of this store.
        let origin = Origin { finder: 0, ..relation.origin };
        Ok(Some(Relation { notes, origin, ..*relation }))
    }

    fn end(&mut self, relations: u64) -> Result<(), StoreError> {
        self.out.put(&word(END, 0))?;
        self.out.put(&self.objects.to_le_bytes())?;
        self.out.put(&relations.to_le_bytes())?;
        let digest = self.out.digest();
        self.out.put(&digest)?;
        self.out.inner.flush().map_err(StoreError::io("write", "the export"))
    }
}
