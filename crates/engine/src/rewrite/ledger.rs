//! Functions that answer the plain cases of calls of the host: see
//! [`ledger`](crate::ledger).

use std::mem::offset_of;

use wasm_encoder::{BlockType, Encode, Function, InstructionSink, MemArg, SectionId, ValType};

use super::LEDGER_AT;
use super::sections::Sections;
use super::survey::Survey;
use crate::abi::table::MODULE;
use crate::ledger::{Entry, NEW, NUMBER, Page, TAKEN_MAX};

const ENTRY_BITS: i32 = size_of::<Entry>().trailing_zeros().cast_signed();

/// A call that is answered.
#[derive(Clone, Copy)]
enum Call {
    Length,
    TreeGet,
    BlobU64,
    U64Blob,
}

impl Call {
    fn named(name: &str) -> Option<Self> {
        Some(match name {
            "length" => Self::Length,
            "tree_get" => Self::TreeGet,
            "blob_u64" => Self::BlobU64,
            "u64_blob" => Self::U64Blob,
            _ => return None,
        })
    }

    const fn signature(self) -> (&'static [ValType], &'static [ValType]) {
        use ValType::{I32, I64};
        match self {
            Self::Length | Self::BlobU64 => (&[I32], &[I64]),
            Self::TreeGet => (&[I32, I64], &[I32]),
            Self::U64Blob => (&[I64], &[I32]),
        }
    }
}

/// What is called in the place of functions that a module imports.
#[derive(Default)]
pub(super) struct Near {
    /// Each import that is answered, in their order, and what answers it.
    calls: Vec<(u32, Call)>,
    first: u32,
    types: u32,
    side: u32,
}

impl Near {
    /// For a module to which functions from `first` and types from `types` on will be
    /// added, with this memory beside its own.
    pub(super) fn of(survey: &Survey<'_>, first: u32, types: u32, side: u32) -> Self {
        let ours = survey.imports.iter().enumerate().filter(|(_, import)| import.0 == MODULE);
        let calls = ours.filter_map(|(at, import)| Some((at as u32, Call::named(import.1)?)));
        Self { calls: calls.collect(), first, types, side }
    }

    pub(super) fn is_any(&self) -> bool {
        !self.calls.is_empty()
    }

    /// What to call instead of a function.
    pub(super) fn instead_of(&self, function: u32) -> Option<u32> {
        let at = self.calls.binary_search_by_key(&function, |(import, _)| *import).ok()?;
        Some(self.first + at as u32)
    }

    pub(super) fn add(&self, sections: &mut Sections<'_>) {
        for (nth, (import, call)) in self.calls.iter().enumerate() {
            let (parameters, results) = call.signature();
            sections.add(SectionId::Type, |out| {
                out.push(0x60);
                parameters.encode(out);
                results.encode(out);
            });
            sections.add(SectionId::Function, |out| (self.types + nth as u32).encode(out));
            let body = match call {
                Call::Length => self.length(*import),
                Call::TreeGet => self.tree_get(*import),
                Call::BlobU64 => self.blob_u64(*import),
                Call::U64Blob => self.u64_blob(*import),
            };
            sections.add(SectionId::Code, |out| body.encode(out));
        }
    }

    const fn at(&self, offset: usize, align: u32) -> MemArg {
        MemArg { offset: LEDGER_AT + offset as u64, align, memory_index: self.side }
    }

    /// The number of the next handle; leaves the block for who is to be asked instead.
    fn next(&self, sink: &mut InstructionSink<'_>, next: u32) {
        sink.i32_const(0).i32_load(self.at(offset_of!(Page, next), 2)).local_tee(next);
        sink.i32_const(TAKEN_MAX as i32).i32_ge_u().br_if(0);
    }

    fn taken(&self, sink: &mut InstructionSink<'_>, next: u32) {
        sink.i32_const(0).local_get(next).i32_const(1).i32_add();
        sink.i32_store(self.at(offset_of!(Page, next), 2)).local_get(next).return_().end();
    }

    fn length(&self, import: u32) -> Function {
        let (handle, length) = (0, 1);
        let mut function = Function::new([(1, ValType::I64)]);
        let mut sink = function.instructions();
        sink.block(BlockType::Empty).local_get(handle).br_if(0);
        sink.i32_const(0).i64_load32_u(self.at(offset_of!(Page, given), 2)).local_tee(length);
        sink.i64_eqz().br_if(0).local_get(length).return_().end();
        sink.local_get(handle).call(import).end();
        function
    }

    fn tree_get(&self, import: u32) -> Function {
        let (handle, entry, next) = (0, 1, 2);
        let mut function = Function::new([(1, ValType::I32)]);
        let mut sink = function.instructions();
        sink.block(BlockType::Empty).local_get(handle).br_if(0);
        sink.local_get(entry).i32_const(0).i64_load32_u(self.at(offset_of!(Page, given), 2));
        sink.i64_ge_u().br_if(0);
        self.next(&mut sink, next);
        sink.local_get(next).i32_const(ENTRY_BITS).i32_shl();
        sink.local_get(entry).i32_wrap_i64().i32_const(ENTRY_BITS).i32_shl();
        sink.v128_load(self.at(offset_of!(Page, entries), 3));
        sink.v128_store(self.at(offset_of!(Page, taken), 3));
        self.taken(&mut sink, next);
        sink.local_get(handle).local_get(entry).call(import).end();
        function
    }

    fn blob_u64(&self, import: u32) -> Function {
        let (handle, at, next) = (0, 1, 2);
        let entry = offset_of!(Page, taken);
        let mut function = Function::new([(2, ValType::I32)]);
        let mut sink = function.instructions();
        sink.block(BlockType::Empty);
        sink.local_get(handle).i32_const(0).i32_load(self.at(offset_of!(Page, next), 2));
        sink.local_tee(next).i32_ge_u().br_if(0);
        // With more, or where the host is asked for all, not all entries are of this run.
        sink.local_get(next).i32_const(TAKEN_MAX as i32).i32_gt_u().br_if(0);
        sink.local_get(handle).i32_const(ENTRY_BITS).i32_shl().local_tee(at);
        sink.i32_load(self.at(entry + offset_of!(Entry, what), 2));
        sink.i32_const(NUMBER.cast_signed()).i32_ne().br_if(0);
        sink.local_get(at).i64_load(self.at(entry + offset_of!(Entry, number), 3)).return_().end();
        sink.local_get(handle).call(import).end();
        function
    }

    fn u64_blob(&self, import: u32) -> Function {
        let (number, next, at) = (0, 1, 2);
        let entry = offset_of!(Page, taken);
        // Behind the number, as it lies in memory.
        let made = (u64::from(NEW) << 32 | u64::from(NUMBER)).cast_signed();
        let mut function = Function::new([(2, ValType::I32)]);
        let mut sink = function.instructions();
        sink.block(BlockType::Empty);
        self.next(&mut sink, next);
        sink.local_get(next).i32_const(ENTRY_BITS).i32_shl().local_tee(at);
        sink.local_get(number).i64_store(self.at(entry + offset_of!(Entry, number), 3));
        sink.local_get(at).i64_const(made);
        sink.i64_store(self.at(entry + offset_of!(Entry, what), 2));
        self.taken(&mut sink, next);
        sink.local_get(number).call(import).end();
        function
    }
}
