//! What a module has, as far as rewriting it needs to know.

use wasm_encoder::ExportKind;
use wasmparser::{
    BlockType, ContType, Data, DataKind, ExternalKind, FrameKind, FuncType, GlobalType, MemoryType,
    ModuleArity, Operator, Parser, Payload, RefType, Result, SubType, TypeRef,
};

/// A mutable global, and the expression that it begins with, without its end.
pub(super) struct Mutable<'a> {
    pub(super) index: u32,
    pub(super) initial: &'a [u8],
}

/// What a module has.
#[derive(Default)]
pub(super) struct Survey<'a> {
    pub(super) types: u32,
    signatures: Vec<SubType>,
    /// Of each function, imports first, its type.
    functions: Vec<u32>,
    pub(super) functions_imported: u32,
    /// From where each of these, and under which name.
    pub(super) imports: Vec<(&'a str, &'a str)>,
    /// Whether anything else is imported.
    pub(super) imports_more: bool,
    pub(super) memories: Vec<MemoryType>,
    pub(super) tables: u32,
    pub(super) globals: Vec<GlobalType>,
    pub(super) mutable: Vec<Mutable<'a>>,
    pub(super) segments: u32,
    /// Where in memory 0 what is put when an instance begins; `None` if that is
    /// not said by a constant.
    pub(super) data: Option<Vec<(u32, &'a [u8])>>,
    pub(super) start: Option<u32>,
    exports: Vec<(&'a str, ExternalKind, u32)>,
}

impl<'a> Survey<'a> {
    pub(super) fn of(module: &'a [u8]) -> Result<Self> {
        let mut survey = Self { data: Some(Vec::new()), ..Self::default() };
        for payload in Parser::new(0).parse_all(module) {
            match payload? {
                Payload::TypeSection(section) => {
                    for ty in section.into_iter_err_on_gc_types() {
                        survey.signatures.push(SubType::func(ty?, false));
                    }
                    survey.types = survey.signatures.len() as u32;
                }
                Payload::ImportSection(section) => {
                    for import in section.into_imports() {
                        let import = import?;
                        match import.ty {
                            TypeRef::Func(ty) | TypeRef::FuncExact(ty) => {
                                survey.functions.push(ty);
                                survey.functions_imported += 1;
                                survey.imports.push((import.module, import.name));
                            }
                            TypeRef::Memory(ty) => {
                                survey.memories.push(ty);
                                survey.imports_more = true;
                            }
                            TypeRef::Global(ty) => {
                                survey.globals.push(ty);
                                survey.imports_more = true;
                            }
                            TypeRef::Table(_) => {
                                survey.tables += 1;
                                survey.imports_more = true;
                            }
                            TypeRef::Tag(_) => survey.imports_more = true,
                        }
                    }
                }
                Payload::FunctionSection(section) => {
                    for ty in section {
                        survey.functions.push(ty?);
                    }
                }
                Payload::MemorySection(section) => {
                    for memory in section {
                        survey.memories.push(memory?);
                    }
                }
                Payload::TableSection(section) => survey.tables += section.count(),
                Payload::GlobalSection(section) => {
                    for global in section {
                        let global = global?;
                        if global.ty.mutable {
                            let mut reader = global.init_expr.get_binary_reader();
                            let bytes = reader.read_bytes(reader.bytes_remaining())?;
                            let index = survey.globals.len() as u32;
                            let initial = bytes.split_last().map_or(bytes, |(_, initial)| initial);
                            survey.mutable.push(Mutable { index, initial });
                        }
                        survey.globals.push(global.ty);
                    }
                }
                Payload::ExportSection(section) => {
                    for export in section {
                        let export = export?;
                        survey.exports.push((export.name, export.kind, export.index));
                    }
                }
                Payload::StartSection { func, .. } => survey.start = Some(func),
                Payload::DataSection(section) => {
                    survey.segments = section.count();
                    for data in section {
                        survey.segment(data?);
                    }
                }
                _ => {}
            }
        }
        Ok(survey)
    }

    fn segment(&mut self, data: Data<'a>) {
        let DataKind::Active { memory_index: 0, offset_expr } = data.kind else {
            // A passive one is nowhere until it is asked for.
            if !matches!(data.kind, DataKind::Passive) {
                self.data = None;
            }
            return;
        };
        let mut reader = offset_expr.get_operators_reader();
        let first = reader.read();
        match (first, reader.read(), reader.eof()) {
            (Ok(Operator::I32Const { value }), Ok(Operator::End), true) => {
                if let Some(all) = &mut self.data {
                    all.push((value.cast_unsigned(), data.data));
                }
            }
            _ => self.data = None,
        }
    }

    /// What a run may change.
    pub(super) fn changing(&self) -> impl Iterator<Item = (ExportKind, u32)> {
        let memories = (0..self.memories.len() as u32).map(|index| (ExportKind::Memory, index));
        let tables = (0..self.tables).map(|index| (ExportKind::Table, index));
        let globals = self.mutable.iter().map(|global| (ExportKind::Global, global.index));
        memories.chain(tables).chain(globals)
    }

    pub(super) fn function_count(&self) -> u32 {
        self.functions.len() as u32
    }

    /// How many parameters the function has that is the body of this number.
    pub(super) fn parameters(&self, body: usize) -> Option<u32> {
        let ty = *self.functions.get(self.functions_imported as usize + body)?;
        self.sub_type_arity(self.signatures.get(ty as usize)?).map(|(parameters, _)| parameters)
    }

    /// The function that is exported under a name.
    pub(super) fn exported(&self, name: &str) -> Option<u32> {
        let found = self.exports.iter().find(|export| export.0 == name);
        found.filter(|export| export.1 == ExternalKind::Func).map(|export| export.2)
    }
}

/// What operators take and give; not those that go elsewhere.
impl ModuleArity for Survey<'_> {
    fn sub_type_at(&self, index: u32) -> Option<&SubType> {
        self.signatures.get(index as usize)
    }

    fn tag_type_arity(&self, _: u32) -> Option<(u32, u32)> {
        None
    }

    fn type_index_of_function(&self, index: u32) -> Option<u32> {
        self.functions.get(index as usize).copied()
    }

    fn func_type_of_cont_type(&self, _: &ContType) -> Option<&FuncType> {
        None
    }

    fn sub_type_of_ref_type(&self, _: &RefType) -> Option<&SubType> {
        None
    }

    fn control_stack_height(&self) -> u32 {
        0
    }

    fn label_block(&self, _: u32) -> Option<(BlockType, FrameKind)> {
        None
    }
}
