//! The calls by their names: a part of them has the number of a table or memory.

use wasmparser::{FuncType, ValType};

use crate::check::signature_of;
use crate::rewrite::handles::numbered;

/// The modules that they are imported from.
pub(super) const MODULES: [&str; 2] = ["fixpoint", "fix"];

/// The function that is applied.
pub(super) const EXPORT: &str = "_fixpoint_apply";

/// A memory by the name that it is exported under.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Named {
    Memory,
    ReadOnly(u32),
    ReadWrite(u32),
}

impl Named {
    fn of(name: &str) -> Option<Self> {
        if name == "memory" {
            return Some(Self::Memory);
        }
        let read_only = numbered(name, "ro_mem_").map(Self::ReadOnly);
        read_only.or_else(|| numbered(name, "rw_mem_").map(Self::ReadWrite))
    }
}

/// What is asked of a handle alone.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Question {
    Blob,
    Tree,
    Tag,
    BlobRef,
    TreeRef,
    Value,
    Object,
    Thunk,
    Encode,
    Strict,
    Shallow,
}

/// One function that a module may import.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Call {
    AttachTree(u32),
    AttachBlob(u32),
    AttachedTree(u32),
    AttachedBlob(u32),
    Size(u32),
    DetachBlob(u32),
    DetachTree(u32),
    BlobOf(Named),
    BlobI32,
    BlobI64,
    Nil,
    Application,
    /// The same, whose bare Thunks are asked for.
    Eager,
    Identification,
    Selection,
    /// The same by its definition.
    Defined,
    Range,
    Strict,
    Shallow,
    Tag,
    Lower,
    Length,
    Equal,
    Is(Question),
    ValueType,
    Access,
    Pin,
    Print(Named),
}

/// The names, with 0 for each number, to look for what somebody may have meant.
pub(super) const NAMES: &[&str] = &[
    "attach_tree_ro_table_0",
    "attach_blob_ro_mem_0",
    "get_attached_tree_ro_table_0",
    "get_attached_blob_ro_mem_0",
    "size_ro_mem_0",
    "create_blob_rw_mem_0",
    "create_tree_rw_table_0",
    "create_blob_string_ro_mem_0",
    "create_blob_string_rw_mem_0",
    "create_blob_i32",
    "create_blob_i64",
    "nil",
    "create_application_thunk",
    "create_thunk",
    "create_identification_thunk",
    "create_selection_thunk",
    "create_selection_thunk_range",
    "create_strict_encode",
    "create_shallow_encode",
    "create_tag",
    "lower",
    "get_length",
    "length",
    "is_equal",
    "is_blob",
    "is_tree",
    "is_tag",
    "is_blob_ref",
    "is_tree_ref",
    "is_value",
    "is_object",
    "is_thunk",
    "is_encode",
    "is_strict",
    "is_shallow",
    "get_value_type",
    "value_type",
    "get_access",
    "access",
    "pin",
    "trace",
    "memory_unsafe_io",
    "ro_mem_0_unsafe_io",
    "rw_mem_0_unsafe_io",
];

/// What comes before a number, and what it is the number of.
type Numbered = (&'static str, fn(u32) -> Call);

impl Call {
    /// The call of a name, which may depend on the type that is wanted of it.
    pub(super) fn of(name: &str, params: usize) -> Option<Self> {
        let numbers: [Numbered; 7] = [
            ("attach_tree_ro_table_", Self::AttachTree),
            ("attach_blob_ro_mem_", Self::AttachBlob),
            ("get_attached_tree_ro_table_", Self::AttachedTree),
            ("get_attached_blob_ro_mem_", Self::AttachedBlob),
            ("size_ro_mem_", Self::Size),
            ("create_blob_rw_mem_", Self::DetachBlob),
            ("create_tree_rw_table_", Self::DetachTree),
        ];
        let number = |(prefix, call): Numbered| numbered(name, prefix).map(call);
        if let Some(call) = numbers.into_iter().find_map(number) {
            return Some(call);
        }
        if let Some(memory) = name.strip_prefix("create_blob_string_").and_then(Named::of) {
            return (memory != Named::Memory).then_some(Self::BlobOf(memory));
        }
        if let Some(memory) = name.strip_suffix("_unsafe_io").and_then(Named::of) {
            return Some(Self::Print(memory));
        }
        Some(match name {
            "create_blob_i32" => Self::BlobI32,
            "create_blob_i64" => Self::BlobI64,
            "nil" => Self::Nil,
            "create_application_thunk" => Self::Application,
            "create_thunk" => Self::Eager,
            "create_identification_thunk" => Self::Identification,
            "create_selection_thunk" if params == 1 => Self::Defined,
            "create_selection_thunk" => Self::Selection,
            "create_selection_thunk_range" => Self::Range,
            "create_strict_encode" => Self::Strict,
            "create_shallow_encode" => Self::Shallow,
            "create_tag" => Self::Tag,
            "lower" => Self::Lower,
            "get_length" | "length" => Self::Length,
            "is_equal" => Self::Equal,
            "is_blob" => Self::Is(Question::Blob),
            "is_tree" => Self::Is(Question::Tree),
            "is_tag" => Self::Is(Question::Tag),
            "is_blob_ref" => Self::Is(Question::BlobRef),
            "is_tree_ref" => Self::Is(Question::TreeRef),
            "is_value" => Self::Is(Question::Value),
            "is_object" => Self::Is(Question::Object),
            "is_thunk" => Self::Is(Question::Thunk),
            "is_encode" => Self::Is(Question::Encode),
            "is_strict" => Self::Is(Question::Strict),
            "is_shallow" => Self::Is(Question::Shallow),
            "get_value_type" | "value_type" => Self::ValueType,
            "get_access" | "access" => Self::Access,
            "pin" | "trace" => Self::Pin,
            _ => return None,
        })
    }

    /// Its type.
    pub(super) fn ty(self) -> FuncType {
        use ValType::{I32, I64};
        const H: ValType = ValType::EXTERNREF;
        let (params, result): (&[ValType], Option<ValType>) = match self {
            Self::AttachTree(_) | Self::AttachBlob(_) => (&[H], None),
            Self::AttachedTree(_) | Self::AttachedBlob(_) | Self::Nil => (&[], Some(H)),
            Self::Size(_) => (&[], Some(I32)),
            Self::DetachBlob(_) | Self::DetachTree(_) | Self::BlobI32 => (&[I32], Some(H)),
            Self::BlobI64 => (&[I64], Some(H)),
            Self::BlobOf(_) => (&[I32, I32], Some(H)),
            Self::Application
            | Self::Eager
            | Self::Identification
            | Self::Defined
            | Self::Strict
            | Self::Shallow
            | Self::Lower => (&[H], Some(H)),
            Self::Selection => (&[H, I32], Some(H)),
            Self::Range => (&[H, I32, I32], Some(H)),
            Self::Tag => (&[H, H], Some(H)),
            Self::Length | Self::Is(_) | Self::ValueType | Self::Access => (&[H], Some(I32)),
            Self::Equal | Self::Pin => (&[H, H], Some(I32)),
            Self::Print(_) => (&[I32, I32], None),
        };
        FuncType::new(params.iter().copied(), result)
    }

    pub(super) fn signature(self) -> String {
        signature_of(&self.ty())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_name_that_is_told_is_a_call() {
        for name in NAMES {
            assert!(Call::of(name, 2).is_some(), "{name}");
        }
        assert_eq!(Call::of("attach_tree_ro_table_17", 1), Some(Call::AttachTree(17)));
        for none in ["attach_tree_ro_table_", "attach_tree_ro_table_01", "size_ro_mem_-1", "size"] {
            assert_eq!(Call::of(none, 1), None, "{none}");
        }
    }
}
