//! Numbers, handles and texts as they stand in frames: little-endian, one after
//! the other.

use weft_object::Handle;

/// Writes them.
pub(super) trait Put {
    fn put_u64(&mut self, value: u64);
    fn put_u32(&mut self, value: u32);
    fn put_handle(&mut self, handle: &Handle);
    /// One byte that says whether there is something, then that.
    fn put_some<T>(&mut self, value: Option<T>, put: impl FnOnce(&mut Self, T));
    /// Its length in four bytes, then it.
    fn put_bytes(&mut self, bytes: &[u8]);
}

impl Put for Vec<u8> {
    fn put_u64(&mut self, value: u64) {
        self.extend_from_slice(&value.to_le_bytes());
    }

    fn put_u32(&mut self, value: u32) {
        self.extend_from_slice(&value.to_le_bytes());
    }

    fn put_handle(&mut self, handle: &Handle) {
        self.extend_from_slice(handle.as_bytes());
    }

    fn put_some<T>(&mut self, value: Option<T>, put: impl FnOnce(&mut Self, T)) {
        self.push(u8::from(value.is_some()));
        if let Some(value) = value {
            put(self, value);
        }
    }

    fn put_bytes(&mut self, bytes: &[u8]) {
        // No caller has more than a frame's worth.
        self.put_u32(u32::try_from(bytes.len()).unwrap_or(u32::MAX));
        self.extend_from_slice(bytes);
    }
}

/// Reads them; `None` where the bytes are not what is asked for.
#[derive(Clone, Copy, Debug)]
pub(super) struct Take<'a>(pub(super) &'a [u8]);

impl<'a> Take<'a> {
    pub(super) fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    /// What was read, if that was all.
    pub(super) fn end<T>(&self, value: T) -> Option<T> {
        self.0.is_empty().then_some(value)
    }

    fn raw(&mut self, length: usize) -> Option<&'a [u8]> {
        let (raw, rest) = self.0.split_at_checked(length)?;
        self.0 = rest;
        Some(raw)
    }

    fn array<const N: usize>(&mut self) -> Option<[u8; N]> {
        self.raw(N)?.try_into().ok()
    }

    pub(super) fn u8(&mut self) -> Option<u8> {
        self.array::<1>().map(|[byte]| byte)
    }

    pub(super) fn u32(&mut self) -> Option<u32> {
        self.array().map(u32::from_le_bytes)
    }

    pub(super) fn u64(&mut self) -> Option<u64> {
        self.array().map(u64::from_le_bytes)
    }

    pub(super) fn flag(&mut self) -> Option<bool> {
        match self.u8()? {
            0 => Some(false),
            1 => Some(true),
            _ => None,
        }
    }

    pub(super) fn handle(&mut self) -> Option<Handle> {
        Handle::decode(&self.array()?).ok()
    }

    pub(super) fn bytes(&mut self) -> Option<&'a [u8]> {
        let length = self.u32()?;
        self.raw(usize::try_from(length).ok()?)
    }

    pub(super) fn text(&mut self) -> Option<&'a str> {
        std::str::from_utf8(self.bytes()?).ok()
    }

    pub(super) fn some<T>(
        &mut self,
        take: impl FnOnce(&mut Self) -> Option<T>,
    ) -> Option<Option<T>> {
        match self.flag()? {
            true => take(self).map(Some),
            false => Some(None),
        }
    }

    /// As many as there are.
    pub(super) fn all<T>(mut self, mut take: impl FnMut(&mut Self) -> Option<T>) -> Option<Vec<T>> {
        let mut all = Vec::new();
        while !self.is_empty() {
            all.push(take(&mut self)?);
        }
        Some(all)
    }
}
