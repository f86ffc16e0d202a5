//! Programs that people use, from where `cargo xtask real` keeps them, and what
//! runs them.

use std::env;
use std::fs;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::time::Instant;

use wasmtime::Module;

use crate::Result;
use crate::plain::{engine, is_there};

/// A program, or the directory of a package.
pub(crate) fn path(name: &str) -> Result<PathBuf> {
    let mut command = Command::new(env::var_os("CARGO").unwrap_or_else(|| "cargo".into()));
    command.args(["xtask", "real", "--path", name]).current_dir(root());
    // Cargo has set what is this workspace's.
    command.env_remove("CARGO_MANIFEST_DIR").env_remove("CARGO_MANIFEST_PATH");
    let output = command.stderr(Stdio::inherit()).output()?;
    match output.status.success() {
        true => Ok(String::from_utf8(output.stdout)?.trim_end().into()),
        false => Err(format!("{name} is not there; `cargo xtask real {name}` fetches it").into()),
    }
}

pub(crate) fn root() -> &'static Path {
    Path::new(env!("CARGO_MANIFEST_DIR")).parent().unwrap_or(Path::new("."))
}

/// The program compiled by plain wasmtime: kept beside this one, for the next
/// time.
pub(crate) fn compiled(name: &str, program: &Path) -> Result<PathBuf> {
    let length = fs::metadata(program)?.len();
    let kept = env::current_exe()?.with_file_name(format!("{name}-{length}.cwasm"));
    if !is_there(&kept) {
        eprintln!("{name}: plain wasmtime compiles {}", program.display());
        fs::write(&kept, Module::from_file(&engine()?, program)?.serialize()?)?;
    }
    Ok(kept)
}

/// A directory that goes when this does.
pub(crate) struct Scratch(PathBuf);

impl Scratch {
    pub(crate) fn new() -> Result<Self> {
        let path = env::temp_dir().join(format!("weft-peers-{}", std::process::id()));
        fs::create_dir_all(&path)?;
        Ok(Self(path))
    }

    pub(crate) fn path(&self) -> &Path {
        &self.0
    }

    /// A command that runs here and says nothing unless it goes wrong.
    pub(crate) fn command(&self, program: &Path) -> Command {
        let mut command = Command::new(program);
        command.current_dir(&self.0).stdin(Stdio::null()).stdout(Stdio::null());
        command
    }
}

impl Drop for Scratch {
    fn drop(&mut self) {
        let _ = fs::remove_dir_all(&self.0);
    }
}

/// How many milliseconds a command takes that has to go well.
pub(crate) fn ended(command: &mut Command) -> Result<f64> {
    let start = Instant::now();
    let status = command.status()?;
    let took = start.elapsed().as_secs_f64() * 1e3;
    match status.success() {
        true => Ok(took),
        false => Err(format!("{command:?}: {status}").into()),
    }
}
