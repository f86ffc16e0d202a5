//! `wasi:io/poll`: streams are always ready, and for clocks alone time jumps.

use wasmtime::Result;
use wasmtime::component::Resource;

use super::Hosted;
use super::bindings::wasi::io::poll;
use super::resources::Pollable;
use crate::outcome::{FailureKind, Stop};

impl Pollable {
    const fn instant_ns(self) -> u64 {
        match self {
            Self::Ready => 0,
            Self::At(instant_ns) => instant_ns,
        }
    }
}

impl poll::Host for Hosted {
    fn poll(&mut self, list: Vec<Resource<Pollable>>) -> Result<Vec<u32>> {
        let instants = list.iter().map(|pollable| Ok(self.get(pollable)?.instant_ns()));
        let instants = instants.collect::<Result<Vec<u64>>>()?;
        let Some(first) = instants.iter().min() else {
            let detail = "poll: a list of nothing to wait for".to_owned();
            return Err(Stop::Failure(FailureKind::Trap, detail).into());
        };
        self.running.process.wait_until_ns(*first);
        let now = self.running.process.now_ns();
        let ready = (0..).zip(&instants).filter(|(_, instant)| **instant <= now);
        Ok(ready.map(|(index, _)| index).collect())
    }
}

impl poll::HostPollable for Hosted {
    fn ready(&mut self, it: Resource<Pollable>) -> Result<bool> {
        Ok(match *self.get(&it)? {
            Pollable::Ready => true,
            // A reading, so that who asks in a loop comes out of it.
            Pollable::At(instant) => self.running.process.read_clock_ns() >= instant,
        })
    }

    fn block(&mut self, it: Resource<Pollable>) -> Result<()> {
        let instant = self.get(&it)?.instant_ns();
        self.running.process.wait_until_ns(instant);
        Ok(())
    }

    fn drop(&mut self, it: Resource<Pollable>) -> Result<()> {
        self.delete(it).map(|_| ())
    }
}
