//! Numbers for people, both ways.

use std::time::Duration;

use crate::explained::moment;

/// `1.5 GiB`, as the notation counts.
pub(crate) fn size(bytes: u64) -> String {
    const UNITS: [&str; 5] = ["B", "KiB", "MiB", "GiB", "TiB"];
    let mut value = bytes as f64;
    let mut unit = 0;
    while value >= 1024.0 && unit + 1 < UNITS.len() {
        value /= 1024.0;
        unit += 1;
    }
    match unit {
        0 => format!("{bytes} B"),
        _ => format!("{value:.1} {}", UNITS[unit]),
    }
}

/// `1.50 s`, `12.3 ms`, `45 us`.
pub(crate) fn time(duration: Duration) -> String {
    let seconds = duration.as_secs_f64();
    match seconds {
        s if s >= 100.0 => format!("{s:.0} s"),
        s if s >= 1.0 => format!("{s:.2} s"),
        s if s >= 0.001 => format!("{:.1} ms", s * 1e3),
        s => format!("{:.0} us", s * 1e6),
    }
}

/// `1,234,567`.
pub(crate) fn count(number: u64) -> String {
    let digits = number.to_string();
    let mut out = String::with_capacity(digits.len() + digits.len() / 3);
    for (at, digit) in digits.chars().enumerate() {
        if at > 0 && (digits.len() - at).is_multiple_of(3) {
            out.push(',');
        }
        out.push(digit);
    }
    out
}

/// `1 object`, `2 objects`, `3,000 entries`.
pub(crate) fn counted(number: u64, noun: &str) -> String {
    let count = count(number);
    match (number, noun.strip_suffix('y')) {
        (1, _) => format!("{count} {noun}"),
        (_, Some(stem)) => format!("{count} {stem}ies"),
        (_, None) => format!("{count} {noun}s"),
    }
}

/// Digits, perhaps a point and more, and a unit directly behind.
fn number(text: &str, units: &[(&str, f64)]) -> Option<f64> {
    let end = text.find(|c: char| !c.is_ascii_digit() && c != '.').unwrap_or(text.len());
    let (digits, unit) = text.split_at(end);
    let (_, factor) = units.iter().find(|(name, _)| *name == unit)?;
    let value = digits.parse::<f64>().ok()? * factor;
    value.is_finite().then_some(value)
}

/// Nanoseconds since 1970, of a day or a moment in UTC, or as a number with its unit.
pub(crate) fn parse_instant(text: &str) -> Result<u64, String> {
    let number = |unit: &str, ns: u64| {
        let number = text.strip_suffix(unit)?.parse::<u64>().ok()?;
        number.checked_mul(ns)
    };
    let whole = || number("s", NANOSECONDS).or_else(|| number("ns", 1));
    let ns = seconds(text).and_then(|seconds| seconds.checked_mul(NANOSECONDS)).or_else(whole);
    ns.ok_or_else(|| {
        "a time is a day or a moment in UTC from 1970 on, 2026-01-01 or 2026-01-01T12:00:00Z, or \
         seconds or nanoseconds since then, 1767225600s or 1767225600000000000ns"
            .into()
    })
}

const NANOSECONDS: u64 = 1_000_000_000;

/// Since 1970, of `2026-01-01` or `2026-01-01T12:00:00Z`.
fn seconds(text: &str) -> Option<u64> {
    // So much for numbers that are too large.
    if !matches!(text.len(), 10 | 20) {
        return None;
    }
    let (day, time) = match text.split_once('T') {
        Some((day, time)) => (day, time.strip_suffix('Z')?),
        None => (text, "00:00:00"),
    };
    let numbers = |text: &str, between: char| {
        let mut parts = text.split(between).map(str::parse::<u64>);
        Some([parts.next()?.ok()?, parts.next()?.ok()?, parts.next()?.ok()?])
    };
    let ([year, month, of_month], [hour, minute, second]) =
        (numbers(day, '-')?, numbers(time, ':')?);
    // As in `moment`: years that begin in March.
    let (year, from_march) = match month {
        1 | 2 => (year.checked_sub(1)?, month + 9),
        3..=12 => (year, month - 3),
        _ => return None,
    };
    let days = 365 * year + year / 4 - year / 100 + year / 400 + (153 * from_march + 2) / 5;
    let days = (days + of_month).checked_sub(719_469)?;
    let seconds = days * 86_400 + hour * 3600 + minute * 60 + second;
    // A day or an hour that there is not is another one.
    (moment(seconds) == format!("{day} {time} UTC")).then_some(seconds)
}

pub(crate) fn parse_duration(text: &str) -> Result<Duration, String> {
    let units = [("ms", 1e-3), ("s", 1.0), ("m", 60.0), ("h", 3600.0)];
    let seconds = number(text, &units).and_then(|s| Duration::try_from_secs_f64(s).ok());
    seconds.ok_or_else(|| "a duration is a number and a unit: 500ms, 10s, 2m or 1h".into())
}

pub(crate) fn parse_size(text: &str) -> Result<u64, String> {
    let k = 1024.0;
    let units = [("", 1.0), ("KiB", k), ("MiB", k * k), ("GiB", k * k * k), ("TiB", k * k * k * k)];
    let bytes = number(text, &units).filter(|bytes| (1.0..=1e18).contains(bytes));
    let bytes = bytes.ok_or("a size is a number of bytes, or one with a unit: 64MiB, 2GiB")?;
    Ok(bytes as u64)
}

/// For a whole node: with less, nothing could run.
pub(crate) fn parse_memory(text: &str) -> Result<u64, String> {
    const LEAST: u64 = 1 << 20;
    match parse_size(text)? {
        bytes if bytes < LEAST => Err("too little to run anything; the least is 1MiB".into()),
        bytes => Ok(bytes),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_people_write_is_read() {
        assert_eq!(parse_duration("500ms"), Ok(Duration::from_millis(500)));
        assert_eq!(parse_duration("1.5s"), Ok(Duration::from_millis(1500)));
        assert_eq!(parse_duration("2m"), Ok(Duration::from_secs(120)));
        assert_eq!(parse_size("64MiB"), Ok(64 << 20));
        assert_eq!(parse_size("512"), Ok(512));
        for wrong in ["", "5", "s", "-1s", "1e400s", "5 s", "nans"] {
            assert!(parse_duration(wrong).is_err(), "{wrong}");
        }
        for wrong in ["", "MiB", "64MB", "0", "-1", "9999999999TiB"] {
            assert!(parse_size(wrong).is_err(), "{wrong}");
        }
    }

    #[test]
    fn moments_are_read_as_they_are_told() {
        for seconds in (0..5_000_000_000).step_by(86_399 * 11).chain([951_782_400, 4_107_542_399]) {
            let told = moment(seconds);
            let written = told.strip_suffix(" UTC").unwrap().replace(' ', "T") + "Z";
            assert_eq!(parse_instant(&written), Ok(seconds * 1_000_000_000), "{written}");
        }
        assert_eq!(parse_instant("2026-01-01"), Ok(1_767_225_600_000_000_000));
        assert_eq!(parse_instant("1767225600s"), Ok(1_767_225_600_000_000_000));
        assert_eq!(parse_instant("5ns"), Ok(5));
        let last = "2554-07-21T23:34:33Z";
        assert_eq!(parse_instant(last), Ok(u64::MAX / 1_000_000_000 * 1_000_000_000));
        for wrong in [
            "",
            "5",
            "-5s",
            "1.5s",
            "2026",
            "2026-1-1",
            "2026-02-29",
            "2026-13-01",
            "2026-00-01",
            "2026-01-00",
            "1969-12-31",
            "9999-01-01",
            "2554-07-21T23:34:34Z",
            "2026-01-01T12:00:00",
            "2026-01-01T24:00:00Z",
            "2026-01-01 12:00:00Z",
            "0-1-999999999T0:0:0Z",
            "999999999-1-1T0:0:0Z",
            "99999999999999999999s",
        ] {
            assert!(parse_instant(wrong).is_err(), "{wrong}");
        }
    }

    #[test]
    fn numbers_are_printed_for_people() {
        assert_eq!(size(1023), "1023 B");
        assert_eq!(size(1536), "1.5 KiB");
        assert_eq!(count(0), "0");
        assert_eq!(count(1_234_567), "1,234,567");
        assert_eq!(counted(1, "object"), "1 object");
        assert_eq!(counted(0, "object"), "0 objects");
        assert_eq!(counted(1, "entry"), "1 entry");
        assert_eq!(counted(3000, "entry"), "3,000 entries");
        assert_eq!(time(Duration::from_millis(1500)), "1.50 s");
        assert_eq!(time(Duration::from_micros(1500)), "1.5 ms");
        assert_eq!(time(Duration::from_micros(15)), "15 us");
    }
}
