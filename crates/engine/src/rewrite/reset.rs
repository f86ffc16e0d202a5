//! The functions that are added to a module whose instances are used again.

use wasm_encoder::{BlockType, Encode, Function, InstructionSink, MemArg, SectionId, ValType};

use super::body::Marking;
use super::sections::Sections;
use super::survey::Survey;
use super::{CARD_BITS, CARDS_AT, Fault, SPILL_BYTES};

/// What memory 0 begins with.
pub(super) struct Image {
    begin: u32,
    bytes: Vec<u8>,
}

impl Image {
    /// What the segments come to, one after the other; `None` if that is more
    /// than is kept a second time.
    pub(super) fn of(segments: &[(u32, &[u8])], most: usize) -> Option<Self> {
        let begin = segments.iter().map(|(at, _)| *at).min().unwrap_or(0);
        let end = segments.iter().map(|(at, data)| *at as usize + data.len()).max().unwrap_or(0);
        let length = end.checked_sub(begin as usize).filter(|length| *length <= most)?;
        let mut bytes = vec![0; length];
        for (at, data) in segments {
            let from = (at - begin) as usize;
            bytes[from..from + data.len()].copy_from_slice(data);
        }
        Some(Self { begin, bytes })
    }
}

const CARD_BYTES: i32 = 1 << CARD_BITS;

/// Cards that are looked at together.
const GROUP: i32 = 16;

/// Groups in a page of WebAssembly.
const GROUPS_PER_PAGE: i32 = (1 << 16) / CARD_BYTES / GROUP;

// Whoever writes that much is slow enough for a fresh instance.
const GROUPS_MAX: i32 = 32;

/// What is added.
pub(super) struct Reset<'s, 'a> {
    pub(super) survey: &'s Survey<'a>,
    pub(super) marking: Marking,
    pub(super) side: u32,
    /// `None` without a memory.
    pub(super) image: Option<Image>,
    pub(super) fault: Option<Fault>,
}

/// How many functions are added, each with a type.
const ADDED: u32 = 4;

impl Reset<'_, '_> {
    /// The indices of the first function and of the first type behind what is added.
    pub(super) fn first_free(&self) -> (u32, u32) {
        (self.marking.mark + ADDED, self.survey.types + ADDED)
    }

    /// Adds what puts an instance back, and gives the function that applies and
    /// does that.
    pub(super) fn add(&self, apply: u32, sections: &mut Sections<'_>) -> u32 {
        let first = self.marking.mark;
        let (restore, group, run) = (first + 1, first + 2, first + 3);
        let segment = self.survey.segments;
        if let Some(image) = self.image.as_ref().filter(|image| !image.bytes.is_empty()) {
            sections.add(SectionId::Data, |out| {
                // Passive.
                1u32.encode(out);
                image.bytes.as_slice().encode(out);
            });
        }
        use ValType::{I32, I64};
        let signatures: [(&[ValType], &[ValType]); ADDED as usize] =
            [(&[I32, I32], &[]), (&[I32], &[]), (&[I32], &[]), (&[I32], &[I64])];
        for (nth, (parameters, results)) in signatures.into_iter().enumerate() {
            sections.add(SectionId::Type, |out| {
                out.push(0x60);
                parameters.encode(out);
                results.encode(out);
            });
            sections.add(SectionId::Function, |out| (self.survey.types + nth as u32).encode(out));
        }
        sections.add(SectionId::Global, |out| {
            // A mutable i32 of 0.
            out.extend_from_slice(&[0x7f, 1, 0x41, 0, 0x0b]);
        });
        let bodies = match self.image {
            Some(_) => [
                self.mark(),
                self.restore(segment),
                self.group(restore),
                self.run(apply, Some(group)),
            ],
            None => [empty(), empty(), empty(), self.run(apply, None)],
        };
        for body in bodies {
            sections.add(SectionId::Code, |out| body.encode(out));
        }
        run
    }

    fn at(&self, offset: u64) -> MemArg {
        MemArg { offset, align: 0, memory_index: self.side }
    }

    /// Marks the cards of a range that has been written. Most are short, and filling
    /// is a call of the host.
    fn mark(&self) -> Function {
        let (address, length, last) = (0, 1, 2);
        let mut function = Function::new([(1, ValType::I32)]);
        let mut sink = function.instructions();
        sink.local_get(length).i32_eqz().if_(BlockType::Empty).return_().end();
        sink.local_get(address).local_get(length).i32_add().i32_const(1).i32_sub();
        sink.i32_const(CARD_BITS).i32_shr_u().local_set(last);
        let first = |sink: &mut InstructionSink<'_>| {
            sink.local_get(address).i32_const(CARD_BITS).i32_shr_u();
        };
        sink.local_get(length).i32_const(CARD_BYTES).i32_le_u().if_(BlockType::Empty);
        first(&mut sink);
        sink.i32_const(1).i32_store8(self.at(CARDS_AT));
        sink.local_get(last).i32_const(1).i32_store8(self.at(CARDS_AT)).return_().end();
        first(&mut sink);
        sink.i32_const(CARDS_AT as i32).i32_add();
        sink.i32_const(1);
        sink.local_get(last);
        first(&mut sink);
        sink.i32_sub().i32_const(1).i32_add();
        sink.memory_fill(self.side).end();
        function
    }

    /// Puts a card back, and what was written near to it with its mark.
    fn restore(&self, segment: u32) -> Function {
        let card = 0;
        let (begin, end, from, to) = (1, 2, 3, 4);
        let mut function = Function::new([(4, ValType::I32)]);
        let mut sink = function.instructions();
        sink.local_get(card).i32_const(CARD_BITS).i32_shl().local_tee(begin);
        // The least of where the card ends, with what may have gone beyond, and
        // where the memory does.
        let minimum = |sink: &mut InstructionSink<'_>, a: u32, b: u32| {
            sink.local_get(a).local_get(b).local_get(a).local_get(b).i32_lt_u().select();
        };
        sink.i32_const(CARD_BYTES + SPILL_BYTES.cast_signed()).i32_add().local_set(end);
        sink.local_get(begin).i32_const(SPILL_BYTES.cast_signed()).i32_sub();
        sink.i32_const(0).local_get(card).select().local_set(begin);
        sink.memory_size(0).i32_const(16).i32_shl().local_set(to);
        minimum(&mut sink, end, to);
        sink.local_set(end);
        sink.local_get(begin).i32_const(0).local_get(end).local_get(begin).i32_sub().memory_fill(0);
        if let Some(image) = self.image.as_ref().filter(|image| !image.bytes.is_empty()) {
            let image_begin = image.begin.cast_signed();
            let image_end = (image.begin + image.bytes.len() as u32).cast_signed();
            sink.i32_const(image_end).local_set(to);
            minimum(&mut sink, end, to);
            sink.local_set(to);
            sink.local_get(begin).i32_const(image_begin);
            sink.local_get(begin).i32_const(image_begin).i32_gt_u().select().local_set(from);
            sink.local_get(from).local_get(to).i32_lt_u().if_(BlockType::Empty);
            sink.local_get(from).local_get(from).i32_const(image_begin).i32_sub();
            sink.local_get(to).local_get(from).i32_sub().memory_init(0, segment).end();
        }
        sink.end();
        function
    }

    /// Puts back what is marked of a group, and clears the marks.
    fn group(&self, restore: u32) -> Function {
        let group = 0;
        let (card, end) = (1, 2);
        let mut function = Function::new([(2, ValType::I32)]);
        let mut sink = function.instructions();
        sink.local_get(group).i32_const(GROUP).i32_mul().local_tee(card);
        sink.i32_const(GROUP).i32_add().local_set(end);
        if self.fault == Some(Fault::Card) {
            sink.local_get(card).i32_const(1).i32_add().local_set(card);
        }
        sink.loop_(BlockType::Empty);
        sink.local_get(card).i32_load8_u(self.at(CARDS_AT)).if_(BlockType::Empty);
        sink.local_get(card).call(restore).end();
        sink.local_get(card).i32_const(1).i32_add().local_tee(card);
        sink.local_get(end).i32_ne().br_if(0).end();
        sink.local_get(group)
            .i32_const(GROUP)
            .i32_mul()
            .v128_const(0)
            .v128_store(self.at(CARDS_AT));
        sink.end();
        function
    }

    /// Applies; then puts back globals and memory. The result has the function's
    /// in its lower half and, in its upper half, whether the instance cannot be
    /// used again.
    fn run(&self, apply: u32, group: Option<u32>) -> Function {
        let (result, at, end, written) = (0, 1, 2, 3);
        let spoiled = self.marking.spoiled;
        let mut function = Function::new([(3, ValType::I32)]);
        function.instructions().local_get(0).call(apply).local_set(result);
        let globals = match (self.fault, self.survey.mutable.split_last()) {
            (Some(Fault::Global), Some((_, others))) => others,
            _ => &self.survey.mutable,
        };
        for global in globals {
            function.raw(global.initial.iter().copied());
            function.instructions().global_set(global.index);
        }
        let mut sink = function.instructions();
        if let Some(group) = group {
            // If the memory grew the instance is gone, however large it is now.
            sink.global_get(spoiled).i32_eqz().if_(BlockType::Empty);
            sink.memory_size(0).i32_const(GROUPS_PER_PAGE).i32_mul().local_set(end);
            sink.block(BlockType::Empty).loop_(BlockType::Empty);
            sink.local_get(at).local_get(end).i32_eq().br_if(1);
            sink.local_get(at)
                .i32_const(GROUP)
                .i32_mul()
                .v128_load(self.at(CARDS_AT))
                .v128_any_true();
            sink.if_(BlockType::Empty);
            sink.local_get(written).i32_const(1).i32_add().local_tee(written);
            sink.i32_const(GROUPS_MAX).i32_gt_u().if_(BlockType::Empty);
            sink.i32_const(1).global_set(spoiled).br(3).end();
            sink.local_get(at).call(group).end();
            sink.local_get(at).i32_const(1).i32_add().local_set(at).br(0).end().end().end();
        }
        sink.local_get(result).i64_extend_i32_u();
        sink.global_get(spoiled).i64_extend_i32_u().i64_const(32).i64_shl().i64_or().end();
        function
    }
}

/// In the place of a function that nothing calls.
fn empty() -> Function {
    let mut function = Function::new([]);
    function.instructions().end();
    function
}
