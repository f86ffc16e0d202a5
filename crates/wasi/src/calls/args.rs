//! Arguments and environment: strings one after the other, each with a NUL at
//! its end, and an array of their addresses.

use super::{Done, Run};
use crate::Errno;
use crate::memory::Memory;

fn sizes(strings: &[Vec<u8>], memory: &mut Memory<'_>, count: u32, bytes: u32) -> Done {
    let number = |n: usize| u32::try_from(n).map_err(|_| Errno::Overflow);
    let len = strings.iter().map(|text| text.len() + 1).sum();
    memory.check(bytes, 4)?;
    memory.write_u32(count, number(strings.len())?)?;
    memory.write_u32(bytes, number(len)?)?;
    Ok(())
}

fn get(strings: &[Vec<u8>], memory: &mut Memory<'_>, array: u32, buffer: u32) -> Done {
    let mut at = buffer;
    for (index, text) in (0..).zip(strings) {
        memory.write_u32(Memory::element(array, index, 4)?, at)?;
        for part in [text, &[0][..]] {
            memory.write(at, part)?;
            at = Memory::element(at, part.len() as u32, 1)?;
        }
    }
    Ok(())
}

pub(super) fn args_sizes_get(run: &mut Run<'_>) -> Done {
    let (count, bytes) = (run.u32(0), run.u32(1));
    run.process.asked.arguments = true;
    sizes(&run.process.arguments, &mut run.memory, count, bytes)
}

pub(super) fn args_get(run: &mut Run<'_>) -> Done {
    let (array, buffer) = (run.u32(0), run.u32(1));
    run.process.asked.arguments = true;
    get(&run.process.arguments, &mut run.memory, array, buffer)
}

pub(super) fn environ_sizes_get(run: &mut Run<'_>) -> Done {
    let (count, bytes) = (run.u32(0), run.u32(1));
    run.process.asked.environment = true;
    sizes(&run.process.environment, &mut run.memory, count, bytes)
}

pub(super) fn environ_get(run: &mut Run<'_>) -> Done {
    let (array, buffer) = (run.u32(0), run.u32(1));
    run.process.asked.environment = true;
    get(&run.process.environment, &mut run.memory, array, buffer)
}
