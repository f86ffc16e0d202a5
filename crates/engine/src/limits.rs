use wasmtime::{Error, ResourceLimiter, Result};

use crate::meaning::TABLE_ELEMENTS_MAX;
use crate::outcome::{NoAnswerKind, Stop};

/// Decides growth of memories and tables for one run.
///
/// `memory.grow` answers -1 exactly when the declared maximum or the memory
/// limit forbids, because a function observes it. Growth that is permitted and
/// that the machine does not provide therefore ends the run instead.
#[derive(Clone, Debug, Default)]
pub(crate) struct Limits {
    memory_limit_bytes: u64,
    memory_bytes: u64,
    memory_peak_bytes: u64,
    table_elements: u64,
    new_refused: bool,
    grown: bool,
    side_bytes: u64,
}

impl Limits {
    /// For a module with so much memory beside its own, which no function
    /// observes.
    pub(crate) fn new(memory_limit_bytes: u64, side_bytes: u64) -> Self {
        let memory_limit_bytes = memory_limit_bytes.saturating_add(side_bytes);
        Self { memory_limit_bytes, side_bytes, ..Self::default() }
    }

    /// For the next run of an instance that began with these.
    pub(crate) fn again(&self, memory_limit_bytes: u64) -> Self {
        let memory_limit_bytes = memory_limit_bytes.saturating_add(self.side_bytes);
        Self { memory_limit_bytes, grown: false, ..self.clone() }
    }

    pub(crate) fn memory_peak_bytes(&self) -> u64 {
        self.memory_peak_bytes.saturating_sub(self.side_bytes)
    }

    /// Whether something grew, or came to be.
    pub(crate) fn has_grown(&self) -> bool {
        self.grown
    }

    /// Whether there was no room for a memory or table with what it begins with.
    pub(crate) fn new_refused(&self) -> bool {
        self.new_refused
    }
}

/// The total after one of its parts grows, if that stays within the limit.
fn grown(total: u64, current: usize, desired: usize, limit: u64) -> Option<u64> {
    let more = desired.checked_sub(current)? as u64;
    total.checked_add(more).filter(|&grown| grown <= limit)
}

impl ResourceLimiter for Limits {
    fn memory_growing(
        &mut self,
        current: usize,
        desired: usize,
        maximum: Option<usize>,
    ) -> Result<bool> {
        if maximum.is_some_and(|maximum| desired > maximum) {
            return Ok(false);
        }
        let Some(total) = grown(self.memory_bytes, current, desired, self.memory_limit_bytes)
        else {
            self.new_refused |= current == 0;
            return Ok(false);
        };
        self.grown = true;
        self.memory_bytes = total;
        self.memory_peak_bytes = self.memory_peak_bytes.max(total);
        Ok(true)
    }

    // Called only after `memory_growing` permitted what then failed: no memory
    // type of this meaning version is refused before that is asked.
    fn memory_grow_failed(&mut self, error: Error) -> Result<()> {
        let detail = format!("the machine has no memory for a growth the limit permits: {error}");
        Err(Stop::NoAnswer(NoAnswerKind::HostMemory, detail).into())
    }

    fn table_growing(
        &mut self,
        current: usize,
        desired: usize,
        maximum: Option<usize>,
    ) -> Result<bool> {
        if maximum.is_some_and(|maximum| desired > maximum) {
            return Ok(false);
        }
        let Some(total) = grown(self.table_elements, current, desired, TABLE_ELEMENTS_MAX) else {
            self.new_refused |= current == 0;
            return Ok(false);
        };
        self.grown = true;
        self.table_elements = total;
        Ok(true)
    }
}
