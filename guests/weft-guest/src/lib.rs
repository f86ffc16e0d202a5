//! Write functions for Weft in Rust: the ABI of `docs/abi.md`, made safe.
//!
//! ```ignore
//! #![no_std]
//! use weft_guest::{Handle, number};
//!
//! weft_guest::apply!(add);
//!
//! fn add(application: Handle) -> Handle {
//!     let [a, b] = application.arguments();
//!     number(a.number().wrapping_add(b.number()))
//! }
//! ```
//!
//! A function never frees: its memory goes with it when it returns.

#![no_std]

extern crate alloc;

mod abi;
pub mod directory;
pub mod fold;
mod memory;

use alloc::vec::Vec;

/// An index into the table of handles of this invocation.
#[derive(Clone, Copy)]
#[repr(transparent)]
pub struct Handle(i32);

/// What a [`Handle`] is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Kind {
    Blob,
    Tree,
    BlobRef,
    TreeRef,
    Thunk,
    Strict,
    Shallow,
    Tag,
    TagRef,
}

/// Exports a function `fn(Handle) -> Handle` as what Weft applies: the canonical
/// application Tree in, the result out.
#[macro_export]
macro_rules! apply {
    ($function:path) => {
        #[unsafe(no_mangle)]
        extern "C" fn weft_apply(application: i32) -> i32 {
            $crate::entry(application, $function)
        }
    };
}

#[doc(hidden)]
pub fn entry(application: i32, function: fn(Handle) -> Handle) -> i32 {
    function(Handle(application)).0
}

/// The Blob of these bytes.
pub fn blob(bytes: &[u8]) -> Handle {
    // SAFETY (here and below): the host reads or writes exactly the range that
    // the slice covers, and checks the handles.
    Handle(unsafe { abi::blob_new(bytes.as_ptr(), bytes.len() as u32) })
}

/// The Blob of a number's eight bytes.
pub fn number(value: u64) -> Handle {
    Handle(unsafe { abi::u64_blob(value) })
}

/// The Tree of these entries.
pub fn tree(entries: &[Handle]) -> Handle {
    Handle(unsafe { abi::tree_new(entries.as_ptr().cast(), entries.len() as u32) })
}

/// Ends the function with a failure.
pub fn fail(message: &str) -> ! {
    unsafe { abi::fail(message.as_ptr(), message.len() as u32) }
}

/// The same, with a message that quotes data; what is no UTF-8 in it is replaced.
pub fn fail_bytes(message: &[u8]) -> ! {
    unsafe { abi::fail(message.as_ptr(), message.len() as u32) }
}

/// Keeps a line with this run.
pub fn log(line: &str) {
    unsafe { abi::log(line.as_ptr(), line.len() as u32) }
}

/// From here on a window is better than a copy into memory that is there: it
/// grows memory, which is a system call or two.
const WINDOW_MIN: u32 = 64 << 10;

impl Handle {
    pub fn kind(self) -> Kind {
        match unsafe { abi::kind(self.0) } {
            0 => Kind::Blob,
            1 => Kind::Tree,
            2 => Kind::BlobRef,
            3 => Kind::TreeRef,
            4 => Kind::Thunk,
            5 => Kind::Strict,
            6 => Kind::Shallow,
            7 => Kind::Tag,
            _ => Kind::TagRef,
        }
    }

    /// Bytes or entries of data.
    pub fn length(self) -> u64 {
        unsafe { abi::length(self.0) }
    }

    /// Whether both are the same Handle.
    pub fn same(self, other: Self) -> bool {
        unsafe { abi::same(self.0, other.0) != 0 }
    }

    /// The number in a Blob of up to eight bytes.
    pub fn number(self) -> u64 {
        unsafe { abi::blob_u64(self.0) }
    }

    /// Copies bytes of a Blob from `offset`; answers how many.
    pub fn read(self, offset: u64, into: &mut [u8]) -> usize {
        let (ptr, len) = (into.as_mut_ptr(), into.len() as u32);
        unsafe { abi::blob_read(self.0, offset, ptr, len) as usize }
    }

    /// A Blob's bytes.
    pub fn bytes(self) -> &'static [u8] {
        let length = self.length();
        let Ok(len) = u32::try_from(length) else { fail("a blob above 4 GiB") };
        if len < WINDOW_MIN {
            let mut bytes = Vec::with_capacity(len as usize);
            // SAFETY: a Blob of this length fills the whole buffer.
            unsafe {
                abi::blob_read(self.0, 0, bytes.as_mut_ptr(), len);
                bytes.set_len(len as usize);
            }
            return bytes.leak();
        }
        match unsafe { abi::blob_window(self.0, 0, len) } {
            -1 => fail("the memory limit leaves no room for a blob"),
            // SAFETY: the window is memory that nothing else owns.
            at => unsafe { core::slice::from_raw_parts(at as u32 as *const u8, len as usize) },
        }
    }

    /// An entry of a Tree.
    pub fn get(self, at: u64) -> Self {
        Self(unsafe { abi::tree_get(self.0, at) })
    }

    /// The entries of a Tree from a position on.
    pub fn entries_from(self, first: u64) -> Vec<Self> {
        let count = self.length().saturating_sub(first) as usize;
        let mut entries = alloc::vec![Self(0); count];
        let ptr = entries.as_mut_ptr().cast();
        let read = unsafe { abi::tree_read(self.0, first, ptr, count as u32) };
        entries.truncate(read as usize);
        entries
    }

    /// The arguments of an application Tree: exactly so many.
    pub fn arguments<const N: usize>(self) -> [Self; N] {
        if self.length() != 2 + N as u64 {
            fail("called with another number of arguments");
        }
        core::array::from_fn(|at| self.get(2 + at as u64))
    }

    /// The limits of an application Tree, to pass on.
    pub fn limits(self) -> Self {
        self.get(0)
    }

    /// The procedure of an application Tree: this function itself.
    pub fn procedure(self) -> Self {
        self.get(1)
    }

    /// The Thunk that applies this Tree.
    pub fn application(self) -> Self {
        Self(unsafe { abi::application(self.0) })
    }

    /// The Thunk that evaluates to this data.
    pub fn identification(self) -> Self {
        Self(unsafe { abi::identification(self.0) })
    }

    /// The Thunk that takes an entry or a byte.
    pub fn select(self, at: u64) -> Self {
        Self(unsafe { abi::selection(self.0, at) })
    }

    /// The Thunk that takes a range of entries or bytes.
    pub fn select_range(self, from: u64, to: u64) -> Self {
        Self(unsafe { abi::selection_range(self.0, from, to) })
    }

    /// The Thunk that takes what a directory holds under a path.
    pub fn select_path(self, path: &[u8]) -> Self {
        Self(unsafe { abi::selection_path(self.0, path.as_ptr(), path.len() as u32) })
    }

    /// The Thunk that takes kind and length of a range of entries.
    pub fn select_digest(self, from: u64, to: u64) -> Self {
        Self(unsafe { abi::selection_digest(self.0, from, to) })
    }

    /// The request for a Thunk's result, accessible and evaluated.
    pub fn strict(self) -> Self {
        Self(unsafe { abi::strict(self.0) })
    }

    /// The request for a Ref to a Thunk's result.
    pub fn shallow(self) -> Self {
        Self(unsafe { abi::shallow(self.0) })
    }

    /// The Tag of this function, with `self` as target.
    pub fn tag(self, data: Self) -> Self {
        Self(unsafe { abi::tag(self.0, data.0) })
    }

    /// A Ref to this data, for use among the entries of a Tree.
    pub fn lowered(self) -> Self {
        self.identification().shallow()
    }
}

/// The Thunk that calls `procedure`, under some limits.
pub fn call(limits: Handle, procedure: Handle, arguments: &[Handle]) -> Handle {
    let mut entries = Vec::with_capacity(2 + arguments.len());
    entries.extend([limits, procedure]);
    entries.extend_from_slice(arguments);
    tree(&entries).application()
}
