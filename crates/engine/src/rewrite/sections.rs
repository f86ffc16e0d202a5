//! A module as a list of sections, to which entries are added at the end.
//!
//! Nothing that was there moves to another index, so what is not looked at is
//! copied as it is.

use std::borrow::Cow;

use wasm_encoder::{Encode, RawSection, Section, SectionId};
use wasmparser::{Parser, Payload, Result};

/// The sections in the order that the standard demands.
const ORDER: [SectionId; 13] = [
    SectionId::Type,
    SectionId::Import,
    SectionId::Function,
    SectionId::Table,
    SectionId::Memory,
    SectionId::Tag,
    SectionId::Global,
    SectionId::Export,
    SectionId::Start,
    SectionId::Element,
    SectionId::DataCount,
    SectionId::Code,
    SectionId::Data,
];

const KINDS: usize = SectionId::Tag as usize + 1;

/// Entries for the end of a section.
#[derive(Default)]
struct Added {
    count: u32,
    bytes: Vec<u8>,
}

/// A module that was found valid, without what compilers do not read.
pub(super) struct Sections<'a> {
    found: [Option<Cow<'a, [u8]>>; KINDS],
    names: Option<&'a [u8]>,
    added: [Added; KINDS],
}

impl<'a> Sections<'a> {
    pub(super) fn of(module: &'a [u8]) -> Result<Self> {
        let mut sections = Self {
            found: [const { None }; KINDS],
            names: None,
            added: std::array::from_fn(|_| Added::default()),
        };
        for payload in Parser::new(0).parse_all(module) {
            let payload = payload?;
            let Some((id, range)) = payload.as_section() else { continue };
            match &payload {
                // For backtraces.
                Payload::CustomSection(custom) if custom.name() == "name" => {
                    sections.names = Some(&module[range]);
                }
                _ => {
                    if let Some(found) = sections.found.get_mut(usize::from(id)).filter(|_| id != 0)
                    {
                        *found = Some(Cow::Borrowed(&module[range]));
                    }
                }
            }
        }
        Ok(sections)
    }

    /// Adds an entry at the end of a section of entries.
    pub(super) fn add(&mut self, section: SectionId, entry: impl FnOnce(&mut Vec<u8>)) {
        let added = &mut self.added[section as usize];
        entry(&mut added.bytes);
        added.count += 1;
    }

    /// Takes out the start function, which somebody else will call.
    pub(super) fn remove_start(&mut self) {
        self.found[SectionId::Start as usize] = None;
    }

    /// Puts another section in the place of one.
    pub(super) fn replace(&mut self, section: SectionId, content: Vec<u8>) {
        self.found[section as usize] = Some(Cow::Owned(content));
    }

    /// The module with other bodies, each with its length; and where the bodies
    /// begin in it.
    pub(super) fn encode(&self, bodies: &[u8]) -> Result<(Vec<u8>, usize)> {
        let mut module = wasm_encoder::Module::HEADER.to_vec();
        let mut bodies_at = 0;
        for id in ORDER {
            let added = &self.added[id as usize];
            let found = self.found[id as usize].as_deref();
            let mut content = Vec::new();
            match (id, found) {
                (SectionId::DataCount, found) => {
                    // Of the section behind it; wanted by who names an entry of that.
                    let more = self.added[SectionId::Data as usize].count;
                    if found.is_none() && more == 0 {
                        continue;
                    }
                    let data = self.found[SectionId::Data as usize].as_deref();
                    (counted(data)?.0 + more).encode(&mut content);
                }
                (_, None) if added.count == 0 => continue,
                (SectionId::Start, Some(found)) => content.extend_from_slice(found),
                (SectionId::Code, _) => {
                    (counted(found)?.0 + added.count).encode(&mut content);
                    bodies_at = content.len();
                    content.extend_from_slice(bodies);
                    content.extend_from_slice(&added.bytes);
                }
                _ => {
                    let (count, entries) = counted(found)?;
                    (count + added.count).encode(&mut content);
                    content.extend_from_slice(entries);
                    content.extend_from_slice(&added.bytes);
                }
            }
            RawSection { id: id.into(), data: &content }.append_to(&mut module);
            if id == SectionId::Code {
                bodies_at += module.len() - content.len();
            }
        }
        if let Some(names) = self.names {
            RawSection { id: SectionId::Custom.into(), data: names }.append_to(&mut module);
        }
        Ok((module, bodies_at))
    }
}

/// How many entries a section has, and these.
fn counted(section: Option<&[u8]>) -> Result<(u32, &[u8])> {
    let Some(section) = section else { return Ok((0, &[])) };
    let mut reader = wasmparser::BinaryReader::new(section, 0);
    let count = reader.read_var_u32()?;
    Ok((count, &section[reader.current_position()..]))
}
