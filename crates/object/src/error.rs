use core::fmt;

/// Why some bytes are not a handle, or not the content of one.
///
/// Decoding accepts one form only, so that equal things have equal bytes
/// wherever they come from.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum DecodeError {
    /// The text or byte string has the wrong length; holds the length found.
    Length(usize),
    /// A character that is not a lower-case hexadecimal digit, at this offset.
    Digit(usize),
    /// The type byte is not one of `docs/object.md`.
    UnknownType(u8),
    /// A literal claims more than [`crate::Handle::LITERAL_MAX`] bytes.
    LiteralLength(u8),
    /// A literal's unused bytes are not zero.
    LiteralPadding,
    /// A hashed Blob of so few bytes that it must be a literal.
    NotLiteral(u64),
    /// A Blob carries facts; only Trees and Tags have any.
    BlobFacts(u8),
    /// A Tag whose length is not three; holds the length.
    TagLength(u64),
    /// A Tag that claims an Encode below it, which none has.
    TagEncode,
    /// The content of a Tree or Tag is not a whole number of handles.
    TreeBytes(usize),
    /// The content does not have the digest, length or facts of its handle.
    Mismatch,
}

impl fmt::Display for DecodeError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Length(n) => write!(f, "a handle is 32 bytes or 64 hex digits, not {n}"),
            Self::Digit(at) => write!(f, "not a lower-case hex digit at offset {at}"),
            Self::UnknownType(byte) => {
                write!(f, "unknown handle type {byte:#04x}; it may come from a newer version")
            }
            Self::LiteralLength(n) => write!(f, "a literal holds at most 30 bytes, not {n}"),
            Self::LiteralPadding => write!(f, "a literal's unused bytes must be zero"),
            Self::NotLiteral(n) => write!(f, "a blob of {n} bytes must be a literal"),
            Self::BlobFacts(byte) => write!(f, "a blob has no facts, found {byte:#04x}"),
            Self::TagLength(n) => write!(f, "a tag has 3 entries, not {n}"),
            Self::TagEncode => write!(f, "no encode can be reached from a tag"),
            Self::TreeBytes(n) => write!(f, "a tree is a multiple of 32 bytes, not {n}"),
            Self::Mismatch => write!(f, "the content does not match its handle"),
        }
    }
}

impl core::error::Error for DecodeError {}
