use weft_object::{Handle, Prefix};

/// A computation as it was written: a form, and where it stood in the text.
///
/// Two expressions are equal if they say the same, wherever it was said.
#[derive(Clone, Debug)]
pub struct Expr {
    /// What is written.
    pub form: Form,
    /// Where. Expressions that were not parsed have an empty span.
    pub span: Span,
}

impl From<Form> for Expr {
    fn from(form: Form) -> Self {
        Self { form, span: Span::default() }
    }
}

impl PartialEq for Expr {
    fn eq(&self, other: &Self) -> bool {
        self.form == other.form
    }
}

impl Eq for Expr {}

/// A range of byte offsets in the source text.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Default)]
pub struct Span {
    /// The first byte.
    pub start: usize,
    /// The byte after the last.
    pub end: usize,
}

/// The forms of the notation.
///
/// Every value of this type can be printed and parsed again, down to
/// [`DEPTH_MAX`](crate::DEPTH_MAX) levels.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum Form {
    /// `[a, b]`: the Tree of these entries.
    Tree(Vec<Expr>),
    /// `closure(f, x)`: the Tree `[f, x...]`, said with intent.
    Closure(Box<Expr>, Vec<Expr>),
    /// `"text"`: a Blob, also of bytes that are not UTF-8 (`"\xff"`).
    Text(Vec<u8>),
    /// `hex"00ff"`: a Blob.
    Hex(Vec<u8>),
    /// `7u64`: a Blob of the number's little-endian bytes.
    Number(Number),
    /// `./path` or `file"path"`: what the caller finds there.
    Path(Vec<u8>),
    /// `@label` or `@"label"`: what the caller has under this name.
    Label(String),
    /// `#` and 64 digits.
    Handle(Handle),
    /// `#` and 4 to 63 digits of the handle of a stored Object.
    Prefix(Prefix),
    /// `apply{limits}(procedure, argument...)`: the application Thunk of
    /// `[limits, procedure, argument...]`.
    Apply(Limits, Box<Expr>, Vec<Expr>),
    /// `application(tree)`: the application Thunk of a Tree given whole.
    Application(Box<Expr>),
    /// `identify(data)`: the Thunk that evaluates to it.
    Identify(Box<Expr>),
    /// `select(target, part)` and `digest(target, from..to)`.
    Select(Box<Expr>, Part),
    /// `selection(tree)`: the selection Thunk of a Tree given whole.
    Selection(Box<Expr>),
    /// `strict(thunk)`: the Encode.
    Strict(Box<Expr>),
    /// `shallow(thunk)`: the Encode.
    Shallow(Box<Expr>),
    /// `ref(data)`: the Ref to it; a literal stays as it is.
    Ref(Box<Expr>),
}

/// A number and how many bytes it takes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[expect(missing_docs, reason = "the names say it")]
pub enum Number {
    U8(u8),
    U16(u16),
    U32(u32),
    U64(u64),
}

impl Number {
    /// The little-endian bytes.
    #[must_use]
    pub fn to_bytes(self) -> Vec<u8> {
        match self {
            Self::U8(value) => vec![value],
            Self::U16(value) => value.to_le_bytes().to_vec(),
            Self::U32(value) => value.to_le_bytes().to_vec(),
            Self::U64(value) => value.to_le_bytes().to_vec(),
        }
    }
}

/// What a selection takes.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Part {
    /// `3`: one entry or byte.
    Entry(u64),
    /// `0..4096`: entries or bytes from the first up to and without the second.
    Range(u64, u64),
    /// `"path/in/it"`: through directories.
    Path(Vec<u8>),
    /// `digest(target, 0..4)`: kind and length of each entry.
    Digest(u64, u64),
}

/// What stands between the braces of `apply{...}`. `None` is the default.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Default)]
pub struct Limits {
    /// The memory limit. Of these, it alone is part of what is computed.
    pub memory_bytes: Option<u64>,
    /// An estimate of the size of the result.
    pub output_bytes: Option<u64>,
    /// An estimate of how many Encodes the result holds.
    pub fanout: Option<u64>,
    /// How many instructions to try before giving no answer.
    pub fuel: Option<u64>,
}

impl Limits {
    /// Whether there is nothing, or nothing but a memory limit: these two have
    /// a shorter encoding than the Tree.
    pub(crate) fn is_memory_only(&self) -> bool {
        self.output_bytes.is_none() && self.fanout.is_none() && self.fuel.is_none()
    }
}
