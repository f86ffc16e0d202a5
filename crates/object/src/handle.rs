use core::fmt;
use core::str::FromStr;

use alloc::string::ToString;

use crate::{DecodeError, Facts, FootprintEstimate, Tree};

/// 32 bytes that name some content and say what the name is for.
///
/// Equal content under equal use has an equal handle, everywhere. Handles are
/// ordered by their bytes. See the [crate documentation](crate) for the
/// concepts and `docs/object.md` for the layout.
#[derive(Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct Handle([u8; 32]);

/// What a [`Handle`] is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum Kind {
    /// An accessible byte string; a literal is always one.
    Blob,
    /// An accessible sequence of handles.
    Tree,
    /// An accessible mark `[procedure, target, data]` that only an application
    /// of `procedure` can have made.
    Tag,
    /// A Blob's kind and length without its content.
    BlobRef,
    /// A Tree's kind and length without its content.
    TreeRef,
    /// A Tag's kind without its content.
    TagRef,
    /// The Thunk that applies a Tree `[limits, procedure, argument...]`.
    Application,
    /// The Thunk that evaluates to a piece of data.
    Identification,
    /// The Thunk that takes a part of something large; see [`crate::Selection`].
    Selection,
    /// An Encode that asks for a Thunk's result, accessible and evaluated.
    Strict,
    /// An Encode that asks for a Ref to a Thunk's result.
    Shallow,
}

impl Kind {
    /// Blob, Tree or Tag, Object or Ref.
    #[inline]
    #[must_use]
    pub const fn is_data(self) -> bool {
        !self.is_thunk() && !self.is_encode()
    }

    /// Data whose content the holder may read.
    #[inline]
    #[must_use]
    pub const fn is_object(self) -> bool {
        matches!(self, Self::Blob | Self::Tree | Self::Tag)
    }

    /// Data whose content the holder may not read.
    #[inline]
    #[must_use]
    pub const fn is_ref(self) -> bool {
        matches!(self, Self::BlobRef | Self::TreeRef | Self::TagRef)
    }

    /// A computation not yet evaluated.
    #[inline]
    #[must_use]
    pub const fn is_thunk(self) -> bool {
        matches!(self, Self::Application | Self::Identification | Self::Selection)
    }

    /// A request for the result of a Thunk.
    #[inline]
    #[must_use]
    pub const fn is_encode(self) -> bool {
        matches!(self, Self::Strict | Self::Shallow)
    }

    /// The number by which guests and the digests of selections know a kind.
    /// They do not tell the sorts of Thunk apart.
    #[must_use]
    pub const fn number(self) -> u8 {
        match self {
            Self::Blob => 0,
            Self::Tree => 1,
            Self::BlobRef => 2,
            Self::TreeRef => 3,
            Self::Application | Self::Identification | Self::Selection => 4,
            Self::Strict => 5,
            Self::Shallow => 6,
            Self::Tag => 7,
            Self::TagRef => 8,
        }
    }

    /// The name used in output and errors.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::Blob => "blob",
            Self::Tree => "tree",
            Self::Tag => "tag",
            Self::BlobRef => "blob ref",
            Self::TreeRef => "tree ref",
            Self::TagRef => "tag ref",
            Self::Application => "application",
            Self::Identification => "identification",
            Self::Selection => "selection",
            Self::Strict => "strict",
            Self::Shallow => "shallow",
        }
    }
}

impl fmt::Display for Kind {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(self.name())
    }
}

// The published keys. Blobs are hashed with plain BLAKE3, so that `b3sum`
// agrees; Trees and Tags under keys of their own, so that the content of one
// sort can never pass for another. A Tag's content under the Tag key therefore
// exists only where an application made it.
const TREE_KEY: &[u8; 32] = b"weft/1 tree\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0";
const TAG_KEY: &[u8; 32] = b"weft/1 tag\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0";

const DIGEST: usize = 24;
const FACTS: usize = 30;
const TYPE: usize = 31;

// The type byte, from its lowest bits.
const BASE: u8 = 0b0000_0011;
const LITERAL: u8 = 0;
const BLOB: u8 = 1;
const TREE: u8 = 2;
const TAG: u8 = 3;
const REF: u8 = 0b0000_0100;
const THUNK: u8 = 0b0001_1000;
const APPLICATION: u8 = 0b0000_1000;
const IDENTIFICATION: u8 = 0b0001_0000;
const SELECTION: u8 = 0b0001_1000;
const ENCODE: u8 = 0b0110_0000;
const STRICT: u8 = 0b0010_0000;
const SHALLOW: u8 = 0b0100_0000;

// The rules ask of each handle many times: comparing bits was 230 of the 6,700
// instructions that evaluating a small application took.
static KINDS: [Kind; 256] = {
    let mut kinds = [Kind::Blob; 256];
    let mut byte = 0;
    while byte < 256 {
        kinds[byte] = kind_of(byte as u8);
        byte += 1;
    }
    kinds
};

const fn kind_of(byte: u8) -> Kind {
    match byte & ENCODE {
        STRICT => return Kind::Strict,
        SHALLOW => return Kind::Shallow,
        _ => {}
    }
    match byte & THUNK {
        APPLICATION => return Kind::Application,
        IDENTIFICATION => return Kind::Identification,
        SELECTION => return Kind::Selection,
        _ => {}
    }
    match (byte & BASE, byte & REF != 0) {
        (LITERAL | BLOB, false) => Kind::Blob,
        (LITERAL | BLOB, true) => Kind::BlobRef,
        (TREE, false) => Kind::Tree,
        (TREE, true) => Kind::TreeRef,
        (_, false) => Kind::Tag,
        (_, true) => Kind::TagRef,
    }
}

impl Handle {
    /// The most bytes that a literal holds.
    pub const LITERAL_MAX: usize = 30;

    /// The Blob of no bytes.
    pub const EMPTY: Self = Self([0; 32]);

    /// The most bytes of a Blob, or entries of a Tree.
    pub const LENGTH_MAX: u64 = (1 << 48) - 1;

    /// The Blob of these bytes: a literal if they fit, named by digest if not.
    #[must_use]
    pub fn of_blob(bytes: &[u8]) -> Self {
        Self::literal(bytes).unwrap_or_else(|| {
            let digest = blake3::hash(bytes);
            Self::hashed(digest.as_bytes(), bytes.len() as u64, Facts::default(), BLOB)
        })
    }

    /// The Blob of `length` bytes whose BLAKE3 digest is known already, as when
    /// a file was hashed as a stream. `None` where the Blob must be a literal
    /// or is longer than [`Handle::LENGTH_MAX`].
    #[must_use]
    pub fn of_blob_digest(digest: &[u8; 32], length: u64) -> Option<Self> {
        (length > Self::LITERAL_MAX as u64 && length <= Self::LENGTH_MAX)
            .then(|| Self::hashed(digest, length, Facts::default(), BLOB))
    }

    /// The literal Blob of these bytes, if there are few enough.
    #[inline]
    #[must_use]
    pub fn literal(bytes: &[u8]) -> Option<Self> {
        if bytes.len() > Self::LITERAL_MAX {
            return None;
        }
        let mut raw = [0; 32];
        raw[..bytes.len()].copy_from_slice(bytes);
        raw[FACTS] = bytes.len() as u8;
        raw[TYPE] = LITERAL;
        Some(Self(raw))
    }

    /// The literal Blob of a number's eight little-endian bytes.
    #[inline]
    #[must_use]
    pub fn of_u64(value: u64) -> Self {
        let mut raw = [0; 32];
        raw[..8].copy_from_slice(&value.to_le_bytes());
        raw[FACTS] = 8;
        Self(raw)
    }

    /// The Tree of these entries.
    #[must_use]
    pub fn of_tree(entries: &[Self]) -> Self {
        Self::of_entries(entries, TREE_KEY, TREE)
    }

    /// The Tag `[procedure, target, data]`. Naming one makes none: its content
    /// is stored only by whoever performed the application that made it.
    #[must_use]
    pub fn of_tag(entries: &[Self; 3]) -> Self {
        Self::of_entries(entries, TAG_KEY, TAG)
    }

    fn of_entries(entries: &[Self], key: &[u8; 32], base: u8) -> Self {
        // Few entries are hashed from one buffer: BLAKE3 is fastest on a slice.
        const FEW: usize = 8;
        let digest = if entries.len() <= FEW {
            let mut buffer = [0; 32 * FEW];
            for (slot, entry) in buffer.chunks_exact_mut(32).zip(entries) {
                slot.copy_from_slice(&entry.0);
            }
            blake3::keyed_hash(key, &buffer[..32 * entries.len()])
        } else {
            let mut hasher = blake3::Hasher::new_keyed(key);
            let mut buffer = [0; 32 * 128];
            for group in entries.chunks(128) {
                for (slot, entry) in buffer.chunks_exact_mut(32).zip(group) {
                    slot.copy_from_slice(&entry.0);
                }
                hasher.update(&buffer[..32 * group.len()]);
            }
            hasher.finalize()
        };
        let facts = Facts::of_entries(entries);
        Self::hashed(digest.as_bytes(), entries.len() as u64, facts, base)
    }

    #[inline]
    fn hashed(digest: &[u8; 32], length: u64, facts: Facts, base: u8) -> Self {
        debug_assert!(length <= Self::LENGTH_MAX);
        let mut raw = [0; 32];
        raw[..DIGEST].copy_from_slice(&digest[..DIGEST]);
        raw[DIGEST..FACTS].copy_from_slice(&length.to_le_bytes()[..6]);
        raw[FACTS] = facts.byte();
        raw[TYPE] = base;
        Self(raw)
    }

    /// Decodes a handle, refusing every form but the canonical one.
    ///
    /// # Errors
    /// Says which rule of `docs/object.md` the bytes break.
    pub fn decode(raw: &[u8; 32]) -> Result<Self, DecodeError> {
        let handle = Self(*raw);
        let byte = raw[TYPE];
        let unknown = Err(DecodeError::UnknownType(byte));
        let (base, is_ref) = (byte & BASE, byte & REF != 0);
        match byte & THUNK {
            0 if byte & ENCODE != 0 => return unknown,
            APPLICATION | SELECTION if base != TREE || is_ref => return unknown,
            _ => {}
        }
        if byte & 0x80 != 0 || byte & ENCODE == ENCODE || (base == LITERAL && is_ref) {
            return unknown;
        }
        let length = handle.base_length();
        match base {
            LITERAL => {
                let len = usize::from(raw[FACTS]);
                if len > Self::LITERAL_MAX {
                    return Err(DecodeError::LiteralLength(raw[FACTS]));
                }
                if raw[len..FACTS].iter().any(|&b| b != 0) {
                    return Err(DecodeError::LiteralPadding);
                }
            }
            BLOB if length <= Self::LITERAL_MAX as u64 => {
                return Err(DecodeError::NotLiteral(length));
            }
            BLOB if raw[FACTS] != 0 => return Err(DecodeError::BlobFacts(raw[FACTS])),
            TAG if length != 3 => return Err(DecodeError::TagLength(length)),
            TAG if handle.facts().has_encode() => return Err(DecodeError::TagEncode),
            _ => {}
        }
        Ok(handle)
    }

    /// The 32 bytes.
    #[inline]
    #[must_use]
    pub const fn as_bytes(&self) -> &[u8; 32] {
        &self.0
    }

    /// What this handle is.
    #[inline]
    #[must_use]
    pub const fn kind(&self) -> Kind {
        KINDS[self.0[TYPE] as usize]
    }

    /// Bytes of a Blob, entries of a Tree; `None` for a Thunk or an Encode,
    /// whose result nobody knows yet.
    #[inline]
    #[must_use]
    pub fn length(&self) -> Option<u64> {
        self.kind().is_data().then(|| self.base_length())
    }

    #[inline]
    fn base_length(&self) -> u64 {
        if self.0[TYPE] & BASE == LITERAL {
            return u64::from(self.0[FACTS]);
        }
        let mut length = [0; 8];
        length[..6].copy_from_slice(&self.0[DIGEST..FACTS]);
        u64::from_le_bytes(length)
    }

    /// The bytes of a literal Blob.
    #[inline]
    #[must_use]
    pub fn literal_bytes(&self) -> Option<&[u8]> {
        (self.0[TYPE] == LITERAL).then(|| &self.0[..usize::from(self.0[FACTS])])
    }

    /// The number in a literal Blob of exactly eight bytes.
    #[inline]
    #[must_use]
    pub fn literal_u64(&self) -> Option<u64> {
        let bytes: [u8; 8] = self.literal_bytes()?.try_into().ok()?;
        Some(u64::from_le_bytes(bytes))
    }

    /// Whether the content lives in the handle, under whatever Thunk or Encode.
    #[inline]
    #[must_use]
    pub const fn is_literal(&self) -> bool {
        self.0[TYPE] & BASE == LITERAL
    }

    /// The facts of the Tree or Tag that this handle is over; of a Blob, none.
    #[inline]
    #[must_use]
    pub const fn facts(&self) -> Facts {
        match self.0[TYPE] & BASE {
            TREE | TAG => Facts::from_byte(self.0[FACTS]),
            _ => Facts::from_byte(0),
        }
    }

    /// Whether this is an Encode, or an Object from which one can be reached
    /// through Objects. A Tag never has one below it.
    #[inline]
    #[must_use]
    pub const fn has_encode(&self) -> bool {
        match self.kind() {
            Kind::Strict | Kind::Shallow => true,
            Kind::Tree | Kind::Tag => self.facts().has_encode(),
            _ => false,
        }
    }

    /// The estimated bytes that come along with this handle: the content of an
    /// Object and what it reaches, nothing for a Ref, Thunk or Encode.
    #[inline]
    #[must_use]
    pub fn footprint_estimate(&self) -> FootprintEstimate {
        match self.kind() {
            Kind::Blob if !self.is_literal() => FootprintEstimate::of_bytes(self.base_length()),
            Kind::Tree | Kind::Tag => self.facts().footprint_estimate(),
            _ => FootprintEstimate::ZERO,
        }
    }

    /// The same name for another use.
    // A copy rather than `mut self`: rust-lang/rust#155241 lets a closure that
    // passes its argument on to such a parameter change the caller's value.
    #[inline]
    const fn retyped(self, byte: u8) -> Self {
        // The last word as a whole: a byte that was just written makes whoever
        // reads it as part of more wait for it.
        let mut raw = self.0;
        let Some((_, last)) = raw.split_last_chunk_mut::<8>() else { return self };
        let word = u64::from_le_bytes(*last) & (u64::MAX >> 8);
        *last = (word | (byte as u64) << 56).to_le_bytes();
        Self(raw)
    }

    /// This data made accessible; `None` for a Thunk or an Encode.
    #[inline]
    #[must_use]
    pub const fn lift(self) -> Option<Self> {
        if !self.kind().is_data() {
            return None;
        }
        Some(self.retyped(self.0[TYPE] & !REF))
    }

    /// This data made a Ref, a literal left as it is; `None` for a Thunk or an
    /// Encode.
    #[inline]
    #[must_use]
    pub const fn lower(self) -> Option<Self> {
        if !self.kind().is_data() {
            return None;
        }
        match self.is_literal() {
            true => Some(self),
            false => Some(self.retyped(self.0[TYPE] | REF)),
        }
    }

    /// The Object whose content this handle is over: of a Ref, of the Tree that
    /// defines a Thunk, of the data that an identification names, through any
    /// Encode. What a store keeps content under.
    #[inline]
    #[must_use]
    pub const fn content(self) -> Self {
        self.retyped(self.0[TYPE] & BASE)
    }

    /// The Thunk that applies an accessible Tree; `None` for anything else.
    #[inline]
    #[must_use]
    pub const fn application(self) -> Option<Self> {
        match self.kind() {
            Kind::Tree => Some(self.retyped(self.0[TYPE] | APPLICATION)),
            _ => None,
        }
    }

    /// Whether this is a Thunk that applies a Tree in which there is nothing to evaluate:
    /// what it comes to is known by the relation of that Tree, unless it is a tail call.
    #[inline]
    #[must_use]
    pub const fn is_plain_application(&self) -> bool {
        matches!(self.kind(), Kind::Application) && !self.facts().has_encode()
    }

    /// The Thunk that evaluates to this data; `None` for anything else.
    #[inline]
    #[must_use]
    pub const fn identification(self) -> Option<Self> {
        if !self.kind().is_data() {
            return None;
        }
        Some(self.retyped(self.0[TYPE] | IDENTIFICATION))
    }

    /// The Thunk that selects as an accessible Tree says (see
    /// [`crate::Selection`]); `None` for anything else.
    #[inline]
    #[must_use]
    pub const fn selection(self) -> Option<Self> {
        match self.kind() {
            Kind::Tree => Some(self.retyped(self.0[TYPE] | SELECTION)),
            _ => None,
        }
    }

    /// The Encode that asks for a Thunk's result in full; `None` for what is no
    /// Thunk.
    #[inline]
    #[must_use]
    pub const fn strict(self) -> Option<Self> {
        if !self.kind().is_thunk() {
            return None;
        }
        Some(self.retyped(self.0[TYPE] | STRICT))
    }

    /// The Encode that asks for a Ref to a Thunk's result; `None` for what is
    /// no Thunk.
    #[inline]
    #[must_use]
    pub const fn shallow(self) -> Option<Self> {
        if !self.kind().is_thunk() {
            return None;
        }
        Some(self.retyped(self.0[TYPE] | SHALLOW))
    }

    /// The Thunk within an Encode.
    #[inline]
    #[must_use]
    pub const fn thunk(self) -> Option<Self> {
        if !self.kind().is_encode() {
            return None;
        }
        Some(self.retyped(self.0[TYPE] & !ENCODE))
    }

    /// What a Thunk is made of: the Tree of an application or selection, the
    /// data of an identification.
    #[inline]
    #[must_use]
    pub const fn definition(self) -> Option<Self> {
        if !self.kind().is_thunk() {
            return None;
        }
        Some(self.retyped(self.0[TYPE] & !THUNK))
    }

    /// Checks that a Blob's bytes are the content of this handle.
    ///
    /// # Errors
    /// [`DecodeError::Mismatch`] if they are not.
    pub fn check_blob(&self, bytes: &[u8]) -> Result<(), DecodeError> {
        match Self::of_blob(bytes) == self.content() {
            true => Ok(()),
            false => Err(DecodeError::Mismatch),
        }
    }

    /// Decodes a Tree's or Tag's bytes and checks digest, length and facts.
    ///
    /// # Errors
    /// The first entry that is no handle, or [`DecodeError::Mismatch`].
    pub fn check_tree(&self, bytes: &[u8]) -> Result<Tree, DecodeError> {
        let tree = Tree::decode(bytes)?;
        let named = match self.0[TYPE] & BASE {
            TAG => tree.tag_handle(),
            _ => Some(tree.handle()),
        };
        match named == Some(self.content()) {
            true => Ok(tree),
            false => Err(DecodeError::Mismatch),
        }
    }
}

/// 64 lower-case hexadecimal digits, the digest first: of a Blob, the first 48
/// are what `b3sum` begins with.
impl fmt::Display for Handle {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for byte in self.0 {
            write!(f, "{byte:02x}")?;
        }
        Ok(())
    }
}

impl fmt::Debug for Handle {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.literal_bytes() {
            Some(bytes) => write!(f, "{}({:?})", self.kind(), bytes.escape_ascii().to_string()),
            None => write!(f, "{}(#{:.12})", self.kind(), HexPrefix(self)),
        }
    }
}

struct HexPrefix<'a>(&'a Handle);

impl fmt::Display for HexPrefix<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let digits = f.precision().unwrap_or(64);
        self.0.0[..digits / 2].iter().try_for_each(|byte| write!(f, "{byte:02x}"))
    }
}

impl FromStr for Handle {
    type Err = DecodeError;

    fn from_str(text: &str) -> Result<Self, DecodeError> {
        let digits = text.as_bytes();
        if digits.len() != 64 {
            return Err(DecodeError::Length(digits.len()));
        }
        let mut raw = [0; 32];
        for (at, pair) in digits.chunks_exact(2).enumerate() {
            let high = crate::prefix::nibble(pair[0]).ok_or(DecodeError::Digit(2 * at))?;
            let low = crate::prefix::nibble(pair[1]).ok_or(DecodeError::Digit(2 * at + 1))?;
            raw[at] = high << 4 | low;
        }
        Self::decode(&raw)
    }
}

impl TryFrom<&[u8]> for Handle {
    type Error = DecodeError;

    fn try_from(bytes: &[u8]) -> Result<Self, DecodeError> {
        let raw = bytes.try_into().map_err(|_| DecodeError::Length(bytes.len()))?;
        Self::decode(raw)
    }
}
