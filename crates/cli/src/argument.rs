//! What a command that takes a HANDLE is given: data, named in any way.

use std::ffi::OsStr;

use weft_object::{Handle, Prefix};
use weft_store::Mode;

use crate::evaluate::{self, Options};
use crate::exit::Exit;
use crate::names::{built, mode_for, parsed};
use crate::place::Place;
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

/// The handle that an argument denotes, as it is: nothing is computed.
pub(crate) fn handle(argument: &OsStr, terminal: Terminal) -> Result<(Place, Handle), Exit> {
    let source = source(argument)?;
    let expr = parsed(&source)?;
    let place = Place::open(Mode::Write, terminal)?;
    let handle = built(&place, &source, &expr)?;
    Ok((place, handle))
}
