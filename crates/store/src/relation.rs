use weft_object::{Handle, Kind};

use crate::StoreError;

/// What a computation came to.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Outcome {
    /// A result.
    Value(Handle),
    /// A failure that belongs to the computation; the handle says which.
    Failure(Handle),
}

impl Outcome {
    /// The handle of either.
    #[must_use]
    pub const fn handle(&self) -> Handle {
        match self {
            Self::Value(handle) | Self::Failure(handle) => *handle,
        }
    }
}

/// What finding out has cost.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Cost {
    /// Time running, in nanoseconds; at most 2^60.
    pub run_ns: u64,
    /// Fuel burned, where it was metered.
    pub fuel: Option<u64>,
}

/// Who found something out, and when.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Origin {
    /// Seconds since the beginning of 1970, UTC; 0 if nobody noted it.
    pub found_at_s: u32,
    /// The place of a [`Finder`] in [`Backend::finders`](crate::Backend::finders),
    /// from 1 on; 0 if nobody noted it.
    pub finder: u16,
}

/// A program that finds things out, or somebody whose word was taken.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Finder {
    /// Which, for people: program and engine with their versions, or the file
    /// that the relation was imported from. What is beyond 200 bytes is cut off.
    pub text: String,
    /// Whether it ran over this very store, so that what it found can be had
    /// again by running it again.
    pub here: bool,
}

/// Something found out: a computation, under the handle it is kept by, has this
/// outcome.
///
/// The key of a fact `apply(tree) -> outcome` is the handle of the canonical
/// Tree; of a step of a program, a Ref, see [`is_step`]; of what was derived from
/// such facts, that of the Thunk or Encode.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Relation {
    /// What it came to.
    pub outcome: Outcome,
    /// Annotations (log, backtrace) that are no part of the outcome.
    pub notes: Option<Handle>,
    /// What it took.
    pub cost: Cost,
    /// Who found it.
    pub origin: Origin,
    /// Whether a backend holds it too.
    pub durable: bool,
}

/// Whether a relation under this key is a step of a program: what it asks of its
/// directories in some place, or how it ends there (`docs/wasi.md`). Nobody has the
/// Tree that such a key names, and it is no application.
#[must_use]
pub const fn is_step(key: &Handle) -> bool {
    matches!(key.kind(), Kind::TreeRef)
}

const FAILURE: u8 = 1;
const NOTES: u8 = 2;
const FUEL: u8 = 4;

impl Relation {
    /// A value found at some cost, without notes.
    #[must_use]
    pub const fn new(outcome: Outcome, cost: Cost) -> Self {
        Self {
            outcome,
            notes: None,
            cost,
            origin: Origin { found_at_s: 0, finder: 0 },
            durable: false,
        }
    }

    /// As in `docs/store.md`.
    pub(crate) fn encode(&self) -> Vec<u8> {
        let failure = if matches!(self.outcome, Outcome::Failure(_)) { FAILURE } else { 0 };
        let notes = self.notes.map_or(0, |_| NOTES);
        let fuel = self.cost.fuel.map_or(0, |_| FUEL);
        let mut out = Vec::with_capacity(96);
        out.extend_from_slice(&[failure | notes | fuel, 0]);
        out.extend_from_slice(&self.origin.finder.to_le_bytes());
        out.extend_from_slice(&self.origin.found_at_s.to_le_bytes());
        out.extend_from_slice(&self.cost.run_ns.to_le_bytes());
        out.extend_from_slice(self.outcome.handle().as_bytes());
        if let Some(notes) = self.notes {
            out.extend_from_slice(notes.as_bytes());
        }
        if let Some(fuel) = self.cost.fuel {
            out.extend_from_slice(&fuel.to_le_bytes());
        }
        out
    }

    pub(crate) fn decode(bytes: &[u8]) -> Option<Self> {
        fn number(bytes: &mut &[u8]) -> Option<u64> {
            let (raw, rest) = bytes.split_first_chunk()?;
            *bytes = rest;
            Some(u64::from_le_bytes(*raw))
        }
        fn handle(bytes: &mut &[u8]) -> Option<Handle> {
            let (raw, rest) = bytes.split_first_chunk()?;
            *bytes = rest;
            Handle::decode(raw).ok()
        }
        let mut bytes = bytes;
        let [flags, 0, f0, f1, t0, t1, t2, t3] = number(&mut bytes)?.to_le_bytes() else {
            return None;
        };
        if flags > FAILURE | NOTES | FUEL {
            return None;
        }
        let origin = Origin {
            finder: u16::from_le_bytes([f0, f1]),
            found_at_s: u32::from_le_bytes([t0, t1, t2, t3]),
        };
        let run_ns = number(&mut bytes)?;
        let outcome = handle(&mut bytes)?;
        let outcome = match flags & FAILURE {
            0 => Outcome::Value(outcome),
            _ => Outcome::Failure(outcome),
        };
        let notes = if flags & NOTES == 0 { None } else { Some(handle(&mut bytes)?) };
        let fuel = if flags & FUEL == 0 { None } else { Some(number(&mut bytes)?) };
        bytes.is_empty().then_some(Self {
            outcome,
            notes,
            cost: Cost { run_ns, fuel },
            origin,
            durable: true,
        })
    }
}

impl Finder {
    /// The most bytes of a text.
    pub const TEXT_MAX: usize = 200;

    /// With as much of the text as is kept.
    pub(crate) fn shortened(&self) -> Self {
        let mut end = self.text.len().min(Self::TEXT_MAX);
        while !self.text.is_char_boundary(end) {
            end -= 1;
        }
        Self { text: self.text[..end].into(), here: self.here }
    }

    /// Its number among those known, or if it is new `None`.
    pub(crate) fn number_in(&self, finders: &[Self]) -> Result<Option<u16>, StoreError> {
        let number = finders.iter().position(|known| known == self).map(|place| place + 1);
        let next = u16::try_from(number.unwrap_or(finders.len() + 1));
        let next = next.map_err(|_| StoreError::TooManyFinders)?;
        Ok(number.map(|_| next))
    }
}
