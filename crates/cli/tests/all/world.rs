//! A directory to work in, and the program in it.

use std::ffi::OsStr;
use std::io::Write;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Output, Stdio};

use tempfile::TempDir;

pub(crate) const WEFT: &str = env!("CARGO_BIN_EXE_weft");

pub(crate) struct World {
    dir: TempDir,
}

/// What a command came to.
#[derive(Debug)]
pub(crate) struct Ran {
    pub(crate) code: Option<i32>,
    pub(crate) stdout: Vec<u8>,
    pub(crate) stderr: String,
}

impl World {
    /// Without a store.
    pub(crate) fn bare() -> Self {
        let dir = tempfile::Builder::new().prefix("weft-cli-").tempdir().unwrap();
        Self { dir }
    }

    /// With one.
    pub(crate) fn new() -> Self {
        let world = Self::bare();
        world.weft(["init"]).ok();
        world
    }

    pub(crate) fn path(&self, name: impl AsRef<Path>) -> PathBuf {
        self.dir.path().join(name)
    }

    pub(crate) fn write(&self, name: impl AsRef<Path>, bytes: impl AsRef<[u8]>) -> PathBuf {
        let path = self.path(name);
        std::fs::create_dir_all(path.parent().unwrap()).unwrap();
        std::fs::write(&path, bytes).unwrap();
        path
    }

    /// A module from its text.
    pub(crate) fn wat(&self, name: &str, text: &str) {
        self.write(name, wat::parse_str(text).unwrap());
    }

    /// One of the codelets in `guests/bin`.
    pub(crate) fn guest(&self, name: &str) {
        let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../guests/bin").join(name);
        std::fs::copy(path, self.path(name)).unwrap();
    }

    /// A command in this directory, with nothing of the tester's environment
    /// that could matter.
    pub(crate) fn command(&self, program: impl AsRef<OsStr>) -> Command {
        let mut command = Command::new(program);
        command.current_dir(self.dir.path());
        for variable in ["WEFT_DIR", "WEFT_CACHE_MAX", "NO_COLOR", "XDG_CACHE_HOME", "CARGO_HOME"] {
            command.env_remove(variable);
        }
        command.env_remove("TERM");
        command.env("HOME", self.path("home"));
        command
    }

    /// Runs to the end.
    pub(crate) fn weft(&self, arguments: impl IntoIterator<Item = impl AsRef<OsStr>>) -> Ran {
        ran(self.command(WEFT).args(arguments).stdin(Stdio::null()).output().unwrap())
    }

    /// The same, with something to read.
    pub(crate) fn weft_with(&self, input: &[u8], arguments: &[&str]) -> Ran {
        let mut child = self.start(arguments, Stdio::piped());
        child.stdin.take().unwrap().write_all(input).unwrap();
        ran(child.wait_with_output().unwrap())
    }

    pub(crate) fn start(&self, arguments: &[&str], stdin: Stdio) -> Child {
        let mut command = self.command(WEFT);
        command.args(arguments).stdin(stdin).stdout(Stdio::piped()).stderr(Stdio::piped());
        command.spawn().unwrap()
    }

    /// Quiet: how fast it is on a busy machine is no matter here.
    pub(crate) fn eval(&self, expression: &str) -> Ran {
        self.weft(["eval", "--quiet", expression])
    }

    /// What `eval` with `--output json` prints.
    pub(crate) fn json(&self, expression: &str) -> serde_json::Value {
        let ran = self.weft(["eval", "--quiet", "--output", "json", expression]);
        serde_json::from_slice(&ran.stdout)
            .unwrap_or_else(|error| panic!("{error}: {expression}: {ran:?}"))
    }

    /// Puts something into the store, to be looked for by [`World::is_intact`].
    pub(crate) fn remember(&self) {
        self.write("kept/a", "what was there before".repeat(3));
        self.weft(["add", "--label", "kept", "kept"]).ok();
    }

    /// The store opens for reading and writing and has what it had.
    pub(crate) fn is_intact(&self) {
        assert_eq!(self.weft(["ls", "@kept"]).text(), "a\n");
        let cat = self.weft(["eval", "-o", "raw", "select(@kept, \"a\")"]);
        assert_eq!(cat.text(), "what was there before".repeat(3));
        self.weft(["add", "kept"]).ok();
    }
}

pub(crate) fn ran(output: Output) -> Ran {
    Ran {
        code: output.status.code(),
        stdout: output.stdout,
        stderr: String::from_utf8(output.stderr).unwrap(),
    }
}

impl Ran {
    /// What it said but for how far it is, which it says where the machine has
    /// so much else to do that this takes seconds.
    fn said(&self) -> String {
        let is_progress = |line: &&str| line.contains(" running") && line.ends_with(" s\n");
        self.stderr.split_inclusive('\n').filter(|line| !is_progress(line)).collect()
    }

    /// Ended well, and silently.
    #[track_caller]
    pub(crate) fn ok(&self) -> &Self {
        assert_eq!((self.code, &*self.said()), (Some(0), ""), "{self:?}");
        self
    }

    /// What a command that ended well printed.
    #[track_caller]
    pub(crate) fn text(&self) -> &str {
        std::str::from_utf8(&self.ok().stdout).unwrap()
    }

    /// The last line, which is a handle.
    #[track_caller]
    pub(crate) fn handle(&self) -> &str {
        let line = self.text().lines().last().unwrap();
        let digits = line.strip_prefix('#').unwrap();
        assert!(digits.len() == 64 && digits.bytes().all(|b| b.is_ascii_hexdigit()), "{line}");
        line
    }

    /// Ended with this code and an error as all errors are, with these words in
    /// it; nothing on standard output.
    #[track_caller]
    pub(crate) fn fails(&self, code: i32, words: &[&str]) -> &Self {
        assert_eq!(self.code, Some(code), "{self:?}");
        assert!(self.stdout.is_empty(), "{self:?}");
        let said = self.said();
        assert!(said.starts_with("weft: error: "), "{self:?}");
        assert!(said.ends_with('\n') && !said.ends_with(".\n"), "{self:?}");
        let first = said["weft: error: ".len()..].chars().next().unwrap();
        assert!(!first.is_uppercase(), "{self:?}");
        for word in words {
            assert!(said.contains(word), "{word}: {said}");
        }
        self
    }
}
