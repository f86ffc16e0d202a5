use std::env;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

use crate::world::{Ran, WEFT, World, ran};

/// Lines of `name=path`: what was fetched, programs and directories of packages.
const FETCHED: &str = "WEFT_REAL";

/// Where compiled programs are kept from one run of the tests to the next: the
/// largest takes minutes.
const CACHE: &str = "WEFT_REAL_CACHE";

/// A program that was fetched, and a world to run it in.
pub(crate) struct Program {
    pub(crate) path: PathBuf,
    pub(crate) world: World,
}

/// `None`, told as a skip, where it was not fetched.
pub(crate) fn program(name: &str) -> Option<Program> {
    let path = fetched(name);
    if path.is_none() {
        println!("skipped: {name} was not fetched; `cargo xtask test` fetches it");
    }
    let world = World::new();
    Some(Program { path: path?, world })
}

/// A program or the directory of a package.
pub(crate) fn fetched(name: &str) -> Option<PathBuf> {
    let lines = env::var(FETCHED).unwrap_or_default();
    let path = lines.lines().find_map(|line| line.strip_prefix(name)?.strip_prefix('='))?;
    assert!(Path::new(path).exists(), "{path}");
    Some(path.into())
}

impl Program {
    /// `weft run FLAGS PROGRAM -- ARGUMENTS`.
    #[track_caller]
    pub(crate) fn run(&self, flags: &[&str], arguments: &[&str]) -> Ran {
        self.run_other(&self.path, flags, arguments)
    }

    /// The same of another program.
    pub(crate) fn run_other(&self, program: &Path, flags: &[&str], arguments: &[&str]) -> Ran {
        let mut command = self.command();
        command.args(["run", "--quiet", "--memory", "4GiB"]).args(flags).arg(program).arg("--");
        ran(command.args(arguments).stdin(Stdio::null()).output().unwrap())
    }

    /// Makes an image of it.
    pub(crate) fn image(&self, flags: &[&str]) -> Ran {
        let path = self.path.to_string_lossy();
        self.weft(&[&["image", "--quiet", &path][..], flags].concat())
    }

    /// A command of `weft`.
    pub(crate) fn weft(&self, arguments: &[&str]) -> Ran {
        ran(self.command().args(arguments).stdin(Stdio::null()).output().unwrap())
    }

    /// `weft`, with what is compiled already.
    pub(crate) fn command(&self) -> Command {
        let mut command = self.world.command(WEFT);
        if let Some(cache) = env::var_os(CACHE) {
            command.env("XDG_CACHE_HOME", Path::new(&cache).join("compiled"));
        }
        command
    }

    pub(crate) fn read(&self, name: &str) -> String {
        std::fs::read_to_string(self.world.path(name)).unwrap()
    }

    /// How many relations the store has.
    pub(crate) fn relations(&self) -> u64 {
        let stat = self.world.weft(["stat", "-o", "json"]);
        let stat: serde_json::Value = serde_json::from_str(stat.text()).unwrap();
        stat["relations"].as_u64().unwrap()
    }
}
