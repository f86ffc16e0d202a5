use core::fmt;

use crate::Handle;

/// The first hex digits of a handle, as a person types them.
///
/// A prefix speaks of stored content, so it is matched against the names of
/// Objects; a Ref, Thunk or Encode over the same content has the same digest
/// and is written around it. How many digits name one thing alone depends on
/// what else a store holds, as in git.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Prefix {
    low: [u8; 32],
    digits: usize,
}

/// Why some text is no prefix.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum PrefixError {
    /// Fewer than [`Prefix::DIGITS_MIN`] digits; holds how many.
    TooShort(usize),
    /// More than 64 digits; holds how many.
    TooLong(usize),
    /// A character that is not a lower-case hexadecimal digit, at this offset.
    Digit(usize),
}

impl fmt::Display for PrefixError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::TooShort(n) => write!(f, "a handle prefix needs at least 4 digits, not {n}"),
            Self::TooLong(n) => write!(f, "a handle has 64 digits, not {n}"),
            Self::Digit(at) => write!(f, "not a lower-case hex digit at offset {at}"),
        }
    }
}

impl core::error::Error for PrefixError {}

pub(crate) const fn nibble(digit: u8) -> Option<u8> {
    match digit {
        b'0'..=b'9' => Some(digit - b'0'),
        b'a'..=b'f' => Some(digit - b'a' + 10),
        _ => None,
    }
}

impl Prefix {
    /// The fewest digits that are taken for a prefix.
    pub const DIGITS_MIN: usize = 4;

    /// Reads 4 to 64 lower-case hex digits.
    ///
    /// # Errors
    /// Too few, too many, or something else than digits.
    pub fn parse(text: &str) -> Result<Self, PrefixError> {
        let mut low = [0; 32];
        let digits = text.len();
        if digits > 64 {
            return Err(PrefixError::TooLong(digits));
        }
        for (at, digit) in text.bytes().enumerate() {
            let value = nibble(digit).ok_or(PrefixError::Digit(at))?;
            low[at / 2] |= if at % 2 == 0 { value << 4 } else { value };
        }
        if digits < Self::DIGITS_MIN {
            return Err(PrefixError::TooShort(digits));
        }
        Ok(Self { low, digits })
    }

    /// How many digits were given.
    #[must_use]
    pub const fn digits(&self) -> usize {
        self.digits
    }

    /// The lowest 32 bytes with this prefix: where a search in sorted names
    /// begins.
    #[must_use]
    pub const fn low(&self) -> &[u8; 32] {
        &self.low
    }

    /// Whether a handle's bytes begin with these digits.
    #[must_use]
    pub fn matches(&self, handle: &Handle) -> bool {
        let raw = handle.as_bytes();
        let whole = self.digits / 2;
        raw[..whole] == self.low[..whole]
            && (self.digits.is_multiple_of(2) || raw[whole] & 0xf0 == self.low[whole])
    }
}
