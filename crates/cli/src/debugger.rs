//! Finding a debugger and starting this program under it.

use std::env;
use std::ffi::{OsStr, OsString};
use std::os::unix::ffi::OsStrExt;
use std::os::unix::process::CommandExt;
use std::path::{Path, PathBuf};
use std::process::Command;

use crate::exit::Exit;

/// The debuggers that understand what wasmtime tells them of compiled code, and
/// how they are told to stop where the function begins: it is there only once
/// it is compiled. Its name ends in `weft_apply`, behind that of a crate if it
/// was written in Rust.
const KNOWN: [(&str, &[&str]); 2] = [
    (
        "gdb",
        &[
            "-q",
            "-ex",
            "set breakpoint pending on",
            "-ex",
            "tbreak __jit_debug_register_code",
            "-ex",
            "run",
            "-ex",
            "finish",
            "-ex",
            "rbreak weft_apply$",
            "-ex",
            "continue",
            "--args",
        ],
    ),
    (
        "lldb",
        &[
            "-o",
            "settings set plugin.jit-loader.gdb.enable on",
            "-o",
            "breakpoint set --name weft_apply",
            "-o",
            "run",
            "--",
        ],
    ),
];

/// Becomes a debugger that runs this program with these arguments and stops
/// where the function begins.
///
/// # Errors
/// There is none; the text says what to type where there is one.
pub(crate) fn become_debugger(arguments: &[OsString]) -> Exit {
    let program = env::current_exe().unwrap_or_else(|_| PathBuf::from("weft"));
    for (name, before) in KNOWN {
        let Some(debugger) = found(name) else { continue };
        let error = Command::new(&debugger).args(before).arg(&program).args(arguments).exec();
        return Exit::other(format!("cannot start {}: {error}", debugger.display()));
    }
    let (name, before) = KNOWN[0];
    let words = [&name].into_iter().chain(before).map(OsString::from).chain([program.into()]);
    let line: Vec<String> =
        words.chain(arguments.iter().cloned()).map(|word| quoted(&word)).collect();
    Exit::other(format!(
        "there is neither gdb nor lldb; install one, or type this where one is: {}",
        line.join(" ")
    ))
}

fn found(name: &str) -> Option<PathBuf> {
    let paths = env::var_os("PATH")?;
    env::split_paths(&paths).map(|directory| directory.join(name)).find(|path| is_program(path))
}

fn is_program(path: &Path) -> bool {
    use std::os::unix::fs::PermissionsExt;
    path.metadata().is_ok_and(|found| found.is_file() && found.permissions().mode() & 0o111 != 0)
}

/// As a shell takes it.
fn quoted(word: &OsStr) -> String {
    let text = String::from_utf8_lossy(word.as_bytes());
    let plain = |c: char| c.is_ascii_alphanumeric() || "-_./=".contains(c);
    match !text.is_empty() && text.chars().all(plain) {
        true => text.into_owned(),
        false => format!("'{}'", text.replace('\'', "'\\''")),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn words_are_quoted_as_a_shell_takes_them() {
        assert_eq!(quoted(OsStr::new("-ex")), "-ex");
        assert_eq!(quoted(OsStr::new("break it's")), "'break it'\\''s'");
        assert_eq!(quoted(OsStr::new("#12")), "'#12'");
    }
}
