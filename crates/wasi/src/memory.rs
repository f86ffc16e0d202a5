use crate::Errno;

/// The guest's memory. Every address comes from the guest: what lies outside
/// is [`Errno::Fault`], never a panic. Addresses need no alignment.
pub(crate) struct Memory<'a>(&'a mut [u8]);

impl<'a> Memory<'a> {
    pub(crate) const fn new(bytes: &'a mut [u8]) -> Self {
        Self(bytes)
    }

    pub(crate) fn bytes(&self, at: u32, len: u32) -> Result<&[u8], Errno> {
        let from = at as usize;
        let to = from.checked_add(len as usize).ok_or(Errno::Fault)?;
        self.0.get(from..to).ok_or(Errno::Fault)
    }

    pub(crate) fn bytes_mut(&mut self, at: u32, len: u32) -> Result<&mut [u8], Errno> {
        let from = at as usize;
        let to = from.checked_add(len as usize).ok_or(Errno::Fault)?;
        self.0.get_mut(from..to).ok_or(Errno::Fault)
    }

    /// Whether a result could be written there: asked before a call has an
    /// effect that could not be told.
    pub(crate) fn check(&self, at: u32, len: u32) -> Result<(), Errno> {
        self.bytes(at, len).map(|_| ())
    }

    pub(crate) fn write(&mut self, at: u32, bytes: &[u8]) -> Result<(), Errno> {
        let len = u32::try_from(bytes.len()).map_err(|_| Errno::Overflow)?;
        self.bytes_mut(at, len)?.copy_from_slice(bytes);
        Ok(())
    }

    pub(crate) fn write_u32(&mut self, at: u32, value: u32) -> Result<(), Errno> {
        self.write(at, &value.to_le_bytes())
    }

    pub(crate) fn write_u64(&mut self, at: u32, value: u64) -> Result<(), Errno> {
        self.write(at, &value.to_le_bytes())
    }

    pub(crate) fn array<const N: usize>(&self, at: u32) -> Result<[u8; N], Errno> {
        self.bytes(at, N as u32)?.try_into().map_err(|_| Errno::Fault)
    }

    pub(crate) fn u32(&self, at: u32) -> Result<u32, Errno> {
        self.array(at).map(u32::from_le_bytes)
    }

    /// The entry of an array of fixed-size records.
    pub(crate) fn element(base: u32, at: u32, size: u32) -> Result<u32, Errno> {
        let offset = at.checked_mul(size).ok_or(Errno::Fault)?;
        base.checked_add(offset).ok_or(Errno::Fault)
    }
}
