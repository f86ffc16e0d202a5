//! The functions that work on tables and memories by their records.

use std::collections::HashMap;

use wasm_encoder::{
    AbstractHeapType, BlockType, Encode, Function, HeapType, InstructionSink, MemArg, RefType,
    SectionId, ValType,
};

use super::{BASE, END_AT, Plan, ROOM, SIZE, Table};
use crate::rewrite::sections::Sections;
use crate::rewrite::survey::Survey;

const HANDLE: ValType = ValType::Ref(RefType {
    nullable: true,
    heap_type: HeapType::Abstract { shared: false, ty: AbstractHeapType::I31 },
});
const NULL: HeapType = HeapType::Abstract { shared: false, ty: AbstractHeapType::I31 };

/// What a function does instead of an instruction, of which it has the type.
#[derive(Clone, Copy, PartialEq, Eq, Hash)]
pub(super) enum Work {
    Get(u32),
    Set(u32),
    Grow(u32),
    Fill(u32),
    Copy(u32, u32),
    GrowMemory(u32),
}

/// The functions that a module needs.
pub(super) struct Added<'p> {
    plan: &'p Plan,
    first_function: u32,
    first_type: u32,
    numbers: HashMap<Work, u32>,
    work: Vec<Work>,
}

impl<'p> Added<'p> {
    pub(super) fn new(survey: &Survey<'_>, plan: &'p Plan) -> Self {
        Self {
            plan,
            first_function: survey.function_count(),
            first_type: survey.types,
            numbers: HashMap::new(),
            work: Vec::new(),
        }
    }

    /// The index of the function that does something.
    pub(super) fn function(&mut self, work: Work) -> u32 {
        let all = &mut self.work;
        let number = *self.numbers.entry(work).or_insert_with(|| {
            all.push(work);
            all.len() as u32 - 1
        });
        self.first_function + number
    }

    pub(super) fn add(&self, sections: &mut Sections<'_>) {
        for (nth, work) in self.work.iter().enumerate() {
            use ValType::I32;
            let (parameters, results): (&[ValType], &[ValType]) = match work {
                Work::Get(_) => (&[I32], &[HANDLE]),
                Work::Set(_) => (&[I32, HANDLE], &[]),
                Work::Grow(_) => (&[HANDLE, I32], &[I32]),
                Work::Fill(_) => (&[I32, HANDLE, I32], &[]),
                Work::Copy(..) => (&[I32, I32, I32], &[]),
                Work::GrowMemory(_) => (&[I32], &[I32]),
            };
            sections.add(SectionId::Type, |out| {
                out.push(0x60);
                parameters.encode(out);
                results.encode(out);
            });
            sections.add(SectionId::Function, |out| (self.first_type + nth as u32).encode(out));
            let body = match *work {
                Work::Get(table) => self.get(table),
                Work::Set(table) => self.set(table),
                Work::Grow(table) => self.grow(table),
                Work::Fill(table) => self.fill(table),
                Work::Copy(to, from) => self.copy(to, from),
                Work::GrowMemory(memory) => self.grow_memory(memory),
            };
            sections.add(SectionId::Code, |out| body.encode(out));
        }
    }

    fn table(&self, index: u32) -> Table {
        self.plan.tables[&index]
    }

    fn at(&self, offset: u32) -> MemArg {
        MemArg { offset: u64::from(offset), align: 2, memory_index: self.plan.memory }
    }

    fn load(&self, sink: &mut InstructionSink<'_>, offset: u32) {
        sink.i32_const(0).i32_load(self.at(offset));
    }

    /// Traps, as an access of the table that is there no more, if a condition
    /// holds.
    fn trap_if(sink: &mut InstructionSink<'_>, table: u32) {
        sink.if_(BlockType::Empty).i32_const(-1).table_get(table).drop().end();
    }

    /// Traps unless `first` and `count` name entries.
    fn in_range(&self, sink: &mut InstructionSink<'_>, table: u32, first: u32, count: u32) {
        let size = self.table(table).record + SIZE;
        sink.local_get(count);
        self.load(sink, size);
        sink.i32_gt_u();
        Self::trap_if(sink, table);
        sink.local_get(first);
        self.load(sink, size);
        sink.local_get(count).i32_sub().i32_gt_u();
        Self::trap_if(sink, table);
    }

    /// The address of an entry.
    fn address(&self, sink: &mut InstructionSink<'_>, table: u32, entry: u32) {
        self.load(sink, self.table(table).record + BASE);
        sink.local_get(entry).i32_const(2).i32_shl().i32_add();
    }

    /// The number of a handle.
    fn number(sink: &mut InstructionSink<'_>, handle: u32) {
        sink.local_get(handle).ref_is_null().if_(BlockType::Result(ValType::I32)).i32_const(0);
        sink.else_().local_get(handle).i31_get_u().end();
    }

    fn get(&self, table: u32) -> Function {
        let (entry, number) = (0, 1);
        let mut function = Function::new([(1, ValType::I32)]);
        let mut sink = function.instructions();
        sink.local_get(entry);
        self.load(&mut sink, self.table(table).record + SIZE);
        sink.i32_ge_u();
        Self::trap_if(&mut sink, table);
        self.address(&mut sink, table, entry);
        sink.i32_load(self.at(0)).local_tee(number).if_(BlockType::Result(HANDLE));
        sink.local_get(number).ref_i31().else_().ref_null(NULL).end().end();
        function
    }

    fn set(&self, table: u32) -> Function {
        let (entry, handle) = (0, 1);
        let mut function = Function::new([]);
        let mut sink = function.instructions();
        sink.local_get(entry);
        self.load(&mut sink, self.table(table).record + SIZE);
        sink.i32_ge_u();
        Self::trap_if(&mut sink, table);
        self.address(&mut sink, table, entry);
        Self::number(&mut sink, handle);
        sink.i32_store(self.at(0)).end();
        function
    }

    /// Writes a number from one address up to another.
    fn write(&self, sink: &mut InstructionSink<'_>, from: u32, to: u32, number: u32) {
        sink.block(BlockType::Empty).loop_(BlockType::Empty);
        sink.local_get(from).local_get(to).i32_eq().br_if(1);
        sink.local_get(from).local_get(number).i32_store(self.at(0));
        sink.local_get(from).i32_const(4).i32_add().local_set(from).br(0).end().end();
    }

    fn fill(&self, table: u32) -> Function {
        let (first, handle, count) = (0, 1, 2);
        let (from, to, number) = (3, 4, 5);
        let mut function = Function::new([(3, ValType::I32)]);
        let mut sink = function.instructions();
        self.in_range(&mut sink, table, first, count);
        Self::number(&mut sink, handle);
        sink.local_set(number);
        self.address(&mut sink, table, first);
        sink.local_tee(from).local_get(count).i32_const(2).i32_shl().i32_add().local_set(to);
        self.write(&mut sink, from, to, number);
        sink.end();
        function
    }

    fn copy(&self, to: u32, from: u32) -> Function {
        let (into, out_of, count) = (0, 1, 2);
        let mut function = Function::new([]);
        let mut sink = function.instructions();
        self.in_range(&mut sink, to, into, count);
        self.in_range(&mut sink, from, out_of, count);
        self.address(&mut sink, to, into);
        self.address(&mut sink, from, out_of);
        sink.local_get(count).i32_const(2).i32_shl();
        sink.memory_copy(self.plan.memory, self.plan.memory).end();
        function
    }

    /// What does not fit where the table is moves to the end.
    fn grow(&self, table: u32) -> Function {
        let (handle, more) = (0, 1);
        let (size, new, from, to, room) = (2, 3, 4, 5, 6);
        let memory = self.plan.memory;
        let Table { record, most } = self.table(table);
        let mut function = Function::new([(5, ValType::I32)]);
        let mut sink = function.instructions();
        self.load(&mut sink, record + SIZE);
        sink.local_set(size);
        // What was attached may be longer than it may grow to.
        sink.local_get(size).i32_const(most as i32).i32_gt_u();
        sink.local_get(more).i32_const(most as i32).local_get(size).i32_sub().i32_gt_u().i32_or();
        sink.if_(BlockType::Empty).i32_const(-1).return_().end();
        sink.local_get(size).local_get(more).i32_add().local_tee(new);
        self.load(&mut sink, record + ROOM);
        sink.i32_gt_u().if_(BlockType::Empty);
        sink.local_get(size).i32_const(1).i32_shl().local_tee(room);
        sink.local_get(new).local_get(room).local_get(new).i32_gt_u().select().local_set(room);
        self.load(&mut sink, END_AT);
        sink.local_tee(from).local_get(room).i32_const(2).i32_shl().i32_add().local_tee(to);
        // Where addresses end, there is no room either.
        sink.local_get(from).i32_lt_u().if_(BlockType::Empty).i32_const(-1).return_().end();
        // As many pages as reach there.
        sink.local_get(to).i32_const(0xffff).i32_add().i32_const(16).i32_shr_u();
        sink.memory_size(memory).i32_gt_u().if_(BlockType::Empty);
        sink.local_get(to).i32_const(0xffff).i32_add().i32_const(16).i32_shr_u();
        sink.memory_size(memory).i32_sub().memory_grow(memory);
        sink.i32_const(-1).i32_eq().if_(BlockType::Empty).i32_const(-1).return_().end().end();
        sink.local_get(from);
        self.load(&mut sink, record + BASE);
        sink.local_get(size).i32_const(2).i32_shl().memory_copy(memory, memory);
        for (at, value) in [(record + BASE, from), (record + ROOM, room), (END_AT, to)] {
            sink.i32_const(0).local_get(value).i32_store(self.at(at));
        }
        sink.end();
        sink.i32_const(0).local_get(new).i32_store(self.at(record + SIZE));
        self.address(&mut sink, table, size);
        sink.local_set(from);
        self.address(&mut sink, table, new);
        sink.local_set(to);
        Self::number(&mut sink, handle);
        sink.local_set(room);
        self.write(&mut sink, from, to, room);
        sink.local_get(size).end();
        function
    }

    /// What was detached may be longer than it is said to be.
    fn grow_memory(&self, memory: u32) -> Function {
        let more = 0;
        let (pages, there) = (1, 2);
        let record = self.plan.memories[&memory];
        let mut function = Function::new([(2, ValType::I32)]);
        let mut sink = function.instructions();
        self.load(&mut sink, record);
        sink.local_set(pages);
        sink.memory_size(memory).local_get(pages).i32_sub().local_tee(there);
        sink.local_get(more).i32_lt_u().if_(BlockType::Empty);
        sink.local_get(more).local_get(there).i32_sub().memory_grow(memory);
        sink.i32_const(-1).i32_eq().if_(BlockType::Empty).i32_const(-1).return_().end();
        sink.else_().local_get(more).local_set(there).end();
        sink.local_get(pages).i32_const(16).i32_shl().i32_const(0);
        sink.local_get(there).i32_const(16).i32_shl().memory_fill(memory);
        sink.i32_const(0).local_get(pages).local_get(more).i32_add().i32_store(self.at(record));
        sink.local_get(pages).end();
        function
    }
}
