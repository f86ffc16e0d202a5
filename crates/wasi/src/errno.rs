use core::fmt;

macro_rules! errnos {
    ($($name:ident = $number:literal, $text:literal;)*) => {
        /// What a call answers, by the numbers of the standard. Those that
        /// nothing here answers are not listed.
        #[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
        #[repr(u16)]
        #[non_exhaustive]
        pub enum Errno {
            $(#[doc = $text] $name = $number,)*
        }

        impl Errno {
            /// The name as in C, without the `E`.
            #[must_use]
            pub const fn name(self) -> &'static str {
                match self {
                    $(Self::$name => stringify!($name),)*
                }
            }

            /// What it says, in a few words.
            #[must_use]
            pub const fn text(self) -> &'static str {
                match self {
                    $(Self::$name => $text,)*
                }
            }
        }
    };
}

errnos! {
    Success = 0, "done";
    Badf = 8, "no such descriptor, or not one for this";
    Busy = 10, "a directory that cannot be renamed";
    Exist = 20, "exists already";
    Fault = 21, "an address outside of the memory";
    Fbig = 22, "larger than a file can be";
    Ilseq = 25, "not UTF-8";
    Inval = 28, "an argument that makes no sense";
    Isdir = 31, "a directory";
    Loop = 32, "too many symlinks, or one that was not to be followed";
    Mfile = 33, "too many open descriptors";
    Nametoolong = 37, "a name or path that is too long";
    Noent = 44, "no such entry";
    Nospc = 51, "past the limit of what the run may write";
    Nosys = 52, "there is no such thing here";
    Notdir = 54, "not a directory";
    Notempty = 55, "a directory that is not empty";
    Notsock = 57, "not a socket";
    Notsup = 58, "not supported";
    Overflow = 61, "a number that does not fit";
    Perm = 63, "not permitted; a path that leaves its directory";
    Spipe = 70, "a stream has no position";
}

impl Errno {
    /// The number that the guest sees.
    #[must_use]
    pub const fn number(self) -> u16 {
        self as u16
    }
}

impl fmt::Display for Errno {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(self.text())
    }
}
