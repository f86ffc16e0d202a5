//! Where faults cannot be handled: nothing arrives later.

#![expect(dead_code, reason = "nobody can have one of these here")]

use std::ptr::NonNull;

pub(in super::super) enum Faults {}

pub(super) enum Seen {
    Fault(usize),
    Nothing,
    End,
}

pub(super) struct End;

impl Faults {
    pub(in super::super) fn new() -> Option<Self> {
        None
    }

    pub(super) unsafe fn watch(&self, _: NonNull<[u8]>) -> bool {
        match *self {}
    }

    pub(super) fn next(&self) -> Seen {
        match *self {}
    }

    pub(super) unsafe fn fill(&self, _: usize, _: &[u8]) -> bool {
        match *self {}
    }

    pub(super) fn end_when_dropped(&self) -> End {
        match *self {}
    }
}
