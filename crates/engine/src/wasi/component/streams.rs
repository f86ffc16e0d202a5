//! `wasi:io/streams` and `wasi:io/error`.

use wasmtime::component::Resource;

use super::bindings::wasi::io::{error, streams};
use super::resources::{Failed, Input, Output, Pollable};
use super::{Fault, Hosted};

/// What is read or written at a time. Who wants more asks again.
const CHUNK_BYTES: u64 = 1 << 20;

impl Hosted {
    /// The next bytes of a stream, at least one unless none are asked for.
    fn take(&mut self, it: &Resource<Input>, len: u64) -> Result<Vec<u8>, Fault> {
        let most = len.min(CHUNK_BYTES);
        let bytes = match *self.get(it)? {
            Input::Stdin => self.running.process.read_stdin(most).to_vec(),
            Input::File { fd, at } => {
                let bytes = self.direct(|direct| Ok(direct.read(fd, at, most)?.to_vec()))?;
                let at = at.saturating_add(bytes.len() as u64);
                *self.get_mut(it)? = Input::File { fd, at };
                bytes
            }
        };
        match bytes.is_empty() && len > 0 {
            true => Err(Fault::Closed),
            false => Ok(bytes),
        }
    }

    fn put(&mut self, it: &Resource<Output>, bytes: &[u8]) -> Result<(), Fault> {
        match *self.get(it)? {
            Output::Stream(stream) => Ok(self.running.process.write_stream(stream, bytes)?),
            Output::File { fd, at } => {
                self.direct(|direct| direct.write(fd, at, bytes))?;
                let at = at.map(|at| at.saturating_add(bytes.len() as u64));
                *self.get_mut(it)? = Output::File { fd, at };
                Ok(())
            }
        }
    }

    fn put_zeros(&mut self, it: &Resource<Output>, len: u64) -> Result<(), Fault> {
        let zeros = vec![0; len.min(CHUNK_BYTES) as usize];
        let mut left = len;
        while left > 0 {
            let count = left.min(CHUNK_BYTES);
            self.put(it, &zeros[..count as usize])?;
            left -= count;
            self.running.base.go_on().map_err(wasmtime::Error::from)?;
        }
        Ok(())
    }
}

impl streams::Host for Hosted {
    fn convert_stream_error(&mut self, fault: Fault) -> wasmtime::Result<streams::StreamError> {
        match fault {
            Fault::Closed => Ok(streams::StreamError::Closed),
            Fault::Errno(errno) => {
                Ok(streams::StreamError::LastOperationFailed(self.push(Failed(errno))?))
            }
            Fault::End(error) => Err(error),
        }
    }
}

impl streams::HostInputStream for Hosted {
    fn read(&mut self, it: Resource<Input>, len: u64) -> Result<Vec<u8>, Fault> {
        self.take(&it, len)
    }

    fn blocking_read(&mut self, it: Resource<Input>, len: u64) -> Result<Vec<u8>, Fault> {
        self.take(&it, len)
    }

    fn skip(&mut self, it: Resource<Input>, len: u64) -> Result<u64, Fault> {
        Ok(self.take(&it, len)?.len() as u64)
    }

    fn blocking_skip(&mut self, it: Resource<Input>, len: u64) -> Result<u64, Fault> {
        Ok(self.take(&it, len)?.len() as u64)
    }

    fn subscribe(&mut self, _: Resource<Input>) -> wasmtime::Result<Resource<Pollable>> {
        self.push(Pollable::Ready)
    }

    fn drop(&mut self, it: Resource<Input>) -> wasmtime::Result<()> {
        match self.delete(it)? {
            Input::Stdin => Ok(()),
            Input::File { fd, .. } => self.close(fd),
        }
    }
}

impl streams::HostOutputStream for Hosted {
    fn check_write(&mut self, _: Resource<Output>) -> Result<u64, Fault> {
        Ok(CHUNK_BYTES)
    }

    fn write(&mut self, it: Resource<Output>, bytes: Vec<u8>) -> Result<(), Fault> {
        self.put(&it, &bytes)
    }

    fn blocking_write_and_flush(
        &mut self,
        it: Resource<Output>,
        bytes: Vec<u8>,
    ) -> Result<(), Fault> {
        self.put(&it, &bytes)
    }

    fn flush(&mut self, _: Resource<Output>) -> Result<(), Fault> {
        Ok(())
    }

    fn blocking_flush(&mut self, _: Resource<Output>) -> Result<(), Fault> {
        Ok(())
    }

    fn subscribe(&mut self, _: Resource<Output>) -> wasmtime::Result<Resource<Pollable>> {
        self.push(Pollable::Ready)
    }

    fn write_zeroes(&mut self, it: Resource<Output>, len: u64) -> Result<(), Fault> {
        self.put_zeros(&it, len)
    }

    fn blocking_write_zeroes_and_flush(
        &mut self,
        it: Resource<Output>,
        len: u64,
    ) -> Result<(), Fault> {
        self.put_zeros(&it, len)
    }

    fn splice(
        &mut self,
        it: Resource<Output>,
        from: Resource<Input>,
        len: u64,
    ) -> Result<u64, Fault> {
        let bytes = self.take(&from, len)?;
        self.put(&it, &bytes)?;
        Ok(bytes.len() as u64)
    }

    fn blocking_splice(
        &mut self,
        it: Resource<Output>,
        from: Resource<Input>,
        len: u64,
    ) -> Result<u64, Fault> {
        self.splice(it, from, len)
    }

    fn drop(&mut self, it: Resource<Output>) -> wasmtime::Result<()> {
        match self.delete(it)? {
            Output::Stream(_) => Ok(()),
            Output::File { fd, .. } => self.close(fd),
        }
    }
}

impl error::Host for Hosted {}

impl error::HostError for Hosted {
    fn to_debug_string(&mut self, it: Resource<Failed>) -> wasmtime::Result<String> {
        Ok(self.get(&it)?.0.text().to_owned())
    }

    fn drop(&mut self, it: Resource<Failed>) -> wasmtime::Result<()> {
        self.delete(it).map(|_| ())
    }
}
