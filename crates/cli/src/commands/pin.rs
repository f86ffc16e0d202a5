use std::collections::HashMap;
use std::ffi::OsString;
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use clap::{Arg, ArgMatches};
use weft_object::Handle;
use weft_store::{Backend, Mode, Pin, StoreError};

use super::{Command, handle_argument, no_arguments};
use crate::argument;
use crate::exit::{Code, Exit};
use crate::out::out;
use crate::place::Place;
use crate::recover::is_there;
use crate::terminal::Terminal;
use crate::units::{parse_duration, time};

pub(crate) const COMMAND: Command = Command {
    name: "pin",
    about: "Keep something in the store without a label",
    details: "What is pinned, and all that it reaches, is not collected: until it is\n\
              unpinned, or for some time. Of two pins the longer counts. What `weft add` and\n\
              `weft eval` make is pinned for a day. Nothing is evaluated.",
    examples: &["weft pin 1f3a55", "weft pin --for 7d @nightly", "weft pin ./data"],
    arguments: |command| {
        let time = Arg::new("for")
            .long("for")
            .value_name("TIME")
            .value_parser(parse_days)
            .help("For how long, as 12h or 7d [default: until `weft unpin`]");
        command.arg(handle_argument("HANDLE")).arg(time)
    },
    run: pin,
};

pub(crate) const UNPIN: Command = Command {
    name: "unpin",
    about: "Let something be collected again that was pinned",
    details: "Nothing is removed by that alone: `weft gc` does it.",
    examples: &["weft unpin 1f3a55"],
    arguments: |command| command.arg(handle_argument("HANDLE")),
    run: unpin,
};

pub(crate) const PINS: Command = Command {
    name: "pins",
    about: "List what is pinned, and for how long",
    details: "One a line: the handle, a space, and how long the pin lasts, or `for good`.",
    examples: &["weft pins"],
    arguments: no_arguments,
    run: pins,
};

/// How long what a command has made is kept, so that there is time to label it.
const LEASE: Duration = Duration::from_secs(24 * 3600);

/// A lease that has lost less than this is not written again: nothing at all is
/// written by a command that finds everything known.
const LEASE_LOST: Duration = Duration::from_secs(3600);

/// Pins what a command has made, for a day.
pub(crate) fn lease(backend: &dyn Backend, handles: &[Handle]) -> Result<(), StoreError> {
    let until_s = now_s() + LEASE.as_secs();
    let enough_s = until_s - LEASE_LOST.as_secs();
    let pins = backend.pins()?.into_iter();
    let pins: HashMap<Handle, Pin> = pins.map(|pin| (pin.handle, pin)).collect();
    for handle in handles.iter().filter(|handle| !handle.is_literal()) {
        if !pins.get(handle).is_some_and(|pin| pin.holds_at(enough_s)) {
            backend.pin(&Pin { handle: *handle, until_s: Some(until_s) })?;
        }
    }
    Ok(())
}

fn now_s() -> u64 {
    SystemTime::now().duration_since(UNIX_EPOCH).map_or(0, |since| since.as_secs())
}

fn parse_days(text: &str) -> Result<Duration, String> {
    let days = text.strip_suffix('d').and_then(|days| days.parse::<u32>().ok());
    match days {
        Some(days) => Ok(Duration::from_secs(u64::from(days) * 24 * 3600)),
        None => {
            parse_duration(text).map_err(|_| "a time is a number and a unit: 30m, 12h, 7d".into())
        }
    }
}

fn pin(matches: &ArgMatches, terminal: Terminal) -> Result<(), Exit> {
    let argument = matches.get_one::<OsString>("HANDLE").cloned().unwrap_or_default();
    let (place, handle) = argument::handle(&argument, terminal)?;
    let backend = &place.backend;
    is_there(&**backend, &handle)?;
    let time = matches.get_one::<Duration>("for");
    let until_s = time.map(|time| now_s().saturating_add(time.as_secs()));
    backend.pin(&Pin { handle, until_s })?;
    Ok(backend.sync()?)
}

fn unpin(matches: &ArgMatches, terminal: Terminal) -> Result<(), Exit> {
    let argument = matches.get_one::<OsString>("HANDLE").cloned().unwrap_or_default();
    let (place, handle) = argument::handle(&argument, terminal)?;
    if !place.backend.unpin(&handle)? {
        let text = format!("#{handle} is not pinned; `weft pins` lists what is");
        return Err(Exit::new(Code::Store, text));
    }
    Ok(place.backend.sync()?)
}

fn pins(_: &ArgMatches, terminal: Terminal) -> Result<(), Exit> {
    let place = Place::open(Mode::Read, terminal)?;
    let now_s = now_s();
    let pins = place.backend.pins()?;
    out(|out| {
        pins.iter().filter(|pin| pin.holds_at(now_s)).try_for_each(|pin| {
            let left = pin.until_s.map(|until_s| Duration::from_secs(until_s - now_s));
            let left = left.map_or("for good".to_owned(), lasting);
            writeln!(out, "#{} {left}", pin.handle)
        })
    })
}

fn lasting(left: Duration) -> String {
    match left.as_secs() {
        s if s >= 48 * 3600 => format!("for {} days", s / (24 * 3600)),
        s if s >= 2 * 3600 => format!("for {} hours", s / 3600),
        s if s >= 120 => format!("for {} minutes", s / 60),
        _ => format!("for {}", time(left)),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn times_are_read_and_printed_for_people() {
        assert_eq!(parse_days("7d"), Ok(Duration::from_secs(7 * 24 * 3600)));
        assert_eq!(parse_days("12h"), Ok(Duration::from_secs(12 * 3600)));
        for wrong in ["", "7", "d", "-1d", "1w"] {
            assert!(parse_days(wrong).is_err(), "{wrong}");
        }
        assert_eq!(lasting(Duration::from_secs(7 * 24 * 3600)), "for 7 days");
        assert_eq!(lasting(LEASE), "for 24 hours");
        assert_eq!(lasting(Duration::from_secs(150)), "for 2 minutes");
        assert_eq!(lasting(Duration::from_secs(5)), "for 5.00 s");
    }
}
