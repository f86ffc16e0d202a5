//! Types, changed in place: nothing moves.

use wasmparser::{
    BinaryReader, BlockType, ConstExpr, ElementItems, FunctionBody, HeapType, MemoryType, Operator,
    Parser, Payload, RefType, Result, ValType,
};

const EXTERN: u8 = 0x6f;
const I31: u8 = 0x6c;
const FUNC: u8 = 0x70;

/// A table that holds handles.
pub(super) struct Handles {
    pub(super) index: u32,
    pub(super) initial: u64,
    pub(super) maximum: Option<u64>,
}

pub(super) struct Patched {
    pub(super) module: Vec<u8>,
    pub(super) tables: Vec<Handles>,
    /// Whether one has 64-bit indices, which is not covered.
    pub(super) has_table64: bool,
    /// Memories that had no page and have one.
    pub(super) raised: Vec<u32>,
}

/// Changes the types of a module that was found valid. What was a table of
/// handles is an empty one of functions, into which nobody puts any.
pub(super) fn patch(module: &[u8]) -> Result<Patched> {
    let mut patched = Patched {
        module: module.to_vec(),
        tables: Vec::new(),
        has_table64: false,
        raised: Vec::new(),
    };
    let mut limits = Vec::new();
    let mut segments = false;
    let (mut memories, mut read_only) = (Vec::new(), Vec::new());
    for payload in Parser::new(0).parse_all(module) {
        match payload? {
            Payload::TypeSection(section) => {
                let range = section.range();
                patched.types(BinaryReader::new(&module[range.clone()], range.start))?;
            }
            Payload::TableSection(section) => {
                for (index, table) in section.into_iter_with_offsets().enumerate() {
                    let (at, table) = table?;
                    if table.ty.element_type != RefType::EXTERNREF {
                        continue;
                    }
                    patched.has_table64 |= table.ty.table64;
                    limits.push(patched.replace(at, FUNC) + 1);
                    patched.tables.push(Handles {
                        index: index as u32,
                        initial: table.ty.initial,
                        maximum: table.ty.maximum,
                    });
                }
            }
            Payload::MemorySection(section) => {
                for memory in section.into_iter_with_offsets() {
                    memories.push(memory?);
                }
            }
            Payload::GlobalSection(section) => {
                for global in section.into_iter_with_offsets() {
                    let (at, global) = global?;
                    if global.ty.content_type == ValType::EXTERNREF {
                        patched.replace(at, I31);
                    }
                    patched.constant(&global.init_expr, I31)?;
                }
            }
            Payload::ExportSection(section) => {
                for export in section {
                    let export = export?;
                    let is_memory = export.kind == wasmparser::ExternalKind::Memory;
                    if is_memory && super::numbered(export.name, "ro_mem_").is_some() {
                        read_only.push(export.index);
                    }
                }
            }
            Payload::ElementSection(section) => {
                for element in section {
                    let ElementItems::Expressions(ty, items) = element?.items else { continue };
                    if ty != RefType::EXTERNREF {
                        continue;
                    }
                    segments = true;
                    // The type stands before the number of items.
                    patched.module[items.range().start - 1] = FUNC;
                    for item in items {
                        patched.constant(&item?, FUNC)?;
                    }
                }
            }
            Payload::CodeSectionEntry(body) => patched.body(&body)?,
            _ => {}
        }
    }
    // Segments are put into the tables as they were, and nobody sees it.
    if !segments {
        for at in limits {
            patched.empty(at);
        }
    }
    for (index, (at, ty)) in memories.into_iter().enumerate() {
        let MemoryType { memory64, shared, initial, maximum, page_size_log2 } = ty;
        let is_plain = !memory64 && !shared && page_size_log2.is_none() && maximum.is_none();
        if is_plain && initial == 0 && read_only.contains(&(index as u32)) {
            // Without flags, and the number in one byte.
            if patched.module[at..at + 2] == [0, 0] {
                patched.module[at + 1] = 1;
                patched.raised.push(index as u32);
            }
        }
    }
    Ok(patched)
}

impl Patched {
    /// Replaces the type at or right behind a place; where it stood. What may
    /// come before it says that there is an expression, or that null is one.
    fn replace(&mut self, at: usize, with: u8) -> usize {
        let before = self.module[at..].iter().take(4).take_while(|byte| **byte != EXTERN).count();
        let at = at + before;
        if let Some(byte) = self.module.get_mut(at).filter(|byte| **byte == EXTERN) {
            *byte = with;
        }
        at
    }

    /// Makes the least size of a table, behind a byte of flags, a zero.
    fn empty(&mut self, flags_at: usize) {
        let mut at = flags_at + 1;
        while self.module[at] & 0x80 != 0 {
            self.module[at] = 0x80;
            at += 1;
        }
        self.module[at] = 0;
    }

    /// Function types; of no others was the module found valid.
    fn types(&mut self, mut reader: BinaryReader<'_>) -> Result<()> {
        for _ in 0..reader.read_var_u32()? {
            reader.read_u8()?;
            for _ in 0..2 {
                for _ in 0..reader.read_var_u32()? {
                    if reader.read::<ValType>()? == ValType::EXTERNREF {
                        self.module[reader.original_position() - 1] = I31;
                    }
                }
            }
        }
        Ok(())
    }

    fn constant(&mut self, expression: &ConstExpr<'_>, with: u8) -> Result<()> {
        let mut reader = expression.get_operators_reader();
        while !reader.eof() {
            let operator = reader.read()?;
            self.operator(&operator, reader.original_position(), with);
        }
        Ok(())
    }

    fn body(&mut self, body: &FunctionBody<'_>) -> Result<()> {
        let mut locals = body.get_locals_reader()?;
        for _ in 0..locals.get_count() {
            if locals.read()?.1 == ValType::EXTERNREF {
                self.module[locals.original_position() - 1] = I31;
            }
        }
        let mut reader = body.get_operators_reader()?;
        while !reader.eof() {
            let operator = reader.read()?;
            self.operator(&operator, reader.original_position(), I31);
        }
        Ok(())
    }

    /// A type that an instruction ends with.
    fn operator(&mut self, operator: &Operator<'_>, end: usize, with: u8) {
        let names_it = match operator {
            Operator::RefNull { hty } => *hty == HeapType::EXTERN,
            Operator::TypedSelect { ty } => *ty == ValType::EXTERNREF,
            Operator::Block { blockty } | Operator::Loop { blockty } | Operator::If { blockty } => {
                *blockty == BlockType::Type(ValType::EXTERNREF)
            }
            _ => false,
        };
        if names_it {
            self.module[end - 1] = with;
        }
    }
}
