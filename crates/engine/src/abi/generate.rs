//! What is generated from the [`table`](super::table): the C header, the Rust
//! extern block and the table of the reference page.

use std::fmt::Write;

use super::table::{CALLS, Call, EXPORT, MODULE, Ty};

const NOTE: &str = "Generated from crates/engine/src/abi/table.rs by `cargo xtask guests --abi`";

impl Ty {
    const fn c(self) -> &'static str {
        match self {
            Self::Handle => "weft_handle",
            Self::Address => "const void *",
            Self::AddressOut => "void *",
            Self::Indices => "const weft_handle *",
            Self::IndicesOut => "weft_handle *",
            Self::Size | Self::Count => "uint32_t",
            Self::Position | Self::Number => "uint64_t",
            Self::Answer => "int32_t",
        }
    }

    const fn rust(self) -> &'static str {
        match self {
            Self::Handle => "i32",
            Self::Address => "*const u8",
            Self::AddressOut => "*mut u8",
            Self::Indices => "*const i32",
            Self::IndicesOut => "*mut i32",
            Self::Size | Self::Count => "u32",
            Self::Position | Self::Number => "u64",
            Self::Answer => "i32",
        }
    }
}

impl Call {
    /// The WebAssembly type, in the notation of the text format's comments.
    #[must_use]
    pub fn signature(&self) -> String {
        let params: Vec<_> = self.params.iter().map(|(_, ty)| ty.wasm()).collect();
        let result = self.result.map_or("()", Ty::wasm);
        format!("({}) -> {result}", params.join(", "))
    }

    fn doc(&self) -> String {
        let mut doc = format!("{}.", self.does);
        if !self.traps.is_empty() {
            let _ = write!(doc, " Traps when {}.", self.traps);
        }
        doc
    }
}

fn wrapped(text: &str, prefix: &str) -> String {
    let mut out = String::new();
    let mut line = prefix.to_owned();
    for word in text.split_whitespace() {
        if line.len() + 1 + word.len() > 90 {
            out += line.trim_end();
            out.push('\n');
            line = prefix.to_owned();
        }
        line += word;
        line.push(' ');
    }
    out += line.trim_end();
    out.push('\n');
    out
}

/// `guests/include/weft.h`.
#[must_use]
pub fn c_header() -> String {
    let mut out = format!("// {NOTE}; do not edit.\n");
    out += "// What each function does, in full: docs/abi.md\n\n";
    out += "#ifndef WEFT_H\n#define WEFT_H\n\n#include <stdint.h>\n\n";
    out += "// An index into the table of handles of this one invocation.\n";
    out += "typedef int32_t weft_handle;\n\n";
    out += "// What a module defines: the application in, the result out.\n";
    let _ = writeln!(
        out,
        "__attribute__((export_name(\"{EXPORT}\"))) weft_handle {EXPORT}(weft_handle application);\n"
    );
    for call in CALLS {
        out += &wrapped(&call.doc(), "// ");
        let params: Vec<_> = call
            .params
            .iter()
            .map(|(name, ty)| {
                let space = if ty.c().ends_with('*') { "" } else { " " };
                format!("{}{space}{name}", ty.c())
            })
            .collect();
        let never = if call.name == "fail" { ", noreturn" } else { "" };
        let _ = writeln!(
            out,
            "__attribute__((import_module(\"{MODULE}\"), import_name(\"{}\"){never}))\n{} weft_{}({});\n",
            call.name,
            call.result.map_or("void", Ty::c),
            call.name,
            params.join(", "),
        );
    }
    out + "#endif\n"
}

/// `guests/weft-guest/src/abi.rs`.
#[must_use]
pub fn rust_externs() -> String {
    let mut out = format!("//! {NOTE}; do not edit.\n\n");
    let _ = writeln!(out, "#[link(wasm_import_module = \"{MODULE}\")]\nunsafe extern \"C\" {{");
    for call in CALLS {
        out += &wrapped(&call.doc(), "    /// ");
        let params: Vec<_> =
            call.params.iter().map(|(name, ty)| format!("{name}: {}", ty.rust())).collect();
        let result = match (call.name, call.result) {
            ("fail", _) => " -> !".to_owned(),
            (_, Some(ty)) => format!(" -> {}", ty.rust()),
            (_, None) => String::new(),
        };
        let _ = writeln!(out, "    pub fn {}({}){result};", call.name, params.join(", "));
    }
    out + "}\n"
}

/// The table between the markers of `docs/abi.md`.
#[must_use]
pub fn reference_table() -> String {
    let mut out = String::from("| import | type | does | traps when |\n|---|---|---|---|\n");
    for call in CALLS {
        let names: Vec<_> = call.params.iter().map(|(name, _)| *name).collect();
        let _ = writeln!(
            out,
            "| `{}({})` | `{}` | {} | {} |",
            call.name,
            names.join(", "),
            call.signature(),
            call.does,
            call.traps,
        );
    }
    out
}

/// Where the table begins and ends in `docs/abi.md`.
pub const MARKERS: [&str; 2] =
    ["<!-- begin generated table -->\n", "<!-- end generated table -->\n"];

/// The reference page with its table replaced by the current one; `None` where
/// a marker is missing.
#[must_use]
pub fn reference_page(page: &str) -> Option<String> {
    let (before, rest) = page.split_once(MARKERS[0])?;
    let (_, after) = rest.split_once(MARKERS[1])?;
    Some(format!("{before}{}{}{}{after}", MARKERS[0], reference_table(), MARKERS[1]))
}
