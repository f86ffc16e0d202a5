//! What is put into modules before they are compiled, so that their runs can be
//! ended and their instances used again.
//!
//! **Polls.** A run is ended from outside by taking away a page of a memory that
//! is put beside the module's own: wherever a function may go on for long, in its
//! loops and where what is not short begins (`polls`), it writes a byte there. That
//! is an instruction; a comparison with a counter, as the compiler offers, keeps
//! registers and a way to call the host in each loop. [`Interrupt`](crate::Interrupt) has the cost of both.
//!
//! **Cards.** What a run changes is put back by the module itself, where that is
//! cheaper than a new instance. Memory 0 is divided into cards of 2^[`CARD_BITS`]
//! bytes, with a byte each in the memory beside. Each store marks the
//! card of its first byte, unless one near to it has (`marked`). That is enough, since a
//! card is put back with what is near to it. A function is added that applies and then writes
//! into every mutable global, and into each marked card, what an instance begins
//! with. What it does not put back (tables, dropped segments, the size of the
//! memory) is noted when it changes, and ends the instance.
//!
//! **Calls.** A module whose instances are used again has functions that answer the plain
//! cases of a few calls of the host by themselves (`ledger`).
//!
//! Nothing that a module has moves to another index: all that is added stands at
//! the end of its section, and what is exported has a name that no module can
//! hold, since that contains its digest.

mod body;
pub(crate) mod handles;
pub(crate) mod image;
mod ledger;
mod marked;
mod places;
mod polls;
mod reset;
mod sections;
mod survey;

use wasm_encoder::{Encode, ExportKind, MemoryType, SectionId};
use wasmparser::{FunctionBody, Parser, Payload, Result};
use weft_object::Handle;

use crate::abi::table::EXPORT;
use body::{Insert, Marking};
use ledger::Near;
pub(crate) use places::Places;
use reset::{Image, Reset};
use sections::Sections;
use survey::Survey;

/// A card has 2 to this power bytes.
pub(crate) const CARD_BITS: i32 = 12;

/// Where cards begin in the memory beside. What is before is for polls.
pub(crate) const CARDS_AT: u64 = 1 << 16;

/// How far what is written with the mark of a card may be before and behind it.
const SPILL_BYTES: u32 = 256;

// Of these every 32-bit address is in one.
const CARDS: u64 = 1 << (32 - CARD_BITS);

/// Where the page of [`ledger`](crate::ledger) is in the memory beside, behind cards.
pub(crate) const LEDGER_AT: u64 = CARDS_AT + CARDS;

/// The bytes of the memory beside, of an instance that is used once and of one that is
/// used again.
const SIDE_BYTES: u64 = CARDS_AT;
pub(crate) const SIDE_AGAIN_BYTES: u64 = LEDGER_AT + (1 << 16);

// Beyond these an instance keeps too much while nobody uses it.
const MEMORY_MAX_PAGES: u64 = 64;
const IMAGE_MAX_BYTES: usize = 1 << 20;

/// What to put into a module.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub(crate) enum For {
    /// Polls alone.
    Once,
    /// All that lets instances be used again, of a codelet.
    Again {
        /// Exports what is compared with what an instance begins with.
        compared: bool,
        /// What is left as it is, to see that somebody finds that.
        fault: Option<Fault>,
    },
    /// Polls, and what an image is taken of and put into: memories and mutable
    /// globals are exported, and no data is put into memory when an instance
    /// begins.
    Image,
}

/// What is not put back of an instance, on purpose.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Fault {
    /// The first card of sixteen.
    Card,
    /// The last mutable global.
    Global,
}

/// The name of the memory beside, as an export of a module.
pub(crate) fn side_name(module: &Handle) -> String {
    format!("weft side {module}")
}

/// The name of the start function, which is called once the run is watched.
pub(crate) fn start_name(module: &Handle) -> String {
    format!("weft start {module}")
}

/// The name of a memory, global or table that a run may change.
pub(crate) fn changing_name(module: &Handle, kind: ExportKind, index: u32) -> String {
    format!("weft {kind:?} {index} {module}")
}

/// The name of the function that applies and puts back.
pub(crate) fn run_name(module: &Handle) -> String {
    format!("weft run {module}")
}

/// A module that was found valid, with what was put into it; `None` where that
/// is nothing, or, for [`For::Again`], where the module has what is not covered.
pub(crate) fn rewrite(
    module: &[u8],
    name: &Handle,
    what: For,
) -> Result<Option<(Vec<u8>, Places)>> {
    let survey = Survey::of(module)?;
    let bodies = bodies(module)?;
    let placed = polls::polled(&bodies, survey.functions_imported)?;
    let polled = placed.iter().any(|body| body.is_any());
    let side = survey.memories.len() as u32;
    let reset = match what {
        For::Once if !polled => return Ok(None),
        For::Once | For::Image => None,
        For::Again { fault, .. } => match reset(&survey, side, fault) {
            Some(reset) => Some(reset),
            None => return Ok(None),
        },
    };
    let mut sections = Sections::of(module)?;
    let marks = reset.as_ref().is_some_and(|(_, reset)| reset.image.is_some());
    let near = match &reset {
        Some((_, reset)) => {
            let (functions, types) = reset.first_free();
            Near::of(&survey, functions, types, side)
        }
        None => Near::default(),
    };
    if let Some(start) = survey.start {
        // It could not be interrupted before there is an instance to watch.
        sections.remove_start();
        export(&mut sections, &start_name(name), ExportKind::Func, start);
    }
    if polled || marks || near.is_any() {
        let pages = match reset {
            Some(_) => SIDE_AGAIN_BYTES >> 16,
            None => SIDE_BYTES >> 16,
        };
        let ty = MemoryType {
            minimum: pages,
            maximum: Some(pages),
            memory64: false,
            shared: false,
            page_size_log2: None,
        };
        sections.add(SectionId::Memory, |out| ty.encode(out));
        export(&mut sections, &side_name(name), ExportKind::Memory, side);
    }
    let marking = reset.as_ref().map(|(_, reset)| reset.marking);
    let insert = Insert { survey: &survey, side, marking, polled: &placed, near: &near };
    let (mut new, mut pieces) = (Vec::with_capacity(module.len()), Vec::new());
    for (number, body) in bodies.iter().enumerate() {
        insert.body(number, body, &mut new, &mut pieces)?;
    }
    if let Some((apply, reset)) = reset {
        let run = reset.add(apply, &mut sections);
        near.add(&mut sections);
        export(&mut sections, &run_name(name), ExportKind::Func, run);
    }
    if matches!(what, For::Again { compared: true, .. } | For::Image) {
        for (kind, index) in survey.changing() {
            export(&mut sections, &changing_name(name, kind, index), kind, index);
        }
    }
    if what == For::Image
        && let Some(data) = image::without_data(module)?
    {
        sections.replace(SectionId::Data, data);
    }
    let (module, bodies_at) = sections.encode(&new)?;
    Ok(Some((module, Places::new(pieces, bodies_at, survey.function_count()))))
}

/// What puts instances back, and the function that is applied.
fn reset<'s, 'a>(
    survey: &'s Survey<'a>,
    side: u32,
    fault: Option<Fault>,
) -> Option<(u32, Reset<'s, 'a>)> {
    let apply = survey.exported(EXPORT)?;
    // A start function would have to run again.
    if survey.start.is_some() || survey.imports_more {
        return None;
    }
    let image = match survey.memories.as_slice() {
        [] => None,
        [memory]
            if !memory.memory64
                && memory.initial <= MEMORY_MAX_PAGES
                && memory.page_size_log2.is_none() =>
        {
            Some(Image::of(survey.data.as_ref()?, IMAGE_MAX_BYTES)?)
        }
        _ => return None,
    };
    let marking = Marking { mark: survey.function_count(), spoiled: survey.globals.len() as u32 };
    Some((apply, Reset { survey, marking, side, image, fault }))
}

fn bodies(module: &[u8]) -> Result<Vec<FunctionBody<'_>>> {
    let mut bodies = Vec::new();
    for payload in Parser::new(0).parse_all(module) {
        if let Payload::CodeSectionEntry(body) = payload? {
            bodies.push(body);
        }
    }
    Ok(bodies)
}

fn export(sections: &mut Sections<'_>, name: &str, kind: ExportKind, index: u32) {
    sections.add(SectionId::Export, |out| {
        name.encode(out);
        kind.encode(out);
        index.encode(out);
    });
}
