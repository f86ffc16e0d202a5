use weft_object::Handle;

/// A chain of tail calls, in constant memory.
///
/// A function that returns a Thunk has made a tail call. A chain that comes back
/// to where it was needs itself; Brent's algorithm finds that within three times
/// the steps and without a list of what was passed. The lowest Thunk seen is
/// kept along the way, because it names a cycle that the chain turns out to
/// be part of, whoever finds it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Tail {
    current: Handle,
    // Brent: a remembered place, how far to go from it, how far gone.
    saved: Handle,
    stride: u64,
    gone: u64,
    // The lowest Thunk since the start, and since `saved`.
    lowest: Handle,
    lap_lowest: Handle,
}

impl Tail {
    /// The chain that begins with this Thunk.
    pub(crate) fn new(start: Handle) -> Self {
        Self { current: start, saved: start, stride: 1, gone: 0, lowest: start, lap_lowest: start }
    }

    /// The Thunk that the chain has come to.
    pub(crate) const fn current(&self) -> Handle {
        self.current
    }

    /// The lowest Thunk from the start to here.
    pub(crate) const fn lowest(&self) -> Handle {
        self.lowest
    }

    /// Goes on to the next Thunk. `Err` with the lowest Thunk of the loop
    /// if the chain has come back to where it was.
    pub(crate) fn advance(&mut self, next: Handle) -> Result<(), Handle> {
        self.current = next;
        if next == self.saved {
            return Err(self.lap_lowest);
        }
        self.gone += 1;
        if self.gone == self.stride {
            self.saved = next;
            self.stride *= 2;
            self.gone = 0;
            self.lap_lowest = next;
        }
        self.lowest = self.lowest.min(next);
        self.lap_lowest = self.lap_lowest.min(next);
        Ok(())
    }
}
