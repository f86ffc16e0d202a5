//! The calls of preview 1 as the system has them, a little safer.
//!
//! Standard libraries hide half of what a call can be asked, and turn what it
//! answers into something of their own.

mod directory;
mod extern_calls;
mod file;
mod open;
mod other;
mod path;
mod poll;

pub use directory::{entries, parse, readdir};
pub use extern_calls::bare;
pub use file::*;
pub use open::Open;
pub use other::*;
pub use path::*;
pub use poll::{CLOCK, Event, READABLE, Subscription, WRITABLE, poll};

/// The number of a descriptor.
pub type Fd = u32;

/// Why a call failed: the number that preview 1 gives it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Errno(pub u16);

/// Those that the checks name.
impl Errno {
    pub const BADF: Self = Self(8);
    pub const EXIST: Self = Self(20);
    pub const FAULT: Self = Self(21);
    pub const FBIG: Self = Self(22);
    pub const ILSEQ: Self = Self(25);
    pub const INVAL: Self = Self(28);
    pub const ISDIR: Self = Self(31);
    pub const LOOP: Self = Self(32);
    pub const NAMETOOLONG: Self = Self(37);
    pub const NOENT: Self = Self(44);
    pub const NOBUFS: Self = Self(42);
    pub const NOTDIR: Self = Self(54);
    pub const NOTEMPTY: Self = Self(55);
    pub const NOTSOCK: Self = Self(57);
    pub const NOTSUP: Self = Self(58);
    pub const OVERFLOW: Self = Self(61);
    pub const PERM: Self = Self(63);
    pub const SPIPE: Self = Self(70);
    pub const XDEV: Self = Self(75);
    pub const NOTCAPABLE: Self = Self(76);
}

/// What a call answers.
pub type Answer<T> = Result<T, Errno>;

fn answer(code: i32) -> Answer<()> {
    match code {
        0 => Ok(()),
        code => Err(Errno(code as u16)),
    }
}

/// A pointer as a call takes it.
fn at<T>(place: *const T) -> i32 {
    place as i32
}
