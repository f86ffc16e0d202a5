//! Reads what `cargo test` prints: counts, failures, and skips.
//!
//! A test that cannot run where it is (no C compiler, say) prints a line
//! `skipped: why` and returns. libtest has no notion of that, so we ask it to
//! show what passing tests print, keep the skips, and drop the rest.

use std::io::{BufRead, BufReader, Write};
use std::process::{Command, Stdio};

use crate::Result;
use crate::command::show;

/// What the tests of one or more binaries came to.
#[derive(Debug, Default, PartialEq)]
pub(crate) struct Tally {
    pub passed: u64,
    pub failed: u64,
    /// `test name (why)`.
    pub skipped: Vec<String>,
}

/// Follows the output line by line.
#[derive(Default)]
pub(crate) struct Reader {
    pub tally: Tally,
    /// Within libtest's section about what passed.
    in_successes: bool,
    test: String,
    /// Skips in the binary whose output this is.
    skipped_here: u64,
}

impl Reader {
    /// Takes a line in; `true` if a person should see it.
    pub(crate) fn line(&mut self, line: &str) -> bool {
        if let Some(counts) = line.strip_prefix("test result: ") {
            self.in_successes = false;
            // libtest counted what was skipped among what passed.
            let skipped = std::mem::take(&mut self.skipped_here);
            self.tally.passed += count(counts, "passed").saturating_sub(skipped);
            self.tally.failed += count(counts, "failed");
            return true;
        }
        match line {
            "successes:" => self.in_successes = true,
            "failures:" => self.in_successes = false,
            _ => {}
        }
        if !self.in_successes {
            return true;
        }
        if let Some(rest) = line.strip_prefix("---- ") {
            self.test = rest.trim_end_matches(" ----").trim_end_matches(" stdout").into();
        } else if let Some(why) = line.strip_prefix("skipped: ") {
            self.tally.skipped.push(format!("{} ({why})", self.test));
            self.skipped_here += 1;
        }
        false
    }
}

/// The number before this word in `ok. 3 passed; 0 failed; ...`.
fn count(counts: &str, word: &str) -> u64 {
    let words: Vec<&str> = counts.split([' ', ';']).filter(|w| !w.is_empty()).collect();
    let found = words.windows(2).find(|pair| pair[1] == word);
    found.and_then(|pair| pair[0].parse().ok()).unwrap_or(0)
}

/// Runs a `cargo test ... -- --show-output`, shows what matters of its output,
/// and adds to the tally, also where it fails.
pub(crate) fn run(command: &mut Command, tally: &mut Tally) -> Result<()> {
    let mut child = command.stdout(Stdio::piped()).spawn()?;
    let mut reader = Reader { tally: std::mem::take(tally), ..Reader::default() };
    if let Some(output) = child.stdout.take() {
        let mut stdout = std::io::stdout().lock();
        for line in BufReader::new(output).split(b'\n') {
            let line = line?;
            if reader.line(String::from_utf8_lossy(&line).trim_end()) {
                stdout.write_all(&line)?;
                stdout.write_all(b"\n")?;
            }
        }
    }
    *tally = reader.tally;
    let status = child.wait()?;
    if status.success() {
        Ok(())
    } else {
        Err(format!("{} failed: {status}", show(command)).into())
    }
}

#[cfg(test)]
mod tests {
    use super::{Reader, Tally};

    const OUTPUT: &str = "
running 3 tests
test a::one ... ok
test c::two ... ok
test b ... FAILED

successes:

---- a::one stdout ----
some noise
---- c::two stdout ----
skipped: no C compiler

successes:
    a::one
    c::two

failures:

---- b stdout ----
skipped: not a skip, it failed

failures:
    b

test result: FAILED. 2 passed; 1 failed; 0 ignored; 0 measured; 0 filtered out; finished in 0.01s
   Doc-tests weft
test result: ok. 12 passed; 0 failed; 0 ignored; 0 measured; 0 filtered out; finished in 0.01s
";

    #[test]
    fn counts_and_names_skips() {
        let mut reader = Reader::default();
        let shown: Vec<&str> = OUTPUT.lines().filter(|line| reader.line(line)).collect();
        let skipped = vec!["c::two (no C compiler)".to_owned()];
        assert_eq!(reader.tally, Tally { passed: 13, failed: 1, skipped });
        assert!(!shown.contains(&"some noise"));
        assert!(shown.contains(&"skipped: not a skip, it failed"));
        assert!(shown.contains(&"---- b stdout ----"));
    }
}
