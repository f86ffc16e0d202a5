//! What a command that takes a HANDLE is given: data, named in any way.

use std::ffi::{OsStr, OsString};
use std::os::unix::ffi::OsStrExt;

use clap::ArgMatches;
use weft_object::{Handle, Prefix};
use weft_store::{Mode, files};

use crate::evaluate::{self, Options};
use crate::exit::{Code, Exit};
use crate::names::{built, mode_for, parsed};
use crate::out::name;
use crate::place::Place;
use crate::recover::Source;
use crate::report;
use crate::terminal::Terminal;

/// The text of an expression. A handle or its first digits may stand without
/// `#`: no expression begins so.
pub(crate) fn source(argument: &OsStr) -> Result<String, Exit> {
    let text = argument.to_str().ok_or_else(|| {
        Exit::usage("an expression is UTF-8; write such names with escapes, as file\"caf\\xe9\"")
    })?;
    let digits = Prefix::parse(text).is_ok();
    Ok(if digits { format!("#{text}") } else { text.to_owned() })
}

/// The data that an argument names, and the store that it is in. What has to be
/// computed is computed, and kept, as by `weft eval`.
pub(crate) fn data(argument: &OsStr, terminal: Terminal) -> Result<(Place, Handle), Exit> {
    let source = source(argument)?;
    let expr = parsed(&source)?;
    let mut place = Place::open(mode_for(&expr), terminal)?;
    let handle = built(&place, &source, &expr)?;
    if handle.kind().is_data() {
        return Ok((place, handle));
    }
    if place.mode == Mode::Read {
        drop(place);
        place = Place::open(Mode::Write, terminal)?;
    }
    let answer = evaluate::evaluate(&place, handle, &Options::default(), terminal)?;
    let value = report::value(&answer)?;
    Ok((place, value))
}

/// The same, or what is under a `PATH` in it, if there is one.
pub(crate) fn inside(
    argument: &OsStr,
    matches: &ArgMatches,
    terminal: Terminal,
) -> Result<(Place, Handle), Exit> {
    let (place, handle) = data(argument, terminal)?;
    let Some(path) = matches.get_one::<OsString>("PATH") else { return Ok((place, handle)) };
    let path = plain(path.as_bytes());
    if path.is_empty() {
        return Ok((place, handle));
    }
    let found = {
        let content = Source::new(&place, terminal);
        let source = |wanted: &Handle| content.get(wanted);
        files::find(&source, &handle, path)?.ok_or_else(|| {
            let text = format!("there is no {} in #{handle}", name(path));
            Exit::new(Code::Store, text)
        })?
    };
    Ok((place, found))
}

/// A path without what a shell's completion adds and what says "here".
pub(crate) fn plain(mut path: &[u8]) -> &[u8] {
    while let Some(rest) = path.strip_prefix(b"./") {
        path = rest;
    }
    while let [rest @ .., b'/'] = path
        && !rest.is_empty()
    {
        path = rest;
    }
    if path == b"." { &[] } else { path }
}

/// The handle that an argument denotes, as it is: nothing is computed. The store
/// is open to write to only if what the argument is made of has to be put there.
pub(crate) fn as_it_is(argument: &OsStr, terminal: Terminal) -> Result<(Place, Handle), Exit> {
    let source = source(argument)?;
    let expr = parsed(&source)?;
    let place = Place::open(mode_for(&expr), terminal)?;
    let handle = built(&place, &source, &expr)?;
    Ok((place, handle))
}

/// The same, with the store open to write to.
pub(crate) fn handle(argument: &OsStr, terminal: Terminal) -> Result<(Place, Handle), Exit> {
    let source = source(argument)?;
    let expr = parsed(&source)?;
    let place = Place::open(Mode::Write, terminal)?;
    let handle = built(&place, &source, &expr)?;
    Ok((place, handle))
}
