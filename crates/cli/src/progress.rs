//! How far something has come: one line, written over on a terminal, a line now
//! and then elsewhere.

use std::sync::mpsc::{RecvTimeoutError, channel};
use std::time::{Duration, Instant};

use crate::out::escaped;
use crate::terminal::{CLEAR, CUT, Terminal};

/// Ten times a second is as fast as anybody reads.
const TERMINAL_EVERY: Duration = Duration::from_millis(100);
/// In a file or a log each line stays, so there are few.
const ELSEWHERE_EVERY: Duration = Duration::from_secs(5);

/// Does `work`, and meanwhile shows what `line` says. Of what ends within the
/// first interval nothing is seen.
pub(crate) fn during<T>(
    terminal: Terminal,
    line: impl Fn(Duration) -> String + Sync,
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
            while end.recv_timeout(every) == Err(RecvTimeoutError::Timeout) {
                show(terminal, &line(start.elapsed()));
                shown = true;
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

fn show(terminal: Terminal, line: &str) {
    if terminal.is_terminal {
        let [cut, wrap] = CUT;
        terminal.write(&format!("{CLEAR}{cut}{}{wrap}", escaped(line)));
    } else {
        terminal.remark(line);
    }
}

/// Bytes for each second.
pub(crate) fn rate(bytes: u64, elapsed: Duration) -> String {
    let seconds = elapsed.as_secs_f64().max(1e-6);
    format!("{}/s", crate::units::size((bytes as f64 / seconds) as u64))
}
