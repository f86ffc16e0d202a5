//! `wasi:clocks` and `wasi:random`: by rule and seed.

use wasmtime::Result;
use wasmtime::component::Resource;

use super::Hosted;
use super::bindings::wasi::clocks::{monotonic_clock, wall_clock};
use super::bindings::wasi::random::{insecure, insecure_seed, random};
use super::resources::Pollable;
use crate::outcome::{FailureKind, Stop};

const SECOND_NS: u64 = 1_000_000_000;

pub(super) const fn datetime(ns: u64) -> wall_clock::Datetime {
    wall_clock::Datetime { seconds: ns / SECOND_NS, nanoseconds: (ns % SECOND_NS) as u32 }
}

/// In nanoseconds, if there are so many.
pub(super) fn ns(time: wall_clock::Datetime) -> Option<u64> {
    time.seconds.checked_mul(SECOND_NS)?.checked_add(time.nanoseconds.into())
}

impl monotonic_clock::Host for Hosted {
    fn now(&mut self) -> Result<u64> {
        Ok(self.running.process.read_clock_ns())
    }

    fn resolution(&mut self) -> Result<u64> {
        Ok(self.running.process.clock_resolution_ns())
    }

    fn subscribe_instant(&mut self, when: u64) -> Result<Resource<Pollable>> {
        self.push(Pollable::At(when))
    }

    fn subscribe_duration(&mut self, duration: u64) -> Result<Resource<Pollable>> {
        let when = self.running.process.now_ns().saturating_add(duration);
        self.push(Pollable::At(when))
    }
}

impl wall_clock::Host for Hosted {
    fn now(&mut self) -> Result<wall_clock::Datetime> {
        Ok(datetime(self.running.process.read_clock_ns()))
    }

    fn resolution(&mut self) -> Result<wall_clock::Datetime> {
        Ok(datetime(self.running.process.clock_resolution_ns()))
    }
}

impl Hosted {
    fn random_bytes(&mut self, len: u64) -> Result<Vec<u8>> {
        // The program has no room for more.
        if len > self.memory_limit_bytes {
            let detail = format!("{len} random bytes are more than the memory limit");
            return Err(Stop::Failure(FailureKind::Trap, detail).into());
        }
        let mut bytes = vec![0; len as usize];
        self.running.process.random(&mut bytes);
        Ok(bytes)
    }

    fn random_u64(&mut self) -> u64 {
        let mut bytes = [0; 8];
        self.running.process.random(&mut bytes);
        u64::from_le_bytes(bytes)
    }
}

impl random::Host for Hosted {
    fn get_random_bytes(&mut self, len: u64) -> Result<Vec<u8>> {
        self.random_bytes(len)
    }

    fn get_random_u64(&mut self) -> Result<u64> {
        Ok(self.random_u64())
    }
}

impl insecure::Host for Hosted {
    fn get_insecure_random_bytes(&mut self, len: u64) -> Result<Vec<u8>> {
        self.random_bytes(len)
    }

    fn get_insecure_random_u64(&mut self) -> Result<u64> {
        Ok(self.random_u64())
    }
}

impl insecure_seed::Host for Hosted {
    fn insecure_seed(&mut self) -> Result<(u64, u64)> {
        Ok((self.random_u64(), self.random_u64()))
    }
}
