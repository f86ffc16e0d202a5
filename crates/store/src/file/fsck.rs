//! Proving a store by hashing all of it, and keeping what is sound of one that
//! is not.
//!
//! Nothing of the index is believed here: what there is is what stands in the
//! packs, see [`gather`] and [`scan`]. What hangs on something that is gone is
//! found by following Trees ([`reach`]). A repair writes what is sound to a new
//! store beside the old one and then changes them ([`repair`]).

mod gather;
mod reach;
mod repair;
mod scan;
mod words;

use std::path::{Path, PathBuf};
use std::sync::Arc;

use weft_object::Handle;

use super::home::Options;
use crate::disk::{Disk, Lock};
use crate::moving::Moving;
use crate::{Label, StoreError};
use gather::Gathered;
use reach::Reach;
use scan::Scanned;

/// What is in a store, and what is wrong with it.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
#[non_exhaustive]
pub struct Checked {
    /// Objects that are sound.
    pub objects: u64,
    /// Relations that are sound.
    pub relations: u64,
    /// Labels.
    pub labels: u64,
    /// Objects that were dropped and can be computed again.
    pub dropped: u64,
    /// Bytes that were hashed.
    pub bytes: u64,
    /// What is damaged.
    pub problems: Vec<Problem>,
    /// What hangs on that.
    pub affected: Vec<Affected>,
}

impl Checked {
    /// Whether nothing is wrong.
    #[must_use]
    pub fn is_sound(&self) -> bool {
        self.problems.is_empty() && self.affected.is_empty()
    }
}

/// A part of a file that is not what it was.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Problem {
    /// The file.
    pub path: PathBuf,
    /// Where in it.
    pub offset: u64,
    /// What is wrong.
    pub what: Wrong,
}

/// What may be wrong with a part of a file.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum Wrong {
    /// The list of the store's parts is gone or changed.
    List,
    /// The beginning of a file of the log is changed.
    Pack,
    /// A file of the log is gone; what it held is not known.
    NoPack,
    /// So many bytes are no records any more; what they held is not known.
    Records(u64),
    /// The file ends here, and so many bytes more were safe once; what they held
    /// is not known.
    End(u64),
    /// The bytes are not those of this content.
    Content(Handle),
    /// The file of this content is gone.
    Missing(Handle),
    /// A part of the index is gone, changed, or says something else than the
    /// log.
    Index,
}

/// Something that needs content which is gone.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Affected {
    /// What.
    pub by: Needs,
    /// The content that is gone. There may be more.
    pub missing: Handle,
    /// Whether all that is missing there can be computed again.
    pub comes_back: bool,
}

/// What may need content.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Needs {
    /// A label, and the handle that it stands at.
    Label(Label, Handle),
    /// A pin or a lease.
    Pin(Handle),
    /// The outcome of the relation under this key.
    Outcome(Handle),
}

/// What a repair has done.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
#[non_exhaustive]
pub struct Repaired {
    /// What was found, before.
    pub found: Checked,
    /// Content that is gone and comes back when it is asked for: it is
    /// computed again.
    pub recoverable: Vec<Handle>,
    /// Content that is gone and that nothing brings back.
    pub lost: Vec<Handle>,
    /// The keys of relations that were taken out, since their outcome is gone.
    pub forgotten: Vec<Handle>,
    /// Where the damaged files are now; nothing reads them.
    pub set_aside: Vec<PathBuf>,
}

impl Repaired {
    /// Whether all that there was is there, or comes back when it is asked for.
    #[must_use]
    pub fn is_whole(&self) -> bool {
        let unknown = |problem: &Problem| {
            matches!(problem.what, Wrong::NoPack | Wrong::Records(_) | Wrong::End(_))
        };
        self.lost.is_empty()
            && self.forgotten.is_empty()
            && !self.found.problems.iter().any(unknown)
    }
}

/// How many bytes are done, and of how many.
type Tell<'a> = &'a dyn Fn(u64, u64);

/// Reads all of a store and says what is wrong with it. Changes nothing, but
/// notes which content is damaged: who has it and puts it again mends it. `tell`
/// hears how many bytes are done, and of how many.
///
/// Takes memory for each object and relation, about 150 bytes.
///
/// # Errors
/// There is no store, it is of another version, another process writes to it,
/// or so little of it can be read that nothing can be said.
pub fn fsck(
    disk: &Arc<dyn Disk>,
    directory: &Path,
    options: Options,
    tell: Tell<'_>,
) -> Result<Checked, StoreError> {
    let _lock = lock_if_possible(disk, directory)?;
    let scanned = Scanned::of(gather::gather(disk, directory, options)?, tell)?;
    super::broken::note(&scanned.from.home, scanned.broken());
    Ok(checked(&scanned, &Reach::of(&scanned)?))
}

/// Keeps all of a store that is sound, and makes it a sound one.
///
/// Damaged files are moved to `damaged` in the store's directory. What a
/// relation can bring back is noted as such, and relations whose outcome is gone
/// for good are taken out. Labels stay where they stand. There has to be room
/// for a second copy of all but large content. Whenever it is interrupted, it
/// can be run again.
///
/// `None` if nothing is wrong.
///
/// # Errors
/// As of [`fsck`], or it cannot be written.
pub fn repair(
    disk: &Arc<dyn Disk>,
    directory: &Path,
    options: Options,
    tell: Tell<'_>,
) -> Result<Option<Repaired>, StoreError> {
    Gathered::is_one(disk, directory)?;
    let lock = disk.lock(directory)?;
    let scanned = Scanned::of(gather::gather(disk, directory, options)?, tell)?;
    let reach = Reach::of(&scanned)?;
    let found = checked(&scanned, &reach);
    let is_done = found.problems.iter().all(|problem| problem.what == Wrong::Index);
    if is_done && disk.list(directory)?.iter().any(|name| name == repair::MADE_IN) {
        // Of one that a power cut ended when it was done but for this.
        Moving::new(&**disk).clear(&directory.join(repair::MADE_IN))?;
    }
    if found.is_sound() {
        return Ok(None);
    }
    repair::repair(&scanned, &reach, found, lock).map(Some)
}

// A writer would change what is being read. Where nobody can write, nobody has
// to be kept from it.
fn lock_if_possible(
    disk: &Arc<dyn Disk>,
    directory: &Path,
) -> Result<Option<Box<dyn Lock>>, StoreError> {
    Gathered::is_one(disk, directory)?;
    match disk.lock(directory) {
        Err(StoreError::Io { .. }) => Ok(None),
        lock => lock.map(Some),
    }
}

fn checked(scanned: &Scanned, reach: &Reach) -> Checked {
    let counts = scanned.counts();
    Checked {
        objects: counts.objects,
        relations: scanned.relations.len() as u64,
        labels: scanned.state.labels.len() as u64,
        dropped: counts.dropped,
        bytes: scanned.bytes,
        problems: scanned.problems(),
        affected: reach.affected(scanned),
    }
}
