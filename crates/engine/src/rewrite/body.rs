//! What is put into the bodies of functions.

use wasm_encoder::{Encode, InstructionSink, MemArg};
use wasmparser::{FunctionBody, Operator, Result};

use super::ledger::Near;
use super::marked::Marked;
use super::places::Piece;
use super::polls::{self, Polled};
use super::survey::Survey;
use super::{CARD_BITS, CARDS_AT};

/// What is put into bodies.
pub(super) struct Insert<'s, 'a> {
    pub(super) survey: &'s Survey<'a>,
    /// The memory beside the module's own.
    pub(super) side: u32,
    /// What stores to memory 0 need, if they are to be noted.
    pub(super) marking: Option<Marking>,
    /// Where each body looks whether the run is to end.
    pub(super) polled: &'s [Polled],
    /// What is called instead of the host.
    pub(super) near: &'s Near,
}

/// What is called and set where something is changed.
#[derive(Clone, Copy)]
pub(super) struct Marking {
    /// The function that marks a range.
    pub(super) mark: u32,
    /// The global that says that the instance is not to be used again.
    pub(super) spoiled: u32,
}

/// The type of what a store takes beside the address.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(super) enum Stored {
    I32,
    I64,
    F32,
    F64,
    V128,
}

/// The locals that are added to a body: for an address, two numbers, and a value
/// of each type that is stored.
#[derive(Default)]
struct Locals {
    first: u32,
    types: Vec<u8>,
    address: Option<u32>,
    source: Option<u32>,
    length: Option<u32>,
    values: [Option<u32>; 5],
}

const I32: u8 = 0x7f;

impl Locals {
    fn wanted(&mut self, operator: &Operator<'_>) {
        let next = |types: &mut Vec<u8>, first: u32, ty: u8| {
            types.push(ty);
            first + types.len() as u32 - 1
        };
        if let Some((stored, _)) = stored(operator) {
            let ty = I32 - stored as u8;
            self.address.get_or_insert_with(|| next(&mut self.types, self.first, I32));
            self.values[stored as usize]
                .get_or_insert_with(|| next(&mut self.types, self.first, ty));
        }
        if is_bulk(operator) {
            for local in [&mut self.address, &mut self.source, &mut self.length] {
                local.get_or_insert_with(|| next(&mut self.types, self.first, I32));
            }
        }
    }

    /// The declarations of a body, with these behind them.
    fn encode(&self, declared: &[u8], groups: u32, out: &mut Vec<u8>) {
        (groups + self.types.len() as u32).encode(out);
        out.extend_from_slice(declared);
        for ty in &self.types {
            out.extend_from_slice(&[1, *ty]);
        }
    }
}

impl Insert<'_, '_> {
    /// A body, with its length before it, and the pieces of it that are as they
    /// were.
    pub(super) fn body(
        &self,
        number: usize,
        body: &FunctionBody<'_>,
        out: &mut Vec<u8>,
        pieces: &mut Vec<Piece>,
    ) -> Result<()> {
        let mut new = Vec::with_capacity(body.as_bytes().len() + 64);
        let locals = self.locals(number, body, &mut new)?;
        let mut reader = body.get_operators_reader()?;
        let content = body.as_bytes();
        let begin = body.range().start;
        let mut copied = reader.original_position();
        let first_piece = pieces.len();
        let mut copy = |new: &mut Vec<u8>, copied: &mut usize, to: usize| {
            pieces.push(Piece { new: new.len(), old: *copied, length: to - *copied });
            new.extend_from_slice(&content[*copied - begin..to - begin]);
            *copied = to;
        };
        let polled = self.polled.get(number).copied().unwrap_or_default();
        if polled.begin {
            self.poll(&mut new);
        }
        let mut marked = Marked::new(self.survey);
        while !reader.eof() {
            let (operator, at) = reader.read_with_offset()?;
            let end = reader.original_position();
            if let Operator::Call { function_index } = operator
                && let Some(near) = self.near.instead_of(function_index)
            {
                copy(&mut new, &mut copied, at);
                InstructionSink::new(&mut new).call(near);
                copied = end;
            }
            if matches!(operator, Operator::Loop { .. })
                || polled.after_calls && polls::calls(&operator)
            {
                copy(&mut new, &mut copied, end);
                self.poll(&mut new);
            }
            let Some(marking) = self.marking else { continue };
            if marked.next(&operator) {
                continue;
            }
            if let Some((stored, arg)) = stored(&operator) {
                copy(&mut new, &mut copied, at);
                self.before_store(&locals, stored, arg, &mut new);
            } else if is_bulk(&operator) {
                copy(&mut new, &mut copied, at);
                let [address, source, length] =
                    [locals.address, locals.source, locals.length].map(Option::unwrap_or_default);
                let mut sink = InstructionSink::new(&mut new);
                sink.local_set(length).local_set(source).local_tee(address);
                sink.local_get(source).local_get(length);
                copy(&mut new, &mut copied, end);
                // What it would have changed beyond the end it has not changed.
                let mut sink = InstructionSink::new(&mut new);
                sink.local_get(address).local_get(length).call(marking.mark);
            } else if spoils(&operator) {
                copy(&mut new, &mut copied, at);
                InstructionSink::new(&mut new).i32_const(1).global_set(marking.spoiled);
            }
        }
        let end = body.range().end;
        copy(&mut new, &mut copied, end);
        (new.len() as u32).encode(out);
        for piece in &mut pieces[first_piece..] {
            piece.new += out.len();
        }
        out.extend_from_slice(&new);
        Ok(())
    }

    fn locals(&self, number: usize, body: &FunctionBody<'_>, out: &mut Vec<u8>) -> Result<Locals> {
        let mut reader = body.get_locals_reader()?;
        let (groups, begin) = (reader.get_count(), reader.original_position());
        let mut locals =
            Locals { first: self.survey.parameters(number).unwrap_or(0), ..Locals::default() };
        for _ in 0..groups {
            locals.first += reader.read()?.0;
        }
        let from = begin - body.range().start;
        let declared = &body.as_bytes()[from..reader.original_position() - body.range().start];
        if self.marking.is_some() {
            let mut reader = body.get_operators_reader()?;
            while !reader.eof() {
                locals.wanted(&reader.read()?);
            }
        }
        locals.encode(declared, groups, out);
        Ok(locals)
    }

    /// A store that is in nobody's way, to a page that nobody may write to any
    /// more once the run is to end.
    fn poll(&self, out: &mut Vec<u8>) {
        let at = MemArg { offset: 0, align: 0, memory_index: self.side };
        InstructionSink::new(out).i32_const(0).i32_const(0).i32_store8(at);
    }

    /// Marks the card of the first byte; that the store may go on into the next
    /// one is known where cards are restored.
    fn before_store(
        &self,
        locals: &Locals,
        stored: Stored,
        arg: wasmparser::MemArg,
        out: &mut Vec<u8>,
    ) {
        let address = locals.address.unwrap_or_default();
        let value = locals.values[stored as usize].unwrap_or_default();
        let card = MemArg { offset: CARDS_AT, align: 0, memory_index: self.side };
        let mut sink = InstructionSink::new(out);
        sink.local_set(value).local_tee(address).local_get(address);
        if arg.offset != 0 {
            // Beyond 4 GiB the store traps, and the instance is gone.
            sink.i32_const((arg.offset as u32).cast_signed()).i32_add();
        }
        sink.i32_const(CARD_BITS).i32_shr_u().i32_const(1).i32_store8(card).local_get(value);
    }
}

/// Whether something changes that nobody puts back.
fn spoils(operator: &Operator<'_>) -> bool {
    matches!(
        operator,
        Operator::MemoryGrow { .. }
            | Operator::DataDrop { .. }
            | Operator::ElemDrop { .. }
            | Operator::TableSet { .. }
            | Operator::TableGrow { .. }
            | Operator::TableFill { .. }
            | Operator::TableCopy { .. }
            | Operator::TableInit { .. }
    )
}

/// Whether a range of memory is written; all of these take address, source or
/// value, and length.
fn is_bulk(operator: &Operator<'_>) -> bool {
    matches!(
        operator,
        Operator::MemoryFill { .. } | Operator::MemoryCopy { .. } | Operator::MemoryInit { .. }
    )
}

/// What a store takes, and where it puts it.
pub(super) fn stored(operator: &Operator<'_>) -> Option<(Stored, wasmparser::MemArg)> {
    Some(match *operator {
        Operator::I32Store { memarg }
        | Operator::I32Store8 { memarg }
        | Operator::I32Store16 { memarg } => (Stored::I32, memarg),
        Operator::I64Store { memarg }
        | Operator::I64Store8 { memarg }
        | Operator::I64Store16 { memarg }
        | Operator::I64Store32 { memarg } => (Stored::I64, memarg),
        Operator::F32Store { memarg } => (Stored::F32, memarg),
        Operator::F64Store { memarg } => (Stored::F64, memarg),
        Operator::V128Store { memarg }
        | Operator::V128Store8Lane { memarg, .. }
        | Operator::V128Store16Lane { memarg, .. }
        | Operator::V128Store32Lane { memarg, .. }
        | Operator::V128Store64Lane { memarg, .. } => (Stored::V128, memarg),
        _ => return None,
    })
}
