//! What the command line says that a build is made from.

use std::ffi::OsString;
use std::os::unix::ffi::OsStrExt;
use std::path::{Path, PathBuf};

use clap::ArgMatches;
use weft_object::{Handle, Kind};

use super::arguments::OUT;
use super::map::{Map, Maps, parse};
use crate::argument;
use crate::commands::run::given::split;
use crate::exit::Exit;
use crate::place::Place;
use crate::terminal::Terminal;

/// What no compiler reads: every commit changes the one, and paths of this
/// machine stand in the other.
const LEFT_OUT: &[&str] = &[".git", ".hg", ".svn", ".jj", "compile_commands.json"];

pub(super) struct Given<'a> {
    pub(super) matches: &'a ArgMatches,
    pub(super) place: &'a Place,
    pub(super) terminal: Terminal,
    pub(super) here: PathBuf,
}

impl Given<'_> {
    /// What each `--sysroot` names, and where the compiler finds it.
    pub(super) fn trees(&self) -> Result<Vec<(String, Handle)>, Exit> {
        let given = self.matches.get_many::<OsString>("sysroot").into_iter().flatten();
        given.map(|given| self.tree(given)).collect()
    }

    fn tree(&self, given: &OsString) -> Result<(String, Handle), Exit> {
        let (what, guest) = split(given);
        let wrong = |text: &str| Exit::usage(format!("--sysroot {} {text}", given.display()));
        let guest = guest.unwrap_or_else(|| "/usr".into()).into_string();
        let guest = guest.ok().filter(|guest| guest.starts_with('/') && guest != OUT);
        let guest = guest.ok_or_else(|| {
            wrong("needs an absolute path other than /out behind the colon, such as /usr")
        })?;
        let root = match what.as_bytes() {
            [b'#' | b'@', ..] => argument::data(&what, self.terminal)?.1,
            _ if Path::new(&what).is_dir() => self.place.put(Path::new(&what))?.0,
            _ => return Err(wrong("is no directory; give one, or a #handle or @label")),
        };
        match root.kind() {
            Kind::Tree | Kind::TreeRef => Ok((guest, root)),
            _ => Err(wrong("is no directory; give one")),
        }
    }

    /// What each `--map` names, without where results go.
    pub(super) fn maps(&self, target: &Path) -> Result<Maps, Exit> {
        let given: Vec<&str> = match self.matches.get_many::<String>("map") {
            Some(given) => given.map(String::as_str).collect(),
            None => vec![".=/src"],
        };
        let given: Vec<(&str, String)> =
            given.into_iter().map(|given| parse(given, &self.here)).collect::<Result<_, _>>()?;
        for (at, (host, guest)) in given.iter().enumerate() {
            if guest == OUT || given[..at].iter().any(|(_, other)| other == guest) {
                let text = format!("--map {host}={guest} is taken; give another path behind the =");
                return Err(Exit::usage(text));
            }
        }
        let left_out = self.matches.get_many::<PathBuf>("leave-out").into_iter().flatten();
        let mut left_out: Vec<PathBuf> = left_out.cloned().collect();
        if let Some(missing) = left_out.iter().find(|path| !path.is_dir()) {
            let text = format!("--leave-out {} is no directory; leave it away", missing.display());
            return Err(Exit::usage(text));
        }
        left_out.push(target.to_owned());
        let map = |(host, guest): &(&str, String)| {
            let root = self.place.put_without(Path::new(host), &left_out, LEFT_OUT)?.0;
            Ok(Map::new(&self.here.join(host), guest, root))
        };
        Ok(Maps::new(given.iter().map(map).collect::<Result<_, Exit>>()?))
    }
}
