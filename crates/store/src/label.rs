use std::fmt;
use std::str::FromStr;

/// A name that a person gave to a handle.
///
/// 1 to 128 bytes of ASCII: letters, digits, `_`, `-`, `.`, in parts joined by
/// `/`. A part begins with a letter, a digit or `_`. And nothing that could be
/// taken for a handle or for its first digits (lower-case hex only, four or
/// more): where a command takes either, a label never hides a handle.
#[derive(Clone, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct Label(Box<str>);

/// Why some text is no label.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum LabelError {
    /// Empty, or longer than [`Label::LENGTH_MAX`].
    Length(usize),
    /// A character that is not allowed, or not at this offset.
    Character(usize),
    /// It could be the beginning of a handle.
    LooksLikeHandle,
}

impl fmt::Display for LabelError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Length(0) => write!(f, "a label cannot be empty"),
            Self::Length(n) => write!(f, "a label has at most 128 bytes, not {n}"),
            Self::Character(at) => write!(
                f,
                "not a label at offset {at}; it has letters, digits, `_`, `-`, `.` and single `/`, \
                 and each part begins with a letter, a digit or `_`"
            ),
            Self::LooksLikeHandle => {
                write!(f, "a label of hex digits only could be a handle; add another letter")
            }
        }
    }
}

impl std::error::Error for LabelError {}

impl Label {
    /// The most bytes of a label.
    pub const LENGTH_MAX: usize = 128;

    /// Reads a label.
    ///
    /// # Errors
    /// The first rule that the text breaks.
    pub fn new(text: &str) -> Result<Self, LabelError> {
        if text.is_empty() || text.len() > Self::LENGTH_MAX {
            return Err(LabelError::Length(text.len()));
        }
        let mut begins = true;
        for (at, byte) in text.bytes().enumerate() {
            let word = byte.is_ascii_alphanumeric() || byte == b'_';
            let inside = !begins && matches!(byte, b'-' | b'.' | b'/');
            if !(word || inside) {
                return Err(LabelError::Character(at));
            }
            begins = byte == b'/';
        }
        if begins {
            return Err(LabelError::Character(text.len() - 1));
        }
        let hex = |byte: u8| byte.is_ascii_digit() || matches!(byte, b'a'..=b'f');
        if text.len() >= weft_object::Prefix::DIGITS_MIN && text.bytes().all(hex) {
            return Err(LabelError::LooksLikeHandle);
        }
        Ok(Self(text.into()))
    }

    /// The text.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl fmt::Display for Label {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(&self.0)
    }
}

impl FromStr for Label {
    type Err = LabelError;

    fn from_str(text: &str) -> Result<Self, LabelError> {
        Self::new(text)
    }
}
