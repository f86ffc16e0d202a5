//! What makes a module for Fixpoint's interface cheap to run: the references
//! that it calls handles become numbers that it cannot make.
//!
//! `externref` becomes `i31ref`, byte for byte, after the module was found valid
//! without that type: so no instruction of it can turn a number into a handle or
//! look into one, two types that differed differ still, and no heap is needed
//! that would have to be set up for each run. A null reference is the empty Blob.
//!
//! Tables of handles lie in a memory that is added, as numbers, under a record
//! for each of where it is and how long: so a table can be attached by writing to
//! that memory, and become shorter, which a table of WebAssembly cannot. What
//! works on tables works on those records, by functions that are added. Memories
//! that are attached or detached have a record of their pages, which
//! `memory.size` and `memory.grow` go by.
//!
//! What the host has to know is said by the names of exports that are added.

mod functions;
mod patch;

use std::collections::HashMap;

use wasm_encoder::{Encode, ExportKind, InstructionSink, MemArg, MemoryType, SectionId};
use wasmparser::{ExternalKind, FunctionBody, Operator, Parser, Payload};
use weft_object::Handle;

use super::places::{Piece, Places};
use super::sections::Sections;
use super::survey::Survey;
use super::{bodies, export};
use crate::meaning::TABLE_ELEMENTS_MAX;
use functions::Added;

const PAGE: u64 = 1 << 16;

/// Where the end of what tables take is noted in the memory of tables.
pub(crate) const END_AT: u32 = 0;
/// The first record; each table has four words, each memory one.
const RECORDS_AT: u32 = 16;
const TABLE_BYTES: u32 = 16;
const MEMORY_BYTES: u32 = 4;

/// Of a table's record: where its entries are, how many there are, how many
/// there is room for.
pub(crate) const BASE: u32 = 0;
pub(crate) const SIZE: u32 = 4;
pub(crate) const ROOM: u32 = 8;

/// Instances with more memory than this are not kept for another run.
const KEPT_MAX_BYTES: u64 = 4 * PAGE;

/// What an export tells the host, beside what its name says.
pub(crate) enum Told<'a> {
    /// The memory of tables.
    Tables,
    /// A table or memory of this name has its record there.
    Record { at: u32, name: &'a str },
    /// So many bytes were added that no function observes.
    Beside { bytes: u64 },
    /// What is exported is a memory that the module writes to.
    Written,
    /// What is exported is a global that it sets.
    Global,
    /// An instance can be put back by the host.
    Plain,
}

fn prefix(module: &Handle) -> String {
    format!("weft {module} ")
}

/// Reads the name of an export.
pub(crate) fn told<'a>(module: &Handle, name: &'a str) -> Option<Told<'a>> {
    let rest = name.strip_prefix(&prefix(module))?;
    let mut words = rest.splitn(3, ' ');
    match (words.next()?, words.next(), words.next()) {
        ("tables", ..) => Some(Told::Tables),
        ("record", Some(at), Some(name)) => Some(Told::Record { at: at.parse().ok()?, name }),
        ("beside", Some(bytes), _) => Some(Told::Beside { bytes: bytes.parse().ok()? }),
        ("written", ..) => Some(Told::Written),
        ("global", ..) => Some(Told::Global),
        ("plain", ..) => Some(Told::Plain),
        _ => None,
    }
}

/// Which memories are attached and detached, by their exported names.
fn is_attached(name: &str) -> bool {
    numbered(name, "ro_mem_").is_some() || numbered(name, "rw_mem_").is_some()
}

/// The number behind a prefix, written as numbers are.
pub(crate) fn numbered(name: &str, prefix: &str) -> Option<u32> {
    let digits = name.strip_prefix(prefix)?;
    let number: u32 = digits.parse().ok().filter(|number| *number < 1000)?;
    (number.to_string() == digits).then_some(number)
}

/// What a module's tables and memories become.
struct Plan {
    /// The memory of tables.
    memory: u32,
    /// Of each table that holds handles, its record, and the most it may have.
    tables: HashMap<u32, Table>,
    /// Of each memory that is attached or detached, its record.
    memories: HashMap<u32, u32>,
}

#[derive(Clone, Copy)]
struct Table {
    record: u32,
    most: u32,
}

/// A module whose handles are numbers, and where its instructions were.
///
/// # Errors
/// A module that was not found valid, or uses what is not covered.
pub(crate) fn lower(module: &[u8], name: &Handle) -> wasmtime::Result<(Vec<u8>, Places)> {
    let patched = patch::patch(module)?;
    if patched.has_table64 {
        return Err(wasmtime::Error::msg("a table of handles has 64-bit indices"));
    }
    let survey = Survey::of(&patched.module)?;
    let mut exports = Vec::new();
    for payload in Parser::new(0).parse_all(&patched.module) {
        if let Payload::ExportSection(section) = payload? {
            for export in section {
                exports.push(export?);
            }
        }
    }
    let mut plan = Plan {
        memory: survey.memories.len() as u32,
        tables: HashMap::new(),
        memories: HashMap::new(),
    };
    let mut at = RECORDS_AT;
    let mut header = Vec::new();
    let mut end = RECORDS_AT
        + TABLE_BYTES * patched.tables.len() as u32
        + MEMORY_BYTES * survey.memories.len() as u32;
    end = end.next_multiple_of(16);
    for table in &patched.tables {
        let most = table.maximum.unwrap_or(u64::MAX).min(TABLE_ELEMENTS_MAX) as u32;
        plan.tables.insert(table.index, Table { record: at, most });
        // Refused where it is above the bound.
        let initial = table.initial.min(TABLE_ELEMENTS_MAX) as u32;
        for word in [end, initial, initial, 0] {
            header.extend_from_slice(&word.to_le_bytes());
        }
        end += 4 * initial;
        at += TABLE_BYTES;
    }
    for export in &exports {
        if export.kind == ExternalKind::Memory
            && is_attached(export.name)
            && !plan.memories.contains_key(&export.index)
        {
            let memory = &survey.memories[export.index as usize];
            if memory.memory64 {
                return Err(wasmtime::Error::msg("a 64-bit memory is attached or detached"));
            }
            let raised = patched.raised.contains(&export.index);
            let pages = if raised { 0 } else { memory.initial as u32 };
            plan.memories.insert(export.index, at);
            header.extend_from_slice(&pages.to_le_bytes());
            at += MEMORY_BYTES;
        }
    }
    let mut sections = Sections::of(&patched.module)?;
    let pages = u64::from(end).div_ceil(PAGE).max(1);
    sections.add(SectionId::Memory, |out| {
        let ty = MemoryType {
            minimum: pages,
            maximum: None,
            memory64: false,
            shared: false,
            page_size_log2: None,
        };
        ty.encode(out);
    });
    sections.add(SectionId::Data, |out| {
        let bytes = [&end.to_le_bytes()[..], &[0; 12], &header].concat();
        // Into a memory that is named, at 0.
        2u32.encode(out);
        plan.memory.encode(out);
        out.extend_from_slice(&[0x41, 0, 0x0b]);
        bytes.as_slice().encode(out);
    });
    let mut added = Added::new(&survey, &plan);
    let lowering = Lowering { plan: &plan };
    let (mut new, mut pieces) = (Vec::with_capacity(module.len()), Vec::new());
    let mut seen = Seen { written: vec![false; survey.memories.len()], spoils: false };
    // What is attached there covers it for good.
    seen.spoils |=
        super::image::data_goes_to(&patched.module, |memory| plan.memories.contains_key(&memory))?;
    for body in bodies(&patched.module)? {
        lowering.body(&body, &mut added, &mut seen, &mut new, &mut pieces)?;
    }
    let functions = survey.function_count();
    added.add(&mut sections);
    let mut tell = |what: String, kind, index| {
        export(&mut sections, &(prefix(name) + &what), kind, index);
    };
    tell("tables".to_owned(), ExportKind::Memory, plan.memory);
    tell(
        format!("beside {}", (pages + patched.raised.len() as u64) * PAGE),
        ExportKind::Memory,
        plan.memory,
    );
    for export in &exports {
        let record = match export.kind {
            ExternalKind::Table => plan.tables.get(&export.index).map(|table| table.record),
            ExternalKind::Memory => plan.memories.get(&export.index).copied(),
            _ => None,
        };
        if let Some(at) = record {
            tell(format!("record {at} {}", export.name), ExportKind::Memory, plan.memory);
        }
    }
    for (index, _) in seen.written.iter().enumerate().filter(|(_, written)| **written) {
        tell(format!("written {index}"), ExportKind::Memory, index as u32);
    }
    for global in &survey.mutable {
        tell(format!("global {}", global.index), ExportKind::Global, global.index);
    }
    let bytes = survey.memories.iter().fold(0u64, |sum, ty| sum.saturating_add(ty.initial * PAGE));
    if !seen.spoils && survey.start.is_none() && bytes <= KEPT_MAX_BYTES {
        tell("plain".to_owned(), ExportKind::Memory, plan.memory);
    }
    let (module, bodies_at) = sections.encode(&new)?;
    Ok((module, Places::new(pieces, bodies_at, functions)))
}

/// What a module's instructions change.
struct Seen {
    /// Of each memory, whether it is written to.
    written: Vec<bool>,
    /// Whether something changes that the host does not put back.
    spoils: bool,
}

impl Seen {
    fn operator(&mut self, operator: &Operator<'_>, plan: &Plan) {
        let written = match operator {
            Operator::MemoryFill { mem } | Operator::MemoryInit { mem, .. } => Some(*mem),
            Operator::MemoryCopy { dst_mem, .. } => Some(*dst_mem),
            Operator::DataDrop { .. } | Operator::ElemDrop { .. } => {
                self.spoils = true;
                None
            }
            Operator::TableSet { table }
            | Operator::TableGrow { table }
            | Operator::TableFill { table }
            | Operator::TableInit { table, .. }
            | Operator::TableCopy { dst_table: table, .. } => {
                self.spoils |= !plan.tables.contains_key(table);
                None
            }
            other => super::body::stored(other).map(|(_, arg)| arg.memory),
        };
        if let Some(written) = written.and_then(|index| self.written.get_mut(index as usize)) {
            *written = true;
        }
    }
}

struct Lowering<'p> {
    plan: &'p Plan,
}

impl Lowering<'_> {
    fn body(
        &self,
        body: &FunctionBody<'_>,
        added: &mut Added<'_>,
        seen: &mut Seen,
        out: &mut Vec<u8>,
        pieces: &mut Vec<Piece>,
    ) -> wasmtime::Result<()> {
        let mut new = Vec::with_capacity(body.as_bytes().len() + 16);
        let mut reader = body.get_operators_reader()?;
        let (content, begin) = (body.as_bytes(), body.range().start);
        let mut copied = begin;
        let first = pieces.len();
        let mut copy = |new: &mut Vec<u8>, copied: &mut usize, to: usize| {
            pieces.push(Piece { new: new.len(), old: *copied, length: to - *copied });
            new.extend_from_slice(&content[*copied - begin..to - begin]);
            *copied = to;
        };
        while !reader.eof() {
            let (operator, at) = reader.read_with_offset()?;
            seen.operator(&operator, self.plan);
            let Some(instead) = self.instead(&operator, added)? else { continue };
            copy(&mut new, &mut copied, at);
            let mut sink = InstructionSink::new(&mut new);
            match instead {
                Instead::Call(function) => sink.call(function),
                Instead::Load(offset) => sink.i32_const(0).i32_load(MemArg {
                    offset: u64::from(offset),
                    align: 2,
                    memory_index: self.plan.memory,
                }),
            };
            copied = reader.original_position();
        }
        copy(&mut new, &mut copied, body.range().end);
        (new.len() as u32).encode(out);
        for piece in &mut pieces[first..] {
            piece.new += out.len();
        }
        out.extend_from_slice(&new);
        Ok(())
    }

    fn instead(
        &self,
        operator: &Operator<'_>,
        added: &mut Added<'_>,
    ) -> wasmtime::Result<Option<Instead>> {
        use functions::Work;
        let (tables, memories) = (&self.plan.tables, &self.plan.memories);
        let work = match *operator {
            Operator::TableGet { table } if tables.contains_key(&table) => Work::Get(table),
            Operator::TableSet { table } if tables.contains_key(&table) => Work::Set(table),
            Operator::TableGrow { table } if tables.contains_key(&table) => Work::Grow(table),
            Operator::TableFill { table } if tables.contains_key(&table) => Work::Fill(table),
            Operator::TableCopy { dst_table, src_table } if tables.contains_key(&dst_table) => {
                Work::Copy(dst_table, src_table)
            }
            Operator::TableInit { table, .. } if tables.contains_key(&table) => {
                return Err(wasmtime::Error::msg("table.init of a table of handles"));
            }
            Operator::TableSize { table } => {
                let record = tables.get(&table).map(|table| table.record);
                return Ok(record.map(|record| Instead::Load(record + SIZE)));
            }
            Operator::MemoryGrow { mem } if memories.contains_key(&mem) => Work::GrowMemory(mem),
            Operator::MemorySize { mem } => {
                return Ok(memories.get(&mem).map(|record| Instead::Load(*record)));
            }
            _ => return Ok(None),
        };
        Ok(Some(Instead::Call(added.function(work))))
    }
}

/// What stands in the place of an instruction.
enum Instead {
    Call(u32),
    /// A word of the memory of tables.
    Load(u32),
}
