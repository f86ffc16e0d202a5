//! How far something has come: one line, written over on a terminal, a line now
//! and then elsewhere.

use std::sync::mpsc::{RecvTimeoutError, channel};
use std::time::{Duration, Instant};

use weft_node::Stat;

use crate::out::escaped;
use crate::terminal::{CLEAR, CUT, Terminal, Width};
use crate::units::count;

/// Ten times a second is as fast as anybody reads.
const TERMINAL_EVERY: Duration = Duration::from_millis(100);
/// In a file or a log each line stays, so there are few.
const ELSEWHERE_EVERY: Duration = Duration::from_secs(5);

/// Does `work`, and meanwhile shows what `line` says: the longest of its forms
/// that fits, for half a number is a wrong one. Of what ends within the first
/// interval nothing is seen.
pub(crate) fn during<T>(
    terminal: Terminal,
    line: impl Fn(Duration) -> Vec<String> + Sync,
    work: impl FnOnce() -> T,
) -> T {
    if terminal.quiet {
        return work();
    }
    let start = Instant::now();
    let line = &line;
    std::thread::scope(|scope| {
        // Dropped when the work ends, also by a panic, and then the line ends.
        let (ended, end) = channel::<()>();
        scope.spawn(move || {
            let every = if terminal.is_terminal { TERMINAL_EVERY } else { ELSEWHERE_EVERY };
            let mut shown = false;
            let mut width = terminal.is_terminal.then(Width::default);
            while end.recv_timeout(every) == Err(RecvTimeoutError::Timeout) {
                let forms = line(start.elapsed());
                // One less: in the last column some terminals begin a new line.
                let most = width.as_mut().map_or(usize::MAX, |width| width.columns() - 1);
                if let Some(line) = longest(forms, most) {
                    show(terminal, &line);
                    shown = true;
                }
            }
            if shown && terminal.is_terminal {
                terminal.write(CLEAR);
            }
        });
        let result = work();
        drop(ended);
        result
    })
}

/// The first, as they become shorter, of at most so many characters.
fn longest(forms: Vec<String>, most: usize) -> Option<String> {
    let escaped = forms.iter().map(|form| escaped(form).into_owned());
    escaped.into_iter().find(|form| form.chars().count() <= most)
}

fn show(terminal: Terminal, line: &str) {
    if terminal.is_terminal {
        let [cut, wrap] = CUT;
        terminal.write(&format!("{CLEAR}{cut}{line}{wrap}"));
    } else {
        terminal.remark(line);
    }
}

/// What there is to wait for while a module is compiled, if one is.
pub(crate) fn compiling(stat: &Stat) -> Option<String> {
    let (begun, all) = (count(stat.compiling_begun), count(stat.compiling));
    match (stat.compiling, stat.compiling_elsewhere) {
        (0, 0) => None,
        (0, _) => Some("another process compiles the module".to_owned()),
        _ => Some(format!("compiling, {begun} of {all} functions")),
    }
}

/// Bytes for each second.
pub(crate) fn rate(bytes: u64, elapsed: Duration) -> String {
    let seconds = elapsed.as_secs_f64().max(1e-6);
    format!("{}/s", crate::units::size((bytes as f64 / seconds) as u64))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn it_is_said_what_compiling_waits_for() {
        let told = |compiling, compiling_begun, compiling_elsewhere| {
            let stat = Stat { compiling, compiling_begun, compiling_elsewhere, ..Stat::default() };
            super::compiling(&stat)
        };
        assert_eq!(told(0, 0, 0), None);
        let functions = "compiling, 45,123 of 130,444 functions";
        assert_eq!(told(130_444, 45_123, 0).as_deref(), Some(functions));
        assert_eq!(told(130_444, 45_123, 1).as_deref(), Some(functions));
        assert_eq!(told(0, 0, 2).as_deref(), Some("another process compiles the module"));
    }

    #[test]
    fn a_form_is_shown_in_full_or_not_at_all() {
        let forms = || vec!["1,234 done, 9 s".to_owned(), "1,234 done".to_owned()];
        assert_eq!(longest(forms(), 79).as_deref(), Some("1,234 done, 9 s"));
        assert_eq!(longest(forms(), 15).as_deref(), Some("1,234 done, 9 s"));
        assert_eq!(longest(forms(), 14).as_deref(), Some("1,234 done"));
        assert_eq!(longest(forms(), 9), None);
    }
}
