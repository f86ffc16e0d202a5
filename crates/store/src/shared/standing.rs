use std::collections::HashMap;
use std::time::{Duration, Instant};

use weft_object::Handle;

use super::state::State;
use crate::{Backend, HandleHash, StoreError};

/// What this process holds at another one, to be said again to the next.
///
/// Where this process holds the store itself nothing is noted: its backend keeps
/// count of what is held, and there will be no other.
#[derive(Debug, Default)]
pub(super) struct Standing {
    holds: HashMap<Handle, u32, HandleHash>,
    /// How many stretches of writing there are; the holder knows of one.
    writing: u32,
    /// When the holder was last told of that.
    told: Option<Instant>,
}

/// A holder ends a stretch of writing of whom it does not hear for five
/// minutes: see [`Limits`](crate::socket::Limits).
const SIGN_EVERY: Duration = Duration::from_secs(60);

impl Standing {
    /// Says everything to a new holder.
    pub(super) fn say(&self, state: &State) -> Result<(), StoreError> {
        for (handle, count) in &self.holds {
            for _ in 0..*count {
                match state {
                    State::Asking(client) => client.try_hold(handle)?,
                    other => other.backend().hold(handle),
                }
            }
        }
        match state {
            State::Asking(_) if self.writing == 0 => Ok(()),
            State::Asking(client) => client.begin_writing(),
            other => (0..self.writing).try_for_each(|_| other.backend().begin_writing()),
        }
    }

    pub(super) fn is_writing(&self) -> bool {
        self.writing > 0
    }

    /// Gives a sign of life if it is time, so that a stretch of writing goes on.
    pub(super) fn give_sign(&mut self, state: &State) -> Result<(), StoreError> {
        match self.told.is_none_or(|told| told.elapsed() >= SIGN_EVERY) {
            true => self.confirm(state),
            false => Ok(()),
        }
    }

    /// [`StoreError::Gone`] if the holder has given up on a stretch of writing.
    pub(super) fn confirm(&mut self, state: &State) -> Result<(), StoreError> {
        match state {
            State::Asking(client) if self.writing > 0 => {
                self.told = Some(Instant::now());
                client.begin_writing()
            }
            _ => Ok(()),
        }
    }

    pub(super) fn hold(&mut self, state: &State, handle: &Handle) -> Result<(), StoreError> {
        match state {
            State::Asking(client) => {
                *self.holds.entry(*handle).or_default() += 1;
                client.try_hold(handle)
            }
            other => {
                other.backend().hold(handle);
                Ok(())
            }
        }
    }

    pub(super) fn release(&mut self, state: &State, handle: &Handle) -> Result<(), StoreError> {
        let State::Asking(client) = state else {
            state.backend().release(handle);
            return Ok(());
        };
        let Some(count) = self.holds.get_mut(handle) else { return Ok(()) };
        *count -= 1;
        if *count == 0 {
            self.holds.remove(handle);
        }
        client.try_release(handle)
    }

    pub(super) fn begin_writing(&mut self, state: &State) -> Result<(), StoreError> {
        let State::Asking(client) = state else { return state.backend().begin_writing() };
        self.writing += 1;
        // One more is covered by those there are, and must not wait for a
        // collection that waits for those to end.
        if self.writing > 1 {
            return Ok(());
        }
        self.told = Some(Instant::now());
        let begun = client.begin_writing();
        if begun.as_ref().is_err_and(|error| !matches!(error, StoreError::Gone)) {
            self.writing -= 1;
        }
        begun
    }

    pub(super) fn end_writing(&mut self, state: &State) -> Result<(), StoreError> {
        let State::Asking(client) = state else {
            state.backend().end_writing();
            return Ok(());
        };
        self.forget_writing();
        match self.writing {
            0 => client.try_end_writing(),
            _ => Ok(()),
        }
    }

    /// One stretch less, of which the holder is not told.
    pub(super) fn forget_writing(&mut self) {
        self.writing = self.writing.saturating_sub(1);
    }
}
