//! WASI preview 1 as a pure function: a program's calls, answered from
//! directories that are Trees.
//!
//! A [`Process`] is everything that a program sees beside its own memory:
//! arguments, environment, standard input, clock, random bytes, and files. It
//! is made of an [`Invocation`], answers each call ([`Process::call`]), and in
//! the end turns into what the program has written ([`Process::finish`]). The
//! same invocation and the same calls give the same answers, on every machine:
//! there is no thread, real clock, path, socket or file behind it.
//!
//! Three things that are easily confused:
//!
//! - *Errno and [`Stop`].* An errno is an answer that the program gets and goes
//!   on with. A stop ends the run, and the program never knows of it.
//! - *What the run reads and what it looks at.* Directories are read node by
//!   node as paths lead through them, and a file's bytes when it is first read
//!   or changed in place, through a [`Source`]. What was looked at, and with
//!   what answer, is an [`Observation`]: absences and sizes too, and less than
//!   what lies in the nodes that were read.
//! - *[`Process::call`] and [`Direct`].* Both do the same. The first is preview
//!   1, with addresses in the program's memory; the second takes values, for the
//!   interfaces of WASI 0.2.
//! - *New directory and edits.* [`Finished::roots`] are whole directories. The
//!   [`Edit`]s say the same as changes, and hold for every directory that answers
//!   what the run has asked as its own did: on that one they can be made
//!   ([`apply`]) instead of running the program again. Which these are a [`Walk`]
//!   along the [`Steps`] of earlier runs finds out.
//!
//! `docs/wasi.md` lists the calls, from the same table that the engine links
//! ([`CALLS`]).

#![forbid(unsafe_code)]

mod calls;
mod clock;
mod direct;
mod errno;
mod fds;
mod finish;
mod fs;
mod fuzz;
mod invocation;
mod memory;
mod observe;
mod process;
mod random;
mod source;
mod suspend;
mod types;

pub use calls::{CALLS, Call, MODULE, Wasm};
pub use clock::ClockRule;
pub use direct::{Direct, Listed, NewTime, Opening, Stat, Stream};
pub use errno::Errno;
pub use finish::Finished;
pub use fuzz::fuzz_calls;
pub use invocation::{Invocation, InvocationError, Limits, Preopen};
pub use observe::{
    Answer, Applied, Asked, Directories, Edit, EditKind, End, Observation, Question, Start, Step,
    Steps, Walk, apply, listing_digest,
};
pub use process::Process;
pub use source::{Halt, Source, Stop};
pub use suspend::{Suspended, Unfit, Unlike};
