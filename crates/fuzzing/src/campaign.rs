//! Many inputs from one seed, and what is kept of a failure.

use std::any::Any;
use std::fmt;
use std::fs::{self, File};
use std::io::{self, Seek, SeekFrom, Write};
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

use crate::mutate;
use crate::targets::Target;

/// The seed where none is given: a test must do the same thing twice.
const SEED: u64 = 1;

/// One run of one target.
#[derive(Clone, Debug)]
pub struct Campaign {
    /// Determines every input.
    pub seed: u64,
    /// How long to go on; without it, as many inputs as the target says.
    pub time: Option<Duration>,
    /// Where failing inputs are kept, and the one that is running.
    pub folder: PathBuf,
    /// Run this one input only.
    pub replay: Option<PathBuf>,
}

/// An input that broke a promise.
#[derive(Debug)]
#[non_exhaustive]
pub struct Failure {
    /// The target's name.
    pub target: &'static str,
    /// Which input it was, in words.
    pub input: String,
    /// What the panic said.
    pub message: String,
    /// The file that holds the input.
    pub file: PathBuf,
}

impl fmt::Display for Failure {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { target, input, message, file } = self;
        let file = file.display();
        write!(
            f,
            "fuzz target {target} failed on {input}: {message}\n\
             the input is in {file}\n\
             again: cargo xtask fuzz {target} --seeded --replay {file}"
        )
    }
}

impl Campaign {
    /// As `WEFT_FUZZ_SECONDS`, `WEFT_FUZZ_SEED` and `WEFT_FUZZ_REPLAY` say.
    ///
    /// # Errors
    /// Names the variable that is no number.
    pub fn from_env(folder: impl Into<PathBuf>) -> Result<Self, String> {
        let number = |name: &str| match std::env::var(name) {
            Ok(text) => match text.parse() {
                Ok(number) => Ok(Some(number)),
                Err(_) => Err(format!("{name} is no number: {text}")),
            },
            Err(_) => Ok(None),
        };
        Ok(Self {
            seed: number("WEFT_FUZZ_SEED")?.unwrap_or(SEED),
            time: number("WEFT_FUZZ_SECONDS")?.map(Duration::from_secs),
            folder: folder.into(),
            replay: std::env::var_os("WEFT_FUZZ_REPLAY").map(PathBuf::from),
        })
    }

    /// Runs the target until an input fails or the campaign is over; the number
    /// of inputs that ran. First come the target's own inputs as they are.
    ///
    /// An input that ends the whole process (an abort, a stack overflow, a
    /// kill) cannot be caught. So each is written down before it runs; the next
    /// campaign begins with the one that it finds.
    ///
    /// # Errors
    /// The first failure.
    ///
    /// # Panics
    /// If files cannot be read or written.
    pub fn run(&self, target: &Target) -> Result<u64, Box<Failure>> {
        if let Some(file) = &self.replay {
            let bytes = must(fs::read(file), file);
            return self.one(target, &bytes, "the given input".into(), file).map(|()| 1);
        }
        must(fs::create_dir_all(&self.folder), &self.folder);
        let running = self.folder.join(format!("fuzz-{}-running", target.name));
        if let Ok(bytes) = fs::read(&running) {
            let input = "the input at which the last run ended".to_owned();
            self.one(target, &bytes, input, &running)?;
        }
        let mut running_file = must(File::create(&running), &running);
        let seeds = (target.seeds)();
        let start = Instant::now();
        let mut count = 0;
        loop {
            let at = usize::try_from(count).unwrap_or(usize::MAX);
            let bytes = match seeds.get(at) {
                Some(seed) => seed.clone(),
                None => mutate::input(self.seed, count, &seeds, target.words),
            };
            let over = match self.time {
                Some(time) => start.elapsed() >= time,
                None => count >= target.count,
            };
            if over && at >= seeds.len() {
                break;
            }
            must(write_over(&mut running_file, &bytes), &running);
            let input = format!("input {count} of seed {}", self.seed);
            let kept = self.folder.join(format!("fuzz-{}-{}-{count}", target.name, self.seed));
            self.one(target, &bytes, input, &kept)?;
            count += 1;
        }
        // Where it cannot be removed, the next run does this input once more.
        let _ = fs::remove_file(&running);
        Ok(count)
    }

    fn one(
        &self,
        target: &Target,
        bytes: &[u8],
        input: String,
        file: &Path,
    ) -> Result<(), Box<Failure>> {
        let Err(panic) = catch_unwind(AssertUnwindSafe(|| (target.run)(bytes))) else {
            return Ok(());
        };
        if self.replay.is_none() {
            must(fs::write(file, bytes), file);
        }
        let (target, message) = (target.name, message(panic.as_ref()));
        Err(Box::new(Failure { target, input, message, file: file.into() }))
    }
}

/// Replaces what the file holds without opening it again: some file systems
/// bring a file to disk each time it is emptied and closed, which takes longer
/// than most inputs.
fn write_over(file: &mut File, bytes: &[u8]) -> io::Result<()> {
    file.seek(SeekFrom::Start(0))?;
    file.write_all(bytes)?;
    file.set_len(bytes.len() as u64)
}

fn message(panic: &(dyn Any + Send)) -> String {
    let text = panic.downcast_ref::<&str>().map(|text| (*text).to_owned());
    let text = text.or_else(|| panic.downcast_ref::<String>().cloned());
    text.unwrap_or_else(|| "a panic without words".into())
}

fn must<T>(result: io::Result<T>, path: &Path) -> T {
    result.unwrap_or_else(|error| panic!("{}: {error}", path.display()))
}
