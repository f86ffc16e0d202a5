use weft_object::{Handle, Kind};

/// A chain of tail calls, in constant memory.
///
/// A function that returns a Thunk has made a tail call. A chain that comes back
/// to where it was needs itself; Brent's algorithm finds that within three times
/// the steps and without a list of what was passed. The lowest application seen
/// is kept along the way, because it names a cycle that the chain turns out to
/// be part of, whoever finds it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Tail {
    current: Handle,
    // Brent: a remembered place, how far to go from it, how far gone.
    saved: Handle,
    stride: u64,
    gone: u64,
    // The lowest application since the start, and since `saved`.
    lowest: Option<Handle>,
    lap_lowest: Option<Handle>,
}

fn lower(lowest: Option<Handle>, thunk: Handle) -> Option<Handle> {
    if thunk.kind() != Kind::Application {
        return lowest;
    }
    Some(lowest.map_or(thunk, |handle| handle.min(thunk)))
}

impl Tail {
    /// The chain that begins with this Thunk.
    pub(crate) fn new(start: Handle) -> Self {
        let lowest = lower(None, start);
        Self { current: start, saved: start, stride: 1, gone: 0, lowest, lap_lowest: lowest }
    }

    /// The Thunk that the chain has come to.
    pub(crate) const fn current(&self) -> Handle {
        self.current
    }

    /// The lowest application from the start to here.
    pub(crate) const fn lowest(&self) -> Option<Handle> {
        self.lowest
    }

    /// Goes on to the next Thunk. `Err` with the lowest application of the loop
    /// if the chain has come back to where it was.
    pub(crate) fn advance(&mut self, next: Handle) -> Result<(), Handle> {
        self.current = next;
        if next == self.saved {
            return Err(self.lap_lowest.unwrap_or(next));
        }
        self.gone += 1;
        if self.gone == self.stride {
            self.saved = next;
            self.stride *= 2;
            self.gone = 0;
            self.lap_lowest = None;
        }
        self.lowest = lower(self.lowest, next);
        self.lap_lowest = lower(self.lap_lowest, next);
        Ok(())
    }
}
